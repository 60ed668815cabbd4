//! Towards the wire: buffers to the card, and back.
//!
//! ```text
//!   inject:  caller's bytes --copy--> a free buffer ---\
//!   txsync:  a slot's buffer, another free one for it --+--> transmit ring --kick--> card
//!                      free <-- completion ring <------------------------------------/
//! ```
//! **When the kernel is kicked.** Where it copies, it sends inside our system call and nowhere else: a frame that is not
//! followed by one lies there for ever, so each [`Tx::inject`] makes its own, and it is the price of a frame. While frames
//! stream, they share one, and a [`Kicker`] sees to those that are left. Where the card reads the buffers itself, it goes on
//! by itself as long as it finds frames, and asks for a call otherwise (`XDP_USE_NEED_WAKEUP`): frames that follow one another
//! quickly share one.

use super::kicker::{Kicker, Trouble};
use super::ring::{Cells, Descriptor, Filler, Taker};
use super::umem::Chunks;
use super::{Shared, uncount};
use crate::sys::interface::Interface;
use nm_core::abi::NS_MOREFRAG;
use nm_core::ring::slots::Piece;
use nm_core::sync::{count, count_together};
use nm_core::{PortError, PortTx, TxRing};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of an Ethernet header, and of a VLAN tag.
const HEADER: usize = 14;
const TAG: usize = 4;
/// The kernel takes no longer chain: as many pieces as one of its own frames has at most (`MAX_SKB_FRAGS` and one).
const MAX_PIECES: usize = 17;
/// How long a sender waits for a card that does not move.
const PATIENCE: Duration = Duration::from_millis(10);

/// The descriptors and buffers of the way out, wherever the rings lie.
pub struct Out<C> {
    /// Frames to send.
    pub tx: Filler<C, 2>,
    /// Buffers that were sent from.
    pub completion: Taker<C, 1>,
    /// How buffers become addresses.
    pub chunks: Chunks,
    /// Buffers that neither a slot nor the card has.
    pub free: Vec<u32>,
}

impl<C: Cells> Out<C> {
    /// Takes back the buffers that the card is done with.
    #[inline(always)]
    pub fn reap(&mut self) {
        let done = self.completion.ready();
        for ahead in 0..done {
            if let Some(buf_idx) = self.chunks.buffer_around(self.completion.address(ahead)) {
                self.free.push(buf_idx);
            }
        }
        if done > 0 {
            self.completion.release(done);
        }
    }

    /// A free buffer.
    #[inline(always)]
    pub fn take(&mut self) -> Option<u32> {
        if self.free.is_empty() {
            self.reap();
        }
        self.free.pop()
    }

    /// Hands a frame, or a piece of one, to the card. False when its ring has no room.
    #[inline(always)]
    pub fn put(&mut self, piece: Piece) -> bool {
        let (address, more) = (self.chunks.address(piece.buf_idx), piece.flags & NS_MOREFRAG != 0);
        self.tx.put(Descriptor { address, len: piece.len.into(), more })
    }
}

/// The transmit side of a port.
pub(super) struct Tx {
    shared: Arc<Shared>,
    out: Out<crate::sys::xdp::MappedRing>,
    zero_copy: bool,
    ring: TxRing,
    /// Bytes of a frame behind its Ethernet header, as last looked at.
    mtu: usize,
    /// Chains are sent.
    pieces: bool,
    kicker: Kicker,
    /// As [`PortTx::take_refused`] gives them.
    refused: (u64, u64),
}

/// What became of what was published.
#[derive(Default)]
struct Kicked {
    /// What the kernel took and threw away.
    frames: u64,
    bytes: u64,
    /// Some of it lies there still, and nothing moves.
    stuck: bool,
}

