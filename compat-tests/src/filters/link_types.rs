//! The link types of `<pcap/dlt.h>`, with the numbers that they have on Linux.

use crate::random::Random;

/// What the words of the language that fit a link type have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// IEEE 802.11, with whatever headers before it.
    Wlan,
    /// OpenBSD's packet filter log.
    Pflog,
    /// ATM with a header that says where a cell belongs.
    Atm,
    /// SS7.
    Mtp,
    /// ARCnet.
    Arcnet,
    /// All others.
    Other,
}

/// Those for which libpcap's compiler knows more than a packet's bytes.
const UNDERSTOOD: [i32; 48] = [
    0, 1, 7, 9, 10, 12, 19, 50, 104, 105, 107, 108, 109, 113, 114, 117, 119, 122, 123, 127, 129, 130, 131, 132, 133,
    134, 135, 136, 137, 138, 163, 164, 166, 167, 168, 178, 179, 180, 183, 192, 194, 200, 204, 206, 228, 229, 239, 276,
];

/// Those for which it knows a little, or refuses most.
const HALF_UNDERSTOOD: [i32; 29] = [
    6, 8, 11, 15, 16, 51, 99, 118, 121, 139, 140, 141, 143, 144, 174, 177, 181, 182, 191, 195, 224, 225, 226, 230, 232,
    233, 234, 238, 275,
];

/// The class of a link type.
pub fn class(dlt: i32) -> Class {
    match dlt {
        105 | 119 | 127 | 163 | 192 => Class::Wlan,
        117 => Class::Pflog,
        123 | 11 | 19 | 135 | 137 | 238 => Class::Atm,
        139..=141 => Class::Mtp,
        7 | 129 => Class::Arcnet,
        _ => Class::Other,
    }
}

/// A link type: often Ethernet, mostly one that libpcap understands, sometimes one that nobody has defined.
pub fn any(random: &mut Random) -> i32 {
    match random.below(100) {
        0..35 => 1,
        35..80 => *random.pick(&UNDERSTOOD),
        80..90 => *random.pick(&HALF_UNDERSTOOD),
        90..99 => random.pick(&LINK_TYPES).0,
        _ => *random.pick(&[17, 100, 208, 290, 5000, 65_535, 0x0400_0001]),
    }
}

/// The name of a link type, without `DLT_`.
pub fn name(dlt: i32) -> &'static str {
    LINK_TYPES.iter().find(|(number, _)| *number == dlt).map_or("not defined", |(_, name)| name)
}

