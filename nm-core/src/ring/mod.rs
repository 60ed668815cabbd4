//! Rings: the walkers of netmap's slots. [`rx`] towards the application, [`tx`] towards the wire.

pub(crate) mod bytes;
mod homes;
pub mod outgoing;
pub mod peer;
pub mod rx;
pub mod slots;
pub mod spare;
pub mod swap;
pub mod tx;

/// How many slots of a ring are filled, from the reader's `head` up to `tail`; `None` for numbers outside the ring.
#[inline(always)]
pub fn filled(num_slots: u32, head: u32, tail: u32) -> Option<u32> {
    if head >= num_slots || tail >= num_slots {
        return None;
    }
    Some(if tail >= head { tail - head } else { tail + num_slots - head })
}
