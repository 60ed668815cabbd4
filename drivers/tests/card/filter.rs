//! The filter in the driver: what it accepts is ours, the rest is the host's.

use crate::common::{LIMIT, bytes_of, frame, late_program, netmap_name, read, sh, with_cable};
use crate::{in_each_mode, options, packet_socket, port_on, queued, send_all};
use drivers::af_xdp::{Mode, open};
use drivers::bpf::Filtering;
use drivers::sys::bpf::{MapKind, map_create};
use nm_core::Woken;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// What `pcap_compile` makes of `ether[17] % 16 == number`, but for the number that it returns.
fn only(number: u32) -> [libc::sock_filter; 5] {
    let insn = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    [insn(0x30, 0, 0, 17), insn(0x54, 0, 0, 15), insn(0x15, 0, 1, number), insn(6, 0, 0, 40), insn(6, 0, 0, 0)]
}

#[test]
fn matched_frames_are_here_and_the_rest_is_at_the_host() {
    in_each_mode(|mode| {
        let (mut port, sender, host) = (port_on("va", mode), packet_socket("vb"), packet_socket("va"));
        host.ignore_outgoing();
        let sent: Vec<Vec<u8>> = (0..1600).map(|n| frame(n, 60)).collect();
        assert!(port.rx.offer_filter(&only(5)));
        // As many as the host's socket has room for.
        let (mut here, mut there) = (Vec::new(), Vec::new());
        for part in sent.chunks(160) {
            send_all(&sender, part);
            here.extend(bytes_of(read(&mut port, 10)));
            there.extend(queued(&host));
        }
        let (matched, rest): (Vec<_>, Vec<_>) = sent.into_iter().partition(|frame| frame[17] % 16 == 5);
        assert!(here == matched, "{} of {}", here.len(), matched.len());
        assert!(there == rest, "{} of {}", there.len(), rest.len());
    });
}

#[test]
fn what_an_exclusive_port_refuses_nobody_gets() {
    in_each_mode(|mode| {
        let (sender, host) = (packet_socket("vb"), packet_socket("va"));
        host.ignore_outgoing();
        let mut port = open(&netmap_name("netmap:va/x"), &options(mode)).expect("a port");
        assert!(port.rx.offer_filter(&only(5)));
        let sent: Vec<Vec<u8>> = (0..160).map(|n| frame(n, 60)).collect();
        send_all(&sender, &sent);
        let matched: Vec<_> = sent.iter().filter(|frame| frame[17] % 16 == 5).cloned().collect();
        assert!(bytes_of(read(&mut port, 10)) == matched);
        assert!(queued(&host).is_empty());
        assert_eq!(port.control.stats().received, 10);
        // The next filter's frames are those that the last one refused.
        assert!(port.rx.offer_filter(&only(6)));
        send_all(&sender, &sent);
        assert_eq!(bytes_of(read(&mut port, 10)).len(), 10);
        assert!(queued(&host).is_empty());
        // With the port goes its claim.
        drop(port);
        let start = Instant::now();
        loop {
            // A child that another test starts may have its descriptors for a moment.
            send_all(&sender, &sent);
            match queued(&host) {
                all if all == sent => break,
                some => assert!(start.elapsed() < LIMIT, "{} frames", some.len()),
            }
        }
    });
}

#[test]
fn frames_that_wait_are_counted_and_a_filter_takes_none_back() {
    in_each_mode(|mode| {
        let (mut port, sender) = (port_on("va", mode), packet_socket("vb"));
        let wait_for = |port: &nm_core::Port, received: u64| {
            let start = Instant::now();
            while port.control.stats().received < received {
                assert!(start.elapsed() < LIMIT, "{:?}", port.control.stats());
            }
            assert_eq!(port.control.stats().received, received);
        };
        let sent: Vec<Vec<u8>> = (0..32).map(|n| frame(n, 60)).collect();
        send_all(&sender, &sent[..10]);
        wait_for(&port, 10);
        // One more passes the filter.
        assert!(port.rx.offer_filter(&only(5)));
        assert_eq!(port.control.stats().received, 10);
        send_all(&sender, &sent[10..]);
        wait_for(&port, 11);
        assert_eq!(bytes_of(read(&mut port, 11)).len(), 11);
        assert_eq!(port.control.stats().received, 11);
        // A loop, which the reader runs: the driver gives it all.
        let insn = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
        port.rx.offer_filter(&[insn(1, 0, 0, 0), insn(5, 0, 0, u32::MAX), insn(6, 0, 0, 1)]);
        send_all(&sender, &sent);
        wait_for(&port, 11 + 32);
    });
}

