//! What a sender left to a card, done on the way into the ring of a packet socket's port.

use crate::common::{LIMIT, bytes_of, kernel_is_before, netmap_name, read, sh, with_cable};
use crate::packet_socket;
use drivers::af_packet::{Options, open};
use drivers::af_xdp::Mode;
use drivers::bpf::{Link, attach_tcx};
use drivers::offload::HEADER;
use drivers::offload::checksum::{checksum, sum};
use drivers::sys::bpf::{ProgramKind, TcHook, program_load};
use drivers::sys::interface::Interface;
use filter::engine::ebpf::{Asm, If, Insn, Op, Operand, Reg, Width};
use nix::sys::socket::{setsockopt, sockopt::UdpGsoSegment};
use nm_core::{Port, Woken};
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

fn port_on(card: &str) -> Port {
    let options = Options { as_on_wire: true, ..Options::default() };
    let port = open(&netmap_name(&format!("netmap:{card}")), &options).expect("a port");
    assert!(port.control.as_on_wire(), "the kernel does not tell what was left to a card");
    port
}

/// A cable whose end `vb` has addresses of both versions, and a neighbour.
fn with_addresses(test: impl FnOnce() + Send) {
    with_cable(|| {
        sh(
            "sysctl -q -w net.ipv6.conf.vb.disable_ipv6=0; ip addr add 10.9.0.1/24 dev vb; ip addr add fd00::1/64 dev vb nodad;\
            ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:aa dev vb; ip neigh add fd00::2 lladdr 02:00:00:00:00:aa dev vb",
        );
        test();
    });
}

fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n / 7 + n * 3) as u8).collect()
}

/// The payload of a frame with a datagram, behind `tag` bytes of tags; its lengths and checksums must be right.
#[track_caller]
fn datagram(frame: &[u8], tag: usize) -> &[u8] {
    let ip = &frame[14 + tag..];
    let word = |bytes: &[u8], at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let (addresses, udp) = if ip[0] >> 4 == 6 {
        assert_eq!(usize::from(word(ip, 4)), ip.len() - 40);
        (&ip[8..40], &ip[40..])
    } else {
        assert_eq!(usize::from(word(ip, 2)), ip.len());
        assert_eq!(checksum(&[&ip[..20]]), 0, "IPv4's checksum");
        (&ip[12..20], &ip[20..])
    };
    assert_eq!(usize::from(word(udp, 4)), udp.len());
    assert_ne!(word(udp, 6), 0, "no checksum");
    assert_eq!(sum(&[addresses, &[0, 17], &udp[4..6], udp]), 0xffff, "UDP's checksum");
    &udp[8..]
}

/// The next `count` frames with datagrams in them.
fn datagrams(port: &mut Port, count: usize) -> Vec<Vec<u8>> {
    let is_one = |frame: &Vec<u8>| matches!((frame[12], frame[20], frame[23]), (0x08, _, 17) | (0x86, 17, _));
    let mut got = Vec::new();
    let end = Instant::now() + LIMIT;
    while got.len() < count && Instant::now() < end {
        got.extend(bytes_of(read(port, 1)).into_iter().filter(is_one));
    }
    got
}

