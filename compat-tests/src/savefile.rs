//! Capture files in the classic pcap format, as far as the tests need them: Ethernet, this machine's byte order.

use std::path::Path;

/// Writes `frames`, a millisecond apart.
///
/// # Panics
/// When the file can't be written.
pub fn write(path: &Path, frames: &[Vec<u8>]) {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        bytes.extend(word.to_ne_bytes());
    }
    for (i, frame) in frames.iter().enumerate() {
        let len = u32::try_from(frame.len()).expect("a frame's length");
        for word in [1_700_000_000 + i as u32 / 1000, i as u32 % 1000 * 1000, len, len] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(frame);
    }
    std::fs::write(path, bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// Reads the frames of a file.
///
/// # Panics
/// When it is not such a file, or a frame in it was cut.
pub fn read(path: &Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let word = |at: usize| {
        let four = bytes.get(at..at + 4).unwrap_or_else(|| panic!("{}: ends early", path.display()));
        u32::from_ne_bytes(four.try_into().expect("four bytes"))
    };
    assert!([0xa1b2_c3d4, 0xa1b2_3c4d].contains(&word(0)), "{}: not a pcap file", path.display());
    let mut frames = Vec::new();
    let mut at = 24;
    while at < bytes.len() {
        let (caplen, len) = (word(at + 8) as usize, word(at + 12) as usize);
        assert_eq!(caplen, len, "{}: frame {} is cut", path.display(), frames.len());
        frames.push(bytes.get(at + 16..at + 16 + caplen).expect("a whole frame").to_vec());
        at += 16 + caplen;
    }
    frames
}
