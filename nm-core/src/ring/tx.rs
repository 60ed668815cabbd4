//! Towards the wire: filling a transmit ring, and taking its frames out again on the port's side.
//!
//! ```text
//!        hwcur       head            tail
//!   ------|-----------|---------------|------      hwcur..head  filled, waiting for txsync
//!         to be sent     free                      head..tail   to be filled
//! ```

use super::outgoing::Outgoing;
use super::slots::{Direction, FrameRef, Piece, Slots};
use crate::shm::layout::Layout;
use crate::shm::mapping::Mapping;
use crate::shm::place::{RESERVED_BUFS, RingPlace};
use std::sync::Arc;

/// A transmit ring as its writer sees it.
pub struct TxRing {
    pub(super) slots: Slots,
    hwcur: u32,
    pub(super) head: u32,
    pub(super) malformed: u64,
    scratch: Vec<u8>,
    /// The header's tail is ours to write, not a kernel's.
    pub(super) owns_tail: bool,
}

impl TxRing {
    /// The transmit ring of a port's mapping, made fresh. `None` when the mapping is shorter than its layout.
    pub fn new(mapping: &Arc<Mapping>, layout: &Layout) -> Option<TxRing> {
        let place = layout.tx_place();
        TxRing::make(mapping, &place, (RESERVED_BUFS..place.num_bufs).collect())
    }

    /// A ring at `place`, made fresh, whose slots begin with these buffers. `None` when it does not lie in the mapping
    /// or the numbers of slots and buffers differ.
    pub fn make(mapping: &Arc<Mapping>, place: &RingPlace, bufs: Vec<u32>) -> Option<TxRing> {
        let slots = Slots::new(mapping, place)?;
        if bufs.len() != slots.num_slots() as usize {
            return None;
        }
        slots.initialize(Direction::Tx, &bufs);
        Some(TxRing { slots, hwcur: 0, head: 0, malformed: 0, scratch: Vec::new(), owns_tail: true })
    }

    /// A ring at `place` that a kernel has made and whose tail it moves: see [`TxRing::publish_head`] and
    /// [`TxRing::learn_tail`]. `None` when it does not lie in the mapping, or its positions make no sense.
    pub fn adopt(mapping: &Arc<Mapping>, place: &RingPlace) -> Option<TxRing> {
        let slots = Slots::new(mapping, place)?;
        let (head, tail) = slots.read_header()?;
        let hwcur = slots.next(tail);
        Some(TxRing { slots, hwcur, head, malformed: 0, scratch: Vec::new(), owns_tail: false })
    }

    /// Slots that can be filled.
    #[inline(always)]
    pub fn space(&self) -> u32 {
        self.slots.num_slots() - 1 - self.slots.distance(self.hwcur, self.head)
    }

    /// Copies `frame` into the next slot or slots. False when there is no space for it.
    #[inline]
    pub fn put(&mut self, frame: &[u8]) -> bool {
        self.put_frame(FrameRef::from(frame))
    }

    /// Queues the next slot with `len` bytes of whatever its buffer holds (netmap's way of sending without a copy).
    /// False when there is no space, or `len` is more than a buffer.
    #[inline]
    pub fn put_as_is(&mut self, len: u16) -> bool {
        if self.space() == 0 || u32::from(len) > self.slots.room() || self.slots.set_len(self.head, len).is_err() {
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

    /// For a port's txsync: the slot after the last that is filled.
    pub fn head(&self) -> u32 {
        self.head
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

    #[inline(always)]
    fn waiting_from(&self, at: u32) -> u32 {
        if at >= self.slots.num_slots() {
            return 0;
        }
        let (avail, all) = (self.slots.distance(at, self.head), self.slots.distance(self.hwcur, self.head));
        if avail > all { 0 } else { avail }
    }

    /// For a port's txsync: the frames that are to be sent. What was done with them is told to [`TxRing::consume`].
    pub fn outgoing(&mut self) -> Outgoing<'_> {
        Outgoing::new(&self.slots, &mut self.scratch, [self.hwcur, self.head], false)
    }

    /// As [`TxRing::put`], for a frame that lies in another ring.
    #[inline]
    pub fn put_frame(&mut self, frame: FrameRef<'_>) -> bool {
        let room = self.slots.room() as usize;
        // No division for a frame of one slot.
        let needed = if frame.len() <= room { 1 } else { frame.len().div_ceil(room) };
        if needed > self.space() as usize {
            return false;
        }
        match self.slots.write(self.head, frame, 0) {
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

    /// For a port's txsync: frees the slots before `to`.
    pub fn consume(&mut self, to: u32) {
        if to < self.slots.num_slots()
            && self.slots.distance(self.hwcur, to) <= self.slots.distance(self.hwcur, self.head)
        {
            self.hwcur = to;
            if !self.owns_tail {
                return;
            }
            let tail = self.slots.add(to, self.slots.num_slots() - 1);
            self.slots.write_header(self.head, self.head, tail);
        }
    }
}

/// For drivers that pass buffers on as they are.
impl TxRing {
    /// What slot `at` says, and the slot after it; `None` when `at` is the head. A piece that is `None` made no sense
    /// and was counted.
    #[inline(always)]
    pub fn piece_at(&mut self, at: u32) -> Option<(Option<Piece>, u32)> {
        if self.waiting_from(at) == 0 {
            return None;
        }
        let piece = self.slots.read(at).ok();
        self.malformed += u64::from(piece.is_none());
        Some((piece, self.slots.next(at)))
    }

    /// Gives a slot that waits another buffer; the driver keeps the one that it had. False, and nothing changed, when
    /// there is no such slot or buffer.
    #[inline(always)]
    pub fn swap(&mut self, at: u32, buf_idx: u32) -> bool {
        self.waiting_from(at) > 0 && self.slots.usable(buf_idx).is_some_and(|buffer| buffer.describe(at, (0, 0), 0))
    }

    /// Bytes of a buffer that a frame may fill.
    pub fn room(&self) -> u32 {
        self.slots.room()
    }

    /// Copies the front of `frame` into a buffer that the driver has, and that no slot names: how many bytes. `None`
    /// when there is no such buffer.
    #[inline(always)]
    pub fn fill(&mut self, buf_idx: u32, frame: &[u8]) -> Option<u32> {
        self.slots.fill(buf_idx, FrameRef::from(frame))
    }
}

/// For drivers whose kernel empties the ring.
impl TxRing {
    /// Shows the kernel which slots it is to send.
    pub fn publish_head(&mut self) {
        self.slots.write_head(self.head, self.head);
    }

    /// Learns the kernel's tail: which slots it has sent. One that lies outside the ring or takes slots back is
    /// refused and counted.
    pub fn learn_tail(&mut self) {
        let Some((_, tail)) = self.slots.read_header() else {
            self.malformed += 1;
            return;
        };
        let to = self.slots.next(tail);
        if self.slots.distance(self.hwcur, to) > self.slots.distance(self.hwcur, self.head) {
            self.malformed += 1;
            return;
        }
        self.hwcur = to;
    }
}
