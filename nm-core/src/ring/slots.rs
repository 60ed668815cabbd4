//! Slots and buffers: the only code that reads or writes them (a frame's bytes by [`super::bytes`]).
//!
//! A *slot number* is always below the ring's size; walking wraps it. (AF_XDP's positions, which run freely through
//! 2^32, are another type and not found here.)

mod runs;

pub use super::bytes::FrameRef;
use super::bytes::{copy, prefetch_for_read, prefetch_for_write};
use super::homes::{Home, Homes};
use crate::abi;
use crate::shm::mapping::{Mapping, Shared};
use crate::shm::place::{RESERVED_BUFS, RingPlace};
use crate::sync::{AtomicU32, AtomicU64, Ordering};
pub(crate) use runs::Run;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

/// The most bytes of a frame.
pub const MAX_FRAME: usize = 65_535;

/// A `netmap_slot` as two words: (buf_idx, len, flags) and ptr.
#[repr(C)]
struct SlotCell {
    word: AtomicU64,
    ptr: AtomicU64,
}
const _: () = assert!(cfg!(loom) || size_of::<SlotCell>() == size_of::<abi::netmap_slot>());

impl SlotCell {
    #[inline(always)]
    fn set(&self, slot: Slot, time_ns: u64) {
        // ORDER: Relaxed, both; between the tail and the head a slot belongs to the lock's holder, and the tail publishes them.
        self.word.store(slot.pack(), Ordering::Relaxed);
        self.ptr.store(time_ns, Ordering::Relaxed);
    }
}

/// A `netmap_ring`'s changing words, over the layout of `net/netmap.h`.
#[repr(C)]
struct RingHeader {
    buf_ofs: AtomicU64,
    num_slots: AtomicU32,
    nr_buf_size: AtomicU32,
    ringid_dir: AtomicU32,
    head: AtomicU32,
    cur: AtomicU32,
    tail: AtomicU32,
}
// SAFETY: repr(C), atomics only.
unsafe impl Shared for RingHeader {}

/// What a slot says: one piece of a frame, or all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The buffer that it lies in.
    pub buf_idx: u32,
    /// Bytes of it.
    pub len: u16,
    /// `NS_*` bits; [`abi::NS_MOREFRAG`] when the frame goes on in the next slot.
    pub flags: u16,
}
use Piece as Slot;

impl Slot {
    #[inline(always)]
    fn pack(self) -> u64 {
        if cfg!(target_endian = "little") {
            u64::from(self.buf_idx) | u64::from(self.len) << 32 | u64::from(self.flags) << 48
        } else {
            u64::from(self.buf_idx) << 32 | u64::from(self.len) << 16 | u64::from(self.flags)
        }
    }
    #[inline(always)]
    fn unpack(w: u64) -> Slot {
        if cfg!(target_endian = "little") {
            Slot { buf_idx: w as u32, len: (w >> 32) as u16, flags: (w >> 48) as u16 }
        } else {
            Slot { buf_idx: (w >> 32) as u32, len: (w >> 16) as u16, flags: w as u16 }
        }
    }
}

/// What the slots of one frame say.
pub(super) type Parts = [Piece; abi::NETMAP_MAX_FRAGS as usize];
/// None yet.
pub(super) const NO_PARTS: Parts = [Piece { buf_idx: 0, len: 0, flags: 0 }; abi::NETMAP_MAX_FRAGS as usize];

/// A buffer whose number was checked.
#[derive(Clone, Copy)]
pub struct Buffer<'a> {
    slots: &'a Slots,
    buf_idx: u32,
    data: *mut u8,
}