#[test]
fn frames_stay_with_the_host_while_the_first_filter_is_made() {
    in_each_mode(|mode| {
        let (mut port, sender, host) = (port_on("va", mode), packet_socket("vb"), packet_socket("va"));
        host.ignore_outgoing();
        let sent: Vec<Vec<u8>> = (0..40).map(|n| frame(n, 60)).collect();
        port.control.leave_to_host(true);
        send_all(&sender, &sent[..10]);
        assert!(bytes_of(read(&mut port, 10)).is_empty());
        assert!(queued(&host) == sent[..10]);
        port.control.leave_to_host(false);
        send_all(&sender, &sent[10..20]);
        assert!(bytes_of(read(&mut port, 10)) == sent[10..20]);
        assert!(queued(&host).is_empty());
        // The second filter takes nothing from the first.
        assert!(port.rx.offer_filter(&only(5)));
        port.control.leave_to_host(true);
        send_all(&sender, &sent[20..]);
        assert_eq!(bytes_of(read(&mut port, 10)), [sent[21].clone(), sent[37].clone()]);
    });
}

#[test]
fn a_changed_filter_loses_nothing_and_doubles_nothing() {
    in_each_mode(|mode| change_filters(mode, || ()));
}

#[test]
fn a_filter_that_is_changed_without_privileges_loses_nothing_and_doubles_nothing() {
    if filters_can_be_written() {
        in_each_mode(|mode| change_filters(mode, give_up_privileges));
    }
}

/// A flood, and many filters after another: frames are here or at the host. `first` is called when the port is open.
fn change_filters(mode: Mode, first: fn()) {
    let (mut port, sender, host) = (port_on("va", mode), packet_socket("vb"), packet_socket("va"));
    host.ignore_outgoing();
    first();
    assert!(port.rx.offer_filter(&only(0)));
    let mut all = Vec::new();
    std::thread::scope(|threads| {
        let sending = threads.spawn(|| {
            for part in (0..8000).collect::<Vec<u32>>().chunks(50) {
                part.iter().for_each(|n| sender.send(&frame(*n, 60), false).unwrap());
                std::thread::sleep(Duration::from_micros(500));
            }
        });
        let mut number = 0;
        while !sending.is_finished() {
            number = (number + 1) % 16;
            assert!(port.rx.offer_filter(&only(number)));
            while let Some((bytes, _)) = read_now(&mut port) {
                all.push(bytes);
            }
            all.extend(queued(&host));
        }
    });
    while port.rx.wait(1, Some(Duration::from_millis(100))).unwrap() == Woken::Frames {
        while let Some((bytes, _)) = read_now(&mut port) {
            all.push(bytes);
        }
    }
    all.extend(queued(&host));
    all.sort_by_key(|frame| frame[14..18].to_vec());
    let expected: Vec<Vec<u8>> = (0..8000).map(|n| frame(n, 60)).collect();
    assert!(all == expected, "{} of {}", all.len(), expected.len());
}

/// Whether this kernel takes the program that filters are written for; says so if it does not.
fn filters_can_be_written() -> bool {
    let sockets = map_create(MapKind::Xsk, "test", 4, 1, 0).expect("a map");
    late_program(Filtering::map().expect("a map").as_fd(), sockets.as_fd()).is_some()
}

/// Takes all capabilities from the calling thread, for good, as programs do that have opened their card.
fn give_up_privileges() {
    for set in [caps::CapSet::Effective, caps::CapSet::Permitted] {
        caps::clear(None, set).expect("capset");
    }
}

