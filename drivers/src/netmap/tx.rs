//! Towards the wire: into the module's transmit ring, and a sync at once.
//!
//! A card's ring that is full is waited for as a switch's receiver is: while it makes progress, up to the flow-control time
//! without any.
//!
//! Frames that are sent on don't wait for it while the port has buffers without a slot: they are put there, in their order, and the ring
//! that they came by goes on. Whenever the module has made space, those that wait come first.

use super::{Device, Direction, Shared};
use nm_core::ring::slots::MAX_FRAME;
use nm_core::ring::spare::{Keep, PutKept, Spare};
use nm_core::sync::count_together;
use nm_core::{Forwarded, PortError, PortTx, RxRing, TxRing};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of an Ethernet header.
const HEADER: usize = 14;
/// How long a full ring is waited for.
const PATIENCE: Duration = Duration::from_millis(10);
/// Between two looks at it.
const NAP: Duration = Duration::from_micros(50);

/// The transmit side of a port.
pub struct Tx<D> {
    shared: Arc<Shared<D>>,
    out: Option<Out>,
}

/// The ring and what waits for it.
struct Out {
    ring: TxRing,
    /// The first slot that the module was not yet shown.
    shown: u32,
    spare: Option<Spare>,
    /// What became of frames that waited, since somebody was told.
    waited: Forwarded,
}

impl<D: Device> Tx<D> {
    pub fn new(shared: Arc<Shared<D>>, ring: Option<TxRing>, spare: Option<Spare>) -> Tx<D> {
        let out = |ring: TxRing| Out { shown: ring.head(), ring, spare, waited: Forwarded::default() };
        Tx { out: ring.map(out), shared }
    }

    fn read_only(&self) -> PortError {
        PortError::ReadOnly { port: self.shared.name.clone() }
    }
}

impl Out {
    /// Frames that wait in buffers without a slot.
    fn kept(&self) -> u32 {
        self.spare.as_ref().map_or(0, Spare::frames)
    }

    /// Sends what is filled, learns what has left, and fills what that made free with frames that wait.
    fn sync<D: Device>(&mut self, shared: &Shared<D>) -> Result<(), PortError> {
        loop {
            self.ring.publish_head();
            self.shown = self.ring.head();
            shared.sync(Direction::Tx)?;
            self.ring.learn_tail();
            count_together(&shared.counters.malformed, self.ring.take_malformed());
            if self.kept() == 0 || !self.fill_with_kept() {
                return Ok(());
            }
        }
    }

    #[cold]
    fn fill_with_kept(&mut self) -> bool {
        let Some(spare) = &mut self.spare else { return false };
        let before = spare.frames();
        loop {
            match self.ring.put_kept(spare) {
                PutKept::Frame(bytes) => {
                    self.waited.frames += 1;
                    self.waited.bytes += bytes;
                }
                PutKept::Lost => self.waited.refused += 1,
                PutKept::Nothing => return spare.frames() < before,
            }
        }
    }

    /// What became of frames that waited, for who is told of them.
    fn take_waited<D: Device>(&mut self, shared: &Shared<D>) -> Forwarded {
        let waited = std::mem::take(&mut self.waited);
        count_together(&shared.counters.sent, waited.frames);
        count_together(&shared.counters.sent_bytes, waited.bytes);
        waited
    }

    /// Makes space for `needed` slots behind the frames that wait.
    fn has_space<D: Device>(&mut self, shared: &Shared<D>, needed: u32, nonblocking: bool) -> Result<bool, PortError> {
        let has = |out: &Out| out.kept() == 0 && out.ring.space() >= needed;
        if has(self) {
            return Ok(true);
        }
        if needed >= self.ring.num_slots() {
            return Ok(false);
        }
        self.waits_until(shared, nonblocking, has)
    }

