//! Rings: the walkers of netmap's slots. [`rx`] towards the application, [`tx`] towards the wire.

pub mod rx;
pub mod tx;
