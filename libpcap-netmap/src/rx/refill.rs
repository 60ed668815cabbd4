//! Getting frames from the ring into the window: looking, waiting, batching.
//!
//! A *round* is one call's budget: what its first look showed. Without immediate mode a first frame waits for others,
//! up to the read timeout, unless so many came at once that they stream.

use super::{Mark, Rx};
use crate::abi::*;
use crate::cancel;
use crate::handle::{Active, BREAK, Live};
use libc::c_int;
use nm_core::{Glance, PortError, RxRing, Woken};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Frames taken from the ring at once.
pub(super) const WINDOW: usize = 32;
/// Slots that the reader holds before it gives them back, when it could still read on.
pub(super) const HOLD: u32 = 256;
/// How long a batch may grow when no read timeout was set: about libpcap's own on Linux.
const BATCH: Duration = Duration::from_millis(8);
/// A batch that is worth waking for.
pub(super) const BATCH_SLOTS: u32 = 256;
/// Frames found at once that tell of a stream too fast to sleep in between.
const STREAM_SLOTS: u32 = 16;

/// One call's view of what it may still take.
pub(super) struct Round {
    /// Slots that its first look showed and that are not taken yet; `None` before the first look.
    pub(super) budget: Option<u32>,
    /// `pcap_loop`: wait for ever, look again.
    pub(super) looping: bool,
    pub(super) nested: bool,
    deadline: Option<Instant>,
    /// It came out of its guard just now, and may wait.
    paused: bool,
}

impl Round {
    pub(super) fn new(looping: bool, nested: bool) -> Round {
        Round { budget: None, looping, nested, deadline: None, paused: false }
    }

    /// Whether this call begins with frames that an earlier one left in the window.
    #[inline(always)]
    pub(super) fn begins_with_rest(&mut self, live: &Live, rx: &mut Rx) -> bool {
        // ORDER: Relaxed, as in `take_break`.
        if self.budget.is_some() || rx.next >= rx.end || live.attention.load(Ordering::Relaxed) != 0 {
            return false;
        }
        self.budget = Some(rx.port.ring().ready());
        true
    }
}

/// What [`refill`] found.
pub(super) enum Refill {
    /// The window has frames.
    Frames,
    /// The time is over, or the bufferful is done.
    Over,
    /// Nothing is there, and the caller may be cancelled before it calls again.
    Paused,
}

/// Tells the port how many frames the filter refused.
pub(super) fn flush_rejected(active: &Active) {
    // ORDER: Relaxed: a counter; only the reader writes it.
    let refused = active.unflushed.load(Ordering::Relaxed);
    if refused != 0 {
        active.control.count_rejected(refused);
        active.unflushed.store(0, Ordering::Relaxed);
    }
}

/// Fills the window; waits as the handle's mode and timeout say.
///
/// # Errors
/// The number for C, its text set.
pub(super) fn refill(live: &Live, active: &Active, round: &mut Round, delivered: bool) -> Result<Refill, c_int> {
    // SAFETY: one thread at a time reads a handle (pcap's rule), and no callback runs inside this function.
    let rx = unsafe { &mut *active.rx.get() };
    // ORDER: Relaxed: modes that their setter's own thread or none at all must see at once.
    let nonblocking = active.nonblocking.load(Ordering::Relaxed) && !round.looping;
    // Whoever selects must find the descriptor readable while frames wait: then none may wait in the window.
    let window = if active.fd_asked.load(Ordering::Relaxed) { 1 } else { WINDOW };
    flush_rejected(active);
    loop {
        if take_break(&live.attention) {
            return Err(PCAP_ERROR_BREAK);
        }
        if rx.next < rx.end {
            round.budget.get_or_insert_with(|| rx.port.ring().ready());
            return Ok(Refill::Frames);
        }
        if round.budget == Some(0) {
            // Frames that the filter refuses go on for ever, a call does not.
            if !round.looping && (delivered || nonblocking || remaining(active, round).is_none()) {
                return Ok(Refill::Over);
            }
            round.budget = None;
        }
        let ring = rx.port.ring();
        if ring.ready() == 0 || ring.held() >= rx.hold {
            if !round.nested || give_back_when_full(ring, &mut rx.outer) {
                round.nested = false;
                ring.release();
            }
            if ring.ready() == 0 && round.budget.is_none() && !nonblocking {
                match wait(rx, active, round).map_err(|e| live.fail_port(&e))? {
                    Some(end) => return Ok(end),
                    None => continue,
                }
            }
            if rx.port.rxsync().map_err(|e| live.fail_port(&e))? == 0 {
                if round.budget.is_none() {
                    return Ok(Refill::Over);
                }
                round.budget = Some(0);
                continue;
            }
        }
        pull(rx, round, window);
    }
}

