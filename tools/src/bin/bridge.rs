//! `bridge`: moves frames between two ports, both ways.

use lexopt::prelude::*;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tools::cli::{self, Error, text, value};
use tools::pump::Pump;
use tools::stop::Stop;
use tools::units::{parse_count, parse_seconds};

const HELP: &str = "\
bridge moves frames between two ports, both ways, until ^C. It sleeps when nothing moves.

usage: bridge -i PORT -i PORT [options]

  -i PORT       vale0:a, netmap:eth0, netmap:eth0^ (its host's side), or any other
                port (through libpcap's calls); twice
  -b FRAMES     most frames moved at once (a quarter of the ring)
  -B BUFFERS    frames for a port of the netmap module that it has no room for wait in
                so many buffers beside its rings, and hold up nobody (0)
  -w SECONDS    wait before the start (0)
  -h, --help    this text

A terminal shows the rates while it runs; the summary goes to standard output.
A plain interface gives a copy of what arrives at it: the host sees the frames too.

A card's rings (netmap:eth0) take its frames from the host; with its host's side they
give them back, and take what the host sends, as long as the bridge runs.

examples:
  bridge -i vale0:up -i vale1:down      two switches become one
  bridge -i vale0:eth -i netmap:eth0    a switch and a wire
  bridge -i netmap:eth0 -i netmap:eth0^ a host and its wire, with us between
";

struct Options {
    ports: [String; 2],
    burst: Option<usize>,
    extra_bufs: u32,
    wait: Duration,
}

fn main() -> ExitCode {
    cli::run("bridge", || match parse(lexopt::Parser::from_env())? {
        None => cli::out(HELP),
        Some(options) => bridge(&options),
    })
}

fn parse(mut args: lexopt::Parser) -> Result<Option<Options>, Error> {
    let (mut ports, mut burst, mut extra_bufs, mut wait) = (Vec::new(), None, 0, Duration::ZERO);
    while let Some(arg) = args.next()? {
        match arg {
            Short('i') => ports.push(value(&mut args, "-i", text)?),
            Short('b') => burst = Some(value(&mut args, "-b", parse_count)?),
            Short('B') => extra_bufs = value(&mut args, "-B", parse_count)?,
            Short('w') => wait = value(&mut args, "-w", parse_seconds)?,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    let ports: [String; 2] = ports.try_into().map_err(|_| Error::Usage("two ports: -i PORT -i PORT".into()))?;
    if ports[0] == ports[1] {
        return Err(Error::Usage(format!("{} can't be bridged to itself", ports[0])));
    }
    if burst == Some(0) {
        return Err(Error::Usage("-b: at least one frame at once".into()));
    }
    let burst = burst.map(|burst| usize::try_from(burst).unwrap_or(usize::MAX));
    let too_many = |_| Error::Usage(format!("-B {extra_bufs}: more than {}", u32::MAX));
    let extra_bufs = u32::try_from(extra_bufs).map_err(too_many)?;
    Ok(Some(Options { ports, burst, extra_bufs, wait }))
}

fn bridge(options: &Options) -> Result<(), Error> {
    let stop = Arc::new(Stop::on_signals()?);
    let pump = Pump::open_with("bridge", std::slice::from_ref(&options.ports), options.extra_bufs, &stop)?;
    if stop.wait(Some(options.wait))? {
        return Ok(());
    }
    cli::out(&pump.run(options.burst)?.text())
}
