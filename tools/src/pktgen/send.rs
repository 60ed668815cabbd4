//! `-f tx`: one frame over and over.

use super::meter::Meter;
use super::options::Options;
use crate::cli::{Error, out, warn};
use crate::frame::udp;
use crate::pace::Pace;
use crate::ports::{Receiver, Sender, TwoWay};
use crate::stop::Stop;
use nm_core::{PortTx, TxRing};
use std::time::Duration;

/// Sends until the count is reached or the user wants to end, then prints the summary.
///
/// # Errors
/// [`Error::Failed`] when the port is gone, may not send, or took none of the frames.
pub fn run(options: &Options, port: TwoWay, stop: &Stop) -> Result<(), Error> {
    let TwoWay { mut receiver, mut sender, .. } = port;
    let frame = udp(&options.ends, options.len);
    let pace = Pace::start();
    let mut meter = Meter::start(options.interval);
    let mut tried = 0;
    let mut filled = 0;
    while !stop.requested() {
        let left = options.count.map_or(u64::MAX, |count| count - tried);
        if left == 0 {
            break;
        }
        let batch = match options.rate {
            None => options.batch.min(left),
            Some(rate) => match due(rate, tried, options.batch.min(left), pace.elapsed()) {
                Ok(batch) => batch,
                Err(at) => {
                    idle(&mut receiver, &pace, at, &mut meter, stop)?;
                    continue;
                }
            },
        };
        receiver.discard()?;
        let (took, sent) = match &mut sender {
            Sender::Rings(tx, info) => {
                let in_one_buffer = frame.len() <= info.buf_size as usize;
                let took = fill(tx.ring()?, &frame, batch, in_one_buffer, &mut filled);
                (took, leave(tx.as_mut(), stop)?)
            }
            Sender::Pcap(..) => (batch, send_each(&mut sender, &frame, batch)?),
        };
        tried += took;
        meter.add(sent, sent * frame.len() as u64);
    }
    finish(meter, tried, &sender)
}

/// How many frames shall go now, at most `most`; or when to ask again. Above 10,000 frames a second they go in
/// groups, ten thousand a second.
fn due(rate: f64, sent: u64, most: u64, elapsed: Duration) -> Result<u64, Duration> {
    let group = ((rate / 10_000.0) as u64).clamp(1, most);
    let ready = (elapsed.as_secs_f64() * rate) as u64 + 1;
    let ready = ready.saturating_sub(sent);
    if ready >= group {
        return Ok(ready.min(most));
    }
    Err(Duration::try_from_secs_f64((sent + group - 1) as f64 / rate).unwrap_or(Duration::MAX))
}

/// Waits for `at`, reporting and emptying our own receive ring now and then.
fn idle(receiver: &mut Receiver, pace: &Pace, at: Duration, meter: &mut Meter, stop: &Stop) -> Result<(), Error> {
    let report = pace.elapsed() + meter.until_report();
    pace.until(at.min(report), stop)?;
    receiver.discard()?;
    meter.look();
    Ok(())
}

/// Queues up to `batch` frames. Each buffer of the ring is written once: from then on it holds the frame, and its
/// slot is queued as it is. `filled` counts the buffers written. Returns how many frames were queued.
fn fill(ring: &mut TxRing, frame: &[u8], batch: u64, in_one_buffer: bool, filled: &mut u32) -> u64 {
    let mut queued = 0;
    while queued < batch {
        let put = if in_one_buffer && *filled >= ring.num_slots() {
            ring.put_as_is(frame.len() as u16)
        } else {
            *filled = filled.saturating_add(1);
            ring.put(frame)
        };
        if !put {
            break;
        }
        queued += 1;
    }
    queued
}

/// Sends what is queued; a ring that nobody empties is asked again a little later.
fn leave(tx: &mut dyn PortTx, stop: &Stop) -> Result<u64, Error> {
    let left = tx.txsync(false)?;
    if left == 0 && tx.ring()?.space() == 0 {
        stop.wait(Some(Duration::from_millis(1)))?;
    }
    Ok(left.into())
}

fn send_each(sender: &mut Sender, frame: &[u8], batch: u64) -> Result<u64, Error> {
    let mut sent = 0;
    for _ in 0..batch {
        sent += u64::from(sender.send(frame)?);
    }
    Ok(sent)
}

fn finish(meter: Meter, tried: u64, sender: &Sender) -> Result<(), Error> {
    let sent = meter.frames();
    out(&meter.summary("sent"))?;
    match sender.refusal() {
        Some(why) if sent == 0 => Err(Error::Failed(why.into())),
        Some(why) => {
            warn("pkt-gen", &format!("{} frames were not sent: {why}", tried - sent));
            Ok(())
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_rate_sends_one_frame_at_each_due_time() {
        assert_eq!(due(10.0, 0, 512, Duration::ZERO), Ok(1));
        assert_eq!(due(10.0, 1, 512, Duration::ZERO), Err(Duration::from_millis(100)));
        assert_eq!(due(10.0, 1, 512, Duration::from_millis(100)), Ok(1));
        // Late: all that are due go, but no more than a batch.
        assert_eq!(due(10.0, 1, 512, Duration::from_secs(1)), Ok(10));
        assert_eq!(due(10.0, 1, 4, Duration::from_secs(1)), Ok(4));
    }

    #[test]
    fn a_fast_rate_sends_groups() {
        assert_eq!(due(1e6, 100, 512, Duration::from_micros(150)), Err(Duration::from_micros(199)));
        assert_eq!(due(1e6, 100, 512, Duration::from_micros(199)), Ok(100));
        // The last few frames don't wait for a whole group.
        assert_eq!(due(1e6, 100, 5, Duration::from_micros(104)), Ok(5));
    }
}
