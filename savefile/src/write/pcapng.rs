//! The next generation's format: one section, interfaces with names, frames with comments, statistics.
//!
//! ```text
//! section header     what wrote the file, on what
//! interface          link type, snap length, name; its number is its place
//! enhanced packet    the interface's number, time, lengths, the frame, a comment
//! statistics         what an interface received and lost
//! ```
//!
//! A block is its type, its length, its body, and its length again; everything is padded to four bytes. Time stamps are
//! nanoseconds. Follows draft-ietf-opsawg-pcapng.

use super::pcap::write_error;
use crate::{Error, linktype};
use std::io::Write;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;

// Options: those of every block, then the section's, an interface's, a packet's and those of statistics.
const END: u16 = 0;
const COMMENT: u16 = 1;
const HARDWARE: u16 = 2;
const OS: u16 = 3;
const APPLICATION: u16 = 4;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_TSRESOL: u16 = 9;
const IF_FILTER: u16 = 11;
const DROPPED_BEFORE: u16 = 4;
const STARTED: u16 = 2;
const ENDED: u16 = 3;
const RECEIVED: u16 = 4;
const DROPPED_BY_INTERFACE: u16 = 5;
const DROPPED_BY_SYSTEM: u16 = 7;

/// What a whole file says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// The machine.
    pub hardware: Option<String>,
    /// The operating system.
    pub os: Option<String>,
    /// The program that writes.
    pub application: Option<String>,
    /// Anything.
    pub comment: Option<String>,
}

/// Where frames come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// `DLT_`.
    pub dlt: i32,
    /// The most bytes of a frame that are kept; 0: all.
    pub snaplen: u32,
    /// As a user types it after `-i`.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// The filter's text.
    pub filter: Option<String>,
}

/// One of a file's interfaces, as [`Writer::interface`] numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceId(u32);

/// A frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Nanoseconds since 1970.
    pub time_ns: u64,
    /// Bytes on the wire.
    pub wire_len: u32,
    /// Those that were kept.
    pub bytes: &'a [u8],
    /// Frames lost on the interface between the one before and this one, where that is known.
    pub dropped: Option<u64>,
    /// Anything.
    pub comment: Option<&'a str>,
}

/// What an interface counted; what it does not know is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// When the capture began, nanoseconds since 1970.
    pub started_ns: Option<u64>,
    /// When it ended.
    pub ended_ns: Option<u64>,
    /// Frames received.
    pub received: Option<u64>,
    /// Frames that the interface dropped (`ps_ifdrop`).
    pub dropped_by_interface: Option<u64>,
    /// Frames dropped for want of room (`ps_drop`).
    pub dropped_by_system: Option<u64>,
    /// Anything.
    pub comment: Option<String>,
}

/// Writes a file of one section. Give it a [`std::io::BufWriter`]. A block is written whole or not begun, as far as that is
/// ours to say: one whose parts don't fit is refused first.
///
/// ```
/// use savefile::write::pcapng::{Frame, Interface, Section, Statistics, Writer};
///
/// let mut writer = Writer::new(Vec::new(), &Section { application: Some("example".into()), ..Section::default() })?;
/// let port = writer.interface(&Interface { dlt: 1, name: Some("vale0:a".into()), ..Interface::default() })?;
/// writer.frame(port, &Frame { time_ns: 1_700_000_000_000_000_000, wire_len: 60, bytes: &[0; 60], ..Frame::default() })?;
/// writer.statistics(port, 1_700_000_001_000_000_000, &Statistics { dropped_by_system: Some(3), ..Statistics::default() })?;
/// let bytes = writer.into_inner()?;
/// # Ok::<(), savefile::Error>(())
/// ```
#[derive(Debug)]
pub struct Writer<W: Write> {
    to: W,
    interfaces: u32,
    block: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes the section's header.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for a text of 64 KiB, [`Error::Write`].
    pub fn new(to: W, section: &Section) -> Result<Writer<W>, Error> {
        let mut writer = Writer { to, interfaces: 0, block: Vec::new() };
        writer.begin(SECTION);
        writer.put_u32(BYTE_ORDER);
        writer.put(&1u16.to_ne_bytes());
        writer.put(&0u16.to_ne_bytes());
        // The section's length: not known, it ends with the file.
        writer.put(&(-1i64).to_ne_bytes());
        writer.text(HARDWARE, section.hardware.as_deref())?;
        writer.text(OS, section.os.as_deref())?;
        writer.text(APPLICATION, section.application.as_deref())?;
        writer.text(COMMENT, section.comment.as_deref())?;
        writer.option(END, &[])?;
        writer.end()?;
        Ok(writer)
    }

