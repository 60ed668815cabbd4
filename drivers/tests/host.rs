//! The host rings of one end of a cable.

mod common;

use common::{LIMIT, bytes_of, frame, netmap_name, read, sh, with_cable};
use drivers::host::open;
use drivers::sys::interface::Interface;
use drivers::sys::packet::PacketSocket;
use nm_core::{Port, PortError, Woken, sys};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// A packet socket on an interface: what leaves by it and comes to it.
fn socket_on(card: &str) -> PacketSocket {
    let socket = PacketSocket::new().expect("a packet socket");
    socket.ignore_outgoing();
    socket.bind(Interface::find(card).expect(card).index).expect("bind");
    socket
}

/// The host rings of `va`, or `None`, said aloud, where the kernel has none.
fn host_rings() -> Option<Port> {
    match open(&netmap_name("netmap:va^")) {
        Ok(port) => Some(port),
        Err(error @ (PortError::Unsupported { .. } | PortError::Denied { .. })) => {
            common::skipped(&error.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Gives `va` an address, and a neighbour at the other end.
fn with_addresses() {
    sh("ip addr add 10.9.0.1/24 dev va; ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:bb dev va nud permanent");
}

#[test]
fn what_the_host_sends_comes_here_and_not_to_the_card() {
    with_cable(|| {
        let (Some(mut port), cable) = (host_rings(), socket_on("vb")) else { return };
        with_addresses();
        let host = UdpSocket::bind("10.9.0.1:0").unwrap();
        let before = sys::realtime_ns();
        for n in 0..300u32 {
            host.send_to(&n.to_be_bytes(), "10.9.0.2:9").unwrap();
        }
        let frames = read(&mut port, 300);
        let after = sys::realtime_ns();
        assert_eq!(frames.len(), 300);
        for (n, (bytes, time)) in (0u32..).zip(&frames) {
            assert_eq!(bytes[..6], [2, 0, 0, 0, 0, 0xbb]);
            assert_eq!(bytes[42..46], n.to_be_bytes());
            assert!((before..=after).contains(time));
        }
        let mut bytes = [0; 2000];
        assert_eq!(cable.take_queued(&mut bytes), None, "something left by the card");
        assert_eq!(port.rx.wait(1, Some(Duration::from_millis(300))).unwrap(), Woken::TimedOut, "the tap speaks");

        drop(port);
        host.send_to(b"again", "10.9.0.2:9").unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert!(cable.take_queued(&mut bytes).is_some(), "the host has its card back");
        assert!(!ip_links().contains("nmhost"), "the tap is still there");
    });
}

fn ip_links() -> String {
    let shown = std::process::Command::new("ip").args(["-o", "link"]).output().expect("ip");
    String::from_utf8_lossy(&shown.stdout).into_owned()
}

#[test]
fn what_is_sent_the_host_receives_as_from_the_card() {
    with_cable(|| {
        let Some(mut port) = host_rings() else { return };
        with_addresses();
        let (card, tap_sees) = (socket_on("va"), socket_on("vb"));
        for n in 0..100 {
            port.tx.inject(&frame(n, 60 + n as usize), false).unwrap();
        }
        let ring = port.tx.ring().unwrap();
        (100..200).for_each(|n| assert!(ring.put(&frame(n, 60))));
        assert_eq!(port.tx.txsync(false).unwrap(), 100);
        let mut bytes = [0; 2000];
        for n in 0..200u32 {
            let len = card.take_queued(&mut bytes).expect("received by va");
            assert_eq!(bytes[..len], frame(n, if n < 100 { 60 + n as usize } else { 60 }));
        }
        assert_eq!(tap_sees.take_queued(&mut bytes), None);
        assert_eq!(port.control.stats().sent, 200);
        assert!(matches!(port.tx.inject(&[0; 13], false), Err(PortError::TooShort { .. })));
    });
}

#[test]
fn large_segments_come_cut_to_the_mtu_with_their_checksums() {
    with_cable(|| {
        let Some(mut port) = host_rings() else { return };
        sh("ip addr add 10.9.0.1/24 dev va; ethtool -K va tso on gso on tx on 2>/dev/null || true");
        // A datagram of more than one MTU that the kernel is to cut (UDP_SEGMENT), as it is with TCP.
        sh("ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:bb dev va nud permanent");
        let host = UdpSocket::bind("10.9.0.1:5000").unwrap();
        nix::sys::socket::setsockopt(&host, nix::sys::socket::sockopt::UdpGsoSegment, &1400).unwrap();
        let payload: Vec<u8> = (0..28_000u32).map(|n| (n / 7) as u8).collect();
        host.send_to(&payload, "10.9.0.2:9").unwrap();
        let frames = bytes_of(read(&mut port, 20));
        assert_eq!(frames.len(), 20);
        let mut got = Vec::new();
        for f in &frames {
            assert_eq!(f.len(), 42 + 1400);
            assert_eq!(udp_sum(f), 0xffff, "a checksum is not filled in");
            got.extend_from_slice(&f[42..]);
        }
        assert_eq!(got, payload);
    });
}

/// The sum over a UDP datagram and its pseudo-header: all ones when the checksum in it is right.
fn udp_sum(frame: &[u8]) -> u16 {
    let (ip, udp) = (&frame[14..34], &frame[34..]);
    let mut words: Vec<u8> = ip[12..20].to_vec();
    words.extend([0, ip[9]]);
    words.extend((udp.len() as u16).to_be_bytes());
    words.extend_from_slice(udp);
    words.resize(words.len().next_multiple_of(2), 0);
    let mut sum: u32 = words.chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[test]
fn what_cannot_be_diverted_says_why() {
    with_cable(|| {
        let Some(_first) = host_rings() else { return };
        let refused = |name: &str| open(&netmap_name(name)).err().expect(name);
        assert!(matches!(refused("netmap:va^"), PortError::InUse { .. }));
        assert!(matches!(refused("netmap:nosuch^"), PortError::NoDevice { .. }));
        assert!(matches!(refused("netmap:va^1"), PortError::Unsupported { .. }));
        assert!(matches!(refused("netmap:va^/x"), PortError::InUse { .. }));
        assert!(matches!(refused("netmap:va^/t"), PortError::Unsupported { .. }));
        sh("ip link set vb down");
        assert!(matches!(refused("netmap:vb^"), PortError::NotUp { .. }));
    });
}

#[test]
fn a_card_that_disappears_wakes_the_reader() {
    with_cable(|| {
        let Some(mut port) = host_rings() else { return };
        sh("ip link set va down");
        assert_eq!(port.rx.wait(1, Some(Duration::from_millis(50))).unwrap(), Woken::TimedOut);
        sh("ip link set va up");
        let start = Instant::now();
        std::thread::scope(|threads| {
            let namespace = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
            threads.spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
                sh("ip link del va");
            });
            let error = loop {
                match port.rx.wait(1, None) {
                    Ok(_) => port.rx.ring().release(),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.to_string(), "The interface disappeared");
        });
        assert!(start.elapsed() < LIMIT);
    });
}

/// What the card receives and what the host sends, by one port; what is sent goes to the card alone.
#[test]
fn a_card_and_its_host_are_one_port() {
    with_cable(|| {
        let options = drivers::Options { driver: Some(drivers::Driver::Xdp), ..drivers::Options::default() };
        let mut port = match drivers::open(&netmap_name("netmap:va*"), &options) {
            Ok(port) => port,
            Err(error @ (PortError::Unsupported { .. } | PortError::Denied { .. })) => {
                return common::skipped(&error.to_string());
            }
            Err(error) => panic!("{error}"),
        };
        with_addresses();
        let (cable, host) = (socket_on("vb"), UdpSocket::bind("10.9.0.1:0").unwrap());
        assert_eq!(port.rx.wait(1, Some(Duration::from_millis(30))).unwrap(), Woken::TimedOut);
        for n in 0..50u32 {
            cable.send(&frame(n, 60), false).unwrap();
            host.send_to(&n.to_be_bytes(), "10.9.0.2:9").unwrap();
        }
        let got = bytes_of(read(&mut port, 100));
        let received: Vec<&Vec<u8>> = got.iter().filter(|f| f[12..14] == [0x88, 0xb5]).collect();
        assert!(received.iter().copied().eq(&(0..50).map(|n| frame(n, 60)).collect::<Vec<_>>()));
        let sent: Vec<&[u8]> = got.iter().filter(|f| f[12..14] == [8, 0]).map(|f| &f[42..46]).collect();
        assert!(
            sent.iter().copied().eq((0..50u32).map(|n| n.to_be_bytes()).collect::<Vec<_>>().iter().map(|n| &n[..]))
        );

        port.tx.inject(&frame(7, 60), false).unwrap();
        let mut bytes = [0; 2000];
        let end = Instant::now() + LIMIT;
        let len = loop {
            match cable.take_queued(&mut bytes) {
                Some(len) => break len,
                None => assert!(Instant::now() < end, "the frame did not leave by the card"),
            }
        };
        assert_eq!(bytes[..len], frame(7, 60));
        assert_eq!(port.rx.wait(1, Some(Duration::from_millis(30))).unwrap(), Woken::TimedOut, "it came back");

        let fd = port.rx.selectable_fd().unwrap();
        assert!(!sys::fifo_is_readable(fd));
        host.send_to(b"more", "10.9.0.2:9").unwrap();
        assert!(sys::fifo_is_readable(fd));
        assert_eq!(read(&mut port, 1).len(), 1);
        port.rx.rxsync().unwrap();
        port.rx.settle_fd();
        assert!(!sys::fifo_is_readable(fd));
        port.control.wake();
        assert_eq!(port.rx.wait(1, None).unwrap(), Woken::Woken);
        for name in ["netmap:vale0:a", "netmap:x{1"] {
            assert!(
                matches!(drivers::open(&netmap_name(name), &options), Err(PortError::Unsupported { .. })),
                "{name}"
            );
        }
    });
}
