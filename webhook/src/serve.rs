//! The accept loop: every connection in a task of its own, handshakes, first requests and pauses with a deadline, a bound on
//! connections, and a drain at the end.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::http::{Request, Version};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::activity::Activity;
use crate::health::{Health, Phase};

/// How long clients may take for what, and how many there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most connections at a time; further ones wait in the kernel.
    pub connections: usize,
    /// The longest a TLS handshake may take.
    pub handshake: Duration,
    /// The longest until the first request of a connection has come in with all its headers. The API server connects more
    /// often than it needs to while it is busy, and keeps these connections as it keeps others.
    pub first_request: Duration,
    /// The longest until each further request has, the pause before it included. Go clients, the API server among them,
    /// close a connection that was idle for 90 s. Who closes it before them may do so while a request is on its way, which
    /// then fails, as a POST is not sent twice.
    pub idle: Duration,
    /// The longest that a connection may be without a request while more than three quarters of the connections are taken,
    /// until they are fewer than half: then it is better to disturb one that is idle than to keep others out.
    pub idle_when_crowded: Duration,
    /// The longest that the drain waits for what is under way.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            handshake: Duration::from_secs(5),
            first_request: Duration::from_secs(120),
            idle: Duration::from_secs(120),
            idle_when_crowded: Duration::from_secs(10),
            drain: Duration::from_secs(15),
        }
    }
}

/// One port and what is served on it.
#[derive(Debug)]
pub struct Server {
    /// The bound port.
    pub listener: TcpListener,
    /// Certificate and key; `None` for a plain port.
    pub tls: Option<Arc<ServerConfig>>,
    /// What answers.
    pub router: Router,
    /// Tells when to drain.
    pub health: Health,
    /// The bounds.
    pub limits: Limits,
}

/// How long an idle connection that was asked to end may take for its goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

impl Server {
    /// Serves until the phase is [`Phase::Draining`], then finishes what is under way. Returns whether all of it was
    /// finished in time.
    pub async fn run(self) -> bool {
        let Self { listener, tls, router, health, limits } = self;
        let places = Places::new(limits.connections);
        let acceptor = tls.map(TlsAcceptor::from);
        let connection = Connection { acceptor, router, health: health.clone(), limits, places: places.clone() };
        let draining = health.reached(Phase::Draining);
        tokio::pin!(draining);
        loop {
            tokio::select! {
                biased;
                () = &mut draining => break,
                accepted = accept(&listener, &places) => {
                    let Some((stream, place)) = accepted else { continue };
                    let connection = connection.clone();
                    tokio::spawn(async move {
                        connection.serve(stream).await;
                        drop(place);
                    });
                }
            }
        }
        // Clients that come now are to be refused at once and to go to another replica.
        drop(listener);
        timeout(limits.drain, places.all_free()).await.is_ok()
    }
}

/// The next connection, as soon as there is room for it.
async fn accept(listener: &TcpListener, places: &Places) -> Option<(TcpStream, Place)> {
    let place = places.take().await?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            // Of a client that went away again there is nothing to say; out of file descriptors means to wait for some.
            if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
                warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(100)).await;
            }
            None
        }
    }
}

