//! `struct netmap_ring`, the head of a ring, and its flags.

use crate::abi::netmap_slot;
use libc::timeval;
use std::mem::{align_of, offset_of, size_of};

/// A ring: this head, then `num_slots` slots. Buffers lie at `buf_ofs` from its first byte.
///
/// The slots from `head` up to, not including, `tail` belong to the program: frames to read (rx) or room to fill (tx).
/// The program moves `head` on to give slots to the peer, the peer moves `tail` on to give slots to the program.
#[repr(C, align(128))]
#[derive(Clone, Copy)]
pub struct netmap_ring {
    /// Bytes from this ring's first byte to buffer 0. Writer: maker.
    pub buf_ofs: i64,
    /// Slots that follow. Writer: maker.
    pub num_slots: u32,
    /// Bytes from one buffer to the next; need not be a power of two. Writer: maker.
    pub nr_buf_size: u32,
    /// Which ring of its direction. Writer: maker.
    pub ringid: u16,
    /// 0: transmit, 1: receive. Writer: maker.
    pub dir: u16,
    /// First slot that is the program's. Writer: program.
    pub head: u32,
    /// The program wants to be woken when `tail` goes past this. Writer: program.
    pub cur: u32,
    /// First slot that is the peer's. Writer: peer.
    pub tail: u32,
    /// `NR_TIMESTAMP`, `NR_FORWARD`. Writer: program.
    pub flags: u32,
    /// When the ring was last synced. Writer: peer.
    pub ts: timeval,
    /// Which bits of a slot's `ptr` are an offset into its buffer; 0: none. Writer: maker.
    pub offset_mask: u64,
    /// A buffer's address plus its offset is a multiple of this; 0: nothing is promised. Writer: maker.
    pub buf_align: u64,
    /// Nothing.
    pub pad: [u8; 56],
    /// Room for whatever the threads of the program agree on. Writer: program.
    pub sem: [u8; 128],
    /// The slots begin here.
    pub slot: [netmap_slot; 0],
}
const _: () = assert!(size_of::<netmap_ring>() == 256 && align_of::<netmap_ring>() == 128);
const _: () = assert!(offset_of!(netmap_ring, sem) == 128 && offset_of!(netmap_ring, slot) == 256);

/// In a ring's `flags`: set `ts` at each sync.
pub const NR_TIMESTAMP: u32 = 0x2;
/// In a ring's `flags`: heed `NS_FORWARD` in its slots.
pub const NR_FORWARD: u32 = 0x4;
/// What a ring's `sem` is aligned to, bytes.
pub const NM_CACHE_ALIGN: u32 = 128;
