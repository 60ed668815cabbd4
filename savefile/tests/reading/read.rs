//! Reading a file in every way that there is.

use savefile::{Error, Precision, Reader};
use std::io::{self, Read};

/// A frame, kept.
pub type Kept = (i64, i64, u32, Vec<u8>);

/// What became of a file: its frames, and the text of the error that it ended with.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub frames: Vec<Kept>,
    pub error: Option<String>,
}

/// Gives its bytes in pieces, and is interrupted between them when asked.
pub struct Pieces<'a> {
    pub bytes: &'a [u8],
    /// Sizes of the pieces, in turns.
    pub sizes: &'a [usize],
    pub interrupted: bool,
    at: usize,
    interrupt: bool,
}

impl<'a> Pieces<'a> {
    pub fn new(bytes: &'a [u8], sizes: &'a [usize], interrupted: bool) -> Pieces<'a> {
        Pieces { bytes, sizes, interrupted, at: 0, interrupt: false }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt = !self.interrupt && self.interrupted;
        if self.interrupt {
            return Err(io::Error::from_raw_os_error(4));
        }
        let size = self.sizes[self.at % self.sizes.len()].max(1);
        self.at += 1;
        let size = size.min(self.bytes.len()).min(buffer.len());
        let (now, later) = self.bytes.split_at(size);
        buffer[..size].copy_from_slice(now);
        self.bytes = later;
        Ok(size)
    }
}

fn again<T>(mut call: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    loop {
        match call() {
            Err(Error::Read { source }) if source.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Reads all frames, up to the first error.
pub fn read(stream: impl Read, precision: Precision, ahead: bool) -> Outcome {
    match Reader::open(stream, precision, ahead) {
        Ok(mut reader) => frames(&mut reader),
        Err(error) => Outcome { frames: Vec::new(), error: Some(error.to_string()) },
    }
}

pub fn frames<R: Read>(reader: &mut Reader<R>) -> Outcome {
    let mut frames = Vec::new();
    let mut keep = |frame: savefile::Frame<'_>| {
        frames.push((frame.sec, frame.fraction, frame.len, frame.data.to_vec()));
    };
    loop {
        // As the fastest way does: fill and take in turns.
        match again(|| reader.fill()) {
            Ok(true) => {
                for frame in reader.buffered() {
                    keep(frame);
                }
            }
            Ok(false) => {}
            Err(error) => return Outcome { frames, error: Some(error.to_string()) },
        }
        loop {
            match reader.next() {
                Ok(Some(frame)) => keep(frame),
                Ok(None) => return Outcome { frames, error: None },
                Err(Error::Read { source }) if source.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Outcome { frames, error: Some(error.to_string()) },
            }
            break;
        }
    }
}

/// Reads a file in every mode, whole and in pieces; all must come to the same.
pub fn every_way(bytes: &[u8], precision: Precision) -> Outcome {
    let expected = read(bytes, precision, true);
    for ahead in [true, false] {
        for sizes in [&[1usize][..], &[7, 1, 4096, 3], &[usize::MAX]] {
            // A header that is interrupted is asked for again from its beginning by who opens: not so here.
            let read = read(Pieces::new(bytes, sizes, false), precision, ahead);
            assert_eq!(read, expected, "ahead: {ahead}, pieces of {sizes:?}");
        }
    }
    expected
}
