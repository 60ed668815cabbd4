//! Filters that somebody typed, and packets for them.

use filter::engine::{Filter, interpret, validate};
use filter::{NETMASK_UNKNOWN, Options, PacketSource, PortProtocol, Program, Resolve, compile};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Knows a name of each kind.
struct Names;

impl Resolve for Names {
    fn addresses(&self, name: &str) -> Vec<IpAddr> {
        match name {
            "a" => vec![Ipv4Addr::new(10, 0, 0, 1).into(), Ipv6Addr::LOCALHOST.into()],
            "b" => vec![Ipv4Addr::LOCALHOST.into()],
            _ => Vec::new(),
        }
    }
    fn network(&self, name: &str) -> Option<u32> {
        (name == "n").then_some(10)
    }
    fn port(&self, name: &str) -> Option<(u16, PortProtocol)> {
        match name {
            "http" => Some((80, PortProtocol::Tcp)),
            "domain" => Some((53, PortProtocol::Both)),
            _ => None,
        }
    }
    fn protocol(&self, name: &str) -> Option<u16> {
        match name {
            "tcp" => Some(6),
            "ospf" => Some(89),
            _ => None,
        }
    }
    fn ether(&self, name: &str) -> Option<[u8; 6]> {
        (name == "a").then_some([2, 0, 0, 0, 0, 1])
    }
}

/// What the optimizer says when it finds that nothing can match.
const REJECTS_ALL: &str = "expression rejects all packets";

/// A link type (two bytes), what is known of the packets (one byte), the text up to a NUL, and a packet. The text compiles or it is
/// refused with a text of one C string; the optimized program and the machine code say of the packet what the unoptimized one says.
pub fn filter_text(data: &[u8]) {
    let [low, high, source, rest @ ..] = data else { return };
    let (text, packet) = match rest.iter().position(|&byte| byte == 0) {
        Some(end) => (&rest[..end], &rest[end + 1..]),
        None => (rest, &[][..]),
    };
    let options = |optimize| Options {
        linktype: (u16::from_le_bytes([*low, *high]) % 300).into(),
        snaplen: 65_535,
        optimize,
        netmask: if source & 1 == 0 { NETMASK_UNKNOWN } else { 0xffff_ff00 },
        source: match source >> 1 & 3 {
            0 => PacketSource::Dead,
            1 => PacketSource::Savefile { swapped: source & 8 != 0 },
            _ => PacketSource::Live { vlan: source & 8 != 0, basic: source & 16 != 0 },
        },
    };
    let wirelen = packet.len() as u32 + u32::from(source >> 5);
    let compiled = |optimize| compile(text, &options(optimize), &Names);
    match (compiled(false), compiled(true)) {
        (Ok(plain), Ok(optimized)) => same_verdict(plain, optimized, packet, wirelen),
        (Ok(plain), Err(error)) => {
            assert_eq!(error.to_string(), REJECTS_ALL);
            assert_eq!(interpret(&*plain, packet, wirelen, None), 0);
        }
        (Err(plain), Err(optimized)) => {
            assert_eq!(plain, optimized);
            assert!(!plain.to_string().contains('\0'));
        }
        (Err(error), Ok(_)) => panic!("only the optimizer accepts it: {error}"),
    }
}

fn same_verdict(plain: Program, optimized: Program, packet: &[u8], wirelen: u32) {
    assert!(validate(&plain) && validate(&optimized));
    let verdict = interpret(&*plain, packet, wirelen, None);
    assert_eq!(interpret(&*optimized, packet, wirelen, None), verdict);
    let filter = Filter::new(optimized).expect("a valid program");
    assert_eq!(filter.verdict(packet, wirelen), verdict);
}
