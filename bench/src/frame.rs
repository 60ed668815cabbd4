//! The frames that all contestants send, and how their order is checked.
//!
//! Ethernet header with local addresses and an experimental type, then the mark: eight bytes that differ from
//! frame to frame. The mark of a flood is `sender << 56 | round << 40 | number`; the last frame of a round has
//! [`END`] as its number.

/// Where the mark lies.
pub const MARK_AT: usize = 14;
/// The number of a round's last frame.
pub const END: u64 = (1 << 40) - 1;
/// What is expected of a sender that has ended: no number at all.
const HAS_ENDED: u64 = u64::MAX;
/// The Ethernet type of our frames: local experiments.
const ETHER_TYPE: [u8; 2] = [0x88, 0xb5];
/// How many senders a receiver tells apart.
const SENDERS: usize = 8;

/// The address of station `n`.
pub fn station(n: u8) -> [u8; 6] {
    [0x02, 0, 0, 0, 0, n]
}

/// A frame of `len` bytes, at least 22, from one station to another.
pub fn build(len: usize, to: [u8; 6], from: [u8; 6]) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..len).map(|i| i as u8).collect();
    frame[..6].copy_from_slice(&to);
    frame[6..12].copy_from_slice(&from);
    frame[12..14].copy_from_slice(&ETHER_TYPE);
    set_mark(&mut frame, 0);
    frame
}

/// Where a datagram has its destination port.
pub const PORT_AT: usize = 36;

/// A UDP datagram of 60 bytes in a frame for nobody in particular; its mark is its payload's beginning.
pub fn datagram() -> (Vec<u8>, usize) {
    let ip = [0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    let udp = [0x30, 0x39, 0, 9, 0, 26, 0, 0];
    let mut frame = [&station(200)[..], &station(1), &[8, 0], &ip, &udp, &[0; 18]].concat();
    // The sum of the header's words, without its checksum, folded.
    let sum: u32 = ip.chunks_exact(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    let sum = !(((sum & 0xffff) + (sum >> 16)) as u16);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    (frame, 42)
}

/// Whether it is one of ours and long enough to hold a mark.
pub fn is_ours(frame: &[u8]) -> bool {
    frame.len() >= MARK_AT + 8 && frame[12..14] == ETHER_TYPE
}

/// The mark of a frame that [`is_ours`].
pub fn mark(frame: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&frame[MARK_AT..MARK_AT + 8]);
    u64::from_le_bytes(bytes)
}

/// Sets the mark.
pub fn set_mark(frame: &mut [u8], mark: u64) {
    frame[MARK_AT..MARK_AT + 8].copy_from_slice(&mark.to_le_bytes());
}

/// The mark of a sender's frame `number` in a round.
pub fn flood_mark(sender: u64, round: u64, number: u64) -> u64 {
    sender << 56 | (round & 0xffff) << 40 | number
}

/// What a receiver found out about the order of the frames.
///
/// The numbers of a sender count up by one and start again at 0 after `modulus - 1`: who queues buffers as they are
/// (netmap's way) sends the same few frames over and over.
pub struct OrderCheck {
    round: u64,
    modulus: u64,
    next: [u64; SENDERS],
    /// Frames of this round, ends not counted.
    pub received: u64,
    /// Numbers that were left out.
    pub missing: u64,
    /// Senders whose end has come.
    pub ended: u32,
}

impl OrderCheck {
    /// For one round. `modulus` is the number of different frames a sender has.
    pub fn new(round: u64, modulus: u64) -> OrderCheck {
        OrderCheck { round: round & 0xffff, modulus, next: [0; SENDERS], received: 0, missing: 0, ended: 0 }
    }

    /// Takes note of a frame's mark. Frames of other rounds are left out.
    #[inline]
    pub fn note(&mut self, mark: u64) {
        if (mark >> 40) & 0xffff != self.round {
            return;
        }
        let next = &mut self.next[(mark >> 56) as usize % SENDERS];
        let number = mark & END;
        if number == *next {
            self.received += 1;
            *next = if number + 1 == self.modulus { 0 } else { number + 1 };
        } else {
            self.unexpected(mark, number);
        }
    }

    #[cold]
    fn unexpected(&mut self, mark: u64, number: u64) {
        let next = &mut self.next[(mark >> 56) as usize % SENDERS];
        if number == END {
            // A sender may say it several times.
            if *next != HAS_ENDED {
                self.ended += 1;
            }
            *next = HAS_ENDED;
            return;
        }
        self.received += 1;
        self.missing += (number + self.modulus - *next) % self.modulus;
        *next = (number + 1) % self.modulus;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_counted_per_sender() {
        let mut check = OrderCheck::new(3, 1000);
        for n in [0, 1, 2, 5] {
            check.note(flood_mark(0, 3, n));
        }
        for n in [0, 1] {
            check.note(flood_mark(1, 3, n));
        }
        check.note(flood_mark(0, 2, 6)); // another round's
        check.note(flood_mark(0, 3, END));
        check.note(flood_mark(0, 3, END));
        assert_eq!((check.received, check.missing, check.ended), (6, 2, 1));
    }

    #[test]
    fn numbers_start_again_after_the_last() {
        let mut check = OrderCheck::new(0, 4);
        for n in [0, 1, 2, 3, 0, 1, 2, 3, 1] {
            check.note(flood_mark(0, 0, n));
        }
        assert_eq!((check.received, check.missing), (9, 1));
    }

    #[test]
    fn a_frame_carries_its_mark() {
        let mut frame = build(60, station(2), station(1));
        set_mark(&mut frame, 0x0102_0304_0506_0708);
        assert!(is_ours(&frame) && !is_ours(&frame[..21]));
        assert_eq!(mark(&frame), 0x0102_0304_0506_0708);
        assert_eq!(frame.len(), 60);
    }
}
