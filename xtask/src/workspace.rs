//! Where things lie, and how a program is run to its end.

use crate::Failure;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder that holds the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Where `cargo xtask build` leaves its results.
pub fn dist() -> PathBuf {
    root().join("dist")
}

/// The library as Debian's programs ask for it.
pub fn library() -> PathBuf {
    dist().join("libpcap.so.0.8")
}

/// The cargo that runs this.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The folder that cargo builds into.
///
/// # Errors
/// When cargo does not say.
pub fn target_dir() -> Result<PathBuf, Failure> {
    let out = cargo().args(["metadata", "--format-version=1", "--no-deps"]).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8(out.stdout)?;
    let (_, rest) = text.split_once(r#""target_directory":""#).ok_or("cargo metadata names no target_directory")?;
    let (dir, _) = rest.split_once('"').ok_or("cargo metadata ends early")?;
    Ok(PathBuf::from(dir))
}

/// Runs `command` to its end, its output where ours goes.
///
/// # Errors
/// When it can't be started, or fails.
pub fn run(command: &mut Command) -> Result<(), Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|e| format!("{name}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name}: {status}").into()) }
}

/// Whether we are root.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|ours| ours.uid() == 0)
}
