//! Towards the wire: frames straight to the card.
//!
//! A card whose own queue is full refuses a frame at once, since no queue of the host stands before it. A sender that may
//! wait tries again, sleeping shortly, while that lasts no longer than the flow-control time of a switch.

use super::{Shared, count};
use crate::sys::packet::MANY;
use nm_core::ring::slots::MAX_FRAME;
use nm_core::shm::mapping::Mapping;
use nm_core::{PortError, PortTx, TxRing};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Bytes of an Ethernet header.
const HEADER: usize = 14;
/// How long a full card is waited for.
const PATIENCE: Duration = Duration::from_millis(10);
/// Between two tries.
const NAP: Duration = Duration::from_micros(50);

/// The transmit side of a port.
pub struct Tx {
    shared: Arc<Shared>,
    mapping: Arc<Mapping>,
    ring: Option<TxRing>,
    /// The bytes of a batch; where each of its frames ends in them, and which slot follows it.
    bytes: Vec<u8>,
    ends: Vec<(usize, u32)>,
}

impl Tx {
    pub fn new(shared: Arc<Shared>, mapping: Arc<Mapping>) -> Tx {
        Tx { shared, mapping, ring: None, bytes: Vec::new(), ends: Vec::new() }
    }
}

/// Calls `send` until the card takes something, or `nonblocking` or the time says that it is enough.
fn patiently<T>(nonblocking: bool, mut send: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut started = None;
    loop {
        match send() {
            Err(e) if !nonblocking && e.raw_os_error() == Some(libc::ENOBUFS) => {
                if started.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
                    return Err(e);
                }
                std::thread::sleep(NAP);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn refusal(shared: &Shared, len: usize, source: io::Error) -> PortError {
    match source.raw_os_error() {
        Some(libc::ENOBUFS | libc::EAGAIN) => PortError::NoRoom,
        Some(libc::EMSGSIZE) => PortError::TooLong { len },
        _ => PortError::Io { what: format!("{}: send", shared.name), source },
    }
}

impl PortTx for Tx {
    fn inject(&mut self, frame: &[u8], nonblocking: bool) -> Result<(), PortError> {
        let len = frame.len();
        if len < HEADER {
            return Err(PortError::TooShort { len });
        }
        if len > MAX_FRAME {
            return Err(PortError::TooLong { len });
        }
        let shared = &self.shared;
        patiently(nonblocking, || shared.socket.send(frame, nonblocking)).map_err(|e| refusal(shared, len, e))?;
        count(&shared.counters.sent, 1);
        count(&shared.counters.sent_bytes, len as u64);
        Ok(())
    }

    fn ring(&mut self) -> Result<&mut TxRing, PortError> {
        if self.ring.is_none() {
            let layout = &self.shared.layout;
            let what = || format!("{}: transmit ring", self.shared.name);
            let too_short = || PortError::Io { what: what(), source: io::ErrorKind::UnexpectedEof.into() };
            self.ring = Some(TxRing::new(&self.mapping, layout).ok_or_else(too_short)?);
            let more = (layout.total_bytes() - layout.rx_bytes()) as u64;
            // ORDER: Relaxed; for people who look.
            self.shared.memory.fetch_add(more, Ordering::Relaxed);
        }
        self.ring.as_mut().ok_or(PortError::NoRoom)
    }

    fn txsync(&mut self, nonblocking: bool) -> Result<u32, PortError> {
        let Some(ring) = &mut self.ring else { return Ok(0) };
        let counters = &self.shared.counters;
        let mut left_the_ring = 0;
        loop {
            // A batch: what the card takes goes out by one call, what makes no sense is passed over.
            self.bytes.clear();
            self.ends.clear();
            let mut at = ring.hwcur();
            while self.ends.len() < MANY {
                let Some((frame, next)) = ring.frame_at(at) else { break };
                if let Some(frame) = frame.filter(|f| f.len() >= HEADER) {
                    frame.append_to(&mut self.bytes);
                    self.ends.push((self.bytes.len(), next));
                }
                at = next;
            }
            if at == ring.hwcur() {
                break;
            }
            let begin = |n: usize| if n == 0 { 0 } else { self.ends[n - 1].0 };
            let mut done = 0;
            while done < self.ends.len() {
                let frames = (done..self.ends.len()).map(|n| &self.bytes[begin(n)..self.ends[n].0]);
                match patiently(nonblocking, || self.shared.socket.send_many(frames.clone(), nonblocking)) {
                    Ok(sent) => {
                        count(&counters.sent, sent as u64);
                        count(&counters.sent_bytes, (begin(done + sent) - begin(done)) as u64);
                        left_the_ring += sent as u32;
                        done += sent;
                    }
                    Err(e) => match refusal(&self.shared, 0, e) {
                        PortError::TooLong { .. } => {
                            count(&counters.dropped_long, 1);
                            done += 1;
                        }
                        error => {
                            // What is not sent stays in the ring.
                            if let Some((_, next)) = done.checked_sub(1).and_then(|last| self.ends.get(last)) {
                                ring.consume(*next);
                            }
                            return if matches!(error, PortError::NoRoom) { Ok(left_the_ring) } else { Err(error) };
                        }
                    },
                }
            }
            ring.consume(at);
        }
        let malformed = ring.take_malformed();
        if malformed > 0 {
            count(&counters.malformed, malformed);
        }
        Ok(left_the_ring)
    }
}
