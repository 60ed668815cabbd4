//! Buffers without a slot: frames that are sent on wait in them while a transmit ring is full, and the module finds its list whole
//! whenever the port ends.

use crate::fake::{BUFS, FIRST_FREE, Fake, RING_COUNTS, SLOTS, STRIDE, frame};
use nm_core::sync::Ordering;
use nm_core::{Forwarded, Port, PortError};
use std::time::{Duration, Instant};

const RINGS: usize = RING_COUNTS[0] + RING_COUNTS[1] + RING_COUNTS[2] + RING_COUNTS[3];
/// Frames that fill a transmit ring.
const FULL: u32 = SLOTS - 1;

/// Sends on what has arrived, as the pump does.
fn pump(from: &mut Port, to: &mut Port) -> Forwarded {
    let mut all = to.tx.send_kept(false).unwrap();
    while from.rx.rxsync().unwrap() > 0 {
        all += to.tx.forward(from.rx.ring(), 7, false).unwrap();
        from.rx.ring().release();
    }
    all
}

/// The buffers of all rings and of the list, in order.
fn all_buffers(fake: &Fake) -> Vec<u32> {
    let mut buffers: Vec<u32> = (0..RINGS).flat_map(|ring| fake.buffers(ring)).chain(fake.list()).collect();
    buffers.sort_unstable();
    buffers
}

fn wire(fake: &Fake) -> Vec<Vec<u8>> {
    fake.state().wire.iter().map(|f| f.1.clone()).collect()
}

fn bytes_of(frames: &[Vec<u8>]) -> u64 {
    frames.iter().map(|f| f.len() as u64).sum()
}

/// Frames of one slot and of several.
fn sent(numbers: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    numbers.map(|n| frame(0, n, [60, 1514, STRIDE + 1, STRIDE, 3 * STRIDE + 5][n as usize % 5])).collect()
}

#[test]
fn frames_wait_for_a_full_ring_and_leave_in_their_order() {
    // In the same memory they are swapped, from another they are copied.
    for same in [true, false] {
        let fake = Fake::new();
        let other = if same { fake.clone() } else { Fake::new() };
        let (mut card, mut host) = (other.open("netmap:eth0-0"), fake.open_with("netmap:eth0^", BUFS));
        assert_eq!(host.control.extra_bufs(), BUFS - FIRST_FREE);
        let buffers = all_buffers(&fake);
        assert_eq!(buffers, (2..BUFS).collect::<Vec<_>>());
        fake.state().stuck = true;
        let sent = sent(0..40);
        let mut moved = Forwarded::default();
        let start = Instant::now();
        for chunk in sent.chunks(3) {
            chunk.iter().for_each(|f| other.arrive(0, f));
            moved += pump(&mut card, &mut host);
        }
        assert!(start.elapsed() < Duration::from_secs(2), "it waited for the ring");
        assert_eq!(moved.refused, 0);
        assert_eq!(moved.frames + u64::from(host.tx.kept()), 40);
        assert!(moved.frames < u64::from(FULL) && wire(&fake).is_empty());
        // What the module would free now is in no slot, and no frame waits in it.
        let mut now = all_buffers(&fake);
        let all = now.len();
        now.dedup();
        assert!(now.len() == all && all < buffers.len(), "{all} of {}", buffers.len());
        fake.state().stuck = false;
        while host.tx.kept() > 0 {
            moved += host.tx.send_kept(false).unwrap();
        }
        moved += host.tx.send_kept(false).unwrap();
        assert!(wire(&fake) == sent, "same: {same}");
        assert_eq!(moved, Forwarded { frames: 40, bytes: bytes_of(&sent), refused: 0 });
        let stats = host.control.stats();
        assert_eq!((stats.sent, stats.sent_bytes, stats.malformed), (40, bytes_of(&sent), 0));
        for fake in [&fake, &other] {
            assert_eq!(fake.state().untold, 0, "the card still has another buffer for a slot");
        }
        drop(host);
        assert_eq!(all_buffers(&fake), buffers, "same: {same}");
    }
}

#[test]
fn the_list_is_whole_again_when_a_port_closes_while_frames_wait() {
    let fake = Fake::new();
    let (mut card, mut host) = (fake.open("netmap:eth0-0"), fake.open_with("netmap:eth0^", 50));
    let buffers = all_buffers(&fake);
    fake.state().stuck = true;
    for n in 0..30 {
        fake.arrive(0, &frame(0, n, 60));
        pump(&mut card, &mut host);
    }
    assert_eq!(host.tx.kept(), 30 - FULL);
    assert_eq!(fake.list().len() as u32, 50 - (30 - FULL));
    drop((card, host));
    assert_eq!(fake.list().len(), 50);
    assert_eq!(all_buffers(&fake), buffers);
}

