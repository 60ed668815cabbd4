//! The words of the language, and numbers, addresses and names to go with them.

use crate::random::Random;

/// Protocols that stand alone or in front of a qualifier.
pub const PROTOCOLS: [&str; 47] = [
    "link", "ether", "ppp", "slip", "fddi", "tr", "wlan", "arp", "rarp", "ip", "sctp", "tcp", "udp", "icmp", "igmp",
    "igrp", "pim", "vrrp", "carp", "radio", "ip6", "icmp6", "ah", "esp", "atalk", "aarp", "decnet", "lat", "sca",
    "moprc", "mopdl", "iso", "esis", "es-is", "isis", "is-is", "l1", "l2", "iih", "lsp", "snp", "csnp", "psnp", "clnp",
    "stp", "ipx", "netbeui",
];

/// Directions.
pub const DIRECTIONS: [&str; 16] = [
    "src",
    "dst",
    "src or dst",
    "dst or src",
    "src and dst",
    "dst and src",
    "addr1",
    "addr2",
    "addr3",
    "addr4",
    "address1",
    "address2",
    "address3",
    "address4",
    "ra",
    "ta",
];

/// Kinds of addresses.
pub const KINDS: [&str; 7] = ["host", "net", "port", "portrange", "proto", "protochain", "gateway"];

/// Conditions that need nothing else.
pub const LONELY: [&str; 21] = [
    "broadcast",
    "multicast",
    "inbound",
    "outbound",
    "vlan",
    "mpls",
    "pppoed",
    "pppoes",
    "geneve",
    "llc",
    "lane",
    "metac",
    "bcc",
    "oam",
    "oamf4",
    "oamf4ec",
    "oamf4sc",
    "sc",
    "ilmic",
    "connectmsg",
    "metaconnect",
];

/// SS7's signal units.
pub const SIGNAL_UNITS: [&str; 7] = ["fisu", "lssu", "lsu", "msu", "hfisu", "hlssu", "hmsu"];

/// SS7's fields.
pub const SS7_FIELDS: [&str; 8] = ["sio", "opc", "dpc", "sls", "hsio", "hopc", "hdpc", "hsls"];

/// What stands between or in front.
pub const GLUE: [&str; 30] = [
    "and", "or", "not", "&&", "||", "!", "(", ")", "[", "]", ":", "<", ">", "=", "==", "!=", "<=", ">=", "+", "-", "*",
    "/", "%", "&", "|", "^", "<<", ">>", "mask", "len",
];

/// The rest of the words.
pub const OTHERS: [&str; 25] = [
    "less",
    "greater",
    "byte",
    "length",
    "ifindex",
    "vpi",
    "vci",
    "on",
    "ifname",
    "rset",
    "ruleset",
    "rnr",
    "rulenum",
    "srnr",
    "subrulenum",
    "reason",
    "action",
    "type",
    "subtype",
    "dir",
    "direction",
    "address1",
    "vlan",
    "mask",
    "vxlan",
];

/// 802.11 frame types.
pub const WLAN_TYPES: [&str; 5] = ["data", "mgt", "management", "ctl", "control"];

/// Subtypes, of each type.
pub const WLAN_SUBTYPES: [(&str, &[&str]); 3] = [
    (
        "mgt",
        &[
            "assocreq",
            "assoc-req",
            "assocresp",
            "assoc-resp",
            "reassocreq",
            "reassoc-req",
            "reassocresp",
            "reassoc-resp",
            "probereq",
            "probe-req",
            "proberesp",
            "probe-resp",
            "beacon",
            "atim",
            "disassoc",
            "disassociation",
            "auth",
            "authentication",
            "deauth",
            "deauthentication",
        ],
    ),
    ("ctl", &["bar", "ba", "ps-poll", "rts", "cts", "ack", "cf-end", "cf-end-ack"]),
    (
        "data",
        &[
            "data",
            "data-cf-ack",
            "data-cf-poll",
            "data-cf-ack-poll",
            "null",
            "cf-ack",
            "cf-poll",
            "cf-ack-poll",
            "qos-data",
            "qos-data-cf-ack",
            "qos-data-cf-poll",
            "qos-data-cf-ack-poll",
            "qos",
            "qos-cf-poll",
            "qos-cf-ack-poll",
        ],
    ),
];

