//! The other end of a receive ring: how a sender fills it.

use super::homes::homes;
use super::outgoing::Outgoing;
use super::slots::{FrameRef, Malformed, Run, Slots};
use crate::shm::layout::{BUF_SIZE, CELL, Layout};
use crate::shm::mapping::Mapping;
use std::sync::Arc;

/// How many frames ahead a sender of single frames asks for the lines that it will write.
const PREFETCH: u32 = 12;
/// How many frames ahead one is asked for that another core has filled: about as many lines as a core waits for at once. A bridge
/// carries a tenth more than with 12.
const PREFETCH_FAR: u32 = 24;

/// Another port's receive ring. Which slots may be written is between the port page's tail and head, under its lock.
pub struct PeerRing {
    slots: Slots,
    /// Slots that stay free before a long frame.
    reserve: u32,
}

impl PeerRing {
    /// The receive ring of a mapped port. `None` when the mapping is shorter than its layout.
    pub fn new(mapping: &Arc<Mapping>, layout: &Layout) -> Option<PeerRing> {
        let reserve = layout.rx_slots - 1 - layout.long_slots();
        Some(PeerRing { slots: Slots::new(mapping, &layout.rx_place())?.with_homes(homes(layout))?, reserve })
    }

    /// How many slots the ring has; at most one less can be filled.
    #[inline(always)]
    pub fn num_slots(&self) -> u32 {
        self.slots.num_slots()
    }

    /// The slots that a frame of `len` bytes takes.
    #[inline(always)]
    pub fn slots_for(len: usize) -> u32 {
        if len <= BUF_SIZE as usize { 1 } else { len.div_ceil(BUF_SIZE as usize) as u32 }
    }

    /// The slots that must be free before a frame of `len` bytes is put: one that a cell does not hold lies in buffers, of which there
    /// are fewer than slots.
    #[inline(always)]
    pub fn free_for(&self, len: usize) -> u32 {
        if len <= CELL as usize { 1 } else { self.reserve + PeerRing::slots_for(len) }
    }

    /// Slots that long frames leave free.
    pub fn reserve(&self) -> u32 {
        self.reserve
    }

    /// Free slots when the last filled one lies before `tail` and the reader's head is `head`; `None` for numbers
    /// outside the ring.
    #[inline(always)]
    pub fn space(&self, tail: u32, head: u32) -> Option<u32> {
        self.filled(tail, head).map(|filled| self.slots.num_slots() - 1 - filled)
    }

    /// Slots filled, as [`PeerRing::space`].
    #[inline(always)]
    pub fn filled(&self, tail: u32, head: u32) -> Option<u32> {
        super::filled(self.slots.num_slots(), head, tail)
    }

    /// Copies a frame into the slots from `tail` on: the new tail, not yet published.
    /// The caller holds the port's lock and saw room for it ([`PeerRing::free_for`]).
    ///
    /// # Errors
    /// [`Malformed`] for a tail outside the ring, or a frame that no ring of this size can hold.
    #[inline(always)]
    pub fn put(&self, tail: u32, frame: FrameRef<'_>, time_ns: u64) -> Result<u32, Malformed> {
        if tail >= self.slots.num_slots() {
            return Err(Malformed);
        }
        let used = self.slots.write_home(tail, frame, time_ns)?;
        self.slots.prefetch_write(tail, PREFETCH, frame.len());
        Ok(self.slots.add(tail, used))
    }

    /// Copies a run of short frames (with these addresses, if any) from another ring: as [`PeerRing::put`] for each,
    /// while they fit `space` slots. Moves `tail` and `at` on; returns the frames and their bytes.
    #[inline(always)]
    pub fn put_run(
        &self,
        tail: &mut u32,
        space: u32,
        from: &Outgoing<'_>,
        at: &mut u32,
        addresses: Option<[u8; 12]>,
        time_ns: u64,
    ) -> (u32, u64) {
        if *tail >= self.slots.num_slots() {
            return (0, 0);
        }
        let most = from.waiting_from(*at).min(space);
        let mut run =
            Run { ring: from.slots(), at: *at, frames: most, long: 0, addresses: addresses.unwrap_or_default() };
        let (mut frames, mut bytes) = self.copy_run::<true>(*tail, &run, from, addresses.is_some(), time_ns);
        if frames < most {
            let long = space.saturating_sub(self.reserve);
            (run.at, run.frames, run.long) = (from.advance(*at, frames), most - frames, long.saturating_sub(frames));
            let more = self.copy_run::<false>(self.slots.add(*tail, frames), &run, from, addresses.is_some(), time_ns);
            (frames, bytes) = (frames + more.0, bytes + more.1);
        }
        *tail = self.slots.add(*tail, frames);
        *at = from.advance(*at, frames);
        (frames, bytes)
    }

    #[inline(always)]
    fn copy_run<const SHORT: bool>(
        &self,
        tail: u32,
        run: &Run<'_>,
        from: &Outgoing<'_>,
        alike: bool,
        time_ns: u64,
    ) -> (u32, u64) {
        let ahead = [PREFETCH, PREFETCH_FAR];
        match (alike, from.is_far()) {
            (true, false) => self.slots.copy_run::<true, false, SHORT>(tail, run, time_ns, ahead),
            (false, false) => self.slots.copy_run::<false, false, SHORT>(tail, run, time_ns, ahead),
            (true, true) => self.slots.copy_run::<true, true, SHORT>(tail, run, time_ns, ahead),
            (false, true) => self.slots.copy_run::<false, true, SHORT>(tail, run, time_ns, ahead),
        }
    }
}
