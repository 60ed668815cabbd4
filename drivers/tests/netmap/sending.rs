//! Frames that the module sends.

use crate::fake::{Fake, SLOTS, STRIDE, frame};
use nm_core::PortError;
use std::time::{Duration, Instant};

#[test]
fn an_injected_frame_leaves_at_once() {
    let fake = Fake::new();
    let mut port = fake.open("netmap:eth0");
    for n in 0..100 {
        port.tx.inject(&frame(0, n, 60 + n as usize), n % 2 == 0).unwrap();
        assert_eq!(fake.state().wire.len(), n as usize + 1, "it lies in the ring");
    }
    assert!(fake.state().wire.iter().zip(0..).all(|(sent, n)| *sent == (0, frame(0, n, 60 + n as usize))));
    let stats = port.control.stats();
    assert_eq!((stats.sent, stats.malformed), (100, 0));
}

#[test]
fn frames_go_to_the_ring_that_the_name_says() {
    for (text, ring) in [("netmap:eth0-1", 1), ("netmap:eth0^", 2), ("netmap:eth0*", 0), ("netmap:x}1", 0)] {
        let fake = Fake::new();
        fake.open(text).tx.inject(&frame(0, 1, 60), false).unwrap();
        assert_eq!(fake.state().wire, [(ring, frame(0, 1, 60))], "{text}");
    }
}

#[test]
fn batches_and_chains() {
    let fake = Fake::new();
    let mut port = fake.open("netmap:eth0");
    let sent = [frame(0, 1, 60), frame(0, 2, 2 * STRIDE + 1), frame(0, 3, 1514), frame(0, 4, 8 * STRIDE)];
    sent.iter().for_each(|f| assert!(port.tx.ring().unwrap().put(f)));
    assert!(fake.state().wire.is_empty());
    assert_eq!(port.tx.txsync(false).unwrap(), 4);
    assert_eq!(port.tx.txsync(false).unwrap(), 0);
    assert!(fake.state().wire.iter().map(|f| &f.1).eq(&sent));
    assert_eq!(port.control.stats().sent, 4);
    let most = (SLOTS as usize - 1) * STRIDE;
    port.tx.inject(&frame(0, 5, most), false).unwrap();
    assert!(matches!(port.tx.inject(&frame(0, 6, most + 1), false), Err(PortError::TooLong { .. })));
    assert!(matches!(port.tx.inject(&[0; 13], false), Err(PortError::TooShort { len: 13 })));
    assert!(matches!(port.tx.inject(&vec![0; 65_536], false), Err(PortError::TooLong { .. })));
}

#[test]
fn a_full_ring_is_waited_for_and_then_an_error() {
    let fake = Fake::new();
    let mut port = fake.open("netmap:eth0");
    fake.state().stuck = true;
    for n in 0..SLOTS - 1 {
        port.tx.inject(&frame(0, n, 60), false).unwrap();
    }
    // The machine may have other work now and then; a sender that waits does so each time.
    let waits = |_| {
        let start = Instant::now();
        assert!(matches!(port.tx.inject(&frame(0, 99, 60), true), Err(PortError::NoRoom)));
        start.elapsed() >= Duration::from_millis(8)
    };
    assert!(!(0..50).all(waits), "a non-blocking sender waited");
    let start = Instant::now();
    assert!(matches!(port.tx.inject(&frame(0, 99, 60), false), Err(PortError::NoRoom)));
    assert!((10..5_000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    std::thread::scope(|threads| {
        threads.spawn(|| {
            std::thread::sleep(Duration::from_millis(3));
            fake.state().stuck = false;
        });
        // On a busy machine the time may be over before the other thread has run.
        while port.tx.inject(&frame(0, SLOTS - 1, 60), false).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10));
        }
    });
    assert!(fake.state().wire.iter().map(|f| f.1.clone()).eq((0..SLOTS).map(|n| frame(0, n, 60))));
}