impl Buffer<'_> {
    /// Its first byte.
    #[inline(always)]
    pub(super) fn data(self) -> *const u8 {
        self.data
    }

    /// The `N` bytes that begin `back` bytes before it: a driver's note about the frame in it. `None` when they are not its own.
    #[inline(always)]
    pub fn note<const N: usize>(self, back: u32) -> Option<[u8; N]> {
        if back > self.slots.headroom || N > back as usize {
            return None;
        }
        let mut out = [0; N];
        // SAFETY: `headroom` bytes before each buffer lie inside the mapping (`RingPlace::is_sound`: before the first
        // one, too, and `bytes` was asked for those behind it); at most that many are gone back, and `N` read; rule 7.
        unsafe { copy(self.data.sub(back as usize), out.as_mut_ptr(), N) };
        Some(out)
    }

    /// Writes such a note. False when these bytes are not its own.
    #[inline(always)]
    pub fn set_note<const N: usize>(self, back: u32, note: [u8; N]) -> bool {
        let inside = back <= self.slots.headroom && N <= back as usize;
        if inside {
            // SAFETY: as in `note`.
            unsafe { copy(note.as_ptr(), self.data.sub(back as usize), N) };
        }
        inside
    }

    /// Says in slot `i` of its ring what its owner, a driver, has put into it. False, and nothing written, when it is shorter.
    #[inline(always)]
    pub(super) fn describe(self, i: u32, (len, flags): (u16, u16), time_ns: u64) -> bool {
        let fits = u32::from(len) <= self.slots.room;
        if fits {
            // The driver and the reader are one thread, or the header's tail publishes it.
            self.slots.set(i, Piece { buf_idx: self.buf_idx, len, flags }, time_ns);
        }
        fits
    }
}

/// A slot, a length or a chain that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Slots and buffers of one ring, inside a mapping that it keeps alive (rule 4).
pub(crate) struct Slots {
    slots: NonNull<SlotCell>,
    bufs: NonNull<u8>,
    num_slots: u32,
    num_bufs: u32,
    /// Those of them that a slot may name, from [`RESERVED_BUFS`] on.
    usable: u32,
    stride: u32,
    room: u32,
    headroom: u32,
    header_at: usize,
    /// Where frames go, slot by slot, where that is settled: all of them buffers of this ring. Else empty.
    homes: Homes,
    /// Bytes from the ring to buffer 0, for who uses netmap's macros.
    buf_ofs: i64,
    keep: Arc<Mapping>,
}

// SAFETY: pointers into a mapping that is Send and Sync; access is by atomics and copies (rules 1, 2, 7).
unsafe impl Send for Slots {}

/// Which ring of a port.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Rx,
    Tx,
}

impl Slots {
    /// The ring at `place` of `mapping`; `None` when it does not lie inside, or the place makes no sense.
    pub(crate) fn new(mapping: &Arc<Mapping>, place: &RingPlace) -> Option<Slots> {
        if !place.is_sound() {
            return None;
        }
        let RingPlace { ring, num_slots, buffers, stride, room, headroom, num_bufs } = *place;
        mapping.at::<RingHeader>(ring)?;
        let first = place.slots()?;
        let slots = mapping.bytes(first, num_slots as usize * size_of::<SlotCell>())?;
        if first % align_of::<SlotCell>() != 0 {
            return None;
        }
        let bufs = mapping.bytes(buffers, place.buffer_bytes()?)?;
        Some(Slots {
            slots: slots.cast(),
            bufs,
            num_slots,
            num_bufs,
            usable: num_bufs - RESERVED_BUFS,
            stride,
            room,
            headroom,
            header_at: ring,
            homes: Arc::new([]),
            buf_ofs: buffers as i64 - ring as i64,
            keep: Arc::clone(mapping),
        })
    }

    /// The same ring, each slot's frame in a place of its own; `None` when there is not one for each, or one is no buffer of the ring.
    pub(crate) fn with_homes(self, homes: Homes) -> Option<Slots> {
        let fit = homes.len() == self.num_slots as usize
            && homes.iter().all(|home| self.is_usable(home.cell) && self.is_usable(home.buffer));
        fit.then(|| Slots { homes, ..self })
    }

    /// Writes a fresh ring: header, and one of `bufs` for each slot. Numbers that are no buffer's are
    /// found malformed when the slot is read.
    pub(crate) fn initialize(&self, direction: Direction, bufs: &[u32]) {
        let dir = u32::from(direction == Direction::Rx);
        if let Some(h) = self.keep.at::<RingHeader>(self.header_at) {
            // ORDER: Relaxed, all of these: the port is announced later, with Release.
            h.buf_ofs.store(self.buf_ofs as u64, Ordering::Relaxed);
            h.num_slots.store(self.num_slots, Ordering::Relaxed);
            h.nr_buf_size.store(self.stride, Ordering::Relaxed);
            let ringid_dir = if cfg!(target_endian = "little") { dir << 16 } else { dir };
            h.ringid_dir.store(ringid_dir, Ordering::Relaxed);
        }
        for (i, &buf_idx) in (0..self.num_slots).zip(bufs) {
            let cell = self.cell(i);
            // ORDER: Relaxed, as above.
            cell.word.store(Slot { buf_idx, len: 0, flags: 0 }.pack(), Ordering::Relaxed);
            cell.ptr.store(0, Ordering::Relaxed);
        }
        let tail = if direction == Direction::Tx { self.num_slots - 1 } else { 0 };
        self.write_header(0, 0, tail);
    }

