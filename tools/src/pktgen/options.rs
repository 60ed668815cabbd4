//! What pkt-gen was asked to do.

use crate::cli::{Error, text, value};
use crate::frame::{Ends, HEADERS, Mac, PROBE_FRAME, parse_address};
use crate::units::{parse_count, parse_millis, parse_positive, parse_seconds};
use lexopt::prelude::*;
use std::time::Duration;

/// `pkt-gen --help`
pub const HELP: &str = "\
pkt-gen sends, receives or answers UDP frames at full speed and tells the rate.

usage: pkt-gen -i PORT -f tx|rx|ping|pong [options]

  -i PORT        vale0:a (through its rings), or any other port (through libpcap's calls)
  -f FUNCTION    tx: send    rx: count what arrives
                 ping: ask and time the answers    pong: answer
  -l BYTES       frame length without the trailing checksum, 42 to 65535 (60)
  -n COUNT       stop after so many frames or round trips; 0: never (0)
  -b COUNT       frames a batch (512)
  -R RATE        frames a second, for tx and ping (as many as go)
  -w SECONDS     wait before the start (0)
  -s IP[:PORT]   source address (10.0.0.1:1234)
  -d IP[:PORT]   destination address (10.1.0.1:1234)
  -S MAC         source station (the interface's, or one made from the port's name)
  -D MAC         destination station (ff:ff:ff:ff:ff:ff)
  -T MS          milliseconds between reports (1000)
  --sleep        ping, pong: sleep until a frame comes, rather than watch for it
  -h, --help     this text

Counts and rates take k, M and G. Reports go to standard error, the summary to
standard output. The first ^C ends cleanly with the summary.

examples:
  pkt-gen -i vale0:b -f rx
  pkt-gen -i vale0:a -f tx -l 1514 -n 10M
  pkt-gen -i vale0:a -f tx -R 10k
  pkt-gen -i vale0:b -f pong        and        pkt-gen -i vale0:a -f ping -n 100k
";

/// What to do with the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Send.
    Send,
    /// Count what arrives.
    Receive,
    /// Ask and time the answers.
    Ping,
    /// Answer.
    Pong,
}

/// pkt-gen's options, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The port's name.
    pub port: String,
    /// What to do.
    pub function: Function,
    /// Bytes of a frame.
    pub len: usize,
    /// How many frames or round trips; `None`: until a signal.
    pub count: Option<u64>,
    /// Most frames in a batch.
    pub batch: u64,
    /// Frames a second; `None`: as many as go.
    pub rate: Option<f64>,
    /// Before the start.
    pub wait: Duration,
    /// Addresses in the frames.
    pub ends: Ends,
    /// Between reports.
    pub interval: Duration,
    /// Sleep for a frame rather than watch for it.
    pub sleep: bool,
}

