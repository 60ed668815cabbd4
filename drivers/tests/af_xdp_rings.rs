//! The port's own code with the kernel taken away: the same rings in memory of ours, and a model of the kernel at their
//! other ends.

use drivers::af_xdp::ring::{Cells, Descriptor, Filler, Taker};
use drivers::af_xdp::rx::{In, Mover};
use drivers::af_xdp::umem::Layout;
use drivers::bpf::{METADATA_LEN, Metadata};
use drivers::stamping::CardTimes;
use drivers::sys::card::CardClock;
use nm_core::shm::mapping::Mapping;
use nm_core::sync::{AtomicU32, AtomicU64};
use nm_core::{RxRing, TxRing};
use std::sync::Arc;

/// A ring's words in memory.
#[derive(Clone)]
struct Memory(Arc<(AtomicU32, AtomicU32, AtomicU32, Vec<AtomicU64>)>);

impl Memory {
    fn new(words: u32, position: u32) -> Memory {
        let words = (0..words).map(|_| AtomicU64::new(0)).collect();
        Memory(Arc::new((AtomicU32::new(position), AtomicU32::new(position), AtomicU32::new(0), words)))
    }
}

impl Cells for Memory {
    fn producer(&self) -> &AtomicU32 {
        &self.0.0
    }
    fn consumer(&self) -> &AtomicU32 {
        &self.0.1
    }
    fn flags(&self) -> &AtomicU32 {
        &self.0.2
    }
    fn words(&self) -> &[AtomicU64] {
        &self.0.3
    }
}

const LAYOUT: Layout = Layout { chunk: 2048, queues: 1, per_queue: 512, tx_slots: 512 };

/// A port's receive side, and the kernel's ends of its rings.
struct Receiving {
    mover: Mover<Memory>,
    region: Arc<Mapping>,
    kernel_rx: Filler<Memory, 2>,
    kernel_fill: Taker<Memory, 1>,
    /// What the kernel's program writes before frames.
    metadata: Option<Metadata>,
}

impl Receiving {
    /// `position`: where the rings' positions begin, so that they pass 2^32.
    fn new(position: u32) -> Receiving {
        let (n, region) = (LAYOUT.per_queue, Mapping::anonymous(LAYOUT.total_bytes()).unwrap());
        let (rx, fill) = (Memory::new(2 * n, position), Memory::new(n, position));
        let ring = RxRing::make(&region, &LAYOUT.rx_place(), vec![2; n as usize + 1]).unwrap();
        let mut ours: Filler<Memory, 1> = Filler::new(fill.clone()).unwrap();
        (2..2 + n).for_each(|buf| assert!(ours.put(LAYOUT.chunks().address(buf))));
        ours.publish();
        let queue = In { rx: Taker::new(rx.clone()).unwrap(), fill: ours, unpublished: false };
        let kernel_fill = Taker::new(fill).unwrap();
        let mover = Mover::new(vec![queue], LAYOUT.chunks(), ring);
        Receiving { mover, region, kernel_rx: Filler::new(rx).unwrap(), kernel_fill, metadata: None }
    }

    /// The kernel receives one frame of these pieces, if there are buffers.
    fn arrive(&mut self, lens: &[u32]) -> bool {
        if (self.kernel_fill.ready() as usize) < lens.len() {
            return false;
        }
        for (n, &len) in lens.iter().enumerate() {
            let descriptor = Descriptor { address: self.kernel_fill.address(n as u32), len, more: n + 1 < lens.len() };
            if let (0, Some(metadata)) = (n, self.metadata) {
                let buf_idx = LAYOUT.chunks().buffer(descriptor.address).expect("a buffer's address");
                assert!(self.mover.ring.buffer(buf_idx).unwrap().set_note(METADATA_LEN as u32, metadata.bytes()));
            }
            assert!(self.kernel_rx.put(descriptor));
        }
        self.kernel_fill.release(lens.len() as u32);
        self.kernel_rx.publish();
        true
    }

    /// As many frames arrive as there are buffers.
    fn has_all_its_buffers(&mut self) {
        self.mover.sync();
        let mut all = 0;
        while self.arrive(&[60]) {
            all += 1;
        }
        assert_eq!(all, LAYOUT.per_queue, "no buffer is lost");
    }
}

