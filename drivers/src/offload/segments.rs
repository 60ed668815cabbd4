//! One frame for many, cut.
//!
//! ```text
//!   Ethernet, tags | IP | TCP | 64 KiB         one frame becomes
//!   Ethernet, tags | IP | TCP | 1,448 bytes    these: lengths and checksums each its own; the sequence number goes on, IPv4's
//!   Ethernet, tags | IP | TCP | 1,448 bytes    identification, too; FIN and PSH on the last one, CWR on the first
//!   ...
//! ```
//! UDP's pieces are datagrams (`UDP_SEGMENT`, udp(7)): of one length but for the last, which may be shorter.
//!
//! Not cut: what lies in a tunnel, is a fragment, or lies behind other extension headers of IPv6 than options, for a routing header
//! changes which address the checksum covers.

use super::checksum::checksum;

/// Bytes of an Ethernet header.
pub const ETHERNET: usize = 14;
/// Bytes of a VLAN tag, and how many of them a frame has at most.
const TAG: usize = 4;
const TAGS: usize = 2;
/// From so many of a frame's first bytes [`ip_at`] tells.
pub const TO_IP: usize = ETHERNET + TAG * TAGS;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;
/// Bytes that a piece carries at least, where it is made as short as a card wants it: one whose frames hold hardly more than headers cuts
/// nothing into thousands. TCP's own least (RFC 9293 has 536 as the default, Linux takes 48).
const FEWEST: usize = 48;
/// IPv6's extension headers that hold options: for every hop, and for the destination.
const OPTIONS: [u8; 2] = [0, 60];

/// Where what is behind the Ethernet header and its VLAN tags begins.
pub fn ip_at(head: &[u8]) -> usize {
    let is_tag = |at: usize| matches!(head.get(at..at + 2), Some([0x81, 0] | [0x88, 0xa8]));
    let mut at = ETHERNET;
    while at < TO_IP && is_tag(at - 2) {
        at += TAG;
    }
    at
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]))
}

/// What carries the bytes that are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A stream.
    Tcp,
    /// Datagrams.
    Udp,
}

impl Transport {
    /// Its number in an IP header.
    pub const fn number(self) -> u8 {
        match self {
            Transport::Tcp => 6,
            Transport::Udp => 17,
        }
    }

    /// Where in its header the checksum lies.
    pub const fn checksum_at(self) -> usize {
        match self {
            Transport::Tcp => 16,
            Transport::Udp => 6,
        }
    }
}

/// Where the parts of a frame with TCP or UDP in it begin, and where the last ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    ip: usize,
    begin: usize,
    data: usize,
    end: usize,
    /// The IP header is version 6.
    six: bool,
    transport: Transport,
    /// It is a datagram that has no checksum, and needs none.
    unsummed: bool,
}

impl Segment {
    /// `None` when the frame is none, carries nothing, or is cut short.
    pub fn find(frame: &[u8]) -> Option<Segment> {
        let ip = ip_at(frame);
        let (begin, end, protocol, six) = match word(frame, ip - 2)? {
            0x0800 if frame.get(ip)? >> 4 == 4 && word(frame, ip + 6)? & 0x3fff == 0 => {
                let header = usize::from(frame.get(ip)? & 15) * 4;
                (ip + header.max(20), ip + usize::from(word(frame, ip + 2)?), *frame.get(ip + 9)?, false)
            }
            0x86dd => {
                let (begin, protocol) = behind_options(frame, ip + 40, *frame.get(ip + 6)?)?;
                (begin, ip + 40 + usize::from(word(frame, ip + 4)?), protocol, true)
            }
            _ => return None,
        };
        let (transport, data) = match protocol {
            6 => (Transport::Tcp, begin + usize::from(frame.get(begin + 12)? >> 4) * 4),
            17 => (Transport::Udp, begin + 8),
            _ => return None,
        };
        let least = if transport == Transport::Tcp { 20 } else { 8 };
        let sound = data >= begin + least && data < end && end <= frame.len();
        let unsummed = transport == Transport::Udp && word(frame, begin + 6)? == 0;
        sound.then_some(Segment { ip, begin, data, end, six, transport, unsummed })
    }

    /// Whether it is what it is said to be: this transport over, when that is known, version 6 of IP, or 4.
    pub fn is(&self, transport: Transport, six: Option<bool>) -> bool {
        self.transport == transport && six.is_none_or(|six| six == self.six)
    }

    /// Where the transport's header begins.
    pub fn transport_at(&self) -> usize {
        self.begin
    }

    /// Bytes behind the Ethernet header and tags.
    pub fn ip_len(&self) -> usize {
        self.end - self.ip
    }