    /// Adds an interface.
    ///
    /// # Errors
    /// [`Error::NotSaveable`] for a link type without a number in files, [`Error::TooLarge`] for a text of 64 KiB,
    /// [`Error::Write`].
    pub fn interface(&mut self, interface: &Interface) -> Result<InterfaceId, Error> {
        let unknown = Error::NotSaveable { dlt: interface.dlt };
        let Some(linktype) = linktype::from_dlt(interface.dlt).and_then(|l| u16::try_from(l).ok()) else {
            return Err(unknown);
        };
        self.begin(INTERFACE);
        self.put(&linktype.to_ne_bytes());
        self.put(&[0; 2]);
        self.put_u32(interface.snaplen);
        self.text(IF_NAME, interface.name.as_deref())?;
        self.text(IF_DESCRIPTION, interface.description.as_deref())?;
        if let Some(filter) = &interface.filter {
            // A zero before it says that it is a text.
            self.option(IF_FILTER, &[&[0], filter.as_bytes()].concat())?;
        }
        self.option(IF_TSRESOL, &[9])?;
        self.option(END, &[])?;
        self.end()?;
        self.interfaces += 1;
        Ok(InterfaceId(self.interfaces - 1))
    }

    /// Writes a frame that came from `interface`.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for a frame of 4 GiB or a comment of 64 KiB, [`Error::Write`].
    ///
    /// # Panics
    /// When `interface` is another file's.
    pub fn frame(&mut self, interface: InterfaceId, frame: &Frame<'_>) -> Result<(), Error> {
        self.known(interface);
        let caplen = u32::try_from(frame.bytes.len()).map_err(|_| Error::TooLarge { what: "a frame's length" })?;
        self.begin(ENHANCED_PACKET);
        self.put_u32(interface.0);
        self.time(frame.time_ns);
        self.put_u32(caplen);
        self.put_u32(frame.wire_len);
        self.put(frame.bytes);
        self.pad();
        self.count(DROPPED_BEFORE, frame.dropped)?;
        self.text(COMMENT, frame.comment)?;
        if frame.dropped.is_some() || frame.comment.is_some() {
            self.option(END, &[])?;
        }
        self.end()
    }

    /// Writes what `interface` had counted at a time, nanoseconds since 1970. May be written more than once: the last
    /// one counts.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for a comment of 64 KiB, [`Error::Write`].
    ///
    /// # Panics
    /// When `interface` is another file's.
    pub fn statistics(&mut self, interface: InterfaceId, time_ns: u64, of: &Statistics) -> Result<(), Error> {
        self.known(interface);
        self.begin(STATISTICS);
        self.put_u32(interface.0);
        self.time(time_ns);
        for (code, time) in [(STARTED, of.started_ns), (ENDED, of.ended_ns)] {
            if let Some(time) = time {
                self.option(code, &halves(time))?;
            }
        }
        self.count(RECEIVED, of.received)?;
        self.count(DROPPED_BY_INTERFACE, of.dropped_by_interface)?;
        self.count(DROPPED_BY_SYSTEM, of.dropped_by_system)?;
        self.text(COMMENT, of.comment.as_deref())?;
        self.option(END, &[])?;
        self.end()
    }

    /// Writes out what a buffer below still holds.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn flush(&mut self) -> Result<(), Error> {
        self.to.flush().map_err(write_error)
    }

    /// Flushes, and gives back what was written to.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn into_inner(mut self) -> Result<W, Error> {
        self.flush()?;
        Ok(self.to)
    }

    fn known(&self, interface: InterfaceId) {
        assert!(interface.0 < self.interfaces, "interface {} is none of this file's", interface.0);
    }

    fn begin(&mut self, kind: u32) {
        self.block.clear();
        self.put_u32(kind);
        // The length comes when it is known.
        self.put_u32(0);
    }

    fn end(&mut self) -> Result<(), Error> {
        let len = u32::try_from(self.block.len() + 4).map_err(|_| Error::TooLarge { what: "a block's length" })?;
        self.block[4..8].copy_from_slice(&len.to_ne_bytes());
        self.put_u32(len);
        self.to.write_all(&self.block).map_err(write_error)
    }

    fn put(&mut self, bytes: &[u8]) {
        self.block.extend_from_slice(bytes);
    }

    fn put_u32(&mut self, word: u32) {
        self.put(&word.to_ne_bytes());
    }

    fn pad(&mut self) {
        let len = self.block.len().next_multiple_of(4);
        self.block.resize(len, 0);
    }

    fn time(&mut self, time_ns: u64) {
        self.put(&halves(time_ns));
    }

    fn option(&mut self, code: u16, value: &[u8]) -> Result<(), Error> {
        let len = u16::try_from(value.len()).map_err(|_| Error::TooLarge { what: "an option's length" })?;
        self.put(&code.to_ne_bytes());
        self.put(&len.to_ne_bytes());
        self.put(value);
        self.pad();
        Ok(())
    }

    fn text(&mut self, code: u16, text: Option<&str>) -> Result<(), Error> {
        text.map_or(Ok(()), |text| self.option(code, text.as_bytes()))
    }

    fn count(&mut self, code: u16, count: Option<u64>) -> Result<(), Error> {
        count.map_or(Ok(()), |count| self.option(code, &count.to_ne_bytes()))
    }
}