    /// The header's head and tail: a ring that its maker, a kernel, has filled in.
    pub(crate) fn read_header(&self) -> Option<(u32, u32)> {
        let h = self.keep.at::<RingHeader>(self.header_at)?;
        // ORDER: Acquire, the tail: pairs with the kernel's store of it, so that the slots before it are whole. The
        // head is the program's own word.
        let (tail, head) = (h.tail.load(Ordering::Acquire), h.head.load(Ordering::Relaxed));
        (head < self.num_slots && tail < self.num_slots).then_some((head, tail))
    }

    /// Shows a kernel the program's own words alone.
    pub(crate) fn write_head(&self, head: u32, cur: u32) {
        if let Some(h) = self.keep.at::<RingHeader>(self.header_at) {
            // ORDER: Release, both: the kernel, maybe on another processor, reads the slots after them.
            h.cur.store(cur, Ordering::Release);
            h.head.store(head, Ordering::Release);
        }
    }

    /// Shows the owner's view in the `netmap_ring`, for who walks it with netmap's macros.
    #[inline]
    pub(crate) fn write_header(&self, head: u32, cur: u32, tail: u32) {
        if let Some(h) = self.keep.at::<RingHeader>(self.header_at) {
            // ORDER: Relaxed; the owner's own view, other processes take theirs from the port page.
            h.head.store(head, Ordering::Relaxed);
            h.cur.store(cur, Ordering::Relaxed);
            h.tail.store(tail, Ordering::Relaxed);
        }
    }

    pub(crate) fn num_slots(&self) -> u32 {
        self.num_slots
    }

    /// Bytes of a buffer that a frame may fill.
    #[inline(always)]
    pub(crate) fn room(&self) -> u32 {
        self.room
    }

    /// The slot number after `i`.
    #[inline(always)]
    pub(crate) fn next(&self, i: u32) -> u32 {
        if i + 1 == self.num_slots { 0 } else { i + 1 }
    }

    /// The slot number `n` (at most the ring's size) after `i`.
    #[inline(always)]
    pub(crate) fn add(&self, i: u32, n: u32) -> u32 {
        let sum = i + n;
        if sum >= self.num_slots { sum - self.num_slots } else { sum }
    }

    /// How many slots from `from` up to `to`.
    #[inline(always)]
    pub(crate) fn distance(&self, from: u32, to: u32) -> u32 {
        if to >= from { to - from } else { to + self.num_slots - from }
    }

    #[inline(always)]
    fn cell(&self, i: u32) -> &SlotCell {
        debug_assert!(i < self.num_slots);
        // SAFETY: slot numbers are below num_slots (module doc; every caller wraps or checked), and that many cells
        // lie in the mapping (checked in `new`); atomics only (rule 2).
        unsafe { self.slots.add(i as usize).as_ref() }
    }

    /// Slots `at` and the `n - 1` after it, of which none lies beyond the ring's end.
    #[inline(always)]
    fn cells(&self, at: u32, n: u32) -> &[SlotCell] {
        assert!(u64::from(at) + u64::from(n) <= u64::from(self.num_slots));
        // SAFETY: no more than num_slots cells, which lie in the mapping (checked in `new`); atomics only (rule 2).
        unsafe { std::slice::from_raw_parts(self.slots.as_ptr().add(at as usize), n as usize) }
    }

    /// The slot, read once, its buffer number and length checked (rule 5).
    #[inline(always)]
    pub(crate) fn read(&self, i: u32) -> Result<Slot, Malformed> {
        // ORDER: Relaxed; the slot was published by the tail that the caller loaded with Acquire.
        let s = Slot::unpack(self.cell(i).word.load(Ordering::Relaxed));
        if !self.is_usable(s.buf_idx) || u32::from(s.len) > self.room {
            return Err(Malformed);
        }
        Ok(s)
    }

    /// The slot's `ptr`: on receive rings the frame's time.
    #[inline(always)]
    pub(crate) fn time(&self, i: u32) -> u64 {
        // ORDER: Relaxed, as in `read`.
        self.cell(i).ptr.load(Ordering::Relaxed)
    }

