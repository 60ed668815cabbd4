//! Writing capture files.
//!
//! - [`pcap`]: file and record headers as bytes, for who owns the stream, and a writer on top of them.
//! - [`append`]: whether frames may follow those that a file has.
//! - [`pcapng`]: a writer that names interfaces, keeps comments and counts what was lost.

pub mod append;
pub mod pcap;
pub mod pcapng;