#[test]
fn frames_go_through_and_buffers_go_round() {
    let mut port = Receiving::new(u32::MAX - 700);
    let (mut arrived, waiting) = (0, port.mover.queues[0].rx.waiting());
    for round in 0..2000u32 {
        let lens: &[u32] = if round % 3 == 0 { &[1792, 1792, 100] } else { &[60] };
        (0..round % 50).for_each(|_| arrived += u32::from(port.arrive(lens)));
        // Who is told that frames have one piece counts pieces.
        assert_eq!(
            (waiting.frames(true), waiting.frames(false)),
            (arrived.into(), u64::from(arrived) * lens.len() as u64)
        );
        port.mover.sync();
        assert_eq!(waiting.frames(true), 0);
        while let Some(frame) = port.mover.ring.next_frame() {
            assert_eq!(frame.len, lens.iter().sum::<u32>());
            arrived -= 1;
        }
        port.mover.ring.release();
        assert_eq!((port.mover.malformed, port.mover.ring.take_malformed()), (0, 0));
    }
    assert_eq!(arrived, 0);
    port.has_all_its_buffers();
}

#[test]
fn descriptors_that_make_no_sense_are_counted_and_their_buffers_return() {
    let mut port = Receiving::new(0);
    let address = |port: &mut Receiving| {
        assert!(port.kernel_fill.ready() > 0);
        let address = port.kernel_fill.address(0);
        port.kernel_fill.release(1);
        address
    };
    let a: Vec<u64> = (0..6).map(|_| address(&mut port)).collect();
    for (at, len, more) in [
        (a[0] + 1, 60, false),
        (a[1], 1793, false),
        (a[2], u32::MAX, false),
        (a[3], 1792, true),
        (a[4] + 8, 60, false),
        (u64::MAX, 60, false),
        (a[5], 60, false),
    ] {
        assert!(port.kernel_rx.put(Descriptor { address: at, len, more }));
    }
    port.kernel_rx.publish();
    assert_eq!(port.mover.sync(), 1);
    assert_eq!(port.mover.ring.next_frame().map(|f| f.len), Some(60));
    assert!(port.mover.malformed >= 5);
    port.mover.ring.release();
    port.has_all_its_buffers();
}

#[test]
fn a_frame_has_the_time_of_its_own_metadata_and_none_of_an_earlier_frame() {
    let mut port = Receiving::new(0);
    let mut last = 0;
    for n in 0..3 * LAYOUT.per_queue {
        // Every third frame comes without metadata, in a buffer that had some of an hour ago.
        let ago = if n % 3 == 0 { 3_600_000_000_000 } else { 0 };
        let time_ns = drivers::sys::xdp::monotonic_ns() - ago.min(drivers::sys::xdp::monotonic_ns() / 2);
        port.metadata = (n % 3 != 2).then_some(Metadata { time_ns, by_card: false, generation: 1 });
        assert!(port.arrive(&[60]));
        port.mover.sync();
        let told = port.mover.ring.next_frame().expect("a frame").time_ns;
        port.mover.ring.release();
        let recent = nm_core::sys::realtime_ns().abs_diff(told) < 1_000_000_000;
        assert_eq!(recent, n % 3 != 0, "frame {n}: {told}, after {last}");
        last = told;
    }
}

#[test]
fn a_cards_time_is_told_as_it_is_unless_its_clock_is_known() {
    let mut port = Receiving::new(0);
    port.mover.stamped_by(&CardTimes::Unsynced);
    for (len, time_ns) in [(60, 1), (61, 5_000_000_000), (62, u64::MAX)] {
        port.metadata = Some(Metadata { time_ns, by_card: true, generation: 1 });
        assert!(port.arrive(&[len]));
        assert_eq!(next(&mut port), (len, time_ns));
    }
    port.mover.stamped_by(&CardTimes::Synced(Arc::new(CardClock::monotonic())));
    let time_ns = drivers::sys::xdp::monotonic_ns();
    port.metadata = Some(Metadata { time_ns, by_card: true, generation: 1 });
    assert!(port.arrive(&[63]));
    assert!(nm_core::sys::realtime_ns().abs_diff(next(&mut port).1) < 1_000_000_000);
}

