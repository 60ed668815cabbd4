//! The module's memory: which of its rings are ours, and where.
//!
//! ```text
//!   offset -> netmap_if, then the distance from it to each ring:
//!             transmit, host transmit, receive, host receive
//!   ring   -> netmap_ring: the distance from it to buffer 0, number and size of buffers' slots
//!   netmap_if -> the first of the buffers without a slot that were asked for
//! ```
//! Every number is read once. One that leads outside the mapping makes no ring; how many buffers there are follows from the mapping's
//! end, so that no slot can name one beyond it.

use super::{Direction, has_rings};
use nm_core::abi::{NR_TIMESTAMP, netmap_if, netmap_ring, netmap_slot};
use nm_core::name::{NetmapName, NetmapRings};
use nm_core::ring::spare::Spare;
use nm_core::shm::mapping::{Mapping, View};
use nm_core::shm::place::RingPlace;
use nm_core::sync::{AtomicU32, AtomicU64, Ordering};
use nm_core::{PortError, RxRing, TxRing};
use std::collections::HashSet;
use std::io;
use std::mem::offset_of;
use std::ops::Range;
use std::sync::Arc;

/// The rings that a port reads and writes.
pub struct Rings {
    /// All receive rings that are bound.
    pub rx: Vec<HwRing>,
    /// The first transmit ring that is bound. One is enough for one sender, and keeps frames in order.
    pub tx: Option<TxRing>,
    /// Bytes of one buffer.
    pub buf_size: u32,
    /// The buffers without a slot, where there are any and a transmit ring for their frames.
    pub spare: Option<Spare>,
    /// Numbers of such buffers that made no sense.
    pub malformed: u64,
}

/// A receive ring, and its words that say when it was synced.
pub struct HwRing {
    /// The ring.
    pub ring: RxRing,
    time: [View<AtomicU64>; 2],
}

impl HwRing {
    /// When the ring was last synced: ns of CLOCK_REALTIME; `None` when the module did not say.
    pub fn synced_at(&self) -> Option<u64> {
        // ORDER: Relaxed; whoever asks has just synced the ring by a system call, which orders them.
        let [seconds, micros] = self.time.each_ref().map(|word| word.load(Ordering::Relaxed));
        let ns = seconds.checked_mul(1_000_000_000)?.checked_add(micros.checked_mul(1000)?)?;
        (ns > 0).then_some(ns)
    }
}

/// The numbers of rings in `ring_ofs` that a name binds: those of the card begin at `first`, those of the host behind them.
fn bound(name: &NetmapName, first: usize, card: usize, host: usize) -> Range<usize> {
    let one = |base: usize, n: u16, of: usize| {
        if usize::from(n) < of { base + usize::from(n)..base + usize::from(n) + 1 } else { 0..0 }
    };
    match name.rings {
        NetmapRings::All | NetmapRings::PipeMaster(_) | NetmapRings::PipeSlave(_) => first..first + card,
        NetmapRings::Host => first + card..first + card + host,
        NetmapRings::AllAndHost => first..first + card + host,
        NetmapRings::One(ring) => one(first, ring, card),
        NetmapRings::OneHost(ring) => one(first + card, ring, host),
    }
}

/// The most rings of one kind that are believed in.
const MOST: u32 = 1024;

