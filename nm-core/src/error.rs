//! The one error type of ports.

use crate::name::NameError;
use std::fmt;
use std::io;

/// Why a port could not be opened or used.
#[derive(Debug)]
#[non_exhaustive]
pub enum PortError {
    /// The name does not follow the grammar.
    Name(NameError),
    /// The port is open elsewhere.
    InUse {
        /// The name as typed.
        port: String,
    },
    /// The switch's folder or files refuse this user.
    Permission {
        /// The file or folder.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// No memory for the port: a full `/dev/shm`, or another file system's.
    NoMemory {
        /// The name as typed.
        port: String,
        /// Bytes that were wanted.
        bytes: u64,
        /// Where.
        path: String,
    },
    /// The switch was made by another version.
    Version {
        /// The switch.
        switch: String,
        /// Its layout version.
        found: u32,
        /// Ours.
        ours: u32,
    },
    /// All ports of the switch are taken.
    SwitchFull {
        /// The switch.
        switch: String,
        /// How many ports a switch has.
        ports: usize,
    },
    /// No such switch or port, where one must exist.
    NotFound {
        /// The name.
        name: String,
    },
    /// The switch's files hold nothing that makes sense.
    Corrupt {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Fewer bytes than an Ethernet header.
    TooShort {
        /// Bytes of the frame.
        len: usize,
    },
    /// More bytes than a port carries.
    TooLong {
        /// Bytes of the frame.
        len: usize,
    },
    /// There were receivers, and none had room.
    NoRoom,
    /// A listener or monitor sends nothing.
    ReadOnly {
        /// The name as typed.
        port: String,
    },
    /// The port has been taken away.
    Gone {
        /// The name as typed.
        port: String,
    },
    /// No such interface.
    NoDevice {
        /// The name as typed.
        port: String,
    },
    /// The interface is down.
    NotUp {
        /// The name as typed.
        port: String,
    },
    /// The system refuses this user what a driver needs.
    Denied {
        /// The name as typed.
        port: String,
        /// What was tried, and which right is missing.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The interface was removed while it was open.
    Disappeared,
    /// No driver serves this name.
    Unsupported {
        /// The name as typed.
        port: String,
        /// What would be needed.
        why: &'static str,
    },
    /// A system call failed.
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PortError::Name(e) => e.fmt(f),
            PortError::InUse { port } => write!(
                f,
                "{port}: port is in use by another program (pick another port name, e.g. with vale-ctl -l to see those taken)"
            ),
            PortError::Permission { path, source } => {
                write!(f, "You don't have permission to use the switch at {path}: {source}")
            }
            PortError::NoMemory { port, bytes, path } => write!(
                f,
                "{port}: no memory for the port's rings: {bytes} bytes are needed in {path} (free some there, or set VALE_DIR to another place)"
            ),
            PortError::Version { switch, found, ours } => write!(
                f,
                "{switch}: the switch has layout version {found}, this library has {ours}: close its ports, then open it again"
            ),
            PortError::SwitchFull { switch, ports } => write!(f, "{switch}: all {ports} ports of the switch are taken"),
            PortError::NotFound { name } => write!(f, "{name}: No such switch or port exists"),
            PortError::Corrupt { path, why } => {
                write!(f, "{path}: not usable as part of a switch: {why} (vale-ctl destroy removes the switch)")
            }
            PortError::TooShort { len } => write!(f, "frame of {len} bytes is shorter than an Ethernet header"),
            PortError::TooLong { len } => write!(f, "frame of {len} bytes is longer than a port carries"),
            PortError::NoRoom => write!(f, "No buffer space available: the receiver's ring is full"),
            PortError::ReadOnly { port } => write!(f, "{port}: a listener or monitor sends no frames"),
            PortError::Gone { port } => write!(f, "{port}: the port has been taken away"),
            PortError::NoDevice { port } => write!(f, "{port}: No such device exists"),
            PortError::NotUp { port } => write!(f, "{port}: That device is not up"),
            PortError::Denied { port, what, source } => write!(f, "{port}: {what}: {source}"),
            PortError::Disappeared => f.write_str("The interface disappeared"),
            PortError::Unsupported { port, why } => write!(f, "{port}: {why}"),
            PortError::Io { what, source } => write!(f, "{what}: {source}"),
        }
    }
}

impl std::error::Error for PortError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            PortError::Permission { source, .. } | PortError::Denied { source, .. } | PortError::Io { source, .. } => {
                Some(source)
            }
            PortError::Name(e) => Some(e),
            _ => None,
        }
    }
}

impl From<NameError> for PortError {
    fn from(e: NameError) -> Self {
        PortError::Name(e)
    }
}
