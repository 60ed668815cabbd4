//! Random numbers that can be had again.

use std::time::{SystemTime, UNIX_EPOCH};

/// A small generator (xorshift64*); not for secrets.
pub struct Random(u64);

impl Random {
    /// From `COMPAT_SEED`, else from the clock; prints the seed so that a failure can be repeated.
    pub fn seeded() -> Random {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64);
        let seed = std::env::var("COMPAT_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(clock);
        crate::process::say(&format!("COMPAT_SEED={seed}"));
        Random(seed | 1)
    }

    /// From a seed: the same numbers each time.
    pub fn from_seed(seed: u64) -> Random {
        // One step of splitmix64, so that neighbouring seeds have nothing in common.
        let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Random((z ^ (z >> 31)) | 1)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.any() % end
    }

    /// True so many times of a hundred.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    /// One of these, each as often as its weight says.
    pub fn weighted<T: Copy>(&mut self, from: &[(u64, T)]) -> T {
        let mut at = self.below(from.iter().map(|(weight, _)| weight).sum());
        for &(weight, what) in from {
            if at < weight {
                return what;
            }
            at -= weight;
        }
        unreachable!("the number is below the sum of the weights")
    }
}
