//! Frames that go out.

use crate::common::{LIMIT, bytes_of, frame, kernel_is_before, read, sh};
use crate::{in_each_mode, packet_socket, port_on, queued, with_each_driver};
use nm_core::PortError;
use std::time::Instant;

#[test]
fn injected_frames_arrive_and_refusals_have_their_reason() {
    with_each_driver(|driver| {
        let (mut port, mut other) = (driver.port_on("va"), driver.port_on("vb"));
        for n in 0..100 {
            port.tx.inject(&frame(n, 60 + n as usize), false).unwrap();
        }
        let ring = port.tx.ring().unwrap();
        for n in 100..400 {
            assert!(ring.put(&frame(n, 60)));
        }
        assert!(ring.put(&frame(400, 9000)), "does not fit the cable: dropped, and counted");
        assert!(ring.put(&frame(401, 1514)));
        assert_eq!(port.tx.txsync(false).unwrap(), 301);
        let got = bytes_of(read(&mut other, 401));
        assert!((0..100).all(|n| got[n] == frame(n as u32, 60 + n)));
        assert!((100..400).all(|n| got[n] == frame(n as u32, 60)) && got[400] == frame(401, 1514));
        assert_eq!((port.control.stats().sent, port.control.stats().dropped_long), (401, 1));

        assert!(matches!(port.tx.inject(&[0; 13], false), Err(PortError::TooShort { len: 13 })));
        assert!(matches!(port.tx.inject(&frame(0, 9000), false), Err(PortError::TooLong { len: 9000 })));
        assert!(matches!(port.tx.inject(&[0; 70_000], false), Err(PortError::TooLong { len: 70_000 })));
        sh("ip link set va down");
        let error = port.tx.inject(&frame(0, 60), false).expect_err("down").to_string();
        assert!(error.contains("Network is down"), "{error}");
    });
}

#[test]
fn a_frame_with_a_tag_may_be_four_bytes_longer() {
    in_each_mode(|mode| {
        let (mut port, mut other) = (port_on("va", mode), port_on("vb", mode));
        assert!(matches!(port.tx.inject(&frame(0, 1515), false), Err(PortError::TooLong { len: 1515 })));
        let mut tagged = frame(1, 1518);
        tagged[12..14].copy_from_slice(&[0x81, 0]);
        port.tx.inject(&tagged, false).unwrap();
        assert_eq!(bytes_of(read(&mut other, 1)), [tagged]);
    });
}

#[test]
fn a_frame_has_left_when_inject_returns() {
    in_each_mode(|mode| {
        let (mut port, other) = (port_on("va", mode), packet_socket("vb"));
        for n in 0..200 {
            let sent = Instant::now();
            port.tx.inject(&frame(n, 60), false).unwrap();
            let mut got = queued(&other);
            while got.is_empty() && sent.elapsed() < LIMIT {
                got = queued(&other);
            }
            assert_eq!(got, [frame(n, 60)]);
        }
    });
}

#[test]
fn buffers_to_send_from_come_back() {
    in_each_mode(|mode| {
        let (mut port, mut other) = (port_on("va", mode), port_on("vb", mode));
        let mut number = 0;
        // A cable has room for 256 frames that the other end has not taken.
        for round in 0..80 {
            let sent: Vec<_> = (number..number + 200).map(|n| frame(n, 60 + n as usize % 1400)).collect();
            number += 200;
            for frame in &sent[..50] {
                port.tx.inject(frame, false).unwrap();
            }
            for frame in &sent[50..] {
                assert!(port.tx.ring().unwrap().put(frame));
            }
            assert_eq!(port.tx.txsync(false).unwrap(), 150);
            assert_eq!(port.tx.ring().unwrap().space(), 1023);
            let got = bytes_of(read(&mut other, 200));
            assert!(got == sent, "{mode:?} round {round}: {} of 200", got.len());
        }
        assert_eq!((port.control.stats().sent, port.control.stats().malformed), (16_000, 0));
    });
}

#[test]
fn jumbo_frames_are_sent_in_pieces() {
    if kernel_is_before(6, 6, "frames in pieces") {
        return;
    }
    in_each_mode(|mode| {
        sh("ip link set va mtu 9000; ip link set vb mtu 9000");
        let (mut port, mut other) = (port_on("va", mode), port_on("vb", mode));
        let sent: Vec<Vec<u8>> = (0..200).map(|n| frame(n, [60, 9014, 3840, 3841, 7000][n as usize % 5])).collect();
        for frame in &sent[..100] {
            port.tx.inject(frame, false).unwrap();
        }
        for frame in &sent[100..] {
            assert!(port.tx.ring().unwrap().put(frame));
        }
        assert_eq!(port.tx.txsync(false).unwrap(), 100);
        let got = bytes_of(read(&mut other, 200));
        assert!(got == sent, "{} of 200, {:?}", got.len(), other.control.stats());
        assert!(matches!(port.tx.inject(&frame(0, 9019), false), Err(PortError::TooLong { .. })));
    });
}

/// The other end takes no frame that is longer than its own.
#[test]
fn frames_that_the_card_throws_away_are_not_counted_as_sent() {
    if kernel_is_before(6, 6, "frames in pieces") {
        return;
    }
    in_each_mode(|mode| {
        // Up to three buffers a frame.
        sh("ip link set va mtu 9000; ip link set vb mtu 9000");
        let (mut port, mut other) = (port_on("va", mode), port_on("vb", mode));
        sh("ip link set vb mtu 600");
        let (mut sent, mut long) = (Vec::new(), 0);
        for round in 0..20 {
            for n in 0..50 {
                let thrown = (n + round) % [2, 5, 50, 1][round as usize % 4] == 0;
                let frame = frame(round * 50 + n, if thrown { 1000 + 150 * n as usize } else { 60 + n as usize });
                assert!(port.tx.ring().unwrap().put(&frame));
                if thrown { long += frame.len() as u64 } else { sent.push(frame) }
            }
            port.tx.txsync(false).unwrap();
        }
        let bytes = sent.iter().map(|frame| frame.len() as u64).sum::<u64>();
        let stats = port.control.stats();
        assert_eq!(bytes_of(read(&mut other, sent.len())), sent);
        let (thrown, thrown_bytes) = port.tx.take_refused();
        assert_eq!((stats.sent, thrown), (sent.len() as u64, 1000 - sent.len() as u64));
        if !kernel_is_before(6, 17, "which frames were thrown away") {
            assert_eq!((stats.sent_bytes, thrown_bytes), (bytes, long));
        }
    });
}

#[test]
fn garbage_in_the_transmit_ring_is_counted() {
    in_each_mode(|mode| {
        let (mut port, mut other) = (port_on("va", mode), port_on("vb", mode));
        let ring = port.tx.ring().unwrap();
        assert!(ring.put_as_is(13) && ring.put_as_is(0) && ring.put(&frame(1, 60)));
        assert_eq!(port.tx.txsync(false).unwrap(), 1);
        assert_eq!(bytes_of(read(&mut other, 1)), [frame(1, 60)]);
    });
}
