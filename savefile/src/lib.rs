//! Capture files: pcap and pcapng, read and written.
//!
//! Knows nothing of rings and nothing of C. Every length in a file is a claim: memory grows with the bytes that arrive, never
//! with what a header promises.
//!
//! - [`Reader`] hands out frames in place: `rx.rs`. It takes a block of the stream at a time (`input.rs`), decompressed
//!   where need be (`compressed.rs`), and leaves what a frame is to `pcap.rs` and `pcapng.rs`; `pseudo.rs` knows the link
//!   types whose first bytes depend on who captured.
//! - [`error`] has what can go wrong, in libpcap's words.
//! - [`linktype`] maps the link types of files, `LINKTYPE_`, to those of handles, `DLT_`, and back.
//! - [`write`] writes files.
#![forbid(unsafe_code)]

mod compressed;
pub mod error;
mod input;
pub mod linktype;
mod pcap;
mod pcapng;
mod pseudo;
mod rx;
pub mod write;

pub use error::Error;
pub use input::BLOCK;
pub use rx::{Buffered, Frame, Info, Reader};

/// What the fractions of a second in a frame's time count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Microseconds.
    #[default]
    Micro,
    /// Nanoseconds.
    Nano,
}
