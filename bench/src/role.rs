//! A role's side of the talk with the bench: arguments, and rounds on request.
//!
//! | the bench says | the role says |
//! |---|---|
//! | | `ready`, once it is set up |
//! | `go MS ROUND` | `started` (receivers, once they listen), then `done key=value …` |
//! | end of input | nothing: it ends |
//!
//! A role ends by itself, whatever happens: an alarm kills it when a round takes five seconds longer than asked.

use crate::clock;
use std::collections::HashMap;
use std::fmt::Display;
use std::io::{self, BufRead, Write};

/// The arguments of a role: `key=value` each.
pub struct Args(HashMap<String, String>);

impl Args {
    /// Parses them.
    ///
    /// # Errors
    /// An argument without `=`.
    pub fn parse(args: &[String]) -> Result<Args, String> {
        args.iter()
            .map(|a| a.split_once('=').map(|(k, v)| (k.to_string(), v.to_string())))
            .collect::<Option<_>>()
            .map(Args)
            .ok_or_else(|| "a role's arguments are key=value".to_string())
    }

    /// An argument's text.
    ///
    /// # Errors
    /// When it is missing.
    pub fn text(&self, key: &str) -> Result<&str, String> {
        self.0.get(key).map(String::as_str).ok_or_else(|| format!("{key}= is missing"))
    }

    /// An argument's number.
    ///
    /// # Errors
    /// When it is missing or no number.
    pub fn number<T: std::str::FromStr>(&self, key: &str) -> Result<T, String> {
        self.text(key)?.parse().map_err(|_| format!("{key}: not a number in range"))
    }

    /// An argument's number, or `or` when it is missing.
    ///
    /// # Errors
    /// When it is no number.
    pub fn number_or<T: std::str::FromStr>(&self, key: &str, or: T) -> Result<T, String> {
        if self.0.contains_key(key) { self.number(key) } else { Ok(or) }
    }
}

/// One round, as a role sees it.
pub struct Round {
    /// How long a sender sends.
    pub ms: u64,
    /// The round's number.
    pub number: u64,
}

impl Round {
    /// When a sender stops, in ns of [`clock::now_ns`].
    pub fn deadline(&self) -> u64 {
        clock::now_ns() + self.ms * 1_000_000
    }

    /// Says that this receiver listens.
    pub fn started(&self) {
        say("started");
    }
}

/// What a role reports after a round.
#[derive(Default)]
pub struct Report(String);

impl Report {
    /// Adds a figure.
    pub fn with(mut self, key: &str, value: impl Display) -> Report {
        self.0.push_str(&format!(" {key}={value}"));
        self
    }
}

/// Says `ready`, then runs `round` whenever the bench says so. The CPU time of a round is added to its report.
///
/// # Errors
/// What `round` says; a line that makes no sense.
pub fn serve(mut round: impl FnMut(&Round) -> Result<Report, String>) -> Result<(), String> {
    say("ready");
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|e| format!("standard input: {e}"))?;
        let mut words = line.split(' ');
        let (Some("go"), Some(Ok(ms)), Some(Ok(number))) =
            (words.next(), words.next().map(str::parse), words.next().map(str::parse))
        else {
            return Err(format!("{line:?}: not a word that a role knows"));
        };
        set_alarm((ms / 1000 + 5) as u32);
        let cpu = clock::cpu_ns();
        let report = round(&Round { ms, number })?.with("cpu", clock::cpu_ns() - cpu);
        set_alarm(0);
        say(&format!("done{}", report.0));
    }
    Ok(())
}

/// Kills this process after so many seconds; 0 takes it back.
fn set_alarm(seconds: u32) {
    // SAFETY: alarm takes any number; its signal has its default action, which is the point.
    unsafe { libc::alarm(seconds) };
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    // The parent is gone when this fails, and the next read ends the role.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