#[test]
fn a_filter_that_comes_without_privileges_runs_in_the_driver() {
    if !filters_can_be_written() {
        return;
    }
    in_each_mode(|mode| {
        let (mut port, sender, host) = (port_on("va", mode), packet_socket("vb"), packet_socket("va"));
        host.ignore_outgoing();
        give_up_privileges();
        let sent: Vec<Vec<u8>> = (0..160).map(|n| frame(n, 60)).collect();
        for number in [5, 6] {
            assert!(port.rx.offer_filter(&only(number)));
            send_all(&sender, &sent);
            let (matched, rest): (Vec<_>, Vec<_>) =
                sent.iter().cloned().partition(|frame| u32::from(frame[17]) % 16 == number);
            assert!(bytes_of(read(&mut port, 10)) == matched);
            assert!(queued(&host) == rest);
        }
        assert_eq!(port.control.stats().received, 20);
        // A loop, which the reader runs: it gets all.
        let insn = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
        port.rx.offer_filter(&[insn(1, 0, 0, 0), insn(5, 0, 0, u32::MAX), insn(6, 0, 0, 1)]);
        send_all(&sender, &sent);
        assert!(bytes_of(read(&mut port, 160)) == sent);
    });
}

#[test]
fn a_filter_that_only_a_packet_socket_takes_any_more_goes_there() {
    // It may come while the interface is down.
    for down in [false, true] {
        with_cable(|| {
            let (sender, host) = (packet_socket("vb"), packet_socket("va"));
            host.ignore_outgoing();
            let options = drivers::Options { promiscuous: true, late_filter: true, ..drivers::Options::default() };
            let mut port = drivers::open(&netmap_name("netmap:va"), &options).expect("a port");
            assert_eq!(port.control.info().driver, Mode::Native.driver());
            let fd = port.rx.selectable_fd().expect("a descriptor");
            give_up_privileges();
            if down {
                sh("ip link set va down");
            }
            // More than a map has room for, and less than a socket's memory for options (20 kB before Linux 6.7).
            let mut long = only(5).to_vec();
            long.splice(0..0, vec![libc::sock_filter { code: 0, jt: 0, jf: 0, k: 0 }; 1100]);
            assert!(port.rx.offer_filter(&long));
            if down {
                sh("ip link set va up");
                host.take_error().expect("an answer").expect("it was down");
            }
            let sent: Vec<Vec<u8>> = (0..160).map(|n| frame(n, 60)).collect();
            send_all(&sender, &sent);
            assert!(nm_core::sys::fifo_is_readable(fd));
            let matched: Vec<_> = sent.iter().filter(|frame| frame[17] % 16 == 5).cloned().collect();
            assert!(bytes_of(read(&mut port, 10)) == matched);
            assert!(queued(&host) == sent, "the host has all of them");
            assert!(port.control.info().driver.contains("without privileges"), "{}", port.control.info().driver);
            assert_eq!(port.control.stats().received, 10);
            sh("ip link del va");
            assert!(matches!(port.rx.wait(1, Some(LIMIT)), Err(nm_core::PortError::Disappeared)));
        });
    }
}

fn read_now(port: &mut nm_core::Port) -> Option<(Vec<u8>, u64)> {
    let mut bytes = [0; 2000];
    port.rx.rxsync().unwrap();
    let frame = port.rx.ring().next_frame_into(&mut bytes).map(|(len, time)| (bytes[..len as usize].to_vec(), time));
    port.rx.ring().release();
    frame
}

#[test]
fn what_a_filter_in_the_driver_cannot_decide_is_left_to_the_reader() {
    in_each_mode(|mode| {
        let (mut port, sender) = (port_on("va", mode), packet_socket("vb"));
        assert!(port.rx.offer_filter(&only(5)));
        let insn = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
        // A loop, as protochain makes: ldx #0; ja -1; ret #1.
        let looping = [insn(1, 0, 0, 0), insn(5, 0, 0, u32::MAX), insn(6, 0, 0, 1)];
        port.rx.offer_filter(&looping);
        send_all(&sender, [&frame(1, 60), &frame(5, 60)]);
        assert_eq!(bytes_of(read(&mut port, 2)), [frame(1, 60), frame(5, 60)]);
        assert!(port.rx.offer_filter(&only(5)));
        send_all(&sender, [&frame(1, 60), &frame(5, 60)]);
        assert_eq!(bytes_of(read(&mut port, 1)), [frame(5, 60)]);
    });
}