/// LLC frames.
pub const LLC_TYPES: [&str; 14] =
    ["i", "s", "u", "rr", "rnr", "rej", "ui", "ua", "disc", "dm", "sabme", "test", "xid", "frmr"];

/// Why pf logged.
pub const PF_REASONS: [&str; 16] = [
    "match",
    "bad-offset",
    "fragment",
    "short",
    "normalize",
    "memory",
    "bad-timestamp",
    "congestion",
    "ip-option",
    "proto-cksum",
    "state-mismatch",
    "state-insert",
    "state-limit",
    "src-limit",
    "synproxy",
    "translate",
];

/// What pf did.
pub const PF_ACTIONS: [&str; 14] = [
    "pass",
    "accept",
    "drop",
    "block",
    "scrub",
    "noscrub",
    "nat",
    "nonat",
    "binat",
    "nobinat",
    "rdr",
    "nordr",
    "synproxy-drop",
    "match",
];

/// Named offsets with the fields' values.
pub const NAMED: [(&str, &str, &[&str]); 5] = [
    ("tcp", "tcpflags", &["tcp-fin", "tcp-syn", "tcp-rst", "tcp-push", "tcp-ack", "tcp-urg", "tcp-ece", "tcp-cwr"]),
    (
        "icmp",
        "icmptype",
        &[
            "icmp-echoreply",
            "icmp-unreach",
            "icmp-sourcequench",
            "icmp-redirect",
            "icmp-echo",
            "icmp-routeradvert",
            "icmp-routersolicit",
            "icmp-timxceed",
            "icmp-paramprob",
            "icmp-tstamp",
            "icmp-tstampreply",
            "icmp-ireq",
            "icmp-ireqreply",
            "icmp-maskreq",
            "icmp-maskreply",
        ],
    ),
    ("icmp", "icmpcode", &["0", "1", "13"]),
    (
        "icmp6",
        "icmp6type",
        &[
            "icmp6-destinationunreach",
            "icmp6-packettoobig",
            "icmp6-timeexceeded",
            "icmp6-parameterproblem",
            "icmp6-echo",
            "icmp6-echoreply",
            "icmp6-multicastlistenerquery",
            "icmp6-multicastlistenerreportv1",
            "icmp6-multicastlistenerdone",
            "icmp6-routersolicit",
            "icmp6-routeradvert",
            "icmp6-neighborsolicit",
            "icmp6-neighboradvert",
            "icmp6-redirect",
            "icmp6-routerrenum",
            "icmp6-nodeinformationquery",
            "icmp6-nodeinformationresponse",
            "icmp6-ineighbordiscoverysolicit",
            "icmp6-ineighbordiscoveryadvert",
            "icmp6-multicastlistenerreportv2",
            "icmp6-homeagentdiscoveryrequest",
            "icmp6-homeagentdiscoveryreply",
            "icmp6-mobileprefixsolicit",
            "icmp6-mobileprefixadvert",
            "icmp6-certpathsolicit",
            "icmp6-certpathadvert",
            "icmp6-multicastrouteradvert",
            "icmp6-multicastroutersolicit",
            "icmp6-multicastrouterterm",
        ],
    ),
    ("icmp6", "icmp6code", &["0", "3"]),
];

/// Services, some of them for one protocol alone.
const SERVICES: [&str; 16] = [
    "http", "https", "domain", "ssh", "ntp", "snmp", "tftp", "bootps", "bootpc", "smtp", "telnet", "syslog", "sunrpc",
    "nfs", "ldap", "echo",
];

/// IP protocols, and those of Ethernet, LLC and OSI, all as they must be escaped.
const PROTOCOL_NAMES: [&str; 34] = [
    "\\tcp",
    "\\udp",
    "\\icmp",
    "\\igmp",
    "\\sctp",
    "\\esp",
    "\\ah",
    "\\pim",
    "\\vrrp",
    "\\ip",
    "\\ip6",
    "\\arp",
    "\\rarp",
    "\\iso",
    "\\stp",
    "\\ipx",
    "\\netbeui",
    "\\atalk",
    "\\aarp",
    "\\decnet",
    "\\lat",
    "\\sca",
    "\\moprc",
    "\\mopdl",
    "\\clnp",
    "\\esis",
    "\\isis",
    "\\icmp6",
    "ospf",
    "gre",
    "ipv6-icmp",
    "loopback",
    "ipv6",
    "\\l2",
];

