//! Waking the reader of a port.
//!
//! | `armed` | written by | means |
//! |---|---|---|
//! | 0 | reader, or who rang | awake |
//! | threshold, number | reader, about to sleep | wake me for so many slots; the number differs from arming to arming |
//! | the same with [`ARMED_FD`] | reader that selects | write my FIFO |
//!
//! | who | does, in this order |
//! |---|---|
//! | sender | publishes the tail; light fence; looks at `armed`; rings; disarms |
//! | reader | reads the bell; arms; heavy fence; looks at the tail; sleeps while the bell is what it read; disarms |
//!
//! One of the two sees what the other wrote before its fence, so no frame lies unnoticed. Who sleeps shortly, on the clock, saves
//! the fence: should both have missed the other's word, which takes the same few nanoseconds, it looks again at the end.
//!
//! Who finds it armed rings first and disarms afterwards: one that dies between leaves it armed, for the next to ring
//! again. The number keeps a late disarming from undoing the reader's next arming.

use crate::shm::port_page::{ARMED_FD, PortPage};
use crate::sync::{Fences, Ordering};
use crate::sys;

const THRESHOLD: u32 = 0xffff;
const NUMBER: u32 = 0x7fff_0000;

/// What a reader writes when it arms: `slots` at most 65,535.
pub fn armed_word(slots: u32, number: u32, select: bool) -> u32 {
    slots.clamp(1, THRESHOLD) | ((number << 16) & NUMBER) | if select { ARMED_FD } else { 0 }
}

/// Rings if the reader sleeps and wants no more than `filled` slots; `write_fifo` for one that selects. The caller has
/// published its frames and passed its light fence.
#[inline(always)]
pub fn ring_if_armed(page: &PortPage, filled: u32, write_fifo: impl FnOnce()) {
    // ORDER: Relaxed; after the caller's light fence, partner: the reader's heavy one between arming and its last look.
    let armed = page.sleep.armed.load(Ordering::Relaxed);
    if armed != 0 && filled >= armed & THRESHOLD {
        ring(page, armed, write_fifo);
    }
}

#[cold]
fn ring(page: &PortPage, armed: u32, write_fifo: impl FnOnce()) {
    if armed & ARMED_FD != 0 {
        write_fifo();
    } else {
        ring_anyway(page);
    }
    // ORDER: Relaxed; only saves the next sender from ringing again.
    let _ = page.sleep.armed.compare_exchange(armed, 0, Ordering::Relaxed, Ordering::Relaxed);
}

/// Rings, whoever sleeps.
pub fn ring_anyway(page: &PortPage) {
    // ORDER: Release pairs with the reader's Acquire of the bell; the futex compares it once more.
    page.sleep.bell.fetch_add(1, Ordering::Release);
    sys::futex_wake(&page.sleep.bell, i32::MAX);
}

/// Arms with `word`, and sleeps unless `look` finds something. `sleep` gets the bell's value, and sleeps in
/// [`sys::futex_wait`] on `page.sleep.bell` while it is that. Without `fences` a bell may be missed, so that the sleep must
/// end by itself, soon. `None` when there was no need to sleep.
pub fn sleep_unless<T>(
    page: &PortPage,
    word: u32,
    fences: Option<Fences>,
    look: impl FnOnce() -> bool,
    sleep: impl FnOnce(u32) -> T,
) -> Option<T> {
    // ORDER: Acquire pairs with the Release of who rings.
    let bell = page.sleep.bell.load(Ordering::Acquire);
    // ORDER: Relaxed; ordered before the last look by the heavy fence, partner: the senders' light one.
    page.sleep.armed.store(word, Ordering::Relaxed);
    if let Some(fences) = fences {
        fences.heavy();
    }
    let slept = (!look()).then(|| sleep(bell));
    // ORDER: Relaxed; a sender that still sees it armed rings in vain. A swap comes after a sender's disarming by its
    // nature; for a store it would take a proof.
    page.sleep.armed.swap(0, Ordering::Relaxed);
    slept
}

/// The FIFO of a reader that selects.
pub trait Fifo {
    /// Whether a byte is in it.
    fn is_readable(&self) -> bool;
    /// Takes all bytes out.
    fn drain(&self);
    /// Puts a byte in; nothing happens when it is full.
    fn ring(&self);
}

/// Makes the FIFO agree with the ring, of which `is_empty` says whether no frame waits in it; it looks
/// at the tail with Acquire. `armings` counts.
pub fn settle(
    page: &PortPage,
    armings: &mut u32,
    fences: Fences,
    fifo: &impl Fifo,
    mut is_empty: impl FnMut() -> bool,
) {
    let armed = &page.sleep.armed;
    if is_empty() {
        // ORDER: Relaxed; still armed: nobody rang, the FIFO is empty. (One that rang and has not disarmed yet, or
        // died there, costs the program a look that finds nothing.)
        if armed.load(Ordering::Relaxed) == armed_word(1, *armings, true) && !fifo.is_readable() {
            return;
        }
        fifo.drain();
        *armings = armings.wrapping_add(1);
        // ORDER: Relaxed; ordered before the last look by the heavy fence, partner: the senders' light one. A swap, as in
        // `sleep_unless`.
        armed.swap(armed_word(1, *armings, true), Ordering::Relaxed);
        fences.heavy();
        if is_empty() {
            return;
        }
    }
    // Frames wait: one byte, and no bell.
    // ORDER: Relaxed; a sender that still sees it armed writes a second byte, which is drained with the first.
    if armed.swap(0, Ordering::Relaxed) != 0 || !fifo.is_readable() {
        fifo.ring();
    }
}
