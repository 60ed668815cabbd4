//! `struct netmap_slot`, the descriptor of one buffer, and its flags.

use std::mem::{align_of, size_of};

/// One slot of a ring: names a buffer and says what lies in it.
///
/// Between `head` and `tail` of its ring a slot is the program's; the others are the peer's.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct netmap_slot {
    /// Which buffer. Writers: maker; whoever owns the slot, when it swaps buffers.
    pub buf_idx: u32,
    /// Bytes in the buffer; of a chain, those of this piece. Writers: program (tx), peer (rx).
    pub len: u16,
    /// `NS_*` bits, and in the high byte a port (tx) or the number of pieces (rx). Writers: program (tx), peer (rx).
    pub flags: u16,
    /// Transmit: address of a buffer of the program's own, with `NS_INDIRECT`. Receive, in our own regions: the
    /// frame's time, ns of CLOCK_REALTIME. The bits under the ring's `offset_mask` are an offset into the buffer
    /// (that mask is 0 in our own regions). Writers: program (tx), peer (rx).
    pub ptr: u64,
}
const _: () = assert!(size_of::<netmap_slot>() == 16 && align_of::<netmap_slot>() == 8);

/// `buf_idx` has been changed. Set by whoever changes it.
pub const NS_BUF_CHANGED: u16 = 0x1;
/// The program wants to learn soon that this slot was sent.
pub const NS_REPORT: u16 = 0x2;
/// Pass the frame on to the ring of the other kind (host, card) when the slot is released. See `NR_FORWARD`.
pub const NS_FORWARD: u16 = 0x4;
/// The switch does not learn this frame's sender.
pub const NS_NO_LEARN: u16 = 0x8;
/// The bytes are at the address in `ptr`, not in the slot's buffer.
pub const NS_INDIRECT: u16 = 0x10;
/// The frame goes on in the next slot. Set on all slots of a chain but the last.
pub const NS_MOREFRAG: u16 = 0x20;
/// A frame that its monitor saw being transmitted.
pub const NS_TXMON: u16 = 0x40;
/// The flags' high byte begins at this bit.
pub const NS_PORT_SHIFT: u32 = 8;
/// The flags' high byte: transmit, the switch's port to send to whatever the table says (0: as the table says);
/// receive, the number of slots in the chain.
pub const NS_PORT_MASK: u16 = 0xff << 8;
/// The longest chain, in slots.
pub const NETMAP_MAX_FRAGS: u32 = 64;
