//! Towards the host: frames that it receives as from the card.

use super::Diversion;
use crate::copying::Sink;
use std::io;
use std::sync::Arc;

/// The host's side of the tap.
pub struct Received(pub Arc<Diversion>);

impl Sink for Received {
    fn send<'a>(&mut self, frames: impl Iterator<Item = &'a [u8]>, _nonblocking: bool) -> io::Result<usize> {
        let mut taken = 0;
        for frame in frames {
            match self.0.tap.write(frame) {
                Ok(()) => taken += 1,
                Err(e) if taken == 0 => return Err(e),
                Err(_) => break,
            }
        }
        Ok(taken)
    }
}
