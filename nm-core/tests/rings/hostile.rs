//! A peer that writes anything into a port's memory: frames get lost, and nothing is read or written outside.

use crate::region::{Region, bytes};
use nm_core::ring::peer::PeerRing;
use nm_core::ring::slots::FrameRef;
use nm_core::shm::layout::{BUF_SIZE, Layout, RESERVED_BUFS, STEP};
use nm_core::{RxRing, TxRing};
use proptest::prelude::*;
use std::os::unix::fs::FileExt;

/// Bytes of a slot, and of a ring's header before its slots.
const SLOT: usize = size_of::<nm_core::abi::netmap_slot>();
const HEADER: usize = size_of::<nm_core::abi::netmap_ring>();

/// A slot as a peer may write it: numbers near the limits, and any.
fn any_slot(bufs: u32) -> impl Strategy<Value = [u8; SLOT]> {
    let buf = prop_oneof![4 => 0..bufs + 4, 1 => any::<u32>()];
    let len = prop_oneof![2 => 0..=BUF_SIZE as u16 + 1, 1 => Just(BUF_SIZE as u16), 1 => any::<u16>()];
    let flags = prop_oneof![3 => Just(0u16), 3 => Just(nm_core::abi::NS_MOREFRAG), 1 => any::<u16>()];
    (buf, len, flags, any::<u64>()).prop_map(|(buf, len, flags, ptr)| {
        let mut slot = slot(buf, u32::from(len), flags);
        slot[8..].copy_from_slice(&ptr.to_ne_bytes());
        slot
    })
}

fn any_position(slots: u32) -> impl Strategy<Value = u32> {
    prop_oneof![3 => 0..slots + 2, 1 => any::<u32>()]
}

/// A ring's size, what is written into its slots, and positions that are claimed.
fn any_attack() -> impl Strategy<Value = (u32, Vec<[u8; SLOT]>, Vec<u32>)> {
    prop_oneof![4 => 16..=48u32, 1 => Just(256u32)].prop_flat_map(|slots| {
        let bufs = Layout { rx_slots: slots, tx_slots: 16 }.rx_place().num_bufs;
        (
            Just(slots),
            prop::collection::vec(any_slot(bufs), slots as usize),
            prop::collection::vec(any_position(slots), 1..12),
        )
    })
}

fn slot(buf: u32, len: u32, flags: u16) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    slot[..4].copy_from_slice(&buf.to_ne_bytes());
    slot[4..6].copy_from_slice(&(len as u16).to_ne_bytes());
    slot[6..8].copy_from_slice(&flags.to_ne_bytes());
    slot
}

fn write_slots(region: &Region, ring_at: usize, slots: &[[u8; SLOT]]) {
    region.file.write_all_at(&slots.concat(), (ring_at + HEADER) as u64).unwrap();
}

#[test]
fn a_chain_longer_than_any_frame_is_refused() {
    let region = Region::new(64, 16);
    for slots in [31, 32, 62] {
        let mut rx = RxRing::new(&region.mapping, &region.layout).unwrap();
        let buf = |i| region.layout.rx_buf(i);
        let mut chain: Vec<_> = (0..slots).map(|i| slot(buf(i), BUF_SIZE, nm_core::abi::NS_MOREFRAG)).collect();
        chain.push(slot(buf(slots), 1, 0));
        write_slots(&region, region.layout.rx_ring(), &chain);
        rx.set_tail(slots + 1);
        let first = rx.next_frame().map(|f| f.len);
        if slots * BUF_SIZE < 65_535 {
            assert_eq!(first, Some(slots * BUF_SIZE + 1));
        } else {
            // What follows the refused part is taken for a frame of its own.
            assert!(first.is_none_or(|len| len < 65_535) && rx.take_malformed() > 0, "{slots} slots: {first:?}");
        }
    }
}

