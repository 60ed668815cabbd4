//! Files, byte by byte, in either byte order.

/// Bytes in the making.
#[derive(Clone, Default)]
pub struct Build {
    pub bytes: Vec<u8>,
    /// Written on a machine of the other byte order.
    pub swapped: bool,
}

impl Build {
    pub fn new(swapped: bool) -> Build {
        Build { bytes: Vec::new(), swapped }
    }

    pub fn u16(mut self, value: u16) -> Build {
        self.bytes.extend(if self.swapped { value.swap_bytes() } else { value }.to_ne_bytes());
        self
    }

    pub fn u32(mut self, value: u32) -> Build {
        self.bytes.extend(if self.swapped { value.swap_bytes() } else { value }.to_ne_bytes());
        self
    }

    pub fn i64(mut self, value: i64) -> Build {
        self.bytes.extend(if self.swapped { value.swap_bytes() } else { value }.to_ne_bytes());
        self
    }

    pub fn raw(mut self, bytes: &[u8]) -> Build {
        self.bytes.extend(bytes);
        self
    }

    /// A pcap file's header.
    pub fn pcap(self, magic: u32, (major, minor): (u16, u16), snaplen: u32, linktype: u32) -> Build {
        self.u32(magic).u16(major).u16(minor).u32(0).u32(0).u32(snaplen).u32(linktype)
    }

    /// A frame of a pcap file.
    pub fn frame(self, sec: u32, fraction: u32, len: u32, data: &[u8]) -> Build {
        self.u32(sec).u32(fraction).u32(data.len() as u32).u32(len).raw(data)
    }

    /// A block of a pcapng file, from its body.
    pub fn block(self, kind: u32, body: impl FnOnce(Build) -> Build) -> Build {
        let mut body = body(Build::new(self.swapped)).bytes;
        body.resize(body.len().next_multiple_of(4), 0);
        let length = body.len() as u32 + 12;
        self.u32(kind).u32(length).raw(&body).u32(length)
    }

    pub fn section(self) -> Build {
        self.block(0x0a0d_0d0a, |b| b.u32(0x1a2b_3c4d).u16(1).u16(0).i64(-1))
    }

    pub fn interface(self, linktype: u16, snaplen: u32, options: &[(u16, &[u8])]) -> Build {
        self.block(1, |mut b| {
            b = b.u16(linktype).u16(0).u32(snaplen);
            for (code, value) in options {
                b = b.u16(*code).u16(value.len() as u16).raw(value);
                b.bytes.resize(b.bytes.len().next_multiple_of(4), 0);
            }
            b
        })
    }

    pub fn enhanced(self, interface: u32, time: u64, len: u32, data: &[u8]) -> Build {
        let (high, low) = ((time >> 32) as u32, time as u32);
        self.block(6, |b| b.u32(interface).u32(high).u32(low).u32(data.len() as u32).u32(len).raw(data))
    }
}

/// A small file of each kind that matters, by name.
pub fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let data: Vec<u8> = (0..=255).cycle().take(3000).collect();
    let mut samples = Vec::new();
    for swapped in [false, true] {
        for magic in [0xa1b2_c3d4, 0xa1b2_3c4d] {
            let mut b = Build::new(swapped).pcap(magic, (2, 4), 2500, 1);
            for i in 0..40 {
                b = b.frame(i, i * 1000, i * 60, &data[..i as usize * 60]);
            }
            samples.push(("pcap", b.frame(40, 0, 3000, &data).frame(41, 1, 60, &data[..60]).bytes));
        }
        let mut b = Build::new(swapped).pcap(0xa1b2_cd34, (2, 4), 65_535, 1);
        for i in 0..10 {
            b = b.u32(i).u32(i).u32(70).u32(70).u32(3).u16(0x800).raw(&[1, 0]).raw(&data[..70]);
        }
        samples.push(("kuznetzov", b.bytes));
        let b = Build::new(swapped).pcap(0xa1b2_c3d4, (2, 3), 100, 113);
        samples.push(("2.3", b.u32(1).u32(2).u32(90).u32(50).raw(&data[..50]).frame(3, 4, 60, &data[..60]).bytes));
        let mut b = Build::new(swapped).section().block(0xbad, |b| b.raw(&data));
        b = b.interface(1, 0, &[]).interface(1, 0, &[(2, b"eth0"), (9, &[9]), (0, &[])]);
        for i in 0..40u32 {
            b = b.enhanced(i % 2, u64::from(i) * 1_000_001, 60, &data[..60 + i as usize]);
        }
        b = b.block(3, |b| b.u32(5).raw(b"hello")).block(4, |b| b.raw(&data[..20]));
        b = b.block(2, |b| b.u16(0).u16(7).u32(0).u32(5).u32(3).u32(9).raw(b"old"));
        samples.push(("pcapng", b.section().interface(1, 0, &[]).enhanced(0, 7, 4, b"last").bytes));
    }
    samples
}
