//! Where the system's libpcap is not to be found: a mount namespace in which nothing can be loaded from its files.

use crate::Program;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

const HIDE: &str = "for file in $0; do mount --bind /dev/null \"$file\" || exit 1; done; exec \"$@\"";

/// The files behind the names of the system's library, wherever the loader or our own search would find them.
fn files() -> BTreeSet<PathBuf> {
    let folders = ["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib"].map(PathBuf::from);
    let below = folders.iter().flat_map(|folder| entries(folder)).filter(|path| path.is_dir());
    let all = folders.iter().cloned().chain(below).flat_map(|folder| entries(&folder));
    all.filter(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"libpcap.so")))
        .filter_map(|path| path.canonicalize().ok())
        .collect()
}

fn entries(folder: &std::path::Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// `program` where the system's libpcap is hidden.
pub fn without_the_systems_library(program: Program) -> Program {
    let files: Vec<String> = files().iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let files = files.join(" ");
    let mut before: Vec<&str> = if crate::user::is_root() { vec!["-m"] } else { vec!["-r", "-m"] };
    before.extend(["sh", "-c", HIDE, &files]);
    program.behind("unshare", &before)
}

/// Whether it can be hidden here; says so for each test that asks.
pub fn possible() -> bool {
    static POSSIBLE: OnceLock<Result<(), String>> = OnceLock::new();
    let tried = POSSIBLE.get_or_init(|| {
        let run = without_the_systems_library(Program::new("true")).finish_within(Duration::from_secs(20));
        if run.success() { Ok(()) } else { Err(run.stderr.trim().to_string()) }
    });
    if let Err(why) = tried {
        crate::process::skipped(&format!("the system's libpcap can't be hidden here: {why}"));
    }
    tried.is_ok()
}
