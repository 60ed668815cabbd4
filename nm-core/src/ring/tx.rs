//! Towards the wire: filling a transmit ring, and taking its frames out again on the port's side.
//!
//! ```text
//!        hwcur       head            tail
//!   ------|-----------|---------------|------      hwcur..head  filled, waiting for txsync
//!         to be sent     free                      head..tail   to be filled
//! ```

use super::slots::{Direction, FrameRef, Slots};
use crate::shm::layout::{BUF_SIZE, Layout};
use crate::shm::mapping::Mapping;
use std::sync::Arc;

/// A transmit ring as its writer sees it.
pub struct TxRing {
    slots: Slots,
    hwcur: u32,
    head: u32,
    malformed: u64,
    scratch: Vec<u8>,
}

impl TxRing {
    /// The transmit ring of a port's mapping, made fresh. `None` when the mapping is shorter than its layout.
    pub fn new(mapping: &Arc<Mapping>, layout: &Layout) -> Option<TxRing> {
        let slots = Slots::new(mapping, layout, Direction::Tx)?;
        slots.initialize(layout, Direction::Tx);
        Some(TxRing { slots, hwcur: 0, head: 0, malformed: 0, scratch: Vec::new() })
    }

    /// Slots that can be filled.
    #[inline(always)]
    pub fn space(&self) -> u32 {
        self.slots.num_slots() - 1 - self.slots.distance(self.hwcur, self.head)
    }

    /// Copies `frame` into the next slot or slots. False when there is no space for it.
    #[inline]
    pub fn put(&mut self, frame: &[u8]) -> bool {
        let needed = frame.len().div_ceil(BUF_SIZE as usize).max(1);
        if needed > self.space() as usize {
            return false;
        }
        match self.slots.write(self.head, FrameRef::from(frame), 0) {
            Ok(used) => {
                self.head = self.slots.add(self.head, used);
                true
            }
            Err(_) => {
                self.malformed += 1;
                false
            }
        }
    }

    /// Queues the next slot with `len` bytes of whatever its buffer holds (netmap's way of sending without a copy).
    /// False when there is no space, or `len` is more than a buffer.
    #[inline]
    pub fn put_as_is(&mut self, len: u16) -> bool {
        if self.space() == 0 || u32::from(len) > BUF_SIZE || self.slots.set_len(self.head, len).is_err() {
            return false;
        }
        self.head = self.slots.next(self.head);
        true
    }

    /// How many slots the ring has; at most one less can be filled.
    pub fn num_slots(&self) -> u32 {
        self.slots.num_slots()
    }

    /// Slots that made no sense since the last call.
    pub fn take_malformed(&mut self) -> u64 {
        std::mem::take(&mut self.malformed)
    }

    /// For a port's txsync: where its frames begin.
    pub fn hwcur(&self) -> u32 {
        self.hwcur
    }

    /// For a port's txsync: what lies in slot `at`, and the slot after it; `None` when `at` is the head. A frame that
    /// is `None` made no sense and was counted.
    #[inline(always)]
    pub fn frame_at(&mut self, at: u32) -> Option<(Option<FrameRef<'_>>, u32)> {
        let avail = self.waiting_from(at);
        if avail == 0 {
            return None;
        }
        match self.slots.frame(at, avail, &mut self.scratch) {
            Ok((frame, used)) => Some((Some(frame), self.slots.add(at, used))),
            Err((_, used)) => {
                self.malformed += 1;
                Some((None, self.slots.add(at, used)))
            }
        }
    }

    /// For a port's txsync: slots from `at` up to the head; 0 when `at` is not among those that wait.
    #[inline(always)]
    pub(super) fn waiting_from(&self, at: u32) -> u32 {
        if at >= self.slots.num_slots() {
            return 0;
        }
        let (avail, all) = (self.slots.distance(at, self.head), self.slots.distance(self.hwcur, self.head));
        if avail > all { 0 } else { avail }
    }

    pub(super) fn slots(&self) -> &Slots {
        &self.slots
    }

    /// The slot number `n` after `at`.
    pub(super) fn advance(&self, at: u32, n: u32) -> u32 {
        self.slots.add(at, n)
    }

    /// For a port's txsync: frees the slots before `to`.
    pub fn consume(&mut self, to: u32) {
        if to < self.slots.num_slots()
            && self.slots.distance(self.hwcur, to) <= self.slots.distance(self.hwcur, self.head)
        {
            self.hwcur = to;
            let tail = self.slots.add(to, self.slots.num_slots() - 1);
            self.slots.write_header(self.head, self.head, tail);
        }
    }
}
