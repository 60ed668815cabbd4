//! A packet socket's ring of the second version: a frame is shown at the moment it is filled.
//!
//! ```text
//!   ring     block 0 | block 1 | ...           each of some frames
//!   frame    tpacket2_hdr, sockaddr_ll, ..., RESERVE bytes of ours, the frame's own bytes from tp_mac on; where the socket tells
//!            what was left to a card, that lies in the ten bytes before the frame
//! ```
//! `tp_status` says whose a frame is: the kernel's while it is 0, else ours until we store 0. Everything below relies
//! on that: bytes of a frame that is ours change by nobody but us.

use super::{Captured, Header, Memory, ReceiveRing};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where in a frame the kernel puts the address that it came from.
const ADDRESS: usize = size_of::<libc::tpacket2_hdr>().next_multiple_of(16);

/// The ring.
pub struct FrameRing {
    memory: Memory,
    block_size: usize,
    frame_size: usize,
    per_block: u32,
    blocks: u32,
    /// The next frame: its block, its number in that.
    block: u32,
    frame: u32,
    /// As its socket was when it was made: the kernel puts what was left to a card before each frame.
    told: bool,
}

impl FrameRing {
    /// `blocks` blocks in `memory`, of `per_block` frames each: so much memory is there.
    pub(super) fn new(
        memory: Memory,
        [block_size, frame_size]: [usize; 2],
        [blocks, per_block]: [u32; 2],
        told: bool,
    ) -> FrameRing {
        assert!(per_block as usize * frame_size <= block_size && blocks as usize * block_size <= memory.len);
        FrameRing { memory, block_size, frame_size, per_block, blocks, block: 0, frame: 0, told }
    }

    /// The next frame's first byte.
    fn first(&self) -> *mut u8 {
        let offset = self.block as usize * self.block_size + self.frame as usize * self.frame_size;
        // SAFETY: `block < blocks`, `frame < per_block`, and so many fit the memory (`new`): a whole frame lies there.
        unsafe { self.memory.base.as_ptr().add(offset) }
    }
}

impl ReceiveRing for FrameRing {
    const GATHERS: bool = false;

    fn memory(&self) -> usize {
        self.memory.len
    }

    #[inline]
    fn front(&mut self) -> Option<Captured<'_>> {
        let first = self.first();
        let header = first.cast::<libc::tpacket2_hdr>();
        // SAFETY: an aligned word of the mapping (frames begin at multiples of 16 in pages), which the kernel writes too: atomic.
        let status = unsafe { AtomicU32::from_ptr(&raw mut (*header).tp_status) };
        // ORDER: Acquire pairs with the kernel's write barrier before it stores the status: the frame is whole.
        let status = status.load(Ordering::Acquire);
        if status & libc::TP_STATUS_USER == 0 {
            return None;
        }
        // SAFETY: the frame is ours (see the top), and all of its words are plain numbers.
        let header = unsafe { header.read() };
        let header = Header {
            status,
            mac: header.tp_mac,
            kept: header.tp_snaplen,
            len: header.tp_len,
            sec: header.tp_sec,
            nsec: header.tp_nsec,
            protocol: header.tp_vlan_tpid,
            tag: header.tp_vlan_tci,
        };
        // SAFETY: the whole frame is ours and borrowed with `self`; it has 2048 bytes at least, so the address lies in it.
        Some(unsafe { header.captured(first, ADDRESS, self.frame_size, self.told) })
    }

    #[inline]
    fn give_back(&mut self) {
        // SAFETY: as in `front`.
        let status = unsafe { AtomicU32::from_ptr(&raw mut (*self.first().cast::<libc::tpacket2_hdr>()).tp_status) };
        // ORDER: Release: what we read of the frame is behind us when the kernel sees that it is its own.
        status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.frame += 1;
        if self.frame == self.per_block {
            self.frame = 0;
            self.block = if self.block + 1 == self.blocks { 0 } else { self.block + 1 };
        }
    }
}
