//! Files that are spoilt: cut, spliced, flipped, with headers that lie.

use crate::random::Random;

/// Spoils `file` in one to four ways; `other` is what may be spliced in.
pub fn spoil(random: &mut Random, file: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..1 + random.below(4) {
        if bytes.is_empty() {
            break;
        }
        let at = place(random, bytes.len());
        match random.below(12) {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = random.any() as u8,
            3..6 => lie(random, &mut bytes, at / 4 * 4),
            6 => lie(random, &mut bytes, at),
            7 => {
                let end = (at + random.below(64) as usize).min(bytes.len());
                bytes.drain(at..end);
            }
            8 => {
                let more: Vec<u8> = (0..random.below(64)).map(|_| random.any() as u8).collect();
                bytes.splice(at..at, more);
            }
            9 if !other.is_empty() => {
                let from = place(random, other.len());
                let end = (from + random.below(400) as usize).min(other.len());
                let to = (at + if random.percent(50) { 0 } else { end - from }).min(bytes.len());
                bytes.splice(at..to, other[from..end].iter().copied());
            }
            10 => {
                // A stretch again: records and blocks that come twice.
                let end = (at + random.below(400) as usize).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(end..end, again);
            }
            11 if !other.is_empty() && random.percent(30) => bytes.extend(other),
            _ => bytes.truncate(bytes.len().saturating_sub(random.below(20) as usize)),
        }
    }
    bytes
}

/// A position, headers more often than the rest.
fn place(random: &mut Random, length: usize) -> usize {
    let near = match random.below(10) {
        0..3 => 24,
        3..6 => 150,
        _ => length,
    };
    random.below(near.min(length) as u64) as usize
}

/// Puts a number where a number may be: near what was there, at a limit, or any.
fn lie(random: &mut Random, bytes: &mut [u8], at: usize) {
    let Some(place) = bytes.get_mut(at..at + 4) else { return };
    let old: [u8; 4] = place.try_into().expect("four bytes");
    let big = random.percent(50);
    let old = if big { u32::from_be_bytes(old) } else { u32::from_le_bytes(old) };
    let near = random.below(9) as u32;
    let limits = [
        0,
        1,
        8,
        12,
        0x10,
        0x20,
        0xff,
        0xffff,
        0x1_0000,
        0x4_0000,
        0x4_0001,
        16 * 1024 * 1024,
        16 * 1024 * 1024 + 4,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_fffc,
        0xffff_ffff,
    ];
    let new = match random.below(5) {
        0 => old.wrapping_add(near),
        1 => old.wrapping_sub(near),
        2 => old.swap_bytes(),
        3 => *random.pick(&limits),
        _ => random.any() as u32,
    };
    place.copy_from_slice(&if big { new.to_be_bytes() } else { new.to_le_bytes() });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_spoilt_files_are_others() {
        let file: Vec<u8> = (0..200).collect();
        let spoilt = |seed| spoil(&mut Random::from_seed(seed), &file, b"other");
        assert!((0..200).filter(|&seed| spoilt(seed) != file).count() > 180);
        assert_eq!(spoilt(3), spoilt(3));
        assert_eq!(spoil(&mut Random::from_seed(1), b"", b""), b"");
    }
}
