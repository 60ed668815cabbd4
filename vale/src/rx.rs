//! Towards the application: taking frames off the port's ring, and waiting for them.
//!
//! Who gives a frame its time: the sender, as it sends, unless the reader says that it is *watching*. While a reader
//! does nothing but look, it gives frames the time of the look that finds them, which is right to what lies
//! between two looks, a microsecond or, as [`SOON_NS`] says, five, and saves the sender a third of what a frame costs it (12 of 38 ns here). A sender that has
//! not yet seen the watch end sends a frame without a time within the nanoseconds after it: such a frame, found later,
//! gets the time at which the watch ended.

use crate::looks::{Naps, Pace, Patience};
use crate::member::Member;
use crate::turns::Turns;
use nm_core::bell;
use nm_core::clock::{Clock, Moment};
use nm_core::ring::filled;
use nm_core::shm::port_page::{Beside, Filled, GLANCING, WATCHING};
use nm_core::sync::{Ordering, count_together};
use nm_core::{Glance, PortError, PortRx, RxFrame, RxRing, Woken, sys};
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A sleeper looks by itself after two seconds, 16, 64: whoever wrote garbage where it waits for the bell, it does not
/// sleep for ever. An idle port is all but free: one look a minute.
const FIRST_NAP: Duration = Duration::from_secs(2);
const LONGEST_NAP: Duration = Duration::from_secs(64);

/// Frames between two waits that tell of a stream.
const STREAM: u32 = 64;
/// Frames found one at a time after which they are shown beside their tails.
const LONE: u32 = 64;
/// A frame that is found within so many nanoseconds after a look that found none has the time of the look that finds it.
const SOON_NS: u64 = 5_000;
/// Slots from one note of the reader's processor to the next: a power of two.
const NOTE_EVERY: u32 = 16;
/// A sleep that is not fenced ends by itself after this long: what a missed bell costs, and how late the last frames of a stream are,
/// which don't fill the ring as far as their reader then wants. The fence costs up to 18 us, and is paid by all processors: `bridge`
/// between a sender and a reader on two processors carried 9 M/s with it, and 16 without.
const UNFENCED: Duration = Duration::from_micros(250);

/// How a reader sleeps.
struct Sleep {
    /// Slots that are to be filled when it is woken.
    slots: u32,
    longest: Duration,
    fenced: bool,
}

/// The receive side of a port.
pub struct Rx {
    member: Arc<Member>,
    ring: RxRing,
    /// The head that senders know.
    published: u32,
    /// What the last look found, whether it made sense or not.
    found: Filled,
    /// The last frame that was taken from beside its tail.
    beside: Beside,
    /// When a glance last found nothing.
    looked: Moment,
    /// Frames that were found one at a time, by looks of a reader who spins; from [`LONE`] on senders were told.
    lone: u32,
    fifo: Option<File>,
    armings: u32,
    pace: Pace,
    patience: Patience,
    naps: Naps,
    turns: Turns,
    clock: Clock,
    /// The head at the end of the last wait.
    waited_at: u32,
    /// The last sleep ended with frames, and soon.
    brief: bool,
    /// Senders were told which thread reads.
    noted: bool,
}

impl Rx {
    /// The receive side of a port that just joined.
    pub fn new(member: Arc<Member>, ring: RxRing) -> Rx {
        Rx {
            member,
            ring,
            published: 0,
            found: Filled::default(),
            beside: Beside::default(),
            looked: Moment::default(),
            lone: 0,
            fifo: None,
            armings: 0,
            pace: Pace::default(),
            patience: Patience::default(),
            naps: Naps::default(),
            turns: Turns::default(),
            clock: Clock::new(),
            waited_at: 0,
            brief: false,
            noted: false,
        }
    }

    #[inline]
    fn sync(&mut self) -> u32 {
        let page = &self.member.page;
        let head = self.ring.head();
        if head != self.published {
            // Once in so many slots: it is asked for by senders to whom the whole ring was not enough.
            if (head ^ self.published) >= NOTE_EVERY {
                page.drain.processor.note();
            }
            self.published = head;
            page.drain.give_back(head);
            self.member.fences().light();
            // ORDER: Relaxed; after the light fence, partner: the heavy one of a sender that waits for room.
            if page.space.want.load(Ordering::Relaxed) != 0 {
                self.make_known();
            }
        }
        let found = self.member.page.fill.look();
        if found != self.found {
            self.found = found;
            self.ring.set_tail(found.tail());
        }
        let malformed = self.ring.take_malformed();
        if malformed != 0 {
            count_together(&self.member.page.drops.malformed, malformed);
        }
        self.ring.ready()
    }

