//! Headers before the frame proper that a capturing host wrote in its own byte order, and one of its mistakes.
//!
//! Some link types begin with fields that the kernel or a library made up on the spot. Read on a host of the other byte
//! order they are turned round, as libpcap does, so that programs find them in their own.

/// `len` of completed incoming isochronous transfers may be the one that old libpcaps computed wrongly.
const USB_LINUX_MMAPPED: i32 = 220;

/// What is done to the bytes of each frame.
#[derive(Clone, Copy)]
pub(crate) struct Pseudo {
    kind: Kind,
    swapped: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Pflog,
    Sll,
    Sll2,
    Usb,
    UsbMmapped,
    Nflog,
}

impl Pseudo {
    /// What frames of this link type need; usually nothing.
    pub(crate) fn of(dlt: i32, swapped: bool) -> Option<Pseudo> {
        let kind = match dlt {
            USB_LINUX_MMAPPED => return Some(Pseudo { kind: Kind::UsbMmapped, swapped }),
            117 => Kind::Pflog,
            113 => Kind::Sll,
            276 => Kind::Sll2,
            189 => Kind::Usb,
            239 => Kind::Nflog,
            _ => return None,
        };
        swapped.then_some(Pseudo { kind, swapped })
    }

    /// Puts a frame's bytes into our order. `len` is its length on the wire, which may be corrected.
    pub(crate) fn translate(self, bytes: &mut [u8], len: &mut u32) {
        if self.swapped {
            match self.kind {
                Kind::Pflog => pflog(bytes, *len),
                Kind::Sll => socketcan(bytes, *len, 16, 14),
                Kind::Sll2 => socketcan(bytes, *len, 20, 0),
                Kind::Usb => usb(bytes, false),
                Kind::UsbMmapped => usb(bytes, true),
                Kind::Nflog => nflog(bytes, *len),
            }
        }
        if let Kind::UsbMmapped = self.kind {
            correct_usb_length(bytes, len);
        }
    }
}

/// Turns `bytes[at..at + size]` round; false when it isn't all there.
fn turn(bytes: &mut [u8], at: usize, size: usize) -> bool {
    match bytes.get_mut(at..at + size) {
        Some(field) => field.reverse(),
        None => return false,
    }
    true
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|&field| u32::from_ne_bytes(field))
}

/// OpenBSD's log of packets: who owns the socket, and who the rule. The header's first byte says how much of it there is.
fn pflog(bytes: &mut [u8], len: u32) {
    let Some(&header) = bytes.first() else { return };
    for field in [44, 48, 52, 56] {
        let end = field + 4;
        if len < end || u32::from(header) < end || !turn(bytes, field as usize, 4) {
            return;
        }
    }
}

/// Frames of a CAN bus behind a cooked header of `header` bytes, whose protocol is at `protocol`.
fn socketcan(bytes: &mut [u8], len: u32, header: usize, protocol: usize) {
    const CAN: u16 = 12;
    const CAN_FD: u16 = 13;
    const CAN_XL: u16 = 14;
    let Some(rest) = (len as usize).checked_sub(header) else { return };
    let Some((cooked, frame)) = bytes.split_at_mut_checked(header) else { return };
    let protocol = cooked.get(protocol..).and_then(|field| field.first_chunk()).map(|&field| u16::from_be_bytes(field));
    let fields: &[(usize, usize)] = match protocol {
        Some(CAN | CAN_FD) => &[(0, 4)],
        Some(CAN_XL) => &[(0, 4), (6, 2), (8, 4)],
        _ => &[],
    };
    for &(at, size) in fields {
        if rest < at + size || !turn(frame, at, size) {
            return;
        }
    }
}

// Linux's usbmon: a header of 48 bytes, or 64 with descriptors of 16 behind it.
const USB_HEADER: usize = 64;
const TRANSFER_TYPE: usize = 9;
const ISOCHRONOUS: u8 = 0;
const URB_LEN: usize = 32;
const DESCRIPTORS: usize = 60;
const DESCRIPTOR: usize = 16;