#[test]
fn datagrams_that_a_program_gave_its_kernel_in_one_piece_come_each_alone() {
    if kernel_is_before(6, 2, "word of datagrams that nobody cut") {
        return;
    }
    with_addresses(|| {
        let mut port = port_on("va");
        for (own, other) in [("10.9.0.1:0", "10.9.0.2:9"), ("[fd00::1]:0", "[fd00::2]:9")] {
            let host = UdpSocket::bind(own).unwrap();
            for (size, len) in [(1001, 5555), (1001, 1002), (701, 701 * 61), (1452, 40_000), (33, 33 * 64), (1, 20)] {
                setsockopt(&host, UdpGsoSegment, &size).unwrap();
                let sent = payload(len);
                host.send_to(&sent, other).unwrap();
                let frames = datagrams(&mut port, len.div_ceil(size as usize));
                let parts: Vec<&[u8]> = frames.iter().map(|frame| datagram(frame, 0)).collect();
                assert!(parts.iter().copied().eq(sent.chunks(size as usize)), "{other} {size} {len}");
                if own.starts_with("10") {
                    let numbers = frames.iter().map(|frame| u16::from_be_bytes([frame[18], frame[19]]));
                    let first = u16::from_be_bytes([frames[0][18], frames[0][19]]);
                    assert!(numbers.eq((0..frames.len()).map(|n| first.wrapping_add(n as u16))), "identification");
                }
            }
            // One that is short, and has nothing but the pseudo-header's sum.
            setsockopt(&host, UdpGsoSegment, &0).unwrap();
            for len in [0, 1, 15, 1471] {
                let sent = payload(len.min(1452));
                host.send_to(&sent, other).unwrap();
                assert_eq!(datagram(&datagrams(&mut port, 1)[0], 0), sent);
            }
        }
        let stats = port.control.stats();
        assert_eq!((stats.dropped_full, stats.dropped_unfinished, stats.malformed), (0, 0, 0));
    });
}

#[test]
fn a_capture_has_them_as_they_came() {
    with_addresses(|| {
        let mut port = crate::packet::port_on("va");
        assert!(!port.control.as_on_wire());
        let host = UdpSocket::bind("10.9.0.1:0").unwrap();
        setsockopt(&host, UdpGsoSegment, &1001).unwrap();
        host.send_to(&payload(5555), "10.9.0.2:9").unwrap();
        assert_eq!(datagrams(&mut port, 1)[0][42..], payload(5555));
    });
}

/// What the kernel is told of a frame that a packet socket sends.
fn left(kind: u8, size: u16, from: u16, offset: u16) -> [u8; HEADER] {
    let [[a, b], [c, d], [e, f]] = [size, from, offset].map(u16::to_ne_bytes);
    [1, kind, 0, 0, a, b, c, d, e, f]
}

const UDP_L4: u8 = 5;

/// A frame with a datagram as a host makes it who leaves its checksum to a card.
fn unfinished(tag: &[u8], payload: &[u8]) -> Vec<u8> {
    let len = (8 + payload.len()) as u16;
    let mut ip = [0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, 17, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2];
    ip[2..4].copy_from_slice(&(20 + len).to_be_bytes());
    let own = checksum(&[&ip]);
    ip[10..12].copy_from_slice(&own.to_be_bytes());
    let pseudo = sum(&[&ip[12..20], &[0, 17], &len.to_be_bytes()]);
    let udp = [[0x13, 0x88], [0, 9], len.to_be_bytes(), pseudo.to_be_bytes()].concat();
    let addresses = [2, 0, 0, 0, 0, 0xaa, 2, 0, 0, 0, 0, 0xbb];
    [&addresses, tag, &[8, 0], &ip, &udp, payload].concat()
}

#[test]
fn a_tag_beside_a_frame_is_in_each_of_its_pieces() {
    if kernel_is_before(6, 2, "word of datagrams that nobody cut") {
        return;
    }
    with_cable(|| {
        let (mut port, mut sender) = (port_on("va"), packet_socket("vb"));
        sender.tell_offloads().unwrap();
        let tag = [0x81, 0, 0xc0, 5];
        // In the kernel's ring, by the queue, and one of which only the checksum is left.
        for (kind, size, len) in [(UDP_L4, 101, 1000), (UDP_L4, 1001, 60_000), (0, 0, 999)] {
            let sent = payload(len);
            let frame = unfinished(&tag, &sent);
            sender.send(&[&left(kind, size, 38, 6)[..], &frame].concat(), false).unwrap();
            let size = if kind == 0 { len } else { size.into() };
            let frames = bytes_of(read(&mut port, len.div_ceil(size)));
            assert!(frames.iter().all(|frame| frame[12..18] == [0x81, 0, 0xc0, 5, 8, 0]));
            assert!(frames.iter().map(|frame| datagram(frame, 4)).eq(sent.chunks(size)), "{kind} {size} {len}");
        }
    });
}

