//! `-f rx`: counting what arrives.

use super::meter::Meter;
use super::options::Options;
use crate::cli::{Error, out};
use crate::ports::TwoWay;
use crate::stop::Stop;

/// Receives until the count is reached or the user wants to end, then prints the summary, whose time runs from
/// the first frame to the last.
///
/// # Errors
/// [`Error::Failed`] when the port is gone.
pub fn run(options: &Options, port: TwoWay, stop: &Stop) -> Result<(), Error> {
    let mut receiver = port.receiver;
    let mut meter = Meter::start(options.interval);
    while !stop.requested() && options.count.is_none_or(|count| meter.frames() < count) {
        receiver.wait(stop, Some(meter.until_report()))?;
        let left = options.count.map_or(u64::MAX, |count| count - meter.frames());
        let most = usize::try_from(options.batch.min(left)).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let frames = receiver.read(most, |frame| {
            bytes += frame.len() as u64;
            Ok(())
        })?;
        if frames > 0 {
            if meter.frames() == 0 {
                meter.restart_clock();
            }
            meter.add(frames as u64, bytes);
        }
        meter.look();
    }
    out(&meter.summary("received"))
}
