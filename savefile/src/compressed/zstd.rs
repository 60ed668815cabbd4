//! zstd, decoded: RFC 8878, without dictionaries.
//!
//! Written for this crate since the decoder that there is for Rust lets a block of 128 KiB become gigabytes before it looks, and a
//! header ask for as much. Here a block becomes 128 KiB at most, and the window is what the RFC asks every decoder to
//! support: 8 MiB, which all levels of the program `zstd` keep to without `--ultra` or `--long`.

mod bits;
mod block;
mod fse;
mod huffman;

use crate::error::Error;
use bits::Corrupt;
use block::Memory;
use std::hash::Hasher;
use std::io::{self, Read};
use twox_hash::XxHash64;

const MAGIC: u32 = 0xfd2f_b528;
/// Frames that hold nothing to decode: 16 numbers.
const SKIPPED: u32 = 0x184d_2a50;
/// Bytes of the largest window.
const LARGEST_WINDOW: u64 = 8 << 20;
/// Bytes of a block at most, packed or not.
const LARGEST_BLOCK: usize = 128 << 10;

/// Decodes frames, one after the other.
pub(super) struct Decoder<R> {
    source: R,
    frame: Option<Frame>,
    /// The window, and what comes after it; `given` bytes of all were given out.
    history: Vec<u8>,
    given: usize,
    block: Vec<u8>,
}

struct Frame {
    window: usize,
    memory: Memory,
    checksum: Option<XxHash64>,
}

impl From<Corrupt> for io::Error {
    fn from(_: Corrupt) -> io::Error {
        corrupt()
    }
}

#[cold]
fn corrupt() -> io::Error {
    io::Error::other("corrupt zstd stream")
}

impl<R: Read> Decoder<R> {
    pub(super) fn new(source: R) -> Decoder<R> {
        Decoder { source, frame: None, history: Vec::new(), given: 0, block: Vec::new() }
    }

    pub(super) fn get_mut(&mut self) -> &mut R {
        &mut self.source
    }

    fn bytes<const COUNT: usize>(&mut self) -> io::Result<[u8; COUNT]> {
        let mut bytes = [0; COUNT];
        self.source.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// `count` bytes as a number.
    fn number(&mut self, count: usize) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.source.read_exact(&mut bytes[..count])?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Begins the next frame; false at the end of the stream.
    fn begin(&mut self) -> io::Result<bool> {
        let mut first = [0; 1];
        if self.source.read(&mut first)? == 0 {
            return Ok(false);
        }
        let [b, c, d] = self.bytes()?;
        match u32::from_le_bytes([first[0], b, c, d]) {
            MAGIC => self.read_header()?,
            magic if magic & !15 == SKIPPED => {
                let size = self.number(4)?;
                if io::copy(&mut (&mut self.source).take(size), &mut io::sink())? != size {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            _ => return Err(corrupt()),
        }
        Ok(true)
    }

    fn read_header(&mut self) -> io::Result<()> {
        let [descriptor] = self.bytes()?;
        let single = descriptor & 0x20 != 0;
        let mut window = 0;
        if !single {
            let [byte] = self.bytes()?;
            let base = 1u64 << (10 + (byte >> 3));
            window = base + base / 8 * u64::from(byte & 7);
        }
        let dictionary = self.number([0, 1, 2, 4][usize::from(descriptor & 3)])?;
        let size = match descriptor >> 6 {
            0 if !single => 0,
            0 => self.number(1)?,
            1 => self.number(2)? + 256,
            2 => self.number(4)?,
            _ => self.number(8)?,
        };
        if descriptor & 8 != 0 {
            return Err(corrupt());
        }
        if dictionary != 0 {
            return Err(io::Error::other("the zstd stream needs a dictionary"));
        }
        let asked = if single { size } else { window };
        if asked > LARGEST_WINDOW {
            return Err(io::Error::other(Error::Window { asked, allowed: LARGEST_WINDOW }));
        }
        let checksum = (descriptor & 4 != 0).then(|| XxHash64::with_seed(0));
        self.history.clear();
        self.given = 0;
        self.frame = Some(Frame { window: asked as usize, memory: Memory::new(), checksum });
        Ok(())
    }

    /// Decodes the frame's next block behind the history.
    fn decode_block(&mut self) -> io::Result<()> {
        let header = self.number(3)? as usize;
        let (last, kind, size) = (header & 1 != 0, header >> 1 & 3, header >> 3);
        let Some(frame) = &mut self.frame else { return Err(corrupt()) };
        // Only the window is ever looked back to. It is moved when it lies behind as much again.
        if self.history.len() >= 2 * frame.window.max(LARGEST_BLOCK) {
            let old = self.history.len() - frame.window;
            self.history.drain(..old);
        }
        let from = self.history.len();
        let most = LARGEST_BLOCK.min(frame.window);
        if size > most {
            return Err(corrupt());
        }
        match kind {
            0 => {
                self.history.resize(from + size, 0);
                self.source.read_exact(&mut self.history[from..])?;
            }
            1 => {
                let mut byte = [0];
                self.source.read_exact(&mut byte)?;
                self.history.resize(from + size, byte[0]);
            }
            2 => {
                self.block.resize(size, 0);
                self.source.read_exact(&mut self.block)?;
                frame.memory.decode(&self.block, &mut self.history, most)?;
            }
            _ => return Err(corrupt()),
        }
        self.given = from;
        if let Some(checksum) = &mut frame.checksum {
            checksum.write(&self.history[from..]);
        }
        if last {
            let checksum = frame.checksum.take().map(|checksum| checksum.finish() as u32);
            self.frame = None;
            if let Some(checksum) = checksum {
                if self.number(4)? != u64::from(checksum) {
                    return Err(io::Error::other("the zstd stream's checksum is wrong"));
                }
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.history.len() {
            if self.frame.is_some() {
                self.decode_block()?;
            } else if !self.begin()? {
                return Ok(0);
            }
        }
        let there = &self.history[self.given..];
        let count = there.len().min(buffer.len());
        buffer[..count].copy_from_slice(&there[..count]);
        self.given += count;
        Ok(count)
    }
}
