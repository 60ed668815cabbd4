//! TCP segments that are longer than the card's frames.
//!
//! A sender on a virtual cable leaves it to a card that never comes to cut what it sends, up to 64 KiB at once; a card may
//! have merged what it received. AF_PACKET gives us both whole. No wire takes them, and a switch's other ports are wires as well: so who moves frames
//! from a card cuts them as the sender's card would have done, to the MTU of the card that they came by.
//!
//! ```text
//!   Ethernet, tags | IP | TCP | 64 KiB         one segment becomes
//!   Ethernet, tags | IP | TCP | 1,448 bytes    these: lengths and checksums each its own; the sequence number goes on, IPv4's
//!   Ethernet, tags | IP | TCP | 1,448 bytes    identification, too; FIN and PSH on the last one, CWR on the first
//!   ...
//! ```
//! Left as they are: UDP in one piece for many (its parts' length is nowhere in the frame), and TCP behind IPv6 extension
//! headers. A cable refuses those, and they are counted.

use crate::checksum::checksum;
use drivers::sys::interface::Interface;
use nm_core::name::{NetmapRings, PortName};
use nm_core::ring::slots::FrameRef;

/// Bytes of an Ethernet header, and of a VLAN tag.
const ETHERNET: usize = 14;
const TAG: usize = 4;
const TCP: u8 = 6;

/// Cuts what comes from one card.
pub struct Cutter {
    ifname: String,
    /// The card's, as it was when a frame was longer; at first no frame's length.
    mtu: usize,
    /// The frame, and one of what it becomes.
    frame: Vec<u8>,
    piece: Vec<u8>,
}

impl Cutter {
    /// For the frames of a port; `None` when that is no card: those of a switch are as their senders want them.
    pub fn of_port(name: &str) -> Option<Cutter> {
        let ifname = match PortName::parse(name) {
            Ok(PortName::Netmap(name))
                if matches!(name.rings, NetmapRings::All | NetmapRings::One(_) | NetmapRings::AllAndHost) =>
            {
                name.ifname
            }
            Ok(PortName::Plain(ifname)) => ifname,
            _ => return None,
        };
        Some(Cutter { ifname, mtu: 0, frame: Vec::new(), piece: Vec::new() })
    }

    /// Whether a frame is longer than the card's wire takes.
    pub fn is_long(&mut self, frame: FrameRef<'_>) -> bool {
        frame.len() > ETHERNET + self.mtu && self.is_really_long(frame)
    }

    #[cold]
    fn is_really_long(&mut self, frame: FrameRef<'_>) -> bool {
        let mut head = [0; ETHERNET + 2 * TAG];
        let n = frame.copy_to(&mut head);
        let end = ETHERNET + self.mtu + TAG * tags(&head[..n]);
        if frame.len() <= end {
            return false;
        }
        // Once for each long frame: the MTU may have changed.
        let mtu = Interface::find(&self.ifname).map_or(usize::MAX >> 1, |card| card.mtu as usize);
        let changed = std::mem::replace(&mut self.mtu, mtu) != mtu;
        !changed || self.is_long(frame)
    }

    /// Gives `each` what `frame` becomes: itself when it can't be cut.
    pub fn cut<E>(&mut self, frame: FrameRef<'_>, each: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.frame.clear();
        frame.append_to(&mut self.frame);
        cut(&self.frame, self.mtu, &mut self.piece, each)
    }
}

/// VLAN tags in a frame: two at most.
fn tags(head: &[u8]) -> usize {
    let is_tag = |at: usize| matches!(head.get(at..at + 2), Some([0x81, 0] | [0x88, 0xa8]));
    usize::from(is_tag(12)) + usize::from(is_tag(12) && is_tag(12 + TAG))
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]))
}

/// Where a segment's parts begin in its frame, and where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    ip: usize,
    tcp: usize,
    data: usize,
    end: usize,
    /// The IP header is version 6.
    six: bool,
}

impl Segment {
    /// `None` when the frame is none, or cut short.
    fn find(frame: &[u8]) -> Option<Segment> {
        let ip = ETHERNET + TAG * tags(frame);
        let (tcp, end, protocol, six) = match word(frame, ip - 2)? {
            0x0800 if frame.get(ip)? >> 4 == 4 && word(frame, ip + 6)? & 0x3fff == 0 => {
                let header = usize::from(frame.get(ip)? & 15) * 4;
                (ip + header.max(20), ip + usize::from(word(frame, ip + 2)?), *frame.get(ip + 9)?, false)
            }
            0x86dd => (ip + 40, ip + 40 + usize::from(word(frame, ip + 4)?), *frame.get(ip + 6)?, true),
            _ => return None,
        };
        let data = tcp + usize::from(frame.get(tcp + 12)? >> 4) * 4;
        let sound = protocol == TCP && data >= tcp + 20 && data < end && end <= frame.len();
        sound.then_some(Segment { ip, tcp, data, end, six })
    }

