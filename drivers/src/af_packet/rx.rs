//! Towards the application: frames of the kernel's ring, whole again.

use super::filter;
use crate::copying::{Filler, Source};
use crate::offload::segments::Pieces;
use crate::offload::{self, Offload, Refused};
use crate::sys::interface::Interface;
use crate::sys::packet::{Captured, PacketSocket, RESERVE, ReceiveRing};
use crate::times::Times;
use nm_core::PortError;
use nm_core::ring::slots::MAX_FRAME;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// Bytes of both Ethernet addresses: behind them stands a VLAN tag.
const ADDRESSES: usize = 12;

/// Where in [`Frames::large`] a frame begins: before it has room what was left to a card, or a tag.
const BEGIN: usize = if offload::HEADER > RESERVE { offload::HEADER } else { RESERVE };
/// Bytes of the longest of IP's packets with an Ethernet header and two tags.
const LONGEST: usize = 65_535 + 22;

/// A packet socket's frames.
pub struct Frames<R> {
    name: String,
    card: Interface,
    /// It was down when it was last looked at.
    down: bool,
    socket: Arc<PacketSocket>,
    ring: R,
    /// Makes times of the card's stamps.
    card_times: Option<Times>,
    /// A frame that came by the queue.
    large: Vec<u8>,
    /// The ring's front, when there was no room for all of its pieces.
    cut: Option<Cut>,
    piece: Vec<u8>,
}

/// A frame that is being cut.
struct Cut {
    pieces: Pieces,
    /// Its tag was put back.
    tagged: bool,
    time_ns: u64,
}

impl Cut {
    /// Puts what is left of the frame; false when there is no room for all of it.
    fn put(&mut self, frame: &[u8], piece: &mut Vec<u8>, to: &mut Filler<'_>) -> bool {
        while let Some(len) = self.pieces.next_len() {
            if !to.has_room(len) {
                return false;
            }
            let Some(piece) = self.pieces.next(frame, piece) else { break };
            to.put(piece, self.time_ns);
        }
        true
    }
}

impl<R> Frames<R> {
    pub fn new(
        name: String,
        card: Interface,
        socket: Arc<PacketSocket>,
        ring: R,
        card_times: Option<Times>,
    ) -> Frames<R> {
        let (large, piece) = (Vec::new(), Vec::new());
        Frames { name, card, down: !card.up, socket, ring, card_times, large, cut: None, piece }
    }
}

impl<R: ReceiveRing> Source for Frames<R> {
    fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn pull(&mut self, to: &mut Filler<'_>) {
        let Frames { card, socket, ring, card_times, large, cut, piece, .. } = self;
        while let Some(captured) = ring.front() {
            // What it will be with its tag in it.
            let len = captured.len as usize + if captured.vlan.is_some() { RESERVE } else { 0 };
            let offload = captured.offload;
            if let Some(begun) = cut {
                let bytes = if captured.queued { large.get(BEGIN - RESERVE..) } else { Some(&*captured.bytes) };
                let frame = bytes.and_then(|bytes| bytes.get(if begun.tagged { 0 } else { RESERVE }..));
                if !begun.put(frame.unwrap_or_default(), piece, to) {
                    break;
                }
                *cut = None;
            } else if captured.outgoing {
                to.pass_over();
            } else {
                // The pieces of a long one find room by and by.
                if !offload.is_long() && !to.has_room(len) {
                    break;
                }
                let time_ns = match card_times {
                    Some(times) if captured.by_card => times.realtime(captured.time_ns),
                    _ => captured.time_ns,
                };
                match whole(captured, large, socket) {
                    // The queue had no room for it.
                    Ok(whole) if whole.bytes.len() < len.min(MAX_FRAME) => to.lose(&to.counters.dropped_full),
                    Ok(whole) if offload.is_long() => match whole.begin_to_cut(offload, card, time_ns) {
                        Ok(mut begun) => {
                            if !begun.put(whole.bytes, piece, to) {
                                *cut = Some(begun);
                                break;
                            }
                        }
                        Err(Refused) => to.lose(&to.counters.dropped_unfinished),
                    },
                    Ok(mut whole) => match whole.complete(offload) {
                        Ok(()) => to.put(whole.bytes, time_ns),
                        Err(Refused) => to.lose(&to.counters.dropped_unfinished),
                    },
                    Err(Malformed) => to.lose(&to.counters.malformed),
                }
            }
            ring.give_back();
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
        self.down = !Interface::is_up(self.card.index).ok_or(PortError::Disappeared)?;
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

/// A frame with its VLAN tag back in it.
struct Whole<'a> {
    bytes: &'a mut [u8],
    /// It had one.
    tagged: bool,
}

/// The bytes of a frame, its VLAN tag put back: in the kernel's ring, or in `large` when it came by the queue.
fn whole<'a>(captured: Captured<'a>, large: &'a mut Vec<u8>, socket: &PacketSocket) -> Result<Whole<'a>, Malformed> {
    let bytes = if captured.queued {
        // One byte more than the longest, so that a longer frame is seen to be one.
        large.resize(BEGIN + LONGEST + 1, 0);
        let begin = if socket.tells_offloads() { BEGIN - offload::HEADER } else { BEGIN };
        let n = socket.take_queued(&mut large[begin..]).ok_or(Malformed)?;
        large.get_mut(BEGIN - RESERVE..begin + n).ok_or(Malformed)?
    } else {
        captured.bytes
    };
    if bytes.len() < RESERVE {
        return Err(Malformed);
    }
    match captured.vlan {
        Some((protocol, tag)) if bytes.len() >= RESERVE + ADDRESSES => {
            bytes.copy_within(RESERVE..RESERVE + ADDRESSES, 0);
            bytes[ADDRESSES..ADDRESSES + 2].copy_from_slice(&protocol.to_be_bytes());
            bytes[ADDRESSES + 2..ADDRESSES + RESERVE].copy_from_slice(&tag.to_be_bytes());
            Ok(Whole { bytes, tagged: true })
        }
        _ => Ok(Whole { bytes: &mut bytes[RESERVE..], tagged: false }),
    }
}

impl Whole<'_> {
    /// What was left to a card, of the frame with its tag.
    fn told(&self, offload: Offload) -> Offload {
        if self.tagged { offload.behind(RESERVE as u16) } else { offload }
    }

    /// Fills in the checksum that was left.
    #[inline]
    fn complete(&mut self, offload: Offload) -> Result<(), Refused> {
        if offload.is_some() { self.told(offload).complete(self.bytes) } else { Ok(()) }
    }

    /// The pieces of a long one.
    fn begin_to_cut(&self, offload: Offload, card: &Interface, time_ns: u64) -> Result<Cut, Refused> {
        let mut pieces = self.told(offload).pieces(self.bytes)?;
        if pieces.exceed(card.mtu as usize) {
            // The MTU may have changed since the port was opened.
            pieces.limit(Interface::mtu_of(card.index).unwrap_or(card.mtu) as usize);
        }
        Ok(Cut { pieces, tagged: self.tagged, time_ns })
    }
}
