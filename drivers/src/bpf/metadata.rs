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

/// The mark as it lies there.
pub(crate) const MARKED: [u8; 4] = MARK.to_ne_bytes();

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
    /// When it was accepted, CLOCK_MONOTONIC in nanoseconds; 0: the program takes no time.
    pub time_ns: u64,
    /// The generation of the program that accepted it.
    pub generation: u32,
}

impl Metadata {
    /// What our program writes in front of the frame.
    pub fn bytes(self) -> [u8; METADATA_LEN] {
        let mut bytes = [0; METADATA_LEN];
        bytes[TIME as usize..][..8].copy_from_slice(&self.time_ns.to_ne_bytes());
        bytes[GENERATION as usize..][..4].copy_from_slice(&self.generation.to_ne_bytes());
        bytes[MARK_AT as usize..][..4].copy_from_slice(&MARK.to_ne_bytes());
        bytes
    }

    /// Reads the bytes in front of a frame; `None` when our program did not write them.
    pub fn read(before: &[u8; METADATA_LEN]) -> Option<Metadata> {
        let [a, b, c, d, e, f, g, h, i, j, k, l, mark @ ..] = *before;
        let (time_ns, generation) = (u64::from_ne_bytes([a, b, c, d, e, f, g, h]), u32::from_ne_bytes([i, j, k, l]));
        (mark == MARKED).then_some(Metadata { time_ns, generation })
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
        bytes[MARK_AT as usize..][..4].copy_from_slice(&MARK.to_ne_bytes());
        let metadata = Metadata { time_ns: 5, generation: 7 };
        assert_eq!(Metadata::read(&bytes), Some(metadata));
        assert_eq!(metadata.bytes(), bytes);
    }
}
