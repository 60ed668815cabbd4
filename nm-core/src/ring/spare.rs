//! Buffers that no slot has: a kernel gives them to a port that asks for some (`nr_extra_bufs`). Here frames wait in them that a
//! full transmit ring has no slots for, out of the receive ring that they came by, whose slots get other buffers meanwhile.
//!
//! ```text
//!   ni_bufs_head -> 40 -> 37 -> 52 -> 0        the kernel's list: each buffer's first 4 bytes are the next one's number
//!                    |                         free: all that are on it
//!      receive slot  v                         waiting: taken off it, frames in them
//!        frame in 7, then 40, NS_BUF_CHANGED   --->  7 waits; 37 is the list's head
//!      transmit slot
//!        free buffer 91, then 7, NS_BUF_CHANGED -->  91 -> 37 -> 52 -> 0
//! ```
//! **The list is the kernel's to free** when the port closes, whatever way: at any time it holds the free buffers and no other, and
//! those of frames that wait join it when this is dropped. Only a killed process keeps the latter from their memory, until its
//! last user is gone.
//!
//! **Who shares the memory may write any list.** It is walked once, at the beginning, for as many steps as the kernel said it gave, and
//! ends early at a number that is no buffer's, came before, or lies in a ring. From then on numbers are in memory of ours; the list is
//! only written.

use super::rx::RxRing;
use super::slots::{FrameRef, MAX_FRAME, NO_PARTS, Piece, Slots};
use super::tx::TxRing;
use crate::abi::{NS_BUF_CHANGED, NS_MOREFRAG};
use crate::shm::mapping::{Mapping, View};
use crate::shm::place::RingPlace;
use crate::sync::{AtomicU32, Ordering};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// Buffers without a slot, and the frames that wait in some of them.
pub struct Spare {
    slots: Slots,
    place: RingPlace,
    head: View<AtomicU32>,
    /// From the list's end to its head.
    free: Vec<u32>,
    /// What the list goes on with behind them: 0, or what the kernel did not say it gave.
    rest: u32,
    /// Frames in order, each as its pieces.
    waiting: VecDeque<Piece>,
    frames: u32,
}

/// What [`Spare::keep`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The next frame waits here now, or made no sense and was counted by its ring.
    Kept,
    /// There is none.
    Nothing,
    /// Fewer buffers are free than it needs.
    NoBuffers,
    /// It needs more slots than it may.
    TooLong,
}

/// What [`TxRing::put_kept`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutKept {
    /// The frame that waited longest, of so many bytes, is in the ring.
    Frame(u64),
    /// It is lost: a slot of the ring names no buffer.
    Lost,
    /// None waits, or there is no space for it.
    Nothing,
}

impl Spare {
    /// The list whose head lies at `head_at`, of buffers as the ring at `place` has them. `given` is how many the kernel said it
    /// gave, `in_slots` those that are none of it, whoever says so. Returns how many numbers made no sense, too; `None` when the
    /// place does not lie in the mapping.
    pub fn adopt(
        mapping: &Arc<Mapping>,
        place: &RingPlace,
        head_at: usize,
        given: u32,
        mut in_slots: HashSet<u32>,
    ) -> Option<(Spare, u64)> {
        let slots = Slots::new(mapping, place)?;
        let head = View::at(mapping, head_at)?;
        let mut spare =
            Spare { slots, place: *place, head, free: Vec::new(), rest: 0, waiting: VecDeque::new(), frames: 0 };
        // ORDER: Relaxed, here and wherever the list is read or written: the kernel made it before the port was registered, and
        // frees it when it is closed, both system calls.
        let mut next = spare.head.load(Ordering::Relaxed);
        let mut malformed = 0;
        while next != 0 && spare.free.len() < given as usize {
            let link = spare.slots.usable(next).and_then(|_| spare.link(next));
            let Some(after) = link.filter(|_| in_slots.insert(next)).map(|link| link.load(Ordering::Relaxed)) else {
                (malformed, next) = (1, 0);
                break;
            };
            spare.free.push(next);
            next = after;
        }
        // Longer than it should be: what follows is nobody's business here, and stays where it is.
        let goes_on = next != 0;
        if goes_on && spare.slots.usable(next).is_some() && !in_slots.contains(&next) {
            spare.rest = next;
        }
        let too_short = malformed == 0 && spare.free.len() < given as usize;
        malformed += u64::from(goes_on || too_short);
        spare.free.reverse();
        spare.waiting.reserve_exact(spare.free.len());
        // Without what made no sense.
        for n in 0..spare.free.len() {
            let below = if n == 0 { spare.rest } else { spare.free[n - 1] };
            spare.set_link(spare.free[n], below);
        }
        spare.set_head();
        Some((spare, malformed))
    }

    /// Buffers that it has, free or with frames in them.
    pub fn buffers(&self) -> u32 {
        (self.free.len() + self.waiting.len()) as u32
    }

    /// Frames that wait.
    pub fn frames(&self) -> u32 {
        self.frames
    }

