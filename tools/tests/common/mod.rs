//! Running the tools in a folder of switches of their own, never for longer than a limit.
#![allow(dead_code, reason = "each test file uses its part")]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest life of a tool in a test.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A folder for `VALE_DIR` and files, removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // ORDER: Relaxed; only a number that is used once.
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = PathBuf::from(format!("/dev/shm/tools-test-{}-{count}", std::process::id()));
        std::fs::create_dir(&path).expect("a folder in /dev/shm");
        Folder(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Starts a tool; `line` is split at spaces.
    pub fn start(&self, tool: &str, line: &str) -> Running {
        let mut command = Command::new(tool);
        command.args(line.split_whitespace()).env("VALE_DIR", &self.0);
        Running::start(command)
    }

    /// Runs a tool to its end.
    pub fn run(&self, tool: &str, line: &str) -> Ended {
        self.start(tool, line).finish()
    }

    /// Waits until `port` is open.
    pub fn await_port(&self, port: &str) {
        let vale_ctl = env!("CARGO_BIN_EXE_vale-ctl");
        let end = Instant::now() + LIMIT;
        while !self.run(vale_ctl, "list").stdout.lines().any(|line| line.starts_with(&format!("{port} "))) {
            assert!(Instant::now() < end, "{port} was not opened");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A tool that runs. It is killed when a test forgets it.
pub struct Running {
    child: Child,
    started: Instant,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit status; `None` after a signal.
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub time: Duration,
}

impl Running {
    pub fn start(mut command: Command) -> Running {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let stdout = Some(reader(child.stdout.take().expect("piped")));
        let stderr = Some(reader(child.stderr.take().expect("piped")));
        Running { child, started, stdout, stderr }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    }

    pub fn finish(mut self) -> Ended {
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("our child") {
                break status;
            }
            assert!(self.started.elapsed() < LIMIT, "still running after {LIMIT:?}");
            std::thread::sleep(Duration::from_millis(2));
        };
        let time = self.started.elapsed();
        let [stdout, stderr] =
            [&mut self.stdout, &mut self.stderr].map(|pipe| pipe.take().expect("once").join().expect("text"));
        Ended { status: status.code(), stdout, stderr, time }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// The tool did what it was asked.
    #[track_caller]
    pub fn ok(self) -> Ended {
        assert_eq!(self.status, Some(0), "{self:?}");
        self
    }

    /// The tool complained so on standard error, with this status.
    #[track_caller]
    pub fn refused(self, status: i32, complaint: &str) -> Ended {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert!(self.stderr.contains(complaint), "{self:?}");
        self
    }
}

fn reader(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = Vec::new();
        pipe.read_to_end(&mut text).expect("a pipe");
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// The row of a table that begins with `first`, as cells.
#[track_caller]
pub fn row(table: &str, first: &str) -> Vec<String> {
    let mut rows = table.lines().map(|line| line.split_whitespace().map(String::from).collect::<Vec<_>>());
    rows.find(|row| row.first().is_some_and(|cell| cell == first))
        .unwrap_or_else(|| panic!("no row {first} in:\n{table}"))
}

/// CPU time of a process so far, in clock ticks of 10 ms.
pub fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).expect("it runs");
    let after_name = stat.rsplit(')').next().expect("a name in parentheses");
    after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}
