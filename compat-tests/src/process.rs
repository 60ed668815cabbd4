//! Programs that run beside the test: bounded in time, their output collected, gone when the test is.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Prints a line past the capture of the test harness.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{line}").and_then(|()| out.flush()).ok();
}

/// Says that a test, or a part of it, can't be made here.
pub fn skipped(why: &str) {
    say(&format!("skipped: {why}"));
}

/// A program to be started.
#[derive(Clone)]
pub struct Program {
    words: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    folder: Option<std::path::PathBuf>,
}

impl Program {
    /// `program`, by path or by name.
    pub fn new(program: impl AsRef<OsStr>) -> Program {
        Program { words: vec![program.as_ref().to_os_string()], env: Vec::new(), folder: None }
    }

    /// Another program in the same place and with the same environment, without its arguments.
    #[must_use]
    pub fn program(mut self, program: impl AsRef<OsStr>) -> Program {
        self.words = vec![program.as_ref().to_os_string()];
        self
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Program {
        self.words.push(arg.as_ref().to_os_string());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Program {
        self.words.extend(args.into_iter().map(|a| a.as_ref().to_os_string()));
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Program {
        self.env.push((name.as_ref().to_os_string(), value.as_ref().to_os_string()));
        self
    }

    /// The folder it runs in.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<std::path::PathBuf>) -> Program {
        self.folder = Some(folder.into());
        self
    }

    /// Started by another program: `before first… self`.
    #[must_use]
    pub fn behind(mut self, before: &str, first: &[&str]) -> Program {
        let mut words: Vec<OsString> = vec![before.into()];
        words.extend(first.iter().map(OsString::from));
        words.append(&mut self.words);
        self.words = words;
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it can't be started.
    pub fn start(&self) -> Running {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).envs(self.env.iter().map(|(n, v)| (n, v))).env("LC_ALL", "C.UTF-8");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: its children go with it.
        command.process_group(0);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let name = self.words[0].to_string_lossy().into_owned();
        let mut child = command
            .spawn()
            .unwrap_or_else(|e| panic!("{name}: {e}: `cargo xtask test` installs the programs that are missing"));
        let output = Arc::new(Output::default());
        let readers = vec![
            collect(child.stdout.take().expect("piped"), Arc::clone(&output), false),
            collect(child.stderr.take().expect("piped"), Arc::clone(&output), true),
        ];
        let stdin = child.stdin.take();
        Running { name, child, stdin, output, readers, status: None }
    }

    /// Starts it and waits for its end.
    ///
    /// # Panics
    /// When it does not end within `limit`.
    pub fn finish_within(&self, limit: Duration) -> Finished {
        let mut running = self.start();
        running.close_input();
        running.finish_within(limit)
    }
}

#[derive(Default)]
struct Output {
    text: Mutex<Text>,
    grown: Condvar,
}

#[derive(Default)]
struct Text {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

fn collect(from: impl std::io::Read + Send + 'static, output: Arc<Output>, error: bool) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        loop {
            let piece = match from.fill_buf() {
                Ok([]) | Err(_) => break,
                Ok(piece) => piece.to_vec(),
            };
            from.consume(piece.len());
            let mut text = output.text.lock().unwrap_or_else(PoisonError::into_inner);
            if error {
                text.stderr.extend(&piece)
            } else {
                text.stdout.extend(&piece)
            }
            output.grown.notify_all();
        }
    })
}

/// A program that runs. Dropping it kills it and its children.
pub struct Running {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    output: Arc<Output>,
    readers: Vec<JoinHandle<()>>,
    status: Option<ExitStatus>,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its first word.
    pub name: String,
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Finished {
    /// Exit code 0.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }

    /// Panics unless the exit code is 0, showing what the program said.
    pub fn expect_success(self) -> Finished {
        assert!(self.success(), "{self:#?}");
        self
    }
}

impl Running {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends its input.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Waits until it has printed or complained something that contains `text`.
    ///
    /// # Panics
    /// When that does not come within `limit`, or it ends before.
    pub fn wait_for(&mut self, text: &str, limit: Duration) {
        let deadline = Instant::now() + limit;
        loop {
            // Whoever has ended has said all once the threads that collect it have ended, too.
            let ended = self.has_ended() && self.readers.iter().all(JoinHandle::is_finished);
            let (stdout, stderr) = self.printed();
            if stdout.contains(text) || stderr.contains(text) {
                return;
            }
            let late = Instant::now() >= deadline;
            assert!(!late && !ended, "{}: waiting for {text:?}; it said {stdout:?}, {stderr:?}", self.name);
            let guard = self.output.text.lock().unwrap_or_else(PoisonError::into_inner);
            drop(self.output.grown.wait_timeout(guard, Duration::from_millis(20)));
        }
    }

    /// What it has printed and complained so far.
    pub fn printed(&self) -> (String, String) {
        let text = self.output.text.lock().unwrap_or_else(PoisonError::into_inner);
        (String::from_utf8_lossy(&text.stdout).into_owned(), String::from_utf8_lossy(&text.stderr).into_owned())
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("waiting for a child");
        }
        self.status.is_some()
    }

    /// Sends a signal to it and its children.
    pub fn signal(&self, signal: i32) {
        let group = -i32::try_from(self.child.id()).expect("a process number");
        // SAFETY: kill has no conditions on memory; the group is that of a child that has not been waited for.
        unsafe { libc::kill(group, signal) };
    }

    /// Seconds of processor time it has used, all threads.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
        // SAFETY: sysconf has no conditions.
        ticks as f64 / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end within `limit`.
    pub fn finish_within(mut self, limit: Duration) -> Finished {
        let deadline = Instant::now() + limit;
        while !self.has_ended() {
            if Instant::now() >= deadline {
                let said = self.printed();
                panic!("{} has not ended after {limit:?}; it said {said:?}", self.name);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        for reader in self.readers.drain(..) {
            reader.join().expect("the thread that collects output");
        }
        let status = self.status.expect("it has ended");
        let (stdout, stderr) = self.printed();
        Finished { name: self.name.clone(), code: status.code(), signal: status.signal(), stdout, stderr }
    }

    /// Asks it to end (SIGTERM), then waits.
    ///
    /// # Panics
    /// As [`Running::finish_within`].
    pub fn stop_within(self, limit: Duration) -> Finished {
        self.signal(libc::SIGTERM);
        self.finish_within(limit)
    }

    /// Kills it at once and waits until it is gone.
    pub fn kill(mut self) {
        self.signal(libc::SIGKILL);
        self.status = self.child.wait().ok();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.signal(libc::SIGKILL);
            self.signal(libc::SIGCONT);
            self.child.wait().ok();
        }
    }
}
