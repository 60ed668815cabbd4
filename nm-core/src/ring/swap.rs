//! Frames that go on from a receive ring to a transmit ring of the same memory, as netmap's own bridge sends them: the slots
//! change their buffers' numbers, and no byte is copied.
//!
//! ```text
//!             before                         after
//!   receive   slot 7: buffer 40, a frame     slot 7: buffer 91, NS_BUF_CHANGED, given back
//!   transmit  slot 2: buffer 91, free        slot 2: buffer 40, NS_BUF_CHANGED, to be sent
//! ```
//! So every buffer stays in one slot. Only for rings that a kernel has made: a driver of ours may know its buffers by the ring
//! that they began in.

use super::outgoing::Outgoing;
use super::rx::RxRing;
use super::slots::{NO_PARTS, Piece};
use super::tx::TxRing;
use crate::abi::NS_MOREFRAG;

/// What [`TxRing::put_frames`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Frames that are in the transmit ring now.
    pub frames: u32,
    /// Bytes of those.
    pub bytes: u64,
    /// Slots that the next frame needs, for which there was no space; 0: there is none.
    pub wanting: u32,
}

impl TxRing {
    /// Whether frames of `from` can be sent from where they lie.
    pub fn shares_buffers(&self, from: &RxRing) -> bool {
        !self.owns_tail && !from.owns_tail && self.slots.shares_buffers(&from.slots)
    }

    /// Puts into this ring what lies in `from`, at most `slots` slots of it (or one frame), until there is no space:
    /// swapped where both rings share their buffers, else copied. `from` has handed those frames out.
    pub fn put_frames(&mut self, from: &mut RxRing, slots: u32) -> Moved {
        let swaps = self.shares_buffers(from);
        let mut frames = from.outgoing();
        frames.keep(slots);
        let mut moved = Moved::default();
        loop {
            let put = if swaps { self.swap_frame(&mut frames) } else { self.copy_frame(&mut frames) };
            match put {
                Put::Frame(bytes) => (moved.frames, moved.bytes) = (moved.frames + 1, moved.bytes + bytes),
                Put::Malformed => {}
                Put::NoSpace(wanting) => {
                    moved.wanting = wanting;
                    break;
                }
                Put::AllDone => break,
            }
        }
        let done = frames.done();
        from.pass(done);
        moved
    }

    fn copy_frame(&mut self, frames: &mut Outgoing<'_>) -> Put {
        let Some((frame, next)) = frames.frame_at(frames.first()) else { return Put::AllDone };
        let mut put = Put::Malformed;
        if let Some(frame) = frame {
            let needed = frame.len().div_ceil(self.room() as usize).max(1) as u32;
            if needed > self.space() {
                return Put::NoSpace(needed);
            }
            // A slot of this ring without a buffer was counted.
            if self.put_frame(frame) {
                put = Put::Frame(frame.len() as u64);
            }
        }
        frames.consume(next);
        put
    }

    fn swap_frame(&mut self, frames: &mut Outgoing<'_>) -> Put {
        let (first, avail) = (frames.first(), frames.waiting_from(frames.first()));
        if avail == 0 {
            return Put::AllDone;
        }
        let mut chain = NO_PARTS;
        let one: [Piece; 1];
        let parts = match frames.slots().read(first) {
            Ok(piece) if piece.flags & NS_MOREFRAG == 0 => {
                one = [piece];
                &one[..]
            }
            _ => match frames.slots().parts(first, avail, &mut chain) {
                Ok(used) => &chain[..used as usize],
                Err((_, used)) => {
                    frames.pass_malformed(used);
                    return Put::Malformed;
                }
            },
        };
        let needed = parts.len() as u32;
        if needed > self.space() {
            return Put::NoSpace(needed);
        }
        let bytes = parts.iter().map(|part| u64::from(part.len)).sum();
        for (part, n) in parts.iter().zip(0..) {
            let at = self.slots.add(self.head, n);
            if !self.slots.swap_in(at, frames.slots(), frames.advance(first, n), *part, n + 1 < needed) {
                // What was swapped before stays so: each buffer is in one slot, and the frame goes no further.
                self.malformed += 1;
                frames.consume(frames.advance(first, needed));
                return Put::Malformed;
            }
        }
        self.head = self.slots.add(self.head, needed);
        frames.consume(frames.advance(first, needed));
        Put::Frame(bytes)
    }
}

enum Put {
    /// A frame of so many bytes.
    Frame(u64),
    /// Nothing; what makes no sense was counted and passed over.
    Malformed,
    /// Nothing: the frame needs so many slots.
    NoSpace(u32),
    /// Nothing is left.
    AllDone,
}
