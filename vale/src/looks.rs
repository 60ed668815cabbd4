//! How a reader looks at its ring: how often while frames come, how long before it sleeps, and when it naps instead.

use std::time::{Duration, Instant};

/// How long a reader looks at the ring before it sleeps, at most: about what falling asleep and being woken costs.
const SPIN: Duration = Duration::from_micros(50);

/// How eagerly a reader looks at a ring that keeps filling.
///
/// Each look takes the line with the tail away from the sender; with one frame a call, a reader that looks all the
/// time makes each frame cost several lines travelling. So: looks that find nothing are followed at once by the next,
/// and looks that find a few frames each, one after the other, by a pause of up to some 2 us.
#[derive(Default)]
pub struct Pace {
    small_batches: u32,
    pause_rounds: u32,
}

/// Looks in a row that found something, before pauses begin: a ping-pong never gets there.
const STREAM: u32 = 8;
/// A look that finds this many frames was not too early.
const GOOD_BATCH: u32 = 64;
const MAX_PAUSE_ROUNDS: u32 = 128;

impl Pace {
    /// No pause is due.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.pause_rounds == 0
    }

    /// Pauses, if one is due.
    #[inline]
    pub fn before_look(&mut self) {
        for _ in 0..self.pause_rounds {
            std::hint::spin_loop();
        }
    }

    /// A look found so many slots filled.
    #[inline]
    pub fn after_look(&mut self, ready: u32) {
        if ready == 0 {
            *self = Pace::default();
        } else if ready < GOOD_BATCH {
            self.small_batches += 1;
            if self.small_batches > STREAM {
                self.pause_rounds = (self.pause_rounds * 2).clamp(8, MAX_PAUSE_ROUNDS);
            }
        } else if ready > 2 * GOOD_BATCH {
            self.pause_rounds /= 2;
        }
    }
}

/// How long a reader looks before it sleeps: [`SPIN`] while that mostly ends with a frame; else, as with more readers
/// than processors or frames that come seldom, a sixteenth, with a long look now and then.
pub struct Patience {
    score: i8,
    until_trial: u8,
}

const SCORE_MAX: i8 = 4;
const TRIAL_EVERY: u8 = 16;

impl Default for Patience {
    fn default() -> Self {
        Patience { score: SCORE_MAX, until_trial: TRIAL_EVERY }
    }
}

impl Patience {
    /// How long to look this time.
    pub fn spin(&mut self) -> Duration {
        if self.score > 0 {
            return SPIN;
        }
        self.until_trial -= 1;
        if self.until_trial == 0 {
            self.until_trial = TRIAL_EVERY;
            return SPIN;
        }
        SPIN / 16
    }

    /// Whether a frame came while it looked.
    pub fn learn(&mut self, came: bool) {
        self.score = (self.score + if came { 2 } else { -1 }).clamp(0, SCORE_MAX);
    }
}

/// Naps instead of sleeps, while frames come faster than it pays to be woken for them.
///
/// With more readers than processors each sleeps again and again for a few hundred frames, and each time costs its sender
/// a wake (16 us), everybody a membarrier (up to 18 us), and preempts the sender. A reader that finds itself there naps on the clock
/// instead, and nobody needs to do anything for it: eight listeners then get 4 to 6 times the frames for the same processor time.
/// It stops when frames come as fast as a sender on another processor makes them, who has nobody else to serve (then spinning is
/// better, and napping for a while forbidden, lest the two go on in lock-step), or when hardly anything comes.
///
/// | a nap ends with | then |
/// |---|---|
/// | [`FAST`] frames a microsecond | none for [`FORBIDDEN`] |
/// | the ring more than 3/4 full | half as long; at the shortest: none for [`FORBIDDEN`] |
/// | less than 5/8 | a quarter longer |
/// | fewer than [`MANY`] frames, four times in a row | none |
#[derive(Default)]
pub struct Naps {
    length: Option<Duration>,
    short_sleeps: u8,
    last_sleep: Option<Instant>,
    not_before: Option<Instant>,
    lean: u8,
}

/// Sleeps in a row that each ended with frames after less than [`SHORT_SLEEP`]: naps begin.
const SHORT_SLEEPS: u8 = 4;
const SHORT_SLEEP: Duration = Duration::from_millis(1);
/// What a ping-pong never reaches. More would do harm: where each of 8 sleeping listeners is woken for each frame, the sender gets
/// only 16,000 a second through, naps would end for so few, and the next frame would have to wake them again, for as long as
/// 200 ms.
const MANY: u32 = 4;
const LEAN_NAPS: u8 = 4;
/// Each of eight listeners gets 3 to 8 while the sender runs, a lone one 40 or more.
const FAST: u128 = 16;
const SHORTEST: Duration = Duration::from_micros(25);
const FIRST: Duration = Duration::from_micros(100);
const LONGEST: Duration = Duration::from_micros(250);
const FORBIDDEN: Duration = Duration::from_millis(20);

