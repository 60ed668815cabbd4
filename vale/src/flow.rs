//! What a sender does when a receiver is full.
//!
//! | receiver | sender |
//! |---|---|
//! | makes progress | waits: spins shortly, longer where that sufficed the last time, then sleeps until a quarter of the ring is free |
//! | runs on the sender's own processor | makes way at once ([`crate::turns`]); if that does not help, sleeps until most of the ring is free |
//! | none for the flow-control time | marks it stalled, drops and counts |
//! | none, but waits for a processor itself | does not count that time ([`crate::starved`]), for ten seconds in all |
//! | none, but waits for room itself, where it sends on | does not count that time: the last one waited for is given up on |
//! | moves, but makes no more room for a second | marks it stalled, drops and counts |
//! | stalled, and still at the same frame | drops and counts at once |
//! | moves again | waits as before |
//!
//! A non-blocking sender, or one on a switch set to `drop`, never waits.

use crate::peer::{Peer, Sender};
use crate::starved::Waiting;
use nm_core::ring::peer::PeerRing;
use nm_core::sync::{AtomicU32, Ordering};
use nm_core::sys;
use std::time::{Duration, Instant};

/// Longer than this costs more than the sleep would, unless the last wait was over after [`SHORT_WAIT`].
const SPIN: Duration = Duration::from_micros(30);
/// To wake who waits for so short costs the receiver more than the wait costs the sender: a `bridge` on its receiver's processor is away
/// for 30 to 80 us at a time, and to wake its sender on the other one, which idles, takes a tenth of its own time.
const SHORT_WAIT: Duration = Duration::from_micros(100);
/// The longest sleep without a look.
const NAP: Duration = Duration::from_millis(1);
/// The first one, which is not fenced: should the reader just have missed that somebody waits, it is over soon.
const FIRST_NAP: Duration = Duration::from_micros(250);

/// A sender's nap while the receiver naps.
const SHORT_NAP: Duration = Duration::from_micros(50);

/// A receiver that moves all the time and for so long makes no more room than it had is not one: it lies, or all room goes to others.
const LONGEST: Duration = Duration::from_secs(1);
/// However long it waits for a processor: which thread it is may be a lie.
const LONGEST_OF_ALL: Duration = Duration::from_secs(10);

/// What waiting came to.
pub enum Room {
    /// There is room for the frame, or there was when we looked.
    Maybe,
    /// None, and nobody was to wait.
    Full,
    /// None, and the receiver does not move.
    Stalled,
}

/// While it lives, senders to the port whose frames are sent on know that they wait for the same.
struct HeldUp<'a>(Option<&'a AtomicU32>);

impl<'a> HeldUp<'a> {
    fn begin(sender: Sender<'a>) -> HeldUp<'a> {
        let word = sender.behind.map(|page| &page.sleep.held_up);
        // ORDER: Relaxed; a hint.
        word.inspect(|word| word.store(1, Ordering::Relaxed));
        HeldUp(word)
    }
}

impl Drop for HeldUp<'_> {
    fn drop(&mut self) {
        // ORDER: Relaxed; a hint.
        self.0.inspect(|word| word.store(0, Ordering::Relaxed));
    }
}

/// Waits for `need` free slots in a receiver's ring. The lock is not held.
pub fn wait(sender: Sender<'_>, peer: &Peer, ring: &PeerRing, need: u32) -> Room {
    let flow_ms = sender.member.flow_ms();
    if sender.nonblocking || flow_ms == 0 {
        return Room::Full;
    }
    let started = Instant::now();
    let room = wait_since(started, Duration::from_millis(u64::from(flow_ms)), sender, peer, ring, need);
    if let Room::Maybe = room {
        // ORDER: Relaxed; a sender's own note.
        peer.waits_shortly.store(started.elapsed() < SHORT_WAIT, Ordering::Relaxed);
    }
    room
}

