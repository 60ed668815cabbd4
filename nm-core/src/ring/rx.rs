//! Towards the application: walking the frames of a receive ring.
//!
//! ```text
//!        head        cur             tail
//!   ------|-----------|---------------|------      head..cur   handed out, still the reader's
//!         handed out    not yet seen               cur..tail   to be read
//! ```
//! `release` moves head to cur; the next rxsync gives those slots back.

use super::bytes::prefetch_for_read;
use super::homes::homes;
use super::outgoing::Outgoing;
use super::slots::{Buffer, Direction, FrameRef, Piece, Slots};
use crate::abi::NS_MOREFRAG;
use crate::shm::layout::{CELL, Layout};
use crate::shm::mapping::{Mapping, View};
use crate::shm::place::RingPlace;
use crate::shm::port_page::PortPage;
use std::sync::Arc;

/// How many frames ahead the bytes are asked for.
const PREFETCH: u32 = 6;

/// The largest step back that is taken for a difference of clocks.
const CLOCK_STEP_NS: u64 = 1_000_000;

/// One received frame, in place.
#[derive(Clone, Copy, Debug)]
pub struct RxFrame {
    /// First byte. Valid until the ring's next [`RxRing::release`] and rxsync.
    pub data: *const u8,
    /// Bytes of the frame.
    pub len: u32,
    /// When it was sent: nanoseconds of CLOCK_REALTIME; 0 when nobody said.
    pub time_ns: u64,
}

/// A receive ring as its reader sees it.
pub struct RxRing {
    pub(super) slots: Slots,
    head: u32,
    cur: u32,
    tail: u32,
    malformed: u64,
    /// The time of frames that came without one.
    stamp_ns: u64,
    last_ns: u64,
    /// The last frame's length: whether the next one is likely in a cell.
    last_len: usize,
    /// The most slots that can be filled when the last frame is a long one.
    long_slots: u32,
    scratch: Vec<u8>,
    /// The header's tail is ours to write, not a kernel's.
    pub(super) owns_tail: bool,
    /// The first slot whose buffer a driver has not taken back.
    taken_back: u32,
    /// Nobody else asks for the frames' bytes before they are handed out.
    prefetches: bool,
    /// The control words of the port, where its senders look.
    page: Option<View<PortPage>>,
}

impl RxRing {
    /// The receive ring of a port's mapping, made fresh. `None` when the mapping is shorter than its layout.
    pub fn new(mapping: &Arc<Mapping>, layout: &Layout) -> Option<RxRing> {
        let bufs = (0..layout.rx_slots).map(|n| layout.rx_buf(n % layout.rx_bufs())).collect();
        let RxRing { slots, .. } = RxRing::make(mapping, &layout.rx_place(), bufs)?;
        Some(RxRing { long_slots: layout.long_slots(), ..RxRing::begin(slots.with_homes(homes(layout))?, 0) })
    }

    /// A ring at `place`, made fresh, whose slots begin with these buffers. `None` when it does not lie in the mapping
    /// or the numbers of slots and buffers differ.
    pub fn make(mapping: &Arc<Mapping>, place: &RingPlace, bufs: Vec<u32>) -> Option<RxRing> {
        let slots = Slots::new(mapping, place)?;
        if bufs.len() != slots.num_slots() as usize {
            return None;
        }
        slots.initialize(Direction::Rx, &bufs);
        Some(RxRing::begin(slots, 0))
    }

    /// A ring at `place` that a kernel has made and whose tail it moves: see [`RxRing::publish_head`] and
    /// [`RxRing::learn_tail`]. What lies in it already gets the time that the first learning has. `None` when it does not lie
    /// in the mapping, or its positions make no sense.
    pub fn adopt(mapping: &Arc<Mapping>, place: &RingPlace) -> Option<RxRing> {
        let slots = Slots::new(mapping, place)?;
        let (head, _) = slots.read_header()?;
        Some(RxRing { owns_tail: false, ..RxRing::begin(slots, head) })
    }

    fn begin(slots: Slots, at: u32) -> RxRing {
        let slots_less_one = slots.num_slots() - 1;
        RxRing {
            slots,
            head: at,
            cur: at,
            tail: at,
            malformed: 0,
            stamp_ns: 0,
            last_ns: 0,
            last_len: 0,
            long_slots: slots_less_one,
            scratch: Vec::new(),
            owns_tail: true,
            taken_back: at,
            prefetches: true,
            page: None,
        }
    }

