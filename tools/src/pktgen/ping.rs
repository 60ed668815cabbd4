//! `-f ping` and `-f pong`: round trips.

use super::histogram::Histogram;
use super::meter::Meter;
use super::options::Options;
use crate::cli::{Error, out};
use crate::frame::{Mac, Probe, answer, udp};
use crate::pace::Pace;
use crate::ports::{Receiver, Sender, TwoWay};
use crate::stop::Stop;
use std::time::{Duration, Instant};

/// After this an answer is lost.
const PATIENCE: Duration = Duration::from_secs(1);
/// Looks at an empty ring between two at the clock, which take longer.
const LOOKS: u64 = 64;
/// Frames read at once.
const BATCH: usize = 64;

/// Asks, waits for the answer, asks again; at the end prints how long the round trips took.
///
/// # Errors
/// [`Error::Failed`] when the port is gone, or when nothing was answered.
pub fn ping(options: &Options, port: TwoWay, stop: &Stop) -> Result<(), Error> {
    let TwoWay { mut receiver, mut sender, .. } = port;
    let mut frame = udp(&options.ends, options.len);
    let (mut all, mut recent) = (Histogram::default(), Histogram::default());
    let (mut asked, mut lost) = (0_u64, 0_u64);
    let pace = Pace::start();
    let mut reported = Instant::now();
    while options.count.is_none_or(|count| asked < count) {
        let due =
            options.rate.map_or(Some(Duration::ZERO), |rate| Duration::try_from_secs_f64(asked as f64 / rate).ok());
        if pace.until(due.unwrap_or(Duration::MAX), stop)? {
            break;
        }
        let probe = Probe { answer: false, asker: std::process::id(), sequence: asked as u32 };
        probe.write(&mut frame);
        asked += 1;
        let start = Instant::now();
        let sent = sender.send(&frame)?;
        let wanted = Probe { answer: true, ..probe };
        match sent.then(|| await_answer(&mut receiver, wanted, start, options.sleep, stop)).transpose()?.flatten() {
            Some(time) => recent.add(time.as_nanos() as u64),
            None if stop.requested() => asked -= 1,
            None => lost += 1,
        }
        if reported.elapsed() >= options.interval {
            eprintln!("{}", sentence(&recent));
            all.absorb(&mut recent);
            reported = Instant::now();
        }
    }
    all.absorb(&mut recent);
    out(&format!("asked {asked}, answered {}, lost {lost}: {}\n", all.len(), sentence(&all)))?;
    match (asked, all.is_empty(), sender.refusal()) {
        (1.., true, Some(why)) => Err(Error::Failed(why.into())),
        (1.., true, None) => Err(Error::Failed(format!("{}: nobody answered (pkt-gen -f pong does)", options.port))),
        _ => Ok(()),
    }
}

/// The time from `start` until the wanted answer was read; `None` when it did not come, or the user wants to end.
fn await_answer(
    receiver: &mut Receiver,
    wanted: Probe,
    start: Instant,
    sleep: bool,
    stop: &Stop,
) -> Result<Option<Duration>, Error> {
    for looks in 0_u64.. {
        let mut found = false;
        expect(receiver, sleep, PATIENCE, stop)?;
        receiver.read(BATCH, |frame| {
            found |= Probe::read(frame) == Some(wanted);
            Ok(())
        })?;
        if found {
            return Ok(Some(start.elapsed()));
        }
        if (sleep || looks % LOOKS == 0) && (start.elapsed() >= PATIENCE || stop.requested()) {
            break;
        }
    }
    Ok(None)
}

/// Sleeps for a frame, or takes one look.
fn expect(receiver: &mut Receiver, sleep: bool, timeout: Duration, stop: &Stop) -> Result<(), Error> {
    if sleep { receiver.wait(stop, Some(timeout)) } else { receiver.look() }
}

/// Answers what others ask.
///
/// # Errors
/// [`Error::Failed`] when the port is gone.
pub fn pong(options: &Options, port: TwoWay, stop: &Stop) -> Result<(), Error> {
    let TwoWay { mut receiver, mut sender, .. } = port;
    let own_mac = options.ends.source_mac;
    let mut meter = Meter::start(options.interval);
    let mut scratch = Vec::new();
    let mut looks = 0_u64;
    while !stop.requested() && options.count.is_none_or(|count| meter.frames() < count) {
        expect(&mut receiver, options.sleep, meter.until_report(), stop)?;
        receiver.read(BATCH, |question| {
            let sent = reply(&mut sender, &mut scratch, question, own_mac)?;
            if sent {
                if meter.frames() == 0 {
                    meter.restart_clock();
                }
                meter.add(1, question.len() as u64);
            }
            Ok(())
        })?;
        looks += 1;
        if options.sleep || looks % LOOKS == 0 {
            meter.look();
        }
    }
    out(&meter.summary("answered"))
}

fn reply(sender: &mut Sender, scratch: &mut Vec<u8>, question: &[u8], own_mac: Mac) -> Result<bool, Error> {
    scratch.clear();
    scratch.extend_from_slice(question);
    Ok(answer(scratch, own_mac) && sender.send(scratch)?)
}

fn sentence(times: &Histogram) -> String {
    let quantile = |share| times.quantile(share).unwrap_or(0);
    match times.extremes() {
        None => "no round trips".into(),
        Some((min, max)) => format!(
            "{} round trips: min {}, median {}, p99 {}, max {} us",
            times.len(),
            micros(min),
            micros(quantile(0.5)),
            micros(quantile(0.99)),
            micros(max)
        ),
    }
}

fn micros(nanos: u64) -> String {
    format!("{:.3}", nanos as f64 / 1_000.0)
}