fn usb(bytes: &mut [u8], long: bool) {
    let isochronous = bytes.get(TRANSFER_TYPE) == Some(&ISOCHRONOUS);
    let to_data_len = [(0, 8), (12, 2), (16, 8), (24, 4), (28, 4), (URB_LEN, 4), (36, 4)];
    let of_isochronous: &[_] = if isochronous { &[(40, 4), (44, 4)] } else { &[] };
    let of_long: &[_] = if long { &[(48, 4), (52, 4), (56, 4), (DESCRIPTORS, 4)] } else { &[] };
    for &(at, size) in to_data_len.iter().chain(of_isochronous).chain(of_long) {
        if !turn(bytes, at, size) {
            return;
        }
    }
    if !long || !isochronous {
        return;
    }
    let count = u32_at(bytes, DESCRIPTORS).unwrap_or(0);
    let mut at = USB_HEADER;
    for _ in 0..count {
        for field in 0..3 {
            if !turn(bytes, at + 4 * field, 4) {
                return;
            }
        }
        at += DESCRIPTOR;
    }
}

/// Old libpcaps took the whole buffer of an incoming isochronous transfer for its length. What was transferred ends where
/// the last descriptor's part of it does.
fn correct_usb_length(bytes: &[u8], len: &mut u32) {
    const MOST_DESCRIPTORS: u32 = 128;
    let Some(header) = bytes.first_chunk::<USB_HEADER>() else { return };
    let completed_incoming = header[8] == b'C' && header[TRANSFER_TYPE] == ISOCHRONOUS && header[10] & 0x80 != 0;
    let has_data = header[15] == 0;
    let (Some(urb_len), Some(count)) = (u32_at(header, URB_LEN), u32_at(header, DESCRIPTORS)) else { return };
    if count > MOST_DESCRIPTORS || !has_data || !completed_incoming {
        return;
    }
    let headers = (USB_HEADER + count as usize * DESCRIPTOR) as u32;
    let caplen = bytes.len() as u32;
    if *len != headers.wrapping_add(urb_len) || caplen < headers {
        return;
    }
    let descriptors = bytes[USB_HEADER..headers as usize].chunks_exact(DESCRIPTOR);
    let end = |d: &[u8]| {
        let (offset, size) = (u32_at(d, 4).unwrap_or(0), u32_at(d, 8).unwrap_or(0));
        if size == 0 { 0 } else { offset.saturating_add(size) }
    };
    let transferred = headers.saturating_add(descriptors.map(end).max().unwrap_or(0));
    if transferred >= caplen {
        *len = transferred;
    }
    *len = (*len).max(caplen);
}