    /// Slots that can be read and were not yet handed out.
    #[inline(always)]
    pub fn ready(&self) -> u32 {
        self.slots.distance(self.cur, self.tail)
    }

    /// Hands out the next frame in place (a chain that does not lie in one piece is copied together; such a frame is
    /// valid only until the next one).
    #[inline(always)]
    pub fn next_frame(&mut self) -> Option<RxFrame> {
        loop {
            let at = self.cur;
            if at == self.tail {
                return None;
            }
            let time_ns = self.time(at);
            // Never beyond the tail: there the sender writes, and a line taken from it comes back slowly.
            if self.prefetches && self.ready() > PREFETCH {
                self.slots.prefetch_read(at, PREFETCH);
            }
            match self.slots.read(at) {
                // The common case without the chain's detour: its result comes in memory, a fifth of this function's work.
                Ok(piece) if piece.flags & NS_MOREFRAG == 0 => {
                    self.cur = self.slots.next(at);
                    self.last_len = piece.len.into();
                    return Some(RxFrame { data: self.slots.buffer(piece.buf_idx), len: piece.len.into(), time_ns });
                }
                _ => {
                    if let Some((data, len)) = self.next_chain(self.ready()) {
                        return Some(RxFrame { data, len, time_ns });
                    }
                }
            }
        }
    }

    /// As [`RxRing::next_frame`], when the next frame is whole in one slot; else `None`, and it stays.
    #[inline(always)]
    pub fn next_whole(&mut self) -> Option<RxFrame> {
        let at = self.cur;
        if at == self.tail {
            return None;
        }
        match self.slots.read(at) {
            Ok(piece) if piece.flags & NS_MOREFRAG == 0 => {
                let time_ns = self.time(at);
                self.cur = self.slots.next(at);
                self.last_len = piece.len.into();
                Some(RxFrame { data: self.slots.buffer(piece.buf_idx), len: piece.len.into(), time_ns })
            }
            _ => None,
        }
    }

    /// Whether a tail tells of just one slot more, and all before it was handed out.
    #[inline(always)]
    pub fn is_next(&self, tail: u32) -> bool {
        self.cur == self.tail && tail == self.slots.next(self.tail)
    }

    /// As [`RxRing::set_tail`] of the next one ([`RxRing::is_next`]) and [`RxRing::next_whole`]: the new slot is not looked at,
    /// since the frame's bytes lie elsewhere, too. Its time is the sync's ([`RxRing::set_stamp`]).
    #[inline(always)]
    pub fn take_beside(&mut self, data: *const u8, len: usize) -> RxFrame {
        let tail = self.slots.next(self.tail);
        (self.cur, self.tail, self.last_len) = (tail, tail, len);
        if self.owns_tail {
            self.slots.write_header(self.head, tail, tail);
        }
        RxFrame { data, len: len as u32, time_ns: self.time_of(0) }
    }

    /// Passes over what begins at `cur` and is no frame of one slot: its bytes, if it is a frame.
    #[cold]
    fn next_chain(&mut self, avail: u32) -> Option<(*const u8, u32)> {
        let (frame, used) = match self.slots.frame(self.cur, avail, &mut self.scratch) {
            Ok((frame, used)) => (Some((frame.as_ptr(), frame.len() as u32)), used),
            Err((_, used)) => (None, used),
        };
        self.malformed += u64::from(frame.is_none());
        self.last_len = frame.map_or(self.last_len, |(_, len)| len as usize);
        self.cur = self.slots.add(self.cur, used);
        frame
    }

    /// As [`RxRing::next_frame`], the bytes copied to the front of `out` (cut at its length): (length, time in ns).
    pub fn next_frame_into(&mut self, out: &mut [u8]) -> Option<(u32, u64)> {
        loop {
            let avail = self.slots.distance(self.cur, self.tail);
            if avail == 0 {
                return None;
            }
            let time_ns = self.time(self.cur);
            let (taken, used) = match self.slots.frame(self.cur, avail, &mut self.scratch) {
                Ok((frame, used)) => {
                    frame.copy_to(out);
                    (Some((frame.len() as u32, time_ns)), used)
                }
                Err((_, used)) => {
                    self.malformed += 1;
                    (None, used)
                }
            };
            self.cur = self.slots.add(self.cur, used);
            if taken.is_some() {
                return taken;
            }
        }
    }

