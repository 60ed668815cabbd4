//! Who kicks for a program that sends one frame a call: the caller, or, while frames stream, the caller for 32 at once and a
//! *kicker* for those that are left when it pauses.
//!
//! ```text
//!   caller   publishes a frame --> asleep: kicks            awake: leaves it, or, 32 having come together, kicks
//!   kicker   asleep <----------------------- nothing came for 200 us, or little for a millisecond
//!            awake  --> looks all the time: frames that nobody kicked, none new for 10 us or the oldest 50 us old: kicks
//! ```
//! In copy mode nothing sends but a system call, which costs as much as what it does for one frame. A caller that leaves a frame
//! to the next call can't know whether there is one; so somebody else has to look. Sleeping between looks is no way: a tick
//! of 60 to 100 us cost 25 to 33 us of a virtual machine's processor, and came up to 200 us late. So the kicker spins, which
//! wants a processor of its own, and is there only while frames stream: it is called after [`STREAK`] of them that came on
//! average less than 8 us apart. It leaves full batches to the caller: two who kick wait for each other in the kernel.
//!
//! **When the processors are busy** it gets one only in turns with the caller, finds that nothing comes meanwhile, goes to sleep, and is called
//! again: with one other program at work on two processors that took a fifth of libpcap's rate away. After [`VAIN`] calls in a row that
//! came to fewer than [`WORTH`] batches each there is therefore a rest, twice as long after each further one, in which the caller kicks for
//! each frame. The first call alone tells nothing: a new thread often begins on its maker's processor.
//!
//! | word | holds | written by |
//! |---|---|---|
//! | `STATE` | whether the kicker looks | see below |
//! | `PUBLISHED` | frames in the ring since the kicker was made, modulo 2^32 | the caller |
//! | `CLAIMED` | those that the caller has kicked, or is about to | the caller |
//! | `SERVED` | those that the kicker has kicked | the kicker |
//! | `BEAT` | changes as long as the kicker runs | the kicker |
//! | `ERROR`, `DROPPED` | what went wrong in its kicks, for the next call | the kicker, emptied by the caller |
//! | `HERE`, `STOP` | the thread is of this process; it shall end | the caller |
//!
//! | from | to | by |
//! |---|---|---|
//! | `GONE` | `CALLED` | the caller, before it starts a thread |
//! | `ASLEEP` | `CALLED` | the caller, who wakes it |
//! | `CALLED` | `AWAKE` | the kicker |
//! | `AWAKE` | `ASLEEP` | the kicker, who then looks once more |
//! | `ASLEEP` | `GONE` | the kicker, called by nobody for a second |
//! | any | `GONE` | fork, in the child: its memory of the words is wiped |
//!
//! The caller publishes, then looks at `STATE`; the kicker goes to sleep, then looks at what was published: one of them sees the
//! other, so a frame is never left to nobody. The caller's fence is free, the kicker's is membarrier(2) ([`Fences`]).

use crate::sys::helper::{self, Forgotten, allowed_cpus};
use crate::sys::xdp::XdpSocket;
use nm_core::sync::{AtomicU32, Fences, Ordering};
use nm_core::sys::{futex_wait, futex_wake, membarrier_register};
use std::io;
use std::mem::ManuallyDrop;
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Frames that share the caller's kick: as many as the kernel takes in a call. It can be told to take more (`XDP_MAX_TX_SKB_BUDGET`), which
/// pays for nothing: a socket without this thread sent at the same rate with 16, 32, 64, 128 and 256 (31 turns each, veth), and whether buffers are
/// used again at once or in turns, and how long the rings are, made no difference either. Nearly half of a frame's time is the softirq in which
/// veth's other end takes it, one for each frame, whoever asks for how many.
const BATCH: u32 = 32;
/// A stream: so many frames in that time.
const STREAK: u32 = 256;
const STREAK_TIME: Duration = Duration::from_micros(8 * STREAK as u64);
/// The sender pauses: nothing came for so long.
const PAUSE: Duration = Duration::from_micros(10);
/// No frame waits longer, whether others come or not.
const OLDEST: Duration = Duration::from_micros(50);
/// The stream is over: nothing came for so long, or in a millisecond fewer than so many.
const OVER: Duration = Duration::from_micros(200);
const WINDOW: Duration = Duration::from_millis(1);
const LEAN: u32 = 100;
/// How long a thread sleeps that nobody calls.
const DISMISSED: Duration = Duration::from_secs(1);
/// A call of the kicker was worth it: so many batches came together until the next one.
const WORTH: u32 = 8;
/// The caller does without after so many in a row that were not: at first for so long, and at most.
const VAIN: i32 = 4;
const REST: Duration = Duration::from_millis(50);
const LONGEST_REST: Duration = Duration::from_millis(800);
/// Kicks one after the other, before others' looks at the words go first.
const TRIES: u32 = 1000;