const PROTOCOL_NUMBERS: [&str; 15] =
    ["0", "1", "6", "17", "41", "44", "50", "51", "58", "132", "0x800", "0x86dd", "0x806", "0x42", "0x8137"];

const NETWORKS: [&str; 3] = ["loopback", "default", "link-local"];

/// Plain numbers, as they occur and where things change.
pub fn number(random: &mut Random) -> String {
    let edges: [u64; 22] = [
        0,
        1,
        2,
        3,
        4,
        5,
        7,
        8,
        15,
        16,
        31,
        32,
        33,
        255,
        256,
        1500,
        65_535,
        65_536,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_fffe,
        0xffff_ffff,
    ];
    match random.below(160) {
        0..56 => random.below(16).to_string(),
        56..80 => random.pick(&edges).to_string(),
        80..130 => random.below(256).to_string(),
        130..145 => format!("0x{:x}", random.below(1 << 16)),
        145..150 => (random.any() as u32).to_string(),
        150..154 => format!("0{:o}", random.below(512)),
        154..158 => format!("0X{:X}", random.any() as u32),
        _ => random.pick(&["4294967296", "0x1ffffffff", "08", "0", "00", "99999999999999999999"]).to_string(),
    }
}

/// A port, a service, or something that is neither.
pub fn port(random: &mut Random) -> String {
    match random.below(20) {
        0..9 => random.pick(&["80", "443", "53", "22", "25", "123", "179", "0", "65535", "6081", "4789"]).to_string(),
        9..14 => random.pick(&SERVICES).to_string(),
        14..19 => random.below(65_536).to_string(),
        _ if random.percent(50) => number(random),
        _ => random.pick(&["65536", "nosuchservice", "0x50", "080", "80-90"]).to_string(),
    }
}

/// A range of ports.
pub fn port_range(random: &mut Random) -> String {
    match random.below(12) {
        0..6 => {
            let first = random.below(65_536);
            format!("{first}-{}", (first + random.below(3000)).min(65_535))
        }
        6 => format!("{}-{}", random.below(65_536), random.below(65_536)),
        7 => random.pick(&["http-https", "ssh-80", "20-ssh", "domain-53"]).to_string(),
        8 => random.pick(&["80-80", "0-65535", "0-0", "90-80", "1-1024", "1024-65535"]).to_string(),
        9 if random.percent(10) => random.pick(&["1-70000", "http-nosuchservice"]).to_string(),
        _ => port(random),
    }
}

/// Dotted numbers, all four parts.
pub fn ipv4(random: &mut Random) -> String {
    match random.below(10) {
        0..4 => random
            .pick(&["10.0.0.1", "192.168.1.1", "192.0.2.1", "224.0.0.5", "255.255.255.255", "127.0.0.1", "0.0.0.0"])
            .to_string(),
        4..7 => format!("10.{}.{}.{}", random.below(4), random.below(4), random.below(256)),
        _ => {
            let [a, b, c, d] = (random.any() as u32).to_be_bytes();
            format!("{a}.{b}.{c}.{d}")
        }
    }
}

/// A network: fewer parts, a length, a mask, a name.
pub fn ipv4_network(random: &mut Random) -> String {
    let parts = 1 + random.below(4) as usize;
    let cut = |text: String| text.split('.').take(parts).collect::<Vec<_>>().join(".");
    match random.below(12) {
        0..3 => cut(ipv4(random)),
        3..6 => {
            let bits = if random.percent(3) { 33 } else { random.below(33) };
            let address = if random.percent(95) { masked(random, bits.min(32) as u32) } else { cut(ipv4(random)) };
            format!("{address}/{bits}")
        }
        6..8 => {
            let bits = random.below(33) as u32;
            format!("{} mask {}", masked(random, bits), dotted(u32::MAX.checked_shl(32 - bits).unwrap_or(0)))
        }
        8 if random.percent(10) => format!("{} mask {}", ipv4(random), ipv4(random)),
        9..11 => random.pick(&NETWORKS).to_string(),
        _ => ipv4(random),
    }
}

