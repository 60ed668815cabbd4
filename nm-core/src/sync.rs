//! The atomics and fences of the ring protocols: the real ones, or loom's when a model is checked.

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// Adds to a counter that has one writer at a time, as its owner or who holds the lock: a locked instruction would wait for all the
/// stores before it.
#[inline(always)]
pub fn count(counter: &AtomicU64, n: u64) {
    // ORDER: Relaxed, both; a counter, and nobody else writes it.
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
}

/// Adds to a counter that several may write.
#[inline(always)]
pub fn count_together(counter: &AtomicU64, n: u64) {
    if n > 0 {
        // ORDER: Relaxed; a counter.
        counter.fetch_add(n, Ordering::Relaxed);
    }
}

/// How a rare party and a frequent one order their stores before their loads.
///
/// Two parties each store one word, then load the other's; at least one must see the other's store. The frequent
/// party (a sender, per frame) calls [`Fences::light`], the rare one (who wants its lock, or is about to sleep)
/// calls [`Fences::heavy`]. With membarrier(2) the light one costs nothing: a locked instruction would wait for every
/// store before it, here the lines that travel to the receiver.
#[derive(Clone, Copy, Debug)]
pub struct Fences {
    asymmetric: bool,
}

impl Fences {
    /// With `asymmetric`, every process that calls `light` is registered for global expedited membarriers.
    pub fn new(asymmetric: bool) -> Fences {
        Fences { asymmetric }
    }

    /// Whether the light fence is free.
    pub fn asymmetric(self) -> bool {
        self.asymmetric
    }

    /// The frequent party's fence, between its store and its load.
    #[inline(always)]
    pub fn light(self) {
        #[cfg(not(loom))]
        if self.asymmetric {
            // ORDER: keeps the compiler's order; the processor's is forced by the partner's `heavy`, which runs a
            // full barrier on every processor that runs a registered process.
            core::sync::atomic::compiler_fence(Ordering::SeqCst);
        } else {
            // ORDER: store-load, partner is the SeqCst fence in `heavy`.
            core::sync::atomic::fence(Ordering::SeqCst);
        }
        // ORDER: loom has no membarrier; a pair of SeqCst fences promises the same.
        #[cfg(loom)]
        loom::sync::atomic::fence(Ordering::SeqCst);
    }

    /// The rare party's fence, between its store and its load: 1 to 20 us with membarrier.
    pub fn heavy(self) {
        #[cfg(not(loom))]
        {
            if self.asymmetric {
                crate::sys::membarrier();
            }
            // ORDER: store-load, partner is `light`.
            core::sync::atomic::fence(Ordering::SeqCst);
        }
        #[cfg(loom)]
        loom::sync::atomic::fence(Ordering::SeqCst);
    }
}
