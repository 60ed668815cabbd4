//! The port's memory: a netmap region whose buffers are the UMEM's chunks.
//!
//! ```text
//!   0         netmap_if, receive ring, transmit ring
//!   umem      chunk 0 | chunk 1 | chunk 2 ...             each CHUNK bytes, on pages
//!   a chunk   HEADROOM bytes of the kernel's, metadata at their end | the frame: buffer n of netmap's numbering
//! ```
//! A frame is never copied between the two: slots swap the numbers of their buffers, and a buffer's number is its
//! chunk's. Chunks 0 and 1 serve nobody, as netmap has it; then those to receive into, queue by queue; then those to
//! send from: one for each slot of the transmit ring, and as many that the card may have meanwhile.

use crate::sys::xdp::Umem;
use nm_core::abi;
use nm_core::shm::place::{RESERVED_BUFS, RingPlace, ring_bytes};

/// Bytes before a received frame that the kernel keeps free (`XDP_PACKET_HEADROOM`).
pub const HEADROOM: u32 = 256;

const PAGE: usize = 4096;
const LINE: usize = 128;

/// Where the parts lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of a chunk: a power of two.
    pub chunk: u32,
    /// Receive queues.
    pub queues: u32,
    /// Buffers to receive into, of each queue: a power of two.
    pub per_queue: u32,
    /// Slots of the transmit ring: a power of two.
    pub tx_slots: u32,
}

impl Layout {
    /// Bytes of a buffer that a frame may fill.
    pub fn room(&self) -> u32 {
        self.chunk - HEADROOM
    }

    /// All buffers to receive into.
    pub fn rx_bufs(&self) -> u32 {
        self.queues * self.per_queue
    }

    /// The first buffer to send from.
    pub fn tx_first(&self) -> u32 {
        RESERVED_BUFS + self.rx_bufs()
    }

    /// All buffers, reserved ones too.
    pub fn num_bufs(&self) -> u32 {
        self.tx_first() + 2 * self.tx_slots
    }

    /// Offset of the `netmap_if`.
    pub fn interface(&self) -> usize {
        0
    }

    /// Offset of the receive ring. It has a slot more than buffers, so it is never full.
    pub fn rx_ring(&self) -> usize {
        (size_of::<abi::netmap_if>() + 2 * size_of::<u64>()).next_multiple_of(LINE)
    }

    /// Offset of the transmit ring.
    pub fn tx_ring(&self) -> usize {
        (self.rx_ring() + ring_bytes(self.rx_bufs() + 1)).next_multiple_of(LINE)
    }

    /// What the kernel gets to see.
    pub fn umem(&self) -> Umem {
        let offset = (self.tx_ring() + ring_bytes(self.tx_slots)).next_multiple_of(PAGE);
        let len = (self.num_bufs() as usize * self.chunk as usize).next_multiple_of(PAGE);
        Umem { offset, len, chunk: self.chunk }
    }

    /// Bytes of it all. A buffer's stride says more than its room, so what a C program may take for the last buffer's
    /// end is inside, too.
    pub fn total_bytes(&self) -> usize {
        self.umem().offset + self.umem().len + PAGE
    }

    /// The receive ring.
    pub fn rx_place(&self) -> RingPlace {
        self.place(self.rx_ring(), self.rx_bufs() + 1)
    }

    /// The transmit ring.
    pub fn tx_place(&self) -> RingPlace {
        self.place(self.tx_ring(), self.tx_slots)
    }

    fn place(&self, ring: usize, num_slots: u32) -> RingPlace {
        let buffers = self.umem().offset + HEADROOM as usize;
        let (stride, room, num_bufs) = (self.chunk, self.room(), self.num_bufs());
        RingPlace { ring, num_slots, buffers, stride, room, headroom: HEADROOM, num_bufs }
    }

    /// How addresses and buffers belong together.
    pub fn chunks(&self) -> Chunks {
        Chunks { shift: self.chunk.trailing_zeros(), queue_shift: self.per_queue.trailing_zeros(), queues: self.queues }
    }
}

/// Addresses in a UMEM, buffers of its region, and whose a buffer to receive into is.
#[derive(Clone, Copy, Debug)]
pub struct Chunks {
    shift: u32,
    queue_shift: u32,
    queues: u32,
}

impl Chunks {
    /// The address of a buffer's first byte.
    #[inline(always)]
    pub fn address(self, buf_idx: u32) -> u64 {
        (u64::from(buf_idx) << self.shift) + u64::from(HEADROOM)
    }

    /// The buffer that begins at an address; `None` when none does.
    #[inline(always)]
    pub fn buffer(self, address: u64) -> Option<u32> {
        // What lies inside the chunk goes to the top, where it is no number.
        u32::try_from(address.wrapping_sub(u64::from(HEADROOM)).rotate_right(self.shift)).ok()
    }

    /// The buffer that an address lies in.
    pub fn buffer_around(self, address: u64) -> Option<u32> {
        u32::try_from(address >> self.shift).ok()
    }

    /// The queue that a buffer to receive into belongs to; `None` for one that began as a buffer to send from.
    #[inline(always)]
    pub fn queue(self, buf_idx: u32) -> Option<usize> {
        let queue = buf_idx.checked_sub(RESERVED_BUFS)? >> self.queue_shift;
        (queue < self.queues).then_some(queue as usize)
    }

    /// The buffers of a queue.
    pub fn of_queue(self, queue: u32) -> std::ops::Range<u32> {
        let first = RESERVED_BUFS + (queue << self.queue_shift);
        first..first + (1 << self.queue_shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_buffers() {
        let layout = Layout { chunk: 2048, queues: 3, per_queue: 64, tx_slots: 32 };
        let chunks = layout.chunks();
        assert_eq!(layout.num_bufs(), 2 + 3 * 64 + 64);
        for buf_idx in [0, 2, 65, 255] {
            let address = chunks.address(buf_idx);
            assert_eq!(chunks.buffer(address), Some(buf_idx));
            assert_eq!(chunks.buffer(address + 1), None);
            assert_eq!(chunks.buffer_around(address + 1791), Some(buf_idx));
            assert_eq!(chunks.buffer_around(address + 1792), Some(buf_idx + 1));
        }
        assert_eq!([1, 2, 65, 66, 193].map(|b| chunks.queue(b)), [None, Some(0), Some(0), Some(1), Some(2)]);
        assert_eq!(chunks.queue(layout.tx_first()), None);
        assert_eq!(chunks.of_queue(2), 130..194);
        assert_eq!(chunks.buffer(u64::MAX), None);
    }

    #[test]
    fn the_region_holds_its_rings() {
        let layout = Layout { chunk: 4096, queues: 1, per_queue: 64, tx_slots: 64 };
        let mapping = nm_core::shm::mapping::Mapping::anonymous(layout.total_bytes()).unwrap();
        let bufs = |n: u32| vec![2; n as usize];
        assert!(nm_core::RxRing::make(&mapping, &layout.rx_place(), bufs(65)).is_some());
        assert!(nm_core::TxRing::make(&mapping, &layout.tx_place(), bufs(64)).is_some());
        assert_eq!(layout.umem().offset % 4096, 0);
    }
}