    /// Takes the next frame out of its receive ring, whose reader counts it as handed out; unless it would need `most` slots or more.
    /// In the same memory the slots get free buffers for those with the frame, else it is copied.
    pub fn keep(&mut self, from: &mut RxRing, most: u32) -> Keep {
        let shares = !from.owns_tail && self.slots.shares_buffers(&from.slots);
        let mut frames = from.outgoing();
        let first = frames.first();
        let avail = frames.waiting_from(first);
        if avail == 0 {
            return Keep::Nothing;
        }
        let kept = if shares {
            let mut chain = NO_PARTS;
            match frames.slots().parts(first, avail, &mut chain) {
                Err((_, used)) => {
                    frames.pass_malformed(used);
                    Keep::Kept
                }
                Ok(needed) if needed >= most => Keep::TooLong,
                Ok(needed) if needed as usize > self.free.len() => Keep::NoBuffers,
                Ok(needed) => {
                    for (part, n) in chain[..needed as usize].iter().zip(0..) {
                        let Some(buf_idx) = self.pop() else { break };
                        let back = Piece { buf_idx, len: part.len, flags: part.flags | NS_BUF_CHANGED };
                        frames.slots().set_word(frames.advance(first, n), back);
                        self.wait_with(part.buf_idx, part.len, n + 1 < needed);
                    }
                    let next = frames.advance(first, needed);
                    frames.consume(next);
                    Keep::Kept
                }
            }
        } else {
            match frames.frame_at(first) {
                None => Keep::Nothing,
                Some((None, next)) => {
                    frames.consume(next);
                    Keep::Kept
                }
                Some((Some(frame), next)) => {
                    let needed = frame.len().div_ceil(self.slots.room() as usize).max(1);
                    if needed >= most as usize {
                        Keep::TooLong
                    } else if needed > self.free.len() {
                        Keep::NoBuffers
                    } else {
                        self.copy(frame);
                        frames.consume(next);
                        Keep::Kept
                    }
                }
            }
        };
        let done = frames.done();
        from.pass(done);
        kept
    }

    /// Drops the frames that wait: how many.
    pub fn drop_frames(&mut self) -> u32 {
        while let Some(piece) = self.waiting.pop_front() {
            self.push(piece.buf_idx);
        }
        std::mem::take(&mut self.frames)
    }

    fn copy(&mut self, frame: FrameRef<'_>) {
        let mut rest = frame;
        while let Some(buf_idx) = self.pop() {
            let len = self.slots.fill(buf_idx, rest).unwrap_or(0);
            rest = rest.behind(len as usize);
            // A buffer holds no more than a slot can say.
            self.wait_with(buf_idx, len as u16, !rest.is_empty());
            if rest.is_empty() || len == 0 {
                break;
            }
        }
    }

    fn wait_with(&mut self, buf_idx: u32, len: u16, goes_on: bool) {
        self.waiting.push_back(Piece { buf_idx, len, flags: if goes_on { NS_MOREFRAG } else { 0 } });
        self.frames += u32::from(!goes_on);
    }

    /// Slots that the frame needs which waited longest; 0: none waits.
    fn needed(&self) -> u32 {
        let end = self.waiting.iter().position(|piece| piece.flags & NS_MOREFRAG == 0);
        end.map_or(0, |end| end as u32 + 1)
    }

    fn link(&self, buf_idx: u32) -> Option<&AtomicU32> {
        let at = (buf_idx as usize).checked_mul(self.place.stride as usize)?.checked_add(self.place.buffers)?;
        self.head.mapping().at(at)
    }

    fn set_link(&self, buf_idx: u32, next: u32) {
        if let Some(link) = self.link(buf_idx) {
            link.store(next, Ordering::Relaxed);
        }
    }

    fn set_head(&self) {
        self.head.store(self.free.last().copied().unwrap_or(self.rest), Ordering::Relaxed);
    }

    /// Takes a buffer off the list before anything is done with it.
    fn pop(&mut self) -> Option<u32> {
        let buf_idx = self.free.pop()?;
        self.set_head();
        Some(buf_idx)
    }

    fn push(&mut self, buf_idx: u32) {
        self.set_link(buf_idx, self.free.last().copied().unwrap_or(self.rest));
        self.free.push(buf_idx);
        self.set_head();
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        self.drop_frames();
    }
}

impl TxRing {
    /// Puts the frame into the ring that waited longest. Both have the same memory.
    pub fn put_kept(&mut self, spare: &mut Spare) -> PutKept {
        let needed = spare.needed();
        if needed == 0 || needed > self.space() || !self.slots.shares_buffers(&spare.slots) {
            return PutKept::Nothing;
        }
        spare.frames -= 1;
        let (mut bytes, mut lost) = (0, false);
        for n in 0..needed {
            let Some(piece) = spare.waiting.pop_front() else { break };
            let at = self.slots.add(self.head, n);
            let free = if lost { None } else { self.slots.read_for_writing(at).ok() };
            if let Some(free) = free {
                self.slots.set_word(at, Piece { flags: piece.flags | NS_BUF_CHANGED, ..piece });
                bytes += u64::from(piece.len);
                spare.push(free);
            } else {
                lost = true;
                spare.push(piece.buf_idx);
            }
        }
        if lost {
            self.malformed += 1;
            return PutKept::Lost;
        }
        debug_assert!(bytes <= MAX_FRAME as u64);
        self.head = self.slots.add(self.head, needed);
        PutKept::Frame(bytes)
    }
}
