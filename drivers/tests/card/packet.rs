//! What a packet socket does otherwise than a card's rings.

use crate::common::{LIMIT, bytes_of, frame, netmap_name, read, sh, with_cable};
use crate::packet_socket;
use drivers::af_packet::{Options, open};
use nm_core::{Port, PortError, Woken};
use std::time::{Duration, Instant};

pub fn port_on(card: &str) -> Port {
    open(&netmap_name(&format!("netmap:{card}")), &Options::default()).expect("a port")
}

const GATHER: Duration = Duration::from_millis(20);

pub fn gathering_on(card: &str) -> Port {
    let options = Options { gather: Some(GATHER), ..Options::default() };
    open(&netmap_name(&format!("netmap:{card}")), &options).expect("a port")
}

/// Runs `test` with each ring of the kernel's, each time in a namespace of its own.
fn with_each_ring(test: impl Fn(fn(&str) -> Port) + Sync) {
    for port_on in [port_on, gathering_on] {
        with_cable(|| test(port_on));
    }
}

#[test]
fn frames_too_large_for_the_kernels_ring_arrive_whole_and_in_order() {
    with_each_ring(|port_on| {
        let mut port = port_on("va");
        sh("ip link set va mtu 65521; ip link set vb mtu 65521");
        let sender = packet_socket("vb");
        let mut sent = Vec::new();
        for n in 0..20 {
            sent.extend([frame(n, 60), frame(n, 3000 + 3000 * n as usize), frame(n, 1514)]);
        }
        sent.push(frame(99, 65_535));
        for frame in &sent {
            sender.send(frame, false).unwrap();
        }
        assert_eq!(bytes_of(read(&mut port, sent.len())), sent);
    });
}

#[test]
fn frames_without_room_are_counted() {
    for gather in [None, Some(GATHER)] {
        with_cable(|| {
            let options = Options { frames: Some(64), promiscuous: false, gather, ..Options::default() };
            let mut port = open(&netmap_name("netmap:va"), &options).unwrap();
            let sender = packet_socket("vb");
            for n in 0..10_000 {
                sender.send(&frame(n, 60), false).unwrap();
            }
            let got = read(&mut port, 10_000);
            let stats = port.control.stats();
            assert!(stats.dropped_full > 0 && got.len() as u64 == stats.received, "{stats:?}");
            assert_eq!(stats.received + stats.dropped_full, 10_000);
            assert_eq!(port.control.stats().dropped_full, stats.dropped_full);
            assert!((0..).zip(&got).all(|(n, (bytes, _))| *bytes == frame(n, 60)), "the first ones, in order");
        });
    }
}

#[test]
fn frames_that_wait_for_a_reader_are_counted() {
    with_each_ring(|port_on| {
        let mut port = port_on("va");
        let sender = packet_socket("vb");
        (0..100).for_each(|n| sender.send(&frame(n, 60), false).unwrap());
        let start = Instant::now();
        while port.control.stats().received < 100 {
            assert!(start.elapsed() < LIMIT, "{:?}", port.control.stats());
        }
        assert_eq!(read(&mut port, 100).len(), 100);
        assert_eq!(port.control.stats().received, 100);
        // One that no ring takes was not received.
        sh("ip link set va mtu 65530; ip link set vb mtu 65530");
        sender.send(&frame(100, 65_540), false).unwrap();
        sender.send(&frame(101, 60), false).unwrap();
        assert_eq!(bytes_of(read(&mut port, 1)), [frame(101, 60)]);
        let stats = port.control.stats();
        assert_eq!((stats.received, stats.dropped_long), (101, 1));
    });
}

