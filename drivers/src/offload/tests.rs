use super::*;
use proptest::prelude::*;

/// A frame, header by header: the model that pieces are compared with builds each of them from nothing.
#[derive(Clone, Debug)]
struct Spec {
    tags: Vec<u8>,
    six: bool,
    transport: Transport,
    /// IPv4's options, or IPv6's headers with options: 8 bytes each.
    ip_options: usize,
    tcp_options: usize,
    flags: u8,
    sequence: u32,
    identification: u16,
}

/// How the checksum of a frame is.
#[derive(Clone, Copy, PartialEq)]
enum Sum {
    Right,
    /// The pseudo-header's alone.
    Left,
    Zero,
}

impl Spec {
    fn frame(&self, payload: &[u8], sum_is: Sum) -> Vec<u8> {
        let own = match self.transport {
            Transport::Tcp => {
                let mut tcp = vec![9; 20 + self.tcp_options];
                tcp[4..8].copy_from_slice(&self.sequence.to_be_bytes());
                tcp[12..14].copy_from_slice(&[((20 + self.tcp_options) / 4 * 16) as u8, self.flags]);
                tcp
            }
            Transport::Udp => {
                let mut udp = vec![9; 8];
                udp[4..6].copy_from_slice(&(8 + payload.len() as u16).to_be_bytes());
                udp
            }
        };
        let mut carried = [own, payload.to_vec()].concat();
        let number = self.transport.number();
        let (kind, ip, addresses) = if self.six {
            let mut ip = vec![0x60, 0, 0, 0, 0, 0, if self.ip_options > 0 { 0 } else { number }, 64];
            ip[4..6].copy_from_slice(&((8 * self.ip_options + carried.len()) as u16).to_be_bytes());
            ip.extend((0..32).map(|n| 0xf0 ^ n));
            let addresses = ip[8..40].to_vec();
            for left in (0..self.ip_options).rev() {
                ip.extend([if left > 0 { 60 } else { number }, 0, 1, 4, 0, 0, 0, 0]);
            }
            ([0x86, 0xdd], ip, addresses)
        } else {
            let len = 20 + 8 * self.ip_options;
            let mut ip = vec![1; len];
            ip[0] = 0x40 + (len / 4) as u8;
            ip[2..4].copy_from_slice(&((len + carried.len()) as u16).to_be_bytes());
            ip[4..6].copy_from_slice(&self.identification.to_be_bytes());
            ip[6..12].copy_from_slice(&[0x40, 0, 64, number, 0, 0]);
            ip[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
            let sum = slow_sum(&ip);
            ip[10..12].copy_from_slice(&(!sum).to_be_bytes());
            ([8, 0], ip[..].to_vec(), ip[12..20].to_vec())
        };
        let at = self.transport.checksum_at();
        carried[at..at + 2].fill(0);
        let pseudo = [&addresses[..], &[0, number], &(carried.len() as u16).to_be_bytes()].concat();
        let sum = match sum_is {
            Sum::Right => match !slow_sum(&[&pseudo[..], &carried].concat()) {
                0 if self.transport == Transport::Udp => 0xffff,
                sum => sum,
            },
            Sum::Left => slow_sum(&pseudo),
            Sum::Zero => 0,
        };
        carried[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        [&[2; 12][..], &self.tags, &kind, &ip, &carried].concat()
    }

    fn kind(&self) -> u8 {
        match (self.transport, self.six) {
            (Transport::Udp, _) => UDP_L4,
            (Transport::Tcp, false) => TCP_V4,
            (Transport::Tcp, true) => TCP_V6,
        }
    }

    fn transport_at(&self) -> usize {
        14 + self.tags.len() + 8 * self.ip_options + if self.six { 40 } else { 20 }
    }

    fn headers(&self) -> usize {
        self.transport_at() + if self.transport == Transport::Udp { 8 } else { 20 + self.tcp_options }
    }

    /// As the kernel tells it.
    fn left(&self, flags: u8, size: u16) -> Offload {
        let from = self.transport_at() as u16;
        Offload { flags, kind: self.kind(), size, from, offset: self.transport.checksum_at() as u16 }
    }

    /// What a frame with this payload becomes: each piece built as a frame of its own.
    fn pieces(&self, payload: &[u8], size: usize, sum: Sum) -> Vec<Vec<u8>> {
        let last = payload.len().div_ceil(size) - 1;
        let piece = |(n, part): (usize, &[u8])| {
            let keeps = [n == 0, n == last, n == last].into_iter().zip([0x80, 0x08, 0x01]);
            let lost = keeps.filter(|(keeps, _)| !keeps).map(|(_, flag)| flag).sum::<u8>();
            let own = Spec {
                flags: self.flags & !lost,
                sequence: self.sequence.wrapping_add((n * size) as u32),
                identification: self.identification.wrapping_add(n as u16),
                ..self.clone()
            };
            own.frame(part, sum)
        };
        payload.chunks(size).enumerate().map(piece).collect()
    }
}

/// Word by word.
fn slow_sum(bytes: &[u8]) -> u16 {
    bytes.chunks(2).fold(0, |sum, pair| {
        let sum = sum + (u32::from(pair[0]) << 8) + pair.get(1).copied().map_or(0, u32::from);
        (sum & 0xffff) + (sum >> 16)
    }) as u16
}

fn cut(offload: Offload, frame: &[u8], mtu: usize) -> Result<Vec<Vec<u8>>, Refused> {
    let (mut pieces, mut piece, mut all) = (offload.pieces(frame)?, Vec::new(), Vec::new());
    pieces.limit(mtu);
    while let Some(len) = pieces.next_len() {
        let made = pieces.next(frame, &mut piece).expect("the same frame");
        assert_eq!(made.len(), len);
        all.push(made.to_vec());
    }
    assert_eq!(pieces.next(frame, &mut piece), None);
    Ok(all)
}

fn specs() -> impl Strategy<Value = Spec> {
    let tags = prop_oneof![Just(vec![]), Just(vec![0x81, 0, 0, 5]), Just(vec![0x88, 0xa8, 0, 9, 0x81, 0, 0, 5]),];
    let transports = prop_oneof![Just(Transport::Tcp), Just(Transport::Udp)];
    let headers = (0..3_usize, (0..=10_usize).prop_map(|words| words * 4));
    (tags, any::<bool>(), transports, headers, any::<u8>(), any::<u32>(), any::<u16>()).prop_map(
        |(tags, six, transport, (ip_options, tcp_options), flags, sequence, identification)| Spec {
            tags,
            six,
            transport,
            ip_options,
            tcp_options,
            flags,
            sequence,
            identification,
        },
    )
}

fn payload(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|n| (n * 7 + n / 251) as u8 ^ seed).collect()
}

proptest! {
    #[test]
    fn pieces_are_frames_as_if_each_had_been_sent_alone(
        spec in specs(),
        len in prop_oneof![1..4000_usize, 60_000..65_300_usize],
        size in 1..3000_usize,
        seed: u8,
        summed: bool,
    ) {
        let payload = payload(len, seed);
        let size = size.max(len / 500);
        let sum = if summed { Sum::Right } else { Sum::Left };
        let left = spec.left(u8::from(!summed), size as u16);
        let expected = spec.pieces(&payload, size, Sum::Right);
        let mut frame = spec.frame(&payload, sum);
        prop_assert_eq!(&cut(left, &frame, usize::MAX), &Ok(expected.clone()));
        // What a card pads is nobody's, and notification of congestion is said beside the kind.
        frame.extend([0xee; 3]);
        let noted = Offload { kind: left.kind | ECN, ..left };
        prop_assert_eq!(cut(if spec.transport == Transport::Tcp { noted } else { left }, &frame, usize::MAX), Ok(expected));
    }

    #[test]
    fn a_stream_is_cut_to_the_card_and_datagrams_stay_as_long_as_they_were_sent(
        spec in specs(), len in 1..9000_usize, size in 1..3000_usize, mtu in 0..3000_usize,
    ) {
        let payload = payload(len, 0);
        let headers = spec.headers() - 14 - spec.tags.len();
        let expected = match spec.transport {
            Transport::Tcp if mtu >= headers + 48 => size.min(mtu - headers),
            _ => size,
        };
        let got = cut(spec.left(1, size as u16), &spec.frame(&payload, Sum::Left), mtu);
        prop_assert_eq!(got, Ok(spec.pieces(&payload, expected, Sum::Right)));
    }

    #[test]
    fn a_checksum_that_is_left_is_filled_in_and_nothing_else(spec in specs(), len in 0..3000_usize, seed: u8) {
        let payload = payload(len, seed);
        let right = spec.frame(&payload, Sum::Right);
        let mut frame = spec.frame(&payload, Sum::Left);
        let left = Offload { kind: 0, size: 0, ..spec.left(1, 0) };
        prop_assert_eq!(left.complete(&mut frame), Ok(()));
        // Both zeroes of TCP's mean the same.
        let at = spec.transport_at() + spec.transport.checksum_at();
        if frame[at..at + 2] == [0xff; 2] && spec.transport == Transport::Tcp {
            frame[at..at + 2].fill(0);
        }
        prop_assert_eq!(&frame, &right);
        prop_assert_eq!(Offload::default().complete(&mut frame), Ok(()));
        prop_assert_eq!(&frame, &right);
    }

    #[test]
    fn headers_and_frames_that_lie_are_refused_or_cut_and_never_more(
        header in any::<[u8; HEADER]>(),
        known: bool,
        spec in specs(),
        len in 0..3000_usize,
        lies in prop::collection::vec((0..120_usize, any::<u8>()), 0..6),
        end in 0..3200_usize,
        mtu in prop_oneof![Just(0), Just(1500), any::<usize>()],
    ) {
        let mut frame = spec.frame(&payload(len, 3), Sum::Left);
        for (at, value) in lies {
            if let Some(byte) = frame.get_mut(at) {
                *byte = value;
            }
        }
        frame.truncate(end);
        let told = Offload::read(header);
        let told = if known { Offload { size: told.size, ..spec.left(header[0], 0) } } else { told };
        if let Ok(mut pieces) = told.pieces(&frame) {
            pieces.limit(mtu);
            let (mut piece, mut count) = (Vec::new(), 0);
            while let Some(made) = pieces.next(&frame, &mut piece) {
                prop_assert!(made.len() <= frame.len());
                count += 1;
                prop_assert!(count <= frame.len(), "a piece carries a byte at least");
            }
            prop_assert!(pieces.next_len().is_none());
        }
        let before = frame.clone();
        if told.complete(&mut frame).is_err() {
            prop_assert_eq!(&frame, &before, "refused, and changed");
        }
        prop_assert!(frame.iter().zip(&before).filter(|(a, b)| a != b).count() <= 4);
    }

    #[test]
    fn anything_at_all_does_no_harm(header in any::<[u8; HEADER]>(), mut frame in prop::collection::vec(any::<u8>(), 0..200)) {
        let told = Offload::read(header);
        let _ = cut(told, &frame, 1500);
        let _ = told.complete(&mut frame);
    }
}

fn spec(transport: Transport, six: bool) -> Spec {
    Spec {
        tags: vec![],
        six,
        transport,
        ip_options: 0,
        tcp_options: 0,
        flags: 0x10,
        sequence: 7,
        identification: 0xfffe,
    }
}

#[test]
fn what_can_not_be_cut_right_is_refused() {
    let udp = spec(Transport::Udp, false);
    let (frame, left) = (udp.frame(&payload(3000, 0), Sum::Left), udp.left(1, 1000));
    assert_eq!(cut(left, &frame, 1500).map(|pieces| pieces.len()), Ok(3));
    let refused = |told: Offload, frame: &[u8]| cut(told, frame, 1500).is_err();
    assert!(refused(Offload { size: 0, ..left }, &frame));
    assert!(refused(Offload { offset: 16, ..left }, &frame));
    assert!(refused(Offload { from: 84, ..left }, &frame), "behind another header");
    for kind in [TCP_V4, TCP_V6, 2, 3, 6, 0x7f, 0xff] {
        assert!(refused(Offload { kind, ..left }, &frame), "{kind}");
    }
    let spoilt = |at: usize, value: u8| {
        let mut frame = frame.clone();
        frame[at] = value;
        frame
    };
    for frame in [
        spoilt(13, 6),         // ARP
        spoilt(14, 0x65),      // no version 4
        spoilt(14, 0x46),      // the transport elsewhere
        spoilt(16, 0xff),      // longer than the frame
        spoilt(20, 0x20),      // a fragment
        spoilt(23, 47),        // a tunnel
        frame[..900].to_vec(), // cut by a capture
        frame[..42].to_vec(),
    ] {
        assert!(refused(left, &frame), "{:x?}", &frame[..42]);
    }
    let six = Spec { ip_options: 1, ..spec(Transport::Udp, true) };
    let mut routed = six.frame(&payload(3000, 0), Sum::Left);
    assert_eq!(cut(six.left(1, 1000), &routed, 1500).map(|pieces| pieces.len()), Ok(3));
    routed[20] = 43;
    assert!(refused(six.left(1, 1000), &routed), "a routing header");
}

#[test]
fn a_card_that_takes_hardly_more_than_headers_gets_no_thousands_of_pieces() {
    let tcp = spec(Transport::Tcp, false);
    let frame = tcp.frame(&payload(65_000, 0), Sum::Left);
    let lengths = |mtu| cut(tcp.left(1, 1448), &frame, mtu).map(|pieces| pieces.len());
    assert_eq!([0, 40, 68, 87].map(lengths), [Ok(65_000_usize.div_ceil(1448)); 4]);
    assert_eq!(lengths(88), Ok(65_000_usize.div_ceil(48)));
}

#[test]
fn a_datagram_without_a_checksum_stays_without() {
    let udp = spec(Transport::Udp, false);
    let whole = udp.frame(&payload(2500, 0), Sum::Zero);
    assert_eq!(cut(udp.left(0, 1001), &whole, 1500), Ok(udp.pieces(&payload(2500, 0), 1001, Sum::Zero)));
    // Over IPv6 there is no such datagram.
    let udp = spec(Transport::Udp, true);
    let whole = udp.frame(&payload(2500, 0), Sum::Zero);
    assert_eq!(cut(udp.left(0, 1001), &whole, 1500), Ok(udp.pieces(&payload(2500, 0), 1001, Sum::Right)));
}

#[test]
fn a_checksum_outside_the_frame_is_refused() {
    let udp = spec(Transport::Udp, false);
    let whole = udp.frame(&payload(20, 0), Sum::Left);
    let left = Offload { kind: 0, ..udp.left(1, 0) };
    let mut frame = whole.clone();
    assert_eq!(left.complete(&mut frame), Ok(()));
    let len = frame.len() as u16;
    for (from, offset) in [(len - 7, 6), (len, 0), (len + 1, 0), (u16::MAX, u16::MAX), (34, u16::MAX), (34, len - 35)] {
        let mut frame = whole.clone();
        assert_eq!(Offload { from, offset, ..left }.complete(&mut frame), Err(Refused), "{from} {offset}");
        assert_eq!(frame, whole);
    }
    let mut frame = whole.clone();
    assert_eq!(Offload { from: len - 8, offset: 6, ..left }.complete(&mut frame), Ok(()), "its last two bytes");
}

#[test]
fn sctp_gets_its_crc() {
    let mut frame: Vec<u8> = (0..34 + 32).map(|n: u8| n.wrapping_sub(34)).collect();
    let left = Offload { flags: 1, from: 34, offset: SCTP, ..Offload::default() };
    assert_eq!(left.complete(&mut frame), Ok(()));
    let packet = &frame[34..];
    assert_eq!(packet[8..12], checksum::crc32c(&[&packet[..8], &[0; 4], &packet[12..]]));
    let before = frame.clone();
    assert_eq!(Offload { from: 34 + 32 - 11, ..left }.complete(&mut frame), Err(Refused));
    assert_eq!(frame, before);
}

#[test]
fn a_tag_that_is_put_back_moves_what_is_left() {
    let left = spec(Transport::Udp, false).left(1, 500);
    assert_eq!(left.behind(4), Spec { tags: vec![0; 4], ..spec(Transport::Udp, false) }.left(1, 500));
    let bytes = [1, 5, 42, 0, 0xe9, 3, 34, 0, 6, 0];
    if cfg!(target_endian = "little") {
        assert_eq!(Offload::read(bytes), Offload { flags: 1, kind: 5, size: 1001, from: 34, offset: 6 });
    }
    assert!(left.is_some() && left.is_long() && !Offload::default().is_some());
    assert!(Offload { kind: 0, ..left }.is_some() && !Offload { kind: 0, ..left }.is_long());
    // Data that the kernel has checked lacks nothing.
    assert!(!Offload { flags: 2, ..Offload::default() }.is_some());
}