    /// Whether the slot's frame goes on in the next one.
    pub(crate) fn goes_on(&self, i: u32) -> bool {
        self.read(i).is_ok_and(|piece| piece.flags & abi::NS_MOREFRAG != 0)
    }

    /// Writes the slot's `ptr`.
    #[inline(always)]
    pub(crate) fn set_time(&self, i: u32, time_ns: u64) {
        // ORDER: Relaxed; between the head and the tail a slot is its reader's.
        self.cell(i).ptr.store(time_ns, Ordering::Relaxed);
    }

    /// The first byte of a buffer whose number was checked.
    #[inline(always)]
    pub(crate) fn buffer(&self, buf_idx: u32) -> *mut u8 {
        debug_assert!(buf_idx < self.num_bufs);
        // SAFETY: below num_bufs (checked by `read`, or by `with_homes`), and that many buffers lie in the mapping (checked in `new`).
        unsafe { self.bufs.add(buf_idx as usize * self.stride as usize).as_ptr() }
    }

    /// Where a buffer of this number would be, to be asked for ahead and not to be used.
    #[inline(always)]
    fn somewhere(&self, buf_idx: u32) -> *const u8 {
        self.bufs.as_ptr().wrapping_add(buf_idx as usize * self.stride as usize)
    }

    /// Copies one frame into slots from `i` on, into the buffers that they name. The caller owns enough of them.
    /// Returns the slots used.
    #[inline(always)]
    pub(crate) fn write(&self, i: u32, frame: FrameRef<'_>, time_ns: u64) -> Result<u32, Malformed> {
        self.write_into(i, frame, time_ns, |i, _| self.read_for_writing(i))
    }

    /// As [`Slots::write`], into the slots' homes, whatever they name now.
    #[inline(always)]
    pub(crate) fn write_home(&self, i: u32, frame: FrameRef<'_>, time_ns: u64) -> Result<u32, Malformed> {
        self.write_into(i, frame, time_ns, |i, len| self.home(i).map(|home| home.of(len)).ok_or(Malformed))
    }

    #[inline(always)]
    fn home(&self, i: u32) -> Option<Home> {
        self.homes.get(i as usize).copied()
    }

    /// `place` tells the number of a buffer of this ring for so many bytes in a slot.
    #[inline(always)]
    fn write_into(
        &self,
        i: u32,
        frame: FrameRef<'_>,
        time_ns: u64,
        place: impl Fn(u32, usize) -> Result<u32, Malformed>,
    ) -> Result<u32, Malformed> {
        if frame.len() <= self.room as usize {
            let buf_idx = place(i, frame.len())?;
            // SAFETY: the frame's bytes are readable, the buffer has `room` bytes; rule 7.
            unsafe { copy(frame.as_ptr(), self.buffer(buf_idx), frame.len()) };
            self.set(i, Slot { buf_idx, len: frame.len() as u16, flags: 0 }, time_ns);
            return Ok(1);
        }
        self.write_chain(i, frame, time_ns, &place)
    }

    #[cold]
    fn write_chain(
        &self,
        mut i: u32,
        frame: FrameRef<'_>,
        time_ns: u64,
        place: &dyn Fn(u32, usize) -> Result<u32, Malformed>,
    ) -> Result<u32, Malformed> {
        let mut done = 0;
        let mut used = 0;
        if frame.len().div_ceil(self.room as usize) >= self.num_slots as usize {
            return Err(Malformed);
        }
        while done < frame.len() {
            let part = (frame.len() - done).min(self.room as usize);
            let buf_idx = place(i, part)?;
            // SAFETY: `done + part` bytes are readable, the buffer has `room` bytes; rule 7.
            unsafe { copy(frame.as_ptr().add(done), self.buffer(buf_idx), part) };
            done += part;
            let flags = if done < frame.len() { abi::NS_MOREFRAG } else { 0 };
            self.set(i, Slot { buf_idx, len: part as u16, flags }, time_ns);
            i = self.next(i);
            used += 1;
        }
        Ok(used)
    }

    #[inline(always)]
    fn set(&self, i: u32, slot: Slot, time_ns: u64) {
        self.cell(i).set(slot, time_ns);
    }

    /// The number of the buffer that slot `i` has, whatever else it says.
    #[inline(always)]
    pub(super) fn read_for_writing(&self, i: u32) -> Result<u32, Malformed> {
        // ORDER: Relaxed, as in `set`.
        let old = Slot::unpack(self.cell(i).word.load(Ordering::Relaxed));
        if self.is_usable(old.buf_idx) { Ok(old.buf_idx) } else { Err(Malformed) }
    }

