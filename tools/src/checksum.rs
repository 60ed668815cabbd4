//! Frames that come without their checksum from a port that does not say so.
//!
//! A sender on a virtual cable (veth, a bridge of containers) leaves TCP's and UDP's checksum to a card that never comes:
//! its kernel marks the frame, and the receiver's trusts the mark. The mark does not come out of the kernel with the frame (but from
//! a packet socket, `drivers::offload`), so who sends such a frame on must fill the checksum in, or the next receiver drops it.
//!
//! **How it is seen**: until then the field holds the sum of the pseudo-header alone. One right checksum in 65,536 has that
//! value, too, and computing it once more changes nothing.
//!
//! Not filled in: SCTP's, those of fragments (their sender computes it himself), and those behind IPv6 extension headers.

use drivers::offload::checksum::{checksum, sum};
use nm_core::RxRing;
use nm_core::ring::slots::FrameRef;

const TCP: u8 = 6;
const UDP: u8 = 17;
/// Ethernet, two VLAN tags, IPv4 with options, and TCP up to its checksum.
const HEADERS: usize = 14 + 8 + 60 + 18;

/// Where the transport's checksum lies that a frame still lacks, as its first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lacking {
    /// Where the TCP or UDP header begins in the frame, and where what belongs to it ends.
    transport: [usize; 2],
    /// Where the checksum lies in the frame.
    at: usize,
    udp: bool,
}

impl Lacking {
    /// `None` when nothing is lacking, or these are no such headers.
    fn find(head: &[u8]) -> Option<Lacking> {
        let word = |at: usize| head.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
        let mut ip = 12;
        for _ in 0..2 {
            if matches!(word(ip)?, 0x8100 | 0x88a8) {
                ip += 4;
            }
        }
        let kind = word(ip)?;
        ip += 2;
        let (begin, len, protocol, addresses) = match kind {
            0x0800 if head.get(ip)? >> 4 == 4 && word(ip + 6)? & 0x3fff == 0 => {
                let header = usize::from(head.get(ip)? & 15) * 4;
                let len = usize::from(word(ip + 2)?).checked_sub(header).filter(|_| header >= 20)?;
                (ip + header, len, *head.get(ip + 9)?, ip + 12..ip + 20)
            }
            0x86dd => (ip + 40, usize::from(word(ip + 4)?), *head.get(ip + 6)?, ip + 8..ip + 40),
            _ => return None,
        };
        let (offset, header) = match protocol {
            TCP => (16, 20),
            UDP => (6, 8),
            _ => return None,
        };
        let at = begin + offset;
        let proto_and_len = [[0, protocol], (len as u16).to_be_bytes()].concat();
        let pseudo = sum(&[head.get(addresses)?, &proto_and_len]);
        (len >= header && word(at)? == pseudo).then_some(Lacking {
            transport: [begin, begin + len],
            at,
            udp: protocol == UDP,
        })
    }

    /// What belongs there; `None` when the frame is cut.
    fn checksum(self, frame: &[u8]) -> Option<[u8; 2]> {
        let [begin, end] = self.transport;
        // The field's own value is the pseudo-header's sum.
        match checksum(&[frame.get(begin..end)?]) {
            0 if self.udp => Some([0xff; 2]), // 0 says that there is no checksum
            sum => Some(sum.to_be_bytes()),
        }
    }
}

/// Fills in the checksums of frames before they are sent on.
#[derive(Default)]
pub struct Completion {
    frame: Vec<u8>,
}

impl Completion {
    /// Of the frames in a ring's next `slots` slots, where they lie.
    pub fn in_ring(&mut self, ring: &mut RxRing, slots: u32) {
        ring.amend(slots, |frame| self.missing(frame));
    }

    /// `frame`, or a copy with its checksum.
    pub fn of<'a>(&'a mut self, frame: &'a [u8]) -> &'a [u8] {
        match self.missing(FrameRef::from(frame)) {
            Some((at, sum)) => {
                self.frame[at..at + 2].copy_from_slice(&sum);
                &self.frame
            }
            None => frame,
        }
    }

