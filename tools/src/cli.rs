//! The frame around every tool: how it ends, what it prints where.
//!
//! Results go to standard output; progress and complaints go to standard error. A tool exits with 0 when it did
//! what was asked, 1 when it could not, 2 when it was asked wrongly.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// Why a tool ends without having done what was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The options make no sense: exit status 2 and a hint at `--help`.
    Usage(String),
    /// It could not be done: exit status 1.
    Failed(String),
    /// As [`Error::Failed`] with an exit status of its own.
    Status(u8, String),
    /// Whoever read our standard output is gone: exit quietly.
    OutputClosed,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(text) | Error::Failed(text) | Error::Status(_, text) => f.write_str(text),
            Error::OutputClosed => f.write_str("standard output was closed"),
        }
    }
}

impl std::error::Error for Error {}

impl From<lexopt::Error> for Error {
    fn from(e: lexopt::Error) -> Self {
        Error::Usage(e.to_string())
    }
}

impl From<nm_core::PortError> for Error {
    fn from(e: nm_core::PortError) -> Self {
        Error::Failed(e.to_string())
    }
}

impl From<crate::pcap::PcapError> for Error {
    fn from(e: crate::pcap::PcapError) -> Self {
        Error::Failed(e.to_string())
    }
}

impl Error {
    /// An [`Error::Failed`] that says what was tried.
    pub fn io(what: impl fmt::Display, source: impl fmt::Display) -> Error {
        Error::Failed(format!("{what}: {source}"))
    }
}

/// Runs a tool's body and turns its result into the exit status, complaints going to standard error as
/// `tool: sentence`.
pub fn run(tool: &str, body: impl FnOnce() -> Result<(), Error>) -> ExitCode {
    let (status, text) = match body() {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Error::OutputClosed) => return ExitCode::SUCCESS,
        Err(Error::Usage(text)) => (2, format!("{text}\nTry '{tool} --help'.")),
        Err(Error::Failed(text)) => (1, text),
        Err(Error::Status(status, text)) => (status, text),
    };
    warn(tool, &text);
    ExitCode::from(status)
}

/// Writes to standard output.
///
/// # Errors
/// [`Error::OutputClosed`] when nobody reads it any more, [`Error::Failed`] when it can't be written.
pub fn out(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|e| match e.kind() {
        io::ErrorKind::BrokenPipe => Error::OutputClosed,
        _ => Error::io("standard output", e),
    })
}

/// Writes a line `tool: text` to standard error; a standard error that can't be written is nobody's concern.
pub fn warn(tool: &str, text: &str) {
    let _ = writeln!(io::stderr().lock(), "{tool}: {text}");
}

/// The value of the option just read, through `parse`.
///
/// # Errors
/// [`Error::Usage`] when it is missing, is no text, or `parse` refuses it with a sentence.
pub fn value<T>(
    options: &mut lexopt::Parser,
    option: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, Error> {
    let value = options.value()?;
    let text = value.to_str().ok_or_else(|| Error::Usage(format!("{option}: {value:?} is not text")))?;
    parse(text).map_err(|why| Error::Usage(format!("{option} {text}: {why}")))
}

/// A value that is taken as it is.
///
/// # Errors
/// Never; the type is that of [`value`]'s parser.
pub fn text(value: &str) -> Result<String, String> {
    Ok(value.to_string())
}
