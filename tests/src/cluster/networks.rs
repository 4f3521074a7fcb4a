//! Addresses that nobody on this machine uses: for the Services of a cluster and for the pods of a node.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where those of Services are: 10.96.0.0/12.
pub(super) const SERVICES: Range = Range { first: 0x0a60_0000, count: 0x1000, what: "Services in 10.96.0.0/12" };
/// Where those of pods are: 10.128.0.0/10.
#[cfg(feature = "node")]
pub(super) const PODS: Range = Range { first: 0x0a80_0000, count: 0x4000, what: "pods in 10.128.0.0/10" };

/// Networks of 256 addresses each, one behind the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    first: u32,
    count: u32,
    what: &'static str,
}

impl Range {
    /// The first address of a network to which this machine has no route and of which it has no address. Never the same one
    /// twice in a process; where the search begins depends on the process, so that two that begin at the same time do not meet.
    ///
    /// # Errors
    /// When there is none left.
    pub(super) fn free(self) -> io::Result<Ipv4Addr> {
        static GIVEN: AtomicU32 = AtomicU32::new(0);
        // Where the kernel shows no routes nobody runs pods either.
        let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
        let routes: Vec<(u32, u32)> = routes.lines().skip(1).filter_map(route).collect();
        let is_free = |network: &Ipv4Addr| {
            let bits = u32::from(*network);
            let is_routed = routes.iter().any(|(to, mask)| {
                let mask = mask & 0xffff_ff00;
                bits & mask == to & mask
            });
            !is_routed && !is_local(first_host(*network))
        };
        // A prime, so that the networks of processes that were started one after the other lie apart.
        let begin = std::process::id().wrapping_mul(97);
        let mut candidates = (0..self.count).map(|_| {
            let number = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % self.count;
            Ipv4Addr::from(self.first + (number << 8))
        });
        candidates.find(is_free).ok_or_else(|| io::Error::other(format!("no free addresses for {}", self.what)))
    }
}

/// The first address of a network that a machine can have.
pub(super) fn first_host(network: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(network) + 1)
}

/// Whether this machine has the address. Connecting a datagram socket sends nothing; it only looks up the route, and to an
/// address of its own a machine comes from that same address.
fn is_local(address: Ipv4Addr) -> bool {
    let from = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    from.is_ok_and(|from| from.ip() == address)
}

/// Destination and mask of a line of the kernel's table; the default route is none.
fn route(line: &str) -> Option<(u32, u32)> {
    let mut fields = line.split_whitespace();
    let to = u32::from_str_radix(fields.nth(1)?, 16).ok()?.swap_bytes();
    let mask = u32::from_str_radix(fields.nth(5)?, 16).ok()?.swap_bytes();
    (mask != 0).then_some((to, mask))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::{SERVICES, first_host, is_local, route};

    #[test]
    fn routes_are_read_as_the_kernel_writes_them() {
        let line = "eth0\t0000600A\t00000000\t0001\t0\t0\t0\t0000F0FF\t0\t0\t0";
        assert_eq!(route(line), Some((0x0a60_0000, 0xfff0_0000)));
        assert_eq!(route("eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0"), None);
    }

    #[test]
    fn an_address_of_this_machine_is_known() {
        assert!(is_local(Ipv4Addr::LOCALHOST));
        assert!(!is_local(Ipv4Addr::new(192, 0, 2, 1)));
    }

    #[test]
    fn no_network_is_given_twice() {
        let (one, other) = (SERVICES.free().unwrap(), SERVICES.free().unwrap());
        assert_ne!(one, other);
        assert_eq!((one.octets()[0], one.octets()[1] & 0xf0, one.octets()[3]), (10, 96, 0));
        assert_eq!(first_host(one).octets()[3], 1);
    }
}
