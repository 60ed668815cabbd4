//! Frames that come in.

use crate::common::{LIMIT, bytes_of, frame, kernel_is_before, read, sh};
use crate::{Driver, in_each_mode, options, packet_socket, port_on, send_all, with_each_driver};
use drivers::af_xdp::open;
use nm_core::{Woken, sys};
use std::time::{Duration, Instant};

#[test]
fn frames_arrive_as_they_were_sent_each_with_its_own_time() {
    with_each_driver(|driver| {
        let (mut port, sender) = (driver.port_on("va"), packet_socket("vb"));
        let sent: Vec<Vec<u8>> = (0..2000).map(|n| frame(n, 18 + n as usize * 7 % 1497)).collect();
        let before = sys::realtime_ns();
        send_all(&sender, &sent);
        let after = sys::realtime_ns();
        let (frames, times): (Vec<_>, Vec<_>) = read(&mut port, sent.len()).into_iter().unzip();
        assert_eq!(frames, sent);
        // AF_XDP: two clocks are compared, whose difference is known to some microseconds.
        let unsure_ns = if matches!(driver, Driver::Xdp(_)) { 100_000 } else { 0 };
        assert!(times.is_sorted() && before <= times[0] + unsure_ns && *times.last().unwrap() <= after + unsure_ns);
        let different = times.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(different > 1900, "frames of a batch have one time: {different}");
        let stats = port.control.stats();
        assert_eq!((stats.received, stats.dropped_full, stats.malformed), (2000, 0, 0));
        assert_eq!(stats.received_bytes, sent.iter().map(|f| f.len() as u64).sum::<u64>());
    });
}

#[test]
fn buffers_go_round_for_ever() {
    in_each_mode(|mode| {
        let (mut port, sender) = (port_on("va", mode), packet_socket("vb"));
        // Many times the buffers that there are, in bursts that fit.
        for round in 0..40u32 {
            let sent: Vec<Vec<u8>> = (0..1000).map(|n| frame(round * 1000 + n, 60 + (n % 1400) as usize)).collect();
            send_all(&sender, &sent);
            assert!(bytes_of(read(&mut port, sent.len())) == sent, "round {round}");
        }
        let stats = port.control.stats();
        assert_eq!((stats.received, stats.dropped_full, stats.malformed), (40_000, 0, 0));
    });
}

#[test]
fn frames_are_read_where_the_kernel_put_them() {
    in_each_mode(|mode| {
        let (mut port, sender) = (port_on("va", mode), packet_socket("vb"));
        let mut places = Vec::new();
        for n in 0..3 {
            sender.send(&frame(n, 100), false).unwrap();
            assert_eq!(port.rx.wait(1, Some(LIMIT)).unwrap(), Woken::Frames);
            places.push(port.rx.ring().next_frame().expect("a frame").data.addr());
        }
        // Held frames lie in buffers of their own, one behind the other: nobody copied them together.
        assert!(places.windows(2).all(|pair| pair[1] == pair[0] + 2048), "{places:x?}");
    });
}

#[test]
fn frames_that_wait_in_the_kernel_are_counted() {
    in_each_mode(|mode| {
        let (mut port, sender) = (port_on("va", mode), packet_socket("vb"));
        let sent: Vec<Vec<u8>> = (0..100).map(|n| frame(n, 60)).collect();
        send_all(&sender, &sent);
        let start = Instant::now();
        while port.control.stats().received < 100 {
            assert!(start.elapsed() < LIMIT, "{:?}", port.control.stats());
        }
        assert!(bytes_of(read(&mut port, 100)) == sent);
        assert_eq!(port.control.stats().received, 100);
    });
}

#[test]
fn what_the_host_sends_itself_is_not_received() {
    with_each_driver(|driver| {
        let mut port = driver.port_on("va");
        packet_socket("va").send(&frame(1, 60), false).unwrap();
        port.tx.inject(&frame(2, 60), false).unwrap();
        packet_socket("vb").send(&frame(3, 60), false).unwrap();
        assert_eq!(bytes_of(read(&mut port, 1)), [frame(3, 60)]);
        assert_eq!(port.rx.wait(1, Some(Duration::from_millis(50))).unwrap(), Woken::TimedOut);
    });
}

#[test]
fn vlan_tags_stay_in_their_frames() {
    with_each_driver(|driver| {
        let (mut port, sender) = (driver.port_on("va"), packet_socket("vb"));
        let (mut tagged, mut double) = (frame(7, 100), frame(8, 1514));
        tagged[12..18].copy_from_slice(&[0x81, 0, 0xa0, 5, 0x88, 0xb5]);
        double[12..22].copy_from_slice(&[0x88, 0xa8, 0, 9, 0x81, 0, 0, 5, 0x88, 0xb5]);
        send_all(&sender, [&tagged, &double]);
        assert_eq!(bytes_of(read(&mut port, 2)), [tagged, double]);
    });
}