#[test]
fn without_a_buffer_left_frames_wait_their_time_and_go() {
    let fake = Fake::new();
    let (mut card, mut host) = (fake.open("netmap:eth0-0"), fake.open_with("netmap:eth0^", 10));
    fake.state().stuck = true;
    (0..40).for_each(|n| fake.arrive(0, &frame(0, n, 60)));
    let start = Instant::now();
    let moved = pump(&mut card, &mut host);
    assert!(start.elapsed() >= Duration::from_millis(10));
    assert_eq!((moved.frames, host.tx.kept(), moved.refused), (FULL.into(), 10, u64::from(40 - FULL - 10)));
    // One that could never be sent keeps no other from its place.
    fake.state().stuck = false;
    fake.arrive(0, &frame(0, 40, 8 * STRIDE));
    fake.arrive(0, &frame(0, 41, 60));
    let mut rest = Forwarded::default();
    while rest.frames < 12 {
        rest += pump(&mut card, &mut host);
    }
    let left: Vec<u32> = (0..FULL + 10).chain([40, 41]).collect();
    let numbers: Vec<u32> = wire(&fake).iter().map(|f| u32::from_be_bytes([f[14], f[15], f[16], f[17]])).collect();
    assert_eq!((numbers, rest.refused), (left, 0));
}