/// Reads the command line. `None`: `--help` was asked for.
///
/// # Errors
/// [`Error::Usage`].
pub fn parse(mut args: lexopt::Parser) -> Result<Option<Options>, Error> {
    let mut port = None;
    let mut function = None;
    let (mut len, mut count, mut batch, mut rate) = (60, 0, 512, None);
    let (mut wait, mut interval, mut sleep) = (Duration::ZERO, Duration::from_secs(1), false);
    let (mut source, mut target) = (parse_address("10.0.0.1"), parse_address("10.1.0.1"));
    let (mut source_mac, mut target_mac) = (None, Mac::BROADCAST);
    while let Some(arg) = args.next()? {
        match arg {
            Short('i') => port = Some(value(&mut args, "-i", text)?),
            Short('f') => function = Some(value(&mut args, "-f", parse_function)?),
            Short('l') => len = value(&mut args, "-l", parse_len)?,
            Short('n') => count = value(&mut args, "-n", parse_count)?,
            Short('b') => batch = value(&mut args, "-b", parse_batch)?,
            Short('R') => rate = Some(value(&mut args, "-R", parse_positive)?),
            Short('w') => wait = value(&mut args, "-w", parse_seconds)?,
            Short('s') => source = Ok(value(&mut args, "-s", parse_address)?),
            Short('d') => target = Ok(value(&mut args, "-d", parse_address)?),
            Short('S') => source_mac = Some(value(&mut args, "-S", Mac::parse)?),
            Short('D') => target_mac = value(&mut args, "-D", Mac::parse)?,
            Short('T') => interval = value(&mut args, "-T", parse_millis)?,
            Long("sleep") => sleep = true,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    let port = port.ok_or_else(|| Error::Usage("which port? -i PORT".into()))?;
    let function = function.ok_or_else(|| Error::Usage("do what with it? -f tx, rx, ping or pong".into()))?;
    if function == Function::Ping && len < PROBE_FRAME {
        return Err(Error::Usage(format!("-l {len}: ping needs frames of at least {PROBE_FRAME} bytes")));
    }
    let ends = Ends {
        source_mac: source_mac.unwrap_or_else(|| Mac::of_port(&port)),
        target_mac,
        source: source.map_err(Error::Usage)?,
        target: target.map_err(Error::Usage)?,
    };
    let count = (count > 0).then_some(count);
    Ok(Some(Options { port, function, len, count, batch, rate, wait, ends, interval, sleep }))
}

fn parse_function(text: &str) -> Result<Function, String> {
    match text {
        "tx" => Ok(Function::Send),
        "rx" => Ok(Function::Receive),
        "ping" => Ok(Function::Ping),
        "pong" => Ok(Function::Pong),
        _ => Err("is none of tx, rx, ping, pong".into()),
    }
}

fn parse_len(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(len @ HEADERS..=65_535) => Ok(len),
        _ => Err(format!("not a frame length from {HEADERS} (the headers of UDP over IPv4) to 65535")),
    }
}

fn parse_batch(text: &str) -> Result<u64, String> {
    match parse_count(text)? {
        0 => Err("a batch has at least one frame".into()),
        batch => Ok(batch),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Option<Options>, Error> {
        parse(lexopt::Parser::from_iter(std::iter::once("pkt-gen").chain(line.split_whitespace())))
    }

    #[test]
    fn netmaps_way_of_typing_is_understood() {
        let all = "-ivale0:a -f tx -l1514 -n 10M -b 64 -R 1e5 -w 2 -s 1.2.3.4:5 -d 6.7.8.9 -S 2:0:0:0:0:1 -T 500";
        let o = options(all).unwrap().unwrap();
        assert_eq!((o.port.as_str(), o.function, o.len), ("vale0:a", Function::Send, 1514));
        assert_eq!((o.count, o.batch, o.rate), (Some(10_000_000), 64, Some(1e5)));
        assert_eq!((o.wait, o.interval), (Duration::from_secs(2), Duration::from_millis(500)));
        assert_eq!(o.ends.source.to_string(), "1.2.3.4:5");
        assert_eq!(o.ends.target.to_string(), "6.7.8.9:1234");
        assert_eq!((o.ends.source_mac, o.ends.target_mac), (Mac([2, 0, 0, 0, 0, 1]), Mac::BROADCAST));
    }

    #[test]
    fn nonsense_is_refused_with_its_reason() {
        for (line, reason) in [
            ("-f tx", "which port? -i PORT"),
            ("-i vale0:a", "do what with it? -f tx, rx, ping or pong"),
            ("-i a -f both", "-f both: is none of tx, rx, ping, pong"),
            ("-i a -f tx -l 41", "-l 41: not a frame length from 42 (the headers of UDP over IPv4) to 65535"),
            ("-i a -f ping -l 54", "-l 54: ping needs frames of at least 55 bytes"),
            ("-i a -f tx -b 0", "-b 0: a batch has at least one frame"),
            ("-i a -f tx -R 0", "-R 0: must be more than 0"),
            ("-i a -f tx -T 0", "-T 0: not a number of milliseconds from 1 to 4294967295"),
            ("-i a -f tx --fast", "invalid option '--fast'"),
        ] {
            let refused = options(line).unwrap_err();
            assert!(matches!(refused, Error::Usage(_)), "{line}");
            assert_eq!(refused.to_string(), reason);
        }
        assert_eq!(options("-h").unwrap(), None);
    }
}
