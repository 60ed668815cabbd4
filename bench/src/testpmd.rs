//! DPDK's memif between two processes of its own test program: one only sends, one only receives.

use crate::child::Child;
use crate::contest::{Contestant, Outcome};
use crate::dpdk::Dpdk;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The two processes. They live for all rounds, and their forwarding is started and stopped.
pub struct Memif {
    sender: Child,
    receiver: Child,
}

impl Memif {
    /// Starts them. Each has its command line on a thread that shares the CPU with its forwarding.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start(dpdk: &Dpdk, len: usize) -> Result<Memif, String> {
        let socket = dpdk.runtime_dir().join(format!("memif{len}.sock"));
        let start = |role: &str, cpu: u32, more: &[&str]| {
            let mut command = Command::new("stdbuf");
            command
                .args(["-oL", "dpdk-testpmd"])
                .args(dpdk.eal(&format!("0@{cpu},1@{cpu}"), &format!("memif{role}{len}")))
                .arg(format!("--vdev=net_memif0,role={role},socket={},socket-abstract=no", socket.display()))
                .args(["--", "-i", "--total-num-mbufs=16384", "--no-mlockall"])
                .env("RUNTIME_DIRECTORY", dpdk.runtime_dir());
            let mut child = Child::spawn(&format!("dpdk-testpmd {role}"), command)?;
            for word in more {
                child.say(word)?;
            }
            statistics(&mut child).map(|_| child)
        };
        let receiver = start("server", 1, &["set fwd rxonly"])?;
        let sender = start("client", 0, &["set fwd txonly", &format!("set txpkts {len}")])?;
        Ok(Memif { sender, receiver })
    }
}

impl Contestant for Memif {
    fn round(&mut self, ms: u64, _number: u64) -> Result<Outcome, String> {
        self.receiver.say("start")?;
        self.sender.say("start")?;
        sleep(Duration::from_millis(20));
        // The rate is testpmd's own figure: frames received between two looks, by its own clock.
        let (before, _) = statistics(&mut self.receiver)?;
        let begin = Instant::now();
        sleep(Duration::from_millis(ms));
        let (after, rate) = statistics(&mut self.receiver)?;
        let seconds = begin.elapsed().as_secs_f64();
        self.sender.say("stop")?;
        self.receiver.say("stop")?;
        statistics(&mut self.sender)?;
        statistics(&mut self.receiver)?;
        let received = after - before;
        if received == 0 || rate == 0 {
            return Err("no frame arrived".to_string());
        }
        let seconds_by_testpmd = received as f64 / rate as f64;
        if (seconds_by_testpmd / seconds - 1.0).abs() > 0.2 {
            return Err(format!("testpmd's clock and ours differ: {seconds_by_testpmd:.3} s and {seconds:.3} s"));
        }
        Ok(Outcome { received, seconds: seconds_by_testpmd, ..Outcome::default() })
    }
}

/// Frames received so far, and how many a second since the last look.
fn statistics(child: &mut Child) -> Result<(u64, u64), String> {
    child.say("show port stats 0")?;
    let number = |line: String| {
        let word = line.split_whitespace().nth(1).map(str::to_string);
        word.and_then(|w| w.parse().ok()).ok_or_else(|| format!("testpmd: {line:?} holds no number"))
    };
    let frames = number(child.wait_for("RX-packets:")?)?;
    let rate = number(child.wait_for("Rx-pps:")?)?;
    Ok((frames, rate))
}