    /// Names the port's control words: who sends on what lies here tells there that it is held up.
    #[must_use]
    pub fn of_port(self, page: View<PortPage>) -> RxRing {
        RxRing { page: Some(page), ..self }
    }

    /// The frames that were not yet handed out, to be sent on. What was done with them is told to [`RxRing::pass`].
    pub fn outgoing(&mut self) -> Outgoing<'_> {
        Outgoing::new(&self.slots, &mut self.scratch, [self.cur, self.tail], true).of_port(self.page.as_ref())
    }

    /// The frames before `to` were sent on, and `malformed` slots made no sense: as if they had been handed out.
    pub fn pass(&mut self, (to, malformed): (u32, u64)) {
        self.malformed += malformed;
        if to < self.slots.num_slots() && self.slots.distance(self.cur, to) <= self.slots.distance(self.cur, self.tail)
        {
            let last = self.slots.read(self.slots.add(to, self.slots.num_slots() - 1));
            self.last_len = last.map_or(self.last_len, |piece| piece.len.into());
            self.cur = to;
        }
    }

    /// The next frame is not sent on: as if it had been handed out.
    pub fn pass_frame(&mut self) {
        let mut frames = self.outgoing();
        if let Some((_, next)) = frames.frame_at(frames.first()) {
            frames.consume(next);
        }
        let done = frames.done();
        self.pass(done);
    }

    /// Shows `each` the frames that begin in the next `slots` slots and were not yet handed out, before they are sent on, and
    /// overwrites the two bytes that it names by their place in the frame: of its first piece, others stay as they are.
    pub fn amend(&mut self, slots: u32, mut each: impl FnMut(FrameRef<'_>) -> Option<(usize, [u8; 2])>) {
        let mut done = 0;
        while done < slots.min(self.ready()) {
            let at = self.slots.add(self.cur, done);
            let (change, used) = match self.slots.frame(at, self.ready() - done, &mut self.scratch) {
                Ok((frame, used)) => (each(frame), used),
                // It is counted when it is handed out or sent on.
                Err((_, used)) => (None, used),
            };
            if let Some((offset, bytes)) = change {
                self.slots.replace(at, offset, bytes);
            }
            done += used;
        }
    }

    /// Walks over the frames in the next `slots` slots that were not yet handed out, up to the first that `stop` says yes to: how
    /// many slots lie before it, and whether there is one.
    pub fn slots_before(&mut self, slots: u32, mut stop: impl FnMut(FrameRef<'_>) -> bool) -> (u32, bool) {
        let mut passed = 0;
        while passed < slots.min(self.ready()) {
            let at = self.slots.add(self.cur, passed);
            let used = match self.slots.frame(at, self.ready() - passed, &mut self.scratch) {
                Ok((frame, _)) if stop(frame) => return (passed, true),
                Ok((_, used)) | Err((_, used)) => used,
            };
            passed += used;
        }
        (passed, false)
    }

    /// The frame's time, never a little before the last one's: senders' clocks and ours may differ by some hundred
    /// nanoseconds. More than [`CLOCK_STEP_NS`] is a clock that was set back, and is followed.
    #[inline(always)]
    fn time(&mut self, i: u32) -> u64 {
        self.time_of(self.slots.time(i))
    }

    #[inline(always)]
    fn time_of(&mut self, said: u64) -> u64 {
        let ns = match said {
            0 => self.stamp_ns,
            ns => ns,
        };
        // A step back of 1 to CLOCK_STEP_NS, in one comparison.
        if self.last_ns.wrapping_sub(ns).wrapping_sub(1) >= CLOCK_STEP_NS {
            self.last_ns = ns;
        }
        self.last_ns
    }

    /// For a port's rxsync: the time (ns of CLOCK_REALTIME) of frames that came without one.
    #[inline(always)]
    pub fn set_stamp(&mut self, time_ns: u64) {
        self.stamp_ns = time_ns;
    }

    /// All frames handed out so far may be overwritten after the next rxsync.
    #[inline(always)]
    pub fn release(&mut self) {
        self.head = self.cur;
    }

    /// Slots handed out and not yet released.
    #[inline(always)]
    pub fn held(&self) -> u32 {
        self.slots.distance(self.head, self.cur)
    }

    /// How many slots the ring has; at most one less can be filled.
    pub fn num_slots(&self) -> u32 {
        self.slots.num_slots()
    }

    /// How many slots can be filled whatever frames come: short ones may fill more.
    pub fn least_room(&self) -> u32 {
        self.long_slots
    }

    /// How many slots can be filled by frames like the last one.
    pub fn likely_room(&self) -> u32 {
        if self.last_len > CELL as usize { self.long_slots } else { self.slots.num_slots() - 1 }
    }

    /// Slots that made no sense since the last call.
    pub fn take_malformed(&mut self) -> u64 {
        std::mem::take(&mut self.malformed)
    }

    /// For a port's rxsync: the first slot that the reader keeps.
    #[inline(always)]
    pub fn head(&self) -> u32 {
        self.head
    }

    /// For a port's rxsync: the tail as last learned.
    #[inline(always)]
    pub fn tail(&self) -> u32 {
        self.tail
    }

    /// For a port's rxsync: the tail as a peer wrote it, refused (and counted) when it does not lie in the ring or
    /// would take back frames.
    #[inline(always)]
    pub fn set_tail(&mut self, tail: u32) {
        if tail == self.tail {
            return;
        }
        if tail >= self.slots.num_slots()
            || self.slots.distance(self.head, tail) < self.slots.distance(self.head, self.tail)
        {
            self.malformed += 1;
            return;
        }
        if self.cur == self.tail {
            // The first of new frames: its slot and its bytes travel at the same time, not one after the other.
            self.slots.prefetch_first(self.cur, self.last_len);
        }
        self.tail = tail;
        if self.owns_tail {
            self.slots.write_header(self.head, self.cur, tail);
        }
    }
}

/// For drivers whose own process fills the ring, buffer by buffer.
impl RxRing {
    /// Slots that can still be filled.
    #[inline(always)]
    pub fn room(&self) -> u32 {
        self.slots.num_slots() - 1 - self.slots.distance(self.taken_back, self.tail)
    }

    /// Puts one received piece at the tail, with its time (ns of CLOCK_REALTIME, 0: the sync's). False when the ring
    /// is full, or the piece makes no sense, which is counted.
    #[inline(always)]
    pub fn append(&mut self, piece: Piece, time_ns: u64) -> bool {
        let appended = self.try_append(piece, time_ns);
        if !appended && self.room() > 0 {
            self.malformed += 1;
        }
        appended
    }

    /// As [`RxRing::append`], and nothing is counted.
    #[inline(always)]
    pub fn try_append(&mut self, piece: Piece, time_ns: u64) -> bool {
        let mut appending = self.appending(false);
        let appended = appending.append(piece, time_ns);
        appending.finish();
        appended
    }

    /// Many pieces, one after the other. With `soon` they are few enough to be read before the cache has lost them: their
    /// first lines are asked for now, and not when frames before them are handed out.
    #[inline(always)]
    pub fn appending(&mut self, soon: bool) -> Appending<'_> {
        let room = self.room();
        self.prefetches = !soon;
        let RxRing { slots, tail, .. } = self;
        Appending { slots, at: *tail, tail, room, soon }
    }

    /// Takes back the slots from `tail` on, which were just appended: the rest of their frame will not come. Returns
    /// false for a position that is not between what was read and the tail.
    pub fn cut(&mut self, tail: u32) -> bool {
        let inside = tail < self.slots.num_slots()
            && self.slots.distance(self.cur, tail) <= self.slots.distance(self.cur, self.tail);
        if inside {
            self.tail = tail;
        }
        inside
    }

    /// Shows what was appended in the `netmap_ring`.
    #[inline(always)]
    pub fn publish(&mut self) {
        self.slots.write_header(self.head, self.cur, self.tail);
    }

    /// Slots that were released and whose buffers are not yet taken back.
    #[inline(always)]
    pub fn released(&self) -> u32 {
        self.slots.distance(self.taken_back, self.head)
    }

    /// The buffer of the next slot that was released and whose buffer is not yet taken back; the slot can then be
    /// filled anew. One that names no buffer is passed over and counted.
    #[inline(always)]
    pub fn take_back(&mut self) -> Option<u32> {
        let mut taking = self.taking_back();
        let taken = taking.next();
        taking.finish();
        taken
    }

    /// Many buffers, one after the other.
    #[inline(always)]
    pub fn taking_back(&mut self) -> TakingBack<'_> {
        let RxRing { slots, head, taken_back, malformed, .. } = self;
        TakingBack { slots, at: *taken_back, taken_back, head: *head, malformed }
    }

    /// Moves the `len` bytes that begin `back` bytes before a buffer to `by` bytes later. False when not all of these are the
    /// buffer's own, and nothing was moved.
    pub fn move_up(&mut self, buf_idx: u32, back: u32, by: u32, len: u32) -> bool {
        self.slots.move_up(buf_idx, back, by, len)
    }

    /// The buffer of this number, to be looked at; `None` when no slot may name it.
    #[inline(always)]
    pub fn buffer(&self, buf_idx: u32) -> Option<Buffer<'_>> {
        self.slots.usable(buf_idx)
    }
}

