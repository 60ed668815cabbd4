//! Words whose meaning the system's libpcap cannot confirm: names, what its main branch mended, tags beside packets.

use std::net::IpAddr;

use super::generate;
use super::link::dlt;
use crate::error::Error;
use crate::ir_eval::{Packet, evaluate};
use crate::{NETMASK_UNKNOWN, Options, PacketSource, PortProtocol, Resolve, parse};

struct Names;

impl Resolve for Names {
    fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let addresses: &[&str] = match name {
            "both" => &["2001:db8::1", "10.0.0.1", "10.0.0.2"],
            "six" => &["2001:db8::1"],
            _ => &[],
        };
        addresses.iter().map(|address| address.parse().expect("an address")).collect()
    }

    fn network(&self, name: &str) -> Option<u32> {
        (name == "ten").then_some(10)
    }

    fn port(&self, name: &str) -> Option<(u16, PortProtocol)> {
        match name {
            "web" => Some((80, PortProtocol::Tcp)),
            "time" => Some((123, PortProtocol::Udp)),
            "names" => Some((53, PortProtocol::Both)),
            _ => None,
        }
    }

    fn protocol(&self, name: &str) -> Option<u16> {
        match name {
            "udp" => Some(17),
            "mptcp" => Some(262),
            _ => None,
        }
    }

    fn ether(&self, name: &str) -> Option<[u8; 6]> {
        (name == "both").then_some([2, 0, 0, 0, 0, 1])
    }
}

/// Whether a packet is accepted; `tag` is that of a VLAN beside it, on a live capture.
fn accepted(source: PacketSource, tag: Option<u16>, linktype: i32, text: &str, frame: &[u8]) -> Result<bool, Error> {
    let options = Options { linktype, snaplen: 65535, optimize: false, netmask: NETMASK_UNKNOWN, source };
    let (ir, root) = generate(parse::parse(text.as_bytes()), &options, &Names)?;
    let ancillary = |what| match what {
        crate::insn::op::AD_VLAN_TAG => tag.unwrap_or(0).into(),
        crate::insn::op::AD_VLAN_TAG_PRESENT => tag.is_some().into(),
        _ => 0,
    };
    let packet = Packet { bytes: frame, wire_len: frame.len() as u32, ancillary: &ancillary };
    Ok(evaluate(&ir, root, &packet).accepts())
}

fn holds(linktype: i32, text: &str, frame: &[u8]) -> bool {
    accepted(PacketSource::Dead, None, linktype, text, frame).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(linktype: i32, text: &str) -> String {
    match accepted(PacketSource::Dead, None, linktype, text, &[]) {
        Ok(_) => format!("{text}: accepted"),
        Err(error) => error.to_string(),
    }
}

fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1][..], &kind.to_be_bytes(), payload].concat()
}

fn ipv4(protocol: u8, source: [u8; 4], payload: &[u8]) -> Vec<u8> {
    [&[0x45, 0, 0, 60, 0, 0, 0, 0, 64, protocol, 0, 0][..], &source, &[192, 0, 2, 1], payload].concat()
}

fn ipv6(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let address = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    [&[0x60, 0, 0, 0, 0, 0, protocol, 64][..], &address, &[0; 16], payload].concat()
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    [&[0, 7][..], &port.to_be_bytes(), &[0, 0, 0, 0], payload].concat()
}

fn arp(sender: [u8; 4]) -> Vec<u8> {
    [&[0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1][..], &sender, &[0; 10]].concat()
}

#[test]
fn hosts_by_name_have_all_their_addresses() {
    let from = |source| ethernet(0x0800, &ipv4(17, source, &[]));
    let six = ethernet(0x86dd, &ipv6(17, &[]));
    for frame in [&from([10, 0, 0, 1]), &from([10, 0, 0, 2]), &six, &ethernet(0x0806, &arp([10, 0, 0, 2]))] {
        assert!(holds(dlt::EN10MB, "src host both", frame));
    }
    assert!(!holds(dlt::EN10MB, "dst host both", &from([10, 0, 0, 1])));
    assert!(!holds(dlt::EN10MB, "ip6 host both", &from([10, 0, 0, 1])));
    assert!(!holds(dlt::EN10MB, "ip host both", &six));
    assert_eq!(refusal(dlt::EN10MB, "ip host six"), "unknown host 'six' for specified address family");
    assert_eq!(refusal(dlt::EN10MB, "host none"), "unknown host 'none'");
    assert_eq!(refusal(dlt::EN10MB, "tcp host both"), "'tcp' modifier applied to ip6 host");
}

