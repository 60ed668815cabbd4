//! What libpcap says of protocols and directions that fit nowhere.

use crate::action::{Dir, Proto};

/// A protocol's word in error texts.
pub(super) fn word(proto: Proto) -> &'static str {
    match proto {
        Proto::Link => "link",
        Proto::Ip => "ip",
        Proto::Arp => "arp",
        Proto::Rarp => "rarp",
        Proto::Sctp => "sctp",
        Proto::Tcp => "tcp",
        Proto::Udp => "udp",
        Proto::Icmp => "icmp",
        Proto::Igmp => "igmp",
        Proto::Igrp => "igrp",
        Proto::Pim => "pim",
        Proto::Vrrp => "vrrp",
        Proto::Carp => "carp",
        Proto::Atalk => "atalk",
        Proto::Aarp => "aarp",
        Proto::Decnet => "decnet",
        Proto::Lat => "lat",
        Proto::Sca => "sca",
        Proto::Moprc => "moprc",
        Proto::Mopdl => "mopdl",
        Proto::Ip6 => "ip6",
        Proto::Icmp6 => "icmp6",
        Proto::Ah => "ah",
        Proto::Esp => "esp",
        Proto::Iso => "iso",
        Proto::Esis => "esis",
        Proto::Isis => "isis",
        Proto::IsisL1 => "l1",
        Proto::IsisL2 => "l2",
        Proto::IsisIih => "iih",
        Proto::IsisLsp => "lsp",
        Proto::IsisSnp => "snp",
        Proto::IsisCsnp => "csnp",
        Proto::IsisPsnp => "psnp",
        Proto::Clnp => "clnp",
        Proto::Stp => "stp",
        Proto::Ipx => "ipx",
        Proto::Netbeui => "netbeui",
        Proto::Radio => "radio",
    }
}

/// Why `proto host` has no IPv4 address behind it; `what` is `host` or `net`.
pub(super) fn no_ipv4_host(proto: Proto, what: &str) -> String {
    let unsupported = match proto {
        Proto::Link => return format!("link-layer modifier applied to {what}"),
        Proto::Ip6 => return "'ip6' modifier applied to ip host".into(),
        Proto::Atalk => "AppleTalk",
        Proto::Aarp => "AARP",
        Proto::Lat => "LAT",
        Proto::Sca => "SCA",
        Proto::Moprc => "MOPRC",
        Proto::Mopdl => "MOPDL",
        Proto::Iso => "ISO",
        Proto::Ipx => "IPX",
        _ => return format!("'{}' modifier applied to {what}", word(proto)),
    };
    format!("{unsupported} host filtering not implemented")
}

/// Why `proto host` has no IPv6 address behind it.
pub(super) fn no_ipv6_host(proto: Proto, what: &str) -> String {
    match proto {
        Proto::Link => format!("link-layer modifier applied to ip6 {what}"),
        Proto::Atalk => format!("AppleTalk modifier applied to ip6 {what}"),
        _ => format!("'{}' modifier applied to ip6 {what}", word(proto)),
    }
}

/// Why `proto proto` has no number behind it.
pub(super) fn no_payload(proto: Proto) -> String {
    match proto {
        Proto::Arp | Proto::Rarp => format!("{} does not encapsulate another protocol", word(proto)),
        Proto::Lat | Proto::Sca | Proto::Moprc | Proto::Mopdl => {
            format!("{} does not encapsulate another protocol", word(proto).to_uppercase())
        }
        Proto::Atalk => "AppleTalk encapsulation is not specifiable".into(),
        Proto::Decnet => "DECNET encapsulation is not specifiable".into(),
        Proto::Clnp => "'clnp proto' is not supported".into(),
        _ => format!("'{} proto' is bogus", word(proto)),
    }
}

/// An 802.11 direction as error texts name it: its words, and the verb's number.
fn wlan_direction(dir: Dir) -> Option<(&'static str, bool)> {
    Some(match dir {
        Dir::Addr1 => ("'addr1' and 'address1'", true),
        Dir::Addr2 => ("'addr2' and 'address2'", true),
        Dir::Addr3 => ("'addr3' and 'address3'", true),
        Dir::Addr4 => ("'addr4' and 'address4'", true),
        Dir::Ra => ("'ra'", false),
        Dir::Ta => ("'ta'", false),
        Dir::Default | Dir::Src | Dir::Dst | Dir::Or | Dir::And => return None,
    })
}

/// Why an 802.11 direction cannot stand before `what`.
pub(super) fn no_direction(dir: Dir, what: &str) -> Option<String> {
    let (words, many) = wlan_direction(dir)?;
    let verb = if many { "are not valid qualifiers" } else { "is not a valid qualifier" };
    Some(format!("{words} {verb} for {what}"))
}

/// Why an 802.11 direction cannot be had on another link.
pub(super) fn wlan_only(dir: Dir) -> Option<String> {
    let (words, many) = wlan_direction(dir)?;
    Some(format!("{words} {} only supported on 802.11", if many { "are" } else { "is" }))
}
