//! Rings against a model: what comes out is what went in, in order, once, and stays as it is until it is released.

use crate::region::{Region, bytes};
use nm_core::ring::peer::PeerRing;
use nm_core::ring::slots::FrameRef;
use nm_core::shm::layout::BUF_SIZE;
use nm_core::{RxFrame, RxRing, TxRing};
use proptest::prelude::*;
use std::collections::VecDeque;

/// A frame whose bytes tell its number and the place of each.
fn frame(len: usize, number: u64) -> Vec<u8> {
    (0..len).map(|i| (i as u64 ^ (i as u64 >> 8) ^ number.wrapping_mul(0x9d)) as u8).collect()
}

/// Lengths around one buffer and several, short ones most.
fn any_len() -> impl Strategy<Value = usize> {
    let edges = (0..=31usize, -1..=1isize).prop_map(|(n, d)| (n * BUF_SIZE as usize).saturating_add_signed(d));
    prop_oneof![4 => 0..=128usize, 2 => 0..=2 * BUF_SIZE as usize, 1 => 0..=65_535usize, 1 => edges]
}

#[derive(Clone, Debug)]
enum Op {
    /// The sender copies a frame into the ring.
    Put {
        len: usize,
        time_ns: u64,
    },
    /// The reader learns of all frames put so far.
    Sync,
    Next,
    NextInto {
        room: usize,
    },
    /// The reader gives back what it was handed, and the sender learns of it.
    Release,
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (any_len(), 0..3u64).prop_map(|(len, time_ns)| Op::Put { len, time_ns }),
        2 => Just(Op::Sync),
        3 => Just(Op::Next),
        1 => (0..70_000usize).prop_map(|room| Op::NextInto { room }),
        1 => Just(Op::Release),
    ]
}

/// What a receive ring should do.
#[derive(Default)]
struct Model {
    put: VecDeque<(Vec<u8>, u64)>,
    synced: usize,
    /// Frames that lie in place and were not released.
    held: Vec<(RxFrame, Vec<u8>)>,
    last_ns: u64,
}

impl Model {
    /// The time that a frame is told to have: not a little (up to a millisecond) before the one before it.
    fn told(&mut self, time_ns: u64) -> u64 {
        if time_ns >= self.last_ns || self.last_ns - time_ns > 1_000_000 {
            self.last_ns = time_ns;
        }
        self.last_ns
    }
}

