//! How far a reader's memory grows: a process of its own, which reads one file with one library.

use super::calls::Calls;
use crate::pcap_lib;
use std::path::Path;
use std::process::Command;

/// The first word of the command line of such a process.
pub const ROLE: &str = "savefile-memory";

/// KiB by which the peak of its memory lies above what it had before it opened the file.
///
/// # Errors
/// When it can't be started, or failed.
pub fn of_a_child(which: &str, file: &Path) -> Result<u64, String> {
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let output = Command::new(own).args([ROLE, which]).arg(file).output().map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.trim().parse().map_err(|_| format!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Reads the file and prints the figure.
///
/// # Errors
/// When the library or the file can't be opened or read.
pub fn run(which: &str, file: &str) -> Result<(), String> {
    let calls = Calls::load(&pcap_lib::find(which)?)?;
    // What is set up once, whatever is read.
    let warm = calls.open(Path::new(file), None)?;
    drop(warm);
    // 5: the peak begins anew (proc(5), clear_refs).
    std::fs::write("/proc/self/clear_refs", "5").map_err(|e| format!("clear_refs: {e}"))?;
    let before = figure("VmRSS:")?;
    calls.open(Path::new(file), None)?.run()?;
    println!("{}", figure("VmHWM:")?.saturating_sub(before));
    Ok(())
}

fn figure(name: &str) -> Result<u64, String> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(|e| e.to_string())?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).ok_or_else(|| format!("no {name} here"))
}
