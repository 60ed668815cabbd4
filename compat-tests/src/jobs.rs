//! What programs do to capture files: run in a folder of their own, with the system's library, with ours, and with ours where
//! the system's is hidden. What they say and what files they leave must be the same.

use crate::hidden::without_the_systems_library;
use crate::{Program, Sandbox};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// How long a job may take.
pub const LIMIT: Duration = Duration::from_secs(120);

/// Whose library serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// The system's.
    Theirs,
    /// Ours.
    Ours,
    /// Ours, and the system's is not there.
    OursAlone,
}

/// Runs a shell script with `arguments`: what it and its programs said, how it ended, and the files that it left.
pub fn run(sandbox: &Sandbox, script: &str, arguments: &[&Path], library: Library) -> String {
    let folder = sandbox.file(&format!("job-{library:?}"));
    std::fs::remove_dir_all(&folder).ok();
    std::fs::create_dir(&folder).expect("a folder for the job");
    let program = match library {
        Library::Theirs => Program::new("sh"),
        _ => sandbox.ours("sh"),
    };
    let program = program.env("TZ", "UTC").folder(&folder).args(["-c", script, "sh"]).args(arguments);
    let program = match library {
        Library::OursAlone => without_the_systems_library(program),
        _ => program,
    };
    let run = program.finish_within(LIMIT);
    let mut told = format!("{}{}exit {:?}, signal {:?}\n", run.stdout, run.stderr, run.code, run.signal);
    tell_files(&folder, &folder, &mut told);
    told
}

/// Names, sizes and contents (as a hash) of all files below a folder.
fn tell_files(top: &Path, folder: &Path, told: &mut String) {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).expect("a folder of the job").flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            tell_files(top, &path, told);
            continue;
        }
        let bytes = std::fs::read(&path).expect("a file of the job");
        let hash =
            bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
        let name = path.strip_prefix(top).expect("a path below the folder").display();
        let _ = writeln!(told, "{name}: {} bytes, {hash:016x}", bytes.len());
    }
}