/// A time is two words, the upper one first whatever the byte order.
fn halves(time_ns: u64) -> [u8; 8] {
    let [upper, lower] = [(time_ns >> 32) as u32, time_ns as u32].map(u32::to_ne_bytes);
    let mut both = [0; 8];
    both[..4].copy_from_slice(&upper);
    both[4..].copy_from_slice(&lower);
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(mut bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let word = |bytes: &[u8]| u32::from_ne_bytes(bytes[..4].try_into().expect("four bytes"));
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let len = word(&bytes[4..]) as usize;
            assert_eq!((len % 4, word(&bytes[len - 4..]) as usize), (0, len));
            found.push((word(bytes), bytes[8..len - 4].to_vec()));
            bytes = &bytes[len..];
        }
        found
    }

    fn empty() -> Writer<Vec<u8>> {
        Writer::new(Vec::new(), &Section::default()).expect("memory takes all")
    }

    #[test]
    fn blocks_are_whole_and_padded() {
        let section = Section { comment: Some("odd".into()), ..Section::default() };
        let mut writer = Writer::new(Vec::new(), &section).expect("memory takes all");
        let interface = Interface { dlt: 12, name: Some("vale0:a".into()), ..Interface::default() };
        let id = writer.interface(&interface).expect("memory takes all");
        let frame =
            Frame { time_ns: 0x1_2345_6789, wire_len: 9, bytes: b"abcde", dropped: Some(2), comment: Some("x") };
        writer.frame(id, &frame).expect("memory takes all");
        writer.statistics(id, 7, &Statistics { received: Some(1), ..Statistics::default() }).expect("memory takes all");
        let blocks = blocks(&writer.into_inner().expect("memory takes all"));
        assert_eq!(blocks.iter().map(|b| b.0).collect::<Vec<_>>(), [SECTION, INTERFACE, ENHANCED_PACKET, STATISTICS]);
        assert_eq!(blocks[1].1[..2], 101u16.to_ne_bytes());
        let expected: Vec<u8> = [
            &[0u32, 1, 0x2345_6789, 5, 9].map(u32::to_ne_bytes).concat()[..],
            b"abcde\0\0\0",
            &[4u16, 8].map(u16::to_ne_bytes).concat(),
            &2u64.to_ne_bytes(),
            &[1u16, 1].map(u16::to_ne_bytes).concat(),
            b"x\0\0\0",
            &[0; 4],
        ]
        .concat();
        assert_eq!(blocks[2].1, expected);
    }

    #[test]
    fn what_does_not_fit_is_refused_and_nothing_of_it_written() {
        let mut writer = empty();
        let name = Some("n".repeat(65_536));
        let long = writer.interface(&Interface { dlt: 1, name, ..Interface::default() });
        assert!(matches!(long, Err(Error::TooLarge { .. })));
        let unknown = writer.interface(&Interface { dlt: 13, ..Interface::default() });
        assert!(matches!(unknown, Err(Error::NotSaveable { dlt: 13 })));
        let id = writer.interface(&Interface { dlt: 1, ..Interface::default() }).expect("memory takes all");
        assert_eq!(id, InterfaceId(0));
        assert_eq!(blocks(&writer.into_inner().expect("memory takes all")).len(), 2);
    }

    #[test]
    #[should_panic(expected = "none of this file's")]
    fn an_interface_of_another_file() {
        let _ = empty().frame(InterfaceId(0), &Frame::default());
    }
}