impl Tx {
    pub fn new(shared: Arc<Shared>, queue: super::queue::TxQueue, ring: TxRing, pieces: bool) -> Tx {
        let (layout, mtu) = (&shared.layout, shared.card.mtu as usize);
        // The first buffers to send from are the slots'.
        let free = (layout.tx_first() + layout.tx_slots..layout.num_bufs()).rev().collect();
        let kicker = Kicker::new(Arc::clone(&queue.socket), !queue.zero_copy);
        let out = Out { tx: queue.tx, completion: queue.completion, chunks: layout.chunks(), free };
        Tx { shared, out, zero_copy: queue.zero_copy, ring, mtu, pieces, kicker, refused: (0, 0) }
    }

    /// Whether the interface takes frames of this length: a tag more than its MTU when they have one.
    #[inline(always)]
    fn fits(&mut self, len: usize, tagged: impl Fn() -> bool) -> bool {
        len <= HEADER + self.mtu || self.fits_after_all(len, &tagged)
    }

    #[cold]
    fn fits_after_all(&mut self, len: usize, tagged: &dyn Fn() -> bool) -> bool {
        if let Some(mtu) = Interface::mtu_of(self.shared.card.index) {
            self.mtu = mtu as usize;
        }
        let most = HEADER + self.mtu + if tagged() { TAG } else { 0 };
        let room = self.shared.layout.room() as usize;
        len <= most && len <= if self.pieces { room * MAX_PIECES } else { room }
    }

    /// Makes the kernel take what was published, unless it does so by itself.
    #[inline(always)]
    fn kick(&mut self, nonblocking: bool) -> Result<Kicked, PortError> {
        if self.zero_copy && !self.out.tx.published_to_sleeper() {
            return Ok(Kicked::default());
        }
        self.kicker.claim();
        match self.shared.sender.kick() {
            Ok(()) => Ok(Kicked::default()),
            Err(error) => self.kick_again(error, nonblocking),
        }
    }

    /// Something is left: the kernel takes 32 frames a call, or too much is on its way. Goes on until nothing is left, or
    /// nothing moves.
    #[cold]
    fn kick_again(&mut self, first: io::Error, nonblocking: bool) -> Result<Kicked, PortError> {
        // A frame that was published can't be taken back, so that who does not wait waits shortly, too.
        let patience = if nonblocking { PATIENCE / 10 } else { PATIENCE };
        let (mut error, mut moved, mut waiting) = (first, Instant::now(), u32::MAX);
        let (mut kicked, mut unseen) = (Kicked::default(), 0);
        loop {
            match error.raw_os_error() {
                // The card's queue is full, and its driver has thrown one away: it was taken, whatever the ring shows.
                Some(libc::EBUSY) => {
                    kicked.frames += 1;
                    kicked.bytes += self.out.tx.last_taken(&mut unseen);
                    moved = Instant::now();
                }
                Some(libc::EAGAIN | libc::ENOBUFS | libc::EINTR) => {}
                _ => return Err(self.failed(error)),
            }
            self.out.reap();
            let left = self.out.tx.waiting();
            if left == 0 {
                return Ok(kicked);
            }
            if left < waiting {
                (waiting, moved) = (left, Instant::now());
            } else if moved.elapsed() > patience {
                return Ok(Kicked { stuck: true, ..kicked });
            } else {
                std::thread::yield_now();
            }
            match self.shared.sender.kick() {
                Ok(()) => return Ok(kicked),
                Err(e) => error = e,
            }
        }
    }

    /// What became of frames that were left to the kicker, for the next one's caller.
    #[cold]
    fn earlier(&self, trouble: Trouble) -> PortError {
        match trouble {
            Trouble::Dropped(frames) => {
                uncount(&self.shared.counters.sent, frames.into());
                PortError::NoRoom
            }
            Trouble::Refused(source) => self.failed(source),
        }
    }

    fn failed(&self, source: io::Error) -> PortError {
        match source.raw_os_error() {
            Some(libc::ENETDOWN | libc::ENXIO | libc::EBADF) if Interface::is_up(self.shared.card.index).is_none() => {
                PortError::Disappeared
            }
            _ => PortError::Io { what: format!("{}: send", self.shared.name), source },
        }
    }

