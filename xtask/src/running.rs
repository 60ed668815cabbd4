//! A program that runs beside us: what it says is collected, and it does not outlive its handle.

use crate::Failure;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A started program; killed when dropped.
pub struct Running {
    name: String,
    child: Child,
    said: Arc<Mutex<String>>,
    collectors: Vec<JoinHandle<()>>,
}

impl Running {
    /// Starts `command` without input; both its outputs are collected.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(command: &mut Command) -> Result<Running, Failure> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{name}: {e}"))?;
        let said = Arc::new(Mutex::new(String::new()));
        let mut collectors = Vec::new();
        if let Some(out) = child.stdout.take() {
            collectors.push(collect(out, said.clone()));
        }
        if let Some(err) = child.stderr.take() {
            collectors.push(collect(err, said.clone()));
        }
        Ok(Running { name, child, said, collectors })
    }

    /// What it said so far.
    pub fn said(&self) -> String {
        self.said.lock().map(|text| text.clone()).unwrap_or_default()
    }

    /// Waits until it has said `word`.
    ///
    /// # Errors
    /// When it ends first, or the time is over.
    pub fn wait_for(&mut self, word: &str, patience: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + patience;
        loop {
            let ended = self.child.try_wait()?;
            if self.said().contains(word) {
                return Ok(());
            }
            if ended.is_some() || Instant::now() > deadline {
                return Err(format!("{}: never said \"{word}\"; it said:\n{}", self.name, self.said()).into());
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Waits for its end, calling `meanwhile` often. Returns how it ended and all it said.
    ///
    /// # Errors
    /// When the time is over; it is killed then.
    pub fn finish(mut self, patience: Duration, mut meanwhile: impl FnMut()) -> Result<(ExitStatus, String), Failure> {
        let deadline = Instant::now() + patience;
        loop {
            meanwhile();
            if let Some(status) = self.child.try_wait()? {
                for collector in self.collectors.drain(..) {
                    let _ = collector.join();
                }
                return Ok((status, self.said()));
            }
            if Instant::now() > deadline {
                return Err(
                    format!("{}: still running after {patience:?}; it said:\n{}", self.name, self.said()).into()
                );
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Does what ^C does, unless it has ended.
    pub fn interrupt(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // Not waited for yet: the number is still its own.
            let _ = Command::new("sh").args(["-c", &format!("kill -INT {}", self.child.id())]).status();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(mut from: impl Read + Send + 'static, into: Arc<Mutex<String>>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut piece) {
            if let Ok(mut text) = into.lock() {
                text.push_str(&String::from_utf8_lossy(&piece[..n]));
            }
        }
    })
}
