//! Towards the application: what the host sends to the card.

use super::Diversion;
use crate::copying::{Filler, Source};
use crate::sys::interface::Interface;
use nm_core::PortError;
use nm_core::clock::Clock;
use nm_core::ring::slots::MAX_FRAME;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// Frames from the tap.
pub struct Sent {
    way: Arc<Diversion>,
    clock: Clock,
    /// The frame that was read last, and its length when it still waits for room.
    frame: Box<[u8]>,
    waiting: Option<usize>,
}

impl Sent {
    pub fn new(way: Arc<Diversion>) -> Sent {
        // One byte more than fits a ring, so that a longer frame is seen to be one.
        Sent { way, clock: Clock::new(), frame: vec![0; MAX_FRAME + 1].into(), waiting: None }
    }
}

impl Source for Sent {
    fn fd(&self) -> BorrowedFd<'_> {
        self.way.tap.as_fd()
    }

    fn pull(&mut self, to: &mut Filler<'_>) {
        loop {
            let len = match self.waiting.take() {
                Some(len) => len,
                // An error here is an interface that is down or gone: `check` tells which.
                None => match self.way.tap.read(&mut self.frame) {
                    Ok(Some(len)) => len,
                    Ok(None) | Err(_) => return,
                },
            };
            if !to.has_room(len) {
                self.waiting = Some(len);
                return;
            }
            to.put(&self.frame[..len], self.clock.now());
        }
    }

    fn has_more(&mut self) -> bool {
        self.waiting.is_some()
    }

    fn watch(&self) -> Option<BorrowedFd<'_>> {
        Some(self.way.watch.as_fd())
    }

    /// A card that is down comes up again, one that is gone does not.
    fn check(&mut self) -> Result<bool, PortError> {
        let _ = self.way.watch.take_error();
        Ok(!Interface::is_up(self.way.card.index).ok_or(PortError::Disappeared)?)
    }
}
