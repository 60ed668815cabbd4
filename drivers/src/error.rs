//! The one error type of drivers.

use crate::sys;
use filter::engine::ebpf::{AsmError, XdpRefusal};
use std::fmt;
use std::io;

/// Why a driver can't do what was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A system call failed.
    System {
        /// What was to be done: `make a map`.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The process may not use eBPF.
    Permission {
        /// What was to be done.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Kernels before 5.11 count eBPF's memory as locked memory, and the limit is reached.
    LockedMemory {
        /// What was to be done.
        what: &'static str,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The kernel's verifier does not take the program.
    Verifier {
        /// Its last line that says why.
        line: String,
        /// What the system said.
        source: io::Error,
    },
    /// The filter has no meaning in the driver.
    Filter(XdpRefusal),
    /// The program is too long to be written down.
    Assembler(AsmError),
    /// Somebody's program is attached to the interface already.
    Attached {
        /// The interface's number.
        ifindex: u32,
        /// The program's name; empty when it has none or may not be looked at.
        name: String,
        /// The program's number.
        id: u32,
    },
    /// The interface's driver has no such hook.
    NoHook {
        /// The interface's number.
        ifindex: u32,
        /// Which: `native XDP`.
        hook: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::System { what, source } => write!(f, "can't {what}: {source}"),
            Error::Permission { what, source } => {
                write!(
                    f,
                    "can't {what}: {source}: it takes root, or the capabilities CAP_BPF and CAP_NET_ADMIN (not those of a user namespace)"
                )
            }
            Error::LockedMemory { what, limit } => write!(
                f,
                "can't {what}: this kernel counts it as locked memory, of which {} KiB are allowed (ulimit -l, RLIMIT_MEMLOCK)",
                limit / 1024
            ),
            Error::Verifier { line, .. } => write!(f, "the kernel's verifier refuses the program: {line}"),
            Error::Filter(refusal) => write!(f, "the filter can't run in the driver: {refusal}"),
            Error::Assembler(error) => error.fmt(f),
            Error::Attached { ifindex, name, id } if name.is_empty() => {
                write!(f, "interface {ifindex} has an XDP program already: number {id}")
            }
            Error::Attached { ifindex, name, id } => {
                write!(f, "interface {ifindex} has an XDP program already: \"{name}\", number {id}")
            }
            Error::NoHook { ifindex, hook, source } => write!(f, "interface {ifindex} has no {hook}: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::System { source, .. }
            | Error::Permission { source, .. }
            | Error::Verifier { source, .. }
            | Error::NoHook { source, .. } => Some(source),
            Error::Filter(refusal) => Some(refusal),
            Error::Assembler(error) => Some(error),
            Error::LockedMemory { .. } | Error::Attached { .. } => None,
        }
    }
}

impl From<XdpRefusal> for Error {
    fn from(refusal: XdpRefusal) -> Error {
        Error::Filter(refusal)
    }
}

impl From<AsmError> for Error {
    fn from(error: AsmError) -> Error {
        Error::Assembler(error)
    }
}

impl Error {
    /// Whether a right is missing: the process had none, or gave it up.
    pub fn is_permission(&self) -> bool {
        match self {
            Error::Permission { .. } => true,
            Error::System { source, .. } => matches!(source.raw_os_error(), Some(libc::EPERM | libc::EACCES)),
            _ => false,
        }
    }

    /// A failed system call's error. `EPERM` is a missing right, or the old kernels' limit of locked memory.
    pub(crate) fn system(what: &'static str, source: io::Error) -> Error {
        if source.raw_os_error() != Some(libc::EPERM) {
            Error::System { what, source }
        } else if nm_core::sys::kernel_is_before(5, 11) && sys::bpf::has_capabilities() {
            Error::LockedMemory { what, limit: sys::locked_memory_limit() }
        } else {
            Error::Permission { what, source }
        }
    }
}
