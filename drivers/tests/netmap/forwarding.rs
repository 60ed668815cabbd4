//! Frames that go on from one port to another: without a copy where both lie in the module's same memory.

use crate::fake::{Fake, RING_COUNTS, SLOTS, STRIDE, frame};
use nm_core::{Forwarded, Port};
use std::time::{Duration, Instant};

const RINGS: usize = RING_COUNTS[0] + RING_COUNTS[1] + RING_COUNTS[2] + RING_COUNTS[3];

/// Sends on what has arrived, as the pump does.
fn pump(from: &mut Port, to: &mut Port, burst: u32) -> Forwarded {
    let mut all = Forwarded::default();
    while from.rx.rxsync().unwrap() > 0 {
        let Forwarded { frames, bytes, refused } = to.tx.forward(from.rx.ring(), burst, false).unwrap();
        from.rx.ring().release();
        all = Forwarded { frames: all.frames + frames, bytes: all.bytes + bytes, refused: all.refused + refused };
    }
    all
}

/// The buffers of all rings, in order.
fn all_buffers(fake: &Fake) -> Vec<u32> {
    let mut buffers: Vec<u32> = (0..RINGS).flat_map(|ring| fake.buffers(ring)).collect();
    buffers.sort_unstable();
    buffers
}

#[test]
fn a_card_and_its_host_swap_buffers_and_none_is_lost_or_doubled() {
    let fake = Fake::new();
    let (mut card, mut host) = (fake.open("netmap:eth0"), fake.open("netmap:eth0^"));
    let buffers = all_buffers(&fake);
    let mut sent = [Vec::new(), Vec::new()];
    for round in 0..500u32 {
        for n in 0..round % 13 {
            let len = [60, 1514, STRIDE, STRIDE + 1, 4 * STRIDE + 7][((round + n) % 5) as usize];
            let to_card = frame(0, round * 100 + n, len);
            let to_host = frame(3, round * 100 + n, len);
            fake.arrive(1, &to_card);
            fake.arrive(3, &to_host);
            sent[0].push(to_card);
            sent[1].push(to_host);
        }
        pump(&mut card, &mut host, [1, 7, 1024][(round % 3) as usize]);
        pump(&mut host, &mut card, [1024, 1, 5][(round % 3) as usize]);
    }
    let state = fake.state();
    for (ring, sent) in [(2, &sent[0]), (0, &sent[1])] {
        let left = state.wire.iter().filter(|f| f.0 == ring).map(|f| &f.1);
        assert!(left.eq(sent), "ring {ring}");
    }
    assert_eq!(state.untold, 0, "the card still has another buffer for a slot");
    assert_eq!(all_buffers(&fake), buffers);
    for (port, sent) in [(&host, &sent[0]), (&card, &sent[1])] {
        let stats = port.control.stats();
        assert_eq!((stats.sent, stats.malformed), (sent.len() as u64, 0));
        assert_eq!(stats.sent_bytes, sent.iter().map(|f| f.len() as u64).sum::<u64>());
    }
}

#[test]
fn it_is_a_swap_and_no_copy() {
    let fake = Fake::new();
    let (mut card, mut host) = (fake.open("netmap:eth0-0"), fake.open("netmap:eth0^"));
    let (receive, transmit) = (Fake::rx(0), RING_COUNTS[0]);
    let before = [fake.buffers(receive), fake.buffers(transmit)];
    fake.arrive(0, &frame(0, 1, 60));
    fake.arrive(0, &frame(0, 2, STRIDE + 10));
    assert_eq!(pump(&mut card, &mut host, 1024), Forwarded { frames: 2, bytes: 70 + STRIDE as u64, refused: 0 });
    let mut expected = before.clone();
    // The receive ring begins at its slot 5.
    (0..3).for_each(|n| (expected[0][5 + n], expected[1][n]) = (before[1][n], before[0][5 + n]));
    assert_eq!([fake.buffers(receive), fake.buffers(transmit)], expected);
}

#[test]
fn other_memory_is_copied() {
    let (one, other) = (Fake::new(), Fake::new());
    let (mut from, mut to) = (one.open("netmap:eth0"), other.open("netmap:eth1"));
    let before = [all_buffers(&one), all_buffers(&other), one.buffers(Fake::rx(0)), other.buffers(0)];
    let sent: Vec<Vec<u8>> = (0..100).map(|n| frame(0, n, [60, 2 * STRIDE + 1][(n % 2) as usize])).collect();
    sent.iter().for_each(|f| one.arrive(0, f));
    assert_eq!(pump(&mut from, &mut to, 1024).frames, 100);
    assert!(other.state().wire.iter().map(|f| &f.1).eq(&sent));
    assert_eq!([all_buffers(&one), all_buffers(&other), one.buffers(Fake::rx(0)), other.buffers(0)], before);
}

#[test]
fn a_full_ring_is_waited_for_while_it_moves_and_once_in_vain() {
    let fake = Fake::new();
    let (mut card, mut host) = (fake.open("netmap:eth0-0"), fake.open("netmap:eth0^"));
    let buffers = all_buffers(&fake);
    fake.state().stuck = true;
    (0..30).for_each(|n| fake.arrive(0, &frame(0, n, 60)));
    // Fills the transmit ring; then waits for it in vain, once for each call, and the rest of the call's frames is refused.
    let start = Instant::now();
    let moved = pump(&mut card, &mut host, 1024);
    let most = u64::from(SLOTS) - 1;
    assert_eq!(moved, Forwarded { frames: most, bytes: most * 60, refused: 30 - most });
    // Looks at it are at least 50 us apart, and 10 ms end it: waiting for each of the frames would take many times as many.
    let (waited, looks) = (start.elapsed(), fake.state().syncs[0]);
    assert!(waited >= Duration::from_millis(10) && looks < 250, "{looks} looks in {waited:?}");
    (30..40).for_each(|n| fake.arrive(0, &frame(0, n, 60)));
    // Its own sync finds nothing, and so does the first look; the next one does, however late it comes.
    (fake.state().stuck, fake.state().stuck_syncs) = (false, 2);
    assert_eq!(pump(&mut card, &mut host, 1024).refused, 0);
    let numbers = (0..SLOTS - 1).chain(30..40);
    assert!(fake.state().wire.iter().map(|f| f.1.clone()).eq(numbers.map(|n| frame(0, n, 60))));
    assert_eq!(all_buffers(&fake), buffers);
}
