//! TCP segments that are longer than the card's frames, from a port that does not say how they are to be cut.
//!
//! A card may have merged what it received; a capture of libpcap's gives segments of virtual cables whole. No wire takes them, and a
//! switch's other ports are wires as well: so who moves frames from a card cuts them as the sender's card would have done, to the MTU
//! of the card that they came by.
//!
//! Left as it is: UDP in one piece for many, whose parts' length is nowhere in the frame. A cable refuses it, and it is counted. A
//! packet socket of ours is told that length (`drivers::offload`).

use drivers::offload::segments::{ETHERNET, Pieces, Segment, TO_IP, Transport, ip_at};
use drivers::sys::interface::Interface;
use nm_core::name::{NetmapRings, PortName};
use nm_core::ring::slots::FrameRef;

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
        let mut head = [0; TO_IP];
        let n = frame.copy_to(&mut head);
        if frame.len() <= ip_at(&head[..n]) + self.mtu {
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

/// Gives `each` the parts of a frame of which no part has more than `mtu` bytes behind its Ethernet header and tags: the frame itself
/// when it is none that can be cut, or need not be. `piece` is where they are made.
fn cut<E>(
    frame: &[u8],
    mtu: usize,
    piece: &mut Vec<u8>,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let long = |segment: &Segment| segment.is(Transport::Tcp, None) && segment.ip_len() > mtu;
    let segment = Segment::find(frame).filter(long);
    let parts = segment.and_then(|segment| Some((segment, segment.room(mtu)?)));
    let Some((segment, room)) = parts else { return each(frame) };
    let mut pieces = Pieces::of(segment, room);
    while let Some(piece) = pieces.next(frame, piece) {
        each(piece)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame with these tags and so many bytes for TCP to carry.
    fn frame(tags: &[u8], payload: usize) -> Vec<u8> {
        let mut ip = vec![0; 20];
        ip[0] = 0x45;
        ip[2..4].copy_from_slice(&(40 + payload as u16).to_be_bytes());
        ip[6..10].copy_from_slice(&[0x40, 0, 64, 6]);
        let mut tcp = vec![1; 20];
        tcp[12..14].copy_from_slice(&[0x50, 0x10]);
        let bytes: Vec<u8> = (0..payload).map(|n| (n * 7 + n / 251) as u8).collect();
        [&[2; 12], tags, &[8, 0], &ip, &tcp, &bytes].concat()
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
    fn parts_fit_the_card_and_carry_every_byte_once() {
        for tags in [&[][..], &[0x81, 0, 0, 5]] {
            let long = frame(tags, 5001);
            let parts = parts(&long, 1500);
            let headers = 54 + tags.len();
            assert_eq!(parts.iter().map(|part| part.len() - headers).collect::<Vec<_>>(), [1460, 1460, 1460, 621]);
            assert!(parts.iter().flat_map(|part| &part[headers..]).eq(&long[headers..]));
        }
    }

    #[test]
    fn what_is_no_long_segment_of_tcp_stays_as_it_is() {
        let long = frame(&[], 5000);
        let spoilt = |at: usize, value: u8| {
            let mut frame = long.clone();
            frame[at] = value;
            frame
        };
        for frame in [
            frame(&[], 1460),
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
        let tagged = frame(&[0x81, 0, 0, 5], 1460);
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