// Words, each party's in lines of their own.
const STATE: usize = 0;
const PUBLISHED: usize = 32;
const CLAIMED: usize = 33;
const HERE: usize = 34;
const STOP: usize = 35;
const SERVED: usize = 64;
const BEAT: usize = 65;
const ERROR: usize = 66;
const DROPPED: usize = 67;
/// How many words there are at least.
pub const WORDS: usize = 68;

const GONE: u32 = 0;
const CALLED: u32 = 1;
const AWAKE: u32 = 2;
const ASLEEP: u32 = 3;

/// The words, wherever they lie.
pub struct Shared<W> {
    words: W,
    fences: Fences,
}

impl<W: std::ops::Deref<Target = [AtomicU32]>> Shared<W> {
    /// Over [`WORDS`] words, all 0. With `asymmetric`, this process is registered for membarriers.
    pub fn new(words: W, asymmetric: bool) -> Shared<W> {
        Shared { words, fences: Fences::new(asymmetric) }
    }

    #[inline(always)]
    fn get(&self, word: usize) -> u32 {
        // ORDER: Acquire: what its writer did before is done.
        self.words[word].load(Ordering::Acquire)
    }

    #[inline(always)]
    fn set(&self, word: usize, value: u32) {
        // ORDER: Release: what was done before is seen with it.
        self.words[word].store(value, Ordering::Release);
    }

    /// The caller has published frame number `published`: whether an awake kicker sees to it.
    #[inline(always)]
    pub fn published(&self, published: u32) -> bool {
        self.set(PUBLISHED, published);
        // ORDER: store-load: the frame before the state; the kicker in `sleep` the other way round.
        self.fences.light();
        self.get(STATE) == AWAKE
    }

    /// The caller kicks for all up to `published`.
    #[inline(always)]
    pub fn claim(&self, published: u32) {
        self.set(CLAIMED, published);
    }

    /// Calls a kicker that sleeps. False when there is none.
    pub fn call(&self) -> bool {
        // ORDER: AcqRel; the kicker's own change from ASLEEP, to GONE, or ours comes first, not both.
        match self.words[STATE].compare_exchange(ASLEEP, CALLED, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                futex_wake(&self.words[STATE], 1);
                true
            }
            Err(state) => state != GONE,
        }
    }

    /// The kicker looks from now on.
    pub fn wake(&self) {
        self.set(STATE, AWAKE);
    }

    /// What nobody has kicked for yet: up to which number.
    pub fn waiting(&self) -> Option<u32> {
        // The caller's claim first: one that is older than the frames makes the kicker kick in vain, never the other way.
        let claimed = self.get(CLAIMED);
        let published = self.get(PUBLISHED);
        (published != claimed && published != self.get(SERVED)).then_some(published)
    }

    /// The kicker has kicked for what [`Shared::waiting`] told.
    pub fn served(&self, published: u32) {
        self.set(SERVED, published);
    }

    /// The kicker looks no more: what is left for it to do.
    pub fn sleep(&self) -> Option<u32> {
        self.set(STATE, ASLEEP);
        // ORDER: store-load: the state before the frames; the caller in `published` the other way round.
        self.fences.heavy();
        self.waiting()
    }

    /// Sleeps until somebody calls. False when the thread shall end.
    pub fn called(&self) -> bool {
        while self.get(STATE) == ASLEEP {
            if futex_wait(&self.words[STATE], ASLEEP, Some(DISMISSED))
                .is_err_and(|e| e.kind() == io::ErrorKind::TimedOut)
            {
                // ORDER: AcqRel, as in `call`.
                let gone = self.words[STATE].compare_exchange(ASLEEP, GONE, Ordering::AcqRel, Ordering::Acquire);
                return gone.is_err();
            }
        }
        true
    }
}