fn masked(random: &mut Random, bits: u32) -> String {
    dotted(random.any() as u32 & u32::MAX.checked_shl(32 - bits).unwrap_or(0))
}

fn dotted(address: u32) -> String {
    address.to_be_bytes().map(|byte| byte.to_string()).join(".")
}

/// An IPv6 address.
pub fn ipv6(random: &mut Random) -> String {
    match random.below(8) {
        0..4 => random
            .pick(&[
                "::1",
                "fe80::1",
                "2001:db8::1",
                "ff02::1",
                "::",
                "2001:db8:1:2:3:4:5:6",
                "::ffff:10.0.0.1",
                "fe80::",
            ])
            .to_string(),
        4 => format!("2001:db8::{:x}", random.below(65_536)),
        _ => (0..8).map(|_| format!("{:x}", random.below(65_536))).collect::<Vec<_>>().join(":"),
    }
}

/// An IPv6 network.
pub fn ipv6_network(random: &mut Random) -> String {
    match random.below(6) {
        0..3 => format!("2001:db8:{:x}::/{}", random.below(256), random.pick(&[48, 56, 64, 96, 127, 128])),
        3 => format!("fe80::/{}", random.below(11)),
        4 => format!("::/{}", random.below(2)),
        5 if random.percent(20) => format!("{}/{}", ipv6(random), random.below(130)),
        _ => format!("{}/128", ipv6(random)),
    }
}

/// An Ethernet address, in one of the ways to write it.
pub fn mac(random: &mut Random) -> String {
    let bytes: [u8; 6] = match random.below(4) {
        0 => [0xff; 6],
        1 => [1, 0, 0x5e, 0, 0, random.any() as u8],
        _ => std::array::from_fn(|_| random.any() as u8),
    };
    let joined = |with: &str| bytes.map(|byte| format!("{byte:02x}")).join(with);
    match random.below(8) {
        0..4 => joined(":"),
        4 => joined("-"),
        5 => joined("."),
        6 => {
            let [a, b, c, d, e, f] = bytes;
            format!("{a:02x}{b:02x}.{c:02x}{d:02x}.{e:02x}{f:02x}")
        }
        _ => bytes.map(|byte| format!("{byte:X}")).join(":"),
    }
}

/// An ARCnet address.
pub fn arcnet(random: &mut Random) -> String {
    format!("${:x}", random.below(256))
}

/// The name or number of a protocol.
pub fn protocol(random: &mut Random) -> String {
    match random.below(10) {
        0..5 => random.pick(&PROTOCOL_NAMES).to_string(),
        5..8 => random.pick(&PROTOCOL_NUMBERS).to_string(),
        8 => random.below(256).to_string(),
        _ if random.percent(60) => "\\tcp".to_string(),
        _ => random.pick(&["nosuchprotocol", "tcp", "\\nosuchprotocol", "\\802.1d"]).to_string(),
    }
}

/// A name that has meaning somewhere, or nowhere.
pub fn name(random: &mut Random) -> String {
    match random.below(10) {
        0..8 => "localhost".to_string(),
        8 if random.percent(50) => random.pick(&PROTOCOL_NAMES).to_string(),
        8 => random.pick(&SERVICES).to_string(),
        _ => random.pick(&["nosuchhost", "no-such.host.example", "x", "beacon", "pass", "80-90"]).to_string(),
    }
}

/// Any word of the language, or something to go with it.
pub fn anything(random: &mut Random) -> String {
    match random.below(20) {
        0..4 => random.pick(&PROTOCOLS).to_string(),
        4..6 => random.pick(&DIRECTIONS).to_string(),
        6..8 => random.pick(&KINDS).to_string(),
        8 => random.pick(&LONELY).to_string(),
        9 => random.pick(&OTHERS).to_string(),
        10..14 => random.pick(&GLUE).to_string(),
        14 => number(random),
        15 => ipv4_network(random),
        16 => match random.below(4) {
            0 => ipv6(random),
            1 => ipv6_network(random),
            2 => mac(random),
            _ => arcnet(random),
        },
        17 => name(random),
        18 => random.pick(&SIGNAL_UNITS).to_string(),
        _ => random.pick(&SS7_FIELDS).to_string(),
    }
}