#[test]
fn what_waits_at_the_end_is_sent_or_told() {
    let fake = Fake::new();
    let (mut card, mut host) = (fake.open("netmap:eth0-0"), fake.open_with("netmap:eth0^", 30));
    let fill = |card: &mut Port, host: &mut Port, numbers: std::ops::Range<u32>| {
        fake.state().stuck = true;
        let mut moved = Forwarded::default();
        for n in numbers {
            fake.arrive(0, &frame(0, n, 60));
            moved += pump(card, host);
        }
        moved
    };
    let mut moved = fill(&mut card, &mut host, 0..20);
    (fake.state().stuck, fake.state().stuck_syncs) = (false, 2);
    moved += host.tx.send_kept(true).unwrap();
    assert_eq!((moved.frames, moved.refused, host.tx.kept()), (20, 0, 0));
    let mut moved = fill(&mut card, &mut host, 20..50);
    let kept = u64::from(host.tx.kept());
    assert!(kept > 10);
    let start = Instant::now();
    moved += host.tx.send_kept(true).unwrap();
    assert!((10..5_000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert_eq!((moved.refused, host.tx.kept()), (kept, 0));
    assert_eq!(fake.list().len(), 30);
}

#[test]
fn frames_that_are_sent_in_other_ways_go_behind() {
    let fake = Fake::new();
    let (mut card, mut host) = (fake.open("netmap:eth0-0"), fake.open_with("netmap:eth0^", 30));
    fake.state().stuck = true;
    (0..20).for_each(|n| {
        fake.arrive(0, &frame(0, n, 60));
        pump(&mut card, &mut host);
    });
    assert!(matches!(host.tx.inject(&frame(0, 99, 60), true), Err(PortError::NoRoom)));
    assert!(!host.tx.ring().unwrap().put(&frame(0, 99, 60)), "the ring has room");
    fake.state().stuck = false;
    host.tx.inject(&frame(0, 20, 60), false).unwrap();
    host.tx.ring().unwrap().put(&frame(0, 21, 60));
    assert_eq!(host.tx.txsync(false).unwrap(), 1);
    assert!(wire(&fake) == (0..22).map(|n| frame(0, n, 60)).collect::<Vec<_>>());
    assert_eq!(host.tx.send_kept(false).unwrap().frames, u64::from(20 - FULL));
    assert_eq!(host.control.stats().sent, 22);
}

#[test]
fn a_list_is_walked_no_further_than_it_makes_sense() {
    let (first, last) = (FIRST_FREE, BUFS - 1);
    // The list as it lies there, what the module says it gave; what is taken of it, and what the module would free afterwards.
    let ring_buffer = Fake::new().buffers(Fake::rx(2))[3];
    for (what, list, given, taken, left) in [
        ("as it should be", &[first, last, 150, 0][..], 3, 3, &[first, 150, last][..]),
        ("empty", &[0], 5, 0, &[]),
        ("shorter than given", &[120, 121, 0], 5, 2, &[120, 121]),
        ("longer than given", &[120, 121, 122, 123, 0], 2, 2, &[120, 121, 122, 123]),
        ("no end", &[120, 121, 122, 120], 50, 3, &[120, 121, 122]),
        ("a circle of one", &[120, 120], 50, 1, &[120]),
        ("no end, and longer than given", &[120, 121, 120], 2, 2, &[120, 121]),
        ("a buffer that the module keeps", &[120, 1], 5, 1, &[120]),
        ("no buffer", &[BUFS], 5, 0, &[]),
        ("far outside", &[120, 121, u32::MAX], 5, 2, &[120, 121]),
        ("a ring's buffer", &[120, ring_buffer, 121, 0], 5, 1, &[120]),
        ("a ring's buffer behind those that were given", &[120, ring_buffer], 1, 1, &[120]),
        ("nonsense behind those that were given", &[120, u32::MAX - 3], 1, 1, &[120]),
    ] {
        let fake = Fake::new();
        fake.state().extra = Some(given);
        fake.list_head().store(list[0], Ordering::Relaxed);
        for pair in list.windows(2) {
            if pair[0] < BUFS {
                fake.link(pair[0]).store(pair[1], Ordering::Relaxed);
            }
        }
        let port = fake.open_with("netmap:eth0", 100);
        assert_eq!(port.control.extra_bufs(), taken, "{what}");
        assert_eq!(port.control.stats().malformed, u64::from(what != "as it should be"), "{what}");
        for _ in 0..2 {
            assert_eq!(fake.list(), left, "{what}");
            // Its end says so: the module complains of anything else.
            let end = left.iter().filter(|buffer| fake.link(**buffer).load(Ordering::Relaxed) == 0).count();
            assert_eq!(end, usize::from(!left.is_empty()), "{what}");
        }
        drop(port);
        assert_eq!(fake.list(), left, "{what}");
    }
}

#[test]
fn a_module_that_says_it_gave_more_than_was_asked_for_is_not_believed() {
    let fake = Fake::new();
    fake.state().extra = Some(u32::MAX);
    (FIRST_FREE..BUFS).for_each(|n| fake.link(n).store(n + 1, Ordering::Relaxed));
    fake.list_head().store(FIRST_FREE, Ordering::Relaxed);
    let port = fake.open_with("netmap:eth0", 7);
    assert_eq!(port.control.extra_bufs(), 7);
}

#[test]
fn garbage_in_the_list_costs_buffers_and_is_counted() {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut below = |n: u32| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as u32 % n
    };
    let mut malformed = 0;
    for round in 0..300 {
        let fake = Fake::new();
        fake.state().extra = Some(below(100));
        for buffer in FIRST_FREE..BUFS {
            let next = [buffer + 1, below(BUFS + 20), below(u32::MAX), 0][below(4) as usize % (1 + round as usize % 4)];
            fake.link(buffer).store(next, Ordering::Relaxed);
        }
        fake.list_head().store([FIRST_FREE, below(BUFS + 20)][below(2) as usize], Ordering::Relaxed);
        let (mut card, mut host) = (fake.open("netmap:eth0-0"), fake.open_with("netmap:eth0^", 100));
        let buffers = host.control.extra_bufs();
        assert!(buffers <= BUFS - FIRST_FREE);
        for n in 0..200 {
            match below(8) {
                0 => fake.state().stuck ^= true,
                1 => fake.list_head().store(below(u32::MAX), Ordering::Relaxed),
                2 => fake.link(below(BUFS)).store(below(BUFS), Ordering::Relaxed),
                3 => fake.set_slot(
                    below(7) as usize,
                    below(SLOTS),
                    below(BUFS + 50),
                    below(3000) as u16,
                    below(256) as u16,
                ),
                _ => fake.arrive(0, &frame(0, n, 60 + below(4000) as usize)),
            }
            if card.rx.rxsync().unwrap() > 0 {
                host.tx.forward(card.rx.ring(), 1024, true).unwrap();
                card.rx.ring().release();
            }
            host.tx.send_kept(false).unwrap();
            assert!(host.tx.kept() <= buffers);
        }
        malformed += host.control.stats().malformed;
    }
    assert!(malformed > 200, "{malformed}");
}