#[test]
fn arp_hosts_are_not_refused_for_their_ipv6_address() {
    assert!(holds(dlt::EN10MB, "arp host both", &ethernet(0x0806, &arp([10, 0, 0, 1]))));
    assert_eq!(refusal(dlt::EN10MB, "rarp host six"), "unknown host 'six' for specified address family");
}

#[test]
fn networks_by_name_are_moved_to_the_left() {
    assert!(holds(dlt::RAW, "src net ten", &ipv4(17, [10, 1, 2, 3], &[])));
    assert!(!holds(dlt::RAW, "src net ten", &ipv4(17, [11, 1, 2, 3], &[])));
    assert_eq!(refusal(dlt::RAW, "net none"), "unknown network 'none'");
}

#[test]
fn gateways_have_a_station_without_its_host() {
    let from = |source| ethernet(0x0800, &ipv4(17, source, &[]));
    assert!(holds(dlt::EN10MB, "gateway both", &from([198, 51, 100, 1])));
    assert!(!holds(dlt::EN10MB, "gateway both", &from([10, 0, 0, 2])));
    assert_eq!(refusal(dlt::EN10MB, "gateway six"), "unknown ether host: six");
    assert_eq!(refusal(dlt::EN10MB, "gateway 10.0.0.1"), "'gateway' requires a name");
    assert!(refusal(dlt::RAW, "gateway both").starts_with("'gateway' supported only on ethernet"));
}

#[test]
fn ports_by_name_are_of_their_protocols() {
    let tcp = ipv4(6, [10, 0, 0, 1], &[0, 80, 0, 90]);
    let udp = ipv4(17, [10, 0, 0, 1], &[0, 80, 0, 90]);
    assert!(holds(dlt::RAW, "port web", &tcp));
    assert!(!holds(dlt::RAW, "port web", &udp), "known for TCP alone");
    assert!(holds(dlt::RAW, "portrange web-90", &udp), "90 is of any protocol");
    assert!(holds(dlt::RAW, "udp portrange names-81", &udp));
    for (text, why) in [
        ("udp port web", "port 'web' is tcp"),
        ("tcp port time", "port 'time' is udp"),
        ("sctp port web", "port 'web' is tcp"),
        ("udp portrange web-web", "port in range 'web-web' is tcp"),
        ("ip port web", "illegal qualifier of 'port'"),
        ("port none", "unknown port 'none'"),
        ("portrange web", "unknown port in range 'web'"),
        ("portrange web-none", "unknown port in range 'web-none'"),
        ("portrange 1-70000", "illegal port number 70000 > 65535"),
        ("src or dst portrange 5-6x", "unknown port in range '5-6x'"),
    ] {
        assert_eq!(refusal(dlt::RAW, text), why, "{text}");
    }
}

#[test]
fn ends_of_a_port_range_are_numbers_as_elsewhere() {
    let from = |port: u8| ipv4(6, [10, 0, 0, 1], &[0, port, 0, 0]);
    for (text, inside) in [("010-011", 9), ("0x10-0x20", 31), ("80-70", 75)] {
        let text = format!("src portrange {text}");
        assert!(holds(dlt::RAW, &text, &from(inside)), "{text}");
        assert!(!holds(dlt::RAW, &text, &from(10)), "{text}");
    }
}

#[test]
fn protocols_by_name() {
    let udp = ethernet(0x0800, &ipv4(17, [10, 0, 0, 1], &[]));
    assert!(holds(dlt::EN10MB, "proto \\udp and not proto mptcp", &udp));
    for (name, kind) in [("lldp", 0x88cc), ("slow", 0x8809), ("loopback", 0x9000), ("\\arp", 0x0806)] {
        assert!(holds(dlt::EN10MB, &format!("ether proto {name}"), &ethernet(kind, &[])), "{name}");
    }
    assert!(holds(dlt::EN10MB, "ether proto \\stp", &ethernet(38, &[0x42, 0x42, 3])));
}

