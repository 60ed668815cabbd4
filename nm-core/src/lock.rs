//! A lock in shared memory that is nearly free for a lone owner and survives the death of any.
//!
//! ```text
//!   word     0 = free, else the owner's tag, bit 31 = somebody sleeps      the lock itself, a futex
//!   bias     0, or a tag, bit 31 = being revoked                           who may enter by `held` alone
//!   held[i]  1 while the biased owner with number i is inside              written by that owner
//! ```
//! `held` is a word for each owner: one that was stopped on its way in, and finds out late that the bias has gone to
//! somebody else, takes back its own mark and not the other's.
//!
//! | who | does | forbidden |
//! |---|---|---|
//! | biased owner | held\[own\] = 1; light fence; bias still mine? inside. held\[own\] = 0 (Release) | to touch `word` |
//! | anybody else | takes `word`; bias set? bias \|= REVOKE; heavy fence; waits for held\[its\] == 0; bias = 0; inside | to enter while bias != 0 |
//! | holder of `word`, alone for long | bias = own tag | to do so where light fences cost as much as a lock |
//!
//! A tag names a port and its generation, so that the death of an owner can be asked for. An owner inside publishes
//! nothing before its last store, so whoever takes over from the dead finds a consistent ring. Words may hold
//! anything that a hostile peer wrote: the worst is that two enter at once (frames are lost, nothing is read outside
//! the region) or that [`Stuck`] comes back.
//!
//! Owners that are busy at the same time have the bias in turns of 0.2 to 1 ms ([`BiasedLock::enter`] of the other
//! sleeps for as long): two senders of single frames then carry about what one does, where a handover for each frame
//! left a fifth.
//!
//! Tried and dropped: pthread's robust mutexes (their list pointers would lie in shared memory), and a plain futex
//! lock: its locked instruction waits for the stores before it, which halved the rate of one frame a call.

use crate::sync::{AtomicU32, Fences, Ordering};
use crate::sys;
use std::time::{Duration, Instant};

const FLAG: u32 = 1 << 31;
/// How often an owner must take the lock in a row before it is biased; doubles with each revocation, up to where what was
/// paid without the bias (some 30 ns each time) outweighs a revocation (up to 20 us). Without that bound, two senders on
/// one processor, of which each finds the other's bias while that one does not run, ended at a quarter of their rate.
const BIAS_AFTER: u32 = 64;
const BIAS_AFTER_MAX: u32 = 1024;
#[cfg(not(loom))]
const SPINS: u32 = 200;
#[cfg(loom)]
const SPINS: u32 = 1;

#[repr(C, align(128))]
#[derive(Default)]
struct Word {
    word: AtomicU32,
    last: AtomicU32,
    streak: AtomicU32,
    bias_after: AtomicU32,
    /// 1 when the owner that was revoked last was busy: two streams, not a stream and a frame now and then.
    was_busy: AtomicU32,
}

#[repr(C, align(128))]
#[derive(Default)]
struct Line {
    word: AtomicU32,
}

/// How many owners are told apart: the low byte of a tag is an owner's number.
#[cfg(not(loom))]
const OWNERS: usize = 256;
#[cfg(loom)]
const OWNERS: usize = 4;

/// The lock's words, each where only its writer is disturbed.
#[repr(C)]
pub struct BiasedLock {
    word: Word,
    bias: Line,
    held: [AtomicU32; OWNERS],
}

impl Default for BiasedLock {
    fn default() -> Self {
        BiasedLock { word: Word::default(), bias: Line::default(), held: std::array::from_fn(|_| AtomicU32::new(0)) }
    }
}

/// Who can tell whether the owner of a tag lives.
pub trait Owners {
    /// False only when the owner is certainly gone.
    fn alive(&self, tag: u32) -> bool;
}

/// The lock's owner lives, and did not leave in time: stopped by a signal, most likely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The owner.
    pub tag: u32,
}

/// The lock, held; dropping it leaves.
#[must_use]
pub struct Held<'a> {
    lock: &'a BiasedLock,
    /// The owner, when it entered by its bias.
    biased: Option<u32>,
}