/// The rings of `name` whose `netmap_if` is at `offset`, and the `extra` buffers that the module gave.
///
/// # Errors
/// [`PortError::Corrupt`] when the memory does not look as netmap's.
pub fn find(mapping: &Arc<Mapping>, offset: u64, name: &NetmapName, extra: u32) -> Result<Rings, PortError> {
    let corrupt = |why| PortError::Corrupt { path: format!("{}: memory of {}", name, super::device::PATH), why };
    let base = usize::try_from(offset).map_err(|_| corrupt("netmap_if lies outside"))?;
    // ORDER: Relaxed; made before the port was registered, which was a system call.
    let word = |at: usize| mapping.at::<AtomicU32>(base.checked_add(at)?).map(|w| w.load(Ordering::Relaxed));
    let number = |at| word(at).filter(|n| *n <= MOST).map(|n| n as usize).ok_or_else(|| corrupt("netmap_if"));
    let [tx, rx] = [number(offset_of!(netmap_if, ni_tx_rings))?, number(offset_of!(netmap_if, ni_rx_rings))?];
    let [host_tx, host_rx] =
        [number(offset_of!(netmap_if, ni_host_tx_rings))?, number(offset_of!(netmap_if, ni_host_rx_rings))?];

    let place = |n: usize| {
        let at = base.checked_add(offset_of!(netmap_if, ring_ofs) + n * size_of::<u64>())?;
        // ORDER: Relaxed, as above.
        let distance = mapping.at::<AtomicU64>(at)?.load(Ordering::Relaxed) as i64;
        let ring = usize::try_from(i64::try_from(base).ok()?.checked_add(distance)?).ok()?;
        Some((place_of(mapping, ring)?, has_offsets(mapping, ring)))
    };
    let checked = |n, outside| match place(n) {
        None => Err(corrupt(outside)),
        // As a card that somebody else has: no other driver should try it.
        Some((_, true)) => Err(PortError::Io {
            what: format!("{name}: another program had frames begin inside their buffers (NETMAP_REQ_OPT_OFFSETS)"),
            source: io::Error::from_raw_os_error(libc::EBUSY),
        }),
        Some((place, false)) => Ok(place),
    };
    let mut buf_size = 0;
    let mut receive = Vec::new();
    if has_rings(name, Direction::Rx) {
        for n in bound(name, tx + host_tx, rx, host_rx) {
            let place = checked(n, "a receive ring lies outside")?;
            buf_size = place.room;
            receive.push(adopt(mapping, &place).ok_or_else(|| corrupt("a receive ring makes no sense"))?);
        }
    }
    let (mut transmit, mut spare, mut malformed) = (None, None, 0);
    if has_rings(name, Direction::Tx) {
        if let Some(n) = bound(name, 0, tx, host_tx).next() {
            let at = checked(n, "a transmit ring lies outside")?;
            buf_size = at.room;
            let ring = TxRing::adopt(mapping, &at).ok_or_else(|| corrupt("a transmit ring makes no sense"))?;
            transmit = Some(ring);
            if extra > 0 {
                let mut in_slots = HashSet::new();
                let rings = (0..tx + host_tx + rx + host_rx).filter_map(place);
                rings.for_each(|(ring, _)| in_slots.extend(buffers_in(mapping, &ring)));
                let head_at = base + offset_of!(netmap_if, ni_bufs_head);
                let adopted = Spare::adopt(mapping, &at, head_at, extra, in_slots);
                let (list, nonsense) = adopted.ok_or_else(|| corrupt("netmap_if"))?;
                (spare, malformed) = (Some(list), nonsense);
            }
        }
    }
    if receive.is_empty() && transmit.is_none() {
        return Err(PortError::NoDevice { port: name.to_string() });
    }
    Ok(Rings { rx: receive, tx: transmit, buf_size, spare, malformed })
}

fn place_of(mapping: &Mapping, ring: usize) -> Option<RingPlace> {
    // ORDER: Relaxed, as in `find`.
    let word = |at: usize| Some(mapping.at::<AtomicU32>(ring.checked_add(at)?)?.load(Ordering::Relaxed));
    let long = |at: usize| Some(mapping.at::<AtomicU64>(ring.checked_add(at)?)?.load(Ordering::Relaxed));
    let distance = long(offset_of!(netmap_ring, buf_ofs))? as i64;
    let buffers = usize::try_from(i64::try_from(ring).ok()?.checked_add(distance)?).ok()?;
    let stride = word(offset_of!(netmap_ring, nr_buf_size))?;
    if stride == 0 {
        return None;
    }
    let num_bufs = mapping.len().checked_sub(buffers)? / stride as usize;
    Some(RingPlace {
        ring,
        num_slots: word(offset_of!(netmap_ring, num_slots))?,
        buffers,
        stride,
        room: stride.min(u32::from(u16::MAX)),
        headroom: 0,
        num_bufs: u32::try_from(num_bufs).unwrap_or(u32::MAX),
    })
}

/// Whether frames begin somewhere inside their buffers: an option, which is a card's once somebody asked for it.
fn has_offsets(mapping: &Mapping, ring: usize) -> bool {
    let mask = ring.checked_add(offset_of!(netmap_ring, offset_mask)).and_then(|at| mapping.at::<AtomicU64>(at));
    // ORDER: Relaxed, as in `find`.
    mask.is_none_or(|mask| mask.load(Ordering::Relaxed) != 0)
}

/// The buffers that a ring's slots name.
fn buffers_in(mapping: &Mapping, place: &RingPlace) -> impl Iterator<Item = u32> {
    let first = place.ring + size_of::<netmap_ring>() + offset_of!(netmap_slot, buf_idx);
    let at = (0..place.num_slots as usize).map_while(move |n| first.checked_add(n * size_of::<netmap_slot>()));
    // ORDER: Relaxed, as in `find`.
    at.map_while(|at| mapping.at::<AtomicU32>(at).map(|word| word.load(Ordering::Relaxed)))
}

fn adopt(mapping: &Arc<Mapping>, place: &RingPlace) -> Option<HwRing> {
    let time_at = place.ring + offset_of!(netmap_ring, ts);
    let time = [View::at(mapping, time_at)?, View::at(mapping, time_at + 8)?];
    let ring = RxRing::adopt(mapping, place)?;
    let flags = mapping.at::<AtomicU32>(place.ring + offset_of!(netmap_ring, flags))?;
    // ORDER: Relaxed; the module reads it in the next sync, a system call.
    flags.store(NR_TIMESTAMP, Ordering::Relaxed);
    Some(HwRing { ring, time })
}
