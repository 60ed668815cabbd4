//! netmap's memory and its walkers: what every other crate stands on.
//!
//! A *region* is one mapping: a `netmap_if`, rings, slots and buffers at the offsets and sizes of
//! `net/netmap.h`, so that the kernel module's memory and ours are walked by the same code and a C
//! program's macros work on both. A *port* is what a program opens: one receive side, one transmit side and a
//! control that any thread may touch.
//!
//! The way of a frame through this crate: [`ring::rx`] towards the application, [`ring::tx`] towards the wire.

pub mod abi;
pub mod bell;
pub mod clock;
pub mod error;
pub mod lock;
pub mod name;
pub mod port;
pub mod ring;
pub mod shm;
pub mod sync;
pub mod sys;

pub use error::PortError;
pub use port::{Forwarded, Glance, Port, PortControl, PortInfo, PortKind, PortRx, PortTx, Stats, Woken};
pub use ring::rx::{RxFrame, RxRing};
pub use ring::tx::TxRing;
