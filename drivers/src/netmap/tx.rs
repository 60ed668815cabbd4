//! Towards the wire: into the module's transmit ring, and a sync at once.
//!
//! A card's ring that is full is waited for as a switch's receiver is: while it makes progress, up to the flow-control time
//! without any.

use super::{Device, Direction, Shared};
use nm_core::ring::slots::MAX_FRAME;
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
    ring: Option<TxRing>,
    /// The first slot that the module was not yet shown.
    shown: u32,
}

impl<D: Device> Tx<D> {
    pub fn new(shared: Arc<Shared<D>>, ring: Option<TxRing>) -> Tx<D> {
        let shown = ring.as_ref().map_or(0, TxRing::head);
        Tx { shared, ring, shown }
    }

    fn read_only(&self) -> PortError {
        PortError::ReadOnly { port: self.shared.name.clone() }
    }
}

/// Sends what is filled, and learns what has left.
fn sync<D: Device>(shared: &Shared<D>, ring: &mut TxRing) -> Result<(), PortError> {
    ring.publish_head();
    shared.sync(Direction::Tx)?;
    ring.learn_tail();
    count_together(&shared.counters.malformed, ring.take_malformed());
    Ok(())
}

/// Makes space for `needed` slots: waits for a full ring while it makes progress.
fn has_space<D: Device>(
    shared: &Shared<D>,
    ring: &mut TxRing,
    needed: u32,
    nonblocking: bool,
) -> Result<bool, PortError> {
    if ring.space() >= needed {
        return Ok(true);
    }
    if needed >= ring.num_slots() {
        return Ok(false);
    }
    sync(shared, ring)?;
    let (mut since, mut space) = (Instant::now(), ring.space());
    while ring.space() < needed {
        if nonblocking {
            return Ok(false);
        }
        // Who waited for a processor meanwhile has not seen what it missed, and looks once more.
        let over = since.elapsed() >= PATIENCE;
        if !over {
            std::thread::sleep(NAP);
        }
        sync(shared, ring)?;
        if ring.space() > space {
            (since, space) = (Instant::now(), ring.space());
        } else if over {
            return Ok(false);
        }
    }
    Ok(true)
}

impl<D: Device> PortTx for Tx<D> {
    fn inject(&mut self, frame: &[u8], nonblocking: bool) -> Result<(), PortError> {
        let len = frame.len();
        if len < HEADER {
            return Err(PortError::TooShort { len });
        }
        let Tx { shared, ring: Some(ring), shown } = self else { return Err(self.read_only()) };
        if len > MAX_FRAME || len.div_ceil(ring.room() as usize) >= ring.num_slots() as usize {
            return Err(PortError::TooLong { len });
        }
        let needed = len.div_ceil(ring.room() as usize) as u32;
        if !has_space(shared, ring, needed, nonblocking)? {
            return Err(PortError::NoRoom);
        }
        if !ring.put(frame) {
            count_together(&shared.counters.malformed, ring.take_malformed());
            let path = format!("{}: transmit ring", shared.name);
            return Err(PortError::Corrupt { path, why: "a slot names no buffer" });
        }
        sync(shared, ring)?;
        *shown = ring.head();
        count_together(&shared.counters.sent, 1);
        count_together(&shared.counters.sent_bytes, len as u64);
        Ok(())
    }

    fn ring(&mut self) -> Result<&mut TxRing, PortError> {
        let error = self.read_only();
        self.ring.as_mut().ok_or(error)
    }

    fn txsync(&mut self, _nonblocking: bool) -> Result<u32, PortError> {
        let Tx { shared, ring: Some(ring), shown } = self else { return Ok(0) };
        let (mut frames, mut bytes) = (0, 0);
        while let Some((frame, next)) = ring.frame_at(*shown) {
            if let Some(frame) = frame {
                frames += 1;
                bytes += frame.len() as u64;
            }
            *shown = next;
        }
        sync(shared, ring)?;
        count_together(&shared.counters.sent, frames.into());
        count_together(&shared.counters.sent_bytes, bytes);
        Ok(frames)
    }

    /// A frame that lies in the module's same memory, as a card's and its host's do, is not copied: the slots swap their buffers.
    fn forward(&mut self, from: &mut RxRing, slots: u32, nonblocking: bool) -> Result<Forwarded, PortError> {
        let Tx { shared, ring: Some(ring), shown } = self else { return Err(self.read_only()) };
        let mut forwarded = Forwarded::default();
        let (end, mut patient) = (from.ready().saturating_sub(slots), !nonblocking);
        while from.ready() > end {
            let moved = ring.put_frames(from, from.ready() - end);
            forwarded.frames += u64::from(moved.frames);
            forwarded.bytes += moved.bytes;
            sync(shared, ring)?;
            *shown = ring.head();
            if moved.wanting > 0 && !has_space(shared, ring, moved.wanting, !patient)? {
                // Who waited in vain once does not wait for each of the frames behind.
                patient &= moved.wanting >= ring.num_slots();
                from.pass_frame();
                forwarded.refused += 1;
            }
        }
        count_together(&shared.counters.sent, forwarded.frames);
        count_together(&shared.counters.sent_bytes, forwarded.bytes);
        Ok(forwarded)
    }
}
