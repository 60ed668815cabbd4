//! Frames of a savefile in pcap format, as this machine writes it: enough to compare what was sent with what came.

use crate::Failure;
use std::fs;
use std::path::Path;
use std::time::Duration;

const FILE_HEADER: usize = 24;
const FRAME_HEADER: usize = 16;
const MAGIC_MICROSECONDS: u32 = 0xa1b2_c3d4;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Since the epoch.
    pub time: Duration,
    /// Bytes on the wire; `bytes` holds fewer when the capture was cut.
    pub wire_len: usize,
    /// The bytes caught.
    pub bytes: Vec<u8>,
}

/// All whole frames of the file. One that is still being written at the end is left out.
///
/// # Errors
/// When the file can't be read or does not begin like a capture in microseconds of this machine's byte order.
pub fn frames(path: &Path) -> Result<Vec<Frame>, Failure> {
    let file = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    parse(&file).ok_or_else(|| format!("{}: not a capture in microseconds", path.display()).into())
}

fn parse(file: &[u8]) -> Option<Vec<Frame>> {
    let header = file.get(..FILE_HEADER)?;
    if word(header, 0) != MAGIC_MICROSECONDS {
        return None;
    }
    let mut rest = &file[FILE_HEADER..];
    let mut frames = Vec::new();
    while let Some(header) = rest.get(..FRAME_HEADER) {
        let Some(bytes) = rest[FRAME_HEADER..].get(..word(header, 8) as usize) else { break };
        let time = Duration::from_secs(word(header, 0).into()) + Duration::from_micros(word(header, 4).into());
        frames.push(Frame { time, wire_len: word(header, 12) as usize, bytes: bytes.to_vec() });
        rest = &rest[FRAME_HEADER + bytes.len()..];
    }
    Some(frames)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(frames: &[&[u8]]) -> Vec<u8> {
        let mut file = MAGIC_MICROSECONDS.to_ne_bytes().to_vec();
        file.resize(FILE_HEADER, 0);
        for (i, frame) in frames.iter().enumerate() {
            for word in [7, i as u32, frame.len() as u32, frame.len() as u32 + 1] {
                file.extend(word.to_ne_bytes());
            }
            file.extend(*frame);
        }
        file
    }

    #[test]
    fn reads_each_frame_with_its_time_and_lengths() {
        let frames = parse(&file(&[b"one", b""])).unwrap();
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0], Frame { time: Duration::from_secs(7), wire_len: 4, bytes: b"one".to_vec() });
        assert_eq!(frames[1].time, Duration::new(7, 1_000));
    }

    #[test]
    fn leaves_out_a_frame_that_is_cut_short() {
        let whole = file(&[b"one", b"two"]);
        for cut in [1, 3, 10, 18] {
            assert_eq!(parse(&whole[..whole.len() - cut]).unwrap().len(), 1, "cut by {cut}");
        }
    }

    #[test]
    fn refuses_what_is_no_capture() {
        assert_eq!(parse(b"GIF89a"), None);
        assert_eq!(parse(&[0; 24]), None);
    }
}
