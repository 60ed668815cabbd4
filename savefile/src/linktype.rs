//! Link types in files, `LINKTYPE_`, and on handles, `DLT_`.
//!
//! The numbers on handles are those of this system's `pcap/dlt.h`. Most are the same in files; the few that systems have
//! disagreed about have a number of their own there.

use std::ops::RangeInclusive;

/// Types with one number in both places.
const ALIKE: RangeInclusive<u32> = 104..=289;

/// Types outside of [`ALIKE`], and `ATM_CLIP`, whose number in files is inside: on handles, in files.
const MAP: [(i32, u32); 19] = [
    (0, 0),    // NULL
    (1, 1),    // EN10MB
    (2, 2),    // EN3MB
    (3, 3),    // AX25
    (4, 4),    // PRONET
    (5, 5),    // CHAOS
    (6, 6),    // IEEE802
    (7, 7),    // ARCNET
    (8, 8),    // SLIP
    (9, 9),    // PPP
    (10, 10),  // FDDI
    (11, 100), // ATM_RFC1483
    (12, 101), // RAW
    (15, 102), // SLIP_BSDOS
    (16, 103), // PPP_BSDOS
    (19, 106), // ATM_CLIP
    (50, 50),  // PPP_SERIAL
    (51, 51),  // PPP_ETHER
    (99, 99),  // SYMANTEC_FIREWALL
];

/// The number in files of a handle's link type; `None`: such frames can't be saved.
pub fn from_dlt(dlt: i32) -> Option<u32> {
    match u32::try_from(dlt) {
        Ok(number) if ALIKE.contains(&number) => Some(number),
        _ => MAP.iter().find(|(known, _)| *known == dlt).map(|(_, linktype)| *linktype),
    }
}

/// A handle's number for a link type of a file. One that is not known stays as it is: it may be younger than this table.
pub fn to_dlt(linktype: u32) -> i32 {
    MAP.iter().find(|(_, known)| *known == linktype).map_or(linktype as i32, |(dlt, _)| *dlt)
}

/// Ethernet, on handles.
pub(crate) const EN10MB: i32 = 1;

/// Bytes of a frame that are believed at most, by the handle's link type.
pub fn max_snaplen(dlt: i32) -> u32 {
    const DBUS: i32 = 231;
    const USBPCAP: i32 = 249;
    const EBHSCR: i32 = 279;
    match dlt {
        DBUS => 128 << 20,
        EBHSCR => 8 << 20,
        USBPCAP => 1 << 20,
        _ => 262_144,
    }
}

/// The snap length to read a file with. One that is no length means the largest of the link type.
pub(crate) fn adjusted_snaplen(dlt: i32, snaplen: u32) -> u32 {
    if snaplen == 0 || snaplen > i32::MAX as u32 { max_snaplen(dlt) } else { snaplen }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_saved_is_read_back() {
        for dlt in -10..1000 {
            if let Some(linktype) = from_dlt(dlt) {
                // On handles, 106 is nobody's.
                assert_eq!(to_dlt(linktype), if dlt == 106 { 19 } else { dlt });
            }
        }
        assert_eq!([12, 147, 289].map(from_dlt), [Some(101), Some(147), Some(289)]);
        assert_eq!([-1, 13, 14, 32, 103, 290].map(from_dlt), [None; 6]);
        assert_eq!([101, 14, 0x0fff_ffff].map(to_dlt), [12, 14, 0x0fff_ffff]);
    }
}