    /// Waits for a full ring while it makes progress.
    fn waits_until<D: Device>(
        &mut self,
        shared: &Shared<D>,
        nonblocking: bool,
        done: impl Fn(&Out) -> bool,
    ) -> Result<bool, PortError> {
        self.sync(shared)?;
        let left = |out: &Out| (out.kept(), out.ring.num_slots() - out.ring.space());
        let (mut since, mut before) = (Instant::now(), left(self));
        while !done(self) {
            if nonblocking {
                return Ok(false);
            }
            // Who waited for a processor meanwhile has not seen what it missed, and looks once more.
            let over = since.elapsed() >= PATIENCE;
            if !over {
                nm_core::sys::nap(NAP);
            }
            self.sync(shared)?;
            if left(self) < before {
                (since, before) = (Instant::now(), left(self));
            } else if over {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes frames out of their ring while there are buffers for them, until `end` slots are left. Returns what ended it.
    fn keep(&mut self, from: &mut RxRing, end: u32) -> Keep {
        let Some(spare) = &mut self.spare else { return Keep::NoBuffers };
        let mut kept = Keep::Nothing;
        while from.ready() > end {
            kept = spare.keep(from, self.ring.num_slots());
            if kept != Keep::Kept {
                break;
            }
        }
        kept
    }
}

impl<D: Device> PortTx for Tx<D> {
    fn inject(&mut self, frame: &[u8], nonblocking: bool) -> Result<(), PortError> {
        let len = frame.len();
        if len < HEADER {
            return Err(PortError::TooShort { len });
        }
        let Tx { shared, out: Some(out) } = self else { return Err(self.read_only()) };
        let room = out.ring.room() as usize;
        if len > MAX_FRAME || len.div_ceil(room) >= out.ring.num_slots() as usize {
            return Err(PortError::TooLong { len });
        }
        if !out.has_space(shared, len.div_ceil(room) as u32, nonblocking)? {
            return Err(PortError::NoRoom);
        }
        if !out.ring.put(frame) {
            count_together(&shared.counters.malformed, out.ring.take_malformed());
            let path = format!("{}: transmit ring", shared.name);
            return Err(PortError::Corrupt { path, why: "a slot names no buffer" });
        }
        out.sync(shared)?;
        count_together(&shared.counters.sent, 1);
        count_together(&shared.counters.sent_bytes, len as u64);
        Ok(())
    }

    fn ring(&mut self) -> Result<&mut TxRing, PortError> {
        let error = self.read_only();
        self.out.as_mut().map(|out| &mut out.ring).ok_or(error)
    }

    fn txsync(&mut self, _nonblocking: bool) -> Result<u32, PortError> {
        let Tx { shared, out: Some(out) } = self else { return Ok(0) };
        let (mut frames, mut bytes) = (0, 0);
        while let Some((frame, next)) = out.ring.frame_at(out.shown) {
            if let Some(frame) = frame {
                frames += 1;
                bytes += frame.len() as u64;
            }
            out.shown = next;
        }
        out.sync(shared)?;
        count_together(&shared.counters.sent, frames.into());
        count_together(&shared.counters.sent_bytes, bytes);
        Ok(frames)
    }

    /// A frame that lies in the module's same memory, as a card's and its host's do, is not copied: the slots swap their buffers.
    fn forward(&mut self, from: &mut RxRing, slots: u32, nonblocking: bool) -> Result<Forwarded, PortError> {
        let Tx { shared, out: Some(out) } = self else { return Err(self.read_only()) };
        let mut forwarded = Forwarded::default();
        let (end, mut patient) = (from.ready().saturating_sub(slots), !nonblocking);
        while from.ready() > end {
            let mut wanting = 1;
            if out.kept() > 0 {
                out.sync(shared)?;
            }
            if out.kept() == 0 {
                let moved = out.ring.put_frames(from, from.ready() - end);
                forwarded.frames += u64::from(moved.frames);
                forwarded.bytes += moved.bytes;
                wanting = moved.wanting;
                out.sync(shared)?;
            }
            if wanting == 0 {
                continue;
            }
            let (room, too_long) = match out.keep(from, end) {
                Keep::Kept | Keep::Nothing => continue,
                Keep::TooLong => (false, true),
                Keep::NoBuffers if out.kept() > 0 => {
                    let before = out.kept();
                    (out.waits_until(shared, !patient, |out| out.kept() < before)?, false)
                }
                Keep::NoBuffers => (out.has_space(shared, wanting, !patient)?, wanting >= out.ring.num_slots()),
            };
            if !room {
                // Who waited in vain once does not wait for each of the frames behind.
                patient &= too_long;
                from.pass_frame();
                forwarded.refused += 1;
            }
        }
        count_together(&shared.counters.sent, forwarded.frames);
        count_together(&shared.counters.sent_bytes, forwarded.bytes);
        forwarded += out.take_waited(shared);
        Ok(forwarded)
    }

    fn kept(&self) -> u32 {
        self.out.as_ref().map_or(0, Out::kept)
    }

    fn send_kept(&mut self, all: bool) -> Result<Forwarded, PortError> {
        let Tx { shared, out: Some(out) } = self else { return Ok(Forwarded::default()) };
        if out.kept() > 0 {
            out.sync(shared)?;
        }
        if all && out.kept() > 0 && !out.waits_until(shared, false, |out| out.kept() == 0)? {
            let dropped = out.spare.as_mut().map_or(0, Spare::drop_frames);
            out.waited.refused += u64::from(dropped);
        }
        Ok(out.take_waited(shared))
    }
}