impl Naps {
    /// How long the next nap is to be; `None`: the reader spins and sleeps.
    pub fn length(&self) -> Option<Duration> {
        self.length
    }

    /// A sleep ended at `now` with so many slots filled.
    pub fn after_sleep(&mut self, ready: u32, now: Instant) {
        let short = self.last_sleep.is_some_and(|last| now.duration_since(last) < SHORT_SLEEP);
        self.last_sleep = Some(now);
        self.short_sleeps = if short && ready > 0 { (self.short_sleeps + 1).min(SHORT_SLEEPS) } else { 0 };
        if self.short_sleeps == SHORT_SLEEPS && self.not_before.is_none_or(|t| now >= t) {
            *self = Naps { length: Some(FIRST), ..Naps::default() };
        }
    }

    /// A nap, that took so long, ended at `now` with so many of the ring's slots filled.
    pub fn after_nap(&mut self, ready: u32, slots: u32, took: Duration, now: Instant) {
        let Some(length) = self.length else { return };
        if ready > MANY && u128::from(ready) > took.as_micros() * FAST {
            *self = Naps { not_before: Some(now + FORBIDDEN), ..Naps::default() };
            return;
        }
        self.lean = if ready < MANY { self.lean + 1 } else { 0 };
        if ready > slots / 4 * 3 {
            if length == SHORTEST {
                *self = Naps { not_before: Some(now + FORBIDDEN), ..Naps::default() };
            } else {
                self.length = Some((length / 2).max(SHORTEST));
            }
        } else if self.lean == LEAN_NAPS {
            *self = Naps::default();
        } else if self.lean == 0 && ready < slots / 8 * 5 {
            self.length = Some((length * 5 / 4).min(LONGEST));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOTS: u32 = 1024;

    fn napping(now: Instant) -> Naps {
        let mut naps = Naps::default();
        for n in 0..=u64::from(SHORT_SLEEPS) {
            assert!(naps.length().is_none(), "after {n} sleeps");
            naps.after_sleep(100, now + Duration::from_micros(300 * n));
        }
        naps
    }

    #[test]
    fn short_sleeps_become_naps_and_a_quiet_ring_ends_them() {
        let now = Instant::now();
        let mut naps = napping(now);
        assert_eq!(naps.length(), Some(FIRST));
        for _ in 0..LEAN_NAPS {
            assert!(naps.length().is_some());
            naps.after_nap(MANY - 1, SLOTS, FIRST, now);
        }
        assert_eq!(naps.length(), None);
    }

    #[test]
    fn seldom_frames_and_empty_wakes_do_not_begin_naps() {
        let (now, mut naps) = (Instant::now(), Naps::default());
        for n in 0..100 {
            naps.after_sleep(1, now + Duration::from_millis(2 * n));
            naps.after_sleep(0, now + Duration::from_millis(2 * n) + Duration::from_micros(100));
        }
        assert_eq!(naps.length(), None);
    }

    #[test]
    fn a_ring_that_is_full_after_the_shortest_nap_forbids_them_for_a_while() {
        let now = Instant::now();
        let mut naps = napping(now);
        let mut rounds = 0;
        while naps.length().is_some() {
            naps.after_nap(SLOTS - 1, SLOTS, LONGEST, now);
            rounds += 1;
        }
        assert!(rounds <= 5, "{rounds}");
        for n in 0..20 {
            naps.after_sleep(100, now + Duration::from_micros(300 * n));
        }
        assert_eq!(naps.length(), None);
        for n in 0..20 {
            naps.after_sleep(100, now + FORBIDDEN + Duration::from_micros(300 * n));
        }
        assert!(naps.length().is_some());
    }

    #[test]
    fn a_sender_at_full_speed_forbids_naps_at_once() {
        let now = Instant::now();
        let mut naps = napping(now);
        naps.after_nap(2000, 4 * SLOTS, FIRST, now);
        assert!(naps.length().is_none());
        for n in 0..20 {
            naps.after_sleep(100, now + Duration::from_micros(300 * n));
        }
        assert_eq!(naps.length(), None);
    }

    #[test]
    fn naps_grow_to_their_longest_while_the_ring_has_room() {
        let now = Instant::now();
        let mut naps = napping(now);
        for _ in 0..20 {
            naps.after_nap(SLOTS / 4, SLOTS, LONGEST, now);
        }
        assert_eq!(naps.length(), Some(LONGEST));
    }
}
