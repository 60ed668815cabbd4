//! Files made up from a seed: every variant of pcap, and pcapng with whatever its blocks may have. Most are valid, some lie.

use crate::random::Random;

/// Writes numbers in one of the two byte orders.
struct Out {
    bytes: Vec<u8>,
    big: bool,
}

impl Out {
    fn u16(&mut self, n: u16) {
        self.bytes.extend(if self.big { n.to_be_bytes() } else { n.to_le_bytes() });
    }

    fn u32(&mut self, n: u32) {
        self.bytes.extend(if self.big { n.to_be_bytes() } else { n.to_le_bytes() });
    }

    fn u64(&mut self, n: u64) {
        self.bytes.extend(if self.big { n.to_be_bytes() } else { n.to_le_bytes() });
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }
}

/// The file of a seed.
pub fn file(seed: u64) -> Vec<u8> {
    let mut random = Random::from_seed(seed);
    if random.percent(45) { pcap(&mut random) } else { pcapng(&mut random) }
}

/// Link types: usual ones, those whose frames begin with numbers in the capturing machine's byte order, mapped and unknown ones.
const LINK_TYPES: [u32; 24] =
    [1, 1, 1, 0, 113, 113, 189, 189, 220, 220, 239, 239, 276, 192, 249, 231, 279, 100, 101, 102, 103, 106, 147, 0xffff];

fn frame(random: &mut Random, big: bool, linktype: u32, longest: u64) -> Vec<u8> {
    let length = match random.below(20) {
        0 => 0,
        1 => longest,
        2 => random.below(40),
        _ => random.below(longest.min(160) + 1),
    } as usize;
    let mut bytes: Vec<u8> = (0..length).map(|_| random.any() as u8).collect();
    let mut set = |at: usize, with: &[u8]| {
        if let Some(place) = bytes.get_mut(at..at + with.len()) {
            place.copy_from_slice(with);
        }
    };
    let two = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let four = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    match linktype {
        // Linux cooked with SocketCAN behind it.
        113 => set(14, &(*random.pick(&[0x000c_u16, 0x000d, 0x0800])).to_be_bytes()),
        // USB: isochronous or not, so many descriptors.
        189 | 220 => {
            set(9, &[random.below(4) as u8]);
            set(44, &four(random.below(5) as u32));
            set(60, &four(random.below(5) as u32));
        }
        // Netfilter's log: parameters of a length and a type.
        239 => {
            set(1, &[random.percent(10).into()]);
            let mut at = 4;
            while at + 4 < length {
                let long = random.below(24) as u16 + if random.percent(90) { 4 } else { 0 };
                set(at, &two(long));
                set(at + 2, &two(random.below(16) as u16));
                at += usize::from(long.max(4)).next_multiple_of(4);
            }
        }
        _ => {}
    }
    bytes
}

fn pcap(random: &mut Random) -> Vec<u8> {
    let big = random.percent(50);
    let mut out = Out { bytes: Vec::new(), big };
    // Microseconds, nanoseconds, Kuznetzov's, Navtel's.
    let magic = random.weighted(&[(40, 0xa1b2_c3d4_u32), (25, 0xa1b2_3c4d), (25, 0xa1b2_cd34), (10, 0xa12b_3c4d)]);
    let (major, minor) = random.weighted(&[
        (70, (2, 4)),
        (10, (2, 3)),
        (5, (2, 2)),
        (2, (2, 1)),
        (3, (2, 0)),
        (5, (543, 0)),
        (2, (1, 0)),
        (2, (2, 5)),
        (1, (3, 0)),
    ]);
    let linktype = *random.pick(&LINK_TYPES);
    let snaplen = random.weighted(&[
        (40, 262_144_u32),
        (20, 65_535),
        (15, 96),
        (5, 0),
        (5, 0x7fff_ffff),
        (5, 0xffff_ffff),
        (5, 262_145),
        (5, 14),
    ]);
    let upper = random.weighted(&[(80, 0_u32), (10, 0x2400_0000), (5, 0x0400_0000), (5, 0x0001_0000)]);
    out.u32(magic);
    out.u16(major);
    out.u16(minor);
    for _ in ["time zone", "accuracy"] {
        out.u32(if random.percent(90) { 0 } else { random.any() as u32 });
    }
    out.u32(snaplen);
    out.u32(linktype | upper);
    for number in 0..random.below(40) {
        let bytes = frame(random, big, linktype, u64::from(snaplen).clamp(20, 3000));
        let caplen = bytes.len() as u32;
        let wire = caplen + if random.percent(30) { random.below(100) as u32 } else { 0 };
        out.u32(if random.percent(90) { 1_700_000_000 + number as u32 } else { random.any() as u32 });
        out.u32(if random.percent(95) { random.below(1_000_000) as u32 } else { random.any() as u32 });
        // Old writers had the two lengths the other way round.
        let swapped = (minor < 3 && random.percent(70)) || random.percent(1);
        let (first, second) = if swapped { (wire, caplen) } else { (caplen, wire) };
        out.u32(first);
        out.u32(second);
        if magic == 0xa1b2_cd34 {
            out.u32(3);
            out.u16(0x0800);
            out.raw(&[0, 0]);
        }
        out.raw(&bytes);
    }
    out.bytes
}

