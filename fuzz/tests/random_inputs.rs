//! The targets on random inputs, as many as a test can bear; `FUZZ_SECONDS` makes it longer.

use std::time::{Duration, Instant};

/// Marsaglia's xorshift: the same inputs each time, unless the time is given.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// Runs the target on inputs made by `input`; returns how many.
fn drive(target: fn(&[u8]), mut input: impl FnMut(&mut Random) -> Vec<u8>) -> u64 {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|s| s.parse::<u64>().ok());
    let end = seconds.map(|s| Instant::now() + Duration::from_secs(s));
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut runs = 0;
    while end.map_or(runs < 5_000, |end| Instant::now() < end) {
        target(&input(&mut random));
        runs += 1;
    }
    println!("{runs} executions");
    runs
}

#[test]
fn port_names() {
    const PIECES: [&str; 30] = [
        "vale", "vale0:", "netmap:", "vhost:", "vhost:/", ":", "/", "*", "^", "-", "{", "}", "0", "7", "65536", "eth0",
        "a", ".", "..", "t", "r", "x", "z", "R", "T", "@", " ", "\0", "\n", "é",
    ];
    let runs = drive(fuzz::port_name, |random| {
        let mut text = Vec::new();
        for _ in 0..random.below(12) {
            match random.below(20) {
                0 => text.push(random.next() as u8),
                1 => text.extend(std::iter::repeat_n(b'x', random.below(150))),
                _ => text.extend(PIECES[random.below(PIECES.len())].bytes()),
            }
        }
        text
    });
    assert!(runs > 0);
}

#[test]
fn hostile_rings() {
    let runs = drive(fuzz::hostile_ring, |random| {
        let len = random.below(1200);
        (0..len).map(|_| random.next() as u8).collect()
    });
    assert!(runs > 0);
}
