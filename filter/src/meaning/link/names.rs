//! What libpcap calls the link types whose protocols it does not look for.

use super::dlt;
use crate::linktypes::description_or_dlt;

/// The subject of "… link-layer type filtering not implemented".
pub(crate) fn family(linktype: i32) -> String {
    let family = match linktype {
        dlt::MFR => "Multi-link Frame Relay",
        dlt::LINUX_IRDA => "IrDA",
        dlt::DOCSIS => "DOCSIS",
        dlt::MTP2 | dlt::MTP2_WITH_PHDR => "MTP2",
        dlt::ERF => "ERF",
        dlt::PFSYNC => "PFSYNC",
        dlt::LINUX_LAPD => "LAPD",
        dlt::USB_FREEBSD | dlt::USB_LINUX | dlt::USB_LINUX_MMAPPED | dlt::USBPCAP => "USB",
        dlt::BLUETOOTH_HCI_H4 | dlt::BLUETOOTH_HCI_H4_WITH_PHDR => "Bluetooth",
        dlt::CAN20B | dlt::CAN_SOCKETCAN => "CAN",
        dlt::IEEE802_15_4_WITHFCS
        | dlt::IEEE802_15_4_LINUX
        | dlt::IEEE802_15_4_NONASK_PHY
        | dlt::IEEE802_15_4_NOFCS
        | dlt::IEEE802_15_4_TAP => "IEEE 802.15.4",
        dlt::IEEE802_16_MAC_CPS_RADIO => "IEEE 802.16",
        dlt::SITA => "SITA",
        dlt::RAIF1 => "RAIF1",
        dlt::IPMB_KONTRON | dlt::IPMB_LINUX => "IPMB",
        dlt::AX25_KISS => "AX.25",
        dlt::NFLOG => "NFLOG",
        _ => return description_or_dlt(linktype),
    };
    family.to_owned()
}
