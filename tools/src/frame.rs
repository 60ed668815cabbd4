//! Ethernet frames with UDP over IPv4, built and recognized.
//!
//! | bytes | what |
//! |---|---|
//! | 0..14 | Ethernet: destination, source, type 0x0800 |
//! | 14..34 | IPv4 header of 20 bytes (RFC 791) |
//! | 34..42 | UDP header (RFC 768) |
//! | 42..   | payload: a [`Probe`] in pings, else a text over and over |

use drivers::offload::checksum::checksum;
use std::net::{Ipv4Addr, SocketAddrV4};

/// Bytes before the payload: the shortest frame that [`udp`] builds.
pub const HEADERS: usize = 42;
/// Bytes of the shortest frame with a [`Probe`] in it.
pub const PROBE_FRAME: usize = HEADERS + PROBE;

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const UDP_PROTOCOL: u8 = 17;
const FILLER: &[u8] = b"libpcap-netmap pkt-gen ";
const MAGIC: &[u8; 4] = b"nmpg";
const PROBE: usize = 13;

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// All stations.
    pub const BROADCAST: Mac = Mac([0xff; 6]);

    /// `02:00:00:00:00:01`
    ///
    /// # Errors
    /// A sentence.
    pub fn parse(text: &str) -> Result<Mac, String> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            *byte = parts
                .next()
                .filter(|part| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit()))
                .and_then(|part| u8::from_str_radix(part, 16).ok())
                .ok_or("not an Ethernet address (02:00:00:00:00:01)")?;
        }
        match parts.next() {
            None => Ok(Mac(bytes)),
            Some(_) => Err("more than six bytes".into()),
        }
    }

    /// The address of a system's interface, else one of one's own for that port name: locally administered,
    /// always the same for the same name.
    pub fn of_port(name: &str) -> Mac {
        let interface = std::fs::read_to_string(format!("/sys/class/net/{name}/address"));
        if let Some(mac) = interface.ok().and_then(|text| Mac::parse(text.trim()).ok()) {
            return mac;
        }
        // FNV-1a.
        let hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        let [a, b, c, d, e, ..] = hash.to_be_bytes();
        Mac([0x02, a, b, c, d, e])
    }
}

/// `10.0.0.1` or `10.0.0.1:1234`; the port is 1234 where none is given.
///
/// # Errors
/// A sentence.
pub fn parse_address(text: &str) -> Result<SocketAddrV4, String> {
    text.parse()
        .or_else(|_| text.parse().map(|ip: Ipv4Addr| SocketAddrV4::new(ip, 1234)))
        .map_err(|_| "not an IPv4 address (10.0.0.1) or address and port (10.0.0.1:1234)".into())
}

/// Who sends to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Source station.
    pub source_mac: Mac,
    /// Destination station.
    pub target_mac: Mac,
    /// Source address and port.
    pub source: SocketAddrV4,
    /// Destination address and port.
    pub target: SocketAddrV4,
}

/// A frame of `len` bytes (without the trailing checksum that a card adds), at least [`HEADERS`] and at most
/// 65,535, its checksums right.
pub fn udp(ends: &Ends, len: usize) -> Vec<u8> {
    assert!((HEADERS..=65_535).contains(&len), "frame of {len} bytes");
    let mut frame = vec![0; len];
    frame[..6].copy_from_slice(&ends.target_mac.0);
    frame[6..12].copy_from_slice(&ends.source_mac.0);
    frame[12..14].copy_from_slice(&[0x08, 0x00]);

    let ip_len = (len - ETHERNET) as u16;
    let ip = &mut frame[ETHERNET..ETHERNET + IPV4];
    ip[0] = 0x45;
    ip[2..4].copy_from_slice(&ip_len.to_be_bytes());
    ip[6] = 0x40; // don't fragment
    ip[8] = 64; // hops
    ip[9] = UDP_PROTOCOL;
    ip[12..16].copy_from_slice(&ends.source.ip().octets());
    ip[16..20].copy_from_slice(&ends.target.ip().octets());
    let sum = checksum(&[ip]);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());

    let udp = &mut frame[ETHERNET + IPV4..];
    udp[0..2].copy_from_slice(&ends.source.port().to_be_bytes());
    udp[2..4].copy_from_slice(&ends.target.port().to_be_bytes());
    udp[4..6].copy_from_slice(&(ip_len - IPV4 as u16).to_be_bytes());
    for (byte, filler) in udp[8..].iter_mut().zip(FILLER.iter().cycle()) {
        *byte = *filler;
    }
    finish_udp(&mut frame);
    frame
}

/// Sets the UDP checksum of a frame that [`udp`] made and whose payload or addresses have changed since.
fn finish_udp(frame: &mut [u8]) {
    let (head, udp) = frame.split_at_mut(ETHERNET + IPV4);
    udp[6..8].fill(0);
    // Cards pad short frames: what follows the datagram is not summed.
    let len = usize::from(u16::from_be_bytes([udp[4], udp[5]])).clamp(8, udp.len());
    let pseudo = [0, UDP_PROTOCOL, udp[4], udp[5]];
    let sum = match checksum(&[&head[ETHERNET + 12..], &pseudo, &udp[..len]]) {
        0 => 0xffff, // 0 says that there is no checksum
        sum => sum,
    };
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
}

