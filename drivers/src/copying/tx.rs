//! Towards the wire: from a caller, or our region's ring, into a sink.
//!
//! A sink that is full refuses a frame at once where no queue stands before it. A sender that may wait tries again, sleeping
//! shortly, while that lasts no longer than the flow-control time of a switch.

use super::{Control, Sink};
use nm_core::ring::slots::MAX_FRAME;
use nm_core::shm::mapping::Mapping;
use nm_core::sync::count_together;
use nm_core::{PortError, PortTx, TxRing};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of an Ethernet header.
const HEADER: usize = 14;
/// How long a full sink is waited for.
const PATIENCE: Duration = Duration::from_millis(10);
/// Between two tries.
const NAP: Duration = Duration::from_micros(50);
/// Frames that a sink gets at once, at most.
const MANY: usize = 64;

/// The transmit side of a port.
pub struct Tx<K> {
    control: Arc<Control>,
    sink: K,
    mapping: Arc<Mapping>,
    ring: Option<TxRing>,
    /// The bytes of a batch; where each of its frames ends in them, and which slot follows it.
    bytes: Vec<u8>,
    ends: Vec<(usize, u32)>,
    /// As [`PortTx::take_refused`] gives them.
    refused: (u64, u64),
}

impl<K: Sink> Tx<K> {
    pub fn new(control: Arc<Control>, sink: K, mapping: Arc<Mapping>) -> Tx<K> {
        Tx { control, sink, mapping, ring: None, bytes: Vec::new(), ends: Vec::new(), refused: (0, 0) }
    }
}

/// Calls `send` until something is taken, or `nonblocking` or the time says that it is enough.
fn patiently<T>(nonblocking: bool, mut send: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut started = None;
    loop {
        match send() {
            Err(e) if !nonblocking && matches!(e.raw_os_error(), Some(libc::ENOBUFS | libc::EAGAIN)) => {
                if started.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
                    return Err(e);
                }
                nm_core::sys::nap(NAP);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn refusal(name: &str, len: usize, source: io::Error) -> PortError {
    match source.raw_os_error() {
        Some(libc::ENOBUFS | libc::EAGAIN) => PortError::NoRoom,
        Some(libc::EMSGSIZE) => PortError::TooLong { len },
        _ => PortError::Io { what: format!("{name}: send"), source },
    }
}

impl<K: Sink> PortTx for Tx<K> {
    fn inject(&mut self, frame: &[u8], nonblocking: bool) -> Result<(), PortError> {
        let len = frame.len();
        if len < HEADER {
            return Err(PortError::TooShort { len });
        }
        if len > MAX_FRAME {
            return Err(PortError::TooLong { len });
        }
        let sink = &mut self.sink;
        patiently(nonblocking, || sink.send(std::iter::once(frame), nonblocking))
            .map_err(|e| refusal(&self.control.name, len, e))?;
        count_together(&self.control.counters.sent, 1);
        count_together(&self.control.counters.sent_bytes, len as u64);
        Ok(())
    }

    fn ring(&mut self) -> Result<&mut TxRing, PortError> {
        if self.ring.is_none() {
            let what = || format!("{}: transmit ring", self.control.name);
            let too_short = || PortError::Io { what: what(), source: io::ErrorKind::UnexpectedEof.into() };
            self.ring = Some(TxRing::new(&self.mapping, &self.control.layout).ok_or_else(too_short)?);
            self.control.transmit_ring_is_there();
        }
        self.ring.as_mut().ok_or(PortError::NoRoom)
    }

    fn txsync(&mut self, nonblocking: bool) -> Result<u32, PortError> {
        let Tx { control, sink, ring: Some(ring), bytes, ends, refused, .. } = self else { return Ok(0) };
        let counters = &control.counters;
        let mut left_the_ring = 0;
        loop {
            // A batch: what is taken goes out by one call, what makes no sense is passed over.
            bytes.clear();
            ends.clear();
            let mut at = ring.hwcur();
            while ends.len() < MANY {
                let Some((frame, next)) = ring.frame_at(at) else { break };
                if let Some(frame) = frame.filter(|f| f.len() >= HEADER) {
                    frame.append_to(bytes);
                    ends.push((bytes.len(), next));
                }
                at = next;
            }
            if at == ring.hwcur() {
                break;
            }
            let begin = |n: usize| if n == 0 { 0 } else { ends[n - 1].0 };
            let mut done = 0;
            while done < ends.len() {
                let frames = (done..ends.len()).map(|n| &bytes[begin(n)..ends[n].0]);
                match patiently(nonblocking, || sink.send(frames.clone(), nonblocking)) {
                    Ok(sent) => {
                        count_together(&counters.sent, sent as u64);
                        count_together(&counters.sent_bytes, (begin(done + sent) - begin(done)) as u64);
                        left_the_ring += sent as u32;
                        done += sent;
                    }
                    Err(e) => match refusal(&control.name, 0, e) {
                        PortError::TooLong { .. } => {
                            count_together(&counters.dropped_long, 1);
                            *refused = (refused.0 + 1, refused.1 + (ends[done].0 - begin(done)) as u64);
                            done += 1;
                        }
                        error => {
                            // What is not sent stays in the ring.
                            if let Some((_, next)) = done.checked_sub(1).and_then(|last| ends.get(last)) {
                                ring.consume(*next);
                            }
                            return if matches!(error, PortError::NoRoom) { Ok(left_the_ring) } else { Err(error) };
                        }
                    },
                }
            }
            ring.consume(at);
        }
        count_together(&counters.malformed, ring.take_malformed());
        Ok(left_the_ring)
    }
    fn take_refused(&mut self) -> (u64, u64) {
        std::mem::take(&mut self.refused)
    }
}