#[test]
fn byte_tests_load_their_byte() {
    assert!(holds(dlt::EN10MB, "byte 1 & 5", &[0, 4]));
    assert!(!holds(dlt::EN10MB, "byte 1 & 5", &[4, 0]));
    assert!(!holds(dlt::EN10MB, "byte 1 | 0", &[4, 0]));
}

#[test]
fn addresses_of_one_byte_are_read_without_their_dollar() {
    assert!(holds(dlt::ARCNET, "link src host $1f", &[0x1f, 0]));
    assert!(!holds(dlt::ARCNET, "link dst host $1f", &[0x1f, 0]));
    assert!(holds(dlt::BACNET_MS_TP, "link src host $5", &[0x55, 0xff, 0, 1, 5]));
    assert_eq!(refusal(dlt::EN10MB, "link host $1f"), "aid supported only on ARCnet");
    assert_eq!(refusal(dlt::ARCNET, "host $1f"), "ARCnet address used in non-arc expression");
    assert_eq!(refusal(dlt::ARCNET, "link ra host $1f"), "'ra' is only supported on 802.11");
}

#[test]
fn only_written_numbers_are_looked_at_before_a_division() {
    assert!(holds(dlt::RAW, "138 / ip[0] = 2 and 1 << ip[0] = 0", &ipv4(17, [10, 0, 0, 1], &[])));
    assert!(!holds(dlt::RAW, "1 / ip[1] = 0", &ipv4(17, [10, 0, 0, 1], &[])), "it divides by 0");
    for (text, why) in [
        ("1 / 0 = 1", "division by zero"),
        ("1 % 0 = 1", "modulus by zero"),
        ("1 >> 32 = 1", "shift by more than 31 bits"),
        ("ip[0:3] = 1", "data size must be 1, 2, or 4"),
        ("stp[0] = 1", "unsupported index operation"),
        ("radio[0] = 1", "radio information not present in capture"),
    ] {
        assert_eq!(refusal(dlt::RAW, text), why, "{text}");
    }
}

#[test]
fn isis_types_are_five_bits() {
    let pdu = |kind| ethernet(20, &[0xfe, 0xfe, 3, 0x83, 27, 1, 0, kind, 1, 0, 0]);
    for kind in [20, 0xf4] {
        assert!(holds(dlt::EN10MB, "lsp and l2 and isis proto 20", &pdu(kind)));
        assert!(!holds(dlt::EN10MB, "iih or snp or l1", &pdu(kind)));
    }
    assert_eq!(refusal(dlt::EN10MB, "isis proto 32"), "IS-IS PDU type 32 greater than maximum 31");
    let behind_padding = [0x0f, 0, 0xfe, 0xfe, 0, 0x83, 27, 1, 0, 20, 1, 0, 0];
    assert!(holds(dlt::C_HDLC, "lsp", &behind_padding));
}

#[test]
fn vxlan_shows_the_frame_inside() {
    let header = [8, 0, 0, 0, 0, 0, 7, 0];
    let tunnelled = |inner: &[u8]| udp(4789, &[&header[..], inner].concat());
    let inner = ethernet(0x0806, &arp([10, 0, 0, 1]));
    let over4 = ethernet(0x0800, &ipv4(17, [10, 9, 9, 9], &tunnelled(&inner)));
    let over6 = ethernet(0x86dd, &ipv6(17, &tunnelled(&inner)));
    for frame in [&over4, &over6] {
        for text in ["vxlan", "vxlan 7", "vxlan and arp", "vxlan and arp src host 10.0.0.1", "arp or vxlan"] {
            assert!(holds(dlt::EN10MB, text, frame), "{text}");
        }
        assert!(holds(dlt::EN10MB, "vxlan and ether src 2:0:0:0:0:1", frame));
        for text in ["vxlan 8", "vxlan and ip", "arp", "vxlan and ether dst ff:ff:ff:ff:ff:ff", "geneve"] {
            assert!(!holds(dlt::EN10MB, text, frame), "{text}");
        }
    }
    let mut unflagged = over4.clone();
    unflagged[42] = 0;
    assert!(!holds(dlt::EN10MB, "vxlan", &unflagged));
    assert!(holds(dlt::RAW, "vxlan and arp", &over4[14..]));
    assert_eq!(refusal(dlt::EN10MB, "vxlan 16777216"), "VXLAN VNI 16777216 greater than maximum 16777215");
}

