//! Waking the reader of a port.
//!
//! | `armed` | written by | means |
//! |---|---|---|
//! | 0 | reader, or who rang | awake |
//! | threshold, number | reader, about to sleep | wake me for so many slots; the number differs from arming to arming |
//! | the same with [`ARMED_FD`] | reader that selects | write my FIFO |
//!
//! Who finds it armed rings first and disarms afterwards: one that dies between leaves it armed, for the next to ring
//! again. The number keeps a late disarming from undoing the reader's next arming.

use nm_core::shm::port_page::{ARMED_FD, PortPage};
use nm_core::sync::Ordering;
use nm_core::sys;

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
