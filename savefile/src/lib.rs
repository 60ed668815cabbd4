//! Capture files: pcap and pcapng, read and written.
//!
//! Knows nothing of rings and nothing of C. Every length in a file is a claim: memory grows with the bytes that arrive, never
//! with what a header promises.
//!
//! - [`error`] has what can go wrong, in libpcap's words.
//! - [`linktype`] maps the link types of files, `LINKTYPE_`, to those of handles, `DLT_`, and back.
//! - [`write`] writes files.
#![forbid(unsafe_code)]

pub mod error;
pub mod linktype;
pub mod write;

pub use error::Error;

/// What the fractions of a second in a frame's time count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Microseconds.
    #[default]
    Micro,
    /// Nanoseconds.
    Nano,
}
