//! Rings at any place, with buffers of any stride: made by us for a driver, or by a kernel.

use crate::region::bytes;
use nm_core::abi::{NS_MOREFRAG, netmap_ring, netmap_slot};
use nm_core::ring::slots::Piece;
use nm_core::shm::mapping::Mapping;
use nm_core::shm::place::{RESERVED_BUFS, RingPlace, ring_bytes};
use nm_core::sync::{AtomicU32, AtomicU64, Ordering};
use nm_core::{RxRing, TxRing};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::mem::offset_of;
use std::sync::Arc;

/// A place, and a mapping that just holds it.
#[derive(Clone, Debug)]
struct Odd {
    place: RingPlace,
    bytes: usize,
}

fn any_place() -> impl Strategy<Value = Odd> {
    (0..40usize, 2..40u32, 0..300usize, 1..3000u32, 0..300u32, 0..100u32, 0..50u32).prop_map(
        |(ring, num_slots, gap, room, headroom, slack, more)| {
            let ring = ring * 8;
            let buffers = ring + ring_bytes(num_slots) + headroom as usize + gap;
            let stride = headroom + room + slack;
            let num_bufs = RESERVED_BUFS + num_slots + more;
            let place = RingPlace { ring, num_slots, buffers, stride, room, headroom, num_bufs };
            Odd { place, bytes: buffers + (num_bufs - 1) as usize * stride as usize + room as usize }
        },
    )
}

impl Odd {
    fn map(&self) -> Arc<Mapping> {
        Mapping::anonymous(self.bytes).expect("memory")
    }

    fn first_bufs(&self) -> Vec<u32> {
        (RESERVED_BUFS..RESERVED_BUFS + self.place.num_slots).collect()
    }

    fn write_slot(&self, mapping: &Mapping, i: u32, piece: Piece) {
        let at = self.place.ring + size_of::<netmap_ring>() + i as usize * size_of::<netmap_slot>();
        let word = u64::from_ne_bytes({
            let mut w = [0; 8];
            w[..4].copy_from_slice(&piece.buf_idx.to_ne_bytes());
            w[4..6].copy_from_slice(&piece.len.to_ne_bytes());
            w[6..].copy_from_slice(&piece.flags.to_ne_bytes());
            w
        });
        mapping.at::<AtomicU64>(at).expect("inside").store(word, Ordering::Relaxed);
    }

    fn write_tail(&self, mapping: &Mapping, tail: u32) {
        let at = self.place.ring + offset_of!(netmap_ring, tail);
        mapping.at::<AtomicU32>(at).expect("inside").store(tail, Ordering::Relaxed);
    }

    /// Whether a frame lies in a buffer that a slot may name, or outside the mapping (a chain that was copied).
    fn allows(&self, mapping: &Mapping, start: usize, len: usize) -> bool {
        let memory = mapping.address()..mapping.address() + mapping.len();
        if !memory.contains(&start) {
            return !memory.contains(&(start + len));
        }
        let first = mapping.address() + self.place.buffers + (RESERVED_BUFS * self.place.stride) as usize;
        let in_buffer = start.wrapping_sub(first) % self.place.stride as usize;
        start >= first && start + len <= memory.end && in_buffer == 0
    }
}

fn any_piece(odd: &Odd) -> impl Strategy<Value = Piece> + use<> {
    let (bufs, room) = (odd.place.num_bufs, odd.place.room);
    let buf = prop_oneof![4 => 0..bufs + 3, 1 => any::<u32>()];
    let len = prop_oneof![2 => 0..room + 2, 1 => Just(room), 1 => 0..65_536u32];
    let flags = prop_oneof![3 => Just(0u16), 3 => Just(NS_MOREFRAG), 1 => any::<u16>()];
    (buf, len, flags).prop_map(|(buf_idx, len, flags)| Piece { buf_idx, len: len as u16, flags })
}

fn any_attack() -> impl Strategy<Value = (Odd, Vec<Piece>, Vec<u32>)> {
    any_place().prop_flat_map(|odd| {
        let slots = odd.place.num_slots;
        let pieces = prop::collection::vec(any_piece(&odd), slots as usize);
        let tails = prop::collection::vec(prop_oneof![4 => 0..slots + 2, 1 => any::<u32>()], 1..12);
        (Just(odd), pieces, tails)
    })
}