/// What a kicker's thread and its caller have in common.
struct Hired {
    shared: Shared<Forgotten>,
    socket: Arc<XdpSocket>,
}

/// Kickers of this process, for its end.
static ALL: Mutex<Vec<Weak<Hired>>> = Mutex::new(Vec::new());

/// The process ends, and threads with it: kicks for what they would have.
pub fn flush_all() {
    // Somebody who hires or dismisses meanwhile has the lock, maybe for ever: in a child of fork.
    let Ok(all) = ALL.try_lock() else { return };
    for hired in all.iter().filter_map(Weak::upgrade) {
        hired.flush();
    }
}

impl Hired {
    /// Kicks until nothing is left. False when something is, and does not move.
    fn flush(&self) -> bool {
        let Some(published) = self.shared.waiting() else { return true };
        for _ in 0..TRIES {
            match self.socket.kick().map_err(|e| e.raw_os_error()) {
                Ok(()) => {
                    self.shared.served(published);
                    return true;
                }
                Err(Some(libc::EBUSY)) => {
                    // ORDER: Relaxed; a counter, which the caller empties.
                    self.shared.words[DROPPED].fetch_add(1, Ordering::Relaxed);
                }
                Err(Some(libc::EAGAIN | libc::ENOBUFS | libc::EINTR)) => std::hint::spin_loop(),
                Err(error) => {
                    self.shared.set(ERROR, error.unwrap_or(libc::EIO) as u32);
                    self.shared.served(published);
                    return true;
                }
            }
        }
        false
    }

    /// The thread.
    fn work(&self) {
        loop {
            self.shared.wake();
            self.look();
            let left = self.shared.sleep().is_some() && !self.flush();
            if self.shared.get(STOP) != 0 || (!left && !self.shared.called()) {
                return;
            }
        }
    }

    /// Looks while frames stream.
    fn look(&self) {
        let shared = &self.shared;
        let (mut seen, mut claimed) = (shared.get(PUBLISHED), shared.get(CLAIMED));
        let (mut moved, mut oldest, mut beat) = (Instant::now(), Instant::now(), shared.get(BEAT));
        let mut window = (moved, seen);
        while shared.get(STOP) == 0 {
            beat = beat.wrapping_add(1);
            shared.set(BEAT, beat);
            let (now, waiting) = (Instant::now(), shared.waiting());
            let (published, claim) = (shared.get(PUBLISHED), shared.get(CLAIMED));
            if published != seen {
                (seen, moved) = (published, now);
            }
            if waiting.is_none() || claim != claimed {
                (claimed, oldest) = (claim, now);
            }
            if waiting.is_some() && (now - moved > PAUSE || now - oldest > OLDEST) {
                self.flush();
                oldest = Instant::now();
                if shared.get(ERROR) | shared.get(DROPPED) != 0 {
                    // The caller looks for errors when nobody is awake.
                    return;
                }
            }
            if now - moved > OVER {
                return;
            }
            if now - window.0 > WINDOW {
                if published.wrapping_sub(window.1) < LEAN {
                    return;
                }
                window = (now, published);
            }
            for _ in 0..64 {
                std::hint::spin_loop();
            }
        }
    }
}

