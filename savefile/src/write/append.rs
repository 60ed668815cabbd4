//! Whether frames may be written behind those of a file: it must be what we would have written ourselves.

use super::pcap::{HEADER, Header, MAGIC_MICRO, MAGIC_NANO, VERSION};
use crate::Precision;
use std::fmt;

/// Alexey Kuznetzov's format, which has more before each frame.
const MAGIC_KUZNETZOV: u32 = 0xa1b2_cd34;
/// Navtel's.
const MAGIC_NAVTEL: u32 = 0xa12b_3c4d;

/// Why not. The text is libpcap's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The file ends inside of its header.
    Truncated,
    /// Its first four bytes are those of no pcap file.
    NotPcap,
    /// It has the other byte order.
    ByteOrder,
    /// It is a pcap file of a variant that is read only.
    Variant,
    /// Its time stamps count something else.
    Precision,
    /// It has another version.
    Version {
        /// Before the point.
        major: u16,
        /// Behind it.
        minor: u16,
    },
    /// Its frames are of another link type.
    LinkType,
    /// Its frames are cut at another length.
    Snaplen,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Truncated => f.write_str("truncated pcap file header"),
            Refusal::NotPcap => f.write_str("not a pcap file"),
            Refusal::ByteOrder => f.write_str("different byte order, cannot append to file"),
            Refusal::Variant => f.write_str("not a pcap file to which we can append"),
            Refusal::Precision => f.write_str("different time stamp precision, cannot append to file"),
            Refusal::Version { major, minor } => write!(f, "version is {major}.{minor}, cannot append to file"),
            Refusal::LinkType => f.write_str("different linktype, cannot append to file"),
            Refusal::Snaplen => f.write_str("different snaplen, cannot append to file"),
        }
    }
}

/// Whether frames for `ours` may follow in a file that begins with `first`: its first [`HEADER`] bytes, or all when it has
/// fewer. An empty file is no question: it gets a header.
///
/// # Errors
/// The first reason, in libpcap's order.
pub fn check(first: &[u8], ours: Header) -> Result<(), Refusal> {
    let Some(first) = first.first_chunk::<HEADER>() else { return Err(Refusal::Truncated) };
    let word = |at: usize| u32::from_ne_bytes([first[at], first[at + 1], first[at + 2], first[at + 3]]);
    let half = |at: usize| u16::from_ne_bytes([first[at], first[at + 1]]);
    let precision = match (word(0), word(0).swap_bytes()) {
        (MAGIC_MICRO, _) => Precision::Micro,
        (MAGIC_NANO, _) => Precision::Nano,
        (_, MAGIC_MICRO | MAGIC_NANO) => return Err(Refusal::ByteOrder),
        (MAGIC_KUZNETZOV | MAGIC_NAVTEL, _) | (_, MAGIC_KUZNETZOV | MAGIC_NAVTEL) => return Err(Refusal::Variant),
        _ => return Err(Refusal::NotPcap),
    };
    if precision != ours.precision {
        return Err(Refusal::Precision);
    }
    let (major, minor) = (half(4), half(6));
    if (major, minor) != VERSION {
        return Err(Refusal::Version { major, minor });
    }
    if word(20) != ours.linktype {
        return Err(Refusal::LinkType);
    }
    if word(16) != ours.snaplen {
        return Err(Refusal::Snaplen);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Header = Header { linktype: 1, snaplen: 96, precision: Precision::Micro };

    fn with(change: impl FnOnce(&mut [u8; HEADER])) -> Result<(), Refusal> {
        let mut bytes = OURS.to_bytes();
        change(&mut bytes);
        check(&bytes, OURS)
    }

    #[test]
    fn what_we_would_have_written_goes_on() {
        assert_eq!(with(|_| {}), Ok(()));
        // Time zone and accuracy are nobody's concern.
        assert_eq!(with(|b| b[8..16].fill(7)), Ok(()));
    }

    #[test]
    fn anything_else_is_refused() {
        assert_eq!(check(&OURS.to_bytes()[..23], OURS), Err(Refusal::Truncated));
        assert_eq!(with(|b| b[0] ^= 1), Err(Refusal::NotPcap));
        assert_eq!(with(|b| b[0..4].reverse()), Err(Refusal::ByteOrder));
        for magic in [MAGIC_KUZNETZOV, MAGIC_NAVTEL] {
            for magic in [magic, magic.swap_bytes()] {
                assert_eq!(with(|b| b[0..4].copy_from_slice(&magic.to_ne_bytes())), Err(Refusal::Variant));
            }
        }
        assert_eq!(with(|b| b[0..4].copy_from_slice(&MAGIC_NANO.to_ne_bytes())), Err(Refusal::Precision));
        assert_eq!(
            with(|b| b[6..8].copy_from_slice(&3u16.to_ne_bytes())),
            Err(Refusal::Version { major: 2, minor: 3 })
        );
        assert_eq!(with(|b| b[20..24].fill(9)), Err(Refusal::LinkType));
        assert_eq!(with(|b| b[16..20].fill(9)), Err(Refusal::Snaplen));
    }
}
