//! `cargo xtask demo`: two unmodified programs talk over a switch, and how fast the switch is.
//!
//! | step | file |
//! |---|---|
//! | bittwist plays the recorded capture, tcpdump catches it, frames are compared | [`play`] |
//! | our own sender at top speed; beside it libpcap on a veth pair | [`rates`] |

mod play;
mod rates;

use crate::Failure;
use crate::build;
use crate::packages::{need, provide};
use crate::workspace::{library, root};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is played: two hosts' first four seconds, recorded by the script beside it.
const CAPTURE: &str = "testdata/first-light.pcap";

/// A folder of this run's own, gone with it: the switches, and what tcpdump writes.
struct Stage(PathBuf);

impl Stage {
    fn make() -> Result<Stage, Failure> {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        let stage = parent.join(format!("libpcap-netmap-demo-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&stage).map_err(|e| format!("{}: {e}", stage.display()))?;
        Ok(Stage(stage))
    }

    /// The program with our library in libpcap's place and our switches in this folder.
    fn preloaded(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("LD_PRELOAD", library()).env("VALE_DIR", &self.0).current_dir(root());
        command
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Shows it.
///
/// # Errors
/// When a frame is missing or differs, or anything else is not as it says.
pub fn run() -> Result<(), Failure> {
    build::all()?;
    let missing = provide(&[need("tcpdump", "tcpdump"), need("bittwist", "bittwist")])?;
    if !missing.is_empty() {
        return Err("the demonstration needs these two programs".into());
    }
    provide(&[need("ip", "iproute2")])?;
    let stage = Stage::make()?;
    play::run(&stage)?;
    rates::run()
}
