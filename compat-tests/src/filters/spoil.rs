//! Frames with flipped bits, cut frames, and random bytes.

use super::corpus::Frame;
use crate::random::Random;

/// A copy with some bits flipped, mostly where filters look.
pub fn flipped(random: &mut Random, frame: &Frame) -> Frame {
    let mut frame = frame.clone();
    let near = (frame.bytes.len() as u64).min(80);
    for _ in 0..1 + random.below(3) {
        if near > 0 {
            let at = random.below(near) as usize;
            frame.bytes[at] ^= 1 << random.below(8);
        }
    }
    frame
}

/// Copies cut where loads end, and one byte before; what was there on the wire stays said.
pub fn cuts(frame: &Frame, ends: &[usize]) -> Vec<Frame> {
    let mut lengths: Vec<usize> = ends.iter().flat_map(|&end| [end - 1, end]).collect();
    lengths.retain(|&len| len < frame.bytes.len());
    lengths.dedup();
    lengths.into_iter().map(|len| cut(frame, len)).collect()
}

/// Copies of every length up to 64.
pub fn short_ones(frame: &Frame) -> impl Iterator<Item = Frame> + '_ {
    (0..frame.bytes.len().min(64)).map(|len| cut(frame, len))
}

fn cut(frame: &Frame, len: usize) -> Frame {
    Frame { bytes: frame.bytes[..len].to_vec(), wirelen: frame.wirelen }
}

/// Random bytes of each length from 0 to 64 and of some more, with many zeros.
pub fn noise(random: &mut Random) -> Vec<Frame> {
    let lengths = (0..=64).chain([80, 100, 200, 400, 1500]);
    lengths
        .map(|len: usize| {
            let bytes = (0..len).map(|_| if random.percent(30) { 0 } else { random.any() as u8 }).collect();
            Frame::whole(bytes)
        })
        .collect()
}
