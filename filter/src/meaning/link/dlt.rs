//! Link types, by the names of <pcap/dlt.h> without `DLT_`: those that mean something to a filter.

/// One constant for each row.
macro_rules! dlt {
    ($($name:ident $number:literal),* $(,)?) => {
        $(pub(crate) const $name: i32 = $number;)*
    };
}

dlt! {
    NULL 0, EN10MB 1, EN3MB 2, AX25 3, PRONET 4, CHAOS 5, IEEE802 6, ARCNET 7, SLIP 8, PPP 9, FDDI 10, ATM_RFC1483 11, RAW 12,
    SLIP_BSDOS 15, PPP_BSDOS 16, ATM_CLIP 19, REDBACK_SMARTEDGE 32, PPP_SERIAL 50, PPP_ETHER 51, SYMANTEC_FIREWALL 99,
    C_HDLC 104, IEEE802_11 105, FRELAY 107, LOOP 108, ENC 109, HDLC 112, LINUX_SLL 113, LTALK 114, PFLOG 117, PRISM_HEADER 119,
    IP_OVER_FC 122, SUNATM 123, IEEE802_11_RADIO 127, ARCNET_LINUX 129, JUNIPER_MLPPP 130, JUNIPER_MLFR 131, JUNIPER_ES 132,
    JUNIPER_GGSN 133, JUNIPER_MFR 134, JUNIPER_ATM2 135, JUNIPER_SERVICES 136, JUNIPER_ATM1 137, APPLE_IP_OVER_IEEE1394 138,
    MTP2_WITH_PHDR 139, MTP2 140, DOCSIS 143, LINUX_IRDA 144, IEEE802_11_RADIO_AVS 163, JUNIPER_MONITOR 164, BACNET_MS_TP 165,
    PPP_PPPD 166, JUNIPER_PPPOE 167, JUNIPER_PPPOE_ATM 168, LINUX_LAPD 177, JUNIPER_ETHER 178, JUNIPER_PPP 179,
    JUNIPER_FRELAY 180, JUNIPER_CHDLC 181, MFR 182, JUNIPER_VP 183, USB_FREEBSD 186, BLUETOOTH_HCI_H4 187, USB_LINUX 189,
    CAN20B 190, IEEE802_15_4_LINUX 191, PPI 192, IEEE802_16_MAC_CPS_RADIO 193, JUNIPER_ISM 194, IEEE802_15_4_WITHFCS 195,
    SITA 196, ERF 197, RAIF1 198, IPMB_KONTRON 199, JUNIPER_ST 200, BLUETOOTH_HCI_H4_WITH_PHDR 201, AX25_KISS 202,
    IPMB_LINUX 209, IEEE802_15_4_NONASK_PHY 215, USB_LINUX_MMAPPED 220, IPNET 226, CAN_SOCKETCAN 227, IPV4 228, IPV6 229,
    IEEE802_15_4_NOFCS 230, JUNIPER_VS 232, JUNIPER_SRX_E2E 233, JUNIPER_FIBRECHANNEL 234, JUNIPER_ATM_CEMIC 238, NFLOG 239,
    NETANALYZER 240, NETANALYZER_TRANSPARENT 241, PFSYNC 246, USBPCAP 249, LINUX_SLL2 276, IEEE802_15_4_TAP 283,
}

/// Numbers handed out by the tcpdump group, the same in files and on handles. Any of them can be filtered by its bytes at least.
pub(crate) const MATCHING: std::ops::RangeInclusive<i32> = 104..=289;

/// Whether frames of this type begin with Juniper's magic number and flags.
pub(crate) fn is_juniper(dlt: i32) -> bool {
    matches!(
        dlt,
        JUNIPER_MLPPP
            | JUNIPER_MLFR
            | JUNIPER_ES
            | JUNIPER_GGSN
            | JUNIPER_MFR
            | JUNIPER_ATM2
            | JUNIPER_SERVICES
            | JUNIPER_ATM1
            | JUNIPER_MONITOR
            | JUNIPER_PPPOE
            | JUNIPER_PPPOE_ATM
            | JUNIPER_ETHER
            | JUNIPER_PPP
            | JUNIPER_FRELAY
            | JUNIPER_CHDLC
            | JUNIPER_VP
            | JUNIPER_ISM
            | JUNIPER_ST
            | JUNIPER_VS
            | JUNIPER_SRX_E2E
            | JUNIPER_FIBRECHANNEL
            | JUNIPER_ATM_CEMIC
    )
}

/// Whether it is IEEE 802.11, with whatever radio header before it.
pub(crate) fn is_wlan(dlt: i32) -> bool {
    matches!(dlt, IEEE802_11 | PRISM_HEADER | IEEE802_11_RADIO_AVS | IEEE802_11_RADIO | PPI)
}

/// Whether it is Ethernet, with or without a pseudo-header before it.
pub(crate) fn is_ethernet(dlt: i32) -> bool {
    matches!(dlt, EN10MB | NETANALYZER | NETANALYZER_TRANSPARENT)
}
