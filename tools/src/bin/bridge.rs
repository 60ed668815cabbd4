//! `bridge`: moves frames between two ports, both ways.

use lexopt::prelude::*;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tools::cli::{self, Error, text, value, warn};
use tools::ports::{self, Receiver, Sender, TwoWay};
use tools::stop::Stop;
use tools::table::{Align, Table};
use tools::terminal::ProgressLine;
use tools::units::{parse_count, parse_seconds, per_second, pps};

const HELP: &str = "\
bridge moves frames between two ports, both ways, until ^C. It sleeps when nothing moves.

usage: bridge -i PORT -i PORT [options]

  -i PORT       vale0:a, or any other port (through libpcap's calls); twice
  -b FRAMES     most frames moved at once (1024)
  -w SECONDS    wait before the start (0)
  -h, --help    this text

A terminal shows the rates while it runs; the summary goes to standard output.
A plain interface gives a copy of what arrives at it: the host sees the frames too.

examples:
  bridge -i vale0:up -i vale1:down      two switches become one
  bridge -i vale0:eth -i eth0           a switch and a wire
";

struct Options {
    ports: [String; 2],
    burst: usize,
    wait: Duration,
}

/// What went one way.
#[derive(Default)]
struct Moved {
    frames: AtomicU64,
    bytes: AtomicU64,
    refused: AtomicU64,
}

fn main() -> ExitCode {
    cli::run("bridge", || match parse(lexopt::Parser::from_env())? {
        None => cli::out(HELP),
        Some(options) => bridge(&options),
    })
}

fn parse(mut args: lexopt::Parser) -> Result<Option<Options>, Error> {
    let (mut ports, mut burst, mut wait) = (Vec::new(), 1024, Duration::ZERO);
    while let Some(arg) = args.next()? {
        match arg {
            Short('i') => ports.push(value(&mut args, "-i", text)?),
            Short('b') => burst = value(&mut args, "-b", parse_count)?,
            Short('w') => wait = value(&mut args, "-w", parse_seconds)?,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    let ports: [String; 2] = ports.try_into().map_err(|_| Error::Usage("two ports: -i PORT -i PORT".into()))?;
    if ports[0] == ports[1] {
        return Err(Error::Usage(format!("{} can't be bridged to itself", ports[0])));
    }
    let burst = usize::try_from(burst).ok().filter(|burst| *burst > 0);
    let burst = burst.ok_or_else(|| Error::Usage("-b: at least one frame at once".into()))?;
    Ok(Some(Options { ports, burst, wait }))
}

fn bridge(options: &Options) -> Result<(), Error> {
    let [a, b] = &options.ports;
    let stop = Arc::new(Stop::on_signals()?);
    let TwoWay { receiver: from_a, sender: to_a } = ports::open(a, true, &stop)?;
    let TwoWay { receiver: from_b, sender: to_b } = ports::open(b, true, &stop)?;
    if stop.wait(Some(options.wait))? {
        return Ok(());
    }
    let start = Instant::now();
    let ways = [Moved::default(), Moved::default()];
    let results = std::thread::scope(|threads| {
        let there = threads.spawn(|| carry(from_a, to_b, options.burst, &ways[0], &stop));
        let back = threads.spawn(|| carry(from_b, to_a, options.burst, &ways[1], &stop));
        let shown = show(&options.ports, &ways, &stop);
        stop.request();
        [shown, there.join().expect("no panic while carrying"), back.join().expect("no panic while carrying")]
    });
    cli::out(&summary(&options.ports, &ways, start.elapsed()))?;
    results.into_iter().collect()
}

/// Moves frames one way until the user wants to end; when it can't, everything ends.
fn carry(mut from: Receiver, mut to: Sender, burst: usize, moved: &Moved, stop: &Stop) -> Result<(), Error> {
    let result = carry_until_stop(&mut from, &mut to, burst, moved, stop);
    stop.request();
    if let Some(why) = to.refusal() {
        warn("bridge", &format!("frames were refused, the last one because: {why}"));
    }
    result
}

fn carry_until_stop(
    from: &mut Receiver,
    to: &mut Sender,
    burst: usize,
    moved: &Moved,
    stop: &Stop,
) -> Result<(), Error> {
    while !stop.requested() {
        from.wait(stop, None)?;
        let (mut frames, mut bytes, mut refused) = (0, 0, 0);
        from.read(burst, |frame| {
            match to.send(frame)? {
                true => (frames, bytes) = (frames + 1, bytes + frame.len() as u64),
                false => refused += 1,
            }
            Ok(())
        })?;
        // ORDER: Relaxed, all three; counters that are only shown.
        moved.frames.fetch_add(frames, Ordering::Relaxed);
        moved.bytes.fetch_add(bytes, Ordering::Relaxed);
        moved.refused.fetch_add(refused, Ordering::Relaxed);
    }
    Ok(())
}

/// Shows the rates on a terminal, until the user wants to end.
fn show([a, b]: &[String; 2], ways: &[Moved; 2], stop: &Stop) -> Result<(), Error> {
    let mut line = ProgressLine::on_stderr();
    let interval = line.is_visible().then_some(Duration::from_secs(1));
    // ORDER: Relaxed; counters that are only shown.
    let frames = || ways.each_ref().map(|way| way.frames.load(Ordering::Relaxed));
    let (mut before, mut at) = (frames(), Instant::now());
    while !stop.wait(interval)? {
        let (now, time) = (frames(), at.elapsed());
        let [there, back] = [0, 1].map(|way| pps(per_second(now[way] - before[way], time)));
        line.show(&format!("{a} -> {b} {there}   {b} -> {a} {back}"));
        (before, at) = (now, at + time);
    }
    Ok(())
}

fn summary([a, b]: &[String; 2], ways: &[Moved; 2], time: Duration) -> String {
    use Align::{Left, Right};
    let mut table = Table::new(&[
        ("FROM", Left),
        ("TO", Left),
        ("FRAMES", Right),
        ("BYTES", Right),
        ("REFUSED", Right),
        ("MEAN", Right),
    ]);
    for (way, [from, to]) in ways.iter().zip([[a, b], [b, a]]) {
        // ORDER: Relaxed; the threads that counted have been joined.
        let [frames, bytes, refused] = [&way.frames, &way.bytes, &way.refused].map(|n| n.load(Ordering::Relaxed));
        let mean = pps(per_second(frames, time));
        table.row([from.clone(), to.clone(), frames.to_string(), bytes.to_string(), refused.to_string(), mean]);
    }
    table.text()
}