/// As [`wait`], with so much patience.
fn wait_since(
    started: Instant,
    patience: Duration,
    sender: Sender<'_>,
    peer: &Peer,
    ring: &PeerRing,
    need: u32,
) -> Room {
    let page = &peer.page;
    let mut head = page.drain.look();
    // ORDER: Relaxed; a hint among senders.
    let stalled = page.space.stalled.load(Ordering::Relaxed);
    if stalled == head.wrapping_add(1) {
        return Room::Stalled;
    }
    if stalled != 0 {
        page.space.stalled.store(0, Ordering::Relaxed);
    }
    // A long frame needs more than that, a short one a single slot.
    let reserve = if need > ring.reserve() { ring.reserve() } else { 0 };
    let usable = ring.num_slots() - reserve;
    let want = need.max(reserve + usable / 4);
    // Each time that one makes way for the other costs both a switch of processes.
    let most = need.max(reserve + usable / 8 * 7);
    let space = |head: u32| {
        // ORDER: Relaxed; a look from outside the lock.
        ring.space(page.fill.peek().tail(), head).unwrap_or(0)
    };
    // ORDER: Relaxed; a sender's own note.
    let spin = if peer.waits_shortly.load(Ordering::Relaxed) { SHORT_WAIT } else { SPIN };
    let mut progress = started;
    let mut roomiest = (space(head), started);
    let mut first = true;
    let mut yields = peer.turns.begin();
    let mut waiting = Waiting::new(peer.reader());
    let _held_up = HeldUp::begin(sender);
    loop {
        // The time first: whoever loses its processor between the two must not take an old look for a late one.
        let now = Instant::now();
        let seen = page.drain.look();
        // ORDER: Relaxed; a hint.
        if seen != head || page.sleep.held_up.load(Ordering::Relaxed) != 0 {
            (head, progress) = (seen, now);
            waiting.forget();
        }
        // All that is wanted; or, from a receiver that has been slow for a while, as much as is needed.
        let slow = now.duration_since(started) > 8 * NAP;
        let room = space(head);
        if room >= if slow { need } else { want } {
            return Room::Maybe;
        }
        if room > roomiest.0 {
            roomiest = (room, now);
        }
        // What the reader waits for a processor does not count. That is looked at from half of the patience on; what was before, a
        // runnable one may have waited, and a sender that slept longer, waiting for one itself, has not seen what it missed.
        let still = now.duration_since(progress);
        if still >= patience / 2
            && let Some(runnable) = waiting.begin(now)
        {
            progress = if runnable { now } else { now.checked_sub(patience / 2).unwrap_or(progress) };
        }
        let over = still >= patience
            && waiting.since_last_look(now, patience / 4).is_some_and(|waited| {
                progress += waited;
                roomiest.1 += waited;
                now.duration_since(progress) >= patience
            });
        let in_vain = now.duration_since(roomiest.1) >= LONGEST || now.duration_since(started) >= LONGEST_OF_ALL;
        if over || in_vain {
            // Asking what it waited for took its time.
            let seen = page.drain.look();
            if space(seen) >= need {
                return Room::Maybe;
            }
            if seen != head && !in_vain {
                continue;
            }
            // ORDER: Relaxed; a hint among senders.
            page.space.stalled.store(seen.wrapping_add(1), Ordering::Relaxed);
            // A reader that goes on forgets it: a turn of the ring later it stands at the same slot.
            // ORDER: Release pairs with the Acquire of `make_known`.
            page.space.want.store(need, Ordering::Release);
            if peer.is_dead(sender.member) {
                sender.member.reap();
            }
            return Room::Stalled;
        }
        // ORDER: Relaxed; a hint.
        if page.sleep.napping.load(Ordering::Relaxed) != 0 {
            nm_core::sys::nap(SHORT_NAP);
            continue;
        }
        let shared = page.drain.processor.is_here();
        if !shared && now.duration_since(started) < spin {
            for _ in 0..20 {
                std::hint::spin_loop();
            }
            continue;
        }
        if shared && peer.turns.make_way(&mut yields, now) {
            continue;
        }
        // ORDER: Acquire pairs with the reader's Release of the bell.
        let bell = page.space.bell.load(Ordering::Acquire);
        // ORDER: Relaxed; ordered before the next look by the heavy fence, partner: the reader's light one (but for the first time).
        page.space.want.store(if shared { most } else { want }, Ordering::Relaxed);
        let first = std::mem::take(&mut first);
        if !first {
            sender.fences.heavy();
        }
        if page.drain.look() == head {
            let _ = sys::futex_wait(&page.space.bell, bell, Some(if first { FIRST_NAP } else { NAP }));
        }
    }
}
