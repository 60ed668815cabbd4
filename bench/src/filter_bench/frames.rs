//! 4,096 frames of mixed traffic, small enough to stay in the cache.

use compat_tests::random::Random;

/// How many.
pub const FRAMES: usize = 4096;

/// The frames, one behind the other.
pub struct Frames {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Frames {
    /// The same ones for the same seed. Addresses are of 10.0.0.0/20, so that one of four is in a list of 1,000 hosts.
    pub fn mixed(seed: u64) -> Frames {
        let mut random = Random::from_seed(seed);
        let mut frames = Frames { bytes: Vec::new(), ends: vec![0] };
        for _ in 0..FRAMES {
            frame(&mut random, &mut frames.bytes);
            frames.ends.push(frames.bytes.len());
        }
        frames
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.ends.windows(2).map(|ends| &self.bytes[ends[0]..ends[1]])
    }
}

fn frame(random: &mut Random, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
    if random.percent(5) {
        out.extend([0x81, 0, 0, 100]);
    }
    let kind = random.below(100);
    if kind < 5 {
        out.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        out.extend((0..20).map(|_| random.any() as u8));
    } else {
        let protocol = match random.below(10) {
            0..6 => 6,
            6..9 => 17,
            _ => 1,
        };
        if kind < 80 {
            out.extend([8, 0, 0x45, 0, 0, 60, 0, 1, 0x40, 0, 64, protocol, 0, 0]);
            for _ in 0..2 {
                let [.., c, d] = (random.below(4096) as u32).to_be_bytes();
                out.extend([10, 0, c, d]);
            }
        } else {
            out.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 40, protocol, 64]);
            out.extend((0..32).map(|_| random.any() as u8));
        }
        for _ in 0..2 {
            let port = if random.percent(25) { 80 } else { 1024 + random.below(60_000) as u16 };
            out.extend(port.to_be_bytes());
        }
        out.extend([0; 16]);
    }
    let len = 60 + random.below(60) as usize;
    out.resize((start + len).max(out.len()), 0);
}