/// The tail on its way: what is appended is the ring's once this is finished. The position stays in a register meanwhile, which
/// the ring's own does not: what is written to slots may lie anywhere, for all that the compiler knows.
pub struct Appending<'a> {
    slots: &'a Slots,
    tail: &'a mut u32,
    at: u32,
    room: u32,
    soon: bool,
}

impl<'a> Appending<'a> {
    /// As [`RxRing::try_append`].
    #[inline(always)]
    pub fn append(&mut self, piece: Piece, time_ns: u64) -> bool {
        self.buffer(piece.buf_idx).is_some_and(|buffer| self.describe(buffer, (piece.len, piece.flags), time_ns))
    }

    /// As [`RxRing::buffer`].
    #[inline(always)]
    pub fn buffer(&self, buf_idx: u32) -> Option<Buffer<'a>> {
        self.slots.usable(buf_idx)
    }

    /// Appends a frame of `len` bytes in a buffer of this ring, as [`RxRing::try_append`] does.
    #[inline(always)]
    pub fn put(&mut self, buffer: Buffer<'a>, len: u16, time_ns: u64) -> bool {
        self.describe(buffer, (len, 0), time_ns)
    }

    #[inline(always)]
    fn describe(&mut self, buffer: Buffer<'a>, says: (u16, u16), time_ns: u64) -> bool {
        let appended = self.room > 0 && buffer.describe(self.at, says, time_ns);
        if appended {
            if self.soon {
                prefetch_for_read(buffer.data());
            }
            self.at = self.slots.next(self.at);
            self.room -= 1;
        }
        appended
    }

    /// Moves the ring's tail.
    #[inline(always)]
    pub fn finish(self) {
        *self.tail = self.at;
    }
}