#[test]
fn blocks_come_round_whatever_they_hold() {
    with_cable(|| {
        let options = Options { frames: Some(64), gather: Some(GATHER), ..Options::default() };
        let mut port = open(&netmap_name("netmap:va"), &options).unwrap();
        let sender = packet_socket("vb");
        let mut tagged = frame(7, 64);
        tagged[12..18].copy_from_slice(&[0x81, 0, 0, 5, 0x88, 0xb5]);
        // Alone, some, and more than a block holds.
        for count in [1, 2, 1, 300, 1, 1200, 1, 1, 1, 900] {
            let sent: Vec<_> = (0..count)
                .map(|n| if n % 7 == 3 { tagged.clone() } else { frame(n, 60 + (n as usize * 37) % 200) })
                .collect();
            sent.iter().for_each(|frame| sender.send(frame, false).unwrap());
            let got = bytes_of(read(&mut port, sent.len()));
            assert!(got == sent, "{} of {count} frames, or others", got.len());
        }
        assert_eq!(port.rx.wait(1, Some(3 * GATHER)).unwrap(), Woken::TimedOut);
    });
}

/// What `pcap_compile` makes of `ether[17] == number`, cutting frames to 40 bytes.
fn only(number: u32) -> [libc::sock_filter; 4] {
    let insn = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    [insn(0x30, 0, 0, 17), insn(0x15, 0, 1, number), insn(6, 0, 0, 40), insn(6, 0, 0, 0)]
}

#[test]
fn a_filter_keeps_frames_from_the_reader_and_cuts_none() {
    with_each_ring(|port_on| {
        let (mut port, sender) = (port_on("va"), packet_socket("vb"));
        assert!(port.rx.offer_filter(&only(5)));
        let mut tagged = frame(9, 60);
        tagged[12..18].copy_from_slice(&[0x81, 0, 0, 5, 0x88, 0xb5]);
        for frame in (0..100).map(|n| frame(n % 10, 60)).chain([tagged.clone()]) {
            sender.send(&frame, false).unwrap();
        }
        let mut expected = vec![frame(5, 60); 10];
        expected.push(tagged);
        assert_eq!(bytes_of(read(&mut port, 11)), expected);
        let computed = [libc::sock_filter { code: 0x16, jt: 0, jf: 0, k: 0 }];
        assert!(!port.rx.offer_filter(&computed), "only the reader can run it");
        sender.send(&frame(1, 60), false).unwrap();
        assert_eq!(bytes_of(read(&mut port, 1)), [frame(1, 60)]);
    });
}

#[test]
fn what_cannot_be_opened_says_why() {
    with_cable(|| {
        let refused = |name: &str| open(&netmap_name(name), &Options::default()).err().expect(name);
        assert!(matches!(refused("netmap:nosuch"), PortError::NoDevice { .. }));
        assert_eq!(refused("netmap:nosuch").to_string(), "netmap:nosuch: No such device exists");
        sh("ip link set vb down");
        assert_eq!(refused("netmap:vb").to_string(), "netmap:vb: That device is not up");
        for name in ["netmap:va-0", "netmap:va^", "netmap:va*", "netmap:va/x", "netmap:va/T", "netmap:va{1"] {
            assert!(matches!(refused(name), PortError::Unsupported { .. }), "{name}");
        }
    });
}

#[test]
fn a_port_of_receive_rings_alone_sends_nothing() {
    with_cable(|| {
        let mut port = open(&netmap_name("netmap:va/R"), &Options::default()).expect("a port");
        let other = packet_socket("vb");
        assert!(matches!(port.tx.inject(&frame(1, 60), false), Err(PortError::ReadOnly { .. })));
        assert!(port.tx.ring().is_err());
        let mut bytes = [0; 2000];
        assert_eq!(other.take_queued(&mut bytes), None);
        other.send(&frame(2, 60), false).unwrap();
        assert_eq!(bytes_of(read(&mut port, 1)), [frame(2, 60)]);
    });
}

#[test]
fn a_hundred_openings_leave_nothing() {
    with_cable(|| {
        let open_files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let before = open_files();
        for _ in 0..100 {
            drop(open(&netmap_name("netmap:va"), &Options { frames: Some(64), ..Options::default() }).unwrap());
        }
        // Other tests of this process open files, too, a few.
        assert!(open_files() < before + 50);
        let shown = std::process::Command::new("ip").args(["-d", "link", "show", "va"]).output().unwrap();
        assert!(String::from_utf8_lossy(&shown.stdout).contains("promiscuity 0"), "still promiscuous");
    });
}