#[test]
fn geneve_shows_frames_and_packets() {
    let tunnelled = |kind: u16, options: u8, inner: &[u8]| {
        let header =
            [&[options, 0][..], &kind.to_be_bytes(), &[0, 0, 7, 0], &vec![0; usize::from(options) * 4]].concat();
        ethernet(0x0800, &ipv4(17, [10, 9, 9, 9], &udp(6081, &[header, inner.to_vec()].concat())))
    };
    let inner = ipv4(6, [10, 0, 0, 1], &[0, 80, 0, 81]);
    for options in [0, 3] {
        let frame = tunnelled(0x6558, options, &ethernet(0x0800, &inner));
        let packet = tunnelled(0x0800, options, &inner);
        for text in ["geneve 7 and tcp port 80", "geneve and src host 10.0.0.1", "geneve and ip[9] = 6"] {
            assert!(holds(dlt::EN10MB, text, &frame) && holds(dlt::EN10MB, text, &packet), "{text}");
        }
        assert!(holds(dlt::EN10MB, "geneve and ether src 2:0:0:0:0:1", &frame));
        assert!(!holds(dlt::EN10MB, "geneve and ether src 2:0:0:0:0:1", &packet), "no Ethernet header inside");
    }
    let cut = &tunnelled(0x6558, 0, &[])[..43];
    assert!(!holds(dlt::EN10MB, "geneve", cut), "the type is cut off");
}

#[test]
fn a_negative_index_in_a_tunnel_wrapped_too_early() {
    // IPv4 with a header length of 0 around Geneve around IPv6: the index -4 is that of the inner IPv6 header's last bytes.
    let mut frame = ethernet(0x0800, &[0; 64]);
    frame[23] = 17;
    frame[16..18].copy_from_slice(&6081_u16.to_be_bytes());
    frame[24..26].copy_from_slice(&0x86dd_u16.to_be_bytes());
    frame[30 + 6] = 58;
    assert!(holds(dlt::EN10MB, "geneve and icmp6[-4:2] <= len", &frame));
}

#[test]
fn tunnels_in_tunnels_do_not_explode() {
    for optimize in [false, true] {
        let source = PacketSource::Dead;
        let options = Options { linktype: dlt::EN10MB, snaplen: 65535, optimize, netmask: NETMASK_UNKNOWN, source };
        let nested = |n| ["geneve"; 6][..n].join(" and ") + " and tcp port 80";
        let compiled = |n| crate::compile(nested(n).as_bytes(), &options, &Names);
        assert!(compiled(5).expect("five").len() < 8000);
        assert_eq!(compiled(6).expect_err("six").to_string(), "too many registers needed to evaluate expression");
    }
}

#[test]
fn a_tag_beside_the_packet_moves_nothing() {
    let live = PacketSource::Live { vlan: true, basic: true };
    let check = |tag, text, frame: &[u8]| accepted(live, tag, dlt::EN10MB, text, frame).expect(text);
    let plain = ethernet(0x0800, &ipv4(6, [10, 0, 0, 1], &[0, 80, 0, 81]));
    let tagged = ethernet(0x8100, &[&[0x20, 5][..], &plain[12..]].concat());
    let twice = ethernet(0x88a8, &[&[0, 9][..], &tagged[12..]].concat());
    for text in ["vlan", "vlan 5", "vlan and tcp port 80", "vlan 5 and ip src 10.0.0.1"] {
        assert!(check(Some(0x2005), text, &plain), "beside: {text}");
        assert!(check(None, text, &tagged), "inside: {text}");
        assert!(!check(None, text, &plain), "nowhere: {text}");
    }
    for text in ["vlan 9 and vlan 5 and tcp", "vlan and vlan 5"] {
        assert!(check(Some(9), text, &tagged), "{text}");
        assert!(check(None, text, &twice), "{text}");
        assert!(!check(Some(9), text, &plain), "{text}");
    }
    assert!(!check(Some(5), "vlan 6", &plain));
    assert_eq!(
        accepted(live, None, dlt::EN10MB, "vlan and ip protochain 6", &[]).expect_err("a refusal").to_string(),
        "'protochain' not supported with variable length headers"
    );
}