const TCP_V4: u8 = 1;

/// The same with TCP, whose pieces the kernel does not count.
fn unfinished_stream(tag: &[u8], payload: &[u8]) -> Vec<u8> {
    let tcp = [0x13, 0x88, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 1, 0, 0, 0, 0];
    let mut frame = unfinished(tag, &[&tcp[8..], payload].concat());
    let ip = &mut frame[14 + tag.len()..];
    ip[9] = 6;
    ip[10..12].fill(0);
    let own = checksum(&[&ip[..20]]);
    ip[10..12].copy_from_slice(&own.to_be_bytes());
    ip[20..40].copy_from_slice(&tcp);
    frame
}

#[test]
fn a_frame_of_more_pieces_than_the_ring_has_room_for_comes_by_and_by() {
    with_cable(|| {
        let options = Options { as_on_wire: true, frames: Some(64), ..Options::default() };
        let mut port = open(&netmap_name("netmap:va"), &options).expect("a port");
        let mut sender = packet_socket("vb");
        sender.tell_offloads().unwrap();
        // By the queue, and in the kernel's ring; of less than 8 bytes some kernels make no segments.
        for (tag, size, len) in [(&[][..], 100, 65_000), (&[], 8, 1_500), (&[0x81, 0, 0xc0, 5], 8, 1_500)] {
            let (sent, headers) = (payload(len), 54 + tag.len());
            for _ in 0..2 {
                let left = left(TCP_V4, size, 34 + tag.len() as u16, 16);
                sender.send(&[&left[..], &unfinished_stream(tag, &sent)].concat(), false).unwrap();
            }
            let count = sent.len().div_ceil(size.into());
            let frames = bytes_of(read(&mut port, 2 * count));
            assert_eq!(frames.len(), 2 * count, "{:?}", port.control.stats());
            let carried = frames.iter().map(|frame| &frame[headers..]);
            assert!(carried.eq(sent.chunks(size.into()).chain(sent.chunks(size.into()))), "{len}");
            assert!(frames.iter().all(|frame| frame[12..].starts_with(tag)));
        }
        assert_eq!(port.rx.wait(1, Some(Duration::from_millis(20))).unwrap(), Woken::TimedOut);
        assert_eq!(port.control.stats().received, 1300 + 4 * 188);
    });
}

#[test]
fn a_stream_is_cut_to_the_mtu_that_the_card_has_now() {
    with_cable(|| {
        let (mut port, mut sender) = (port_on("va"), packet_socket("vb"));
        sender.tell_offloads().unwrap();
        let sent = payload(20_000);
        let mut parts_at = |mtu: usize| {
            sh(&format!("ip link set va mtu {mtu}"));
            sender.send(&[&left(TCP_V4, 3000, 34, 16)[..], &unfinished_stream(&[], &sent)].concat(), false).unwrap();
            let size = (mtu - 40).min(3000);
            let frames = bytes_of(read(&mut port, sent.len().div_ceil(size)));
            assert!(frames.iter().map(|frame| &frame[54..]).eq(sent.chunks(size)), "{mtu}");
        };
        [1500, 700, 9000, 700, 1500].iter().for_each(|mtu| parts_at(*mtu));
    });
}

