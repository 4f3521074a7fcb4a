//! The accept loop: every connection in a task of its own, handshakes and first requests with a deadline, a bound on
//! connections, and a drain at the end.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

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

impl Server {
    /// Serves until the phase is [`Phase::Draining`], then finishes what is under way. Returns whether all of it was
    /// finished in time.
    pub async fn run(self) -> bool {
        let Self { listener, tls, router, health, limits } = self;
        let connection = Connection { acceptor: tls.map(TlsAcceptor::from), router, health: health.clone(), limits };
        let slots = Arc::new(Semaphore::new(limits.connections));
        let graceful = GracefulShutdown::new();
        let draining = health.reached(Phase::Draining);
        tokio::pin!(draining);
        loop {
            tokio::select! {
                biased;
                () = &mut draining => break,
                accepted = accept(&listener, &slots) => {
                    let Some((stream, slot)) = accepted else { continue };
                    let (connection, watcher) = (connection.clone(), graceful.watcher());
                    tokio::spawn(async move {
                        connection.serve(stream, watcher).await;
                        drop(slot);
                    });
                }
            }
        }
        // Clients that come now are to be refused at once and to go to another replica.
        drop(listener);
        timeout(limits.drain, graceful.shutdown()).await.is_ok()
    }
}

/// The next connection, as soon as there is room for it.
async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, slot)),
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
}

impl Connection {
    async fn serve(self, stream: TcpStream, watcher: Watcher) {
        // Answers are small and to be sent at once.
        let _ = stream.set_nodelay(true);
        let Some(acceptor) = &self.acceptor else {
            return self.speak(TokioIo::new(stream), false, watcher).await;
        };
        match timeout(self.limits.handshake, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                self.speak(TokioIo::new(stream), http2, watcher).await;
            }
            Ok(Err(error)) => debug!(%error, "TLS handshake failed"),
            Err(_) => debug!("TLS handshake took too long"),
        }
    }

    /// Speaks HTTP. Which version was settled by the handshake: to guess it from the first bytes would wait for them
    /// without a deadline.
    async fn speak<I: Read + Write + Unpin + Send + 'static>(self, io: I, http2: bool, watcher: Watcher) {
        let began = AtomicBool::new(false);
        let router = TowerToHyperService::new(self.router);
        let service = service_fn(|request: Request<Incoming>| {
            began.store(true, Ordering::Relaxed);
            // While we leave, clients are asked to connect anew and so to go to another replica.
            let leaves = self.health.phase() >= Phase::Leaving && request.version() <= Version::HTTP_11;
            let answer = router.call(request.map(Body::new));
            async move {
                let mut response = answer.await?;
                if leaves {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let connection = async {
            if http2 {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                builder
                    .timer(TokioTimer::new())
                    .max_concurrent_streams(128)
                    .keep_alive_interval(Duration::from_secs(30))
                    .keep_alive_timeout(Duration::from_secs(10));
                watcher.watch(builder.serve_connection(io, service)).await
            } else {
                let mut builder = http1::Builder::new();
                builder.timer(TokioTimer::new()).header_read_timeout(self.limits.idle);
                watcher.watch(builder.serve_connection(io, service)).await
            }
        };
        let silent = async {
            sleep(self.limits.first_request).await;
            if began.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            outcome = connection => {
                if let Err(error) = outcome {
                    debug!(%error, "connection broke off");
                }
            }
            () = silent => debug!("no request came in time"),
        }
    }
}
