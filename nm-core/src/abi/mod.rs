//! The layout of `net/netmap.h` and `net/netmap_legacy.h`, API 14, exactly.
//!
//! Plain mirrors under C's names: what a C program sees, what the kernel module is asked with, and what
//! `include/net/netmap.h` is generated from. Code that walks shared memory reads it through atomics of its own.
//!
//! Each field says who writes it:
//! - *maker*: who made the region, before anybody else maps it (the kernel module, or this library at open);
//! - *program*: who opened the port;
//! - *peer*: who stands at the ring's other end (the kernel module; on our switch, the ports that send);
//! - *caller* and *answer*: in requests, who asks and what comes back.
//!
//! Followed: netmap(4); the numbers are those of `net/netmap.h` on a 64-bit Linux.

pub mod constants;
pub mod interface;
pub mod kloop;
pub mod legacy;
pub mod options;
pub mod requests;
pub mod ring;
pub mod slot;

pub use constants::*;
pub use interface::*;
pub use kloop::*;
pub use legacy::*;
pub use options::*;
pub use requests::*;
pub use ring::*;
pub use slot::*;