    /// How much a piece of `mtu` bytes carries beside its headers; `None` when that is next to nothing.
    pub fn room(&self, mtu: usize) -> Option<usize> {
        mtu.checked_sub(self.data - self.ip).filter(|room| *room >= FEWEST)
    }

    /// Makes the headers in `piece`, which are the whole frame's, those of piece `n`, which begins `offset` bytes behind its beginning.
    fn finish(&self, piece: &mut [u8], n: u16, offset: usize) {
        let Segment { ip, begin, end, six, transport, unsummed, .. } = *self;
        let put = |piece: &mut [u8], at: usize, value: u16| piece[at..at + 2].copy_from_slice(&value.to_be_bytes());
        let len = piece.len();
        if six {
            put(piece, ip + 4, (len - ip - 40) as u16);
        } else {
            let identification = word(piece, ip + 4).unwrap_or(0).wrapping_add(n);
            put(piece, ip + 2, (len - ip) as u16);
            put(piece, ip + 4, identification);
            put(piece, ip + 10, 0);
            let sum = checksum(&[&piece[ip..begin]]);
            put(piece, ip + 10, sum);
        }
        match transport {
            Transport::Tcp => {
                let mut sequence = [0; 4];
                sequence.copy_from_slice(&piece[begin + 4..begin + 8]);
                let sequence = u32::from_be_bytes(sequence).wrapping_add(offset as u32);
                piece[begin + 4..begin + 8].copy_from_slice(&sequence.to_be_bytes());
                if offset + len < end {
                    piece[begin + 13] &= !(FIN | PSH);
                }
                if offset > 0 {
                    piece[begin + 13] &= !CWR;
                }
            }
            Transport::Udp => put(piece, begin + 4, (len - begin) as u16),
        }
        if unsummed && !six {
            return;
        }
        let at = begin + transport.checksum_at();
        put(piece, at, 0);
        let addresses = if six { &piece[ip + 8..ip + 40] } else { &piece[ip + 12..ip + 20] };
        let sum = match checksum(&[
            addresses,
            &[0, transport.number()],
            &((len - begin) as u16).to_be_bytes(),
            &piece[begin..],
        ]) {
            0 if transport == Transport::Udp => 0xffff, // 0 says that there is no checksum
            sum => sum,
        };
        put(piece, at, sum);
    }
}

/// What comes behind IPv6's headers with options: where it begins, and its protocol.
fn behind_options(frame: &[u8], mut at: usize, mut protocol: u8) -> Option<(usize, u8)> {
    while OPTIONS.contains(&protocol) {
        let [next, len] = *frame.get(at..at + 2)? else { return None };
        (at, protocol) = (at + (usize::from(len) + 1) * 8, next);
    }
    Some((at, protocol))
}

/// A frame that is being cut. The frame itself, always the same, is the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pieces {
    segment: Segment,
    /// Bytes that a piece carries, at most.
    size: usize,
    /// Bytes that were carried, and pieces.
    done: usize,
    count: u16,
}

impl Pieces {
    /// Of at most `size` bytes of payload each: one at least.
    pub fn of(segment: Segment, size: usize) -> Pieces {
        Pieces { segment, size: size.max(1), done: 0, count: 0 }
    }

    /// Whether they are longer than a card's frames with `mtu` bytes behind their Ethernet header and tags, and may be shorter: a
    /// stream's. A datagram has the length that its sender gave it.
    pub fn exceed(&self, mtu: usize) -> bool {
        self.segment.transport == Transport::Tcp && self.segment.room(mtu).is_none_or(|room| room < self.size)
    }

    /// Makes those that [exceed](Pieces::exceed) a card's frames as long as these, if it takes more than headers and a little.
    pub fn limit(&mut self, mtu: usize) {
        if let (true, Some(room)) = (self.exceed(mtu), self.segment.room(mtu)) {
            self.size = room;
        }
    }

    /// Bytes of the next piece, with its headers; `None` behind the last one.
    pub fn next_len(&self) -> Option<usize> {
        let Segment { data, end, .. } = self.segment;
        let left = (end - data).saturating_sub(self.done);
        (left > 0).then_some(data + left.min(self.size))
    }

    /// The next piece of `frame`, made in `piece`.
    pub fn next<'a>(&mut self, frame: &[u8], piece: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        let Segment { data, .. } = self.segment;
        let carries = self.next_len()? - data;
        let from = data + self.done;
        piece.clear();
        piece.extend_from_slice(frame.get(..data)?);
        piece.extend_from_slice(frame.get(from..from + carries)?);
        self.segment.finish(piece, self.count, self.done);
        self.done += carries;
        self.count = self.count.wrapping_add(1);
        Some(piece)
    }
}
