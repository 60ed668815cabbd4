//! The command line.

use std::path::PathBuf;

/// What to print when the command line makes no sense.
pub const USAGE: &str = "\
usage: bench vale|filter|netmap|savefile [--quick] [--rows raw60,raw1514,…] [--rounds N] [--ms N] [--record DIR]
  --quick    short rounds, fewer of them: for a look, not for the record
  --rows     only these rows of vale: raw60 raw1514 inject60 inject1514 ping-spin ping-sleep fan idle ports200 memory
             of filter: hosts ports short mean verdict calls jit
             of netmap: inject filter receive own pump
             of savefile: loop next mixed filter dump tcpdump memory
  --rounds   rounds of each contestant (9; quick 3)
  --ms       milliseconds of one round (300; quick 150)
  --record   where vale-<date>.md and vale.svg (filter…, netmap…) go (bench/record; with --quick or --rows only when named)
environment: PCAP_NETMAP_DIST  the folder of our libpcap.so.0.8 (dist)";

/// What a user asked for.
pub struct Options {
    /// For a look: less of everything.
    pub quick: bool,
    /// The rows to run; empty means all.
    pub rows: Vec<String>,
    /// Rounds of each contestant.
    pub rounds: u32,
    /// Milliseconds of one round.
    pub ms: u64,
    /// Seconds for which the idle switch is watched.
    pub idle_seconds: u64,
    /// Where the record is written, if at all.
    pub record: Option<PathBuf>,
}

impl Options {
    /// Parses what follows `bench vale`, `filter`, `netmap` or `savefile`.
    ///
    /// # Errors
    /// The usage, for an option that does not exist or a number that is none.
    pub fn parse(args: &[String]) -> Result<Options, String> {
        let (mut quick, mut rows, mut rounds, mut ms, mut record) = (false, Vec::new(), None, None, None);
        let mut it = args.iter();
        while let Some(option) = it.next() {
            if option == "--quick" {
                quick = true;
                continue;
            }
            let value =
                it.next().ok_or_else(|| format!("{option}: not an option, or its value is missing\n{USAGE}"))?;
            match option.as_str() {
                "--rows" => rows = value.split(',').map(str::to_string).collect(),
                "--rounds" => rounds = Some(positive(value)?),
                "--ms" => ms = Some(positive(value)?),
                "--record" => record = Some(PathBuf::from(value)),
                _ => return Err(format!("{option}: not an option\n{USAGE}")),
            }
        }
        if record.is_none() && !quick && rows.is_empty() {
            record = Some(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/record")));
        }
        Ok(Options {
            quick,
            rows,
            rounds: rounds.unwrap_or(if quick { 3 } else { 9 }) as u32,
            ms: ms.unwrap_or(if quick { 150 } else { 300 }),
            idle_seconds: if quick { 2 } else { 10 },
            record,
        })
    }

    /// Whether the row is to run.
    pub fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|r| r == row)
    }
}

fn positive(text: &str) -> Result<u64, String> {
    text.parse()
        .ok()
        .filter(|&n| n > 0 && n < 1_000_000)
        .ok_or_else(|| format!("{text}: not a number in range\n{USAGE}"))
}
