//! Rings: the walkers of netmap's slots. [`rx`] towards the application, [`tx`] towards the wire.

pub mod peer;
pub mod rx;
pub mod slots;
pub mod tx;