/// Linux's netfilter log: pairs of lengths and types in the host's order, whose values are not.
fn nflog(bytes: &mut [u8], len: u32) {
    const HEADER: usize = 4;
    if bytes.len() < HEADER || (len as usize) < HEADER || bytes[1] != 0 {
        return;
    }
    let (mut at, mut left) = (HEADER, len as usize - HEADER);
    while bytes.len() - at >= 4 {
        turn(bytes, at, 2);
        turn(bytes, at + 2, 2);
        let Some(&length) = bytes.get(at..).and_then(|tlv| tlv.first_chunk()) else { return };
        let size = usize::from(u16::from_ne_bytes(length)).next_multiple_of(4);
        if size < 4 || bytes.len() - at < size || left < size {
            return;
        }
        left -= size;
        at += size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(dlt: i32, bytes: &[u8], len: u32) -> (Vec<u8>, u32) {
        let (mut bytes, mut len) = (bytes.to_vec(), len);
        Pseudo::of(dlt, true).expect("a link type with a pseudo-header").translate(&mut bytes, &mut len);
        (bytes, len)
    }

    fn counting(count: usize) -> Vec<u8> {
        (0..count).map(|i| i as u8).collect()
    }

    #[test]
    fn most_link_types_need_nothing() {
        assert!(Pseudo::of(1, true).is_none());
        assert!(Pseudo::of(113, false).is_none());
        assert!(Pseudo::of(USB_LINUX_MMAPPED, false).is_some());
    }

    #[test]
    fn pflog_is_turned_as_far_as_its_length_says() {
        let mut bytes = counting(64);
        bytes[0] = 52;
        let (turned, _) = translated(117, &bytes, 64);
        assert_eq!(turned[44..60], [47, 46, 45, 44, 51, 50, 49, 48, 52, 53, 54, 55, 56, 57, 58, 59]);
        assert_eq!(translated(117, &bytes[..46], 64).0, bytes[..46]);
    }

    #[test]
    fn can_identifiers_are_turned_behind_cooked_headers_only() {
        let mut bytes = counting(32);
        assert_eq!(translated(113, &bytes, 32).0, bytes);
        (bytes[14], bytes[15]) = (0, 12);
        assert_eq!(translated(113, &bytes, 32).0[16..24], [19, 18, 17, 16, 20, 21, 22, 23]);
        bytes[15] = 14;
        assert_eq!(translated(113, &bytes, 32).0[16..28], [19, 18, 17, 16, 20, 21, 23, 22, 27, 26, 25, 24]);
        (bytes[0], bytes[1]) = (0, 13);
        assert_eq!(translated(276, &bytes, 32).0[20..24], [23, 22, 21, 20]);
        assert_eq!(translated(276, &bytes, 23).0, bytes, "len says that the identifier isn't there");
    }

    #[test]
    fn usb_headers_are_turned_with_their_descriptors() {
        let mut bytes = counting(96);
        bytes[TRANSFER_TYPE] = ISOCHRONOUS;
        bytes[DESCRIPTORS..USB_HEADER].copy_from_slice(&[0, 0, 0, 1].map(|b: u8| b));
        if cfg!(target_endian = "big") {
            bytes[DESCRIPTORS..USB_HEADER].reverse();
        }
        let (turned, _) = translated(USB_LINUX_MMAPPED, &bytes, 96);
        assert_eq!(turned[..8], [7, 6, 5, 4, 3, 2, 1, 0]);
        assert_eq!(turned[12..16], [13, 12, 14, 15]);
        assert_eq!(turned[40..44], [43, 42, 41, 40]);
        assert_eq!(turned[64..80], [67, 66, 65, 64, 71, 70, 69, 68, 75, 74, 73, 72, 76, 77, 78, 79]);
        assert_eq!(turned[80..], bytes[80..], "one descriptor, not two");
        let (short, _) = translated(189, &bytes, 96);
        assert_eq!(short[48..], bytes[48..]);
    }

    #[test]
    fn nflog_pairs_are_turned_until_one_is_cut() {
        let mut bytes = vec![2, 0, 0, 1];
        for length in [8u16, 6, 400] {
            bytes.extend(length.swap_bytes().to_ne_bytes());
            bytes.extend(0x1234u16.swap_bytes().to_ne_bytes());
            bytes.extend([9; 4]);
        }
        let (turned, _) = translated(239, &bytes, bytes.len() as u32);
        for (at, length) in [(4, 8u16), (12, 6), (20, 400)] {
            assert_eq!(turned[at..at + 2], length.to_ne_bytes());
            assert_eq!(turned[at + 2..at + 4], 0x1234u16.to_ne_bytes());
        }
    }

    #[test]
    fn the_length_of_an_isochronous_transfer_is_corrected() {
        let mut bytes = vec![0; 64 + 2 * 16 + 10];
        (bytes[8], bytes[10]) = (b'C', 0x81);
        bytes[URB_LEN..URB_LEN + 4].copy_from_slice(&5000u32.to_ne_bytes());
        bytes[DESCRIPTORS..DESCRIPTORS + 4].copy_from_slice(&2u32.to_ne_bytes());
        bytes[64 + 16 + 4..64 + 16 + 8].copy_from_slice(&700u32.to_ne_bytes());
        bytes[64 + 16 + 8..64 + 16 + 12].copy_from_slice(&33u32.to_ne_bytes());
        let mut len = 64 + 32 + 5000;
        Pseudo::of(USB_LINUX_MMAPPED, false).unwrap().translate(&mut bytes, &mut len);
        assert_eq!(len, 64 + 32 + 733);
        let mut other = 4711;
        Pseudo::of(USB_LINUX_MMAPPED, false).unwrap().translate(&mut bytes, &mut other);
        assert_eq!(other, 4711);
    }
}
