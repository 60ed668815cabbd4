//! The sockets of a card's queues, over one UMEM.

use super::ring::{Filler, Taker};
use super::umem::Layout;
use crate::sys::xdp::{Binding, MappedRing, RingKind, XdpSocket};
use nm_core::shm::mapping::Mapping;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A receive queue.
pub struct RxQueue {
    /// Its socket.
    pub socket: Arc<XdpSocket>,
    /// Its number at the card.
    pub number: u32,
    /// Received frames.
    pub rx: Taker<MappedRing, 2>,
    /// Buffers to receive into.
    pub fill: Filler<MappedRing, 1>,
}

/// The way out, by the first queue's socket.
pub struct TxQueue {
    /// Its socket.
    pub socket: Arc<XdpSocket>,
    /// Frames to send.
    pub tx: Filler<MappedRing, 2>,
    /// Buffers that were sent from.
    pub completion: Taker<MappedRing, 1>,
    /// The card reads the buffers itself, whenever it likes.
    pub zero_copy: bool,
}

/// Entries of the completion rings that nobody uses.
const IDLE_COMPLETION: u32 = 64;

/// Opens a socket for each of `numbers`, the first one's also for sending. Each queue's buffers wait in its fill ring.
///
/// # Errors
/// What the kernel says: `EOPNOTSUPP` where the driver can't do it in this way.
pub fn open(
    mapping: &Mapping,
    layout: &Layout,
    ifindex: u32,
    numbers: &[u32],
    first: Binding<'_>,
) -> io::Result<(Vec<RxQueue>, TxQueue)> {
    let odd = || io::Error::from(io::ErrorKind::InvalidData);
    let zero_copy = matches!(first, Binding::ZeroCopy { .. });
    let (mut queues, mut out): (Vec<RxQueue>, Option<TxQueue>) = (Vec::new(), None);
    for (place, &number) in (0..).zip(numbers) {
        let socket = Arc::new(XdpSocket::new()?);
        if place == 0 {
            socket.register(mapping, layout.umem())?;
        }
        let mut fill: Filler<MappedRing, 1> =
            Filler::new(socket.make_ring(RingKind::Fill, layout.per_queue)?).ok_or_else(odd)?;
        let sending = if place == 0 { layout.tx_slots } else { IDLE_COMPLETION };
        let completion = socket.make_ring(RingKind::Completion, sending)?;
        let rx = Taker::new(socket.make_ring(RingKind::Receive, layout.per_queue)?).ok_or_else(odd)?;
        if place == 0 {
            socket.send_buffer(SEND_BUFFER);
            out = Some(TxQueue {
                socket: Arc::clone(&socket),
                tx: Filler::new(socket.make_ring(RingKind::Transmit, layout.tx_slots)?).ok_or_else(odd)?,
                completion: Taker::new(completion).ok_or_else(odd)?,
                zero_copy,
            });
        }
        let chunks = layout.chunks();
        for buf_idx in chunks.of_queue(place) {
            fill.put(chunks.address(buf_idx));
        }
        fill.publish();
        let binding = match &out {
            Some(out) if place > 0 => Binding::As(out.socket.as_fd()),
            _ => first,
        };
        bind(&socket, ifindex, number, binding)?;
        queues.push(RxQueue { socket, number, rx, fill });
    }
    Ok((queues, out.ok_or_else(odd)?))
}

/// Binds a socket. The kernel gives a queue back a little after the socket that had it was closed.
fn bind(socket: &XdpSocket, ifindex: u32, number: u32, binding: Binding<'_>) -> io::Result<()> {
    let start = Instant::now();
    loop {
        match socket.bind(ifindex, number, binding) {
            Err(e) if e.raw_os_error() == Some(libc::EBUSY) && start.elapsed() < GIVEN_BACK => {
                std::thread::sleep(Duration::from_millis(1));
            }
            result => return result,
        }
    }
}

/// How long that is waited for. Whoever has the queue has no program on the card: ours is there already.
const GIVEN_BACK: Duration = Duration::from_millis(500);
/// Bytes of frames that the kernel has copied and not yet sent.
const SEND_BUFFER: i32 = 4 << 20;