impl BiasedLock {
    /// Enters as `tag` (1 to 2^31 - 1), waiting for others up to `patience`.
    ///
    /// # Errors
    /// [`Stuck`] when a living owner stays inside for longer.
    #[inline]
    pub fn enter(&self, tag: u32, fences: Fences, owners: &dyn Owners, patience: Duration) -> Result<Held<'_>, Stuck> {
        if self.enter_biased(tag, fences) {
            return Ok(Held { lock: self, biased: Some(tag) });
        }
        self.enter_slowly(tag, fences, owners, patience)
    }

    #[inline(always)]
    fn held_by(&self, tag: u32) -> &AtomicU32 {
        &self.held[tag as usize % OWNERS]
    }

    /// Enters as `tag` if the lock is biased to it: no locked instruction, no full fence, nothing that waits. Who gets
    /// `true` leaves by [`BiasedLock::leave_biased`].
    #[inline(always)]
    pub fn enter_biased(&self, tag: u32, fences: Fences) -> bool {
        // ORDER: Relaxed; a stale value only leads to the slow path or is caught by the second look below.
        if self.bias.word.load(Ordering::Relaxed) != tag {
            return false;
        }
        // ORDER: Relaxed; ordered before the second look by the light fence, partner: the heavy fence in `revoke`.
        self.held_by(tag).store(1, Ordering::Relaxed);
        fences.light();
        // ORDER: Acquire; the bias was set by ourselves under the lock.
        if self.bias.word.load(Ordering::Acquire) == tag {
            return true;
        }
        self.leave_biased(tag);
        false
    }

    /// Leaves what [`BiasedLock::enter_biased`] entered.
    #[inline(always)]
    pub fn leave_biased(&self, tag: u32) {
        // ORDER: Release pairs with the Acquire in `revoke`: what was published inside is visible.
        self.held_by(tag).store(0, Ordering::Release);
    }

    #[cold]
    fn enter_slowly(
        &self,
        tag: u32,
        fences: Fences,
        owners: &dyn Owners,
        patience: Duration,
    ) -> Result<Held<'_>, Stuck> {
        let deadline = Deadline::after(patience);
        let waited = self.take_word(tag, owners, &deadline)?;
        let held = Held { lock: self, biased: None };
        // ORDER: Relaxed; bias is only set under `word`, which we just acquired.
        let bias = self.bias.word.load(Ordering::Relaxed);
        let busy = bias != 0 && bias & !FLAG != tag && self.is_busy(bias);
        if bias != 0 {
            // ORDER: Relaxed, both; under `word`.
            if busy {
                lease_pause(self.word.was_busy.load(Ordering::Relaxed) != 0);
            }
            self.word.was_busy.store(u32::from(busy), Ordering::Relaxed);
            self.revoke(bias, tag, fences, owners, &deadline)?;
        }
        self.count_streak(tag, fences, busy || waited);
        Ok(held)
    }

    /// Whether the biased owner goes in and out all the time. Two senders of single frames that took the lock from each
    /// other for each frame would both crawl; so each has it for a while, and the other sleeps meanwhile.
    fn is_busy(&self, bias: u32) -> bool {
        // ORDER: Relaxed; a hint.
        (0..SPINS.div_ceil(4)).any(|_| {
            relax();
            self.held_by(bias).load(Ordering::Relaxed) != 0
        })
    }

    /// Takes `word`. True when somebody else had it.
    fn take_word(&self, tag: u32, owners: &dyn Owners, deadline: &Deadline) -> Result<bool, Stuck> {
        let word = &self.word.word;
        let mut spins = 0;
        let mut rounds = 0u32;
        // Who has slept may not have been the only one: as it leaves, it wakes the next.
        let mut mine = tag;
        loop {
            // ORDER: Acquire on success pairs with the Release in `drop`: what the last owner published is visible.
            let seen = match word.compare_exchange_weak(0, mine, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(spins > 0),
                Err(seen) => seen,
            };
            let owner = seen & !FLAG;
            // However the word changes under us, nobody stays here for ever.
            rounds = rounds.wrapping_add(1);
            if rounds % 1024 == 0 && deadline.is_over() {
                return Err(Stuck { tag: owner });
            }
            if seen == 0 {
                continue;
            }
            if owner == tag || (spins >= SPINS && !owners.alive(owner)) {
                // The owner died inside, or somebody wrote our own tag there: take over.
                // ORDER: Acquire, as above; the dead owner's stores are bounded by its last publication.
                if word.compare_exchange(seen, tag | FLAG, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                    return Ok(false);
                }
                continue;
            }
            if spins < SPINS {
                spins += 1;
                relax();
                continue;
            }
            if deadline.is_over() {
                return Err(Stuck { tag: owner });
            }
            // ORDER: Relaxed; the flag only asks the owner for a wake-up, futex_wait compares the word again.
            if seen & FLAG != 0
                || word.compare_exchange(seen, seen | FLAG, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            {
                let _ = sys::futex_wait(word, seen | FLAG, Some(Duration::from_millis(1)));
                mine = tag | FLAG;
            }
        }
    }

    fn revoke(
        &self,
        bias: u32,
        tag: u32,
        fences: Fences,
        owners: &dyn Owners,
        deadline: &Deadline,
    ) -> Result<(), Stuck> {
        let owner = bias & !FLAG;
        if owner != tag {
            // ORDER: Relaxed; ordered before the look at `held` by the heavy fence, partner: the light one in `enter`.
            self.bias.word.store(bias | FLAG, Ordering::Relaxed);
            fences.heavy();
            let mut spins = 0;
            // ORDER: Acquire pairs with the owner's Release of `held`: what it published is visible.
            while self.held_by(owner).load(Ordering::Acquire) != 0 {
                if spins < SPINS {
                    spins += 1;
                    relax();
                    continue;
                }
                if !owners.alive(owner) {
                    break;
                }
                if deadline.is_over() {
                    return Err(Stuck { tag: owner });
                }
                pause_shortly();
            }
            // ORDER: Relaxed; under `word`.
            let after = self.word.bias_after.load(Ordering::Relaxed).clamp(BIAS_AFTER, BIAS_AFTER_MAX / 2);
            self.word.bias_after.store(after * 2, Ordering::Relaxed);
        }
        // ORDER: Relaxed; both are read by others only under `word`, or followed by a second look.
        self.held_by(owner).store(0, Ordering::Relaxed);
        self.bias.word.store(0, Ordering::Relaxed);
        Ok(())
    }

    fn count_streak(&self, tag: u32, fences: Fences, contended: bool) {
        let w = &self.word;
        // ORDER: Relaxed, all of these: under `word`.
        let streak =
            if w.last.load(Ordering::Relaxed) == tag { w.streak.load(Ordering::Relaxed).wrapping_add(1) } else { 1 };
        w.last.store(tag, Ordering::Relaxed);
        w.streak.store(streak, Ordering::Relaxed);
        let after = if cfg!(loom) { 1 } else { w.bias_after.load(Ordering::Relaxed).max(BIAS_AFTER) };
        if (streak >= after || contended) && fences.asymmetric() {
            w.streak.store(0, Ordering::Relaxed);
            // ORDER: Relaxed; only `tag` acts on it, and others look at it under `word`, which we release later.
            self.bias.word.store(tag, Ordering::Relaxed);
        }
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(tag) = self.biased {
            return self.lock.leave_biased(tag);
        }
        // ORDER: Release pairs with the Acquire in `take_word`.
        let seen = self.lock.word.word.swap(0, Ordering::Release);
        if seen & FLAG != 0 {
            sys::futex_wake(&self.lock.word.word, 1);
        }
    }
}

