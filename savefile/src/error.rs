//! What can go wrong with a capture file, in libpcap's words: programs match on them.

use std::fmt;
use std::io;

/// An error of a capture file. Its text is what `pcap_geterr` gives.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The stream failed. Nothing is lost: the next call goes on where this one stopped.
    Read {
        /// What the system, or what decompresses, said.
        source: io::Error,
    },
    /// The file ends inside its header.
    ShortFileHeader {
        /// Bytes of the header.
        wanted: usize,
        /// Bytes that were there.
        got: usize,
    },
    /// The file ends inside a frame's header.
    ShortHeader {
        /// Bytes of the header.
        wanted: usize,
        /// Bytes that were there.
        got: usize,
    },
    /// The file ends inside a frame.
    ShortFrame {
        /// Bytes of the frame.
        wanted: u32,
        /// Bytes that were there.
        got: usize,
    },
    /// A pcapng file ends inside a block.
    ShortBlock {
        /// Bytes of the block, as far as they were asked for at once.
        wanted: usize,
        /// Bytes that were there.
        got: usize,
    },
    /// Neither pcap nor pcapng, nor one of them compressed.
    UnknownFormat,
    /// A pcap file older than version 2.
    Archaic,
    /// A pcap file of a version that nobody knows.
    Version {
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// A frame longer than the file's snap length, and too long to be believed.
    BeyondSnaplen {
        /// Bytes of the frame.
        caplen: u32,
        /// The file's snap length.
        snaplen: u32,
    },
    /// A frame too long to be believed.
    BeyondMaximum {
        /// Bytes of the frame.
        caplen: u32,
        /// The longest of the link type.
        maximum: u32,
    },
    /// What a pcapng file has wrong beside its length.
    Pcapng(PcapngError),
    /// The stream is compressed in a way that would need too much memory.
    Window {
        /// Bytes of memory that the stream's header asks for.
        asked: u64,
        /// Bytes that it gets at most.
        allowed: u64,
    },
    /// The output failed.
    Write {
        /// What the system said.
        source: io::Error,
    },
    /// Frames of this link type can't be saved: files have no number for it.
    NotSaveable {
        /// The handle's link type.
        dlt: i32,
    },
    /// Something has no room in the format.
    TooLarge {
        /// What.
        what: &'static str,
    },
}

/// What can be wrong inside a pcapng file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PcapngError {
    /// The first section header's length is impossible.
    SectionLength(u32),
    /// The first section's version is not known: major, minor.
    Version(u16, u16),
    /// A later section's major version is not known.
    LaterVersion(u16),
    /// A block is shorter than its own frame.
    BlockTooShort(u32),
    /// A block's length is no multiple of four.
    BlockOdd(u32),
    /// A block is longer than any that is read: its length, the longest.
    BlockTooLong(u32, u32),
    /// A block's lengths, before and after it, differ.
    BlockTrailer,
    /// A block of this type ends inside its fixed part, an option or a frame.
    BlockCut(u32),
    /// No interface is described.
    NoInterface,
    /// A frame comes before any interface.
    FrameBeforeInterface,
    /// A frame came from an interface that is not described.
    UnknownInterface(u32),
    /// An interface has another link type than the first.
    MixedLinktypes(u16),
    /// An interface has another snap length than the first.
    MixedSnaplens(u32),
    /// The byte order changes between sections.
    MixedByteOrders,
    /// A section header has no byte order.
    NoByteOrder,
    /// More kinds of interfaces than are kept.
    TooManyInterfaces(u32),
    /// The end of options has a length.
    EndWithLength(u16),
    /// `if_tsresol` has another length than 1.
    ResolutionLength(u16),
    /// `if_tsresol` twice.
    ResolutionTwice,
    /// `if_tsresol` is a power that no counter has: base, exponent.
    ResolutionTooHigh(u8, u8),
    /// `if_tsoffset` has another length than 8.
    OffsetLength(u16),
    /// `if_tsoffset` twice.
    OffsetTwice,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = "truncated dump file; tried to read";
        match self {
            Error::Read { source } => write!(f, "error reading dump file: {}", Strerror(source)),
            Error::ShortFileHeader { wanted, got } => write!(f, "{cut} {wanted} file header bytes, only got {got}"),
            Error::ShortHeader { wanted, got } => write!(f, "{cut} {wanted} header bytes, only got {got}"),
            Error::ShortFrame { wanted, got } => write!(f, "{cut} {wanted} captured bytes, only got {got}"),
            Error::ShortBlock { wanted, got } => {
                write!(f, "truncated pcapng dump file; tried to read {wanted} bytes, only got {got}")
            }
            Error::UnknownFormat => f.write_str("unknown file format"),
            Error::Archaic => f.write_str("archaic pcap savefile format"),
            Error::Version { major, minor } => write!(f, "unsupported pcap savefile version {major}.{minor}"),
            Error::BeyondSnaplen { caplen, snaplen } => {
                write!(f, "invalid packet capture length {caplen}, bigger than snaplen of {snaplen}")
            }
            Error::BeyondMaximum { caplen, maximum } => {
                write!(f, "invalid packet capture length {caplen}, bigger than maximum of {maximum}")
            }
            Error::Pcapng(error) => error.fmt(f),
            Error::Write { source } => write!(f, "error writing dump file: {}", Strerror(source)),
            Error::NotSaveable { dlt } => write!(f, "link-layer type {dlt} isn't supported in savefiles"),
            Error::TooLarge { what } => write!(f, "{what} is more than the file format has room for"),
            Error::Window { asked, allowed } => {
                write!(f, "the compressed file asks for a window of {asked} bytes, more than {allowed}")
            }
        }
    }
}

