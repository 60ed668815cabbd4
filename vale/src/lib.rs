//! VALE: a software switch in shared memory, whose ports are netmap rings. No kernel module, no root.
#![forbid(unsafe_code)]

use nm_core::name::ValeName;
use nm_core::{Port, PortError, PortKind, Stats};

/// How a port is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Slots of the receive ring: 16 to 65,536.
    pub rx_slots: u32,
    /// Slots of the transmit ring (its memory is taken on first use): 16 to 65,536.
    pub tx_slots: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options { rx_slots: 1024, tx_slots: 1024 }
    }
}

/// What a sender does when a receiver is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Wait while the receiver makes progress, up to this many milliseconds without any (the default: 10).
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
}

/// Opens a port; the switch and the port are made on first use.
///
/// # Errors
/// [`PortError`], with the operands in it.
pub fn open(_name: &ValeName, _options: &Options) -> Result<Port, PortError> {
    todo!()
}

/// All switches that this user may see, by name. Dead ports are reaped on the way.
///
/// # Errors
/// [`PortError::Io`] when the folder of switches can't be read; none there is an empty list.
pub fn switches() -> Result<Vec<SwitchView>, PortError> {
    todo!()
}

/// Makes a switch that stays without ports. `mode` is that of its folder (0o700, or 0o770 for a group).
///
/// # Errors
/// [`PortError`]; [`PortError::InUse`] when it exists.
pub fn create(_switch: &str, _mode: u32, _gid: Option<u32>) -> Result<(), PortError> {
    todo!()
}

/// Removes a switch.
///
/// # Errors
/// [`PortError::InUse`] while it has live ports, [`PortError::NotFound`].
pub fn destroy(_switch: &str) -> Result<(), PortError> {
    todo!()
}

/// Sets what senders do when a receiver is full.
///
/// # Errors
/// [`PortError::NotFound`], [`PortError::Permission`].
pub fn set_flow(_switch: &str, _flow: Flow) -> Result<(), PortError> {
    todo!()
}
