//! Towards the wire: filling a transmit ring.

/// A transmit ring as its writer sees it.
pub struct TxRing {}

impl TxRing {
    /// Slots that can be filled.
    pub fn space(&self) -> u32 {
        0
    }
    /// Copies `frame` into the next slot or slots. False when there is no space for it.
    pub fn put(&mut self, _frame: &[u8]) -> bool {
        false
    }
    /// Queues the next slot with `len` bytes of whatever its buffer holds (netmap's way of sending without a copy).
    /// False when there is no space, or `len` is more than a buffer.
    pub fn put_as_is(&mut self, _len: u16) -> bool {
        false
    }
    /// How many slots the ring has; at most one less can be filled.
    pub fn num_slots(&self) -> u32 {
        0
    }
}