    /// Waits until a buffer is free.
    #[cold]
    fn wait_for_buffer(&mut self, nonblocking: bool) -> Result<u32, PortError> {
        let start = Instant::now();
        loop {
            // The card has them all. Where the kernel copies, it frees them in a call, and what it throws away then was counted.
            if let Ok(kicked) = self.kick(nonblocking) {
                self.take_back(&kicked);
            }
            if let Some(buf_idx) = self.out.take() {
                return Ok(buf_idx);
            }
            if nonblocking || start.elapsed() > PATIENCE {
                return Err(PortError::NoRoom);
            }
            std::thread::yield_now();
        }
    }

    /// What was counted as sent was not.
    fn take_back(&self, kicked: &Kicked) {
        uncount(&self.shared.counters.sent, kicked.frames);
        uncount(&self.shared.counters.sent_bytes, kicked.bytes);
    }

    #[cold]
    fn inject_pieces(&mut self, frame: &[u8], nonblocking: bool) -> Result<(), PortError> {
        let room = self.shared.layout.room() as usize;
        let mut taken = Vec::new();
        for _ in frame.chunks(room) {
            match self.out.take().map_or_else(|| self.wait_for_buffer(nonblocking), Ok) {
                Ok(buf_idx) => taken.push(buf_idx),
                Err(error) => {
                    self.out.free.append(&mut taken);
                    return Err(error);
                }
            }
        }
        if self.out.tx.room(taken.len() as u32) < taken.len() as u32 {
            self.out.free.append(&mut taken);
            return Err(PortError::NoRoom);
        }
        let last = taken.len() - 1;
        for (n, (&buf_idx, bytes)) in taken.iter().zip(frame.chunks(room)).enumerate() {
            self.ring.fill(buf_idx, bytes);
            let flags = if n < last { NS_MOREFRAG } else { 0 };
            self.out.put(Piece { buf_idx, len: bytes.len() as u16, flags });
        }
        Ok(())
    }

    /// Takes frames from the ring's beginning while there are buffers and room. Returns the frames.
    fn pass_on(&mut self) -> u32 {
        let (mut at, mut frames, mut bytes) = (self.ring.hwcur(), 0u32, 0u64);
        while let Some((piece, next)) = self.ring.piece_at(at) {
            let Some(piece) = piece else {
                at = next;
                continue;
            };
            if piece.flags & NS_MOREFRAG != 0 {
                match self.pass_chain(at) {
                    Some((end, len)) => {
                        at = end;
                        (frames, bytes) = (frames + u32::from(len > 0), bytes + len as u64);
                        continue;
                    }
                    None => break,
                }
            }
            let len = usize::from(piece.len);
            if len < HEADER || !self.fits(len, || true) {
                count(&self.shared.counters.dropped_long, u64::from(len >= HEADER));
                self.refused = (self.refused.0 + 1, self.refused.1 + len as u64);
            } else {
                if self.out.tx.room(1) == 0 {
                    break;
                }
                let Some(other) = self.out.take() else { break };
                self.out.put(piece);
                self.ring.swap(at, other);
                (frames, bytes) = (frames + 1, bytes + len as u64);
            }
            at = next;
        }
        self.ring.consume(at);
        count(&self.shared.counters.sent, frames.into());
        count(&self.shared.counters.sent_bytes, bytes);
        frames
    }

