//! Names, numbers and addresses with their qualifiers.

use std::net::Ipv6Addr;

use super::host::{End, prefix_mask};
use super::link::dlt;
use super::port::{Ports, port_number, protocol_with_ports};
use super::words::wlan_only;
use super::{Base, Gen, parts};
use crate::action::{Dir, Kind, Proto, Qual};
use crate::error::{Error, fail};
use crate::ir::{C, Size};

/// How errors name several of them.
const PORTS: &str = "ports";
const PORT_RANGES: &str = "port ranges";

/// A number, and how many of an address's bits it gives.
#[derive(Clone, Copy)]
struct Number {
    value: u32,
    bits: u32,
    /// Without dots: as a network it is moved to the left as a whole.
    bare: bool,
}

impl Gen<'_> {
    /// A name.
    ///
    /// # Errors
    /// Unknown, or its qualifiers do not fit.
    pub(crate) fn name(&mut self, name: &str, q: Qual) -> Result<C, Error> {
        let Qual::Of { proto, dir, kind } = q else { return Err(syntax()) };
        match kind {
            Kind::Net => {
                let number = self.resolver.network(name).unwrap_or(0);
                if number == 0 {
                    fail!("unknown network '{name}'");
                }
                let (address, mask) = left(number);
                self.ipv4_host(address, mask, proto, dir, "net")
            }
            Kind::Default | Kind::Host => match proto {
                Some(Proto::Link) => self.named_station(name, dir),
                Some(Proto::Decnet) => fail!("decnet name support not included, '{name}' cannot be translated\n"),
                _ => self.named_host(name, proto, dir),
            },
            Kind::Port => {
                let ports = self.named_port(name, proto)?;
                self.ports(ports, dir, PORTS)
            }
            Kind::PortRange => {
                let ports = self.named_ports(name, proto)?;
                self.ports(ports, dir, PORT_RANGES)
            }
            Kind::Gateway => self.gateway(name, proto),
            Kind::Proto => {
                let number = self.protocol_number(name, proto)?;
                self.number_of_protocol(number, proto, dir)
            }
            Kind::ProtoChain => {
                let number = self.protocol_number(name, proto)?;
                self.proto_chain(number, proto)
            }
        }
    }

    /// A station by its name in ethers(5).
    fn named_station(&mut self, name: &str, dir: Dir) -> Result<C, Error> {
        if !self.has_mac_addresses() {
            fail!("only ethernet/FDDI/token ring/802.11/ATM LANE/Fibre Channel supports link-level host name");
        }
        let Some(address) = self.resolver.ether(name) else {
            let link = match self.off.linktype_now {
                dlt::FDDI => "FDDI",
                dlt::IEEE802 => "token ring",
                dlt::IP_OVER_FC => "Fibre Channel",
                now if dlt::is_wlan(now) => "802.11",
                _ => "ether",
            };
            fail!("unknown {link} host '{name}'");
        };
        self.mac_host(address, dir)
    }

    /// Packets that a host passes on: with its station address, without its IPv4 address.
    fn gateway(&mut self, name: &str, proto: Option<Proto>) -> Result<C, Error> {
        if !matches!(proto, None | Some(Proto::Ip | Proto::Arp | Proto::Rarp)) {
            fail!("illegal modifier of 'gateway'");
        }
        if !self.has_mac_addresses() {
            fail!("'gateway' supported only on ethernet/FDDI/token ring/802.11/ATM LANE/Fibre Channel");
        }
        let Some(address) = self.resolver.ether(name) else { fail!("unknown ether host: {name}") };
        let station = self.mac_host(address, Dir::Or)?;
        let host = self.named_ipv4_host(name, proto, Dir::Or)?;
        let not_host = self.ir.not(host);
        Ok(self.ir.and(station, not_host))
    }

    /// A bare number.
    ///
    /// # Errors
    /// Too large, or its qualifiers do not fit.
    pub(crate) fn number(&mut self, k: u32, q: Qual) -> Result<C, Error> {
        self.numeric(Number { value: k, bits: 32, bare: true }, q)
    }

    /// One to four numbers with dots.
    ///
    /// # Errors
    /// No address, or its qualifiers do not fit.
    pub(crate) fn dotted(&mut self, text: &str, q: Qual) -> Result<C, Error> {
        let is_decnet = matches!(q, Qual::Of { proto: Some(Proto::Decnet), .. });
        let (value, bits) = if is_decnet {
            match parts::decnet(text) {
                Some(address) => (address.into(), 32),
                None => fail!("malformed decnet address '{text}'"),
            }
        } else {
            ipv4(text)?
        };
        self.numeric(Number { value, bits, bare: false }, q)
    }

    fn numeric(&mut self, number: Number, q: Qual) -> Result<C, Error> {
        let Qual::Of { proto, dir, kind } = q else { return Err(syntax()) };
        match kind {
            Kind::Default | Kind::Host | Kind::Net => {
                let what = if kind == Kind::Net { "net" } else { "host" };
                let (address, mask) = match proto {
                    Some(Proto::Decnet) => (number.value, 0),
                    Some(Proto::Link) => fail!("illegal link layer address"),
                    _ if number.bare && kind == Kind::Net => left(number.value),
                    _ => (number.value << (32 - number.bits), u32::MAX << (32 - number.bits)),
                };
                self.ipv4_host(address, mask, proto, dir, what)
            }
            Kind::Port | Kind::PortRange => {
                let (what, plural) = if kind == Kind::Port { ("port", PORTS) } else { ("portrange", PORT_RANGES) };
                let protocol = protocol_with_ports(proto, what)?;
                let port = port_number(number.value)?;
                self.ports(Ports { first: port, last: port, protocol }, dir, plural)
            }
            Kind::Gateway => fail!("'gateway' requires a name"),
            Kind::Proto => self.number_of_protocol(number.value, proto, dir),
            Kind::ProtoChain => self.proto_chain(number.value, proto),
        }
    }

    fn number_of_protocol(&mut self, number: u32, proto: Option<Proto>, dir: Dir) -> Result<C, Error> {
        if dir != Dir::Default {
            fail!("direction applied to 'proto'");
        }
        self.proto(number, proto)
    }

    /// `1.2.3/24`.
    ///
    /// # Errors
    /// No network, or its qualifiers do not fit.
    pub(crate) fn net(&mut self, text: &str, bits: u32, q: Qual) -> Result<C, Error> {
        let (value, given) = ipv4(text)?;
        let address = value << (32 - given);
        if bits > 32 {
            fail!("mask length must be <= 32");
        }
        let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
        if address & !mask != 0 {
            fail!("non-network bits set in \"{text}/{bits}\"");
        }
        self.masked_net(address, mask, q)
    }

    /// `1.2.3.0 mask 255.255.255.0`.
    ///
    /// # Errors
    /// No network, or its qualifiers do not fit.
    pub(crate) fn net_mask(&mut self, text: &str, mask: &str, q: Qual) -> Result<C, Error> {
        let (value, given) = ipv4(text)?;
        let (mask_value, mask_given) = ipv4(mask)?;
        let (address, bits) = (value << (32 - given), mask_value << (32 - mask_given));
        if address & !bits != 0 {
            fail!("non-network bits set in \"{text} mask {mask}\"");
        }
        self.masked_net(address, bits, q)
    }

    fn masked_net(&mut self, address: u32, mask: u32, q: Qual) -> Result<C, Error> {
        match q {
            Qual::Of { proto, dir, kind: Kind::Net } => self.ipv4_host(address, mask, proto, dir, "net"),
            _ => fail!("Mask syntax for networks only"),
        }
    }

    /// An IPv6 address with a prefix's length.
    ///
    /// # Errors
    /// No address or network, or its qualifiers do not fit.
    pub(crate) fn net6(&mut self, text: &str, bits: u32, q: Qual) -> Result<C, Error> {
        let Ok(address) = text.parse::<Ipv6Addr>() else { fail!("invalid ip6 address {text}") };
        if bits > 128 {
            fail!("mask length must be <= 128");
        }
        if address.to_bits() & !prefix_mask(bits) != 0 {
            fail!("non-network bits set in \"{text}/{bits}\"");
        }
        match q {
            Qual::Of { kind: Kind::Default | Kind::Host, .. } if bits != 128 => fail!("Mask syntax for networks only"),
            Qual::Of { proto, dir, kind: Kind::Default | Kind::Host } => {
                self.ipv6_host(address, bits, proto, dir, "host")
            }
            Qual::Of { proto, dir, kind: Kind::Net } => self.ipv6_host(address, bits, proto, dir, "net"),
            _ => fail!("invalid qualifier against IPv6 address"),
        }
    }

    /// An Ethernet address.
    ///
    /// # Errors
    /// The link type has none, or its qualifiers do not fit.
    pub(crate) fn ether(&mut self, text: &str, q: Qual) -> Result<C, Error> {
        let Qual::Of { proto: Some(Proto::Link), dir, kind: Kind::Default | Kind::Host } = q else {
            fail!("ethernet address used in non-ether expression");
        };
        let Some(address) = parts::ether(text) else { return Err(syntax()) };
        self.mac_host(address, dir)
    }

    /// An ARCnet or MS/TP address: one byte.
    ///
    /// # Errors
    /// The link type has none, or its qualifiers do not fit.
    pub(crate) fn arcnet(&mut self, text: &str, q: Qual) -> Result<C, Error> {
        let (source, destination) = match self.off.linktype_now {
            dlt::ARCNET | dlt::ARCNET_LINUX => (0, 1),
            dlt::BACNET_MS_TP => (4, 3),
            _ => fail!("aid supported only on ARCnet"),
        };
        let Qual::Of { proto: Some(Proto::Link), dir, kind: Kind::Default | Kind::Host } = q else {
            fail!("ARCnet address used in non-arc expression");
        };
        if let Some(text) = wlan_only(dir) {
            return Err(Error::new(text));
        }
        let Some(address) = parts::arcnet(text) else { return Err(syntax()) };
        self.ends(dir, "addresses", |state, end| {
            let offset = if end == End::Source { source } else { destination };
            state.cmp(Base::LinkHeader, offset, Size::B, address.into())
        })
    }
}

fn syntax() -> Error {
    Error::new("syntax error in filter expression")
}

fn ipv4(text: &str) -> Result<(u32, u32), Error> {
    parts::dotted(text).ok_or_else(|| Error::new(format!("invalid IPv4 address '{text}'")))
}

/// A network's number moved to the left, so that its first byte is not 0, and its mask.
fn left(number: u32) -> (u32, u32) {
    let shift = if number == 0 { 0 } else { number.leading_zeros() / 8 * 8 };
    (number << shift, u32::MAX << shift)
}
