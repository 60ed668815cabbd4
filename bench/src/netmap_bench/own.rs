//! Our own code for a frame of a card: the AF_XDP port's, on rings in memory whose other party is a few lines of this file.
//!
//! Only our code's time counts. The other party's lines are in the caches of the same core when we come to them, which no
//! card's are: what a card adds there is in `docs/cards.md`.

use crate::clock;
use crate::contest::{Contestant, Outcome};
use crate::frame::{self, MARK_AT, PORT_AT};
use compat_tests::dist;
use compat_tests::filters::library::{Library, Target};
use drivers::af_xdp::ring::{Cells, Descriptor, Filler, Taker};
use drivers::af_xdp::rx::{In, Mover};
use drivers::af_xdp::tx::Out;
use drivers::af_xdp::umem::Layout;
use drivers::bpf::{Filtering, METADATA_LEN, Metadata, XdpProgram};
use drivers::sys::bpf::{self, MapKind};
use filter::engine::ebpf::XdpFilter;
use nm_core::ring::slots::Piece;
use nm_core::shm::mapping::Mapping;
use nm_core::shm::place::RESERVED_BUFS;
use nm_core::sync::{AtomicU32, AtomicU64};
use nm_core::{RxRing, TxRing};
use std::hint::black_box;
use std::os::fd::AsFd;
use std::sync::Arc;

/// As an open port has it: one queue, its usual sizes.
const LAYOUT: Layout = Layout { chunk: 2048, queues: 1, per_queue: 4096, tx_slots: 1024 };
/// What the rows with a filter accept.
pub const FILTER: &str = "udp dst port 53";
/// Bytes of a frame.
const LEN: u32 = 60;

#[derive(Default)]
#[repr(align(128))]
struct Line(AtomicU32);

/// A ring's words, as the kernel would have them: the positions in lines of their own.
struct Memory {
    producer: Line,
    consumer: Line,
    flags: Line,
    words: Vec<AtomicU64>,
}

/// A ring that both parties hold.
#[derive(Clone)]
struct Shared(Arc<Memory>);

impl Shared {
    fn new(entries: u32, words: usize) -> Shared {
        let words = (0..entries as usize * words).map(|_| AtomicU64::new(0)).collect();
        Shared(Arc::new(Memory { producer: Line::default(), consumer: Line::default(), flags: Line::default(), words }))
    }
}

impl Cells for Shared {
    fn producer(&self) -> &AtomicU32 {
        &self.0.producer.0
    }
    fn consumer(&self) -> &AtomicU32 {
        &self.0.consumer.0
    }
    fn flags(&self) -> &AtomicU32 {
        &self.0.flags.0
    }
    fn words(&self) -> &[AtomicU64] {
        &self.0.words
    }
}

/// Work in steps, each of which tells how many frames it was and how many ns of it are ours.
pub struct Own(Box<dyn FnMut() -> Result<(u64, u64), String>>);

impl Contestant for Own {
    fn round(&mut self, ms: u64, _number: u64) -> Result<Outcome, String> {
        let end = clock::now_ns() + ms * 1_000_000;
        let (mut frames, mut ns) = (0, 0);
        while clock::now_ns() < end {
            let (more, time) = (self.0)()?;
            (frames, ns) = (frames + more, ns + time);
        }
        Ok(Outcome { sent: frames, received: frames, seconds: ns as f64 / 1e9, ..Outcome::default() })
    }

    fn crosses_cpus(&self) -> bool {
        false
    }
}

fn odd() -> String {
    "the region and its rings do not fit".to_string()
}

/// Receiving: from the descriptors of a batch to its frames, looked at, and their buffers back in the fill ring.
///
/// # Errors
/// When there is no memory.
pub fn receive(batch: u32) -> Result<Own, String> {
    let region = Mapping::anonymous(LAYOUT.total_bytes()).map_err(|e| e.to_string())?;
    let slots = vec![RESERVED_BUFS; LAYOUT.rx_bufs() as usize + 1];
    let ring = RxRing::make(&region, &LAYOUT.rx_place(), slots).ok_or_else(odd)?;
    let (rx, fill) = (Shared::new(LAYOUT.per_queue, 2), Shared::new(LAYOUT.per_queue, 1));
    let chunks = LAYOUT.chunks();
    let mut ours = In {
        rx: Taker::new(rx.clone()).ok_or_else(odd)?,
        fill: Filler::new(fill.clone()).ok_or_else(odd)?,
        unpublished: false,
    };
    for buf_idx in chunks.of_queue(0) {
        ours.fill.put(chunks.address(buf_idx));
    }
    ours.fill.publish();
    let mut mover = Mover::new(vec![ours], chunks, ring);
    let mut card_rx: Filler<_, 2> = Filler::new(rx).ok_or_else(odd)?;
    let mut card_fill: Taker<_, 1> = Taker::new(fill).ok_or_else(odd)?;
    Ok(Own(Box::new(move || {
        let count = card_fill.ready().min(batch);
        let now = drivers::sys::xdp::monotonic_ns();
        for ahead in 0..count {
            let address = card_fill.address(ahead);
            card_rx.put(Descriptor { address, len: LEN, more: false });
            let metadata = Metadata { time_ns: now + u64::from(ahead), by_card: false, generation: 1 }.bytes();
            let buffer = chunks.buffer(address).and_then(|buf_idx| mover.ring.buffer(buf_idx)).ok_or_else(odd)?;
            buffer.set_note(METADATA_LEN as u32, metadata);
        }
        card_fill.release(count);
        card_rx.publish();

        let start = clock::now_ns();
        let ready = mover.sync();
        let (mut sum, mut frames) = (0u64, 0);
        while let Some(f) = mover.ring.next_frame() {
            // SAFETY: the frame's bytes are readable until the ring's release, and there are LEN of them.
            let mark = unsafe { f.data.add(MARK_AT).cast::<u64>().read_unaligned() };
            sum = sum.wrapping_add(mark).wrapping_add(f.time_ns);
            frames += 1;
        }
        mover.ring.release();
        black_box(sum);
        let ns = clock::now_ns() - start;
        match ready == count && frames == u64::from(count) {
            true => Ok((frames, ns)),
            false => Err(format!("of {count} frames {ready} were ready, and {frames} came")),
        }
    })))
}

