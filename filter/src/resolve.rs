//! The one place where names become numbers.

use std::net::IpAddr;

/// The transport protocols that a service's name is known under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortProtocol {
    /// `getservbyname` knows it for TCP alone.
    Tcp,
    /// For UDP alone.
    Udp,
    /// For both, with one number.
    Both,
}

/// Looks names up, as the functions of pcap/namedb.h do.
pub trait Resolve {
    /// A host's addresses, in the resolver's order; empty: unknown (getaddrinfo(3)).
    fn addresses(&self, name: &str) -> Vec<IpAddr>;
    /// A network's number in host order (getnetbyname(3)).
    fn network(&self, name: &str) -> Option<u32>;
    /// A service's port (services(5)).
    fn port(&self, name: &str) -> Option<(u16, PortProtocol)>;
    /// An IP protocol's number (protocols(5)), which may be above 255: mptcp has 262.
    fn protocol(&self, name: &str) -> Option<u16>;
    /// A host's Ethernet address (ethers(5)).
    fn ether(&self, name: &str) -> Option<[u8; 6]>;
}