    /// The frame that a look found, if it lies beside its tail.
    #[inline(always)]
    fn take_beside(&mut self, found: Filled, now: Moment) -> Option<RxFrame> {
        let len = found.beside();
        if len == 0 || !self.ring.is_next(found.tail()) {
            return None;
        }
        let time_ns = self.clock.time_if_soon(now, self.looked, SOON_NS)?;
        if !self.member.page.fill.copy_beside(found, &mut self.beside) {
            return None;
        }
        self.found = found;
        self.ring.set_stamp(time_ns);
        Some(self.ring.take_beside(self.beside.bytes().as_ptr(), len))
    }

    /// Notes how many frames a look of a reader who spins has found, and tells senders whether to show them beside their tails.
    #[inline(always)]
    fn note_found(&mut self, ready: u32) {
        let before = self.lone;
        self.lone = if ready == 1 { before.saturating_add(1) } else { 0 };
        if (before >= LONE) != (self.lone >= LONE) {
            // ORDER: Relaxed; what a stale value costs is time.
            self.member.page.sleep.looking.store(glancing(self.lone, Clock::counts()), Ordering::Relaxed);
        }
    }

    /// Wakes the senders that wait for room, once there is as much as they want.
    #[cold]
    fn make_known(&mut self) {
        let page = &self.member.page;
        // ORDER: Acquire pairs with the Release of a sender that gave up on this reader, before it moved. Else a hint: the futex and a
        // short nap make up for a lost one.
        let want = page.space.want.load(Ordering::Acquire);
        // ORDER: Relaxed, both; a hint among senders.
        if page.space.stalled.load(Ordering::Relaxed) != 0 {
            page.space.stalled.store(0, Ordering::Relaxed);
        }
        // ORDER: Relaxed; a hint.
        let tail = page.fill.peek().tail();
        let n = self.ring.num_slots();
        if filled(n, self.published, tail).is_some_and(|filled| n - 1 - filled < want.min(n - 1)) {
            return;
        }
        page.space.want.store(0, Ordering::Relaxed);
        // ORDER: Release pairs with the sender's Acquire of the bell.
        page.space.bell.fetch_add(1, Ordering::Release);
        sys::futex_wake(&page.space.bell, i32::MAX);
    }

    /// Begins or ends the watch; ending it takes the time for what was found, and for what may still come without one.
    #[inline]
    fn set_watching(&mut self, watching: bool) {
        let word = &self.member.page.sleep.looking;
        // ORDER: Relaxed, both; what a stale value costs is said above.
        let looking = if watching { WATCHING } else { 0 };
        if word.load(Ordering::Relaxed) != looking {
            word.store(looking, Ordering::Relaxed);
            if !watching {
                self.ring.set_stamp(self.clock.now());
            }
        }
    }

    /// Whether many frames came since the last wait.
    fn is_streaming(&mut self) -> bool {
        let head = self.ring.head();
        let came = filled(self.ring.num_slots(), self.waited_at, head);
        self.waited_at = head;
        came.is_some_and(|frames| frames >= STREAM)
    }

