//! Where switches live, and what their files are called.
//!
//! ```text
//!   BASE/vale0/           0700: who can enter is trusted with the switch (0770 and a group: `vale-ctl create`)
//!        vale0/switch     its ports and its learning table; locks on single bytes of it say who lives
//!        vale0/ports/     0777: see below
//!             port.7      the rings of port 7
//!             fifo.7      its doorbell, once somebody asked for a descriptor to select on
//! ```
//! A program keeps `ports/` open. It may later change its root or drop its privileges, and still opens the files of
//! ports that appear then: to pass the outer folder again would need the rights that it gave up, the inner folder
//! asks for none. Nobody comes to the inner folder but through the outer one.

use nm_core::{PortError, sys};
use std::fs::DirBuilder;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The folder of switches: `$VALE_DIR`, else `/run/vale` for root (`/dev/shm/vale-0` where `/run` is no tmpfs), else
/// `$XDG_RUNTIME_DIR/vale`, else `/dev/shm/vale-<uid>`. Programs that got privileges from their file ignore the
/// environment.
pub fn base() -> PathBuf {
    let from_env = |name: &str| {
        let value = if sys::secure_execution() { None } else { std::env::var_os(name) };
        value.filter(|v| !v.is_empty()).map(PathBuf::from)
    };
    if let Some(dir) = from_env("VALE_DIR") {
        return dir;
    }
    let uid = sys::effective_uid();
    if uid == 0 {
        if sys::is_tmpfs(Path::new("/run")) {
            return PathBuf::from("/run/vale");
        }
    } else if let Some(dir) = from_env("XDG_RUNTIME_DIR").filter(|d| sys::is_tmpfs(d)) {
        return dir.join("vale");
    }
    shared_memory_folder(uid)
}

fn shared_memory_folder(uid: u32) -> PathBuf {
    PathBuf::from(format!("/dev/shm/vale-{uid}"))
}

/// Makes the folder of switches if need be.
pub fn ensure_base(base: &Path) -> Result<(), PortError> {
    let uid = sys::effective_uid();
    // Root's is passed on the way to switches of groups.
    make_folder(base, if uid == 0 { 0o711 } else { 0o700 }).map_err(|e| refused(base, e))?;
    // Anybody may make things in /dev/shm: a folder or a link that somebody else put there is not ours.
    if base == shared_memory_folder(uid) {
        let meta = std::fs::symlink_metadata(base).map_err(|e| refused(base, e))?;
        if !meta.is_dir() || meta.uid() != uid {
            return Err(refused(base, io::Error::new(ErrorKind::PermissionDenied, "it belongs to somebody else")));
        }
    }
    Ok(())
}

/// mkdir, content when it is there.
pub fn make_folder(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// A refusal of the file system as an error of ports.
pub fn refused(path: &Path, source: io::Error) -> PortError {
    let path_text = path.display().to_string();
    match source.raw_os_error() {
        Some(ENOSPC | EDQUOT) => PortError::NoMemory { port: "switch".into(), bytes: 0, path: path_text },
        _ if source.kind() == ErrorKind::PermissionDenied => PortError::Permission { path: path_text, source },
        _ => PortError::Io { what: path_text, source },
    }
}

/// errno of a full file system.
pub const ENOSPC: i32 = 28;
const EDQUOT: i32 = 122;

/// The switch's file in its folder.
pub const SWITCH_FILE: &str = "switch";
/// The folder of the ports' files in it.
pub const PORTS_FOLDER: &str = "ports";

/// The file of a port's rings. By number: names in the switch's list may be garbage.
pub fn port_file(index: usize) -> PathBuf {
    PathBuf::from(format!("port.{index}"))
}

/// The file of a port's doorbell.
pub fn fifo_file(index: usize) -> PathBuf {
    PathBuf::from(format!("fifo.{index}"))
}
