//! The C programs about capture files (`c/files.h`), each case run with ours and with the system's library.

use crate::{Program, Sandbox, cc};
use std::path::PathBuf;
use std::time::Duration;

/// How long a case may take.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A file system in memory of so much, mounted over the folder in a namespace of the program's own.
const SMALL: &str = "mount -t tmpfs -o size=64k small \"$0\" || exit 77; exec \"$@\"";

/// A fresh folder of a sandbox.
fn folder(sandbox: &Sandbox, name: &str) -> PathBuf {
    let folder = sandbox.file(name);
    std::fs::create_dir(&folder).expect("a folder for the case");
    folder
}

/// What the case printed and how it ended, with ours and with the system's library.
pub fn both(source: &str, case: &str, around: impl Fn(Program, &str) -> Program) -> [String; 2] {
    let sandbox = Sandbox::new();
    let ours = sandbox.ours(cc::program(source));
    [("ours", ours), ("theirs", Program::new(cc::program(source)))].map(|(name, program)| {
        let folder = folder(&sandbox, name);
        let program = around(program.arg(case).arg(&folder), &folder.to_string_lossy());
        let run = program.finish_within(LIMIT);
        format!("{}{}exit {:?}, signal {:?}\n", run.stdout, run.stderr, run.code, run.signal)
    })
}

/// Panics unless both do the same, in an ordinary folder.
pub fn same(source: &str, case: &str) {
    let [ours, theirs] = both(source, case, |program, _| program);
    assert!(theirs.ends_with("exit Some(0), signal None\n"), "{source} {case} failed: {theirs}");
    assert_eq!(ours, theirs, "{source} {case}: left is ours, right is the system's");
}

/// `program` where `folder` is a file system of 64 KiB.
pub fn on_a_small_disk(program: Program, folder: &str) -> Program {
    let mut before: Vec<&str> = if crate::user::is_root() { vec!["-m"] } else { vec!["-r", "-m"] };
    before.extend(["sh", "-c", SMALL, folder]);
    program.behind("unshare", &before)
}