    fn watch(&mut self, slots: u32, timeout: Option<Duration>) -> Result<Woken, PortError> {
        if !self.noted {
            self.noted = true;
            self.note_thread();
        }
        self.pace.before_look();
        let mut ready = self.sync();
        self.pace.after_look(ready);
        if ready >= slots {
            return Ok(Woken::Frames);
        }
        let mut nap = FIRST_NAP;
        let mut streams = self.is_streaming();
        let mut yields = self.turns.begin();
        // Who mostly sleeps for long would only be woken once more.
        let mut first = self.brief;
        let started = Instant::now();
        let spin_end = started + self.patience.spin();
        let end = timeout.and_then(|t| started.checked_add(t));
        let is_over = |now: Instant| end.is_some_and(|e| now >= e);
        loop {
            if self.take_wake() {
                return Ok(Woken::Woken);
            }
            // Who waits for many frames wants to be left alone until they are there.
            let now = Instant::now();
            if slots == 1
                && !is_over(now)
                && let Some(length) = self.naps.length()
            {
                self.set_watching(false);
                if self.nap(end.map_or(length, |e| e.saturating_duration_since(now).min(length))) {
                    return Ok(Woken::Woken);
                }
                ready = self.sync();
                let after = Instant::now();
                self.naps.after_nap(ready, self.ring.likely_room(), after.duration_since(now), after);
                if self.naps.length().is_none() {
                    // ORDER: Relaxed; a hint.
                    self.member.page.sleep.napping.store(0, Ordering::Relaxed);
                }
                if ready >= slots {
                    return Ok(Woken::Frames);
                }
                continue;
            }
            let mut slept = None;
            // Where the sender runs only while we don't, looking is in vain.
            let shared = slots == 1 && self.member.page.holder.processor.is_here();
            if shared && streams && !is_over(now) {
                self.set_watching(false);
                if self.turns.make_way(&mut yields, now) {
                    ready = self.sync();
                    if ready >= slots {
                        return Ok(Woken::Frames);
                    }
                    continue;
                }
            }
            if slots == 1 && now < spin_end && !is_over(now) && !shared {
                let came = self.spin(end.map_or(spin_end, |e| e.min(spin_end)));
                self.patience.learn(came);
            } else if is_over(now) {
                return Ok(Woken::TimedOut);
            } else {
                self.set_watching(false);
                let ran_dry = slots == 1 && std::mem::take(&mut streams);
                let sleep = if ran_dry {
                    self.after_stream()
                } else if first {
                    Sleep { slots, longest: UNFENCED, fenced: false }
                } else {
                    let longest = nap;
                    nap = (nap * 8).min(LONGEST_NAP);
                    Sleep { slots, longest, fenced: true }
                };
                first = false;
                if self.sleep(&sleep, end) {
                    return Ok(Woken::Woken);
                }
                let after = Instant::now();
                self.brief = after.duration_since(now) < UNFENCED;
                slept = (!(ran_dry && shared)).then_some(after);
            }
            ready = self.sync();
            if let Some(after) = slept {
                self.naps.after_sleep(ready, after);
            }
            if ready >= slots {
                return Ok(Woken::Frames);
            }
        }
    }

    /// Sleeps for as long, without asking to be woken for frames. True after a signal.
    fn nap(&mut self, length: Duration) -> bool {
        self.note_thread();
        let sleep = &self.member.page.sleep;
        // ORDER: Relaxed; a hint to senders that wait for room.
        sleep.napping.store(1, Ordering::Relaxed);
        // ORDER: Acquire pairs with the Release of who wakes a reader for other reasons than frames.
        let bell = sleep.bell.load(Ordering::Acquire);
        // ORDER: Relaxed; `take_wake` reads it again with Acquire.
        let slept =
            (!self.member.woken.load(Ordering::Relaxed)).then(|| sys::futex_wait(&sleep.bell, bell, Some(length)));
        slept.is_some_and(|r| r.is_err_and(|e| e.kind() == ErrorKind::Interrupted))
    }

    /// Notes who reads, for senders that find no progress for long.
    #[cold]
    fn note_thread(&self) {
        // ORDER: Relaxed; a hint.
        self.member.page.sleep.thread.store(sys::thread_id(), Ordering::Relaxed);
    }

    fn take_wake(&self) -> bool {
        // ORDER: Acquire pairs with the Release in `wake`.
        self.member.woken.load(Ordering::Acquire) && self.member.woken.swap(false, Ordering::Acquire)
    }

