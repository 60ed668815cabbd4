//! `nmreplay`: a capture file onto any port.

use lexopt::prelude::*;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tools::cli::{self, Error, text, value, warn};
use tools::pace::Pace;
use tools::pcap::{Handle, Use, link_name};
use tools::replay::{Schedule, Source, Timing};
use tools::stop::Stop;
use tools::terminal::ProgressLine;
use tools::units::{bits, parse_count, parse_positive, per_second, pps};

const HELP: &str = "\
nmreplay sends the frames of a capture file (pcap or pcapng) through any port.

usage: nmreplay -f FILE -i PORT [timing] [options]

  -f FILE           the capture; - is standard input
  -i PORT           vale0:a, eth0, or any other port that libpcap opens

timing, one of:
  (none)            as far apart as they were recorded
  --speed FACTOR    the same, so many times as fast: 2, 0.5
  --rate PPS        so many frames a second: 1000, 1.5M
  --bandwidth BPS   so many bits a second, counting the frames' bytes: 100M
  --top             as fast as they go

options:
  --loops N         play it so many times; 0: until ^C (1)
  --preload         read the whole file into memory before the first frame goes
  -h, --help        this text

A terminal shows the progress. At the end one line goes to standard output: frames,
bytes, seconds, rate. The exit status is 1 when a frame was not sent.

A switch learns which stations are behind which port, as any switch does: a frame to a
station that the capture has shown as a sender goes nowhere, for that station is behind
PORT itself. vale0:* sees all frames of the switch vale0.

examples:
  nmreplay -f web.pcap -i vale0:a
  nmreplay -f web.pcap -i vale0:a --speed 10 --loops 3
  nmreplay -f web.pcap -i vale0:a --top --preload --loops 1k
";

/// Between two looks at the clock for the progress line, where frames go without waiting.
const FRAMES_A_LOOK: u64 = 256;

struct Options {
    file: String,
    port: String,
    timing: Timing,
    loops: Option<u64>,
    preload: bool,
}

fn main() -> ExitCode {
    cli::run("nmreplay", || match parse(lexopt::Parser::from_env())? {
        None => cli::out(HELP),
        Some(options) => replay(&options),
    })
}

