//! The processor time of the whole machine: what softirqs and the host's stack take is in no process's account.

use crate::clock;
use crate::contest::{Contestant, Outcome};
use std::fs;

/// A contestant beside whose CPU time that of all processors is told, idle time taken off.
pub struct WholeMachine<C>(pub C);

impl<C: Contestant> Contestant for WholeMachine<C> {
    fn round(&mut self, ms: u64, number: u64) -> Result<Outcome, String> {
        let (idle, start) = (idle_seconds()?, clock::now_ns());
        let outcome = self.0.round(ms, number)?;
        let wall = (clock::now_ns() - start) as f64 / 1e9;
        let cpus = std::thread::available_parallelism().map_or(1, |n| n.get()) as f64;
        Ok(Outcome { machine_seconds: (cpus * wall - (idle_seconds()? - idle)).max(0.0), ..outcome })
    }

    fn crosses_cpus(&self) -> bool {
        self.0.crosses_cpus()
    }
}

/// What all processors together have not worked: idle, waiting for disks, or taken by the hypervisor. The kernel measures
/// the first two and tells hundredths of a second.
fn idle_seconds() -> Result<f64, String> {
    let text = fs::read_to_string("/proc/stat").map_err(|e| format!("/proc/stat: {e}"))?;
    let fields: Option<Vec<u64>> =
        text.lines().next().and_then(|line| line.split_whitespace().skip(1).map(|n| n.parse().ok()).collect());
    match fields.as_deref() {
        // cpu: user nice system idle iowait irq softirq steal …
        Some(&[_, _, _, idle, iowait, _, _, steal, ..]) => Ok((idle + iowait + steal) as f64 / 100.0),
        _ => Err("/proc/stat: no line about all processors".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::idle_seconds;

    #[test]
    fn idle_time_does_not_run_backwards() {
        let before = idle_seconds().unwrap();
        assert!(before > 0.0 && idle_seconds().unwrap() >= before);
    }
}
