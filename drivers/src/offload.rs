//! What a sender leaves to a card, and is to be done where no card does it: checksums, and cutting what it sent in one piece.
//!
//! A sender on a virtual cable (veth, a bridge of containers) leaves both to a card that never comes; what a card has merged looks the
//! same. The kernel keeps what is left beside the frame, and tells it a packet socket that asks, in the ten bytes of
//! `struct virtio_net_hdr` before the frame. [`Offload`] is these bytes; [`segments`] cuts, [`checksum`](mod@checksum) sums.
//!
//! Every number in there is checked: a program with a packet socket or a tap of its own may have said anything.

pub mod checksum;
pub mod segments;

use checksum::{checksum, crc32c};
use segments::{Pieces, Segment, Transport};

/// Bytes of a header as the kernel has it.
pub const HEADER: usize = 10;

/// Flag: a checksum is left.
const NEEDS_CSUM: u8 = 1;
/// What is to be cut: TCP over IPv4, over IPv6, and UDP.
const TCP_V4: u8 = 1;
const TCP_V6: u8 = 4;
const UDP_L4: u8 = 5;
/// Beside these: TCP with explicit congestion notification, which is seen in its flags as well.
const ECN: u8 = 0x80;
/// Where SCTP has its checksum, and nobody else: the kernel has no other mark for it.
const SCTP: u16 = 8;

/// What was left to a card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    flags: u8,
    kind: u8,
    /// Bytes of payload in a piece.
    size: u16,
    /// Where what a missing checksum covers begins, and how much later that checksum lies.
    from: u16,
    offset: u16,
}

/// What was left to a card can't be done: what is said of the frame makes no sense, or it is of a kind that is not cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

impl Offload {
    /// As the kernel has put it before a frame: numbers in the processor's order. How many bytes of the frame are headers
    /// (2..4) is a hint that nobody needs.
    #[inline(always)]
    pub fn read(header: [u8; HEADER]) -> Offload {
        let [flags, kind, _, _, s0, s1, f0, f1, o0, o1] = header;
        let [size, from, offset] = [[s0, s1], [f0, f1], [o0, o1]].map(u16::from_ne_bytes);
        Offload { flags, kind, size, from, offset }
    }

    /// Whether anything was left.
    #[inline(always)]
    pub fn is_some(self) -> bool {
        self.flags & NEEDS_CSUM != 0 || self.is_long()
    }

    /// Whether the frame is one for many.
    #[inline(always)]
    pub fn is_long(self) -> bool {
        self.kind != 0
    }

    /// The same of a frame that got so many bytes between its addresses and what follows them.
    pub fn behind(self, bytes: u16) -> Offload {
        Offload { from: self.from.saturating_add(bytes), ..self }
    }

    /// Fills in the checksum that is left.
    ///
    /// # Errors
    /// When it lies outside the frame.
    pub fn complete(self, frame: &mut [u8]) -> Result<(), Refused> {
        if self.flags & NEEDS_CSUM == 0 {
            return Ok(());
        }
        let covered = frame.get_mut(usize::from(self.from)..).ok_or(Refused)?;
        let at = usize::from(self.offset);
        if self.offset == SCTP {
            let end = at + size_of::<u32>();
            covered.get_mut(at..end).ok_or(Refused)?.fill(0);
            let sum = crc32c(&[covered]);
            covered[at..end].copy_from_slice(&sum);
            return Ok(());
        }
        // The field itself holds the pseudo-header's sum.
        let sum = match checksum(&[covered]) {
            0 => 0xffff, // what UDP says, and means the same elsewhere
            sum => sum,
        };
        covered.get_mut(at..at + 2).ok_or(Refused)?.copy_from_slice(&sum.to_be_bytes());
        Ok(())
    }

    /// The pieces of a frame that [is long](Offload::is_long), each with as much payload as its sender said.
    ///
    /// # Errors
    /// Nothing of it may go on.
    pub fn pieces(self, frame: &[u8]) -> Result<Pieces, Refused> {
        let (transport, six) = match self.kind & !ECN {
            TCP_V4 => (Transport::Tcp, Some(false)),
            TCP_V6 => (Transport::Tcp, Some(true)),
            UDP_L4 => (Transport::Udp, None),
            _ => return Err(Refused),
        };
        // Behind another header than the first (a tunnel's) lies what we don't cut.
        let segment = Segment::find(frame).filter(|segment| segment.is(transport, six)).ok_or(Refused)?;
        let complete = self.flags & NEEDS_CSUM == 0;
        if !complete && usize::from(self.from) != segment.transport_at() {
            return Err(Refused);
        }
        if self.size == 0 || !complete && usize::from(self.offset) != transport.checksum_at() {
            return Err(Refused);
        }
        Ok(Pieces::of(segment, self.size.into()))
    }
}

#[cfg(test)]
mod tests;
