//! Towards the application: frames of the kernel's ring, whole again.

use super::filter;
use crate::copying::{Filler, Source};
use crate::sys::interface::Interface;
use crate::sys::packet::{Captured, PacketSocket, RESERVE, ReceiveRing};
use crate::times::Times;
use nm_core::PortError;
use nm_core::ring::slots::MAX_FRAME;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bytes of both Ethernet addresses: behind them stands a VLAN tag.
const ADDRESSES: usize = 12;

/// A packet socket's frames.
pub struct Frames<R> {
    name: String,
    ifindex: u32,
    /// It was down when it was last looked at.
    down: bool,
    socket: Arc<PacketSocket>,
    ring: R,
    /// Makes times of the card's stamps.
    card_times: Option<Times>,
    /// A frame that came by the queue.
    large: Vec<u8>,
}

impl<R> Frames<R> {
    pub fn new(name: String, ifindex: u32, socket: Arc<PacketSocket>, ring: R, card_times: Option<Times>) -> Frames<R> {
        Frames { name, ifindex, down: false, socket, ring, card_times, large: Vec::new() }
    }
}

impl<R: ReceiveRing> Source for Frames<R> {
    fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn pull(&mut self, to: &mut Filler<'_>) {
        while let Some(captured) = self.ring.front() {
            // What it will be with its tag in it.
            let len = captured.len as usize + if captured.vlan.is_some() { RESERVE } else { 0 };
            if captured.outgoing {
                // ORDER: Relaxed; a counter.
                to.counters.lost.fetch_add(1, Ordering::Relaxed);
            } else {
                if !to.has_room(len) {
                    break;
                }
                let time_ns = match &mut self.card_times {
                    Some(times) if captured.by_card => times.realtime(captured.time_ns),
                    _ => captured.time_ns,
                };
                match whole(captured, &mut self.large, &self.socket) {
                    // The queue had no room for it.
                    Ok(frame) if frame.len() < len.min(MAX_FRAME) => to.lose(&to.counters.dropped_full),
                    Ok(frame) => to.put(frame, time_ns),
                    Err(Malformed) => to.lose(&to.counters.malformed),
                }
            }
            self.ring.give_back();
        }
    }

    fn gathers(&self) -> bool {
        R::GATHERS
    }

    fn has_more(&mut self) -> bool {
        self.ring.front().is_some()
    }

    /// An interface that is down comes up again, one that is gone does not.
    fn check(&mut self) -> Result<bool, PortError> {
        let other = |source: io::Error| PortError::Io { what: format!("{}: receive", self.name), source };
        match self.socket.take_error().map_err(other)? {
            None if !self.down => return Ok(false),
            Some(e) if e.raw_os_error() != Some(libc::ENETDOWN) => return Err(other(e)),
            _ => {}
        }
        self.down = !Interface::is_up(self.ifindex).ok_or(PortError::Disappeared)?;
        Ok(self.down)
    }

    fn offer_filter(&mut self, program: &[libc::sock_filter]) -> bool {
        let attached = filter::for_kernel(program).is_some_and(|p| self.socket.attach(&p).is_ok());
        if !attached {
            self.socket.detach();
        }
        attached
    }
}

/// A frame whose header makes no sense.
struct Malformed;

/// The bytes of a frame, its VLAN tag put back: in the kernel's ring, or in `large` when it came by the queue.
fn whole<'a>(captured: Captured<'a>, large: &'a mut Vec<u8>, socket: &PacketSocket) -> Result<&'a [u8], Malformed> {
    let frame = if captured.queued {
        // One byte more than fits a ring, so that a longer frame is seen to be one.
        large.resize(RESERVE + MAX_FRAME + 1, 0);
        let n = socket.take_queued(&mut large[RESERVE..]).ok_or(Malformed)?;
        &mut large[..RESERVE + n]
    } else {
        captured.bytes
    };
    if frame.len() < RESERVE {
        return Err(Malformed);
    }
    match captured.vlan {
        Some((protocol, tag)) if frame.len() >= RESERVE + ADDRESSES => {
            frame.copy_within(RESERVE..RESERVE + ADDRESSES, 0);
            frame[ADDRESSES..ADDRESSES + 2].copy_from_slice(&protocol.to_be_bytes());
            frame[ADDRESSES + 2..ADDRESSES + RESERVE].copy_from_slice(&tag.to_be_bytes());
            Ok(frame)
        }
        _ => Ok(&frame[RESERVE..]),
    }
}
