//! The one Service without which no pod can do anything: the API server at its address in the cluster. This stands for
//! kube-proxy, which would send what goes there to where the API server listens, and takes part in nothing of what is said.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

/// The port of the Service `kubernetes`.
const PORT: u16 = 443;
/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(20);

/// Sends on what comes to the address, until this is dropped.
#[derive(Debug)]
pub(super) struct ApiService {
    shared: Arc<State>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    stopped: AtomicBool,
    /// Both ends of each connection, open or not.
    connections: Mutex<Vec<TcpStream>>,
}

impl ApiService {
    /// Sends on what comes to `address`, which this machine has as soon as it has pods: it is the gateway of their network.
    pub(super) fn start(address: Ipv4Addr, api_server: SocketAddr) -> Self {
        let shared = Arc::new(State::default());
        let state = Arc::clone(&shared);
        let acceptor = thread::spawn(move || accept(&state, (address, PORT).into(), api_server));
        Self { shared, acceptor: Some(acceptor) }
    }
}

impl Drop for ApiService {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        for stream in self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn accept(state: &State, address: SocketAddr, api_server: SocketAddr) {
    let mut listener = None;
    while !state.stopped.load(Ordering::Relaxed) {
        let Some(listening) = &listener else {
            listener = listen(address).ok();
            sleep(PAUSE);
            continue;
        };
        match listening.accept() {
            // What cannot be sent on is closed, as by a server that is not there.
            Ok((stream, _)) => drop(connect(state, stream, api_server)),
            Err(_) => sleep(PAUSE),
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn connect(state: &State, pod: TcpStream, api_server: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(api_server)?;
    pod.set_nonblocking(false)?;
    pod.set_nodelay(true)?;
    server.set_nodelay(true)?;
    for (from, to) in [(pod.try_clone()?, server.try_clone()?), (server.try_clone()?, pod.try_clone()?)] {
        thread::spawn(move || {
            let (mut reader, mut writer) = (&from, &to);
            let _ = io::copy(&mut reader, &mut writer);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    state.connections.lock().unwrap_or_else(PoisonError::into_inner).extend([pod, server]);
    Ok(())
}
