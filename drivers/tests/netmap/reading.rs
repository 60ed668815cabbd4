//! Frames that the module receives.

use crate::fake::{Fake, SLOTS, STRIDE, frame, read};
use nm_core::{PortError, PortKind, Woken, sys};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn all_rings_are_read_each_in_its_order() {
    let fake = Fake::new();
    let mut port = fake.open("netmap:eth0");
    for n in 0..100 {
        (0..3)
            .filter(|ring| n % (ring + 1) == 0)
            .for_each(|ring| fake.arrive(ring as usize, &frame(ring as usize, n, 60)));
        fake.arrive(3, &frame(3, n, 60));
    }
    let got = read(&mut port, 1000);
    for ring in 0..3u32 {
        let of_ring: Vec<&Vec<u8>> = got.iter().map(|f| &f.0).filter(|f| u32::from(f[1]) == ring).collect();
        let sent: Vec<Vec<u8>> =
            (0..100).filter(|n| n % (ring + 1) == 0).map(|n| frame(ring as usize, n, 60)).collect();
        assert!(of_ring.iter().copied().eq(&sent), "ring {ring}");
    }
    assert_eq!(got.len(), 100 + 50 + 34, "the host's ring is not bound");
    let stats = port.control.stats();
    assert_eq!((stats.received, stats.received_bytes, stats.malformed), (184, 184 * 60, 0));
}

#[test]
fn no_ring_waits_for_another_that_is_always_full() {
    let fake = Fake::new();
    let mut port = fake.open("netmap:eth0");
    (0..1000).for_each(|n| fake.arrive(0, &frame(0, n, 60)));
    fake.arrive(2, &frame(2, 7, 60));
    let before = read(&mut port, 40);
    assert!(before.iter().any(|f| f.0[1] == 2), "ring 2 starves");
}

#[test]
fn names_bind_the_rings_that_they_say() {
    for (text, rings) in [
        ("netmap:eth0-1", &[1][..]),
        ("netmap:eth0^", &[3]),
        ("netmap:eth0^0", &[3]),
        ("netmap:eth0*", &[0, 1, 2, 3]),
        ("netmap:x{1", &[0, 1, 2]),
    ] {
        let fake = Fake::new();
        let mut port = fake.open(text);
        (0..4).for_each(|ring| fake.arrive(ring, &frame(ring, 1, 60)));
        let mut got: Vec<u8> = read(&mut port, 10).iter().map(|f| f.0[1]).collect();
        got.sort_unstable();
        assert_eq!(got, rings, "{text}");
        assert_eq!(port.control.info().rx_slots, rings.len() as u32 * SLOTS);
    }
}

#[test]
fn a_frame_in_two_slots_is_whole() {
    let fake = Fake::new();
    let mut port = fake.open("netmap:eth0-0");
    let sent = [frame(0, 1, 60), frame(0, 2, STRIDE + 1), frame(0, 3, 3 * STRIDE), frame(0, 4, STRIDE)];
    sent.iter().for_each(|f| fake.arrive(0, f));
    let got: Vec<Vec<u8>> = read(&mut port, 10).into_iter().map(|f| f.0).collect();
    assert_eq!(got, sent);
    assert_eq!(port.control.stats().received, 4);
}

#[test]
fn frames_keep_the_time_of_the_sync_that_found_them() {
    let fake = Fake::new();
    let mut port = fake.open("netmap:eth0-0");
    fake.arrive(0, &frame(0, 1, 60));
    let first = sys::realtime_ns();
    assert_eq!(port.rx.wait(1, Some(Duration::ZERO)).unwrap(), Woken::Frames);
    let between = sys::realtime_ns();
    std::thread::sleep(Duration::from_millis(30));
    fake.arrive(0, &frame(0, 2, 60));
    assert_eq!(port.rx.wait(2, Some(Duration::from_secs(5))).unwrap(), Woken::Frames);
    let times: Vec<u64> = read(&mut port, 2).into_iter().map(|f| f.1).collect();
    // The module tells microseconds.
    assert!(first / 1000 <= times[0] / 1000 && times[0] <= between, "{times:?}");
    assert!(times[1] >= between + 29_000_000, "{times:?}");
}

#[test]
fn waiting_ends_with_frames_a_wake_or_the_time() {
    let fake = Fake::new();
    let mut port = fake.open("netmap:eth0");
    let start = Instant::now();
    assert_eq!(port.rx.wait(1, Some(Duration::from_millis(30))).unwrap(), Woken::TimedOut);
    assert!((30..5_000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert_eq!(port.rx.wait(1, Some(Duration::ZERO)).unwrap(), Woken::TimedOut);
    assert_eq!(port.rx.rxsync().unwrap(), 0);
    let polls = fake.state().polls;
    assert!(polls < 10, "{polls} polls in 30 ms");

    let control = Arc::clone(&port.control);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            std::thread::sleep(Duration::from_millis(30));
            control.wake();
        });
        assert_eq!(port.rx.wait(1, None).unwrap(), Woken::Woken);
        threads.spawn(|| {
            std::thread::sleep(Duration::from_millis(30));
            fake.arrive(1, &frame(1, 1, 60));
        });
        assert_eq!(port.rx.wait(1, None).unwrap(), Woken::Frames);
    });
    assert_eq!(port.rx.ring().ready(), 1);
}

