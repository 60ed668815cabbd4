//! What can go wrong with a capture file, in libpcap's words: programs match on them.

use std::fmt;
use std::io;

/// An error of a capture file. Its text is what `pcap_geterr` gives.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The input failed.
    Read {
        /// What the system said.
        source: io::Error,
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Write { source } => write!(f, "error writing dump file: {}", Strerror(source)),
            Error::NotSaveable { dlt } => write!(f, "link-layer type {dlt} isn't supported in savefiles"),
            Error::TooLarge { what } => write!(f, "{what} is more than the file format has room for"),
            Error::Read { source } => write!(f, "error reading dump file: {}", Strerror(source)),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Read { source } | Error::Write { source } => Some(source),
            _ => None,
        }
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
}