    #[inline(always)]
    fn is_usable(&self, buf_idx: u32) -> bool {
        buf_idx.wrapping_sub(RESERVED_BUFS) < self.usable
    }

    /// The buffer of this number; `None` when no slot may name it.
    #[inline(always)]
    pub(crate) fn usable(&self, buf_idx: u32) -> Option<Buffer<'_>> {
        self.is_usable(buf_idx).then(|| Buffer { slots: self, buf_idx, data: self.buffer(buf_idx) })
    }

    /// Gives the slot's buffer a length without touching its bytes.
    pub(crate) fn set_len(&self, i: u32, len: u16) -> Result<(), Malformed> {
        let buf_idx = self.read_for_writing(i)?;
        // ORDER: Relaxed; the owner's own ring.
        self.cell(i).word.store(Slot { buf_idx, len, flags: 0 }.pack(), Ordering::Relaxed);
        Ok(())
    }

    /// Copies the front of a frame into a buffer that its owner, a driver, has: how many bytes.
    #[inline(always)]
    pub(crate) fn fill(&self, buf_idx: u32, frame: FrameRef<'_>) -> Option<u32> {
        if !self.is_usable(buf_idx) {
            return None;
        }
        let len = frame.len().min(self.room as usize);
        // SAFETY: `len` bytes are readable, the buffer has `room` bytes; rule 7.
        unsafe { copy(frame.as_ptr(), self.buffer(buf_idx), len) };
        Some(len as u32)
    }

    /// Moves the `len` bytes that begin `back` bytes before a buffer to `by` bytes later. False when not all of these are the
    /// buffer's own.
    pub(crate) fn move_up(&self, buf_idx: u32, back: u32, by: u32, len: u32) -> bool {
        let ends = u64::from(by) + u64::from(len);
        let inside = self.is_usable(buf_idx) && back <= self.headroom && ends <= u64::from(back) + u64::from(self.room);
        if inside {
            // SAFETY: `headroom` bytes before a buffer and `room` behind its beginning lie inside the mapping; from `back` bytes
            // before to `back - by - len` behind is no more than that. They overlap, which this copy allows; rule 7.
            unsafe {
                let from = self.buffer(buf_idx).sub(back as usize);
                std::ptr::copy(from, from.add(by as usize), len as usize);
            }
        }
        inside
    }

    /// Overwrites two bytes of the piece in slot `i`, from byte `offset` of it on. False when they are not the piece's.
    pub(crate) fn replace(&self, i: u32, offset: usize, bytes: [u8; 2]) -> bool {
        let Ok(piece) = self.read(i) else { return false };
        let inside = offset.checked_add(bytes.len()).is_some_and(|end| end <= usize::from(piece.len));
        if inside {
            // SAFETY: inside the piece, whose length is at most the buffer's room (checked by `read`); rule 7.
            unsafe { copy(bytes.as_ptr(), self.buffer(piece.buf_idx).add(offset), bytes.len()) };
        }
        inside
    }

    /// Asks for the lines that the frame `ahead` slots after `i` will be written to, if it is about as long.
    #[inline(always)]
    pub(crate) fn prefetch_write(&self, i: u32, ahead: u32, len: usize) {
        let j = self.add(i, ahead);
        // A line holds four slots.
        if j % 4 == 0 {
            let cell: *const SlotCell = self.cell(j);
            prefetch_for_write(cell.cast());
        }
        if let Some(home) = self.home(j) {
            prefetch_for_write(self.buffer(home.of(len)));
        }
    }

    /// Asks for the first line of the frame `ahead` slots after `i`.
    #[inline(always)]
    pub(crate) fn prefetch_read(&self, i: u32, ahead: u32) {
        // ORDER: Relaxed; only a hint is made of it.
        let s = Slot::unpack(self.cell(self.add(i, ahead)).word.load(Ordering::Relaxed));
        if s.buf_idx < self.num_bufs {
            prefetch_for_read(self.buffer(s.buf_idx));
        }
    }

    /// Asks for slot `i`, and for its frame if that has a home and is about as long.
    #[inline(always)]
    pub(crate) fn prefetch_first(&self, i: u32, len: usize) {
        let cell: *const SlotCell = self.cell(i);
        prefetch_for_read(cell.cast());
        if let Some(home) = self.home(i) {
            prefetch_for_read(self.buffer(home.of(len)));
        }
    }

    /// The frame that begins in slot `i`, of which `avail` slots may be read: its piece and its slots. A chain that
    /// does not lie in one piece is copied into `scratch`.
    #[inline(always)]
    pub(crate) fn frame<'a>(
        &'a self,
        i: u32,
        avail: u32,
        scratch: &'a mut Vec<u8>,
    ) -> Result<(FrameRef<'a>, u32), (Malformed, u32)> {
        let s = self.read(i).map_err(|m| (m, 1))?;
        if s.flags & abi::NS_MOREFRAG == 0 {
            let data = self.buffer(s.buf_idx);
            return Ok((FrameRef { data, len: usize::from(s.len), owner: PhantomData }, 1));
        }
        self.chain(i, avail, scratch)
    }

    #[cold]
    fn chain<'a>(
        &'a self,
        first: u32,
        avail: u32,
        scratch: &'a mut Vec<u8>,
    ) -> Result<(FrameRef<'a>, u32), (Malformed, u32)> {
        let mut parts = NO_PARTS;
        let used = self.parts(first, avail, &mut parts)?;
        let parts = &parts[..used as usize];
        let in_one_piece = parts.windows(2).all(|pair| {
            u64::from(pair[0].len) == u64::from(pair[1].buf_idx.wrapping_sub(pair[0].buf_idx)) * u64::from(self.stride)
        });
        if in_one_piece {
            // Full buffers one after the other: the bytes lie together already. Each number and length was checked,
            // so their sum stays inside the buffers.
            let len = parts.iter().map(|s| usize::from(s.len)).sum();
            return Ok((FrameRef { data: self.buffer(parts[0].buf_idx), len, owner: PhantomData }, used));
        }
        scratch.clear();
        scratch.reserve(MAX_FRAME);
        for s in parts {
            let part = FrameRef { data: self.buffer(s.buf_idx), len: usize::from(s.len), owner: PhantomData };
            part.append_to(scratch);
        }
        Ok((FrameRef::from(scratch.as_slice()), used))
    }

    /// Reads the slots of the chain that begins in slot `i`, of which `avail` may be read: how many. Each number and
    /// length is checked, and so is their sum.
    pub(super) fn parts(&self, mut i: u32, avail: u32, parts: &mut Parts) -> Result<u32, (Malformed, u32)> {
        let mut total = 0;
        for (part, used) in parts.iter_mut().zip(0..avail) {
            *part = self.read(i).map_err(|m| (m, used + 1))?;
            total += usize::from(part.len);
            if total > MAX_FRAME {
                return Err((Malformed, used + 1));
            }
            if part.flags & abi::NS_MOREFRAG == 0 {
                return Ok(used + 1);
            }
            i = self.next(i);
        }
        Err((Malformed, avail.min(parts.len() as u32)))
    }

    /// Whether the slots of both rings name the same buffers by the same numbers.
    pub(super) fn shares_buffers(&self, other: &Slots) -> bool {
        let buffers = |s: &Slots| (s.header_at as i64 + s.buf_ofs, s.num_bufs, s.stride, s.room, s.headroom);
        self.keep.is_same_memory(&other.keep) && buffers(self) == buffers(other)
    }

    /// Sends slot `i` of `from`, which said `part`, from slot `at` of this ring: the slots change their buffers. False, and
    /// nothing changed, when this slot names no buffer.
    ///
    /// Both slots are their owners' until the heads are published, and no buffer's number is in two slots afterwards.
    pub(super) fn swap_in(&self, at: u32, from: &Slots, i: u32, part: Piece, goes_on: bool) -> bool {
        let Ok(free) = self.read_for_writing(at) else { return false };
        let more = if goes_on { abi::NS_MOREFRAG } else { 0 };
        let sent = Slot { flags: abi::NS_BUF_CHANGED | more, ..part };
        let back = Slot { buf_idx: free, len: part.len, flags: part.flags | abi::NS_BUF_CHANGED };
        self.set_word(at, sent);
        from.set_word(i, back);
        true
    }

    /// Says this in slot `i`, whose `ptr` stays as it is.
    pub(super) fn set_word(&self, i: u32, slot: Slot) {
        // ORDER: Relaxed; the slot is its owner's, and the head that shows it to the kernel is stored with Release.
        self.cell(i).word.store(slot.pack(), Ordering::Relaxed);
    }
}