/// The look of a program that spins, which mostly finds nothing, or one frame that somebody waits for an answer to: without a
/// round, the way from the tail to the callback is 330 instructions instead of 585. [`Glance::More`] is what [`refill`] is for.
///
/// # Errors
/// As [`refill`].
#[inline(always)]
pub(super) fn glance(live: &Live, active: &Active) -> Result<Glance, c_int> {
    // SAFETY: as in `refill`.
    let rx = unsafe { &mut *active.rx.get() };
    // ORDER: Relaxed, all of these, as in `refill` and `run`.
    let plain = active.nonblocking.load(Ordering::Relaxed)
        && !active.fd_asked.load(Ordering::Relaxed)
        && active.unflushed.load(Ordering::Relaxed) == 0
        && live.attention.load(Ordering::Relaxed) == 0;
    if !plain || rx.next < rx.end || rx.outer.is_some() {
        return Ok(Glance::More);
    }
    let ring = rx.port.ring();
    if ring.ready() > 0 {
        return Ok(Glance::More);
    }
    ring.release();
    rx.port.glance().map_err(|e| live.fail_port(&e))
}

/// Takes frames from the ring into the empty window, within the round's budget.
fn pull(rx: &mut Rx, round: &mut Round, window: usize) {
    let ring = rx.port.ring();
    let mut ready = ring.ready();
    let left = ready - round.budget.unwrap_or(ready).min(ready);
    (rx.next, rx.end) = (0, 0);
    while rx.end < window && ready > left {
        let Some(frame) = ring.next_frame() else { break };
        rx.window[rx.end] = frame;
        rx.end += 1;
        let slots = ready - ring.ready();
        ready -= slots;
        if slots > 1 {
            // SAFETY: the frame's bytes are valid until the ring's next frame is taken.
            let bytes = unsafe { std::slice::from_raw_parts(frame.data, frame.len as usize) };
            rx.window[rx.end - 1].data = rx.chain.copy(bytes, round.nested);
            break;
        }
    }
    round.budget = Some(ring.ready().saturating_sub(left));
}

/// Waits for frames, then for a batch of them. What the caller returns with, where it should not look again.
fn wait(rx: &mut Rx, active: &Active, round: &mut Round) -> Result<Option<Refill>, PortError> {
    let Some(timeout) = remaining(active, round) else { return Ok(Some(Refill::Over)) };
    let cancellable = cancel::is_possible();
    if cancellable {
        round.paused = !round.paused;
        if round.paused {
            return Ok(Some(Refill::Paused));
        }
    }
    let slice = cancellable && timeout.is_none_or(|timeout| timeout > cancel::SLICE);
    match rx.port.wait(1, if slice { Some(cancel::SLICE) } else { timeout })? {
        Woken::TimedOut if slice => return Ok(Some(Refill::Paused)),
        // Who was woken looks whether it was for a break, and whose time is over finds none remaining.
        Woken::TimedOut | Woken::Woken => return Ok(None),
        Woken::Frames => {}
    }
    if !active.immediate && !rx.port.gathers() && rx.port.ring().ready() < rx.batch_slots.min(STREAM_SLOTS) {
        rx.port.wait(rx.batch_slots, Some(batch_time(active.timeout_ms)))?;
    }
    Ok(None)
}

/// Whether a nested read has no way on but to give back what the callbacks around it look at: the ring is held to
/// the last slot.
fn give_back_when_full(ring: &RxRing, outer: &mut Option<Mark>) -> bool {
    let full = ring.ready() == 0 && ring.held() + 1 >= ring.num_slots();
    if full {
        *outer = None;
    }
    full
}

/// How long this call may still sleep: `Some(None)` for ever, `None` not at all.
fn remaining(active: &Active, round: &mut Round) -> Option<Option<Duration>> {
    let timeout = read_timeout(active.timeout_ms);
    if round.looping || timeout.is_zero() {
        return Some(None);
    }
    let now = Instant::now();
    let deadline = *round.deadline.get_or_insert_with(|| now + timeout);
    if deadline <= now { None } else { Some(Some(deadline - now)) }
}

/// The read timeout; zero: none. A negative one meant non-blocking mode; its complement is what libpcap goes
/// on with when the handle is made to block.
fn read_timeout(timeout_ms: c_int) -> Duration {
    let ms = if timeout_ms < 0 { !timeout_ms } else { timeout_ms };
    Duration::from_millis(ms as u64)
}

/// How long a frame waits for others without immediate mode.
pub(crate) fn batch_time(timeout_ms: c_int) -> Duration {
    let timeout = read_timeout(timeout_ms);
    if timeout.is_zero() { BATCH } else { timeout }
}

/// Whether `pcap_breakloop` was called; forgets it.
pub(super) fn take_break(attention: &AtomicU32) -> bool {
    // ORDER: Relaxed: a flag that carries nothing with it.
    attention.load(Ordering::Relaxed) & BREAK != 0 && attention.fetch_and(!BREAK, Ordering::Relaxed) & BREAK != 0
}