/// Sending frame by frame: a caller's bytes to a buffer, a descriptor for it, and buffers back from the completion ring.
/// A batch is what the card takes at once; each frame is published by itself.
///
/// # Errors
/// When there is no memory.
pub fn inject() -> Result<Own, String> {
    let region = Mapping::anonymous(LAYOUT.total_bytes()).map_err(|e| e.to_string())?;
    let slots = LAYOUT.tx_first()..LAYOUT.tx_first() + LAYOUT.tx_slots;
    let mut ring = TxRing::make(&region, &LAYOUT.tx_place(), slots.collect()).ok_or_else(odd)?;
    let (tx, done) = (Shared::new(LAYOUT.tx_slots, 2), Shared::new(LAYOUT.tx_slots, 1));
    let mut out = Out {
        tx: Filler::new(tx.clone()).ok_or_else(odd)?,
        completion: Taker::new(done.clone()).ok_or_else(odd)?,
        chunks: LAYOUT.chunks(),
        free: (LAYOUT.tx_first() + LAYOUT.tx_slots..LAYOUT.num_bufs()).rev().collect(),
    };
    let mut card_tx: Taker<_, 2> = Taker::new(tx).ok_or_else(odd)?;
    let mut card_done: Filler<_, 1> = Filler::new(done).ok_or_else(odd)?;
    let frame = frame::build(LEN as usize, frame::station(200), frame::station(1));
    Ok(Own(Box::new(move || {
        let start = clock::now_ns();
        for _ in 0..64 {
            let buf_idx = out.take().ok_or_else(odd)?;
            ring.fill(buf_idx, black_box(&frame));
            if !out.put(Piece { buf_idx, len: LEN as u16, flags: 0 }) {
                return Err(odd());
            }
            out.tx.publish();
        }
        let ns = clock::now_ns() - start;
        let sent = card_tx.ready();
        for ahead in 0..sent {
            card_done.put(card_tx.descriptor(ahead).address);
        }
        card_tx.release(sent);
        card_done.publish();
        if sent == 64 { Ok((64, ns)) } else { Err(format!("of 64 frames the card got {sent}")) }
    })))
}

/// Our XDP program, run by the kernel on a frame in memory (`BPF_PROG_TEST_RUN`): one that its filter accepts, or refuses.
///
/// # Errors
/// When it can't be loaded, for one without the right to.
pub fn program(accepted: bool) -> Result<Own, String> {
    const RUNS: u32 = 20_000;
    const PASS: u32 = 2;
    let target = Target { dlt: 1, snaplen: 262_144, netmask: 0xffff_ffff };
    let insns = Library::open(&dist::library()).compile(target, FILTER.as_bytes(), true)?;
    let filter = XdpFilter::new(&insns).map_err(|e| e.to_string())?;
    let sockets = bpf::map_create(MapKind::Xsk, "bench_sockets", 4, 1, 0).map_err(|e| format!("bpf map: {e}"))?;
    let port = XdpProgram { filter: Filtering::Fixed(&filter), generation: 1, ..XdpProgram::new(sockets.as_fd()) };
    let program = port.load().map_err(|e| e.to_string())?;
    let (mut frame, _) = frame::datagram();
    let port: u16 = if accepted { 53 } else { 9 };
    frame[PORT_AT..PORT_AT + 2].copy_from_slice(&port.to_be_bytes());
    Ok(Own(Box::new(move || {
        let run = bpf::program_test_run(program.as_fd(), &frame, RUNS).map_err(|e| format!("test run: {e}"))?;
        // Without a socket an accepted frame goes to the host, too; it has its metadata by then.
        match run.verdict == PASS && (run.frame.len() > frame.len()) == accepted {
            true => Ok((RUNS.into(), u64::from(run.duration_ns) * u64::from(RUNS))),
            false => Err(format!("verdict {}, {} bytes", run.verdict, run.frame.len())),
        }
    })))
}