/// What a ping's payload begins with: a mark, whether it is the answer, who asks, and which question it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The way back.
    pub answer: bool,
    /// The asking process.
    pub asker: u32,
    /// Counts up.
    pub sequence: u32,
}

impl Probe {
    /// Writes it into a frame of at least [`PROBE_FRAME`] bytes made by [`udp`], checksum included.
    pub fn write(&self, frame: &mut [u8]) {
        let payload = &mut frame[HEADERS..PROBE_FRAME];
        payload[..4].copy_from_slice(MAGIC);
        payload[4] = self.answer.into();
        payload[5..9].copy_from_slice(&self.asker.to_be_bytes());
        payload[9..13].copy_from_slice(&self.sequence.to_be_bytes());
        finish_udp(frame);
    }

    /// Finds it in a received frame.
    pub fn read(frame: &[u8]) -> Option<Probe> {
        let payload = frame.get(HEADERS..PROBE_FRAME)?;
        let is_ours = frame[12..14] == [0x08, 0x00]
            && frame[ETHERNET] == 0x45
            && frame[ETHERNET + 9] == UDP_PROTOCOL
            && payload[..4] == *MAGIC
            && payload[4] <= 1;
        let word = |at: usize| u32::from_be_bytes([payload[at], payload[at + 1], payload[at + 2], payload[at + 3]]);
        is_ours.then(|| Probe { answer: payload[4] == 1, asker: word(5), sequence: word(9) })
    }
}

/// Turns a question into its answer, in place: back to who asked, from `own_mac`. False when it is no question.
pub fn answer(frame: &mut [u8], own_mac: Mac) -> bool {
    let Some(probe @ Probe { answer: false, .. }) = Probe::read(frame) else {
        return false;
    };
    frame.copy_within(6..12, 0);
    frame[6..12].copy_from_slice(&own_mac.0);
    let (sources, targets) = frame[ETHERNET + 12..ETHERNET + 20].split_at_mut(4);
    sources.swap_with_slice(targets);
    let (sources, targets) = frame[ETHERNET + IPV4..ETHERNET + IPV4 + 4].split_at_mut(2);
    sources.swap_with_slice(targets);
    Probe { answer: true, ..probe }.write(frame);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> Ends {
        Ends {
            source_mac: Mac([2, 0, 0, 0, 0, 1]),
            target_mac: Mac::BROADCAST,
            source: parse_address("10.0.0.1").unwrap(),
            target: parse_address("10.1.0.1:4321").unwrap(),
        }
    }

    /// As a receiver checks: the sum over everything, checksum included, is all ones.
    fn sums_are_right(frame: &[u8]) -> bool {
        let pseudo = [0, UDP_PROTOCOL, frame[38], frame[39]];
        checksum(&[&frame[14..34]]) == 0 && checksum(&[&frame[26..34], &pseudo, &frame[34..]]) == 0
    }

    #[test]
    fn frames_of_every_length_have_right_lengths_and_sums() {
        for len in (HEADERS..200).chain([1514, 9000, 65_534, 65_535]) {
            let frame = udp(&ends(), len);
            assert_eq!(frame.len(), len);
            assert!(sums_are_right(&frame), "{len}");
            assert_eq!(u16::from_be_bytes([frame[16], frame[17]]) as usize, len - 14);
            assert_eq!(u16::from_be_bytes([frame[38], frame[39]]) as usize, len - 34);
            assert_eq!(Probe::read(&frame), None);
        }
    }

    #[test]
    fn a_question_is_answered_once() {
        let mut frame = udp(&ends(), 60);
        let probe = Probe { answer: false, asker: 7, sequence: 0x0102_0304 };
        probe.write(&mut frame);
        assert!(sums_are_right(&frame));
        assert_eq!(Probe::read(&frame), Some(probe));

        assert!(answer(&mut frame, Mac([2, 0, 0, 0, 0, 9])));
        assert!(sums_are_right(&frame));
        assert_eq!(Probe::read(&frame), Some(Probe { answer: true, ..probe }));
        assert_eq!(frame[..12], [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9]);
        assert_eq!(frame[26..34], [10, 1, 0, 1, 10, 0, 0, 1]);
        assert_eq!(frame[34..38], [0x10, 0xe1, 0x04, 0xd2]);

        assert!(!answer(&mut frame, Mac::BROADCAST));

        let mut padded = udp(&ends(), PROBE_FRAME);
        padded.extend([0xee; 5]);
        probe.write(&mut padded);
        assert!(sums_are_right(&padded[..PROBE_FRAME]));
        assert!(!answer(&mut [0; 10], Mac::BROADCAST));
    }

    #[test]
    fn addresses() {
        assert_eq!(Mac::parse("2:0:0:0:0:ff"), Ok(Mac([2, 0, 0, 0, 0, 255])));
        for bad in ["", "02:00:00:00:00", "02:00:00:00:00:01:02", "02:00:00:00:00:+1", "02:00:00:00:00:100"] {
            assert!(Mac::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_address("1.2.3.4:5").unwrap().port(), 5);
        assert_eq!(parse_address("1.2.3.4").unwrap().port(), 1234);
        assert!(parse_address("1.2.3").is_err());
        assert_eq!(Mac::of_port("vale0:a"), Mac::of_port("vale0:a"));
        assert_ne!(Mac::of_port("vale0:a"), Mac::of_port("vale0:b"));
    }
}