/// Starts to run at the first question, so that who need not wait reads no clock.
struct Deadline {
    patience: Duration,
    end: std::cell::Cell<Option<Instant>>,
}

impl Deadline {
    fn after(patience: Duration) -> Deadline {
        Deadline { patience, end: std::cell::Cell::new(None) }
    }
    fn is_over(&self) -> bool {
        if cfg!(loom) {
            return false;
        }
        let now = Instant::now();
        let end = self.end.get().unwrap_or(now + self.patience);
        self.end.set(Some(end));
        now >= end
    }
}

fn relax() {
    #[cfg(not(loom))]
    std::hint::spin_loop();
    #[cfg(loom)]
    loom::thread::yield_now();
}

/// How long the other one may go on: long beside a revocation (up to 20 us), short beside what people notice. Two
/// streams have longer turns: where they share processors with their receiver, each change of turns throws it off one.
fn lease_pause(streams: bool) {
    #[cfg(not(loom))]
    crate::sys::nap(Duration::from_micros(if streams { 1000 } else { 150 }));
    #[cfg(loom)]
    let _ = streams;
}

fn pause_shortly() {
    #[cfg(not(loom))]
    crate::sys::nap(Duration::from_micros(50));
    #[cfg(loom)]
    loom::thread::yield_now();
}
