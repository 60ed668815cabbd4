//! VALE: a software switch in shared memory, whose ports are netmap rings. No kernel module, no root.
//!
//! Every process that may open the switch's folder maps its ports, and the sender does the forwarding: it looks up
//! where a frame goes ([`route`]), and writes it into the receiver's ring ([`tx`], [`peer`]), from which the receiver
//! hands it out in place ([`rx`]). [`registry`] makes ports and reaps them, [`flow`] says what happens when a ring is
//! full, [`place`] where the files are. A [`pipe`] is a switch of two ports.
#![forbid(unsafe_code)]

mod flow;
mod looks;
mod manage;
mod member;
mod peer;
mod pipe;
mod place;
mod registry;
mod route;
mod rx;
mod starved;
mod table;
mod turns;
mod tx;

pub use manage::{create, destroy, set_flow, switches};
pub use member::leave_all;
pub use place::base;

use nm_core::bell;
use nm_core::name::{NetmapName, ValeName};
use nm_core::{Port, PortError, PortKind, Stats};
use std::sync::Arc;

/// How a port is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Buffers of the receive ring: 64 to 65,536; `None`: 1,024. It has four times as many slots, which short frames may all
    /// fill.
    pub rx_bufs: Option<u32>,
    /// Slots of the transmit ring (its memory is taken on first use): 16 to 262,144.
    pub tx_slots: u32,
    /// The name may be that of a port which this process has open: both get all frames for it, and none that the other sends.
    pub again: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { rx_bufs: None, tx_slots: 1024, again: false }
    }
}

/// The most milliseconds of [`Flow::WaitMs`].
pub const MAX_FLOW_MS: u32 = 1000;

/// What a sender does when a receiver is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Wait while the receiver makes progress, up to this many milliseconds (1 to [`MAX_FLOW_MS`]) without any (the
    /// default: 10).
    WaitMs(u32),
    /// Drop at once, as netmap does.
    Drop,
}

/// A switch as [`switches`] shows it.
#[derive(Clone, Debug)]
pub struct SwitchView {
    /// `vale0`
    pub name: String,
    /// Its folder.
    pub path: std::path::PathBuf,
    /// It is a pipe, not a switch that others can join.
    pub pipe: bool,
    /// Stays without ports (made by [`create`]).
    pub persistent: bool,
    /// What senders do when a receiver is full.
    pub flow: Flow,
    /// Entries of the learning table in use.
    pub learned: u32,
    /// The live ports.
    pub ports: Vec<PortView>,
}

/// A port as [`switches`] shows it.
#[derive(Clone, Debug)]
pub struct PortView {
    /// The name as typed: `vale0:a`, `vale0:*`, `vale0:a/t`.
    pub name: String,
    /// What sort of port.
    pub kind: PortKind,
    /// Its place in the switch, 0 to 253.
    pub index: u32,
    /// The process that opened it.
    pub pid: u32,
    /// Its counters.
    pub stats: Stats,
    /// Slots of its receive ring, and how many of them are filled.
    pub rx_slots: u32,
    /// Slots filled now.
    pub rx_filled: u32,
    /// Its reader sleeps.
    pub sleeping: bool,
    /// Its reader made no progress and its frames are being dropped.
    pub stalled: bool,
    /// Bytes of memory committed.
    pub memory: u64,
    /// What its program passes its frames on to, and by which driver, where it says so: `bridge`, an attached card. Else empty.
    pub other_end: String,
}

/// Opens a port; the switch and the port are made on first use.
///
/// # Errors
/// [`PortError`], with the operands in it.
pub fn open(name: &ValeName, options: &Options) -> Result<Port, PortError> {
    let (member, ring) = member::Member::join(name, options)?;
    let member = Arc::new(member);
    member::remember(&member);
    Ok(Port {
        rx: Box::new(rx::Rx::new(Arc::clone(&member), ring)),
        tx: Box::new(tx::Tx::new(Arc::clone(&member))),
        control: member,
    })
}

/// Opens an end of a pipe; `None` for a name that is no pipe's.
///
/// # Errors
/// As [`open`]; [`PortError::Unsupported`] for flags.
pub fn open_pipe(name: &NetmapName, options: &Options) -> Option<Result<Port, PortError>> {
    Some(pipe::port_of(name)?.and_then(|port| open(&port, options)))
}