#[test]
fn a_place_that_does_not_fit_is_refused() {
    let whole = RingPlace { ring: 128, num_slots: 4, buffers: 4096, stride: 100, room: 60, headroom: 40, num_bufs: 6 };
    let mapping = Mapping::anonymous(4096 + 560).unwrap();
    let made = |place: RingPlace| RxRing::make(&mapping, &place, vec![2; 4]).is_some();
    assert!(made(whole));
    for wrong in [
        RingPlace { num_bufs: 7, ..whole },
        RingPlace { num_bufs: 2, ..whole },
        RingPlace { num_bufs: u32::MAX, stride: u32::MAX, ..whole },
        RingPlace { stride: 111, ..whole },
        RingPlace { room: 0, ..whole },
        RingPlace { room: 61, ..whole },
        RingPlace { headroom: 41, ..whole },
        RingPlace { buffers: 39, ..whole },
        RingPlace { stride: 1 << 20, room: 1 << 17, ..whole },
        RingPlace { ring: 132, ..whole },
        RingPlace { ring: 1 << 20, ..whole },
        RingPlace { ring: usize::MAX - 64, ..whole },
        RingPlace { num_slots: 1, ..whole },
        RingPlace { num_slots: u32::MAX, ..whole },
    ] {
        assert!(!made(wrong), "{wrong:?}");
        assert!(TxRing::make(&mapping, &wrong, vec![2; 4]).is_none(), "{wrong:?}");
        assert!(RxRing::adopt(&mapping, &wrong).is_none(), "{wrong:?}");
    }
    assert!(RxRing::make(&mapping, &whole, vec![2; 3]).is_none(), "a buffer for each slot");
}