#[test]
fn slots_go_back_while_others_are_still_read() {
    let fake = Fake::new();
    let mut port = fake.open("netmap:eth0-0");
    (0..200).for_each(|n| fake.arrive(0, &frame(0, n, 60)));
    let mut most = 0;
    for n in 0..200u32 {
        assert!(port.rx.rxsync().unwrap() > 0);
        let mut bytes = [0; 60];
        port.rx.ring().next_frame_into(&mut bytes).unwrap();
        assert_eq!(bytes[..], frame(0, n, 60)[..]);
        port.rx.ring().release();
        most = most.max(fake.state().incoming[0].len());
    }
    let syncs = fake.state().syncs[1];
    assert!((40..80).contains(&syncs), "{syncs} system calls for 200 frames in a ring of {SLOTS}");
}

#[test]
fn a_nested_read_goes_on_to_the_next_ring_and_the_held_one_comes_back() {
    let fake = Fake::new();
    let mut port = fake.open("netmap:eth0");
    (0..2).for_each(|ring| (0..20).for_each(|n| fake.arrive(ring, &frame(ring, n, 60))));
    // Read both rings to their ends without giving anything back.
    let (mut bytes, mut held) = ([0; 60], 0);
    while port.rx.rxsync().unwrap() > 0 {
        while port.rx.ring().next_frame_into(&mut bytes).is_some() {
            held += 1;
        }
    }
    assert_eq!(held, 2 * (SLOTS - 1));
    // Now the outer reader gives back what he has, as he comes to it.
    let mut rest = 0;
    for _ in 0..4 {
        port.rx.ring().release();
        rest += read(&mut port, 100).len() as u32;
    }
    assert_eq!(rest, 40 - held);
}

#[test]
fn the_modules_descriptor_is_readable_exactly_while_a_frame_waits() {
    let fake = Fake::new();
    let mut port = fake.open("netmap:eth0");
    assert_eq!(port.rx.selectable_fd().unwrap(), -7);
    assert!(!fake.is_readable());
    (0..3).for_each(|n| fake.arrive(n, &frame(n, 0, 60)));
    fake.sync_rx(&mut fake.state());
    for n in 0..3 {
        assert!(fake.is_readable(), "frame {n}");
        assert!(port.rx.rxsync().unwrap() > 0);
        assert!(port.rx.ring().next_frame().is_some());
        port.rx.ring().release();
        port.rx.settle_fd();
    }
    assert!(!fake.is_readable());
}

#[test]
fn an_interface_that_disappears_is_an_error_and_no_spin() {
    let fake = Fake::new();
    let mut port = fake.open("netmap:eth0");
    std::thread::scope(|threads| {
        threads.spawn(|| {
            std::thread::sleep(Duration::from_millis(30));
            fake.state().gone = true;
            fake.wake();
        });
        assert!(matches!(port.rx.wait(1, None), Err(PortError::Disappeared)));
    });
    assert!(matches!(port.rx.wait(1, None), Err(PortError::Disappeared)));
    assert!(matches!(port.rx.rxsync(), Err(PortError::Disappeared)));
    assert!(fake.state().polls < 10);
    assert!(matches!(port.tx.inject(&frame(0, 0, 60), false), Err(PortError::Disappeared)));
}

#[test]
fn monitors_and_one_way_ports_are_what_they_say() {
    let fake = Fake::new();
    let kind = |text| fake.open(text).control.info().kind;
    assert_eq!(kind("netmap:eth0"), PortKind::Port);
    assert_eq!(kind("netmap:eth0/t"), PortKind::MonitorTx);
    assert_eq!(kind("netmap:eth0/r"), PortKind::MonitorRx);
    assert_eq!(kind("netmap:eth0/rt"), PortKind::Listener);
    for text in ["netmap:eth0/t", "netmap:eth0/R"] {
        let mut port = fake.open(text);
        assert!(matches!(port.tx.inject(&frame(0, 0, 60), false), Err(PortError::ReadOnly { .. })), "{text}");
        assert!(port.tx.ring().is_err());
    }
    let mut blind = fake.open("netmap:eth0/T");
    fake.arrive(0, &frame(0, 0, 60));
    assert_eq!(blind.rx.wait(1, Some(Duration::from_millis(20))).unwrap(), Woken::TimedOut);
    assert_eq!(blind.rx.rxsync().unwrap(), 0);
    blind.tx.inject(&frame(0, 1, 60), false).unwrap();
}