/// All of them.
#[rustfmt::skip]
pub const LINK_TYPES: [(i32, &str); 203] = [
    (0, "NULL"), (1, "EN10MB"), (2, "EN3MB"), (3, "AX25"), (4, "PRONET"), (5, "CHAOS"), (6, "IEEE802"),
    (7, "ARCNET"), (8, "SLIP"), (9, "PPP"), (10, "FDDI"), (11, "ATM_RFC1483"), (12, "RAW"), (15, "SLIP_BSDOS"),
    (16, "PPP_BSDOS"), (18, "PFSYNC"), (19, "ATM_CLIP"), (32, "REDBACK_SMARTEDGE"), (50, "PPP_SERIAL"),
    (51, "PPP_ETHER"), (99, "SYMANTEC_FIREWALL"), (104, "C_HDLC"), (105, "IEEE802_11"), (107, "FRELAY"),
    (108, "LOOP"), (109, "ENC"), (112, "HDLC"), (113, "LINUX_SLL"), (114, "LTALK"), (115, "ECONET"),
    (116, "IPFILTER"), (117, "PFLOG"), (118, "CISCO_IOS"), (119, "PRISM_HEADER"), (120, "AIRONET_HEADER"),
    (121, "HHDLC"), (122, "IP_OVER_FC"), (123, "SUNATM"), (124, "RIO"), (125, "PCI_EXP"), (126, "AURORA"),
    (127, "IEEE802_11_RADIO"), (128, "TZSP"), (129, "ARCNET_LINUX"), (130, "JUNIPER_MLPPP"), (131, "JUNIPER_MLFR"),
    (132, "JUNIPER_ES"), (133, "JUNIPER_GGSN"), (134, "JUNIPER_MFR"), (135, "JUNIPER_ATM2"),
    (136, "JUNIPER_SERVICES"), (137, "JUNIPER_ATM1"), (138, "APPLE_IP_OVER_IEEE1394"), (139, "MTP2_WITH_PHDR"),
    (140, "MTP2"), (141, "MTP3"), (142, "SCCP"), (143, "DOCSIS"), (144, "LINUX_IRDA"), (145, "IBM_SP"),
    (146, "IBM_SN"), (147, "USER0"), (148, "USER1"), (149, "USER2"), (150, "USER3"), (151, "USER4"),
    (152, "USER5"), (153, "USER6"), (154, "USER7"), (155, "USER8"), (156, "USER9"), (157, "USER10"),
    (158, "USER11"), (159, "USER12"), (160, "USER13"), (161, "USER14"), (162, "USER15"),
    (163, "IEEE802_11_RADIO_AVS"), (164, "JUNIPER_MONITOR"), (165, "BACNET_MS_TP"), (166, "PPP_PPPD"),
    (167, "JUNIPER_PPPOE"), (168, "JUNIPER_PPPOE_ATM"), (169, "GPRS_LLC"), (170, "GPF_T"), (171, "GPF_F"),
    (172, "GCOM_T1E1"), (173, "GCOM_SERIAL"), (174, "JUNIPER_PIC_PEER"), (175, "ERF_ETH"), (176, "ERF_POS"),
    (177, "LINUX_LAPD"), (178, "JUNIPER_ETHER"), (179, "JUNIPER_PPP"), (180, "JUNIPER_FRELAY"),
    (181, "JUNIPER_CHDLC"), (182, "MFR"), (183, "JUNIPER_VP"), (184, "A429"), (185, "A653_ICM"),
    (186, "USB_FREEBSD"), (187, "BLUETOOTH_HCI_H4"), (188, "IEEE802_16_MAC_CPS"), (189, "USB_LINUX"),
    (190, "CAN20B"), (191, "IEEE802_15_4_LINUX"), (192, "PPI"), (193, "IEEE802_16_MAC_CPS_RADIO"),
    (194, "JUNIPER_ISM"), (195, "IEEE802_15_4_WITHFCS"), (196, "SITA"), (197, "ERF"), (198, "RAIF1"),
    (199, "IPMB_KONTRON"), (200, "JUNIPER_ST"), (201, "BLUETOOTH_HCI_H4_WITH_PHDR"), (202, "AX25_KISS"),
    (203, "LAPD"), (204, "PPP_WITH_DIR"), (205, "C_HDLC_WITH_DIR"), (206, "FRELAY_WITH_DIR"),
    (207, "LAPB_WITH_DIR"), (209, "IPMB_LINUX"), (210, "FLEXRAY"), (211, "MOST"), (212, "LIN"),
    (213, "X2E_SERIAL"), (214, "X2E_XORAYA"), (215, "IEEE802_15_4_NONASK_PHY"), (216, "LINUX_EVDEV"),
    (217, "GSMTAP_UM"), (218, "GSMTAP_ABIS"), (219, "MPLS"), (220, "USB_LINUX_MMAPPED"), (221, "DECT"),
    (222, "AOS"), (223, "WIHART"), (224, "FC_2"), (225, "FC_2_WITH_FRAME_DELIMS"), (226, "IPNET"),
    (227, "CAN_SOCKETCAN"), (228, "IPV4"), (229, "IPV6"), (230, "IEEE802_15_4_NOFCS"), (231, "DBUS"),
    (232, "JUNIPER_VS"), (233, "JUNIPER_SRX_E2E"), (234, "JUNIPER_FIBRECHANNEL"), (235, "DVB_CI"),
    (236, "MUX27010"), (237, "STANAG_5066_D_PDU"), (238, "JUNIPER_ATM_CEMIC"), (239, "NFLOG"),
    (240, "NETANALYZER"), (241, "NETANALYZER_TRANSPARENT"), (242, "IPOIB"), (243, "MPEG_2_TS"), (244, "NG40"),
    (245, "NFC_LLCP"), (246, "PFSYNC"), (247, "INFINIBAND"), (248, "SCTP"), (249, "USBPCAP"), (250, "RTAC_SERIAL"),
    (251, "BLUETOOTH_LE_LL"), (252, "WIRESHARK_UPPER_PDU"), (253, "NETLINK"), (254, "BLUETOOTH_LINUX_MONITOR"),
    (255, "BLUETOOTH_BREDR_BB"), (256, "BLUETOOTH_LE_LL_WITH_PHDR"), (257, "PROFIBUS_DL"), (258, "PKTAP"),
    (259, "EPON"), (260, "IPMI_HPM_2"), (261, "ZWAVE_R1_R2"), (262, "ZWAVE_R3"), (263, "WATTSTOPPER_DLM"),
    (264, "ISO_14443"), (265, "RDS"), (266, "USB_DARWIN"), (267, "OPENFLOW"), (268, "SDLC"),
    (269, "TI_LLN_SNIFFER"), (270, "LORATAP"), (271, "VSOCK"), (272, "NORDIC_BLE"), (273, "DOCSIS31_XRA31"),
    (274, "ETHERNET_MPACKET"), (275, "DISPLAYPORT_AUX"), (276, "LINUX_SLL2"), (277, "SERCOS_MONITOR"),
    (278, "OPENVIZSLA"), (279, "EBHSCR"), (280, "VPP_DISPATCH"), (281, "DSA_TAG_BRCM"),
    (282, "DSA_TAG_BRCM_PREPEND"), (283, "IEEE802_15_4_TAP"), (284, "DSA_TAG_DSA"), (285, "DSA_TAG_EDSA"),
    (286, "ELEE"), (287, "Z_WAVE_SERIAL"), (288, "USB_2_0"), (289, "ATSC_ALP"),
];
