//! A stream's bytes on their way to be frames: one block, read into and handed out in place.
//!
//! ```text
//! block   |..|..|######## unread ########|............ room ............|..|
//!         base  start                    end                          limit
//! ```
//! *Reading ahead*, one read(2) takes what is there, up to the block's room, and nothing is read while a whole frame is
//! unread: a pipe's frames come out as they arrive. *Exactly*, no byte is asked for before it is needed, so that whoever
//! shares the stream finds it behind the last frame.
//!
//! Reads go to where a page begins, as far as they can: the kernel's copy takes 3 to 4 times as long to a place 1 to 31 bytes
//! further on in its page than what it copies (AMD's `rep movsb`: 45 ns against 14 for a frame of 60 bytes), and what
//! malloc gives lies 16 bytes behind a page's beginning.
//!
//! The block grows only when it is full of one frame's bytes and has to hold more of them: by what arrived, not by what a
//! header claims.

use std::io::{self, Read};

/// Bytes of a block. Reading was as fast with 32 to 512 KiB; a larger one leaves the processor's second cache.
pub const BLOCK: usize = 256 << 10;
/// Bytes of a block that is asked for exactly what is needed.
const SMALL_BLOCK: usize = 8 << 10;
/// Bytes of the pages that the kernel copies from.
const PAGE: usize = 4096;
/// A block up to this size stays when the frames that needed it are gone.
const KEPT: usize = 4 * BLOCK;

pub(crate) struct Input<R> {
    pub(crate) stream: R,
    block: Vec<u8>,
    /// Where the block's first page begins.
    base: usize,
    /// Where its last page ends.
    limit: usize,
    start: usize,
    end: usize,
    ahead: bool,
    /// The stream has ended; only of interest when reading ahead, for others may move an exact one.
    over: bool,
    /// Blocks that were outgrown while somebody may still look at a frame in them.
    outgrown: Vec<Vec<u8>>,
}

impl<R: Read> Input<R> {
    pub(crate) fn new(stream: R, ahead: bool) -> Input<R> {
        let block = vec![0; if ahead { BLOCK } else { SMALL_BLOCK }];
        let (base, limit) = pages(&block);
        Input { stream, block, base, limit, start: base, end: base, ahead, over: false, outgrown: Vec::new() }
    }

    /// The bytes that were read and not taken.
    #[inline(always)]
    pub(crate) fn unread(&self) -> &[u8] {
        self.block.get(self.start..self.end).unwrap_or_default()
    }