/// Of rings whose slots have a buffer each, and of some that share theirs.
fn any_slots() -> impl Strategy<Value = u32> {
    prop_oneof![16..=80u32, (64..=66u32).prop_map(|bufs| 4 * bufs)]
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_receive_ring_is_a_queue(slots in any_slots(), ops in prop::collection::vec(any_op(), 1..200)) {
        const STAMP: u64 = 77;
        let region = Region::new(slots, 16);
        let mut rx = RxRing::new(&region.mapping, &region.layout).unwrap();
        let peer = PeerRing::new(&region.mapping, &region.layout).unwrap();
        rx.set_stamp(STAMP);
        let (mut tail, mut head) = (0, 0);
        let mut model = Model::default();
        for (number, op) in ops.into_iter().enumerate() {
            match op {
                Op::Put { len, time_ns } => {
                    let frame = frame(len, number as u64);
                    let space = peer.space(tail, head).unwrap();
                    prop_assert_eq!(space + peer.filled(tail, head).unwrap(), slots - 1);
                    if peer.free_for(len) <= space {
                        let new_tail = peer.put(tail, FrameRef::from(&frame[..]), time_ns).unwrap();
                        prop_assert_eq!(peer.filled(new_tail, tail), Some(PeerRing::slots_for(len)));
                        tail = new_tail;
                        model.put.push_back((frame, if time_ns == 0 { STAMP } else { time_ns }));
                    }
                }
                Op::Sync => {
                    rx.set_tail(tail);
                    model.synced = model.put.len();
                    prop_assert_eq!(rx.ready() == 0, model.synced == 0);
                }
                Op::Next => {
                    let Some(got) = rx.next_frame() else {
                        prop_assert_eq!(model.synced, 0);
                        continue;
                    };
                    let (want, time_ns) = model.put.pop_front().unwrap();
                    model.synced -= 1;
                    prop_assert_eq!(got.time_ns, model.told(time_ns));
                    prop_assert!(bytes(&got) == want, "frame of {} bytes", want.len());
                    if region.buffers().contains(&got.data.addr()) {
                        model.held.push((got, want));
                    } else {
                        prop_assert!(want.len() > BUF_SIZE as usize, "copied without need");
                    }
                }
                Op::NextInto { room } => {
                    let mut out = vec![0xee; room];
                    let Some((len, time_ns)) = rx.next_frame_into(&mut out) else {
                        prop_assert_eq!(model.synced, 0);
                        continue;
                    };
                    let (want, want_time) = model.put.pop_front().unwrap();
                    model.synced -= 1;
                    prop_assert_eq!((len as usize, time_ns), (want.len(), model.told(want_time)));
                    let n = room.min(want.len());
                    prop_assert!(out[..n] == want[..n] && out[n..].iter().all(|b| *b == 0xee));
                }
                Op::Release => {
                    for (got, want) in model.held.drain(..) {
                        prop_assert!(bytes(&got) == want, "overwritten before it was released");
                    }
                    rx.release();
                    prop_assert_eq!(rx.held(), 0);
                    head = rx.head();
                }
            }
        }
        prop_assert_eq!(rx.take_malformed(), 0);
    }

    #[test]
    fn a_transmit_ring_is_a_queue(
        slots in 16..=80u32,
        rounds in prop::collection::vec((prop::collection::vec((any_len(), any::<bool>()), 0..20), 0..20usize), 1..20),
    ) {
        let region = Region::new(16, slots);
        let mut tx = TxRing::new(&region.mapping, &region.layout).unwrap();
        let mut model: VecDeque<(usize, Option<Vec<u8>>)> = VecDeque::new();
        let mut number = 0;
        for (puts, takes) in rounds {
            for (len, as_is) in puts {
                number += 1;
                let needed = len.div_ceil(BUF_SIZE as usize).max(1) as u32;
                let fits = needed <= tx.space();
                if as_is {
                    let done = tx.put_as_is(len as u16);
                    prop_assert_eq!(done, fits && len <= BUF_SIZE as usize);
                    if done {
                        model.push_back((len, None));
                    }
                } else {
                    let frame = frame(len, number);
                    prop_assert_eq!(tx.put(&frame), fits);
                    if fits {
                        model.push_back((len, Some(frame)));
                    }
                }
            }
            let mut at = tx.hwcur();
            for _ in 0..takes {
                let Some((got, next)) = tx.frame_at(at) else {
                    prop_assert!(model.is_empty());
                    break;
                };
                let (len, want) = model.pop_front().unwrap();
                let mut out = Vec::new();
                got.expect("nothing is malformed").append_to(&mut out);
                prop_assert_eq!(out.len(), len);
                prop_assert!(want.is_none_or(|want| out == want));
                at = next;
            }
            tx.consume(at);
        }
        prop_assert_eq!(tx.take_malformed(), 0);
    }

    #[test]
    fn a_run_of_frames_ends_at_the_first_that_goes_elsewhere(
        slots in any_slots(),
        skip in 0..40u32,
        frames in prop::collection::vec((any_len(), prop::bool::weighted(0.9)), 0..30),
        room in prop_oneof![0..40u32, 180..256u32],
        alike: bool,
    ) {
        let (from, to) = (Region::new(16, 64), Region::new(slots, 16));
        let mut tx = TxRing::new(&from.mapping, &from.layout).unwrap();
        let mut rx = RxRing::new(&to.mapping, &to.layout).unwrap();
        let peer = PeerRing::new(&to.mapping, &to.layout).unwrap();
        let mut tail = 0;
        for _ in 0..skip {
            tail = (tail + 1) % slots;
            rx.set_tail(tail);
            while rx.next_frame().is_some() {}
            rx.release();
        }
        let mut expected = Vec::new();
        let mut same = true;
        let space = room.min(slots - 1);
        for (i, (len, ours)) in frames.into_iter().enumerate() {
            let mut frame = frame(len, i as u64);
            let n = len.min(12);
            frame[..n].copy_from_slice(&[if ours { 2 } else { 4 }; 12][..n]);
            if !tx.put(&frame) {
                break;
            }
            same &= (ours || !alike) && (14..=BUF_SIZE as usize).contains(&len)
                && (expected.len() as u32 + peer.free_for(len)) <= space;
            if same {
                expected.push(frame);
            }
        }
        let mut at = tx.hwcur();
        let (count, sum) = peer.put_run(&mut tail, space, &tx.outgoing(), &mut at, alike.then_some([2; 12]), 5);
        prop_assert_eq!(count as usize, expected.len());
        prop_assert_eq!(sum as usize, expected.iter().map(Vec::len).sum::<usize>());
        tx.consume(at);
        rx.set_tail(tail);
        let got: Vec<_> = std::iter::from_fn(|| rx.next_frame()).map(|f| (bytes(&f), f.time_ns)).collect();
        prop_assert!(got == expected.into_iter().map(|f| (f, 5)).collect::<Vec<_>>());
        prop_assert_eq!(rx.take_malformed(), 0);
    }
}