impl fmt::Display for PcapngError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use PcapngError::*;
        let description = "Interface Description Block";
        match *self {
            SectionLength(length) => write!(
                f,
                "Section Header Block in pcapng dump file has invalid length 28 < _{length}_ < 1048576 (BT_SHB_INSANE_MAX)"
            ),
            Version(major, minor) => write!(f, "unsupported pcapng savefile version {major}.{minor}"),
            LaterVersion(major) => write!(f, "unknown pcapng savefile major version number {major}"),
            BlockTooShort(length) => write!(f, "block in pcapng dump file has a length of {length} < 12"),
            BlockOdd(length) => {
                write!(f, "block in pcapng dump file has a length of {length} that is not a multiple of 4")
            }
            BlockTooLong(length, maximum) => write!(f, "pcapng block size {length} > maximum {maximum}"),
            BlockTrailer => f.write_str("block total length in header and trailer don't match"),
            BlockCut(kind) => write!(f, "block of type {kind} in pcapng dump file is too short"),
            NoInterface => write!(f, "the capture file has no {description}s"),
            FrameBeforeInterface => write!(f, "the capture file has a packet block before any {description}s"),
            UnknownInterface(id) => {
                write!(f, "a packet arrived on interface {id}, but there's no {description} for that interface")
            }
            MixedLinktypes(linktype) => {
                write!(f, "an interface has a type {linktype} different from the type of the first interface")
            }
            MixedSnaplens(snaplen) => write!(
                f,
                "an interface has a snapshot length {snaplen} different from the snapshot length of the first interface"
            ),
            MixedByteOrders => f.write_str("the file has sections with different byte orders"),
            NoByteOrder => f.write_str("the file has a section with a bad byte order magic field"),
            TooManyInterfaces(most) => write!(f, "more than {most} interfaces in the file"),
            EndWithLength(length) => write!(f, "{description} has opt_endofopt option with length {length} != 0"),
            ResolutionLength(length) => write!(f, "{description} has if_tsresol option with length {length} != 1"),
            ResolutionTwice => write!(f, "{description} has more than one if_tsresol option"),
            ResolutionTooHigh(base, exponent) => {
                write!(f, "{description} if_tsresol option resolution {base}^-{exponent} is too high")
            }
            OffsetLength(length) => write!(f, "{description} has if_tsoffset option with length {length} != 8"),
            OffsetTwice => write!(f, "{description} has more than one if_tsoffset option"),
        }
    }
}

impl std::error::Error for PcapngError {}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Read { source } | Error::Write { source } => Some(source),
            Error::Pcapng(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    /// A failed read; one of ours that went through a decompressor comes out as it was.
    #[cold]
    fn from(source: io::Error) -> Error {
        match source.downcast::<Error>() {
            Ok(own) => own,
            Err(source) => Error::Read { source },
        }
    }
}

impl From<PcapngError> for Error {
    #[cold]
    fn from(error: PcapngError) -> Error {
        Error::Pcapng(error)
    }
}

/// An error of the system as strerror(3) words it: without the number that Rust adds.
pub struct Strerror<'a>(pub &'a io::Error);

impl fmt::Display for Strerror<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        match (self.0.raw_os_error(), text.rfind(" (os error ")) {
            (Some(_), Some(end)) => f.write_str(&text[..end]),
            _ => f.write_str(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_errors_are_worded_as_c_does() {
        assert_eq!(Strerror(&io::Error::from_raw_os_error(28)).to_string(), "No space left on device");
        assert_eq!(Strerror(&io::Error::other("torn")).to_string(), "torn");
    }

    #[test]
    fn an_error_of_ours_survives_a_reader_between() {
        let wrapped = io::Error::other(Error::Window { asked: 9, allowed: 8 });
        assert!(matches!(Error::from(wrapped), Error::Window { asked: 9, allowed: 8 }));
        let text = Error::from(io::Error::from_raw_os_error(4)).to_string();
        assert_eq!(text, "error reading dump file: Interrupted system call");
    }
}
