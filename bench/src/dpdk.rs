//! DPDK, where it can run: huge pages, a place for its files, and the peer that is a small C program.

use crate::child::Child;
use crate::contest::Party;
use std::ffi::CString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr;

const PAGES_FILE: &str = "/proc/sys/vm/nr_hugepages";
/// Pages of 2 MB that the peers share.
const PAGES: u64 = 512;
const RING_COPY: &str = include_str!("../peers/ring_copy.c");

/// DPDK made ready. Dropping it puts the number of huge pages back; its processes must be gone by then.
pub struct Dpdk {
    pages_before: u64,
    huge: PathBuf,
    ring_copy: PathBuf,
}

impl Dpdk {
    /// Installs what is missing (saying so), takes huge pages, mounts them where only this program and its children
    /// see them, and compiles the C program. Everything lies in `folder`.
    ///
    /// # Errors
    /// What is missing or forbidden here.
    pub fn prepare(folder: &Path) -> Result<Dpdk, String> {
        // SAFETY: geteuid takes nothing and always succeeds.
        if unsafe { libc::geteuid() } != 0 {
            return Err("huge pages need root".to_string());
        }
        install()?;
        let ring_copy = compile(folder)?;
        let pages_before = pages("HugePages_Total:")?;
        let free = pages("HugePages_Free:")?;
        let huge = folder.join("huge");
        fs::create_dir(&huge).map_err(|e| format!("{}: {e}", huge.display()))?;
        // From here on, dropping puts back what was taken.
        let dpdk = Dpdk { pages_before, huge, ring_copy };
        if free < PAGES {
            set_pages(pages_before + PAGES - free)?;
        }
        if pages("HugePages_Free:")? < PAGES {
            return Err(format!("{PAGES} huge pages of 2 MB are not to be had"));
        }
        mount_huge(&dpdk.huge)?;
        Ok(dpdk)
    }

    /// The arguments that every DPDK process gets: which lcore sits on which CPU, who is of one family, and no cards.
    pub fn eal(&self, lcores: &str, prefix: &str) -> Vec<String> {
        vec![
            format!("--lcores={lcores}"),
            format!("--file-prefix={prefix}"),
            format!("--huge-dir={}", self.huge.display()),
            "--no-pci".to_string(),
            "--no-telemetry".to_string(),
            "-m".to_string(),
            "256".to_string(),
            "--log-level=error".to_string(),
        ]
    }

    /// Where DPDK's processes put their sockets.
    pub fn runtime_dir(&self) -> &Path {
        self.huge.parent().unwrap_or(&self.huge)
    }

    /// A sender and a receiver of the C program.
    ///
    /// # Errors
    /// When one does not start.
    pub fn ring_party(&self, len: usize, batch: u32) -> Result<Party, String> {
        let prefix = format!("ring{len}x{batch}");
        let start = |lcores: &str, kind: &str, more: &[String]| {
            let mut command = Command::new(&self.ring_copy);
            command.args(self.eal(lcores, &prefix)).arg(format!("--proc-type={kind}")).arg("--").args(more);
            command.env("RUNTIME_DIRECTORY", self.runtime_dir());
            let mut child = Child::spawn(&format!("ring_copy {kind}"), command)?;
            child.wait_for("ready").map(|_| child)
        };
        let receiver = start("1@1", "primary", &["recv".to_string(), batch.to_string()])?;
        let sender = start("0@0", "secondary", &["send".to_string(), batch.to_string(), len.to_string()])?;
        Ok(Party { senders: vec![sender], receivers: vec![receiver] })
    }
}

impl Drop for Dpdk {
    fn drop(&mut self) {
        if let Ok(path) = CString::new(self.huge.as_os_str().as_encoded_bytes()) {
            // SAFETY: a C string. That nothing is mounted there is no harm.
            unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
        }
        if let Err(why) = set_pages(self.pages_before) {
            eprintln!("bench: the number of huge pages was not put back to {}: {why}", self.pages_before);
        }
    }
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|out| out.status.success())
}

fn have_all() -> bool {
    succeeds(Command::new("pkg-config").args(["--exists", "libdpdk"]))
        && succeeds(Command::new("cc").arg("--version"))
        && succeeds(Command::new("sh").args(["-c", "command -v dpdk-testpmd"]))
}

fn install() -> Result<(), String> {
    if have_all() {
        return Ok(());
    }
    let packages = ["dpdk-dev", "libdpdk-dev", "pkg-config", "gcc"];
    eprintln!("bench: installing {} (apt-get)", packages.join(" "));
    let apt = |args: &[&str]| {
        succeeds(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(["-qq", "-y"]).args(args))
    };
    let words: Vec<&str> = ["install", "--no-install-recommends"].into_iter().chain(packages).collect();
    if apt(&words) || (apt(&["update"]) && apt(&words)) {
        return Ok(());
    }
    Err(format!("{} are missing, and apt-get can't install them", packages.join(", ")))
}

fn compile(folder: &Path) -> Result<PathBuf, String> {
    let (source, program) = (folder.join("ring_copy.c"), folder.join("ring_copy"));
    fs::write(&source, RING_COPY).map_err(|e| format!("{}: {e}", source.display()))?;
    let flags = Command::new("pkg-config").args(["--cflags", "--libs", "libdpdk"]).output();
    let flags = flags.map_err(|e| format!("pkg-config: {e}"))?.stdout;
    let flags = String::from_utf8_lossy(&flags);
    let out = Command::new("cc")
        .args(["-O3", "-march=native", "-o"])
        .arg(&program)
        .arg(&source)
        .args(flags.split_whitespace())
        .output()
        .map_err(|e| format!("cc: {e}"))?;
    match out.status.success() {
        true => Ok(program),
        false => Err(format!("compiling ring_copy.c: {}", String::from_utf8_lossy(&out.stderr))),
    }
}

fn pages(what: &str) -> Result<u64, String> {
    let info = fs::read_to_string("/proc/meminfo").map_err(|e| format!("/proc/meminfo: {e}"))?;
    if !info.lines().any(|l| l.starts_with("Hugepagesize:") && l.ends_with(" 2048 kB")) {
        return Err("no huge pages of 2 MB here".to_string());
    }
    let line = info.lines().find_map(|l| l.strip_prefix(what)).map(str::trim);
    line.and_then(|n| n.parse().ok()).ok_or_else(|| "no huge pages here".to_string())
}

fn set_pages(n: u64) -> Result<(), String> {
    fs::write(PAGES_FILE, n.to_string()).map_err(|e| format!("{PAGES_FILE}: {e}"))
}

/// In a mount namespace of our own: it ends with this program, however that ends.
fn mount_huge(on: &Path) -> Result<(), String> {
    let io = |what: &str| format!("{what}: {}", io::Error::last_os_error());
    let path = CString::new(on.as_os_str().as_encoded_bytes()).map_err(|_| "a folder with a NUL".to_string())?;
    // SAFETY: flags only.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        return Err(io("making a mount namespace"));
    }
    // SAFETY: C strings and null pointers where mount(2) allows them.
    if unsafe { libc::mount(ptr::null(), c"/".as_ptr(), ptr::null(), libc::MS_REC | libc::MS_PRIVATE, ptr::null()) }
        != 0
    {
        return Err(io("making mounts private"));
    }
    // SAFETY: as above.
    let rc = unsafe {
        libc::mount(c"none".as_ptr(), path.as_ptr(), c"hugetlbfs".as_ptr(), 0, c"pagesize=2M".as_ptr().cast())
    };
    if rc != 0 { Err(io("mounting hugetlbfs")) } else { Ok(()) }
}
