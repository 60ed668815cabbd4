//! Where a sender puts the frame of each slot of a port's receive ring: a short one into the slot's cell, a longer one into its
//! buffer. Both ends know it from the ring's size alone, so that nobody reads a slot to write it, or to ask for its bytes ahead.
//!
//! Buffers are for fewer slots than there are: slot *n*'s is that of slot *n* + [`Layout::rx_bufs`], too. A long frame is put only
//! within so many slots from the reader's head ([`super::peer::PeerRing::free_for`]), where no two slots have one buffer.
//!
//! Cells are there for the processor's sake. Of a buffer a short frame fills one line, and two buffers a page: 8 listeners'
//! rings were 17,000 pages, more than a TLB holds, and are 1,000 in cells. That took the frames which 8 listeners get for a second of
//! processor time from 14 to 25 million.
//!
//! Two cores share the memory. Where frames lie at a stride, the reader's hardware prefetcher learns it and takes the next
//! lines away from the sender, who is about to write them: one frame a call ran at 6 M/s between far cores and 22 between
//! near ones, and at 17 and 42 without a stride. Near each other they must be all the same, for the TLB.

use crate::shm::layout::{CELL, Layout};
use std::sync::{Arc, Mutex, Weak};

/// How many neighbours change their order: 64 KB of cells, whose pages a first-level TLB holds, and 33 KB of buffers.
const CELLS: usize = 512;
const BUFFERS: usize = 16;

/// One slot's places, by their numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home {
    /// For a short frame.
    pub(super) cell: u32,
    /// For a longer one.
    pub(super) buffer: u32,
}

impl Home {
    /// The place for a frame of so many bytes, or for a piece of one.
    #[inline(always)]
    pub(crate) fn of(self, len: usize) -> u32 {
        if len <= CELL as usize { self.cell } else { self.buffer }
    }
}

/// A ring's, slot by slot.
pub(crate) type Homes = Arc<[Home]>;

/// The places of a ring of this layout. Rings of one size share them.
pub(crate) fn homes(layout: &Layout) -> Homes {
    static KNOWN: Mutex<Vec<Weak<[Home]>>> = Mutex::new(Vec::new());
    let is_ours = |homes: &Homes| homes.len() == layout.rx_slots as usize;
    // Whoever has it (another thread; one that was lost in a fork), one's own will do.
    let Ok(mut known) = KNOWN.try_lock() else { return make(layout) };
    if let Some(homes) = known.iter().filter_map(Weak::upgrade).find(is_ours) {
        return homes;
    }
    let homes = make(layout);
    known.retain(|other| other.strong_count() > 0);
    known.push(Arc::downgrade(&homes));
    homes
}

fn make(layout: &Layout) -> Homes {
    let (cells, buffers) = (shuffled(layout.rx_slots, CELLS), shuffled(layout.rx_bufs(), BUFFERS));
    let home = |(cell, buffer): (u32, &u32)| Home { cell: layout.cell(cell), buffer: layout.rx_buf(*buffer) };
    cells.into_iter().zip(buffers.iter().cycle()).map(home).collect()
}

/// The numbers below `n` in an order without a stride, the same each time; each stays in its block of so many.
fn shuffled(n: u32, block: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n).collect();
    let mut x = 0x9e37_79b9_7f4a_7c15_u64;
    for block in order.chunks_mut(block) {
        for i in (1..block.len()).rev() {
            // Marsaglia's xorshift: any generator without a pattern will do.
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            block.swap(i, (x % (i as u64 + 1)) as usize);
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::layout::{BUF_SIZE, STEP};

    #[test]
    fn no_two_places_overlap_and_all_lie_in_the_ring() {
        for rx_slots in [16, 17, 252, 256, 511, 512, 1000, 1024, 4096] {
            let layout = Layout::new(rx_slots, 16).unwrap();
            let (homes, bufs) = (homes(&layout), layout.rx_bufs() as usize);
            let span = |len: u32, most: u32| {
                homes.iter().map(move |home| (home.of(len as usize) * STEP, most)).collect::<Vec<_>>()
            };
            let (cells, buffers) = (span(CELL, CELL), span(CELL + 1, BUF_SIZE));
            // Wherever the reader's head is: the ring's end is no exception.
            let window = |at: usize| buffers.iter().cycle().skip(at).take(bufs).copied().collect::<Vec<_>>();
            for at in 0..rx_slots as usize {
                let mut numbers: Vec<_> = window(at).into_iter().map(|(start, _)| start).collect();
                numbers.sort();
                numbers.dedup();
                assert_eq!(numbers.len(), bufs, "{rx_slots} slots, from {at} on");
            }
            let mut all = [cells, window(0)].concat();
            all.sort();
            assert!(all.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0), "{rx_slots} slots");
            assert_eq!((all.len(), all[0].0), (rx_slots as usize + bufs, 2 * STEP));
            let end = all.last().map_or(0, |(start, len)| start + len);
            assert_eq!(layout.buffers() + end as usize, layout.rx_bytes());
        }
    }

    #[test]
    fn rings_of_one_size_share_their_places() {
        let layouts = [(1024, 16), (1024, 64), (512, 16)].map(|(rx, tx)| Layout::new(rx, tx).unwrap());
        let [a, b, c] = layouts.map(|layout| homes(&layout));
        assert!(Arc::ptr_eq(&a, &b) && !Arc::ptr_eq(&a, &c) && c.len() == 512);
    }
}