    /// What TCP's checksum covers beside a part with `len` bytes from its TCP header on.
    fn pseudo_header(self, frame: &[u8], len: usize) -> Vec<u8> {
        let addresses = if self.six { self.ip + 8..self.ip + 40 } else { self.ip + 12..self.ip + 20 };
        [&frame[addresses], &[0, TCP], &(len as u16).to_be_bytes()].concat()
    }

    /// Makes the headers in `piece`, which are the whole segment's, those of part `n`, which begins `offset` bytes behind its beginning.
    fn finish(self, piece: &mut [u8], n: u16, offset: usize) {
        let Segment { ip, tcp, end, six, .. } = self;
        let put = |piece: &mut [u8], at: usize, value: u16| piece[at..at + 2].copy_from_slice(&value.to_be_bytes());
        let len = piece.len();
        if six {
            put(piece, ip + 4, (len - tcp) as u16);
        } else {
            let identification = word(piece, ip + 4).unwrap_or(0).wrapping_add(n);
            put(piece, ip + 2, (len - ip) as u16);
            put(piece, ip + 4, identification);
            put(piece, ip + 10, 0);
            let sum = checksum(&[&piece[ip..tcp]]);
            put(piece, ip + 10, sum);
        }
        let mut sequence = [0; 4];
        sequence.copy_from_slice(&piece[tcp + 4..tcp + 8]);
        let sequence = u32::from_be_bytes(sequence).wrapping_add(offset as u32);
        piece[tcp + 4..tcp + 8].copy_from_slice(&sequence.to_be_bytes());
        if offset + len < end {
            piece[tcp + 13] &= !(FIN | PSH);
        }
        if offset > 0 {
            piece[tcp + 13] &= !CWR;
        }
        put(piece, tcp + 16, 0);
        let sum = checksum(&[&self.pseudo_header(piece, len - tcp), &piece[tcp..]]);
        put(piece, tcp + 16, sum);
    }
}

const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// Gives `each` the parts of a frame of which no part has more than `mtu` bytes behind its Ethernet header and tags: the frame itself
/// when it is none that can be cut, or need not be. `piece` is where they are made.
fn cut<E>(
    frame: &[u8],
    mtu: usize,
    piece: &mut Vec<u8>,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let parts = Segment::find(frame).filter(|segment| segment.end - segment.ip > mtu);
    let parts = parts.and_then(|segment| Some((segment, mtu.checked_sub(segment.data - segment.ip)?)));
    // A card whose frames hold hardly more than headers cuts nothing into thousands.
    let Some((segment, room)) = parts.filter(|(_, room)| *room >= FEWEST) else { return each(frame) };
    let (headers, data) = (&frame[..segment.data], &frame[segment.data..segment.end]);
    for (n, part) in data.chunks(room).enumerate() {
        piece.clear();
        piece.extend_from_slice(headers);
        piece.extend_from_slice(part);
        segment.finish(piece, n as u16, n * room);
        each(piece)?;
    }
    Ok(())
}

