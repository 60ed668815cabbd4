//! Bits, read from either end of some bytes.

/// The stream is not what zstd writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Corrupt;

pub(super) type Result<T> = std::result::Result<T, Corrupt>;

/// Up to eight bytes from `at` on as a number; those beyond the end are 0.
#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first_chunk() {
        Some(&whole) => u64::from_le_bytes(whole),
        None => rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    }
}

/// Reads from the first byte's lowest bit on.
pub(super) struct Forward<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Forward<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Forward<'a> {
        Forward { bytes, at: 0 }
    }

    /// The next `count` bits, 32 at most, which stay where they are.
    pub(super) fn peek(&self, count: u32) -> u32 {
        (word(self.bytes, self.at / 8) >> (self.at % 8) & ((1 << count) - 1)) as u32
    }

    pub(super) fn skip(&mut self, count: u32) -> Result<()> {
        self.at += count as usize;
        if self.at > self.bytes.len() * 8 { Err(Corrupt) } else { Ok(()) }
    }

    /// What follows the last byte that was begun.
    pub(super) fn rest(self) -> &'a [u8] {
        self.bytes.get(self.at.div_ceil(8)..).unwrap_or_default()
    }
}

/// Reads backwards, from below the highest bit that is set in the last byte.
pub(super) struct Backward<'a> {
    bytes: &'a [u8],
    /// Bits that are left; below 0 when more were read than there are, which read as 0.
    left: isize,
}

impl<'a> Backward<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Backward<'a>> {
        let last = bytes.last().and_then(|byte| byte.checked_ilog2()).ok_or(Corrupt)?;
        Ok(Backward { bytes, left: (bytes.len() as isize - 1) * 8 + last as isize })
    }

    /// The next `count` bits, 32 at most, which stay where they are.
    #[inline]
    pub(super) fn peek(&self, count: u32) -> u32 {
        let low = self.left - count as isize;
        let mask = (1u64 << count) - 1;
        if low >= 0 {
            let low = low as usize;
            return (word(self.bytes, low / 8) >> (low % 8) & mask) as u32;
        }
        match u32::try_from(-low) {
            Ok(missing) if missing < count => (word(self.bytes, 0) << missing & mask) as u32,
            _ => 0,
        }
    }

    #[inline]
    pub(super) fn skip(&mut self, count: u32) {
        self.left -= count as isize;
    }

    #[inline]
    pub(super) fn read(&mut self, count: u32) -> u32 {
        let bits = self.peek(count);
        self.skip(count);
        bits
    }

    pub(super) fn is_overrun(&self) -> bool {
        self.left < 0
    }

    /// Whether all bits were read, and no more.
    pub(super) fn is_used_up(&self) -> bool {
        self.left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends() {
        let bytes = [0b1010_0101, 0xff, 0, 1, 2, 3, 4, 5, 6, 0b0001_0110];
        let mut forward = Forward::new(&bytes);
        assert_eq!((forward.peek(4), forward.peek(12)), (5, 0xfa5));
        forward.skip(4).unwrap();
        assert_eq!(forward.peek(8), 0xfa);
        assert_eq!(forward.rest(), &bytes[1..]);
        let mut backward = Backward::new(&bytes).unwrap();
        assert_eq!([backward.read(4), backward.read(8), backward.read(1)], [6, 6, 0]);
        backward.skip(8 * 6 + 7);
        assert_eq!(backward.peek(10), 0b10_1001_0100);
        assert_eq!(backward.read(8), 0b1010_0101);
        assert!(backward.is_used_up() && !backward.is_overrun());
        assert_eq!(backward.read(3), 0);
        assert!(backward.is_overrun());
        assert!(Backward::new(&[1, 0]).is_err() && Backward::new(&[]).is_err());
    }
}
