//! Ports on loopback that nobody has.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Mutex, PoisonError};

/// Below those that the kernel gives to connections by itself: a server that is killed gets its port again.
const FIRST: u64 = 20_000;
const COUNT: u64 = 10_000;

/// A free port on 127.0.0.1, never the same one twice in a process.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let given = given.get_or_insert_default();
    // Several test processes look at the same time, so each begins elsewhere.
    let begin = RandomState::new().hash_one(()) % COUNT;
    let ports = (0..COUNT).filter_map(|step| u16::try_from(FIRST + (begin + step) % COUNT).ok());
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok();
    let port = ports.filter(|port| !given.contains(port)).find(is_free);
    let port = port.unwrap_or_else(|| panic!("no port between {FIRST} and {} is free", FIRST + COUNT));
    given.insert(port);
    port
}

/// A free address on loopback.
pub fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}

/// An address of this machine that is not loopback, for an EndpointSlice: these are refused with 127.0.0.0/8. What is sent
/// to it does not leave the machine. `None` where there is no such interface.
pub fn host_address() -> Option<Ipv4Addr> {
    // Connecting a datagram socket sends nothing; it only looks up the route. The address is one for documentation.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    match socket.local_addr().ok()? {
        SocketAddr::V4(address) if !address.ip().is_loopback() && !address.ip().is_unspecified() => Some(*address.ip()),
        _ => None,
    }
}
