//! Numbers that headers have for what they carry.

/// Ethernet types.
pub(super) mod ethertype {
    pub(in crate::meaning) const NS: u32 = 0x0600;
    pub(in crate::meaning) const IP: u32 = 0x0800;
    pub(in crate::meaning) const ARP: u32 = 0x0806;
    pub(in crate::meaning) const MOPDL: u32 = 0x6001;
    pub(in crate::meaning) const MOPRC: u32 = 0x6002;
    pub(in crate::meaning) const DECNET: u32 = 0x6003;
    pub(in crate::meaning) const LAT: u32 = 0x6004;
    pub(in crate::meaning) const SCA: u32 = 0x6007;
    /// Transparent Ethernet bridging: an Ethernet frame follows.
    pub(in crate::meaning) const BRIDGED: u32 = 0x6558;
    pub(in crate::meaning) const REVARP: u32 = 0x8035;
    pub(in crate::meaning) const ATALK: u32 = 0x809b;
    pub(in crate::meaning) const AARP: u32 = 0x80f3;
    pub(in crate::meaning) const VLAN: u32 = 0x8100;
    pub(in crate::meaning) const IPX: u32 = 0x8137;
    pub(in crate::meaning) const IPV6: u32 = 0x86dd;
    pub(in crate::meaning) const MPLS: u32 = 0x8847;
    pub(in crate::meaning) const PPPOE_DISCOVERY: u32 = 0x8863;
    pub(in crate::meaning) const PPPOE_SESSION: u32 = 0x8864;
    /// IEEE 802.3's slow protocols: link aggregation, OAM.
    pub(in crate::meaning) const SLOW: u32 = 0x8809;
    pub(in crate::meaning) const LLDP: u32 = 0x88cc;
    pub(in crate::meaning) const SERVICE_VLAN: u32 = 0x88a8;
    pub(in crate::meaning) const LOOPBACK: u32 = 0x9000;
    pub(in crate::meaning) const OLD_SERVICE_VLAN: u32 = 0x9100;
}

/// Service access points of IEEE 802.2.
pub(super) mod sap {
    pub(in crate::meaning) const IP: u32 = 0x06;
    pub(in crate::meaning) const STP: u32 = 0x42;
    pub(in crate::meaning) const SNAP: u8 = 0xaa;
    pub(in crate::meaning) const IPX: u32 = 0xe0;
    pub(in crate::meaning) const NETBEUI: u32 = 0xf0;
    pub(in crate::meaning) const ISO: u32 = 0xfe;
}

/// Protocols over IP.
pub(super) mod ip {
    pub(in crate::meaning) const ICMP: u32 = 1;
    pub(in crate::meaning) const IGMP: u32 = 2;
    pub(in crate::meaning) const TCP: u32 = 6;
    pub(in crate::meaning) const IGRP: u32 = 9;
    pub(in crate::meaning) const UDP: u32 = 17;
    /// IPv6's fragment header.
    pub(in crate::meaning) const FRAGMENT: u32 = 44;
    pub(in crate::meaning) const ESP: u32 = 50;
    pub(in crate::meaning) const AH: u32 = 51;
    pub(in crate::meaning) const ICMPV6: u32 = 58;
    pub(in crate::meaning) const PIM: u32 = 103;
    /// Also CARP's.
    pub(in crate::meaning) const VRRP: u32 = 112;
    pub(in crate::meaning) const SCTP: u32 = 132;
}

/// OSI's network layer protocol identifiers.
pub(super) mod nlpid {
    pub(in crate::meaning) const CLNP: u32 = 0x81;
    pub(in crate::meaning) const ESIS: u32 = 0x82;
    pub(in crate::meaning) const ISIS: u32 = 0x83;
}

/// PDU types of IS-IS.
pub(super) mod isis {
    pub(in crate::meaning) const L1_LAN_HELLO: u32 = 15;
    pub(in crate::meaning) const L2_LAN_HELLO: u32 = 16;
    pub(in crate::meaning) const P2P_HELLO: u32 = 17;
    pub(in crate::meaning) const L1_LSP: u32 = 18;
    pub(in crate::meaning) const L2_LSP: u32 = 20;
    pub(in crate::meaning) const L1_CSNP: u32 = 24;
    pub(in crate::meaning) const L2_CSNP: u32 = 25;
    pub(in crate::meaning) const L1_PSNP: u32 = 26;
    pub(in crate::meaning) const L2_PSNP: u32 = 27;
    /// The field's bits; the three above them are reserved.
    pub(in crate::meaning) const MASK: u32 = 31;
}

/// The Ethernet type of this name (pcap_nametoeproto), else the SAP (pcap_nametollc).
pub(super) fn link_protocol(name: &str) -> Option<u32> {
    Some(match name {
        "aarp" => ethertype::AARP,
        "arp" => ethertype::ARP,
        "atalk" => ethertype::ATALK,
        "decnet" => ethertype::DECNET,
        "ip" => ethertype::IP,
        "ip6" => ethertype::IPV6,
        "lat" => ethertype::LAT,
        "lldp" => ethertype::LLDP,
        "loopback" => ethertype::LOOPBACK,
        "mopdl" => ethertype::MOPDL,
        "moprc" => ethertype::MOPRC,
        "rarp" => ethertype::REVARP,
        "sca" => ethertype::SCA,
        "slow" => ethertype::SLOW,
        "iso" => sap::ISO,
        "stp" => sap::STP,
        "ipx" => sap::IPX,
        "netbeui" => sap::NETBEUI,
        _ => return None,
    })
}