    fn missing(&mut self, frame: FrameRef<'_>) -> Option<(usize, [u8; 2])> {
        let mut head = [0; HEADERS];
        let n = frame.copy_to(&mut head);
        let lacking = Lacking::find(&head[..n])?;
        self.frame.clear();
        frame.append_to(&mut self.frame);
        Some((lacking.at, lacking.checksum(&self.frame)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of `kind` with these bytes between the Ethernet header and the transport's, whose checksum lies at `offset`:
    /// as the kernel leaves it, and complete.
    fn pair(tags: &[u8], ip: &[u8], addresses: usize, protocol: u8, payload: usize) -> [Vec<u8>; 2] {
        let mut transport: Vec<u8> = (0..payload).map(|n| (n * 7 + 1) as u8).collect();
        let offset = if protocol == TCP { 16 } else { 6 };
        let len = (payload as u16).to_be_bytes();
        let pseudo = [&ip[addresses..], &[0, protocol], &len].concat();
        transport[offset..offset + 2].fill(0);
        let right = checksum(&[&pseudo, &transport]);
        let frame = |check: u16| {
            let mut transport = transport.clone();
            transport[offset..offset + 2].copy_from_slice(&check.to_be_bytes());
            [&[2; 12], tags, ip, &transport, &[0xee; 3]].concat()
        };
        [frame(!checksum(&[&pseudo])), frame(right)]
    }

    fn ipv4(protocol: u8, payload: usize, options: usize) -> Vec<u8> {
        let mut ip = vec![0; 20];
        ip[0] = 0x45 + (options / 4) as u8;
        ip[2..4].copy_from_slice(&((20 + options + payload) as u16).to_be_bytes());
        ip[6] = 0x40;
        ip[9] = protocol;
        ip[12..].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        ip
    }

    fn ipv6(protocol: u8, payload: usize) -> Vec<u8> {
        let mut ip = vec![0x60, 0, 0, 0, 0, 0, protocol, 64];
        ip[4..6].copy_from_slice(&(payload as u16).to_be_bytes());
        ip.extend([0xfd; 16]);
        ip.extend([0xfe; 16]);
        ip
    }

    #[test]
    fn what_is_lacking_is_filled_in_and_nothing_else_is_touched() {
        let tags: [&[u8]; 3] = [&[], &[0x81, 0, 0, 5], &[0x88, 0xa8, 0, 9, 0x81, 0, 0, 5]];
        let mut completion = Completion::default();
        for tags in tags {
            for protocol in [TCP, UDP] {
                for payload in [20, 21, 600, 1459] {
                    let four = [tags, &[8, 0]].concat();
                    let six = [tags, &[0x86, 0xdd]].concat();
                    for [lacking, whole] in [
                        pair(&four, &ipv4(protocol, payload, 0), 12, protocol, payload),
                        pair(&six, &ipv6(protocol, payload), 8, protocol, payload),
                    ] {
                        assert_eq!(completion.of(&lacking), whole, "{protocol} {payload}");
                        assert_eq!(completion.of(&whole), whole);
                        let mut wrong = whole.clone();
                        *wrong.last_mut().unwrap() ^= 1;
                        wrong[whole.len() - 4] ^= 1;
                        assert_eq!(completion.of(&wrong), wrong, "a damaged frame is not made right");
                        for cut in 0..lacking.len() - 3 {
                            assert_eq!(completion.of(&lacking[..cut]), &lacking[..cut]);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn fragments_and_other_protocols_stay_as_they_are() {
        let mut completion = Completion::default();
        for (at, value) in [(6, 0x20), (7, 1), (9, 132), (0, 0x44), (0, 0x65)] {
            let mut ip = ipv4(UDP, 100, 0);
            ip[at] = value;
            let [lacking, _] = pair(&[8, 0], &ip, 12, UDP, 100);
            assert_eq!(completion.of(&lacking), lacking, "{at}");
        }
    }

    #[test]
    fn a_datagram_whose_sum_is_zero_says_all_ones() {
        let [mut lacking, _] = pair(&[8, 0], &ipv4(UDP, 10, 0), 12, UDP, 10);
        // Two bytes of payload that make the sum all ones.
        let at = 14 + 20;
        lacking[at + 8..at + 10].fill(0);
        let rest = sum(&[&lacking[at..at + 10]]);
        lacking[at + 8..at + 10].copy_from_slice(&(!rest).to_be_bytes());
        assert_eq!(Completion::default().of(&lacking)[at + 6..at + 8], [0xff; 2]);
    }
}
