//! A place for one test: its own folder of switches, and room for its files.

use crate::Program;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Two folders under `/dev/shm` that go when this goes: switches in one, files of the test in the other.
pub struct Sandbox {
    root: PathBuf,
}

impl Default for Sandbox {
    fn default() -> Self {
        Sandbox::new()
    }
}

impl Sandbox {
    /// A fresh one.
    pub fn new() -> Sandbox {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // ORDER: only the number counts, nothing is published with it.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let root = PathBuf::from(format!("/dev/shm/pcap-netmap-test-{}-{number}", std::process::id()));
        for folder in [root.clone(), root.join("switches"), root.join("files")] {
            std::fs::create_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        }
        Sandbox { root }
    }

    /// What `VALE_DIR` says to the programs of this test.
    pub fn switches(&self) -> PathBuf {
        self.root.join("switches")
    }

    /// A file of the test.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join("files").join(name)
    }

    /// `program` with our library preloaded, on this sandbox's switches.
    pub fn ours(&self, program: impl AsRef<OsStr>) -> Program {
        self.with_library(program, &crate::dist::library())
    }

    /// The same with a copy of the library that everybody may read, wherever the workspace lies, and switches that
    /// everybody may make.
    pub fn ours_for_everybody(&self, program: impl AsRef<OsStr>) -> Program {
        let copy = self.file("libpcap.so.0.8");
        if !copy.exists() {
            std::fs::copy(crate::dist::library(), &copy).expect("a copy of the library");
        }
        open_to_all(&copy, 0o755);
        open_to_all(&self.root.join("files"), 0o777);
        open_to_all(&self.switches(), 0o777);
        self.with_library(program, &copy)
    }

    fn with_library(&self, program: impl AsRef<OsStr>, library: &Path) -> Program {
        Program::new(program)
            .env("LD_PRELOAD", library)
            .env("VALE_DIR", self.switches())
            .env("HOME", self.root.join("files"))
            .env("XDG_CONFIG_HOME", self.root.join("files"))
    }

    /// All files and folders that lie in the folder of switches, sorted.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        list(&self.switches(), &mut found);
        found.sort();
        found
    }

    /// One orderly open and close on `vale0` after somebody who was killed, or who had lost the right to remove its files.
    ///
    /// # Panics
    /// When the port can't be opened, or a file is left.
    pub fn assert_clean_after_open(&self) {
        let run = self.ours(crate::cc::program("open_port.c")).arg("vale0:last").finish_within(crate::cases::LIMIT);
        assert!(run.expect_success().stdout.contains("activate 0: open"), "vale0:last can't be opened");
        self.assert_clean();
    }

    /// Panics when a file is left in the folder of switches. To be called when all ports are closed.
    pub fn assert_clean(&self) {
        let found = self.leftovers();
        assert!(found.is_empty(), "files are left behind: {found:?}");
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.root).ok();
    }
}

fn open_to_all(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

fn list(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            list(&path, found);
        }
        found.push(path);
    }
}
