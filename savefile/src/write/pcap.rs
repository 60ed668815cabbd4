//! The classic format: a header of 24 bytes, then records of 16 bytes and a frame. Always in this machine's byte order.
//!
//! Follows pcap-savefile(5).

use crate::{Error, Precision, linktype};
use std::io::{self, Write};

/// Seconds and microseconds follow.
pub(crate) const MAGIC_MICRO: u32 = 0xa1b2_c3d4;
/// Seconds and nanoseconds follow.
pub(crate) const MAGIC_NANO: u32 = 0xa1b2_3c4d;
/// The format's version.
pub(crate) const VERSION: (u16, u16) = (2, 4);
/// Bytes of a file's header.
pub const HEADER: usize = 24;
/// Bytes before each frame.
pub const RECORD_HEADER: usize = 16;

/// What a file says before its first frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// `LINKTYPE_`, with what stands in the bits above it (FCS length).
    pub linktype: u32,
    /// The most bytes of a frame that are kept; may be any number.
    pub snaplen: u32,
    /// Of its time stamps.
    pub precision: Precision,
}

impl Header {
    /// For frames of a handle.
    ///
    /// # Errors
    /// [`Error::NotSaveable`]: files have no number for this link type.
    pub fn of_handle(dlt: i32, linktype_ext: u32, snaplen: u32, precision: Precision) -> Result<Header, Error> {
        let linktype = linktype::from_dlt(dlt).ok_or(Error::NotSaveable { dlt })?;
        Ok(Header { linktype: linktype | linktype_ext, snaplen, precision })
    }

    /// As it stands in a file.
    pub fn to_bytes(self) -> [u8; HEADER] {
        let magic = match self.precision {
            Precision::Micro => MAGIC_MICRO,
            Precision::Nano => MAGIC_NANO,
        };
        let mut bytes = [0; HEADER];
        bytes[0..4].copy_from_slice(&magic.to_ne_bytes());
        bytes[4..6].copy_from_slice(&VERSION.0.to_ne_bytes());
        bytes[6..8].copy_from_slice(&VERSION.1.to_ne_bytes());
        // Time zone and accuracy are always 0.
        bytes[16..20].copy_from_slice(&self.snaplen.to_ne_bytes());
        bytes[20..24].copy_from_slice(&self.linktype.to_ne_bytes());
        bytes
    }
}

/// What stands before a frame: seconds, their fraction in the file's precision, bytes kept, bytes on the wire.
#[inline]
pub fn record_header(seconds: u32, fraction: u32, caplen: u32, len: u32) -> [u8; RECORD_HEADER] {
    let mut bytes = [0; RECORD_HEADER];
    bytes[0..4].copy_from_slice(&seconds.to_ne_bytes());
    bytes[4..8].copy_from_slice(&fraction.to_ne_bytes());
    bytes[8..12].copy_from_slice(&caplen.to_ne_bytes());
    bytes[12..16].copy_from_slice(&len.to_ne_bytes());
    bytes
}

/// Writes a file. Give it a [`std::io::BufWriter`]: each frame is two small writes.
///
/// ```
/// use savefile::Precision;
/// use savefile::write::pcap::{Header, Writer};
///
/// let header = Header::of_handle(1, 0, 262_144, Precision::Nano)?;
/// let mut writer = Writer::new(Vec::new(), header)?;
/// writer.frame(1_700_000_000_123_456_789, 1514, &[0; 64])?;
/// assert_eq!(writer.into_inner()?.len(), 24 + 16 + 64);
/// # Ok::<(), savefile::Error>(())
/// ```
#[derive(Debug)]
pub struct Writer<W: Write> {
    to: W,
    precision: Precision,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn new(mut to: W, header: Header) -> Result<Writer<W>, Error> {
        to.write_all(&header.to_bytes()).map_err(write_error)?;
        Ok(Writer { to, precision: header.precision })
    }

    /// Writes a frame: nanoseconds since 1970, bytes on the wire, and those that were kept.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for a time after February 2106 or 4 GiB of bytes, [`Error::Write`].
    pub fn frame(&mut self, time_ns: u64, wire_len: u32, bytes: &[u8]) -> Result<(), Error> {
        let too_large = |what| move |_| Error::TooLarge { what };
        let seconds = u32::try_from(time_ns / 1_000_000_000).map_err(too_large("a pcap file's seconds"))?;
        let caplen = u32::try_from(bytes.len()).map_err(too_large("a frame's length"))?;
        let ns = (time_ns % 1_000_000_000) as u32;
        let fraction = match self.precision {
            Precision::Micro => ns / 1000,
            Precision::Nano => ns,
        };
        self.to.write_all(&record_header(seconds, fraction, caplen, wire_len)).map_err(write_error)?;
        self.to.write_all(bytes).map_err(write_error)
    }

    /// Flushes, and gives back what was written to.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn into_inner(mut self) -> Result<W, Error> {
        self.to.flush().map_err(write_error)?;
        Ok(self.to)
    }
}

pub(crate) fn write_error(source: io::Error) -> Error {
    Error::Write { source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_microseconds() {
        let header = Header::of_handle(12, 0x2400_0000, 96, Precision::Micro).expect("raw IP has a number");
        let mut writer = Writer::new(Vec::new(), header).expect("memory takes all");
        writer.frame(4_000_000_001_999_999_999, 70, b"abcde").expect("memory takes all");
        let bytes = writer.into_inner().expect("memory takes all");
        let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        assert_eq!([0, 8, 12, 16, 20].map(word), [MAGIC_MICRO, 0, 0, 96, 0x2400_0065]);
        assert_eq!([24, 28, 32, 36].map(word), [4_000_000_001, 999_999, 5, 70]);
        assert_eq!(&bytes[40..], b"abcde");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(matches!(Header::of_handle(147_000, 0, 1, Precision::Micro), Err(Error::NotSaveable { dlt: 147_000 })));
        let header = Header { linktype: 1, snaplen: 1, precision: Precision::Nano };
        let mut writer = Writer::new(Vec::new(), header).expect("memory takes all");
        let late = (u64::from(u32::MAX) + 1) * 1_000_000_000;
        assert!(matches!(writer.frame(late, 1, b"a"), Err(Error::TooLarge { .. })));
        writer.frame(late - 1, 1, b"a").expect("the last nanosecond");
    }

    #[test]
    fn a_full_disk_is_told() {
        let mut room = [0u8; 30];
        let header = Header { linktype: 1, snaplen: 1, precision: Precision::Nano };
        let mut writer = Writer::new(&mut room[..], header).expect("the header fits");
        assert!(matches!(writer.frame(0, 1, b"a"), Err(Error::Write { .. })));
    }
}
