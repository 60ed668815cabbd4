//! How far the two CPUs are from each other at the moment.
//!
//! Virtual CPUs wander: from one second to the next the same two may sit on neighbouring cores or at opposite ends of
//! the chip, and whatever passes between them takes three times as long. A ratio of two rounds is worth something
//! when the distance was the same in both.

use crate::clock;
use crate::roles::pin;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering};

/// Round trips of one look, and how many looks are taken; the quickest counts, for nothing disturbed it.
const TRIPS: u64 = 300;
const LOOKS: usize = 7;

/// Round trips that are shorter are called near.
pub const NEAR_NS: f64 = 200.0;

/// Whether the distance was the same in all of these: near is a third or a quarter of far.
pub fn alike(distances: &[f64]) -> bool {
    let least = distances.iter().copied().fold(f64::INFINITY, f64::min);
    distances.iter().all(|d| d.is_nan() || *d <= 1.6 * least)
}

#[repr(align(128))]
struct Line(AtomicU64);

/// Nanoseconds of a round trip between CPU 0 and CPU 1 through one line of memory; not a number with one CPU.
pub fn round_trip_ns() -> f64 {
    if std::thread::available_parallelism().map_or(1, |n| n.get()) < 2 {
        return f64::NAN;
    }
    let (there, back) = (Line(AtomicU64::new(0)), Line(AtomicU64::new(0)));
    let answer = || {
        pin(1);
        for n in 1..=TRIPS * LOOKS as u64 {
            // ORDER: Relaxed, all of these: a number is all that is passed.
            while there.0.load(Ordering::Relaxed) < n {
                spin_loop();
            }
            back.0.store(n, Ordering::Relaxed);
        }
    };
    let ask = || {
        pin(0);
        let mut n = 0;
        let looks = [(); LOOKS].map(|()| {
            let start = clock::now_ns();
            for _ in 0..TRIPS {
                n += 1;
                there.0.store(n, Ordering::Relaxed);
                while back.0.load(Ordering::Relaxed) < n {
                    spin_loop();
                }
            }
            (clock::now_ns() - start) as f64 / TRIPS as f64
        });
        looks.into_iter().fold(f64::INFINITY, f64::min)
    };
    std::thread::scope(|scope| {
        scope.spawn(answer);
        scope.spawn(ask).join().unwrap_or(f64::NAN)
    })
}

#[cfg(test)]
mod tests {
    use super::alike;

    #[test]
    fn near_and_far_are_told_apart() {
        assert!(alike(&[95.0, 101.0, 92.0]) && alike(&[400.0, 440.0]) && alike(&[f64::NAN, f64::NAN]));
        assert!(!alike(&[95.0, 101.0, 402.0]));
    }
}