/// Released slots on their way to be filled anew, as [`Appending`]: those whose buffers were taken are free once this is finished.
pub struct TakingBack<'a> {
    slots: &'a Slots,
    taken_back: &'a mut u32,
    at: u32,
    head: u32,
    malformed: &'a mut u64,
}

impl TakingBack<'_> {
    /// As [`RxRing::take_back`].
    #[inline(always)]
    #[allow(clippy::should_implement_trait, reason = "an iterator's users would forget to finish it")]
    pub fn next(&mut self) -> Option<u32> {
        while self.at != self.head {
            let buf_idx = self.slots.read_for_writing(self.at);
            self.at = self.slots.next(self.at);
            match buf_idx {
                Ok(buf_idx) => return Some(buf_idx),
                Err(_) => *self.malformed += 1,
            }
        }
        None
    }

    /// Moves the ring's position.
    #[inline(always)]
    pub fn finish(self) {
        *self.taken_back = self.at;
    }
}

/// For drivers whose kernel fills the ring.
impl RxRing {
    /// Shows the kernel which slots it gets back, and from where on it is to wake the reader.
    pub fn publish_head(&mut self) {
        self.slots.write_head(self.head, self.cur);
    }

    /// Learns the kernel's tail, as [`RxRing::set_tail`] does, and gives what is new the time `time_ns` (of CLOCK_REALTIME), since a
    /// kernel's slots carry none. Returns the frames that are new, and their bytes.
    pub fn learn_tail(&mut self, time_ns: u64) -> (u64, u64) {
        let before = self.tail;
        match self.slots.read_header() {
            Some((_, tail)) => self.set_tail(tail),
            None => self.malformed += 1,
        }
        let (mut at, mut frames, mut bytes) = (before, 0, 0);
        while at != self.tail {
            if let Ok(piece) = self.slots.read(at) {
                frames += u64::from(piece.flags & NS_MOREFRAG == 0);
                bytes += u64::from(piece.len);
            }
            self.slots.set_time(at, time_ns);
            at = self.slots.next(at);
        }
        (frames, bytes)
    }
}