/// The fewest bytes of a part: TCP's own least (RFC 9293 has 536 as the default, Linux takes 48).
const FEWEST: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame with these tags and so many bytes for TCP to carry, its sums as a kernel leaves them that counts on a card.
    fn frame(tags: &[u8], six: bool, options: usize, payload: usize, flags: u8) -> Vec<u8> {
        let tcp_len = 20 + options + payload;
        let mut ip = if six { vec![0; 40] } else { vec![0; 20] };
        if six {
            ip[0] = 0x60;
            ip[4..6].copy_from_slice(&(tcp_len as u16).to_be_bytes());
            ip[6..8].copy_from_slice(&[TCP, 64]);
            ip[8..40].fill(0xfd);
        } else {
            ip[0] = 0x45;
            ip[2..4].copy_from_slice(&(20 + tcp_len as u16).to_be_bytes());
            ip[4..10].copy_from_slice(&[0xff, 0xfe, 0x40, 0, 64, TCP]);
            ip[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        }
        let mut tcp = vec![1; 20 + options];
        tcp[4..8].copy_from_slice(&0xffff_ff00_u32.to_be_bytes());
        tcp[12] = ((20 + options) / 4 * 16) as u8;
        tcp[13] = flags;
        let kind: &[u8] = if six { &[0x86, 0xdd] } else { &[8, 0] };
        let bytes: Vec<u8> = (0..payload).map(|n| (n * 7 + n / 251) as u8).collect();
        [&[2; 12], tags, kind, &ip, &tcp, &bytes].concat()
    }

    fn parts(frame: &[u8], mtu: usize) -> Vec<Vec<u8>> {
        let mut parts = Vec::new();
        cut::<()>(frame, mtu, &mut Vec::new(), |part| {
            parts.push(part.to_vec());
            Ok(())
        })
        .expect("no error");
        parts
    }

    #[test]
    fn parts_fit_have_their_own_headers_and_carry_every_byte_once() {
        let tags: [&[u8]; 3] = [&[], &[0x81, 0, 0, 5], &[0x88, 0xa8, 0, 9, 0x81, 0, 0, 5]];
        for (six, tags, options, payload) in tags
            .into_iter()
            .flat_map(|tags| [(true, tags), (false, tags)])
            .flat_map(|(six, tags)| [(six, tags, 0, 2921), (six, tags, 12, 60_000), (six, tags, 40, 1500)])
        {
            let whole = frame(tags, six, options, payload, 0x10 | CWR | FIN | PSH);
            let ip = 14 + tags.len();
            let tcp = ip + if six { 40 } else { 20 };
            let data = tcp + 20 + options;
            let parts = parts(&whole, 1500);
            assert_eq!(parts.len(), payload.div_ceil(1500 - (data - ip)));
            let mut carried = Vec::new();
            for (n, part) in parts.iter().enumerate() {
                assert!(part.len() - ip <= 1500);
                assert_eq!(part[..ip], whole[..ip]);
                let len = if six { word(part, ip + 4).unwrap() + 40 } else { word(part, ip + 2).unwrap() };
                assert_eq!(usize::from(len), part.len() - ip);
                if !six {
                    assert_eq!(checksum(&[&part[ip..tcp]]), 0, "IPv4's checksum");
                    assert_eq!(word(part, ip + 4), Some(0xfffe_u16.wrapping_add(n as u16)));
                }
                let sequence = u32::from_be_bytes(part[tcp + 4..tcp + 8].try_into().unwrap());
                assert_eq!(sequence, 0xffff_ff00_u32.wrapping_add(carried.len() as u32));
                let segment = Segment::find(part).expect("a segment");
                let pseudo = segment.pseudo_header(part, part.len() - tcp);
                assert_eq!(checksum(&[&pseudo, &part[tcp..]]), 0, "TCP's checksum");
                let (first, last) = (n == 0, n + 1 == parts.len());
                assert_eq!([CWR, FIN, PSH, 0x10].map(|flag| part[tcp + 13] & flag != 0), [first, last, last, true]);
                carried.extend_from_slice(&part[data..]);
            }
            assert!(carried == whole[data..]);
        }
    }

    #[test]
    fn what_is_no_long_segment_of_tcp_stays_as_it_is() {
        let long = frame(&[], false, 0, 5000, 0x10);
        let spoilt = |at: usize, value: u8| {
            let mut frame = long.clone();
            frame[at] = value;
            frame
        };
        for frame in [
            frame(&[], false, 0, 1460, 0x10),
            spoilt(23, 17),        // UDP
            spoilt(20, 0x20),      // a fragment
            spoilt(14, 0x65),      // no version 4
            spoilt(46, 0x40),      // a TCP header of 16 bytes
            spoilt(16, 0xff),      // longer than the frame
            long[..3000].to_vec(), // cut by a capture
            spoilt(13, 6),         // ARP
        ] {
            assert_eq!(parts(&frame, 1500), std::slice::from_ref(&frame), "{:x?}", &frame[..50]);
        }
        assert_eq!(parts(&long, 60).len(), 1, "no part would carry much");
        for len in 0..80 {
            assert_eq!(parts(&long[..len], 20), [long[..len].to_vec()]);
        }
    }

    #[test]
    fn a_tag_is_beside_the_mtu() {
        let mut cutter = Cutter { ifname: "no such card".into(), mtu: 1500, frame: Vec::new(), piece: Vec::new() };
        let tagged = frame(&[0x81, 0, 0, 5], false, 0, 1460, 0x10);
        assert!(!cutter.is_long(FrameRef::from(&tagged[..])));
        assert_eq!(cutter.mtu, 1500, "the card is not asked");
    }

    #[test]
    fn only_cards_have_a_cutter() {
        let is_cut = |name: &str| Cutter::of_port(name).is_some();
        assert!(is_cut("netmap:eth0") && is_cut("netmap:eth0-1") && is_cut("netmap:eth0*") && is_cut("eth0"));
        assert!(!is_cut("vale0:a") && !is_cut("netmap:eth0^") && !is_cut("netmap:x{1"));
    }
}
