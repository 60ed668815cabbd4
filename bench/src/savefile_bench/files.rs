//! The files that are read: made here, in memory, and gone with their owner.

use compat_tests::random::Random;
use savefile::Precision;
use savefile::write::{pcap, pcapng};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Bytes of the small frames.
pub const SMALL: usize = 60;

/// What is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Small frames, as pcap.
    Pcap,
    /// Small frames, as pcapng.
    Pcapng,
    /// Frames of 60 to 1,514 bytes, as pcap.
    Mixed,
}

/// A file in memory.
pub struct Made {
    /// Where.
    pub path: PathBuf,
    /// How many frames.
    pub frames: u64,
    /// How many bytes.
    pub bytes: u64,
}

impl Drop for Made {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).ok();
    }
}

/// A UDP packet; one of a hundred is TCP from port 80.
pub fn small(number: u64) -> [u8; SMALL] {
    let mut frame = [0u8; SMALL];
    frame[..12].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
    frame[12..14].copy_from_slice(&[8, 0]);
    frame[14..24].copy_from_slice(&[0x45, 0, 0, 46, 0, 1, 0x40, 0, 64, if number % 100 == 0 { 6 } else { 17 }]);
    frame[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
    frame[34..38].copy_from_slice(&[0, 80, 7, 208]);
    frame[42..50].copy_from_slice(&number.to_ne_bytes());
    frame
}

/// Bytes that are free in the folder's file system.
fn room(folder: &Path) -> u64 {
    // What df prints is enough: the folder is /dev/shm, and no call of Rust's library tells.
    let output = std::process::Command::new("df").args(["--output=avail", "-B1"]).arg(folder).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    text.lines().last().and_then(|line| line.trim().parse().ok()).unwrap_or(0)
}

/// Makes sure that so many bytes can be written, and half as many besides.
///
/// # Errors
/// A text that says what is missing.
pub fn need_room(folder: &Path, bytes: u64) -> Result<(), String> {
    let room = room(folder);
    match room >= bytes + bytes / 2 {
        true => Ok(()),
        false => {
            Err(format!("{} MB free in {}, {} MB needed", room >> 20, folder.display(), (bytes + bytes / 2) >> 20))
        }
    }
}

/// Makes a file of so many small frames, or of so many bytes of mixed ones.
///
/// # Errors
/// When there is no room for it, or it can't be written.
pub fn make(folder: &Path, kind: Kind, amount: u64) -> Result<Made, String> {
    let bytes = match kind {
        Kind::Pcap => amount * (16 + SMALL as u64),
        Kind::Pcapng => amount * (32 + SMALL as u64),
        Kind::Mixed => amount,
    };
    need_room(folder, bytes)?;
    let path = folder.join(format!("{kind:?}"));
    let mut made = Made { path, frames: 0, bytes: 0 };
    let file = File::create(&made.path).map(|file| BufWriter::with_capacity(1 << 20, file));
    let error = |e: io::Error| format!("{}: {e}", made.path.display());
    let file = file.map_err(error)?;
    made.frames = write(file, kind, amount).map_err(|e| format!("{}: {e}", made.path.display()))?;
    made.bytes = made.path.metadata().map_or(0, |m| m.len());
    Ok(made)
}

fn time(number: u64) -> u64 {
    1_700_000_000_000_000_000 + number * 1000
}

fn write(file: impl Write, kind: Kind, amount: u64) -> Result<u64, savefile::Error> {
    if kind == Kind::Pcapng {
        let mut writer = pcapng::Writer::new(file, &pcapng::Section::default())?;
        let port = writer.interface(&pcapng::Interface { dlt: 1, snaplen: 262_144, ..pcapng::Interface::default() })?;
        for number in 0..amount {
            let frame = small(number);
            let (time_ns, wire_len) = (time(number), SMALL as u32);
            writer.frame(port, &pcapng::Frame { time_ns, wire_len, bytes: &frame, ..pcapng::Frame::default() })?;
        }
        return writer.into_inner().map(|_| amount);
    }
    let header = pcap::Header::of_handle(1, 0, 262_144, Precision::Micro)?;
    let mut writer = pcap::Writer::new(file, header)?;
    let mut random = Random::from_seed(1);
    let mut bytes = [0u8; 1514];
    bytes[..SMALL].copy_from_slice(&small(1));
    let (mut written, mut frames) = (0, 0);
    while written < amount {
        let length = match (kind, random.below(10)) {
            (Kind::Mixed, 0..4) => SMALL + random.below(60) as usize,
            (Kind::Mixed, 4..6) => SMALL + random.below(1400) as usize,
            (Kind::Mixed, _) => 1514,
            _ => {
                bytes[..SMALL].copy_from_slice(&small(frames));
                SMALL
            }
        };
        writer.frame(time(frames), length as u32, &bytes[..length])?;
        written += if kind == Kind::Mixed { 16 + length as u64 } else { 1 };
        frames += 1;
    }
    writer.into_inner().map(|_| frames)
}
