//! Towards the application: walking received frames.

/// One received frame, in place.
#[derive(Clone, Copy, Debug)]
pub struct RxFrame {
    /// First byte. Valid until the ring's next [`RxRing::release`] and rxsync.
    pub data: *const u8,
    /// Bytes of the frame.
    pub len: u32,
    /// When it was sent: nanoseconds of CLOCK_REALTIME; 0 when nobody said.
    pub time_ns: u64,
}

/// A receive ring as its reader sees it.
pub struct RxRing {}

impl RxRing {
    /// Slots that can be read and were not yet handed out.
    pub fn ready(&self) -> u32 {
        0
    }
    /// Hands out the next frame in place (chains that do not lie in one piece are copied together).
    pub fn next_frame(&mut self) -> Option<RxFrame> {
        None
    }
    /// As [`RxRing::next_frame`], the bytes copied to the front of `out` (cut at its length): (length, time in ns).
    pub fn next_frame_into(&mut self, _out: &mut [u8]) -> Option<(u32, u64)> {
        None
    }
    /// All frames handed out so far may be overwritten after the next rxsync.
    pub fn release(&mut self) {}
    /// Slots handed out and not yet released.
    pub fn held(&self) -> u32 {
        0
    }
    /// How many slots the ring has; at most one less can be filled.
    pub fn num_slots(&self) -> u32 {
        0
    }
}