#[test]
fn frames_without_room_are_counted() {
    in_each_mode(|mode| {
        let few = drivers::af_xdp::Options { rx_slots: Some(64), promiscuous: false, ..options(mode) };
        let mut port = open(&crate::common::netmap_name("netmap:va"), &few).unwrap();
        let sender = packet_socket("vb");
        (0..1000).for_each(|n| sender.send(&frame(n, 60), false).unwrap());
        let got = read(&mut port, 1000).len() as u64;
        let stats = port.control.stats();
        assert!(stats.dropped_full > 0 && got == stats.received && got >= 64, "{got} {stats:?}");
        assert_eq!(got + stats.dropped_full, 1000);
        sender.send(&frame(5, 60), false).unwrap();
        assert_eq!(bytes_of(read(&mut port, 1)), [frame(5, 60)]);
    });
}

#[test]
fn jumbo_frames_get_larger_buffers_and_then_come_in_pieces() {
    if kernel_is_before(6, 6, "frames in pieces") {
        return;
    }
    in_each_mode(|mode| {
        for (mtu, buffer) in [(1774, 2048), (1775, 4096), (3822, 4096), (9000, 4096)] {
            sh(&format!("ip link set va mtu {mtu}; ip link set vb mtu {mtu}"));
            let (mut port, sender) = (port_on("va", mode), packet_socket("vb"));
            assert_eq!(port.control.info().buf_size, buffer, "MTU {mtu}");
            let lens = [60, mtu / 2, mtu + 14, 1514, mtu + 13];
            let sent: Vec<Vec<u8>> = (0..300).map(|n| frame(n, lens[n as usize % 5])).collect();
            send_all(&sender, &sent);
            let got = bytes_of(read(&mut port, sent.len()));
            let stats = port.control.stats();
            assert!(got == sent, "MTU {mtu}: {} of {}, {stats:?}", got.len(), sent.len());
        }
    });
}

#[test]
fn waiting_ends_with_frames_a_wake_or_the_time() {
    with_each_driver(|driver| {
        let (mut port, sender) = (driver.port_on("va"), packet_socket("vb"));
        let start = Instant::now();
        assert_eq!(port.rx.wait(1, Some(Duration::from_millis(30))).unwrap(), Woken::TimedOut);
        assert!((30..5_000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
        port.control.wake();
        assert_eq!(port.rx.wait(1, None).unwrap(), Woken::Woken);
        assert_eq!(port.rx.wait(1, Some(Duration::ZERO)).unwrap(), Woken::TimedOut);
        let control = std::sync::Arc::clone(&port.control);
        let waker = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            control.wake();
        });
        assert_eq!(port.rx.wait(1, None).unwrap(), Woken::Woken);
        waker.join().unwrap();

        sender.send(&frame(1, 60), false).unwrap();
        assert_eq!(port.rx.wait(1, Some(LIMIT)).unwrap(), Woken::Frames);
        assert_eq!(port.rx.wait(64, Some(Duration::from_millis(20))).unwrap(), Woken::TimedOut);
        assert_eq!(port.rx.ring().ready(), 1);
        std::thread::scope(|threads| {
            threads.spawn(|| (0..64).for_each(|n| sender.send(&frame(n, 60), false).unwrap()));
            assert_eq!(port.rx.wait(64, Some(LIMIT)).unwrap(), Woken::Frames);
        });
    });
}

#[test]
fn the_descriptor_is_readable_exactly_while_a_frame_waits() {
    with_each_driver(|driver| {
        let (mut port, sender) = (driver.port_on("va"), packet_socket("vb"));
        let fd = port.rx.selectable_fd().unwrap();
        let readable = || sys::fifo_is_readable(fd);
        assert!(!readable());
        for round in 0..3 {
            (0..3).for_each(|n| sender.send(&frame(n, 60), false).unwrap());
            if port.rx.gathers() {
                drivers::sys::wait::poll_numbers([fd], Some(LIMIT)).unwrap();
            }
            for n in 0..3 {
                assert!(readable(), "round {round}, frame {n}");
                assert!(port.rx.rxsync().unwrap() > 0);
                assert!(port.rx.ring().next_frame().is_some());
                port.rx.ring().release();
                port.rx.settle_fd();
            }
            assert!(!readable(), "round {round}");
        }
    });
}
