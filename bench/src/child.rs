//! The bench's side of the talk with a role: start it, let it run a round, end it.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{self, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a child may say nothing: longer than any round and the alarm that ends it.
const PATIENCE_MS: i32 = 30_000;

/// The figures of a role's report.
pub type Figures = HashMap<String, u64>;

/// A process that this bench started; it is killed and waited for when dropped.
pub struct Child {
    name: String,
    process: process::Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

/// How to start a role.
pub struct Role<'a> {
    args: Vec<String>,
    netns: Option<BorrowedFd<'a>>,
    env: Vec<(String, String)>,
}

impl<'a> Role<'a> {
    /// The role of that name, which is this program started again.
    pub fn new(name: &str) -> Role<'a> {
        Role { args: vec![format!("role={name}")], netns: None, env: Vec::new() }
    }

    /// Adds an argument.
    pub fn with(mut self, key: &str, value: impl std::fmt::Display) -> Role<'a> {
        self.args.push(format!("{key}={value}"));
        self
    }

    /// Adds an environment variable.
    pub fn env(mut self, key: &str, value: impl std::fmt::Display) -> Role<'a> {
        self.env.push((key.to_string(), value.to_string()));
        self
    }

    /// Runs it in a network namespace.
    pub fn within(mut self, netns: Option<BorrowedFd<'a>>) -> Role<'a> {
        self.netns = netns;
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// When it can't be started, or ends before it is ready (what it said stands on standard error).
    pub fn start(self) -> Result<Child, String> {
        let me = std::env::current_exe().map_err(|e| format!("finding this program: {e}"))?;
        let mut command = Command::new(me);
        command.args(&self.args).envs(self.env);
        if let Some(ns) = self.netns.map(|ns| ns.as_raw_fd()) {
            let enter = move || {
                // SAFETY: setns takes a descriptor and a kind, touches no memory of ours and may be called
                // between fork and exec; `ns` is open until `start` returns.
                if unsafe { libc::setns(ns, libc::CLONE_NEWNET) } == 0 {
                    Ok(())
                } else {
                    Err(io::Error::last_os_error())
                }
            };
            // SAFETY: `enter` makes one system call and allocates nothing.
            unsafe { command.pre_exec(enter) };
        }
        let mut child = Child::spawn(&self.args.join(" "), command)?;
        child.wait_for("ready")?;
        Ok(child)
    }
}

impl Child {
    /// Starts any program that talks in lines.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn spawn(name: &str, mut command: Command) -> Result<Child, String> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("starting {}: {e}", command.get_program().to_string_lossy()))?;
        let stdin = process.stdin.take();
        let stdout = process.stdout.take().map(BufReader::new).ok_or("a child without standard output")?;
        Ok(Child { name: name.to_string(), process, stdin, stdout })
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends a line.
    ///
    /// # Errors
    /// When the child is gone.
    pub fn say(&mut self, line: &str) -> Result<(), String> {
        let Child { name, stdin, .. } = self;
        let stdin = stdin.as_mut().ok_or("the child's input is closed")?;
        writeln!(stdin, "{line}").map_err(|e| format!("{name}: {e}"))
    }

    /// The next line.
    ///
    /// # Errors
    /// When the child is gone, or says nothing for [`PATIENCE_MS`].
    pub fn line(&mut self) -> Result<String, String> {
        if self.stdout.buffer().is_empty() {
            let fd = self.stdout.get_ref().as_raw_fd();
            let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
            // SAFETY: one pollfd that lives across the call. A signal ends the wait early, and the read then waits.
            if unsafe { libc::poll(&mut poll, 1, PATIENCE_MS) } == 0 {
                return Err(format!("{}: said nothing for {} s", self.name, PATIENCE_MS / 1000));
            }
        }
        let mut line = String::new();
        match self.stdout.read_line(&mut line) {
            Ok(n) if n > 0 => Ok(line.trim_end().to_string()),
            Ok(_) => {
                let ending = self.ending();
                Err(format!("{}: ended early ({ending})", self.name))
            }
            Err(e) => Err(format!("{}: {e}", self.name)),
        }
    }

    /// Reads lines until one begins with `word`, which it returns.
    ///
    /// # Errors
    /// As [`Child::line`].
    pub fn wait_for(&mut self, word: &str) -> Result<String, String> {
        loop {
            let line = self.line()?;
            if line.trim_start().starts_with(word) {
                return Ok(line);
            }
        }
    }

    /// Starts a round.
    ///
    /// # Errors
    /// As [`Child::say`].
    pub fn go(&mut self, ms: u64, round: u64) -> Result<(), String> {
        self.say(&format!("go {ms} {round}"))
    }

    /// Waits for the report of a round.
    ///
    /// # Errors
    /// As [`Child::line`], and for a report that is none.
    pub fn done(&mut self) -> Result<Figures, String> {
        let line = self.wait_for("done")?;
        line.split(' ')
            .skip(1)
            .map(|pair| {
                let (key, value) = pair.split_once('=')?;
                Some((key.to_string(), value.parse().ok()?))
            })
            .collect::<Option<Figures>>()
            .ok_or_else(|| format!("{}: {line:?} is no report", self.name))
    }

    fn ending(&mut self) -> String {
        match self.process.wait() {
            Ok(status) => status.to_string(),
            Err(e) => e.to_string(),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // The end of its input is what a role ends on; who does not is killed after a while.
        self.stdin = None;
        let patience = Instant::now() + Duration::from_millis(300);
        while Instant::now() < patience {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