/// The caller's side.
pub struct Kicker {
    socket: Arc<XdpSocket>,
    hired: Option<(Arc<Hired>, ManuallyDrop<JoinHandle<()>>)>,
    /// Frames published since, and since the last kick.
    published: u32,
    unkicked: u32,
    /// The kicker's beat at the last look.
    beat: u32,
    /// Frames that the caller kicked one by one, and when the first of them came.
    streak: u32,
    began: Option<Instant>,
    /// Batches that came together since the kicker was called.
    batches: u32,
    rest: Rest,
    /// A kicker can't be had.
    refused: bool,
}

/// Whether a kicker that is wanted is called.
#[derive(Clone, Copy, Debug)]
struct Rest {
    /// Calls in a row that were not worth it.
    vain: i32,
    /// Not before then, and how long that was.
    until: Option<Instant>,
    time: Duration,
}

impl Default for Rest {
    fn default() -> Rest {
        // Before the first call nothing could come together.
        Rest { vain: -1, until: None, time: Duration::ZERO }
    }
}

impl Rest {
    /// One is wanted; `batches` have come together since the last call.
    fn is_over(&mut self, now: Instant, batches: u32) -> bool {
        if let Some(until) = self.until {
            if now < until {
                return false;
            }
            self.until = None;
        } else {
            self.vain = if batches >= WORTH { 0 } else { self.vain + 1 };
            if self.vain >= VAIN {
                self.vain = VAIN;
                self.time = (self.time * 2).clamp(REST, LONGEST_REST);
                self.until = Some(now + self.time);
                return false;
            }
            self.time = Duration::ZERO;
        }
        true
    }
}

/// What went wrong in kicks that nobody waited for.
pub enum Trouble {
    /// So many frames were dropped.
    Dropped(u32),
    /// The kernel refused.
    Refused(io::Error),
}

impl Kicker {
    /// For a socket whose kernel copies; `useful` is false for others.
    pub fn new(socket: Arc<XdpSocket>, useful: bool) -> Kicker {
        let (published, unkicked, beat, streak) = (0, 0, 0, 0);
        let (batches, rest) = (0, Rest::default());
        Kicker { socket, hired: None, published, unkicked, beat, streak, began: None, batches, rest, refused: !useful }
    }

    /// Before a frame is taken: what became of earlier ones.
    #[inline(always)]
    pub fn trouble(&self) -> Option<Trouble> {
        match &self.hired {
            Some((hired, _)) if hired.shared.get(STATE) != AWAKE => self.look_for_trouble(hired),
            _ => None,
        }
    }

    #[cold]
    fn look_for_trouble(&self, hired: &Hired) -> Option<Trouble> {
        // ORDER: Acquire, both, with the kicker's stores.
        let take = |word: usize| hired.shared.words[word].swap(0, Ordering::Acquire);
        match (hired.shared.get(ERROR), hired.shared.get(DROPPED)) {
            (0, 0) => None,
            (0, _) => Some(Trouble::Dropped(take(DROPPED))),
            _ => Some(Trouble::Refused(io::Error::from_raw_os_error(take(ERROR) as i32))),
        }
    }

    /// A frame was published: whether it is left to others, or to the next call.
    #[inline(always)]
    pub fn leave(&mut self) -> bool {
        let Some((hired, _)) = &self.hired else { return false };
        self.published = self.published.wrapping_add(1);
        if !hired.shared.published(self.published) {
            return false;
        }
        self.unkicked += 1;
        self.unkicked < BATCH || self.leave_more()
    }

    /// A batch is full, unless the kicker has kicked for some of it. One that does not run gets nothing left to it.
    #[inline(never)]
    fn leave_more(&mut self) -> bool {
        let Some((hired, _)) = &self.hired else { return false };
        let (beat, served) = (hired.shared.get(BEAT), hired.shared.get(SERVED));
        let runs = beat != self.beat;
        self.beat = beat;
        self.unkicked = self.unkicked.min(self.published.wrapping_sub(served));
        if !runs {
            self.unkicked = BATCH + 1;
        } else if self.unkicked >= BATCH {
            self.batches = self.batches.saturating_add(1);
        }
        self.unkicked < BATCH
    }

