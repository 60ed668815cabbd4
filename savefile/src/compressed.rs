//! Streams that a program compressed: gzip, zstd, lz4. They are decompressed on the way, whoever reads.
//!
//! Memory is constant whatever they hold: a decompressor has its window and no more, and what comes out goes into a block of the reader's.

mod zstd;

use crate::error::{Error, Strerror};
use crate::input::Input;
use flate2::bufread::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder;
use std::io::{self, BufRead, Read};

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Gzip,
    Zstd,
    Lz4,
}

/// The compression that a stream's first bytes tell of.
pub(crate) fn kind(magic: [u8; 4]) -> Option<Kind> {
    match magic {
        [0x1f, 0x8b, 8, _] => Some(Kind::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Some(Kind::Zstd),
        [4, 0x22, 0x4d, 0x18] => Some(Kind::Lz4),
        _ => None,
    }
}

/// A stream, decompressed where need be.
pub(crate) enum Stream<R: Read> {
    Plain(R),
    Compressed(Box<Compressed<R>>),
}

/// A decompressor, until it fails for the first time.
pub(crate) struct Compressed<R: Read> {
    decoder: Decoder<R>,
    /// It stopped in the middle of something, and this is why.
    broken: Option<String>,
}

enum Decoder<R: Read> {
    Gzip(MultiGzDecoder<Source<R>>),
    Zstd(Box<zstd::Decoder<Source<R>>>),
    Lz4(FrameDecoder<Source<R>>),
}

/// The rest of `input` decompressed, from its unread bytes on.
pub(crate) fn input<R: Read>(kind: Kind, mut input: Input<Stream<R>>) -> Result<Input<Stream<R>>, Error> {
    let begin = input.unread().to_vec();
    input.take_all();
    let stream = match input.stream {
        Stream::Plain(stream) => stream,
        // Nothing is decompressed twice.
        Stream::Compressed(_) => return Err(Error::UnknownFormat),
    };
    let source = Source::new(begin, stream);
    let decoder = match kind {
        Kind::Gzip => Decoder::Gzip(MultiGzDecoder::new(source)),
        Kind::Zstd => Decoder::Zstd(Box::new(zstd::Decoder::new(source))),
        Kind::Lz4 => Decoder::Lz4(FrameDecoder::new(source)),
    };
    Ok(Input::new(Stream::Compressed(Box::new(Compressed { decoder, broken: None })), true))
}

impl<R: Read> Decoder<R> {
    fn source(&mut self) -> &mut Source<R> {
        match self {
            Decoder::Gzip(decoder) => decoder.get_mut(),
            Decoder::Zstd(decoder) => decoder.get_mut(),
            Decoder::Lz4(decoder) => decoder.get_mut(),
        }
    }
}

impl<R: Read> Stream<R> {
    pub(crate) fn inner_mut(&mut self) -> &mut R {
        match self {
            Stream::Plain(stream) => stream,
            Stream::Compressed(compressed) => &mut compressed.decoder.source().stream,
        }
    }
}

impl<R: Read> Read for Stream<R> {
    #[inline(always)]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.read(buffer),
            Stream::Compressed(compressed) => compressed.read(buffer),
        }
    }
}

impl<R: Read> Read for Compressed<R> {
    #[cold]
    #[inline(never)]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(why) = &self.broken {
            return Err(io::Error::other(why.clone()));
        }
        let read = match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.read(buffer),
            Decoder::Zstd(decoder) => decoder.read(buffer),
            Decoder::Lz4(decoder) => decoder.read(buffer),
        };
        read.map_err(|error| {
            let error = self.decoder.source().failed.take().unwrap_or(error);
            self.broken = Some(Strerror(&error).to_string());
            error
        })
    }
}

/// The compressed bytes: those that told of it, then the stream's.
struct Source<R> {
    stream: R,
    block: Vec<u8>,
    start: usize,
    end: usize,
    /// Why the stream failed: decompressors put it into words of their own, and read on when it was a signal.
    failed: Option<io::Error>,
}

impl<R> Source<R> {
    const BLOCK: usize = 64 << 10;

    fn new(begin: Vec<u8>, stream: R) -> Source<R> {
        let mut block = begin;
        let end = block.len();
        block.resize(end.max(Self::BLOCK), 0);
        Source { stream, block, start: 0, end, failed: None }
    }
}

impl<R: Read> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            match self.stream.read(&mut self.block) {
                Ok(read) => (self.start, self.end) = (0, read.min(self.block.len())),
                Err(error) => {
                    self.failed = Some(error);
                    return Err(io::Error::other("the compressed stream failed"));
                }
            }
        }
        Ok(&self.block[self.start..self.end])
    }

    fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}
