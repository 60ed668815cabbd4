//! What an XDP program of ours writes in front of a frame.
//!
//! ```text
//!   8 bytes              4            4
//!   time, ns             generation   MARK      the frame …
//! ```
//! In the machine's byte order. The kernel copies it with the frame into the socket's buffer, or it is there already; a driver without room for
//! metadata leaves what was there. So a reader clears the mark when it gives a buffer back to the kernel, and looks for it in the next frame.

/// Bytes in front of a frame.
pub const METADATA_LEN: usize = 16;

/// Says that what lies before it was written by our program.
pub(super) const MARK: u32 = 0x6e6d_7831;
/// Says besides that the time is of the card's own clock.
pub(super) const MARK_OF_CARD: u32 = 0x6e6d_7832;

/// The marks as they lie there.
pub(crate) const MARKED: [u8; 4] = MARK.to_ne_bytes();
pub(crate) const MARKED_BY_CARD: [u8; 4] = MARK_OF_CARD.to_ne_bytes();

/// Where the parts lie, from the first byte.
pub(super) const TIME: i16 = 0;
pub(super) const GENERATION: i16 = 8;
pub(super) const MARK_AT: i16 = 12;

/// How many bytes before the frame the time begins, and the mark.
pub(crate) const TIME_BACK: u32 = METADATA_LEN as u32 - TIME as u32;
pub(crate) const MARK_BACK: u32 = METADATA_LEN as u32 - MARK_AT as u32;

/// A frame's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// When it was accepted, CLOCK_MONOTONIC in nanoseconds, or when it came, by the card's clock.
    pub time_ns: u64,
    /// Whose clock it is: the card's.
    pub by_card: bool,
    /// The generation of the program that accepted it.
    pub generation: u32,
}

impl Metadata {
    /// What our program writes in front of the frame.
    pub fn bytes(self) -> [u8; METADATA_LEN] {
        let mut bytes = [0; METADATA_LEN];
        bytes[TIME as usize..][..8].copy_from_slice(&self.time_ns.to_ne_bytes());
        bytes[GENERATION as usize..][..4].copy_from_slice(&self.generation.to_ne_bytes());
        bytes[MARK_AT as usize..][..4].copy_from_slice(if self.by_card { &MARKED_BY_CARD } else { &MARKED });
        bytes
    }

    /// Reads the bytes in front of a frame; `None` when our program did not write them.
    pub fn read(before: &[u8; METADATA_LEN]) -> Option<Metadata> {
        let [a, b, c, d, e, f, g, h, i, j, k, l, mark @ ..] = *before;
        let (time_ns, generation) = (u64::from_ne_bytes([a, b, c, d, e, f, g, h]), u32::from_ne_bytes([i, j, k, l]));
        let by_card = mark == MARKED_BY_CARD;
        (by_card || mark == MARKED).then_some(Metadata { time_ns, by_card, generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read_where_the_program_writes_it() {
        let mut bytes = [0; METADATA_LEN];
        bytes[TIME as usize..][..8].copy_from_slice(&5_u64.to_ne_bytes());
        bytes[GENERATION as usize..][..4].copy_from_slice(&7_u32.to_ne_bytes());
        assert_eq!(Metadata::read(&bytes), None);
        for (mark, by_card) in [(MARK, false), (MARK_OF_CARD, true)] {
            bytes[MARK_AT as usize..][..4].copy_from_slice(&mark.to_ne_bytes());
            let metadata = Metadata { time_ns: 5, by_card, generation: 7 };
            assert_eq!(Metadata::read(&bytes), Some(metadata));
            assert_eq!(metadata.bytes(), bytes);
        }
    }
}
