//! Frames of which a sender left something to a card, and what the kernel was told of them: either may be anything.

use drivers::offload::checksum::{checksum, sum};
use drivers::offload::segments::{Pieces, ip_at};
use drivers::offload::{HEADER, Offload};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Where a frame's headers lie, read by other code than what cuts.
#[derive(Debug, PartialEq, Eq)]
struct Headers {
    ip: usize,
    six: bool,
    protocol: u8,
    begin: usize,
    data: usize,
    end: usize,
}

impl Headers {
    /// Of a frame that was taken for one that can be cut: there is no second opinion of those that were not.
    fn of(frame: &[u8]) -> Headers {
        let word = |at: usize| usize::from(u16::from_be_bytes([frame[at], frame[at + 1]]));
        let ip = ip_at(frame);
        let six = word(ip - 2) == 0x86dd;
        let (mut begin, mut protocol, end) = match six {
            true => (ip + 40, frame[ip + 6], ip + 40 + word(ip + 4)),
            false => (ip + (frame[ip] as usize % 16 * 4).max(20), frame[ip + 9], ip + word(ip + 2)),
        };
        while six && (protocol == 0 || protocol == 60) {
            (protocol, begin) = (frame[begin], begin + 8 + usize::from(frame[begin + 1]) * 8);
        }
        let own = if protocol == UDP { 8 } else { usize::from(frame[begin + 12] >> 4) * 4 };
        Headers { ip, six, protocol, begin, data: begin + own, end }
    }
}

/// The first bytes are what the kernel was told, then comes the card's MTU, then the frame. A checksum is filled in, and nothing else
/// changes; what is cut carries the frame's bytes once, in pieces that are frames themselves.
pub fn offload(input: &[u8]) {
    let Some((told, rest)) = input.split_first_chunk::<HEADER>() else { return };
    let Some((mtu, frame)) = rest.split_first_chunk::<2>() else { return };
    let told = Offload::read(*told);
    complete(told, frame);
    if let Ok(mut pieces) = told.pieces(frame) {
        assert!(told.is_long());
        let mtu = usize::from(u16::from_le_bytes(*mtu));
        pieces.limit(mtu);
        let Headers { ip, data, .. } = Headers::of(frame);
        assert!(!pieces.exceed(mtu) || mtu < data - ip + 48, "{mtu}");
        cut(pieces, frame);
    }
}

fn complete(told: Offload, frame: &[u8]) {
    let mut completed = frame.to_vec();
    let refused = told.complete(&mut completed).is_err();
    let mut changed = (0..frame.len()).filter(|at| frame[*at] != completed[*at]);
    if let Some(first) = changed.next() {
        assert!(!refused && told.is_some(), "changed");
        assert!(changed.all(|at| at < first + 4), "more than a checksum");
    }
}

fn cut(mut pieces: Pieces, frame: &[u8]) {
    let whole = Headers::of(frame);
    let Headers { ip, six, protocol, begin, data, end } = whole;
    let sequence = |frame: &[u8]| u32::from_be_bytes([4, 5, 6, 7].map(|at| frame[begin + at]));
    let identification = |frame: &[u8]| u16::from_be_bytes([4, 5].map(|at| frame[ip + at]));
    let unsummed = !six && protocol == UDP && frame[begin + 6..begin + 8] == [0, 0];
    let (mut carried, mut count, mut memory) = (Vec::new(), 0, Vec::new());
    while let Some(len) = pieces.next_len() {
        let piece = pieces.next(frame, &mut memory).expect("the same frame");
        assert!(piece.len() == len && len > data);
        assert_eq!(Headers::of(piece), Headers { end: len, ..whole });
        assert_eq!(piece[..ip], frame[..ip]);
        if !six {
            assert_eq!(checksum(&[&piece[ip..begin]]), 0);
            assert_eq!(identification(piece), identification(frame).wrapping_add(count));
        }
        if unsummed {
            assert_eq!(piece[begin + 6..begin + 8], [0, 0]);
        } else {
            let addresses = if six { ip + 8..ip + 40 } else { ip + 12..ip + 20 };
            let of_len = ((len - begin) as u16).to_be_bytes();
            assert_eq!(sum(&[&piece[addresses], &[0, protocol], &of_len, &piece[begin..]]), 0xffff);
        }
        if protocol == TCP {
            assert_eq!(sequence(piece), sequence(frame).wrapping_add(carried.len() as u32));
        }
        carried.extend_from_slice(&piece[data..]);
        count = count.wrapping_add(1);
    }
    assert_eq!(carried, frame[data..end]);
    assert!(pieces.next(frame, &mut memory).is_none());
}
