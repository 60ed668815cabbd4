//! Where the parts of a port's file lie.
//!
//! ```text
//!   0      PortPage        ours: control words, each party's on its own cache lines
//!   4096   netmap_if       then what net/netmap.h describes, at offsets that its macros follow
//!          receive ring, transmit ring: header and slots
//!          receive buffers: 0 and 1 unused (as in netmap), a cell of 128 bytes for each slot, then buffers for a quarter of them
//!          transmit buffers
//! ```
//! A short frame lies in its slot's cell, a longer one in its buffer ([`crate::ring::homes`]), which it shares with three other
//! slots, far from it: so a ring takes four times as many short frames as long ones. So that netmap's macros
//! find both, the receive ring's buffer numbers count in steps of 64 bytes ([`STEP`]).
//!
//! The transmit ring's buffers are at the end, since most programs never use them: their memory is committed on the
//! ring's first use.

use super::mapping::{Mapping, Shared};
use super::place::{RingPlace, ring_bytes};
use crate::abi;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Bytes from one buffer to the next. A stride of exactly 2048 makes every frame start in the same cache sets:
/// 2112 was 20 to 25 % faster.
pub const BUF_SIZE: u32 = 2112;
/// Bytes of a slot's cell: what most short frames fit, and two lines, which processors fetch as a pair.
pub const CELL: u32 = 128;
/// Slots that share a buffer.
pub const SHARERS: u32 = 4;
/// The fewest buffers that are shared: the longest frame needs 32.
pub const MIN_SHARED: u32 = 64;
/// Bytes from one number of a receive ring's buffers to the next.
pub const STEP: u32 = 64;
const _: () = assert!(BUF_SIZE % STEP == 0 && CELL % STEP == 0);
/// The fewest slots of a ring.
pub const MIN_SLOTS: u32 = 16;
/// The most slots of a ring.
pub const MAX_SLOTS: u32 = 262_144;
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

    /// Offset of the receive ring's buffer 0.
    pub fn buffers(&self) -> usize {
        (self.tx_ring() + ring_bytes(self.tx_slots)).next_multiple_of(PAGE)
    }

    /// The number of slot number `n`'s cell, in the order of memory.
    pub fn cell(&self, n: u32) -> u32 {
        RESERVED_BUFS + n * (CELL / STEP)
    }

    /// Buffers of the receive ring: one for four slots, but for rings too small to divide.
    pub fn rx_bufs(&self) -> u32 {
        let divides = self.rx_slots % SHARERS == 0 && self.rx_slots >= SHARERS * MIN_SHARED;
        if divides { self.rx_slots / SHARERS } else { self.rx_slots }
    }

    /// The most slots of the receive ring that are filled when the last frame is a long one: two slots that share a buffer are not
    /// among them.
    pub fn long_slots(&self) -> u32 {
        self.rx_bufs().min(self.rx_slots - 1)
    }

    /// The number of buffer number `n` of the receive ring, in the order of memory.
    pub fn rx_buf(&self, n: u32) -> u32 {
        self.cell(self.rx_slots) + n * (BUF_SIZE / STEP)
    }

    /// Offset of the transmit ring's first buffer.
    pub fn tx_buffers(&self) -> usize {
        self.buffers() + self.rx_buf(self.rx_bufs()) as usize * STEP as usize
    }

    /// The receive ring.
    pub fn rx_place(&self) -> RingPlace {
        // The highest number is one from which a whole frame ends where the last buffer does.
        let num_bufs = self.rx_buf(self.rx_bufs() - 1) + 1;
        self.place(self.rx_ring(), self.rx_slots, self.buffers(), STEP, num_bufs)
    }

    /// The transmit ring.
    pub fn tx_place(&self) -> RingPlace {
        let zero = self.tx_buffers() - RESERVED_BUFS as usize * BUF_SIZE as usize;
        self.place(self.tx_ring(), self.tx_slots, zero, BUF_SIZE, RESERVED_BUFS + self.tx_slots)
    }

    fn place(&self, ring: usize, num_slots: u32, buffers: usize, stride: u32, num_bufs: u32) -> RingPlace {
        RingPlace { ring, num_slots, buffers, stride, room: BUF_SIZE, headroom: 0, num_bufs }
    }

    /// Bytes up to the end of the receive ring's buffers: what is always committed, and what senders map.
    pub fn rx_bytes(&self) -> usize {
        self.tx_buffers()
    }

    /// Bytes of the whole file.
    pub fn total_bytes(&self) -> usize {
        self.tx_buffers() + self.tx_slots as usize * BUF_SIZE as usize
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
