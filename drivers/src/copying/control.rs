//! What the parts of an open port share: its name, its wake, its counters.

use crate::sys::wait::Event;
use nm_core::shm::layout::{BUF_SIZE, Layout};
use nm_core::sync::{AtomicU64, count_together};
use nm_core::{PortControl, PortInfo, PortKind, Stats};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// The control of a port.
pub struct Control {
    /// The name as typed.
    pub name: String,
    driver: &'static str,
    pub(super) layout: Layout,
    pub(super) wake: Event,
    woken: AtomicBool,
    memory: AtomicU64,
    /// Frames have the card's times, where it tells them.
    pub stamped_by_card: bool,
    /// Frames are as a wire carries them.
    pub as_on_wire: bool,
    /// What is counted.
    pub counters: Counters,
    kernel: Box<dyn Fn() -> KernelCounts + Send + Sync>,
    /// Frames that the kernel has shown so far, as far as it was asked.
    shown: AtomicU64,
}

/// What the kernel counted since it was asked last.
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelCounts {
    /// Frames that it keeps until they are taken; 0 where it doesn't tell.
    pub shown: u64,
    /// Frames that it had no room for.
    pub dropped: u64,
}

/// Counters, as [`Stats`] has them.
#[derive(Default)]
#[allow(missing_docs, reason = "the same as in Stats")]
pub struct Counters {
    pub received: AtomicU64,
    pub received_bytes: AtomicU64,
    pub sent: AtomicU64,
    pub sent_bytes: AtomicU64,
    pub dropped_full: AtomicU64,
    pub dropped_long: AtomicU64,
    pub dropped_unfinished: AtomicU64,
    pub rejected: AtomicU64,
    pub malformed: AtomicU64,
    /// Frames taken from the kernel that did not get into the ring.
    pub lost: AtomicU64,
}

impl Control {
    /// Of a port with rings of `layout`. `kernel_memory` are the bytes that the kernel keeps for it, and `kernel` asks what it
    /// counted.
    ///
    /// # Errors
    /// What eventfd(2) says.
    pub fn new(
        name: String,
        driver: &'static str,
        layout: Layout,
        kernel_memory: u64,
        kernel: Box<dyn Fn() -> KernelCounts + Send + Sync>,
    ) -> io::Result<Control> {
        Ok(Control {
            name,
            driver,
            layout,
            wake: Event::new()?,
            woken: AtomicBool::new(false),
            memory: AtomicU64::new(kernel_memory + layout.rx_bytes() as u64),
            stamped_by_card: false,
            as_on_wire: false,
            counters: Counters::default(),
            kernel,
            shown: AtomicU64::new(0),
        })
    }

    /// Whether [`PortControl::wake`] was called; forgets it.
    pub(super) fn take_wake(&self) -> bool {
        // ORDER: Acquire pairs with the Release in `wake`.
        let woken = self.woken.load(Ordering::Acquire) && self.woken.swap(false, Ordering::Acquire);
        if woken {
            self.wake.clear();
        }
        woken
    }

    /// The transmit ring was made.
    pub(super) fn transmit_ring_is_there(&self) {
        // ORDER: Relaxed; for people who look.
        self.memory.fetch_add((self.layout.total_bytes() - self.layout.rx_bytes()) as u64, Ordering::Relaxed);
    }
}

impl PortControl for Control {
    fn wake(&self) {
        // ORDER: Release pairs with the Acquire in `take_wake`; the event makes a sleeper look.
        self.woken.store(true, Ordering::Release);
        self.wake.set();
    }

    fn stats(&self) -> Stats {
        let c = &self.counters;
        let since = (self.kernel)();
        count_together(&c.dropped_full, since.dropped);
        // ORDER: Relaxed, all of these; counters.
        let shown = self.shown.fetch_add(since.shown, Ordering::Relaxed) + since.shown;
        let get = |c: &AtomicU64| c.load(Ordering::Relaxed);
        Stats {
            // As libpcap counts: those that wait in the kernel for a reader who stands still, too.
            received: get(&c.received).max(shown.saturating_sub(get(&c.lost))),
            received_bytes: get(&c.received_bytes),
            sent: get(&c.sent),
            sent_bytes: get(&c.sent_bytes),
            dropped_full: get(&c.dropped_full),
            dropped_long: get(&c.dropped_long),
            dropped_unfinished: get(&c.dropped_unfinished),
            rejected: get(&c.rejected),
            malformed: get(&c.malformed),
            ..Stats::default()
        }
    }

    fn info(&self) -> PortInfo {
        PortInfo {
            name: self.name.clone(),
            driver: self.driver,
            kind: PortKind::Port,
            rx_slots: self.layout.rx_slots,
            tx_slots: self.layout.tx_slots,
            buf_size: BUF_SIZE,
            // ORDER: Relaxed; for people who look.
            memory: self.memory.load(Ordering::Relaxed),
        }
    }

    fn stamped_by_card(&self) -> bool {
        self.stamped_by_card
    }

    fn as_on_wire(&self) -> bool {
        self.as_on_wire
    }

    fn count_rejected(&self, frames: u64) {
        count_together(&self.counters.rejected, frames);
    }
}
