//! Towards the wire: frames straight to the card.

use crate::copying::Sink;
use crate::sys::packet::PacketSocket;
use std::io;
use std::sync::Arc;

/// A packet socket that sends.
pub struct Wire(pub Arc<PacketSocket>);

impl Sink for Wire {
    fn send<'a>(&mut self, mut frames: impl Iterator<Item = &'a [u8]>, nonblocking: bool) -> io::Result<usize> {
        match (frames.next(), frames.size_hint()) {
            (None, _) => Ok(0),
            (Some(frame), (0, Some(0))) => self.0.send(frame, nonblocking).map(|()| 1),
            (Some(frame), _) => self.0.send_many(std::iter::once(frame).chain(frames), nonblocking),
        }
    }
}