#[test]
fn refusals_are_in_libpcaps_words() {
    for (linktype, text, why) in [
        (dlt::EN10MB, "tcp or 80", "syntax error in filter expression"),
        (dlt::EN10MB, "ether host none", "unknown ether host 'none'"),
        (dlt::FDDI, "ether host none", "unknown FDDI host 'none'"),
        (dlt::IEEE802_11, "wlan host none", "unknown 802.11 host 'none'"),
        (
            dlt::RAW,
            "ether host none",
            "only ethernet/FDDI/token ring/802.11/ATM LANE/Fibre Channel supports link-level host name",
        ),
        (dlt::EN10MB, "decnet host a", "decnet name support not included, 'a' cannot be translated\n"),
        (dlt::EN10MB, "ether host 10.0.0.1", "illegal link layer address"),
        (dlt::EN10MB, "host 0:1:2:3:4:5", "ethernet address used in non-ether expression"),
        (dlt::EN10MB, "host 1.2.3.256", "invalid IPv4 address '1.2.3.256'"),
        (dlt::EN10MB, "net 1.2.3/16", "non-network bits set in \"1.2.3/16\""),
        (dlt::EN10MB, "net 1.2.3.4/33", "mask length must be <= 32"),
        (dlt::EN10MB, "net 1.2.3 mask 255.255", "non-network bits set in \"1.2.3 mask 255.255\""),
        (dlt::EN10MB, "host 1.2.3/24", "Mask syntax for networks only"),
        (dlt::EN10MB, "net ::1/64", "non-network bits set in \"::1/64\""),
        (dlt::EN10MB, "net ::/129", "mask length must be <= 128"),
        (dlt::EN10MB, "port ::1", "invalid qualifier against IPv6 address"),
        (dlt::EN10MB, "tcp net 10.0.0.0/8", "'tcp' modifier applied to net"),
        (dlt::EN10MB, "ip6 net 10.0.0.0/8", "'ip6' modifier applied to ip host"),
        (dlt::EN10MB, "lat host 10.0.0.1", "LAT host filtering not implemented"),
        (dlt::EN10MB, "atalk host ::1", "AppleTalk modifier applied to ip6 host"),
        (
            dlt::EN10MB,
            "addr4 host 10.0.0.1",
            "'addr4' and 'address4' are not valid qualifiers for addresses other than 802.11 MAC addresses",
        ),
        (dlt::EN10MB, "ta port 80", "'ta' is not a valid qualifier for ports"),
        (dlt::EN10MB, "addr1 portrange 1-2", "'addr1' and 'address1' are not valid qualifiers for port ranges"),
        (dlt::EN10MB, "udp proto 6", "'udp proto' is bogus"),
        (dlt::EN10MB, "clnp proto 6", "'clnp proto' is not supported"),
        (dlt::EN10MB, "sca proto 6", "SCA does not encapsulate another protocol"),
        (dlt::EN10MB, "ip proto none", "unknown ip proto 'none'"),
        (dlt::EN10MB, "ether proto none", "unknown ether proto 'none'"),
        (dlt::EN10MB, "iso proto none", "unknown osi proto 'none'"),
        (dlt::EN10MB, "udp proto none", "unknown protocol: none"),
        (dlt::EN10MB, "link protochain 6", "bad protocol applied for 'protochain'"),
        (dlt::IEEE802_11, "protochain 6", "'protochain' not supported with variable length headers"),
        (dlt::EN10MB, "mpls and arp", "unsupported protocol over mpls"),
        (dlt::EN10MB, "mpls and vlan", "no VLAN match after MPLS"),
        (dlt::EN10MB, "mpls 1048576", "MPLS label 1048576 greater than maximum 1048575"),
        (dlt::RAW, "mpls", "no MPLS support for Raw IP"),
        (dlt::RAW, "vlan", "no VLAN support for Raw IP"),
        (dlt::EN10MB, "vlan 4096", "VLAN tag 4096 greater than maximum 4095"),
        (dlt::EN10MB, "pppoes 65536", "PPPoE session number 65536 greater than maximum 65535"),
        (dlt::EN10MB, "geneve 16777216", "Geneve VNI 16777216 greater than maximum 16777215"),
    ] {
        assert_eq!(refusal(linktype, text), why, "{text}");
    }
}
