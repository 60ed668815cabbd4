//! Ports whose frames are copied between a descriptor of the kernel's and a region of our own.
//!
//! A [`Source`] gives frames, a [`Sink`] takes them; [`open`] makes a port of the two. Rings, waiting, the descriptor
//! to select on, batches and counters are the same for all of them, and are here.
//!
//! ```text
//!   Source ──> Filler ──> our receive ring          [rx]
//!   inject, our transmit ring ──> Sink              [tx]
//! ```

mod control;
mod rx;
mod tx;

pub use control::{Control, Counters, KernelCounts};
pub use rx::Filler;

use nm_core::shm::layout::write_interface;
use nm_core::shm::mapping::Mapping;
use nm_core::{Port, PortError};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// Where frames come from.
pub trait Source: Send {
    /// Readable while there are frames.
    fn fd(&self) -> BorrowedFd<'_>;

    /// Has an error when something is to be looked at by [`Source::check`]; `None`: the first one has.
    fn watch(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Moves frames into the ring, while there are some and there is room for them.
    fn pull(&mut self, to: &mut Filler<'_>);

    /// As [`nm_core::PortRx::gathers`].
    fn gathers(&self) -> bool {
        false
    }

    /// A frame waits that there was no room for.
    fn has_more(&mut self) -> bool;

    /// What is wrong with the descriptors; true while the interface is down, when nobody tells that it goes away.
    ///
    /// # Errors
    /// [`PortError::Disappeared`] when nothing will come any more, or another one.
    fn check(&mut self) -> Result<bool, PortError>;

    /// As [`nm_core::PortRx::offer_filter`].
    fn offer_filter(&mut self, program: &[libc::sock_filter]) -> bool {
        let _ = program;
        false
    }
}

/// Where frames go.
pub trait Sink: Send {
    /// Sends frames in order: how many were taken. With `nonblocking` does not wait for room.
    ///
    /// # Errors
    /// Why the first was not taken: `ENOBUFS` or `EAGAIN` for no room, `EMSGSIZE` for one that is too long.
    fn send<'a>(&mut self, frames: impl Iterator<Item = &'a [u8]>, nonblocking: bool) -> io::Result<usize>;
}

/// Makes the port, with a region of the control's layout.
///
/// # Errors
/// [`PortError::Io`] when there is no memory for it.
pub fn open(
    control: Arc<Control>,
    source: impl Source + 'static,
    sink: impl Sink + 'static,
) -> Result<Port, PortError> {
    let layout = control.layout;
    let no_memory = |source| PortError::Io { what: format!("{}: memory", control.name), source };
    let mapping = Mapping::anonymous(layout.total_bytes()).map_err(no_memory)?;
    write_interface(&mapping, layout.interface(), layout.tx_ring(), layout.rx_ring(), &control.name);
    let too_short = || no_memory(io::ErrorKind::UnexpectedEof.into());
    let rx = rx::Rx::new(Arc::clone(&control), source, &mapping).ok_or_else(too_short)?;
    let tx = tx::Tx::new(Arc::clone(&control), sink, mapping);
    Ok(Port { rx: Box::new(rx), tx: Box::new(tx), control })
}