/// A program at the way out of `card` that says of IPv4's long frames that they are of another protocol.
fn renaming(card: &str) -> Link {
    use Operand::{Imm, Reg as R};
    let mut asm = Asm::new();
    let done = asm.label();
    // The frame's length.
    asm.push(Insn::load(Width::W32, Reg::R2, Reg::R1, 0));
    asm.push(Insn::alu32(Op::Mov, Reg::R3, Imm(2000)));
    asm.jump32(If::Ge, Reg::R3, R(Reg::R2), done);
    asm.push(Insn::alu32(Op::Mov, Reg::R2, Imm(47)));
    asm.push(Insn::store(Width::W8, Reg::R10, -1, Reg::R2));
    // bpf_skb_store_bytes.
    asm.push(Insn::alu32(Op::Mov, Reg::R2, Imm(23)));
    asm.push(Insn::alu64(Op::Mov, Reg::R3, R(Reg::R10)));
    asm.push(Insn::alu64(Op::Add, Reg::R3, Imm(-1)));
    asm.push(Insn::alu32(Op::Mov, Reg::R4, Imm(1)));
    asm.push(Insn::alu32(Op::Mov, Reg::R5, Imm(0)));
    asm.push(Insn::new(0x85, Reg::R0, Reg::R0, 0, 9));
    asm.place(done);
    asm.push(Insn::alu32(Op::Mov, Reg::R0, Imm(-1)));
    asm.push(Insn::exit());
    let (program, _) = program_load(ProgramKind::Tc, "names", &asm.finish().expect("a program")).expect("loads");
    attach_tcx(program.as_fd(), Interface::find(card).expect(card).index, TcHook::Egress).expect("attaches")
}

#[test]
fn what_can_not_be_cut_is_counted_and_the_next_frame_comes() {
    if kernel_is_before(6, 6, "a program where frames leave") {
        return;
    }
    with_addresses(|| {
        let (mut port, _renames) = (port_on("va"), renaming("vb"));
        let host = UdpSocket::bind("10.9.0.1:0").unwrap();
        setsockopt(&host, UdpGsoSegment, &1000).unwrap();
        host.send_to(&payload(5555), "10.9.0.2:9").unwrap();
        host.send_to(b"next", "10.9.0.2:9").unwrap();
        assert_eq!(datagram(&datagrams(&mut port, 1)[0], 0), b"next");
        let stats = port.control.stats();
        assert_eq!((stats.dropped_unfinished, stats.dropped_full, stats.malformed), (1, 0, 0));
    });
}

#[test]
fn frames_are_sent_as_they_are() {
    with_cable(|| {
        let (mut port, mut other) = (port_on("va"), port_on("vb"));
        let sent: Vec<_> = (0..100).map(|n| crate::common::frame(n, 60 + n as usize)).collect();
        for frame in &sent[..50] {
            port.tx.inject(frame, false).unwrap();
        }
        let ring = port.tx.ring().unwrap();
        assert!(sent[50..].iter().all(|frame| ring.put(frame)));
        assert_eq!(port.tx.txsync(false).unwrap(), 50);
        assert_eq!(bytes_of(read(&mut other, 100)), sent);
        assert_eq!(port.rx.wait(1, Some(Duration::from_millis(20))).unwrap(), Woken::TimedOut, "its own");
        sh("ip link set va down");
        let error = port.tx.inject(&sent[0], false).expect_err("down").to_string();
        assert!(error.contains("Network is down"), "{error}");
    });
}

#[test]
fn a_cards_rings_get_datagrams_in_one_piece_cut_by_the_kernel_or_count_them_as_dropped() {
    for mode in [Mode::Native, Mode::Generic] {
        with_addresses(|| {
            let mut port = crate::port_on("va", mode);
            let host = UdpSocket::bind("10.9.0.1:0").unwrap();
            setsockopt(&host, UdpGsoSegment, &1001).unwrap();
            let sent = payload(5555);
            host.send_to(&sent, "10.9.0.2:9").unwrap();
            // With a program in the driver the other end of a cable sends nothing uncut.
            let expected: Vec<&[u8]> = if mode == Mode::Native { sent.chunks(1001).collect() } else { Vec::new() };
            let got = datagrams(&mut port, expected.len());
            assert!(got.iter().map(|frame| &frame[42..]).eq(expected));
            host.send_to(b"next", "10.9.0.2:9").unwrap();
            assert_eq!(datagrams(&mut port, 1)[0][42..46], *b"next");
            assert_eq!(port.control.stats().dropped_full, u64::from(mode == Mode::Generic));
        });
    }
}
