//! Frames copied from ring to ring, one after the other: the loop that a switch spends its time in.

use super::{Slot, SlotCell, Slots};
use crate::abi;
use crate::ring::bytes::{SHORTEST, copy, copy_short, prefetch_for_read, prefetch_for_write};
use crate::shm::layout::CELL;
use crate::sync::Ordering;

/// Bytes of an Ethernet header.
const HEADER: u32 = 14;

/// Frames of a transmit ring, one after the other.
pub(crate) struct Run<'a> {
    /// The caller's own ring.
    pub ring: &'a Slots,
    /// Their first slot.
    pub at: u32,
    /// How many slots at most.
    pub frames: u32,
    /// How many of them may be followed by one that needs a buffer.
    pub long: u32,
    /// Their first 12 bytes.
    pub addresses: [u8; 12],
}

impl Slots {
    /// Copies the frames of a run into slots from `dst` on, each into its slot's own place. Stops at the first that is
    /// not such a frame or has other addresses. Returns how many frames, and their bytes.
    ///
    /// The lines to be written are asked for `ahead` frames before. With `FAR` the run lies in a ring that another core has filled, and
    /// is asked for `far_ahead` frames before. With `SHORT` it also stops at the first frame that no cell
    /// holds: that nothing has to be chosen for each frame gave those of 60 bytes a tenth more.
    ///
    /// Kept apart, in locals alone: each spilled store would take a place in the processor's store queue, behind
    /// which the lines that the other core still has are waited for; that halved the rate.
    #[inline(never)]
    pub(crate) fn copy_run<const ALIKE: bool, const FAR: bool, const SHORT: bool>(
        &self,
        dst: u32,
        run: &Run<'_>,
        time_ns: u64,
        [ahead, far_ahead]: [u32; 2],
    ) -> (u32, u64) {
        let from = run.ring;
        let (ahead, far_ahead) = (ahead.min(self.num_slots), far_ahead.min(from.num_slots));
        let (mut done, mut bytes) = (0, 0);
        while done < run.frames {
            let (src, dst) = (from.add(run.at, done), self.add(dst, done));
            let dst_ahead = self.add(dst, ahead);
            let left = run.frames - done;
            // Never beyond the run: there its own sender writes. Its last frames have been asked for, and are so again.
            let (src_ahead, known) =
                if !FAR || left <= far_ahead { (src, left) } else { (from.add(src, far_ahead), left - far_ahead) };
            let until_end = (from.num_slots - src).min(from.num_slots - src_ahead);
            let frames = known.min(until_end).min(self.num_slots - dst).min(self.num_slots - dst_ahead);
            let part = Run { at: src, frames, long: run.long.saturating_sub(done), ..*run };
            let copied = self.copy_straight::<ALIKE, FAR, SHORT>([dst, dst_ahead], &part, src_ahead, time_ns);
            (done, bytes) = (done + copied.0, bytes + copied.1);
            if copied.0 < frames {
                break;
            }
        }
        (done, bytes)
    }

    /// As [`Slots::copy_run`], where no ring's end lies between, neither of the slots nor of those asked for ahead: the loop
    /// has no numbers to wrap, which was a third of its instructions.
    #[inline(always)]
    fn copy_straight<const ALIKE: bool, const FAR: bool, const SHORT: bool>(
        &self,
        [dst, dst_ahead]: [u32; 2],
        run: &Run<'_>,
        src_ahead: u32,
        time_ns: u64,
    ) -> (u32, u64) {
        let Run { ring: from, at: src, frames, long, addresses } = *run;
        let (least, most) = if SHORT { (SHORTEST as u32, CELL) } else { (HEADER, u32::MAX) };
        let most = most.min(self.room).min(from.room);
        let homes = |at: u32| self.homes.get(at as usize..(at + frames) as usize);
        let (Some(homes), Some(homes_ahead), Some(span)) = (homes(dst), homes(dst_ahead), most.checked_sub(least))
        else {
            return (0, 0);
        };
        let (first, second) = split(addresses);
        let (from_buf, to_buf) = (|n: u32| from.buffer(n), |n: u32| self.buffer(n));
        let (srcs, srcs_ahead) = (from.cells(src, frames), from.cells(src_ahead, frames));
        let (dsts, dsts_ahead) = (self.cells(dst, frames), self.cells(dst_ahead, frames));
        let all = srcs.iter().zip(dsts).zip(homes).zip(srcs_ahead.iter().zip(dsts_ahead).zip(homes_ahead));
        let mut bytes = 0u64;
        for (done, (((src, dst), home), ((src_ahead, dst_ahead), home_ahead))) in (0..frames).zip(all) {
            // ORDER: Relaxed; `from` is the caller's own ring.
            let s = Slot::unpack(src.word.load(Ordering::Relaxed));
            let len = usize::from(s.len);
            // Whole, and neither too short nor too long: one comparison.
            let says = u32::from(s.len) | u32::from(s.flags & abi::NS_MOREFRAG) << 16;
            if says.wrapping_sub(least) > span || !from.is_usable(s.buf_idx) {
                return (done, bytes);
            }
            if !SHORT && len > CELL as usize && done >= long {
                return (done, bytes);
            }
            let buf_idx = if SHORT { home.cell } else { home.of(len) };
            let (data, to) = (from_buf(s.buf_idx), to_buf(buf_idx));
            // SAFETY: at least 14 bytes of a buffer; rule 7.
            let (a, b) = unsafe { (data.cast::<u64>().read_unaligned(), data.add(4).cast::<u64>().read_unaligned()) };
            if ALIKE && (a, b) != (first, second) {
                return (done, bytes);
            }
            // SAFETY: `len` bytes of a buffer into another ring's buffer, no more than either has room for; a short frame's are
            // SHORTEST to CELL; rule 7.
            unsafe { if SHORT { copy_short(data, to, len) } else { copy(data, to, len) } };
            dst.set(Slot { buf_idx, len: s.len, flags: 0 }, time_ns);
            bytes += len as u64;
            // A line holds four slots.
            let cell: *const SlotCell = dst_ahead;
            if cell.addr() % (4 * size_of::<SlotCell>()) == 0 {
                prefetch_for_write(cell.cast());
            }
            prefetch_for_write(to_buf(home_ahead.of(if SHORT { 0 } else { len })));
            if FAR {
                // ORDER: Relaxed; only a hint is made of it.
                let s = Slot::unpack(src_ahead.word.load(Ordering::Relaxed));
                prefetch_for_read(from.somewhere(s.buf_idx));
            }
        }
        (frames, bytes)
    }
}

/// The words at 0 and at 4 of a frame's two addresses.
fn split(addresses: [u8; 12]) -> (u64, u64) {
    let word = |at: usize| {
        let mut w = [0; 8];
        w.copy_from_slice(&addresses[at..at + 8]);
        u64::from_ne_bytes(w)
    };
    (word(0), word(4))
}