/// What every connection needs.
#[derive(Clone)]
struct Connection {
    acceptor: Option<TlsAcceptor>,
    router: Router,
    health: Health,
    limits: Limits,
    places: Places,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        // Answers are small and to be sent at once.
        let _ = stream.set_nodelay(true);
        let Some(acceptor) = &self.acceptor else {
            return self.speak(TokioIo::new(stream), false).await;
        };
        match timeout(self.limits.handshake, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                self.speak(TokioIo::new(stream), http2).await;
            }
            Ok(Err(error)) => debug!(%error, "TLS handshake failed"),
            Err(_) => debug!("TLS handshake took too long"),
        }
    }

    /// Speaks HTTP. Which version was settled by the handshake: to guess it from the first bytes would wait for them
    /// without a deadline.
    async fn speak<I: Read + Write + Unpin + Send + 'static>(&self, io: I, http2: bool) {
        let activity = Activity::new();
        let router = TowerToHyperService::new(self.router.clone());
        let service = service_fn(|request: Request<Incoming>| {
            let under_way = activity.begin();
            // While we leave, clients are asked to connect anew and so to go to another replica.
            let leaves = self.health.phase() >= Phase::Leaving && request.version() <= Version::HTTP_11;
            let answer = router.call(request.map(Body::new));
            async move {
                let _under_way = under_way;
                let mut response = answer.await?;
                if leaves {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let outcome = if http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .max_concurrent_streams(128)
                .keep_alive_interval(Duration::from_secs(30))
                .keep_alive_timeout(Duration::from_secs(10));
            self.see_out(builder.serve_connection(io, service), &activity).await
        } else {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(self.limits.idle);
            self.see_out(builder.serve_connection(io, service), &activity).await
        };
        if let Err(error) = outcome {
            debug!(%error, "connection broke off");
        }
    }

    /// Follows a connection to its end: by the client, by the drain, or for want of requests.
    async fn see_out<C: GracefulConnection>(&self, connection: C, activity: &Activity) -> Result<(), C::Error> {
        let mut connection = pin!(connection);
        let drains = tokio::select! {
            outcome = connection.as_mut() => return outcome,
            () = self.health.reached(Phase::Draining) => true,
            () = self.idle(activity) => false,
        };
        connection.as_mut().graceful_shutdown();
        if drains {
            return connection.await;
        }
        let over = async {
            sleep(GOODBYE).await;
            // A request that came at the last moment is answered; it has a deadline of its own.
            while activity.idle_since().is_none() {
                sleep(GOODBYE).await;
            }
        };
        tokio::select! {
            outcome = connection => outcome,
            () = over => {
                debug!("no request came in time");
                Ok(())
            }
        }
    }

    /// Waits until the connection was without a request for longer than it may.
    async fn idle(&self, activity: &Activity) {
        let mut crowded = self.places.crowded.subscribe();
        loop {
            let mut allowed = if activity.any() { self.limits.idle } else { self.limits.first_request };
            if *crowded.borrow_and_update() {
                allowed = allowed.min(self.limits.idle_when_crowded);
            }
            let now = Instant::now();
            // One that is busy now is looked at again when it could be due at the earliest.
            let due = activity.idle_since().unwrap_or(now) + allowed;
            if due <= now {
                return;
            }
            // A request that came meanwhile may have made less of the time that is allowed.
            let look = due.min(now + self.limits.idle);
            tokio::select! {
                () = sleep_until(look) => {}
                _ = crowded.changed() => {}
            }
        }
    }
}

/// The places for connections.
#[derive(Clone)]
struct Places {
    all: usize,
    free: Arc<Semaphore>,
    /// Whether they are scarce.
    crowded: watch::Sender<bool>,
}

impl Places {
    fn new(all: usize) -> Self {
        Self { all, free: Arc::new(Semaphore::new(all)), crowded: watch::Sender::new(false) }
    }

    async fn take(&self) -> Option<Place> {
        let permit = Arc::clone(&self.free).acquire_owned().await.ok()?;
        let place = Place { permit: Some(permit), of: self.clone() };
        self.count();
        Some(place)
    }

    /// Waits until there is no connection any more.
    async fn all_free(&self) {
        let all = u32::try_from(self.all).unwrap_or(u32::MAX);
        let _ = self.free.acquire_many(all).await;
    }

    /// Between half and three quarters it stays as it is: each change wakes every connection.
    fn count(&self) {
        let taken = self.all.saturating_sub(self.free.available_permits());
        self.crowded.send_if_modified(|crowded| {
            let now = if *crowded { 2 * taken >= self.all } else { 4 * taken > 3 * self.all };
            std::mem::replace(crowded, now) != now
        });
    }
}

/// The place of one connection.
struct Place {
    permit: Option<OwnedSemaphorePermit>,
    of: Places,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.permit.take();
        self.of.count();
    }
}