    /// Looks until something comes or the time is over. True when something came.
    fn spin(&self, until: Instant) -> bool {
        loop {
            for _ in 0..16 {
                std::hint::spin_loop();
                // ORDER: Relaxed; `sync` reads it again with Acquire.
                if self.member.page.fill.peek() != self.found {
                    return true;
                }
            }
            // ORDER: Relaxed; `take_wake` reads it again.
            if self.member.woken.load(Ordering::Relaxed) {
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
        }
    }

    /// How to sleep when a stream stopped: its sender has lost the processor, or waits for one, and goes on later. To be woken for
    /// its first frames would cost both more than they do; and who shares the sender's processor takes it away when it is woken.
    fn after_stream(&self) -> Sleep {
        Sleep { slots: self.ring.likely_room() / 4 * 3, longest: UNFENCED, fenced: false }
    }

    /// Sleeps until as many slots are filled, a wake, a signal, the end, or for its longest. True after a signal.
    fn sleep(&mut self, how: &Sleep, end: Option<Instant>) -> bool {
        self.note_thread();
        let (member, found) = (&self.member, self.found);
        let page = &member.page;
        self.armings = self.armings.wrapping_add(1);
        let word = bell::armed_word(how.slots, self.armings, false);
        let fences = how.fenced.then(|| member.fences());
        // ORDER: Relaxed, both; `sync` and `take_wake` read them again with Acquire.
        let look = || page.fill.peek() != found || member.woken.load(Ordering::Relaxed);
        let slept = bell::sleep_unless(page, word, fences, look, |bell| {
            let left = end.map_or(how.longest, |e| e.saturating_duration_since(Instant::now()).min(how.longest));
            sys::futex_wait(&page.sleep.bell, bell, Some(left))
        });
        slept.is_some_and(|r| r.is_err_and(|e| e.kind() == ErrorKind::Interrupted))
    }
}

/// How a reader looks that has found so many frames one at a time. Where moments have no times without the system's clock, what lies
/// beside its tail can't be taken there: nobody is to put it there.
fn glancing(lone: u32, moments_have_times: bool) -> u32 {
    if lone >= LONE && moments_have_times { GLANCING } else { 0 }
}

impl PortRx for Rx {
    fn ring(&mut self) -> &mut RxRing {
        &mut self.ring
    }

    #[inline]
    fn rxsync(&mut self) -> Result<u32, PortError> {
        Ok(self.sync())
    }

    #[inline]
    fn glance(&mut self) -> Result<Glance, PortError> {
        // Before the look, so that it is read while the line with the tail travels. It also is the pause between two looks: each takes
        // the line away from who is about to write it.
        let now = Clock::moment();
        let found = self.member.page.fill.look();
        if self.ring.head() == self.published {
            if found == self.found {
                self.looked = now;
                return Ok(Glance::Nothing);
            }
            if let Some(frame) = self.take_beside(found, now) {
                return Ok(Glance::Frame(frame));
            }
        }
        let ready = self.sync();
        if ready == 0 {
            self.looked = now;
            return Ok(Glance::Nothing);
        }
        self.note_found(ready);
        Ok(self.ring.next_whole().map_or(Glance::More, Glance::Frame))
    }

    fn wait(&mut self, slots: u32, timeout: Option<Duration>) -> Result<Woken, PortError> {
        self.note_found(0);
        let slots = slots.min(self.ring.least_room().saturating_sub(self.ring.held())).max(1);
        // Frames that are there already: senders are faster than we, and need no looking after.
        if self.pace.is_idle() && self.sync() >= slots {
            self.pace.after_look(self.ring.ready());
            return Ok(Woken::Frames);
        }
        self.set_watching(slots == 1);
        let woken = self.watch(slots, timeout);
        self.set_watching(false);
        woken
    }

    fn selectable_fd(&mut self) -> Result<RawFd, PortError> {
        if self.fifo.is_none() {
            let m = &self.member;
            let made = m.switch.make_fifo(m.index);
            let fifo = made.map_err(|source| PortError::Io { what: format!("{}: doorbell", m.name()), source })?;
            self.fifo = Some(fifo);
            self.settle_fd();
        }
        Ok(self.fifo.as_ref().map_or(-1, AsRawFd::as_raw_fd))
    }

    fn settle_fd(&mut self) {
        let Some(fd) = self.fifo.as_ref().map(AsRawFd::as_raw_fd) else { return };
        self.note_thread();
        let member = Arc::clone(&self.member);
        let mut armings = self.armings;
        bell::settle(&member.page, &mut armings, member.fences(), &Descriptor(fd), || self.sync() == 0);
        self.armings = armings;
    }
}

/// The FIFO that a program selects on.
struct Descriptor(RawFd);

impl bell::Fifo for Descriptor {
    fn is_readable(&self) -> bool {
        sys::fifo_is_readable(self.0)
    }
    fn drain(&self) {
        sys::drain_fifo(self.0);
    }
    fn ring(&self) {
        sys::ring_fifo(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_shown_beside_their_tails_only_where_they_can_be_taken_there() {
        assert_eq!([LONE - 1, LONE].map(|lone| glancing(lone, true)), [0, GLANCING]);
        assert_eq!([LONE - 1, LONE].map(|lone| glancing(lone, false)), [0, 0]);
    }
}