    /// The caller kicks for all frames so far.
    #[inline(always)]
    pub fn claim(&mut self) {
        if let Some((hired, _)) = &self.hired {
            hired.shared.claim(self.published);
            // Whether one runs that did not at the last look is asked for the very next frame.
            self.unkicked = if self.unkicked > BATCH { BATCH - 1 } else { 0 };
        }
    }

    /// The caller kicked for one frame alone: whether they stream is looked at.
    #[inline(always)]
    pub fn alone(&mut self) {
        self.streak += 1;
        if self.streak >= STREAK {
            self.end_of_streak();
        }
    }

    #[cold]
    fn end_of_streak(&mut self) {
        let now = Instant::now();
        let stream = self.began.replace(now).is_some_and(|began| now - began < STREAK_TIME);
        self.streak = 0;
        // One that was called comes, sooner or later.
        let comes = |(hired, _): &(Arc<Hired>, _)| matches!(hired.shared.get(STATE), CALLED | AWAKE);
        if !stream || self.refused || self.hired.as_ref().is_some_and(comes) {
            return;
        }
        if self.rest.is_over(now, std::mem::take(&mut self.batches)) {
            self.refused |= self.hire().is_err();
        }
    }

    /// Calls the kicker, or makes one.
    fn hire(&mut self) -> io::Result<()> {
        // A kicker that shares the caller's processor runs when the caller does not, and too late.
        if allowed_cpus() < 2 {
            return Ok(());
        }
        if let Some((hired, _)) = &self.hired
            && hired.shared.call()
        {
            return Ok(());
        }
        self.dismiss();
        // As many as a cgroup grants the time of, too.
        if std::thread::available_parallelism().map_or(1, |n| n.get()) < 2 {
            self.refused = true;
            return Ok(());
        }
        let shared = Shared::new(Forgotten::new()?, membarrier_register());
        shared.set(STATE, CALLED);
        shared.set(HERE, 1);
        let hired = Arc::new(Hired { shared, socket: Arc::clone(&self.socket) });
        let theirs = Arc::clone(&hired);
        let thread = helper::start("nm-kicker", move || theirs.work())?;
        // In a child, somebody who is not there may have the lock.
        if let Ok(mut all) = ALL.try_lock() {
            all.retain(|other| other.strong_count() > 0);
            all.push(Arc::downgrade(&hired));
        }
        (self.published, self.unkicked, self.beat) = (0, 0, 0);
        self.hired = Some((hired, ManuallyDrop::new(thread)));
        Ok(())
    }

    /// Ends the kicker. What it had yet to do is left.
    fn dismiss(&mut self) {
        let Some((hired, thread)) = self.hired.take() else { return };
        // In a child of fork there is no such thread, and its handle leads nowhere.
        if hired.shared.get(HERE) != 0 {
            hired.shared.set(STOP, 1);
            hired.shared.call();
            let _ = ManuallyDrop::into_inner(thread).join();
            hired.flush();
        }
    }
}

impl Drop for Kicker {
    fn drop(&mut self) {
        self.dismiss();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_called_in_vain_again_and_again_rests_longer_each_time() {
        let (mut at, ms) = (Instant::now(), Duration::from_millis);
        let mut rest = Rest::default();
        assert!(rest.is_over(at, 0), "the first call");
        for _ in 0..3 {
            assert!((1..VAIN).all(|_| rest.is_over(at, WORTH - 1)), "in vain, and not yet too often");
            for longest in [50, 100, 200, 400, 800, 800] {
                assert!(!rest.is_over(at, WORTH - 1), "in vain");
                assert!(!rest.is_over(at + ms(longest - 1), 0), "{longest}");
                at += ms(longest);
                assert!(rest.is_over(at, 0), "{longest}");
            }
            assert!(rest.is_over(at, WORTH), "worth it: all is as it was");
        }
    }
}
