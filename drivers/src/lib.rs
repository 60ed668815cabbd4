//! Drivers: ports whose frames come from a network card and go to one.
//!
//! - [`open`]: the best of them for a card; [`probe`](mod@probe) says which that would be, and why.
//! - [`af_xdp`]: a card's rings, in memory that the kernel shares with us.
//! - [`af_packet`]: a card through a packet socket: a copy of what it receives, on any kernel.
//! - [`bpf`]: programs that the kernel runs for us, on a card's frames before the host sees them.
//! - [`host`]: a card's host rings: what the host sends to it, and frames for the host.
//! - [`offload`]: what a sender leaves to a card that never comes: checksums, and cutting.
//! - [`netmap`]: a card, or any port of netmap(4), through the netmap kernel module.
//! - [`stamping`]: whose clock the frames' times are of.
//! - [`sys`]: the system calls of all drivers, each as a safe function; the crate's only `unsafe`.

pub mod af_packet;
pub mod af_xdp;
mod both;
pub mod bpf;
mod choice;
mod copying;
mod error;
mod flags;
pub mod host;
pub mod netmap;
pub mod offload;
pub mod probe;
mod retreat;
pub mod stamping;
pub mod sys;
mod times;

pub use choice::{Driver, Missing, Offer, Options, Way, open};
pub use error::Error;
pub use stamping::Stamping;