fn parse(mut args: lexopt::Parser) -> Result<Option<Options>, Error> {
    let (mut file, mut port, mut timing, mut loops, mut preload) = (None, None, Vec::new(), 1, false);
    while let Some(arg) = args.next()? {
        match arg {
            Short('f') => file = Some(value(&mut args, "-f", text)?),
            Short('i') => port = Some(value(&mut args, "-i", text)?),
            Long("speed") => timing.push(Timing::Recorded { speed: value(&mut args, "--speed", parse_positive)? }),
            Long("rate") => timing.push(Timing::Frames(value(&mut args, "--rate", parse_positive)?)),
            Long("bandwidth") => timing.push(Timing::Bits(value(&mut args, "--bandwidth", parse_positive)?)),
            Long("top") => timing.push(Timing::Top),
            Long("loops") => loops = value(&mut args, "--loops", parse_count)?,
            Long("preload") => preload = true,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    let file = file.ok_or_else(|| Error::Usage("which capture? -f FILE".into()))?;
    let port = port.ok_or_else(|| Error::Usage("onto which port? -i PORT".into()))?;
    let timing = match timing[..] {
        [] => Timing::Recorded { speed: 1.0 },
        [timing] => timing,
        _ => return Err(Error::Usage("only one of --speed, --rate, --bandwidth and --top".into())),
    };
    if file == "-" && loops != 1 && !preload {
        return Err(Error::Usage("--loops from standard input needs --preload".into()));
    }
    Ok(Some(Options { file, port, timing, loops: (loops > 0).then_some(loops), preload }))
}

/// What was done so far.
#[derive(Default)]
struct Done {
    frames: u64,
    bytes: u64,
    cut: u64,
    refused: u64,
    /// Why the first of those was refused.
    refusal: Option<String>,
}

fn replay(options: &Options) -> Result<(), Error> {
    let stop = Stop::on_signals()?;
    let mut source = Source::open(&options.file)?;
    let mut port = Handle::open(&options.port, Use::Send)?;
    let (in_file, on_port) = (source.link_type(), port.link_type());
    if let Some(in_file) = in_file.filter(|link| *link != on_port) {
        let (in_file, on_port) = (link_name(in_file), link_name(on_port));
        let text = format!("{}: its frames are {in_file}, those of {} are {on_port}", options.file, options.port);
        return Err(Error::Failed(text));
    }
    if options.preload {
        source.load()?;
    }

    let mut done = Done::default();
    let pace = Pace::start();
    let result = play(options, &mut source, &mut port, &pace, &stop, &mut done);
    let time = pace.elapsed();
    cli::out(&format!(
        "{} frames, {} bytes in {:.3} s: {}, {}\n",
        done.frames,
        done.bytes,
        time.as_secs_f64(),
        pps(per_second(done.frames, time)),
        bits(per_second(done.bytes * 8, time))
    ))?;
    if done.cut > 0 {
        warn("nmreplay", &format!("{} frames were cut when they were captured, and went as they are", done.cut));
    }
    result?;
    match done.refusal {
        Some(why) => Err(Error::Failed(format!("{} frames were not sent: {why}", done.refused))),
        None => Ok(()),
    }
}

fn play(
    options: &Options,
    source: &mut Source,
    port: &mut Handle,
    pace: &Pace,
    stop: &Stop,
    done: &mut Done,
) -> Result<(), Error> {
    let mut schedule = Schedule::new(options.timing);
    let mut progress = Progress::new();
    let mut round = 1;
    loop {
        let before = done.frames + done.refused;
        while let Some(frame) = source.next_frame()? {
            let due = schedule.due(frame.time_ns, frame.bytes.len());
            if stop.requested() || wait(due, pace, stop, &mut progress, done)? {
                return Ok(());
            }
            match port.send(frame.bytes) {
                Ok(()) => {
                    done.frames += 1;
                    done.bytes += frame.bytes.len() as u64;
                    done.cut += u64::from(frame.cut);
                }
                Err(e) => {
                    done.refused += 1;
                    done.refusal.get_or_insert_with(|| e.to_string());
                }
            }
            if (done.frames + done.refused) % FRAMES_A_LOOK == 0 {
                progress.look(done, pace);
            }
        }
        // A file without frames would loop for ever.
        if options.loops == Some(round) || done.frames + done.refused == before {
            return Ok(());
        }
        round += 1;
        source.rewind()?;
        schedule.next_round();
    }
}

/// Waits until the frame is due, showing the progress meanwhile. True when the user wants to end.
fn wait(due: Option<Duration>, pace: &Pace, stop: &Stop, progress: &mut Progress, done: &Done) -> Result<bool, Error> {
    let Some(due) = due else { return Ok(false) };
    while progress.line.is_visible() && due > pace.elapsed() + Progress::INTERVAL {
        if pace.until(pace.elapsed() + Progress::INTERVAL, stop)? {
            return Ok(true);
        }
        progress.look(done, pace);
    }
    pace.until(due, stop)
}

struct Progress {
    line: ProgressLine,
    shown: Instant,
}

impl Progress {
    const INTERVAL: Duration = Duration::from_millis(200);

    fn new() -> Progress {
        Progress { line: ProgressLine::on_stderr(), shown: Instant::now() }
    }

    fn look(&mut self, done: &Done, pace: &Pace) {
        if self.line.is_visible() && self.shown.elapsed() >= Progress::INTERVAL {
            self.shown = Instant::now();
            let time = pace.elapsed();
            let rate = pps(per_second(done.frames, time));
            self.line.show(&format!(
                "{} frames, {} bytes, {:.1} s, {rate}",
                done.frames,
                done.bytes,
                time.as_secs_f64()
            ));
        }
    }
}
