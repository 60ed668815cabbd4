//! Where a ring and its buffers lie in a mapping, whoever made them.

use crate::abi;

/// Buffers that no slot may name: netmap keeps 0 and 1 for itself.
pub const RESERVED_BUFS: u32 = 2;

/// One ring of a mapping, and the buffers that its slots name. What [`crate::ring`] walks is checked against these
/// numbers once, when a ring is made of them.
///
/// ```text
///   ring -> netmap_ring, num_slots slots
///   buffers -> |<-------- stride -------->|
///      ........|ROOM..................    |ROOM..................    |   num_bufs of them
///      headroom                    ........                   (what a driver keeps before a frame's bytes)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingPlace {
    /// Offset of the `netmap_ring`.
    pub ring: usize,
    /// Slots of it.
    pub num_slots: u32,
    /// Offset of buffer 0.
    pub buffers: usize,
    /// Bytes from one buffer's number to the next one's.
    pub stride: u32,
    /// Bytes of a buffer that a frame may fill; at most what a slot's 16 bits can say. More than the stride where buffers of
    /// several sizes share the numbers: who fills them keeps them apart.
    pub room: u32,
    /// Bytes before a buffer that are its own, too: where a driver leaves notes about the frame.
    pub headroom: u32,
    /// All buffers, reserved ones too.
    pub num_bufs: u32,
}

impl RingPlace {
    /// Whether the numbers make sense by themselves; whether they fit a mapping is seen there.
    pub(crate) fn is_sound(&self) -> bool {
        (2..1 << 30).contains(&self.num_slots)
            && self.stride > 0
            && (1..=u32::from(u16::MAX)).contains(&self.room)
            && self.headroom <= self.stride.saturating_sub(self.room)
            && self.headroom as usize <= self.buffers
            && self.num_bufs > RESERVED_BUFS
    }

    /// Bytes from buffer 0 to the end of the last one; `None` when that is no number.
    pub(crate) fn buffer_bytes(&self) -> Option<usize> {
        let before_last = (self.num_bufs as usize - 1).checked_mul(self.stride as usize)?;
        before_last.checked_add(self.room as usize)
    }

    /// Offset of the first slot.
    pub(crate) fn slots(&self) -> Option<usize> {
        self.ring.checked_add(size_of::<abi::netmap_ring>())
    }
}

/// Bytes of a ring: its head and its slots.
pub fn ring_bytes(slots: u32) -> usize {
    size_of::<abi::netmap_ring>() + slots as usize * size_of::<abi::netmap_slot>()
}