proptest! {
    /// Frames of a receive ring are copied into another one in runs, past the ends of both: none is lost, doubled or cut.
    #[test]
    fn runs_from_ring_to_ring_arrive_whole(
        sizes in (any_slots(), any_slots()),
        lens in prop::collection::vec(prop_oneof![4 => 14..=200usize, 1 => 14..=BUF_SIZE as usize], 1..600),
        parts in prop::collection::vec((1..60u32, 1..300u32), 1..20),
        alike: bool,
    ) {
        let (a, b) = (Region::new(sizes.0, 16), Region::new(sizes.1, 16));
        let ends = |r: &Region| (PeerRing::new(&r.mapping, &r.layout).unwrap(), RxRing::new(&r.mapping, &r.layout).unwrap());
        let ((to_a, mut from_a), (to_b, mut from_b)) = (ends(&a), ends(&b));
        let ours = |n: usize, len: usize| -> Vec<u8> {
            let mut frame = frame(len, n as u64);
            frame[..12].copy_from_slice(&[2; 12]);
            frame
        };
        let (mut put, mut got, mut tail_b) = (0, 0, 0);
        for (many, slots) in parts.iter().cycle() {
            let mut tail = from_a.tail();
            for _ in 0..*many {
                if put == lens.len() || to_a.space(tail, from_a.head()).unwrap() < to_a.free_for(lens[put]) {
                    break;
                }
                tail = to_a.put(tail, FrameRef::from(&ours(put, lens[put])[..]), 1).unwrap();
                put += 1;
            }
            from_a.set_tail(tail);
            let mut frames = from_a.outgoing();
            frames.keep(*slots);
            let mut at = frames.first();
            let space = to_b.space(tail_b, from_b.head()).unwrap();
            to_b.put_run(&mut tail_b, space, &frames, &mut at, alike.then_some([2; 12]), 9);
            frames.consume(at);
            let done = frames.done();
            from_a.pass(done);
            from_a.release();
            from_b.set_tail(tail_b);
            while let Some(f) = from_b.next_frame() {
                prop_assert!(bytes(&f) == ours(got, lens[got]) && f.time_ns == 9, "frame {got} of {} bytes", lens[got]);
                got += 1;
            }
            from_b.release();
            if got == lens.len() {
                break;
            }
        }
        prop_assert_eq!((from_a.take_malformed(), from_b.take_malformed()), (0, 0));
    }

    /// Frames that arrived in one ring go on into another's, in parts, and arrive there in order: none is lost or doubled.
    #[test]
    fn what_is_sent_on_arrives(lens in prop::collection::vec(14..9000usize, 1..60), parts in prop::collection::vec(1..9u32, 1..200)) {
        let Region { mapping, layout, .. } = &Region::new(64, 64);
        let (peer, mut rx) = (PeerRing::new(mapping, layout).unwrap(), RxRing::new(mapping, layout).unwrap());
        let mut tx = TxRing::new(mapping, layout).unwrap();
        let frame = |n: usize, len: usize| -> Vec<u8> { (0..len).map(|i| (i * 7 + n) as u8).collect() };
        let (mut sent, mut arrived) = (lens.iter().enumerate(), Vec::new());
        let mut next = sent.next();
        let mut out = Vec::new();
        for slots in parts.iter().cycle().take(2000) {
            while let Some((n, len)) = next {
                let tail = rx.tail();
                if peer.space(tail, rx.head()).unwrap() < PeerRing::slots_for(*len) {
                    break;
                }
                rx.set_tail(peer.put(tail, FrameRef::from(frame(n, *len).as_slice()), 1).unwrap());
                next = sent.next();
            }
            let mut frames = rx.outgoing();
            frames.keep(*slots);
            while let Some((Some(frame), at)) = frames.frame_at(frames.first()) {
                if !tx.put_frame(frame) {
                    break;
                }
                frames.consume(at);
            }
            let done = frames.done();
            prop_assert_eq!(done.1, 0);
            rx.pass(done);
            rx.release();
            let mut frames = tx.outgoing();
            while let Some((Some(frame), at)) = frames.frame_at(frames.first()) {
                out.clear();
                frame.append_to(&mut out);
                arrived.push(out.clone());
                frames.consume(at);
            }
            let (to, malformed) = frames.done();
            prop_assert_eq!(malformed, 0);
            tx.consume(to);
            if next.is_none() && rx.ready() == 0 {
                break;
            }
        }
        let expected: Vec<Vec<u8>> = lens.iter().enumerate().map(|(n, len)| frame(n, *len)).collect();
        prop_assert!(arrived == expected, "{} of {}", arrived.len(), expected.len());
    }
}