proptest! {
    #[test]
    fn garbage_in_a_kernels_ring_is_counted((odd, garbage, tails) in any_attack()) {
        let mapping = odd.map();
        let mut rx = RxRing::adopt(&mapping, &odd.place).unwrap();
        let mut tx = TxRing::adopt(&mapping, &odd.place).unwrap();
        for (i, piece) in (0..).zip(&garbage) {
            odd.write_slot(&mapping, i, *piece);
        }
        let first = 1_000_000_000;
        for (tail, now) in tails.into_iter().zip(first..) {
            odd.write_tail(&mapping, tail);
            let (before, ready) = (rx.tail(), rx.ready());
            let (frames, _) = rx.learn_tail(now);
            prop_assert!(rx.ready() >= ready && frames <= u64::from(rx.ready() - ready));
            prop_assert!(rx.tail() < odd.place.num_slots);
            prop_assert!(rx.tail() == tail || (rx.tail() == before && rx.take_malformed() == 1));
            for _ in 0..tail % 5 {
                let Some(frame) = rx.next_frame() else { break };
                prop_assert!(odd.allows(&mapping, frame.data.addr(), frame.len as usize), "{frame:?}");
                prop_assert_eq!(bytes(&frame).len(), frame.len as usize);
                // The time of the learning, or none: the transmit ring writes the same slots here.
                prop_assert!(frame.time_ns == 0 || (first..=now).contains(&frame.time_ns), "{}", frame.time_ns);
            }
            if tail % 2 == 0 {
                rx.release();
                rx.publish_head();
            }
            rx.take_malformed();
            let free = tx.space();
            tx.learn_tail();
            prop_assert!(tx.space() >= free && tx.space() < odd.place.num_slots);
            while tx.put(&[7; 100]) {}
            while tail % 3 == 0 && tx.put_as_is(1) {}
        }
    }

    #[test]
    fn what_a_driver_appends_comes_out_and_its_buffers_come_back(
        odd in any_place(),
        ops in prop::collection::vec((0..6u32, any::<u32>(), 0..66_000u32), 1..120),
    ) {
        let mapping = odd.map();
        let mut rx = RxRing::make(&mapping, &odd.place, odd.first_bufs()).unwrap();
        // One slot is never filled: its buffer stays with the driver, as do those beyond the slots.
        let mut free: VecDeque<u32> = (RESERVED_BUFS + 1..odd.place.num_bufs).collect();
        let mut inside: VecDeque<(Piece, u64)> = VecDeque::new();
        let (mut held, mut released): (VecDeque<u32>, VecDeque<u32>) = Default::default();
        let mut time = 1_000_000_000;
        for (op, number, len) in ops {
            match op {
                0 => {
                    let Some(&buf_idx) = free.front() else { continue };
                    let piece = Piece { buf_idx, len: len as u16, flags: 0 };
                    let room = rx.room();
                    let fits = u32::from(piece.len) <= odd.place.room;
                    time += u64::from(number % 3);
                    prop_assert_eq!(rx.append(piece, time), room > 0 && fits);
                    prop_assert_eq!(rx.take_malformed(), u64::from(room > 0 && !fits));
                    if room > 0 && fits {
                        free.pop_front();
                        inside.push_back((piece, time));
                    }
                }
                1 => {
                    prop_assert_eq!(rx.ready() as usize, inside.len());
                    let Some(frame) = rx.next_frame() else { continue };
                    let (piece, told) = inside.pop_front().unwrap();
                    let at = odd.place.buffers + piece.buf_idx as usize * odd.place.stride as usize;
                    prop_assert_eq!(frame.data.addr(), mapping.address() + at);
                    prop_assert_eq!((frame.len, frame.time_ns), (u32::from(piece.len), told));
                    held.push_back(piece.buf_idx);
                }
                2 => {
                    rx.release();
                    rx.publish();
                    released.append(&mut held);
                }
                3 => {
                    // A batch; one that is not finished was never there.
                    let (most, finish) = (number % 8, number % 3 > 0);
                    let (room, len) = (rx.room(), (len % (odd.place.room + 1)) as u16);
                    let pieces: Vec<Piece> =
                        free.iter().take(most as usize).map(|&buf_idx| Piece { buf_idx, len, flags: 0 }).collect();
                    let mut appending = rx.appending(number % 2 > 0);
                    for (n, &piece) in (0..).zip(&pieces) {
                        let none = Piece { buf_idx: odd.place.num_bufs, ..piece };
                        prop_assert!(!appending.append(none, time));
                        prop_assert_eq!(appending.append(piece, time), n < room);
                    }
                    if finish {
                        appending.finish();
                        let appended = pieces.len().min(room as usize);
                        inside.extend(pieces[..appended].iter().map(|&piece| (piece, time)));
                        free.drain(..appended);
                    }
                }
                4 => {
                    let (most, finish) = (number % 8, number % 3 > 0);
                    let mut taking = rx.taking_back();
                    let taken: Vec<u32> = (0..most).map_while(|_| taking.next()).collect();
                    prop_assert_eq!(taken.len(), released.len().min(most as usize));
                    prop_assert!(taken.iter().eq(released.iter().take(taken.len())));
                    if finish {
                        taking.finish();
                        free.extend(released.drain(..taken.len()));
                    }
                }
                _ => {
                    if let Some(buf_idx) = rx.take_back() {
                        prop_assert_eq!(released.pop_front(), Some(buf_idx));
                        free.push_back(buf_idx);
                    } else {
                        prop_assert!(released.is_empty());
                    }
                }
            }
        }
    }

    #[test]
    fn a_note_lies_before_its_buffer(odd in any_place(), buf in 0..60u32, back in 0..320u32) {
        let mapping = odd.map();
        let rx = RxRing::make(&mapping, &odd.place, odd.first_bufs()).unwrap();
        let note: Option<[u8; 8]> = rx.buffer(buf).and_then(|buffer| buffer.note(back));
        let ours = (RESERVED_BUFS..odd.place.num_bufs).contains(&buf) && (8..=odd.place.headroom).contains(&back);
        prop_assert_eq!(note.is_some(), ours);
    }

    #[test]
    fn pieces_are_seen_as_they_were_put(odd in any_place(), lens in prop::collection::vec(1..4000usize, 1..30)) {
        let mapping = odd.map();
        let mut tx = TxRing::make(&mapping, &odd.place, odd.first_bufs()).unwrap();
        let room = odd.place.room as usize;
        let mut spare = odd.place.num_bufs - 1;
        for len in lens {
            let frame: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let needed = len.div_ceil(room);
            let fits = needed < odd.place.num_slots as usize;
            prop_assert_eq!(tx.put(&frame), fits);
            let (mut at, mut seen) = (tx.hwcur(), 0);
            while let Some((piece, next)) = tx.piece_at(at) {
                let piece = piece.unwrap();
                let rest = len - seen;
                prop_assert_eq!((piece.len as usize, piece.flags != 0), (rest.min(room), rest > room));
                prop_assert!(tx.swap(at, spare));
                prop_assert!(!tx.swap(at, odd.place.num_bufs) && !tx.swap(at, 1));
                spare = piece.buf_idx;
                seen += usize::from(piece.len);
                at = next;
            }
            prop_assert_eq!(seen, if fits { len } else { 0 });
            tx.consume(at);
            prop_assert!(!tx.swap(at, spare), "nothing waits there");
        }
        prop_assert_eq!(tx.take_malformed(), 0);
    }
}