/// Appends an option.
fn option(out: &mut Out, code: u16, value: &[u8]) {
    out.u16(code);
    out.u16(value.len() as u16);
    out.raw(value);
    let end = out.bytes.len().next_multiple_of(4);
    out.bytes.resize(end, 0);
}

fn block(out: &mut Out, kind: u32, body: impl FnOnce(&mut Out)) {
    let start = out.bytes.len();
    out.u32(kind);
    out.u32(0);
    body(out);
    let end = start + (out.bytes.len() - start).next_multiple_of(4);
    out.bytes.resize(end, 0);
    let length = (out.bytes.len() - start + 4) as u32;
    out.u32(length);
    let place = if out.big { length.to_be_bytes() } else { length.to_le_bytes() };
    out.bytes[start + 4..start + 8].copy_from_slice(&place);
}

fn pcapng(random: &mut Random) -> Vec<u8> {
    let mut out = Out { bytes: Vec::new(), big: random.percent(50) };
    let same_type = random.percent(85);
    let same_order = random.percent(80);
    // Types with another number on handles hide what is behind the second interface (`known`).
    let mapped = random.percent(5);
    let types: Vec<u32> = LINK_TYPES.into_iter().filter(|t| mapped || !(100..=106).contains(t)).collect();
    let linktype = *random.pick(&types) as u16;
    let snaplen = random.weighted(&[(60, 262_144), (20, 65_535), (10, 0), (5, 96), (5, 0x7fff_ffff)]);
    for _ in 0..1 + random.below(3) {
        if !same_order {
            out.big = random.percent(50);
        }
        section(random, &mut out);
        let interfaces = if random.percent(5) { 0 } else { 1 + random.below(3) };
        for _ in 0..interfaces {
            let linktype = if same_type { linktype } else { *random.pick(&types) as u16 };
            let snaplen = if random.percent(95) { snaplen } else { random.below(300_000) as u32 };
            interface(random, &mut out, linktype, snaplen);
        }
        for _ in 0..random.below(30) {
            match random.below(20) {
                0..10 => enhanced(random, &mut out, linktype, interfaces),
                10..13 => simple(random, &mut out, linktype, snaplen),
                13..15 => obsolete(random, &mut out, linktype, interfaces),
                15 => statistics(random, &mut out),
                16 => {
                    // Names, decryption secrets, a custom block, a journal, one that nobody knows.
                    let kind = *random.pick(&[4, 10, 0xbad, 9, 0x4000_0001]);
                    let body: Vec<u8> = (0..random.below(60)).map(|_| random.any() as u8).collect();
                    block(&mut out, kind, |out| out.raw(&body));
                }
                17 if random.percent(20) => interface(random, &mut out, linktype, snaplen),
                _ => enhanced(random, &mut out, linktype, 1),
            }
        }
    }
    out.bytes
}

fn section(random: &mut Random, out: &mut Out) {
    let version = random.weighted(&[(95, (1, 0)), (3, (1, 2)), (1, (1, 1)), (1, (2, 0))]);
    let with_options = random.percent(40);
    block(out, 0x0a0d_0d0a, |out| {
        out.u32(0x1a2b_3c4d);
        out.u16(version.0);
        out.u16(version.1);
        out.u64(u64::MAX);
        if with_options {
            option(out, 4, b"a program");
            option(out, 1, b"");
            option(out, 0, b"");
        }
    });
}

