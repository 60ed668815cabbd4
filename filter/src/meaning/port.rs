//! Ports of TCP, UDP and SCTP.

use super::host::End;
use super::numbers::{ethertype, ip};
use super::parts;
use super::{Base, Gen};
use crate::action::{Dir, Proto};
use crate::error::{Error, fail};
use crate::ir::{C, Size, Test};
use crate::resolve::PortProtocol;

/// Ports from the first to the last, with the protocols that they are looked for in: `None` for all three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) protocol: Option<u32>,
}

/// A protocol that a qualifier names: one with ports.
///
/// # Errors
/// Another one; `what` is `port` or `portrange`.
pub(super) fn protocol_with_ports(proto: Option<Proto>, what: &str) -> Result<Option<u32>, Error> {
    Ok(match proto {
        None => None,
        Some(Proto::Tcp) => Some(ip::TCP),
        Some(Proto::Udp) => Some(ip::UDP),
        Some(Proto::Sctp) => Some(ip::SCTP),
        Some(_) => fail!("illegal qualifier of '{what}'"),
    })
}

/// A port's number.
///
/// # Errors
/// Above 65535.
pub(super) fn port_number(number: u32) -> Result<u16, Error> {
    u16::try_from(number).map_err(|_| Error::new(format!("illegal port number {number} > 65535")))
}

impl Gen<'_> {
    /// Packets from or to one of these ports, over IPv6 and IPv4; `what` is how errors name several of them.
    pub(super) fn ports(&mut self, ports: Ports, dir: Dir, what: &str) -> Result<C, Error> {
        let over4 = self.ports_over_ipv4(ports, dir, what)?;
        let over6 = self.ports_over_ipv6(ports, dir, what)?;
        Ok(self.ir.or(over6, over4))
    }

    /// Over IPv4, in packets that are no later fragments.
    pub(super) fn ports_over_ipv4(&mut self, ports: Ports, dir: Dir, what: &str) -> Result<C, Error> {
        let linktype = self.linktype(ethertype::IP)?;
        let transport = self.transport(9, ports.protocol);
        let whole = self.first_fragment();
        let is = self.ends(dir, what, |state, end| state.port_in(Base::Transport4, end, ports))?;
        let is = self.ir.and(whole, is);
        let is = self.ir.and(transport, is);
        Ok(self.ir.and(linktype, is))
    }

    /// Over IPv6, directly behind its header.
    pub(super) fn ports_over_ipv6(&mut self, ports: Ports, dir: Dir, what: &str) -> Result<C, Error> {
        let linktype = self.linktype(ethertype::IPV6)?;
        let transport = self.transport(6, ports.protocol);
        let is = self.ends(dir, what, |state, end| state.port_in(Base::Transport6, end, ports))?;
        let is = self.ir.and(transport, is);
        Ok(self.ir.and(linktype, is))
    }

    /// Whether the byte at `offset` of the network header is this protocol, or one of the three.
    fn transport(&mut self, offset: u32, protocol: Option<u32>) -> C {
        let is = |state: &mut Self, protocol| state.cmp(Base::Network, offset, Size::B, protocol);
        match protocol {
            Some(protocol) => is(self, protocol),
            None => {
                let (tcp, udp, sctp) = (is(self, ip::TCP), is(self, ip::UDP), is(self, ip::SCTP));
                let any = self.ir.or(sctp, tcp);
                self.ir.or(any, udp)
            }
        }
    }

    /// Not a fragment of IPv4 behind the first.
    pub(super) fn first_fragment(&mut self) -> C {
        let later = self.ncmp(Base::Network, 6, Size::H, u32::MAX, Test::Set, 0x1fff);
        self.ir.not(later)
    }

    fn port_in(&mut self, from: Base, end: End, ports: Ports) -> C {
        let offset = if end == End::Source { 0 } else { 2 };
        let (first, last) = (u32::from(ports.first.min(ports.last)), u32::from(ports.first.max(ports.last)));
        if first == last {
            return self.cmp(from, offset, Size::H, first);
        }
        let from_first = self.ncmp(from, offset, Size::H, u32::MAX, Test::Ge, first);
        let above_last = self.ncmp(from, offset, Size::H, u32::MAX, Test::Gt, last);
        let to_last = self.ir.not(above_last);
        self.ir.and(from_first, to_last)
    }

    /// The port of this name, for the protocol of its qualifier.
    ///
    /// # Errors
    /// Unknown, or known for another protocol only.
    pub(super) fn named_port(&self, name: &str, proto: Option<Proto>) -> Result<Ports, Error> {
        let wanted = protocol_with_ports(proto, "port")?;
        let Some((port, known)) = self.resolver.port(name) else { fail!("unknown port '{name}'") };
        let protocol = agreed(wanted, only(known), || format!("port '{name}'"))?;
        Ok(Ports { first: port, last: port, protocol })
    }

    /// The ports of `a-b`, numbers or names.
    ///
    /// # Errors
    /// No such range, or one of its ends is known for another protocol only.
    pub(super) fn named_ports(&self, name: &str, proto: Option<Proto>) -> Result<Ports, Error> {
        let wanted = protocol_with_ports(proto, "portrange")?;
        let ends = name.split_once('-').and_then(|(first, last)| Some((self.range_end(first)?, self.range_end(last)?)));
        let Some(((first, known), (last, last_known))) = ends else { fail!("unknown port in range '{name}'") };
        let known = if known == last_known { known } else { None };
        let protocol = agreed(wanted, known, || format!("port in range '{name}'"))?;
        Ok(Ports { first: port_number(first)?, last: port_number(last)?, protocol })
    }

    /// An end of a range, and the protocol that it is known for alone.
    fn range_end(&self, text: &str) -> Option<(u32, Option<u32>)> {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return parts::number(text).map(|number| (number, None));
        }
        self.resolver.port(text).map(|(port, known)| (port.into(), only(known)))
    }
}

/// The one protocol that a service is known for.
fn only(known: PortProtocol) -> Option<u32> {
    match known {
        PortProtocol::Tcp => Some(ip::TCP),
        PortProtocol::Udp => Some(ip::UDP),
        PortProtocol::Both => None,
    }
}

/// The protocol to look for, out of the one wanted and the one known.
fn agreed(wanted: Option<u32>, known: Option<u32>, what: impl Fn() -> String) -> Result<Option<u32>, Error> {
    match (wanted, known) {
        (Some(wanted), Some(known)) if wanted != known => {
            fail!("{} is {}", what(), if known == ip::TCP { "tcp" } else { "udp" })
        }
        _ => Ok(wanted.or(known)),
    }
}