    /// As [`Input::unread`], to be changed in place.
    #[inline(always)]
    pub(crate) fn unread_mut(&mut self) -> &mut [u8] {
        self.block.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// Takes `count` bytes, or all there are.
    #[inline(always)]
    pub(crate) fn take(&mut self, count: usize) {
        self.start = self.end.min(self.start.saturating_add(count));
    }

    /// The bytes that were read and not taken, and how to take some: by adding to this, at most their number.
    #[inline(always)]
    pub(crate) fn unread_and_start(&mut self) -> (&[u8], &mut usize) {
        (&self.block[self.start..self.end], &mut self.start)
    }

    /// The bytes taken last, `count` of them.
    #[inline(always)]
    pub(crate) fn taken(&self, count: usize) -> &[u8] {
        self.start.checked_sub(count).and_then(|from| self.block.get(from..self.start)).unwrap_or_default()
    }

    /// Takes all that is there; returns how much it was.
    pub(crate) fn take_all(&mut self) -> usize {
        let count = self.end - self.start;
        self.start = self.end;
        count
    }

    /// Has `count` bytes unread in one piece, if the stream has so many; returns how many there are, at most `count`.
    ///
    /// # Errors
    /// The stream's. What was read so far stays unread, and the next call goes on.
    #[inline(always)]
    pub(crate) fn need(&mut self, count: usize) -> io::Result<usize> {
        if self.end - self.start >= count { Ok(count) } else { self.need_more(count) }
    }

    /// Whether there are `count` bytes, in the end. The usual case of a stream that is read exactly takes one short read.
    ///
    /// # Errors
    /// As [`Input::need`].
    #[inline(always)]
    pub(crate) fn has(&mut self, count: usize) -> io::Result<bool> {
        if !self.ahead && self.end - self.start < count {
            self.rewind();
            let limit = self.start + count;
            if let Some(room) = self.block.get_mut(self.end..limit) {
                let wanted = room.len();
                let read = self.stream.read(room)?.min(wanted);
                self.end += read;
                if read == wanted || read == 0 {
                    return Ok(read != 0);
                }
            }
        }
        Ok(self.need(count)? == count)
    }

    #[inline(never)]
    fn need_more(&mut self, count: usize) -> io::Result<usize> {
        while self.end - self.start < count && !(self.over && self.ahead) {
            if !self.read_some(count)? {
                break;
            }
        }
        Ok(count.min(self.end - self.start))
    }

    /// One read towards `count` unread bytes; false at the stream's end.
    fn read_some(&mut self, count: usize) -> io::Result<bool> {
        self.rewind();
        if self.limit.saturating_sub(self.start) < count {
            self.make_room();
        }
        let limit = if self.ahead { self.limit } else { self.limit.min(self.start.saturating_add(count)) };
        let room = &mut self.block[self.end..limit];
        let wanted = room.len();
        let read = self.stream.read(room)?;
        if read > wanted {
            return Err(io::Error::other("the stream gave more than it was asked for"));
        }
        self.end += read;
        self.over = read == 0;
        Ok(read != 0)
    }

    /// When nothing is unread, all of the block is room.
    #[inline(always)]
    fn rewind(&mut self) {
        if self.start == self.end {
            (self.start, self.end) = (self.base, self.base);
        }
    }

    /// Makes room behind what is unread, for one byte at least; for a page, and at one, if there is space for it.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self) {
        let unread = self.end - self.start;
        let end = self.base + unread.next_multiple_of(PAGE);
        let start = if end < self.limit { end - unread } else { 0 };
        self.block.copy_within(self.start..self.end, start);
        (self.start, self.end) = (start, start + unread);
        if self.end >= self.limit {
            let mut larger = vec![0; self.block.len() * 2];
            larger[..self.end].copy_from_slice(&self.block[..self.end]);
            self.outgrown.push(std::mem::replace(&mut self.block, larger));
            (self.base, self.limit) = pages(&self.block);
        }
    }

    /// Nobody looks at earlier frames any more: memory that they needed is given back.
    #[inline(always)]
    pub(crate) fn release(&mut self) {
        if !self.outgrown.is_empty() || self.block.len() > KEPT {
            self.give_back();
        }
    }

    #[cold]
    fn give_back(&mut self) {
        self.outgrown.clear();
        let unread = self.end - self.start;
        if self.block.len() > KEPT && unread <= BLOCK / 2 {
            let mut block = vec![0; BLOCK];
            block[..unread].copy_from_slice(self.unread());
            self.block = block;
            (self.base, self.limit) = pages(&self.block);
            (self.start, self.end) = (0, unread);
        }
    }

    /// From now on no byte is read before it is needed. Returns how many are unread: so far the stream is ahead.
    pub(crate) fn stop_reading_ahead(&mut self) -> usize {
        self.ahead = false;
        self.end - self.start
    }

    /// Forgets what is unread, after the stream went back by as much.
    pub(crate) fn forget(&mut self) {
        self.start = self.end;
    }

    /// Whether the stream has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Bytes of memory in use.
    pub(crate) fn memory(&self) -> usize {
        self.block.len() + self.outgrown.iter().map(Vec::len).sum::<usize>()
    }
}

/// Where a block's whole pages begin and end.
fn pages(block: &[u8]) -> (usize, usize) {
    let base = block.as_ptr().align_offset(PAGE);
    match block.len().checked_sub(base) {
        Some(room @ PAGE..) => (base, base + room / PAGE * PAGE),
        _ => (0, block.len()),
    }
}
