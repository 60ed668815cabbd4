//! Cards attached to a switch by `vale-ctl`: a pump in a process of its own, which lives as long as the card is attached.
//!
//! | port of the switch | other end |
//! |---|---|
//! | `vale0:eth0` | `netmap:eth0`, the wire |
//! | `vale0:eth0-host` | `netmap:eth0^`, the host; only with `attach-host` |
//!
//! There is no daemon: the process is `vale-ctl` itself, in the foreground or, with `--background`, in a session of its own.
//! Detaching is a signal to the process that has the port.

use crate::cli::{self, Error};
use crate::pump::Pump;
use crate::stop::Stop;
use nm_core::PortError;
use nm_core::name::{PortName, ValeName, ValePort};
use rustix::process::{Pid, Signal, kill_process, setsid};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// In the environment of a process that attaches in the background: it says so on standard output, once.
const BACKGROUND: &str = "VALE_CTL_IN_BACKGROUND";
/// What it says.
const ATTACHED: &str = "attached";
/// How long detaching takes at most.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the process of an attached card is called.
const PROGRAM: &str = "vale-ctl";

/// A card on a switch.
#[derive(Debug, PartialEq, Eq)]
pub struct Attached {
    switch: String,
    card: String,
    host: bool,
}

impl Attached {
    /// Of `vale0:eth0`; with `host` also the card's host rings.
    ///
    /// # Errors
    /// A sentence.
    pub fn parse(text: &str, host: bool) -> Result<Attached, String> {
        let ValeName { switch, port } = ValeName::parse(text).map_err(|e| e.why)?;
        let ValePort::Port(card) = port else { return Err("is not SWITCH:CARD".into()) };
        PortName::parse(&format!("netmap:{card}")).map_err(|e| e.why)?;
        if host {
            PortName::parse(&format!("netmap:{card}^")).map_err(|e| e.why)?;
        }
        Ok(Attached { switch, card, host })
    }

    fn port(&self) -> String {
        format!("{}:{}", self.switch, self.card)
    }

    fn pairs(&self) -> Vec<[String; 2]> {
        let (port, card) = (self.port(), &self.card);
        let mut pairs = vec![[port.clone(), format!("netmap:{card}")]];
        if self.host {
            pairs.push([format!("{port}-host"), format!("netmap:{card}^")]);
        }
        pairs
    }

    /// Moves frames until a signal comes, or a port can't go on.
    ///
    /// # Errors
    /// [`Error::Failed`] with what a port said.
    pub fn attach(&self) -> Result<(), Error> {
        let stop = Arc::new(Stop::on_signals()?);
        let background = std::env::var_os(BACKGROUND).is_some();
        let pump = Pump::open(PROGRAM, &self.pairs(), &stop)?;
        if background {
            // A session of its own: the terminal's end is not ours.
            let _ = setsid();
            cli::out(&format!("{ATTACHED}\n"))?;
        }
        let summary = pump.run(None)?;
        if background { Ok(()) } else { cli::out(&summary.text()) }
    }

    /// Starts a process that attaches the card, and waits until it has.
    ///
    /// # Errors
    /// [`Error::Failed`] when it could not, after what it said itself.
    pub fn attach_in_background(&self) -> Result<(), Error> {
        let failed = |e| Error::io("starting the process of the attached card", e);
        let command = if self.host { "attach-host" } else { "attach" };
        let mut child = Command::new(std::env::current_exe().map_err(failed)?)
            .args([command, &self.port()])
            .env(BACKGROUND, "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(failed)?;
        }
        if line.trim_end() == ATTACHED {
            return Ok(());
        }
        // It has ended, or is about to: what it complained about is ours to say.
        let ended = child.wait_with_output().map_err(failed)?;
        std::io::stderr().lock().write_all(&ended.stderr).map_err(failed)?;
        let status = ended.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
        Err(Error::Status(status, format!("{} is not attached", self.port())))
    }

    /// Ends the process that has the card attached, and waits until it is gone.
    ///
    /// # Errors
    /// [`Error::Failed`] when no such card is attached, or it does not end.
    pub fn detach(&self) -> Result<(), Error> {
        let name = self.port();
        let find = || -> Result<Option<u32>, Error> {
            let switches = vale::switches()?;
            let mut ports = switches.iter().flat_map(|switch| &switch.ports);
            Ok(ports.find(|port| port.name == name).map(|port| port.pid))
        };
        let owner = find()?.ok_or_else(|| Error::from(PortError::NotFound { name: name.clone() }))?;
        let program = std::fs::read_to_string(format!("/proc/{owner}/comm")).unwrap_or_default();
        if program.trim_end() != PROGRAM {
            let program = program.trim_end();
            return Err(Error::Failed(format!(
                "{name} is no attached card: it is open in {program} (process {owner})"
            )));
        }
        let pid = i32::try_from(owner).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| Error::Failed(format!("{name}: no process has the number {owner}")))?;
        kill_process(pid, Signal::TERM).map_err(|e| Error::io(format!("{name}: ending process {owner}"), e))?;
        let end = Instant::now() + PATIENCE;
        while find()? == Some(owner) {
            if Instant::now() >= end {
                return Err(Error::Failed(format!("{name}: process {owner} does not end")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_on_a_switch_is_one_pair_or_two() {
        let card = Attached::parse("vale0:eth0", false).unwrap();
        assert_eq!(card.pairs(), [["vale0:eth0", "netmap:eth0"]]);
        let host = Attached::parse("vale-lab:wlan0.5", true).unwrap();
        let expected = [["vale-lab:wlan0.5", "netmap:wlan0.5"], ["vale-lab:wlan0.5-host", "netmap:wlan0.5^"]];
        assert_eq!(host.pairs(), expected);
        for bad in ["vale0", "eth0", "vale0:*", "vale0:a/t", "vale0:an-interface-name"] {
            assert!(Attached::parse(bad, true).is_err(), "{bad}");
        }
    }
}
