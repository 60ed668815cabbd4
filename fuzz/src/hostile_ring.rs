//! A port's memory that a peer writes while both ends of its rings walk it.

use crate::region::{Region, bytes};
use nm_core::ring::peer::PeerRing;
use nm_core::ring::slots::FrameRef;
use nm_core::shm::layout::{BUF_SIZE, Layout, RESERVED_BUFS, STEP};
use nm_core::{RxRing, TxRing};
use std::os::unix::fs::FileExt;

const SLOTS: u32 = 40;
/// Bytes of a slot, and of a ring's header before its slots.
const SLOT: usize = size_of::<nm_core::abi::netmap_slot>();
const HEADER: usize = size_of::<nm_core::abi::netmap_ring>();

/// The input, taken apart; zeros at its end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn u8(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }
    fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }
    fn u32(&mut self) -> u32 {
        u32::from(self.u16()) | u32::from(self.u16()) << 16
    }
    /// A number that is mostly near the ring's size.
    fn position(&mut self) -> u32 {
        match self.u8() {
            255 => self.u32(),
            n => u32::from(n) % (SLOTS + 2),
        }
    }
    fn slot(&mut self) -> [u8; SLOT] {
        let buf = match self.u8() {
            255 => self.u32(),
            n => {
                u32::from(n) * (BUF_SIZE / STEP) / 4
                    % (Layout { rx_slots: SLOTS, tx_slots: SLOTS }.rx_place().num_bufs + 2)
            }
        };
        let (len, flags) = (self.u16(), self.u16());
        let len = if flags & 1 << 9 != 0 { BUF_SIZE as u16 } else { len };
        let mut slot = [0; SLOT];
        slot[..4].copy_from_slice(&buf.to_ne_bytes());
        slot[4..6].copy_from_slice(&len.to_ne_bytes());
        slot[6..8].copy_from_slice(&flags.to_ne_bytes());
        slot
    }
}

/// The bytes are a list of deeds: of the peer, which writes slots and claims positions, and of the honest ends.
/// No frame lies outside the buffers, and nothing outside the rings and the buffers changes.
pub fn hostile_ring(data: &[u8]) {
    thread_local! {
        static REGIONS: [Region; 2] = [Region::new(SLOTS, SLOTS), Region::new(SLOTS, SLOTS)];
    }
    REGIONS.with(|[region, other]| walk(region, other, Input(data)));
}

fn walk(region: &Region, other: &Region, mut input: Input<'_>) {
    let layout = &region.layout;
    let rings = || (RxRing::new(&region.mapping, layout), TxRing::new(&region.mapping, layout));
    let (Some(mut rx), Some(mut tx)) = rings() else { panic!("the region is too short") };
    let peer = PeerRing::new(&region.mapping, layout).expect("the region is long enough");
    let reserved = layout.buffers()..layout.buffers() + (RESERVED_BUFS * STEP) as usize;
    // A port never sends to itself.
    let receiver = RxRing::new(&other.mapping, &other.layout).zip(PeerRing::new(&other.mapping, &other.layout));
    let (_, receiver) = receiver.expect("the region is long enough");
    let untouched = || [region.read(0, layout.rx_ring()), region.read(reserved.start, reserved.len())];
    let before = untouched();
    let frame = [0xa5; 65_535];
    let mut tail = 0;
    let mut budget = 200;
    while !input.0.is_empty() && budget > 0 {
        budget -= 1;
        match input.u8() % 8 {
            0 | 1 => {
                let ring = if input.u8() & 1 == 0 { layout.rx_ring() } else { layout.tx_ring() };
                let at = ring + HEADER + (input.position() % SLOTS) as usize * SLOT;
                region.file.write_all_at(&input.slot(), at as u64).expect("inside the file");
            }
            2 => rx.set_tail(input.position()),
            3 => read_frame(region, &mut rx),
            4 => {
                rx.release();
                assert_eq!(rx.held(), 0);
            }
            5 => {
                let claimed = input.position();
                let len = usize::from(input.u16());
                if let Ok(next) = peer.put(claimed, FrameRef::from(&frame[..len]), 1) {
                    assert!(claimed < SLOTS && next < SLOTS);
                }
            }
            6 => {
                let len = input.u16();
                let done = if len & 1 == 0 { tx.put(&frame[..usize::from(len)]) } else { tx.put_as_is(len / 16) };
                assert!(!done || tx.space() < SLOTS - 1);
            }
            _ => send(&mut tx, &receiver, &mut tail),
        }
        assert!(rx.tail() < SLOTS && rx.held() + rx.ready() < SLOTS);
    }
    assert!(untouched() == before, "written outside the rings and the buffers");
}

fn read_frame(region: &Region, rx: &mut RxRing) {
    let Some(frame) = rx.next_frame() else { return };
    let (memory, buffers) = (region.addresses(), region.buffers());
    let (start, end) = (frame.data.addr(), frame.data.addr() + frame.len as usize);
    if memory.contains(&start) || memory.contains(&end) {
        assert!(start >= buffers.start + (RESERVED_BUFS * STEP) as usize && end <= buffers.end);
    }
    assert!(bytes(&frame).len() <= 65_535);
}

/// What a port does with its transmit ring: a run first, then frame by frame.
fn send(tx: &mut TxRing, peer: &PeerRing, tail: &mut u32) {
    let mut at = tx.hwcur();
    let (frames, sum) = peer.put_run(tail, SLOTS - 1, &tx.outgoing(), &mut at, Some([0xa5; 12]), 1);
    assert!(frames < SLOTS && sum <= u64::from(frames * BUF_SIZE) && *tail < SLOTS);
    while let Some((frame, next)) = tx.frame_at(at) {
        if let Some(frame) = frame {
            assert!(frame.len() <= 65_535);
            *tail = peer.put(*tail, frame, 1).unwrap_or(*tail);
        }
        at = next;
    }
    tx.consume(at);
    assert_eq!(tx.space(), SLOTS - 1);
}
