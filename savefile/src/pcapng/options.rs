//! Options of an interface's description: code, length, value, padded to four bytes.

use crate::error::PcapngError;

/// The fixed part before them.
pub(super) const INTERFACE: usize = 8;

const END: u16 = 0;
const RESOLUTION: u16 = 9;
const OFFSET: u16 = 14;
/// The block they are in, for the text of an error.
const BLOCK: u32 = 1;

/// What an interface's times count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resolution {
    /// Units in a second.
    pub(super) units: u64,
    /// A power of two, not of ten.
    pub(super) binary: bool,
}

/// The resolution of an interface's times, microseconds unless said, and what is added to them: seconds.
pub(super) fn times(mut options: &[u8], swapped: bool) -> Result<(Resolution, i64), PcapngError> {
    let (mut resolution, mut offset) = (None, None);
    let half = |&bytes: &[u8; 2]| {
        let half = u16::from_ne_bytes(bytes);
        if swapped { half.swap_bytes() } else { half }
    };
    while !options.is_empty() {
        let (code, rest) = options.split_first_chunk().ok_or(PcapngError::BlockCut(BLOCK))?;
        let (length, rest) = rest.split_first_chunk().ok_or(PcapngError::BlockCut(BLOCK))?;
        let (code, length) = (half(code), half(length));
        let padded = usize::from(length).next_multiple_of(4);
        let (value, rest) = rest.split_at_checked(padded).ok_or(PcapngError::BlockCut(BLOCK))?;
        options = rest;
        match code {
            END if length != 0 => return Err(PcapngError::EndWithLength(length)),
            END => break,
            RESOLUTION => {
                let value = value.first().filter(|_| length == 1).ok_or(PcapngError::ResolutionLength(length))?;
                if resolution.replace(parse_resolution(*value)).is_some() {
                    return Err(PcapngError::ResolutionTwice);
                }
                resolution.transpose()?;
            }
            OFFSET => {
                let value = value.first_chunk().filter(|_| length == 8).ok_or(PcapngError::OffsetLength(length))?;
                let seconds = i64::from_ne_bytes(*value);
                if offset.replace(if swapped { seconds.swap_bytes() } else { seconds }).is_some() {
                    return Err(PcapngError::OffsetTwice);
                }
            }
            _ => {}
        }
    }
    let microseconds = Resolution { units: 1_000_000, binary: false };
    Ok((resolution.transpose()?.unwrap_or(microseconds), offset.unwrap_or(0)))
}

fn parse_resolution(value: u8) -> Result<Resolution, PcapngError> {
    let exponent = value & 0x7f;
    let binary = value & 0x80 != 0;
    let base: u64 = if binary { 2 } else { 10 };
    match base.checked_pow(exponent.into()) {
        Some(units) => Ok(Resolution { units, binary }),
        None => Err(PcapngError::ResolutionTooHigh(base as u8, exponent)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(code: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = [code.to_ne_bytes(), (value.len() as u16).to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn resolution(value: u8) -> Result<(u64, bool), PcapngError> {
        times(&option(RESOLUTION, &[value]), false).map(|(r, _)| (r.units, r.binary))
    }

    #[test]
    fn resolutions_are_powers_of_ten_and_two() {
        assert_eq!(times(&[], false), Ok((Resolution { units: 1_000_000, binary: false }, 0)));
        assert_eq!(resolution(0), Ok((1, false)));
        assert_eq!(resolution(9), Ok((1_000_000_000, false)));
        assert_eq!(resolution(19), Ok((10_000_000_000_000_000_000, false)));
        assert_eq!(resolution(20), Err(PcapngError::ResolutionTooHigh(10, 20)));
        assert_eq!(resolution(0x80 | 10), Ok((1024, true)));
        assert_eq!(resolution(0x80 | 63), Ok((1 << 63, true)));
        assert_eq!(resolution(0x80 | 64), Err(PcapngError::ResolutionTooHigh(2, 64)));
    }

    #[test]
    fn what_follows_the_end_is_not_read() {
        let options = [option(OFFSET, &5i64.to_ne_bytes()), option(END, &[]), vec![1, 2, 3]].concat();
        assert_eq!(times(&options, false).map(|(_, offset)| offset), Ok(5));
    }

    #[test]
    fn options_that_are_wrong_are_told_apart() {
        let twice = |code, value: &[u8]| times(&[option(code, value), option(code, value)].concat(), false);
        assert_eq!(twice(RESOLUTION, &[6]), Err(PcapngError::ResolutionTwice));
        assert_eq!(twice(OFFSET, &[0; 8]), Err(PcapngError::OffsetTwice));
        assert_eq!(times(&option(RESOLUTION, &[1, 2]), false), Err(PcapngError::ResolutionLength(2)));
        assert_eq!(times(&option(RESOLUTION, &[]), false), Err(PcapngError::ResolutionLength(0)));
        assert_eq!(times(&option(OFFSET, &[0; 7]), false), Err(PcapngError::OffsetLength(7)));
        assert_eq!(times(&option(END, &[0]), false), Err(PcapngError::EndWithLength(1)));
        assert_eq!(times(&option(2, b"eth0")[..6], false), Err(PcapngError::BlockCut(1)));
        assert_eq!(times(&[9, 0], false), Err(PcapngError::BlockCut(1)));
    }

    #[test]
    fn the_other_byte_order_is_read() {
        let mut options = option(OFFSET, &(-3i64).to_ne_bytes());
        for field in [0..2, 2..4, 4..12] {
            options[field].reverse();
        }
        assert_eq!(times(&options, true).map(|(_, offset)| offset), Ok(-3));
    }
}