#[test]
fn frames_that_wait_are_amended_in_their_first_piece() {
    let region = Region::new(64, 16);
    let mut rx = RxRing::new(&region.mapping, &region.layout).unwrap();
    let peer = PeerRing::new(&region.mapping, &region.layout).unwrap();
    let frames = [vec![1; 100], vec![2; 5000], vec![3; 60]];
    let mut tail = 0;
    for frame in &frames {
        tail = peer.put(tail, FrameRef::from(&frame[..]), 1).unwrap();
    }
    rx.set_tail(tail);
    let mut seen = Vec::new();
    // The chain begins in the second slot.
    rx.amend(2, |frame| {
        seen.push(frame.len());
        Some((frame.len().min(2048) - 2, [0xaa, 0xbb]))
    });
    assert_eq!(seen, [100, 5000]);
    rx.amend(64, |frame| (frame.len() == 60).then_some((59, [0xcc; 2])));
    rx.amend(64, |frame| (frame.len() == 60).then_some((usize::MAX, [0xcc; 2])));
    for (mut expected, at) in frames.into_iter().zip([Some(98), Some(2046), None]) {
        if let Some(at) = at {
            expected[at..at + 2].copy_from_slice(&[0xaa, 0xbb]);
        }
        assert!(rx.next_frame().map(|frame| bytes(&frame)) == Some(expected));
    }
}

#[test]
fn a_chain_is_in_one_piece_only_if_its_buffers_are_full() {
    let region = Region::new(16, 16);
    for (first_len, in_place) in [(BUF_SIZE, true), (100, false)] {
        let mut rx = RxRing::new(&region.mapping, &region.layout).unwrap();
        let [five, six] = [5, 6].map(|n| region.layout.rx_buf(n));
        let chain = [slot(five, first_len, nm_core::abi::NS_MOREFRAG), slot(six, 50, 0)];
        write_slots(&region, region.layout.rx_ring(), &chain);
        let buffer = |n: u32| (region.layout.buffers() + (n * STEP) as usize) as u64;
        region.file.write_all_at(&[5; BUF_SIZE as usize], buffer(five)).unwrap();
        region.file.write_all_at(&[6; BUF_SIZE as usize], buffer(six)).unwrap();
        rx.set_tail(2);
        let frame = rx.next_frame().unwrap();
        assert_eq!(bytes(&frame), [vec![5; first_len as usize], vec![6; 50]].concat());
        assert_eq!(region.buffers().contains(&frame.data.addr()), in_place);
    }
}

