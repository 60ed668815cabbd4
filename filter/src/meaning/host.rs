//! Addresses of the network layer, and the two ends of a packet.

use std::net::{IpAddr, Ipv6Addr};

use super::numbers::ethertype;
use super::words::{no_direction, no_ipv4_host, no_ipv6_host};
use super::{Base, Gen};
use crate::action::{Dir, Proto};
use crate::error::{Error, fail};
use crate::ir::{C, Size};

const ADDRESSES: &str = "addresses other than 802.11 MAC addresses";

/// An end of a packet's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Source,
    Destination,
}

impl Gen<'_> {
    /// What `test` asks of the ends that `dir` names.
    ///
    /// # Errors
    /// The direction is one of 802.11's, which `what` does not have.
    pub(super) fn ends(&mut self, dir: Dir, what: &str, test: impl Fn(&mut Self, End) -> C) -> Result<C, Error> {
        if let Some(text) = no_direction(dir, what) {
            return Err(Error::new(text));
        }
        Ok(match dir {
            Dir::Src => test(self, End::Source),
            Dir::Dst => test(self, End::Destination),
            Dir::And => {
                let (source, destination) = (test(self, End::Source), test(self, End::Destination));
                self.ir.and(source, destination)
            }
            _ => {
                let (source, destination) = (test(self, End::Source), test(self, End::Destination));
                self.ir.or(source, destination)
            }
        })
    }

    /// Whether the packet is of this protocol and `is`.
    fn of_type(&mut self, protocol: u32, is: C) -> Result<C, Error> {
        let linktype = self.linktype(protocol)?;
        Ok(self.ir.and(linktype, is))
    }

    /// An IPv4 host or network (`what` says which). Without a protocol: in IPv4, ARP and RARP; behind MPLS in IPv4 alone.
    pub(super) fn ipv4_host(
        &mut self,
        address: u32,
        mask: u32,
        proto: Option<Proto>,
        dir: Dir,
        what: &str,
    ) -> Result<C, Error> {
        let (protocol, source, destination) = match proto {
            None => {
                let mut any = self.ipv4_host(address, mask, Some(Proto::Ip), dir, what)?;
                if self.off.label_stack_depth == 0 {
                    for proto in [Proto::Arp, Proto::Rarp] {
                        let other = self.ipv4_host(address, mask, Some(proto), dir, what)?;
                        any = self.ir.or(any, other);
                    }
                }
                return Ok(any);
            }
            Some(Proto::Ip) => (ethertype::IP, 12, 16),
            Some(Proto::Arp) => (ethertype::ARP, 14, 24),
            Some(Proto::Rarp) => (ethertype::REVARP, 14, 24),
            Some(Proto::Decnet) => return self.decnet_host(address as u16, dir),
            Some(proto) => return Err(Error::new(no_ipv4_host(proto, what))),
        };
        let is = self.ends(dir, ADDRESSES, |state, end| {
            let offset = if end == End::Source { source } else { destination };
            state.mcmp(Base::Network, offset, Size::W, address, mask)
        })?;
        self.of_type(protocol, is)
    }

    /// An IPv6 host or network: the first `bits` bits of `address`.
    pub(super) fn ipv6_host(
        &mut self,
        address: Ipv6Addr,
        bits: u32,
        proto: Option<Proto>,
        dir: Dir,
        what: &str,
    ) -> Result<C, Error> {
        if let Some(proto) = proto
            && proto != Proto::Ip6
        {
            return Err(Error::new(no_ipv6_host(proto, what)));
        }
        let mask = prefix_mask(bits);
        let is = self.ends(dir, ADDRESSES, |state, end| {
            let offset = if end == End::Source { 8 } else { 24 };
            let word = |all: u128, at: u32| (all >> (96 - 8 * at)) as u32;
            let mut words = [0, 4, 8, 12]
                .map(|at| state.mcmp(Base::Network, offset + at, Size::W, word(address.to_bits(), at), word(mask, at)));
            // From the front, each behind all before it.
            for i in 1..words.len() {
                words[i] = state.ir.and(words[i - 1], words[i]);
            }
            words[3]
        })?;
        self.of_type(ethertype::IPV6, is)
    }

    /// A Decnet node, in data packets behind 0 or 1 bytes of padding, with the short or the long header.
    fn decnet_host(&mut self, address: u16, dir: Dir) -> Result<C, Error> {
        let address = u32::from(address.swap_bytes());
        let is = self.ends(dir, ADDRESSES, |state, end| {
            let (short, long) = if end == End::Source { (3, 15) } else { (1, 7) };
            let unpadded = |state: &mut Self, flags: u32, behind: u32| {
                let flags = state.mcmp(Base::Network, 2, Size::B, flags, 0x07);
                let is = state.cmp(Base::Network, 2 + behind, Size::H, address);
                state.ir.and(flags, is)
            };
            let padded = |state: &mut Self, flags: u32, behind: u32| {
                let flags = state.mcmp(Base::Network, 2, Size::H, 0x8100 | flags, 0xff07);
                let is = state.cmp(Base::Network, 3 + behind, Size::H, address);
                state.ir.and(flags, is)
            };
            let mut any = unpadded(state, 0x02, short);
            for other in [padded(state, 0x02, short), unpadded(state, 0x06, long), padded(state, 0x06, long)] {
                any = state.ir.or(any, other);
            }
            any
        })?;
        self.of_type(ethertype::DECNET, is)
    }

    /// A host by name: any of its addresses that `proto` can have, in the resolver's order.
    ///
    /// # Errors
    /// Unknown, or without an address of that kind.
    pub(super) fn named_host(&mut self, name: &str, proto: Option<Proto>, dir: Dir) -> Result<C, Error> {
        self.named_host_in(name, proto, proto, dir)
    }

    /// The same, with IPv4 addresses alone.
    pub(super) fn named_ipv4_host(&mut self, name: &str, proto: Option<Proto>, dir: Dir) -> Result<C, Error> {
        self.named_host_in(name, proto, Some(Proto::Ip), dir)
    }

    fn named_host_in(
        &mut self,
        name: &str,
        proto4: Option<Proto>,
        proto6: Option<Proto>,
        dir: Dir,
    ) -> Result<C, Error> {
        let addresses = self.resolver.addresses(name);
        if addresses.is_empty() {
            fail!("unknown host '{name}'");
        }
        let suffix = if proto4.is_none() { "" } else { " for specified address family" };
        // Without a type field ARP cannot be told: only what follows from IP's version.
        let untyped = self.off.linktype.is_none();
        let or_version = |proto: Option<Proto>, ip| if untyped { proto.or(Some(ip)) } else { proto };
        let (proto4, proto6) = (or_version(proto4, Proto::Ip), or_version(proto6, Proto::Ip6));
        let mut any = None;
        for address in addresses {
            let is = match address {
                IpAddr::V4(_) if proto4 == Some(Proto::Ip6) => continue,
                IpAddr::V6(_) if matches!(proto6, Some(Proto::Ip | Proto::Arp | Proto::Rarp)) => continue,
                IpAddr::V4(address) => self.ipv4_host(address.to_bits(), u32::MAX, proto4, dir, "host")?,
                IpAddr::V6(address) => self.ipv6_host(address, 128, proto6, dir, "host")?,
            };
            any = Some(match any {
                Some(before) => self.ir.or(before, is),
                None => is,
            });
        }
        any.ok_or_else(|| Error::new(format!("unknown host '{name}'{suffix}")))
    }
}

/// The first `bits` bits of 128.
pub(super) fn prefix_mask(bits: u32) -> u128 {
    u128::MAX.checked_shl(128_u32.saturating_sub(bits)).unwrap_or(0)
}
