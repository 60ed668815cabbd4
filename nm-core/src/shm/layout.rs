//! Where the parts of a port's file lie.
//!
//! ```text
//!   0      PortPage        ours: control words, each party's on its own cache lines
//!   4096   netmap_if       then what net/netmap.h describes, at offsets that its macros follow
//!          receive ring, transmit ring: header and slots
//!          buffers         0 and 1 unused (as in netmap), then the receive ring's, then the transmit ring's
//! ```
//! The transmit ring's buffers are at the end, since most programs never use them: their memory is committed on the
//! ring's first use.

use super::mapping::{Mapping, Shared};
use super::place::{RingPlace, ring_bytes};
use crate::abi;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Bytes from one buffer to the next. A stride of exactly 2048 makes every frame start in the same cache sets:
/// 2112 was 20 to 25 % faster.
pub const BUF_SIZE: u32 = 2112;
/// The fewest slots of a ring.
pub const MIN_SLOTS: u32 = 16;
/// The most slots of a ring.
pub const MAX_SLOTS: u32 = 65_536;
pub use super::place::RESERVED_BUFS;

const PAGE: usize = 4096;
const LINE: usize = 128;

/// The parts of a port's file, computed from the two ring sizes alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Slots of the receive ring.
    pub rx_slots: u32,
    /// Slots of the transmit ring.
    pub tx_slots: u32,
}

impl Layout {
    /// A layout; `None` when a ring size is outside [`MIN_SLOTS`], [`MAX_SLOTS`].
    pub fn new(rx_slots: u32, tx_slots: u32) -> Option<Layout> {
        let fits = |n: u32| (MIN_SLOTS..=MAX_SLOTS).contains(&n);
        (fits(rx_slots) && fits(tx_slots)).then_some(Layout { rx_slots, tx_slots })
    }

    /// Offset of the `netmap_if`.
    pub fn interface(&self) -> usize {
        PAGE
    }

    /// Offset of the receive ring.
    pub fn rx_ring(&self) -> usize {
        (self.interface() + size_of::<abi::netmap_if>() + 2 * size_of::<u64>()).next_multiple_of(LINE)
    }

    /// Offset of the transmit ring.
    pub fn tx_ring(&self) -> usize {
        (self.rx_ring() + ring_bytes(self.rx_slots)).next_multiple_of(LINE)
    }

    /// Offset of buffer 0.
    pub fn buffers(&self) -> usize {
        (self.tx_ring() + ring_bytes(self.tx_slots)).next_multiple_of(PAGE)
    }

    /// The first buffer of the receive ring.
    pub fn rx_first_buf(&self) -> u32 {
        RESERVED_BUFS
    }

    /// The first buffer of the transmit ring.
    pub fn tx_first_buf(&self) -> u32 {
        RESERVED_BUFS + self.rx_slots
    }

    /// All buffers, reserved ones too.
    pub fn num_bufs(&self) -> u32 {
        RESERVED_BUFS + self.rx_slots + self.tx_slots
    }

    /// The receive ring. Its buffers end where the transmit ring's begin, so that the first part of the file is enough.
    pub fn rx_place(&self) -> RingPlace {
        self.place(self.rx_ring(), self.rx_slots, self.tx_first_buf())
    }

    /// The transmit ring.
    pub fn tx_place(&self) -> RingPlace {
        self.place(self.tx_ring(), self.tx_slots, self.num_bufs())
    }

    fn place(&self, ring: usize, num_slots: u32, num_bufs: u32) -> RingPlace {
        let buffers = self.buffers();
        RingPlace { ring, num_slots, buffers, stride: BUF_SIZE, room: BUF_SIZE, headroom: 0, num_bufs }
    }

    /// Bytes up to the end of the receive ring's buffers: what is always committed, and what senders map.
    pub fn rx_bytes(&self) -> usize {
        self.buffers() + self.tx_first_buf() as usize * BUF_SIZE as usize
    }

    /// Bytes of the whole file.
    pub fn total_bytes(&self) -> usize {
        self.buffers() + self.num_bufs() as usize * BUF_SIZE as usize
    }
}

/// A `netmap_if` with one ring each way, over the layout of `net/netmap.h`.
#[repr(C)]
struct InterfaceWords {
    name: [AtomicU64; 2],
    version: AtomicU32,
    flags: AtomicU32,
    tx_rings: AtomicU32,
    rx_rings: AtomicU32,
    bufs_head: AtomicU32,
    host_tx_rings: AtomicU32,
    host_rx_rings: AtomicU32,
    spare: [AtomicU32; 3],
    ring_ofs: [AtomicU64; 2],
}
const _: () = assert!(cfg!(loom) || size_of::<InterfaceWords>() == size_of::<abi::netmap_if>() + 16);
// SAFETY: repr(C), atomics only.
unsafe impl Shared for InterfaceWords {}

/// Fills the `netmap_if` at offset `at`, for who walks the region with netmap's macros: one ring each way, at these
/// offsets behind it.
pub fn write_interface(mapping: &Mapping, at: usize, tx_ring: usize, rx_ring: usize, name: &str) {
    let Some(nif) = mapping.at::<InterfaceWords>(at) else { return };
    let mut bytes = [0u8; 16];
    let n = name.len().min(15);
    bytes[..n].copy_from_slice(&name.as_bytes()[..n]);
    let (first, second) = bytes.split_at(8);
    // ORDER: Relaxed, all of these: the port is announced later, with Release.
    for (word, half) in nif.name.iter().zip([first, second]) {
        word.store(u64::from_ne_bytes(half.try_into().unwrap_or([0; 8])), Ordering::Relaxed);
    }
    nif.version.store(abi::NETMAP_API, Ordering::Relaxed);
    nif.tx_rings.store(1, Ordering::Relaxed);
    nif.rx_rings.store(1, Ordering::Relaxed);
    nif.ring_ofs[0].store(tx_ring.wrapping_sub(at) as u64, Ordering::Relaxed);
    nif.ring_ofs[1].store(rx_ring.wrapping_sub(at) as u64, Ordering::Relaxed);
}