proptest! {
    #[test]
    fn a_reader_takes_nothing_from_outside((slots, garbage, tails) in any_attack()) {
        let region = Region::new(slots, 16);
        let mut rx = RxRing::new(&region.mapping, &region.layout).unwrap();
        let (memory, buffers) = (region.addresses(), region.buffers());
        write_slots(&region, region.layout.rx_ring(), &garbage);
        for tail in tails {
            let before = (rx.tail(), rx.ready());
            rx.set_tail(tail);
            if tail != before.0 && rx.tail() == before.0 {
                prop_assert!(rx.take_malformed() == 1 && rx.ready() == before.1, "refused, and counted");
            }
            prop_assert!(rx.tail() < slots && rx.ready() < slots && rx.ready() >= before.1);
            // Some frames stay in the ring, and some are held, while the next tail is claimed.
            for _ in 0..tail % 7 {
                let Some(frame) = rx.next_frame() else { break };
                let (start, len) = (frame.data.addr(), frame.len as usize);
                prop_assert!(len <= 65_535);
                if memory.contains(&start) || memory.contains(&(start + len)) {
                    prop_assert!(buffers.contains(&start) && start + len <= buffers.end, "outside the buffers");
                    let reserved = buffers.start + (RESERVED_BUFS * STEP) as usize;
                    prop_assert!(start >= reserved, "in a reserved buffer");
                }
                prop_assert_eq!(bytes(&frame).len(), len);
            }
            prop_assert!(rx.take_malformed() < u64::from(slots));
            prop_assert!(rx.held() + rx.ready() < slots);
            if tail % 2 == 0 {
                rx.release();
            }
        }
    }

    #[test]
    fn a_sender_writes_into_the_rings_buffers_alone(
        (slots, garbage, tails) in any_attack(),
        len in 0..=65_535usize,
        head in any::<u32>(),
    ) {
        let region = Region::new(slots, 16);
        let rx = RxRing::new(&region.mapping, &region.layout).unwrap();
        let peer = PeerRing::new(&region.mapping, &region.layout).unwrap();
        let at = region.layout.rx_ring();
        write_slots(&region, at, &garbage);
        let (first, last) = (at + HEADER, at + HEADER + slots as usize * SLOT);
        let own = region.layout.buffers() + (RESERVED_BUFS * STEP) as usize;
        let foreign = region.layout.tx_buffers();
        let others = || {
            let end = region.layout.total_bytes();
            [region.read(0, first), region.read(last, own - last), region.read(foreign, end - foreign)]
        };
        let before = others();
        let frame = vec![0xa5; len];
        for tail in tails {
            let room = peer.space(tail, head % slots);
            prop_assert_eq!(room.is_some(), tail < slots);
            prop_assert!(peer.space(tail, slots).is_none() && peer.filled(slots, 0).is_none());
            if let Ok(new_tail) = peer.put(tail, FrameRef::from(&frame[..]), 1) {
                prop_assert!(new_tail < slots && tail < slots);
            }
        }
        prop_assert!(others() == before, "written outside the ring's slots and buffers");
        drop(rx);
    }

    #[test]
    fn amending_writes_into_the_rings_buffers_alone((slots, garbage, tails) in any_attack(), at in any::<u16>()) {
        let region = Region::new(slots, 16);
        let mut rx = RxRing::new(&region.mapping, &region.layout).unwrap();
        write_slots(&region, region.layout.rx_ring(), &garbage);
        let reserved = region.layout.buffers() + (RESERVED_BUFS * STEP) as usize;
        let slots_at = region.layout.rx_ring() + HEADER;
        let before = region.read(slots_at, reserved - slots_at);
        for tail in tails {
            rx.set_tail(tail);
            let mut frames = 0;
            rx.amend(slots, |_| {
                frames += 1;
                Some((usize::from(at) % (BUF_SIZE as usize + 2), [1, 2]))
            });
            prop_assert!(frames <= rx.ready());
        }
        prop_assert!(region.read(slots_at, reserved - slots_at) == before, "written outside the buffers");
    }

    #[test]
    fn a_transmit_ring_with_garbage_in_it_sends_nothing_from_outside((slots, garbage, tails) in any_attack()) {
        let region = Region::new(16, slots);
        let mut tx = TxRing::new(&region.mapping, &region.layout).unwrap();
        let other = Region::new(16, 16);
        let mut rx = RxRing::new(&other.mapping, &other.layout).unwrap();
        let peer = PeerRing::new(&other.mapping, &other.layout).unwrap();
        let mut tail = 0;
        for claimed in tails {
            for k in 0..claimed % slots {
                tx.put_as_is((claimed.wrapping_mul(k) % (BUF_SIZE + 2)) as u16);
            }
            write_slots(&region, region.layout.tx_ring(), &garbage);
            let mut at = tx.hwcur();
            let alike = (claimed % 2 == 0).then_some([0; 12]);
            let (frames, sum) = peer.put_run(&mut tail, 15 - rx.held(), &tx.outgoing(), &mut at, alike, 1);
            prop_assert!(frames <= 15 && sum <= u64::from(frames * BUF_SIZE));
            rx.set_tail(tail);
            while rx.next_frame().is_some() {}
            rx.release();
            let mut walked = 0;
            while let Some((frame, next)) = tx.frame_at(at) {
                let mut out = Vec::new();
                if let Some(frame) = frame {
                    frame.append_to(&mut out);
                }
                prop_assert!(out.len() <= 65_535 && next < slots);
                at = next;
                walked += 1;
            }
            prop_assert!(walked < slots);
            tx.consume(at);
            prop_assert_eq!(tx.space(), slots - 1);
        }
    }
}
