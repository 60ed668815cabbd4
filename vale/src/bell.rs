//! Waking the reader of a port.

use nm_core::shm::port_page::{ARMED_FD, PortPage};
use nm_core::sync::Ordering;
use nm_core::sys;

/// Rings if the reader sleeps and wants no more than `filled` slots. At most one of several senders rings. The caller
/// has published its frames and passed its light fence. Returns true when a FIFO must be written, by the caller.
#[inline(always)]
pub fn ring_if_armed(page: &PortPage, filled: u32) -> bool {
    // ORDER: Relaxed; after the caller's light fence, partner: the reader's heavy one between arming and its last look.
    let armed = page.sleep.armed.load(Ordering::Relaxed);
    armed != 0 && filled >= (armed & !ARMED_FD) && ring(page, armed)
}

#[cold]
fn ring(page: &PortPage, armed: u32) -> bool {
    // ORDER: Relaxed; picks the one that rings, the frames were published before.
    if page.sleep.armed.compare_exchange(armed, 0, Ordering::Relaxed, Ordering::Relaxed).is_err() {
        return false;
    }
    if armed & ARMED_FD != 0 {
        return true;
    }
    ring_anyway(page);
    false
}

/// Rings, whoever sleeps.
pub fn ring_anyway(page: &PortPage) {
    // ORDER: Release pairs with the reader's Acquire of the bell; the futex compares it once more.
    page.sleep.bell.fetch_add(1, Ordering::Release);
    sys::futex_wake(&page.sleep.bell, i32::MAX);
}
