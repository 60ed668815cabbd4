//! Capture files that somebody wrote.

use savefile::{Precision, Reader};
use std::io::Read;

/// Gives its bytes a few at a time.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.1.min(buffer.len()).min(self.0.len());
        let (now, later) = self.0.split_at(size);
        buffer[..size].copy_from_slice(now);
        self.0 = later;
        Ok(size)
    }
}

/// Reads a file in two ways, which must come to the same. The first byte says how.
pub fn savefile_bytes(input: &[u8]) {
    let Some((how, file)) = input.split_first() else { return };
    let precision = if how & 1 == 0 { Precision::Micro } else { Precision::Nano };
    let whole = read(Reader::open(file, precision, true), file.len());
    let size = 1 << (how >> 4);
    let pieces = read(Reader::open(Pieces(file, size), precision, how & 2 != 0), file.len());
    assert_eq!(whole, pieces);
}

/// A digest of all frames, how many there were, and how it ended.
fn read<R: Read>(reader: Result<Reader<R>, savefile::Error>, size: usize) -> (u64, u64, Option<String>) {
    let mut reader = match reader {
        Ok(reader) => reader,
        Err(error) => return (0, 0, Some(error.to_string())),
    };
    let (mut digest, mut count) = (0u64, 0);
    let snaplen = reader.info().snaplen as usize;
    let end = loop {
        if let Ok(true) = reader.fill() {
            for frame in reader.buffered() {
                add(&mut digest, &frame);
                assert!(frame.data.len() <= snaplen);
                count += 1;
            }
        }
        match reader.next() {
            Ok(Some(frame)) => {
                add(&mut digest, &frame);
                assert!(frame.data.len() <= snaplen);
                count += 1;
            }
            Ok(None) => break None,
            Err(error) => break Some(error.to_string()),
        }
    };
    // A compressed file may hold more than its size; what is kept of it is bounded by the largest block.
    assert!(reader.memory() <= savefile::BLOCK.max(4 * size).max(40 << 20));
    (digest, count, end)
}

fn add(digest: &mut u64, frame: &savefile::Frame<'_>) {
    let mut mix = |value: u64| *digest = (*digest ^ value).wrapping_mul(0x100_0000_01b3);
    mix(frame.sec as u64);
    mix(frame.fraction as u64);
    mix(frame.len.into());
    frame.data.iter().for_each(|byte| mix((*byte).into()));
}
