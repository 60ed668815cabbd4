//! A flood from one switch to another, with the `bridge` tool between them, or on a single switch.

use crate::child::{Child, Role};
use crate::contest::{Contestant, Outcome, Party};
use compat_tests::dist;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Slots of the sender's ring.
const SLOTS: u32 = 1024;

/// The programs.
pub struct Pump {
    ends: Party,
    _bridge: Option<Child>,
}

impl Pump {
    /// On switches in the folder `vale`.
    ///
    /// # Errors
    /// When one of the programs does not start.
    pub fn start(vale: &Path, through_bridge: bool) -> Result<Pump, String> {
        let [from, to] = if through_bridge { ["valefrom", "valeto"] } else { ["valeone", "valeone"] };
        let bridge = through_bridge.then(|| bridge(vale, [from, to])).transpose()?;
        let role = |name: &str, port: String, cpu: u32| {
            Role::new(name).env("VALE_DIR", vale.display()).with("port", port).with("cpu", cpu)
        };
        let receiver = role("raw-recv", format!("{to}:b"), 1).with("modulus", SLOTS).start()?;
        let sender = role("raw-send", format!("{from}:a"), 0).with("mode", "batch").with("len", 60);
        let sender = sender.with("tx_slots", SLOTS).start()?;
        Ok(Pump { ends: Party { receivers: vec![receiver], senders: vec![sender] }, _bridge: bridge })
    }
}

fn bridge(vale: &Path, switches: [&str; 2]) -> Result<Child, String> {
    let library = dist::library();
    let program = library.with_file_name("bridge");
    let mut command = Command::new(&program);
    for switch in switches {
        command.args(["-i", &format!("{switch}:pump")]);
    }
    let child = Child::spawn("bridge", {
        command.env("VALE_DIR", vale);
        command
    })?;
    let deadline = Instant::now() + Duration::from_secs(5);
    // Its ports are there when it has made their files.
    while !switches.iter().all(|switch| std::fs::read_dir(vale.join(switch).join("ports")).is_ok_and(|d| d.count() > 0))
    {
        if Instant::now() > deadline {
            return Err(format!("{}: its ports did not appear", program.display()));
        }
        sleep(Duration::from_millis(5));
    }
    sleep(Duration::from_millis(50));
    Ok(child)
}

impl Contestant for Pump {
    fn round(&mut self, ms: u64, number: u64) -> Result<Outcome, String> {
        self.ends.round(ms, number)
    }
}
