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
}
