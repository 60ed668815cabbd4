//! What went wrong, in the words of ports.

use super::attach::PROGRAM;
use crate::Error;
use crate::sys::bpf::has_capabilities;
use nm_core::PortError;
use std::io;

/// Makes errors for one port.
pub struct Failure {
    /// The name as typed.
    pub port: String,
}

impl Failure {
    /// A name or an interface that can't be served.
    pub fn unsupported(&self, why: &'static str) -> PortError {
        PortError::Unsupported { port: self.port.clone(), why }
    }

    /// A failed system call's.
    pub fn io(&self, what: &str, source: io::Error) -> PortError {
        let port = self.port.clone();
        match source.raw_os_error() {
            Some(libc::ENODEV | libc::ENXIO) => PortError::NoDevice { port },
            Some(libc::ENETDOWN) => PortError::NotUp { port },
            Some(libc::EPERM | libc::EACCES) => {
                let what = format!("{what}: CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF may be required");
                PortError::Denied { port, what, source }
            }
            _ => PortError::Io { what: format!("{port}: {what}"), source },
        }
    }

    /// A failed socket's.
    pub fn socket(&self, source: io::Error, pieces: bool) -> PortError {
        let what = match source.raw_os_error() {
            Some(libc::ENOBUFS) => {
                let limit = crate::sys::locked_memory_limit() / 1024;
                format!(
                    "AF_XDP socket: its memory is locked, of which {limit} KiB are allowed (ulimit -l, RLIMIT_MEMLOCK)"
                )
            }
            Some(libc::EINVAL | libc::EOPNOTSUPP) if pieces => {
                "AF_XDP socket: the MTU is larger than a buffer, and frames in pieces take Linux 6.6".into()
            }
            Some(libc::EBUSY) => "AF_XDP socket: another one has the queue".into(),
            Some(libc::EAFNOSUPPORT) => {
                "AF_XDP socket: this kernel is built without them (CONFIG_XDP_SOCKETS), or a sandbox refuses them \
                 (NETMAP_DRIVER=packet needs none)"
                    .into()
            }
            _ => "AF_XDP socket".into(),
        };
        self.io(&what, source)
    }

    /// A failed program's.
    pub fn driver(&self, error: Error) -> PortError {
        let port = self.port.clone();
        let what = format!("{port}: {error}");
        match error {
            // One of ours: the card is open elsewhere.
            Error::Attached { name, .. } if name == PROGRAM => PortError::InUse { port },
            Error::Attached { .. } => PortError::Io { what, source: io::Error::from_raw_os_error(libc::EBUSY) },
            Error::Permission { what, source } => {
                let why = if has_capabilities() {
                    "CAP_BPF and CAP_NET_ADMIN are there, but a user namespace, a seccomp filter or a security module refuses \
                     bpf(2) (NETMAP_DRIVER=packet needs none)"
                } else {
                    "CAP_BPF and CAP_NET_ADMIN may be required"
                };
                PortError::Denied { port, what: format!("{what}: {why}"), source }
            }
            Error::System { what, source } if source.raw_os_error() == Some(libc::ENOSYS) => {
                let why = "this kernel has no bpf(2), or a sandbox hides it (NETMAP_DRIVER=packet needs none)";
                PortError::Io { what: format!("{port}: {what}: {why}"), source }
            }
            Error::System { what, source } => self.io(what, source),
            _ => PortError::Io { what, source: io::ErrorKind::Unsupported.into() },
        }
    }
}

/// Whether another mode may do.
pub fn is_about_the_mode(error: &Error) -> bool {
    match error {
        Error::NoHook { .. } => true,
        // What drivers say for an MTU that is too large for them, offloads that don't go together with XDP, or too few
        // queues.
        Error::System { source, .. } => !matches!(
            source.raw_os_error(),
            Some(libc::EPERM | libc::EACCES | libc::ENODEV | libc::ENOMEM | libc::EMFILE | libc::ENFILE)
        ),
        _ => false,
    }
}