    /// The same for a chain that begins in slot `at`: the slot after it, and its bytes (0: it was dropped). `None` when it
    /// has to wait for buffers or room, or its end is missing.
    #[cold]
    fn pass_chain(&mut self, at: u32) -> Option<(u32, usize)> {
        let (mut end, mut len, mut needed, mut whole) = (at, 0, 0u32, true);
        loop {
            let (piece, next) = self.ring.piece_at(end)?;
            end = next;
            let Some(piece) = piece else {
                whole = false;
                break;
            };
            (len, needed) = (len + usize::from(piece.len), needed + 1);
            if piece.flags & NS_MOREFRAG == 0 {
                break;
            }
        }
        if !whole || !self.pieces || needed as usize > MAX_PIECES || !self.fits(len, || true) {
            count(&self.shared.counters.dropped_long, u64::from(whole));
            if whole {
                self.refused = (self.refused.0 + 1, self.refused.1 + len as u64);
            }
            return Some((end, 0));
        }
        if (self.out.free.len() as u32) < needed {
            self.out.reap();
        }
        if (self.out.free.len() as u32) < needed || self.out.tx.room(needed) < needed {
            return None;
        }
        let mut slot = at;
        while slot != end {
            // A slot that changed since it was looked at, or a free list that is shorter than it was: the frame ends here.
            let (Some((Some(piece), next)), Some(other)) = (self.ring.piece_at(slot), self.out.free.pop()) else {
                break;
            };
            let more = if next == end { 0 } else { NS_MOREFRAG };
            self.out.put(Piece { flags: more, ..piece });
            self.ring.swap(slot, other);
            slot = next;
        }
        Some((end, len))
    }
}

impl PortTx for Tx {
    #[inline]
    fn inject(&mut self, frame: &[u8], nonblocking: bool) -> Result<(), PortError> {
        let len = frame.len();
        if len < HEADER {
            return Err(PortError::TooShort { len });
        }
        if !self.fits(len, || frame[12..14] == [0x81, 0]) {
            return Err(PortError::TooLong { len });
        }
        if let Some(trouble) = self.kicker.trouble() {
            return Err(self.earlier(trouble));
        }
        if len <= self.shared.layout.room() as usize {
            let buf_idx = match self.out.take() {
                Some(buf_idx) => buf_idx,
                None => self.wait_for_buffer(nonblocking)?,
            };
            self.ring.fill(buf_idx, frame);
            if !self.out.put(Piece { buf_idx, len: len as u16, flags: 0 }) {
                self.out.free.push(buf_idx);
                return Err(PortError::NoRoom);
            }
        } else {
            self.inject_pieces(frame, nonblocking)?;
        }
        self.out.tx.publish();
        if !self.kicker.leave() {
            self.kicker.alone();
            let kicked = self.kick(nonblocking)?;
            if kicked.frames > 0 || kicked.stuck {
                // This frame, or of those that were left to this kick some others, whose bytes nobody has kept.
                uncount(&self.shared.counters.sent, kicked.frames.saturating_sub(1));
                return Err(PortError::NoRoom);
            }
        }
        count(&self.shared.counters.sent, 1);
        count(&self.shared.counters.sent_bytes, len as u64);
        Ok(())
    }

    fn ring(&mut self) -> Result<&mut TxRing, PortError> {
        Ok(&mut self.ring)
    }

    fn txsync(&mut self, nonblocking: bool) -> Result<u32, PortError> {
        let (mut frames, mut moved, mut waiting) = (0, Instant::now(), u32::MAX);
        loop {
            let passed = self.pass_on();
            frames += passed;
            if passed > 0 {
                self.out.tx.publish();
            }
            // Also what an earlier call left.
            if self.out.tx.waiting() > 0 {
                let kicked = self.kick(nonblocking)?;
                self.take_back(&kicked);
                self.refused = (self.refused.0 + kicked.frames, self.refused.1 + kicked.bytes);
            }
            count_together(&self.shared.counters.malformed, self.ring.take_malformed());
            let queued = self.ring.num_slots() - 1 - self.ring.space();
            let left = if self.zero_copy { queued } else { queued + self.out.tx.waiting() };
            if left == 0 || nonblocking {
                return Ok(frames);
            }
            if left < waiting || passed > 0 {
                (waiting, moved) = (left, Instant::now());
            } else if moved.elapsed() > PATIENCE {
                return Ok(frames);
            } else {
                std::thread::yield_now();
            }
        }
    }
    fn take_refused(&mut self) -> (u64, u64) {
        std::mem::take(&mut self.refused)
    }
}