#[test]
fn a_cards_time_that_nobody_asked_for_is_nobodys() {
    let mut port = Receiving::new(0);
    for n in 0..3 {
        port.metadata = Some(Metadata { time_ns: 5_000_000_000, by_card: n % 2 == 0, generation: 1 });
        assert!(port.arrive(&[60]));
        let old = nm_core::sys::realtime_ns().abs_diff(next(&mut port).1) > 1_000_000_000;
        assert_eq!(old, n % 2 != 0, "frame {n}");
    }
}

#[test]
fn a_frame_that_got_its_tag_back_before_its_buffer_is_moved_into_it() {
    let mut port = Receiving::new(0);
    let mut tx = TxRing::make(&port.region, &LAYOUT.tx_place(), vec![2; LAYOUT.tx_slots as usize]).unwrap();
    let mut bytes = vec![0; 2048];
    let now = drivers::sys::xdp::monotonic_ns();
    let old = now - (now / 2).min(3_600_000_000_000);
    for n in 0..3 * LAYOUT.per_queue {
        let len = [60, 1514, LAYOUT.room(), LAYOUT.room() + 1][n as usize % 4];
        let frame: Vec<u8> = (0..len).map(|at| (at * 7 + n) as u8).collect();
        assert!(port.kernel_fill.ready() > 0);
        let address = port.kernel_fill.address(0);
        port.kernel_fill.release(1);
        let buf_idx = LAYOUT.chunks().buffer(address).unwrap();
        let noted = n % 3 > 0;
        let buffer = port.mover.ring.buffer(buf_idx).unwrap();
        if noted {
            let metadata = Metadata { time_ns: old, by_card: false, generation: 1 };
            assert!(buffer.set_note(METADATA_LEN as u32 + 4, metadata.bytes()));
        }
        assert!(buffer.set_note(4, [frame[0], frame[1], frame[2], frame[3]]));
        tx.fill(buf_idx, &frame[4..]);
        assert!(port.kernel_rx.put(Descriptor { address: address - 4, len, more: false }));
        port.kernel_rx.publish();
        port.mover.sync();
        if len > LAYOUT.room() {
            assert_eq!(std::mem::take(&mut port.mover.malformed), 1);
            continue;
        }
        let (got, told) = port.mover.ring.next_frame_into(&mut bytes).expect("a frame");
        assert!(bytes[..got as usize] == frame, "frame {n}");
        port.mover.ring.release();
        let recent = nm_core::sys::realtime_ns().abs_diff(told) < 1_000_000_000;
        assert_eq!(recent, !noted, "frame {n}: {told}");
    }
    assert_eq!(port.mover.malformed, 0);
    port.has_all_its_buffers();
}

/// The next frame's length and time, its buffer given back.
fn next(port: &mut Receiving) -> (u32, u64) {
    port.mover.sync();
    let frame = port.mover.ring.next_frame().expect("a frame");
    port.mover.ring.release();
    (frame.len, frame.time_ns)
}

#[test]
fn what_was_refused_or_came_in_pieces_leaves_no_time_for_the_next_frame_in_its_buffer() {
    let now = drivers::sys::xdp::monotonic_ns();
    // An hour ago, or as long as this machine runs.
    let old = Metadata { time_ns: now - (now / 2).min(3_600_000_000_000), by_card: false, generation: 1 };
    for (lens, comes) in [(&[1792, 700][..], true), (&[1793], false), (&[70_000], false), (&[1792, 1793], false)] {
        let mut port = Receiving::new(0);
        port.metadata = Some(old);
        assert!(port.arrive(lens));
        if comes {
            let (_, told) = next(&mut port);
            assert!(nm_core::sys::realtime_ns().abs_diff(told) > 1_000_000_000, "{lens:?}: {told}");
        } else {
            assert_eq!(port.mover.sync(), 0);
        }
        // Once round all buffers.
        port.metadata = None;
        for n in 0..2 * LAYOUT.per_queue {
            assert!(port.arrive(&[60]));
            let (len, told) = next(&mut port);
            assert!(nm_core::sys::realtime_ns().abs_diff(told) < 1_000_000_000, "{lens:?}, frame {n}: {told}");
            assert_eq!(len, 60);
        }
    }
}

