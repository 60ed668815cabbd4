//! The memory that processes share, and its owner.
//!
//! Rules, which SAFETY comments cite by number:
//! 1. No `&mut` and no `&` to plain data into a mapping: control words and slots are reached as references to
//!    atomics, frames as raw pointers that are copied from or to.
//! 2. Every shared word is an atomic, and any value of it is a valid one: a peer may have written anything.
//! 3. Offsets become pointers in [`mapping::Mapping`] only, checked against the mapping's length; slot positions and
//!    buffer numbers in [`crate::ring::slots`] only, checked against what was learned at construction.
//! 4. A mapping outlives its views: each view holds an `Arc` of it.
//! 5. Sizes come from our own arithmetic over numbers that were read once and checked against the file's length,
//!    never from the mapping a second time.
//! 6. The file's length never shrinks while it is mapped: who may open the folder is trusted not to truncate it.
//! 7. Bytes of frames are copied without atomics. A peer that writes a buffer while it is read makes garbage of
//!    the frame, which is its own loss: frames are input from the network anyway, and nothing else depends on them.

pub mod layout;
pub mod mapping;
pub mod place;
pub mod port_page;
pub mod switch_page;