fn interface(random: &mut Random, out: &mut Out, linktype: u16, snaplen: u32) {
    let resolution = random.weighted(&[
        (40, None),
        (15, Some(9)),
        (10, Some(6)),
        (5, Some(0)),
        (5, Some(3)),
        (3, Some(12)),
        (2, Some(19)),
        (2, Some(20)),
        (8, Some(0x80 | 10)),
        (4, Some(0x80 | 30)),
        (2, Some(0x80)),
        (2, Some(0x80 | 63)),
        (2, Some(0x80 | 64)),
    ]);
    let offset = random.weighted(&[(80, None), (10, Some(3600_u64)), (5, Some(u64::MAX)), (5, Some(1 << 40))]);
    let twice = random.percent(2);
    let named = random.percent(40);
    let ended = random.percent(80);
    block(out, 1, |out| {
        out.u16(linktype);
        out.u16(0);
        out.u32(snaplen);
        if named {
            option(out, 2, b"eth0");
            option(out, 8, &1000u64.to_ne_bytes());
        }
        if let Some(resolution) = resolution {
            option(out, 9, &[resolution]);
            if twice {
                option(out, 9, &[resolution]);
            }
        }
        if let Some(offset) = offset {
            out.u16(14);
            out.u16(8);
            out.u64(offset);
        }
        if ended {
            option(out, 0, b"");
        }
    });
}

fn time(random: &mut Random) -> u64 {
    random.weighted(&[(70, 1_700_000_000_000_000), (20, 1_700_000_000_000_000_000), (5, 0), (5, u64::MAX - (1 << 40))])
        + random.below(1 << 40)
}

fn enhanced(random: &mut Random, out: &mut Out, linktype: u16, interfaces: u64) {
    let bytes = frame(random, out.big, linktype.into(), 2000);
    let number = if random.percent(98) { random.below(interfaces.max(1)) } else { random.below(10) } as u32;
    let time = time(random);
    let cut = if random.percent(20) { random.below(50) as u32 } else { 0 };
    let with_options = random.percent(20);
    block(out, 6, |out| {
        out.u32(number);
        out.u32((time >> 32) as u32);
        out.u32(time as u32);
        out.u32(bytes.len() as u32);
        out.u32(bytes.len() as u32 + cut);
        out.raw(&bytes);
        if with_options {
            let end = out.bytes.len().next_multiple_of(4);
            out.bytes.resize(end, 0);
            option(out, 1, b"a comment");
            option(out, 0, b"");
        }
    });
}

fn simple(random: &mut Random, out: &mut Out, linktype: u16, snaplen: u32) {
    let mut bytes = frame(random, out.big, linktype.into(), 2000);
    let wire = bytes.len() as u32;
    if snaplen > 0 {
        bytes.truncate(snaplen as usize);
    }
    block(out, 3, |out| {
        out.u32(wire);
        out.raw(&bytes);
    });
}

fn obsolete(random: &mut Random, out: &mut Out, linktype: u16, interfaces: u64) {
    let bytes = frame(random, out.big, linktype.into(), 2000);
    let number = random.below(interfaces.max(1)) as u16;
    let time = time(random);
    block(out, 2, |out| {
        out.u16(number);
        out.u16(if number == 0 { 0xffff } else { 3 });
        out.u32((time >> 32) as u32);
        out.u32(time as u32);
        out.u32(bytes.len() as u32);
        out.u32(bytes.len() as u32);
        out.raw(&bytes);
    });
}

fn statistics(random: &mut Random, out: &mut Out) {
    let time = time(random);
    block(out, 5, |out| {
        out.u32(0);
        out.u32((time >> 32) as u32);
        out.u32(time as u32);
        out.u16(4);
        out.u16(8);
        out.u64(77);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_file() {
        for seed in 0..100 {
            assert_eq!(file(seed), file(seed));
            assert!(file(seed).len() >= 24);
        }
        assert_ne!(file(1), file(2));
    }
}
