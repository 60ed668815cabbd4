//! Identifiers with their qualifiers: `tcp src port 80`.

use super::link_types::Class;
use super::vocabulary::{self as words, DIRECTIONS, KINDS, PROTOCOLS};
use crate::random::Random;

/// What an identifier is, so that bare ones can follow: `host a or b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the kinds of pcap-filter(7)")]
pub enum Sort {
    Host,
    Network,
    Port,
    PortRange,
    Protocol,
    Station,
    /// Anything may follow, and mostly fails.
    Any,
}

/// Writes qualifiers and an identifier to `out`, `wild` ones without regard to sense; returns the identifier's sort.
pub fn write(random: &mut Random, class: Class, wild: bool, out: &mut Vec<String>) -> Sort {
    if wild && random.percent(30) {
        return write_any(random, out);
    }
    let station = if matches!(class, Class::Wlan | Class::Arcnet) { 25 } else { 6 };
    let sort = random.weighted(&[
        (30, Sort::Host),
        (16, Sort::Network),
        (26, Sort::Port),
        (8, Sort::PortRange),
        (14, Sort::Protocol),
        (station, Sort::Station),
    ]);
    match sort {
        Sort::Host => return host(random, out),
        Sort::Network => return network(random, out),
        Sort::Port | Sort::PortRange => ports(random, sort, wild, out),
        Sort::Protocol => return protocol(random, wild, out),
        Sort::Station | Sort::Any => station_address(random, class, wild, out),
    }
    identifier(random, sort, out);
    sort
}

/// An identifier alone.
pub fn identifier(random: &mut Random, sort: Sort, out: &mut Vec<String>) {
    out.push(match sort {
        Sort::Host => match random.below(10) {
            0..6 => words::ipv4(random),
            6..9 => words::ipv6(random),
            _ => words::name(random),
        },
        Sort::Network => match random.below(4) {
            0..3 => words::ipv4_network(random),
            _ => words::ipv6_network(random),
        },
        Sort::Port => words::port(random),
        Sort::PortRange => words::port_range(random),
        Sort::Protocol => words::protocol(random),
        Sort::Station => match random.below(8) {
            0 => words::arcnet(random),
            1 => words::name(random),
            _ => words::mac(random),
        },
        Sort::Any => words::anything(random),
    });
}

/// Perhaps one of these, in so many cases of a hundred.
fn perhaps(random: &mut Random, chance: u64, from: &[&str], out: &mut Vec<String>) {
    if random.percent(chance) {
        out.push(random.pick(from).to_string());
    }
}

const SIDES: [&str; 6] = ["src", "dst", "src or dst", "dst or src", "src and dst", "dst and src"];

/// An address of the family that `proto` asks for, behind whatever qualifiers are written by then.
fn of_family(random: &mut Random, proto: &str, v4: fn(&mut Random) -> String, v6: fn(&mut Random) -> String) -> String {
    match proto {
        "ip" | "arp" | "rarp" => v4(random),
        "ip6" => v6(random),
        _ if random.percent(65) => v4(random),
        _ => v6(random),
    }
}

fn host(random: &mut Random, out: &mut Vec<String>) -> Sort {
    let proto = *random.pick(&["", "", "", "", "", "", "ip", "ip", "ip6", "arp", "rarp"]);
    out.extend((!proto.is_empty()).then(|| proto.to_string()));
    let with_direction = random.percent(50);
    if with_direction {
        out.push(random.pick(&SIDES).to_string());
    }
    if !with_direction || random.percent(60) {
        out.push("host".to_string());
    }
    let by_name = proto.is_empty() && random.percent(10);
    let address = if by_name { words::name(random) } else { of_family(random, proto, words::ipv4, words::ipv6) };
    out.push(address);
    Sort::Host
}

fn network(random: &mut Random, out: &mut Vec<String>) -> Sort {
    let proto = *random.pick(&["", "", "", "", "", "", "ip", "ip", "ip6", "arp", "rarp"]);
    out.extend((!proto.is_empty()).then(|| proto.to_string()));
    perhaps(random, 50, &SIDES, out);
    out.push("net".to_string());
    out.push(of_family(random, proto, words::ipv4_network, words::ipv6_network));
    Sort::Network
}

fn ports(random: &mut Random, sort: Sort, wild: bool, out: &mut Vec<String>) {
    perhaps(random, 50, if wild { &["ip", "ip6", "icmp", "sctp"] } else { &["tcp", "tcp", "udp", "udp", "sctp"] }, out);
    perhaps(random, 50, &SIDES, out);
    out.push(if sort == Sort::Port { "port" } else { "portrange" }.to_string());
}

const ETHERNET: [&str; 12] =
    ["\\ip", "\\ip6", "\\arp", "\\rarp", "\\iso", "\\stp", "\\ipx", "\\netbeui", "0x800", "0x86dd", "0x42", "0x88cc"];
const INTERNET: [&str; 12] =
    ["\\tcp", "\\udp", "\\icmp", "\\igmp", "\\sctp", "\\esp", "\\ah", "\\pim", "ospf", "6", "17", "255"];

/// A protocol's name or number, behind the protocol that carries it.
fn protocol(random: &mut Random, wild: bool, out: &mut Vec<String>) -> Sort {
    if wild {
        perhaps(random, 80, &["ip", "ip6", "ether", "link", "iso", "isis", "ppp", "wlan", "arp", "tcp"], out);
        out.push(if random.percent(75) { "proto" } else { "protochain" }.to_string());
        out.push(words::protocol(random));
        return Sort::Protocol;
    }
    let (carrier, kind, names): (&str, &str, &[&str]) = match random.below(10) {
        0..3 => ("ether", "proto", &ETHERNET),
        3..5 => ("ip", "proto", &INTERNET),
        5..7 => ("ip6", "proto", &INTERNET),
        7 => ("", "proto", &INTERNET),
        8 => ("iso", "proto", &["\\clnp", "\\esis", "\\isis", "0x81", "129"]),
        _ => (*random.pick(&["ip", "ip6", ""]), "protochain", &INTERNET),
    };
    out.extend((!carrier.is_empty()).then(|| carrier.to_string()));
    let name = *random.pick(names);
    out.extend([kind, name].map(str::to_string));
    Sort::Protocol
}

fn station_address(random: &mut Random, class: Class, wild: bool, out: &mut Vec<String>) {
    if class == Class::Wlan || wild && random.percent(30) {
        out.push("wlan".to_string());
        out.push(random.pick(&DIRECTIONS).to_string());
        perhaps(random, 40, &["host"], out);
    } else {
        perhaps(
            random,
            100,
            if wild { &["slip", "ip", "tcp"] } else { &["ether", "ether", "link", "fddi", "tr"] },
            out,
        );
        perhaps(random, 60, &SIDES, out);
        perhaps(random, 60, if wild { &["host", "net", "gateway"] } else { &["host"] }, out);
    }
}

/// Any qualifiers with anything behind them.
fn write_any(random: &mut Random, out: &mut Vec<String>) -> Sort {
    perhaps(random, 60, &PROTOCOLS, out);
    perhaps(random, 50, &DIRECTIONS, out);
    perhaps(random, 70, &KINDS, out);
    let sorts = [Sort::Host, Sort::Network, Sort::Port, Sort::PortRange, Sort::Protocol, Sort::Station, Sort::Any];
    let sort = *random.pick(&sorts);
    identifier(random, sort, out);
    sort
}
