//! Two ends of a ring that share a processor take turns on it: who can do nothing more yields, and the other one, which is ready to
//! run, does.
//!
//! To sleep until the other one wakes us costs, beyond the switch, two calls for the futex and two settings of the processor's timer;
//! each of these leaves a virtual machine. Two programs that hand a token to each other on one processor took 13.4 us a switch
//! with sleeps of at most 250 us, and 2.2 us with yields.
//!
//! Who yields goes behind everybody. Where others want the processor, too, it comes back late, and sleeps instead for a while: who
//! is woken need not wait for their turns' ends.

use nm_core::sync::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Yields before who waits sleeps. The scheduler may find that it is still our turn, once.
const YIELDS: u8 = 2;
/// A turn of the other end that filled or emptied the ring takes less, as far as a switch matters.
const LONG_TURN: Duration = Duration::from_millis(1);
/// Waits without a yield after a longer one, which may have been chance; twice as many after the next, up to so many,
/// and one less after each short turn.
const WITHOUT: u32 = 8;
const WITHOUT_MOST: u32 = 512;

/// Whether yielding pays, of one end of a ring.
#[derive(Default)]
pub struct Turns {
    without: AtomicU32,
    /// How many waits are to be without a yield when the next turn is a long one.
    next: AtomicU32,
}

/// How many yields are left to one wait.
pub struct Yields(u8);

impl Turns {
    /// For a wait that begins.
    pub fn begin(&self) -> Yields {
        // ORDER: Relaxed, both; its owner's own note.
        let without = self.without.load(Ordering::Relaxed);
        if without > 0 {
            self.without.store(without - 1, Ordering::Relaxed);
        }
        Yields(if without > 0 { 0 } else { YIELDS })
    }

    /// Lets the other end run, at `now`. False: it is time to sleep.
    pub fn make_way(&self, yields: &mut Yields, now: Instant) -> bool {
        let Some(left) = yields.0.checked_sub(1) else { return false };
        yields.0 = left;
        std::thread::yield_now();
        // ORDER: Relaxed, all of these; as in `begin`.
        let next = self.next.load(Ordering::Relaxed);
        if now.elapsed() > LONG_TURN {
            yields.0 = 0;
            let without = next.clamp(WITHOUT, WITHOUT_MOST);
            self.without.store(without, Ordering::Relaxed);
            self.next.store(2 * without, Ordering::Relaxed);
        } else if next != 0 {
            self.next.store(next - 1, Ordering::Relaxed);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_yields_a_few_times_and_then_sleeps() {
        let turns = Turns::default();
        for _ in 0..3 {
            let mut yields = turns.begin();
            let made_way =
                (0..10).filter(|_| turns.make_way(&mut yields, Instant::now() + Duration::from_secs(3600))).count();
            assert_eq!(made_way, usize::from(YIELDS));
        }
    }

    #[test]
    fn after_long_turns_it_sleeps_for_a_while() {
        let turns = Turns::default();
        let Some(long_ago) = Instant::now().checked_sub(2 * LONG_TURN) else { return };
        let soon = Instant::now() + Duration::from_secs(3600);
        let waits_until_yield = |at: Instant| (0..).take_while(|_| !turns.make_way(&mut turns.begin(), at)).count();
        let lengths: Vec<u32> = (0..10).map(|_| waits_until_yield(long_ago) as u32).collect();
        assert_eq!(lengths[..4], [0, WITHOUT, 2 * WITHOUT, 4 * WITHOUT]);
        assert_eq!(lengths[8..], [WITHOUT_MOST; 2]);
        assert_eq!([(); 2].map(|()| waits_until_yield(soon) as u32), [WITHOUT_MOST, 0]);
        for _ in 0..2 * WITHOUT_MOST {
            waits_until_yield(soon);
        }
        assert_eq!([(); 2].map(|()| waits_until_yield(long_ago) as u32), [0, WITHOUT]);
    }
}