#[test]
fn a_batch_keeps_its_order_whichever_of_its_frames_want_a_look_at_the_clock() {
    let mut port = Receiving::new(u32::MAX - 100);
    port.mover.stamped_by(&CardTimes::Synced(Arc::new(CardClock::monotonic())));
    let difference = nm_core::sys::realtime_ns() - drivers::sys::xdp::monotonic_ns();
    for round in 0..20u64 {
        let now = drivers::sys::xdp::monotonic_ns();
        // Known times of the host and of the card; times beyond what is known of the clocks; none; frames of two pieces.
        let expected: Vec<(u32, u64)> = (0..40)
            .map(|n| {
                let (len, kind) = (60 + n as u32, (n + round) % 5);
                let time_ns = if kind == 1 { now + (n + 1) * 1_000_000_000 } else { now };
                let by_card = kind == 4 || n % 2 == 0;
                port.metadata = (kind != 2).then_some(Metadata { time_ns, by_card, generation: 1 });
                assert!(port.arrive(if kind == 3 { &[1000, 60][..] } else { std::slice::from_ref(&len) }));
                (if kind == 3 { 1060 } else { len }, time_ns + difference)
            })
            .collect();
        assert_eq!(port.mover.sync(), 40 + 8);
        for (n, (len, time)) in expected.into_iter().enumerate() {
            let frame = port.mover.ring.next_frame().expect("a frame");
            assert_eq!(frame.len, len, "round {round}, frame {n}");
            // One without a time has the sync's, and others stand beside it: a machine that stands still in between has time.
            assert!(frame.time_ns.abs_diff(time) < 500_000_000, "round {round}, frame {n}: {} {time}", frame.time_ns);
        }
        port.mover.ring.release();
        assert_eq!((port.mover.frames, port.mover.malformed), ((round + 1) * 40, 0));
    }
    port.has_all_its_buffers();
}

#[test]
fn a_driver_is_woken_for_buffers_alone_unless_it_works_in_our_calls() {
    use nm_core::sync::Ordering;
    let (rx, fill) = (Memory::new(128, 0), Memory::new(64, 0));
    let mut queue = In { rx: Taker::new(rx).unwrap(), fill: Filler::new(fill.clone()).unwrap(), unpublished: false };
    let asks = |queue: &mut In<Memory>| [false, true].map(|busy_polls| queue.wants_call(busy_polls));
    assert_eq!(asks(&mut queue), [false, false]);
    // It found no buffer.
    fill.flags().store(drivers::sys::xdp::NEED_WAKEUP, Ordering::Relaxed);
    assert_eq!(asks(&mut queue), [false, true]);
    assert!(queue.fill.put(7));
    queue.fill.publish();
    // At this look and each later one, until it has taken it.
    assert_eq!(asks(&mut queue), [true, true]);
    assert_eq!(asks(&mut queue), [true, true]);
    fill.consumer().store(1, Ordering::Relaxed);
    assert_eq!(asks(&mut queue), [false, true]);
}

#[test]
fn positions_that_make_no_sense_take_nothing() {
    use nm_core::sync::Ordering;
    let memory = Memory::new(128, 0);
    let mut taker: Taker<Memory, 2> = Taker::new(memory.clone()).unwrap();
    memory.producer().store(65, Ordering::Relaxed);
    assert_eq!(taker.ready(), 0, "more than the ring has");
    memory.producer().store(64, Ordering::Relaxed);
    taker.look_again();
    assert_eq!(taker.ready(), 64);
    let memory = Memory::new(64, 7);
    let mut filler: Filler<Memory, 1> = Filler::new(memory.clone()).unwrap();
    memory.consumer().store(1000, Ordering::Relaxed);
    assert_eq!(filler.room(1000), 0);
    assert!(!filler.put(1));
    assert!(Filler::<Memory, 1>::new(Memory::new(63, 0)).is_none());
}
