//! pcapng files.

use crate::build::Build;
use crate::read::{Outcome, every_way};
use savefile::{Precision, Reader};

fn ng() -> Build {
    Build::new(false).section()
}

fn one_interface() -> Build {
    ng().interface(1, 100, &[])
}

fn error(bytes: &[u8]) -> String {
    every_way(bytes, Precision::Micro).error.expect("an error")
}

fn times(file: &Build, precision: Precision) -> Vec<(i64, i64)> {
    let Outcome { frames, error } = every_way(&file.bytes, precision);
    assert_eq!(error, None);
    frames.into_iter().map(|(sec, fraction, ..)| (sec, fraction)).collect()
}

#[test]
fn blocks_of_every_kind_in_both_byte_orders() {
    for swapped in [false, true] {
        let file = Build::new(swapped)
            .section()
            .block(0x4d3c_2b1a, |b| b.raw(&[1; 20]))
            .interface(1, 100, &[(2, b"eth0"), (0, &[])])
            .enhanced(0, 5_000_007, 90, b"enhanced")
            .block(3, |b| b.u32(6).raw(b"simple"))
            .block(2, |b| b.u16(0).u16(9).u32(0).u32(3_000_001).u32(3).u32(70).raw(b"old"))
            .block(5, |b| b.raw(&[2; 40]))
            .block(6, |b| b.u32(0).u32(0).u32(9).u32(1).u32(2).raw(b"x\0\0\0").u16(2).u16(4).u32(1).u32(0));
        let Outcome { frames, error } = every_way(&file.bytes, Precision::Micro);
        assert_eq!(error, None);
        let expected: [(i64, i64, u32, &[u8]); 4] =
            [(5, 7, 90, b"enhanced"), (0, 0, 6, b"simple"), (3, 1, 70, b"old"), (0, 9, 2, b"x")];
        assert_eq!(frames, expected.map(|(s, f, l, d)| (s, f, l, d.to_vec())));
        let reader = Reader::open(&file.bytes[..], Precision::Micro, true).unwrap();
        let info = reader.info();
        assert_eq!((info.swapped, info.major, info.minor, info.snaplen, info.linktype), (swapped, 1, 0, 100, 1));
    }
}

#[test]
fn times_of_any_resolution() {
    let with = |value: u8, time| ng().interface(1, 0, &[(9, &[value])]).enhanced(0, time, 1, b"x");
    assert_eq!(times(&with(6, 1_500_000), Precision::Micro), [(1, 500_000)]);
    assert_eq!(times(&with(6, 1_500_000), Precision::Nano), [(1, 500_000_000)]);
    assert_eq!(times(&with(9, 1_500_000_999), Precision::Micro), [(1, 500_000)]);
    assert_eq!(times(&with(3, 1_500), Precision::Micro), [(1, 500_000)]);
    assert_eq!(times(&with(12, 1_500_000_000_999), Precision::Nano), [(1, 500_000_000)]);
    assert_eq!(times(&with(0, 77), Precision::Micro), [(77, 0)]);
    assert_eq!(times(&with(0x80 | 10, 1024 + 512), Precision::Micro), [(1, 500_000)]);
    assert_eq!(times(&with(0x80 | 63, 3 << 62), Precision::Nano), [(1, 500_000_000)]);
}

#[test]
fn offsets_are_added_and_may_be_negative() {
    for (offset, second) in [(1_000_000_000i64, 1_000_000_002), (-2, 0), (-3, -1)] {
        let file = ng().interface(1, 0, &[(14, &offset.to_ne_bytes())]).enhanced(0, 2_000_003, 1, b"x");
        assert_eq!(times(&file, Precision::Micro), [(second, 3)]);
    }
}

#[test]
fn each_interface_has_its_own_times() {
    let file = ng().interface(1, 0, &[]).interface(1, 262_144, &[(9, &[9])]);
    let file =
        file.enhanced(1, 7_000_000_000, 1, b"x").enhanced(0, 7_000_000, 1, b"x").enhanced(1, 8_000_001_000, 1, b"x");
    assert_eq!(times(&file, Precision::Micro), [(7, 0), (7, 0), (8, 1)]);
}

#[test]
fn a_section_has_interfaces_of_its_own() {
    let file = ng().interface(101, 0, &[]).enhanced(0, 1, 1, b"x").section().interface(101, 0, &[(9, &[3])]);
    assert_eq!(times(&file.clone().enhanced(0, 1001, 1, b"x"), Precision::Micro), [(0, 1), (1, 1000)]);
    let text = "a packet arrived on interface 1, but there's no Interface Description Block for that interface";
    assert_eq!(error(&file.enhanced(1, 0, 1, b"x").bytes), text);
}

#[test]
fn what_differs_from_the_first_interface_is_refused() {
    let file = one_interface();
    let text = "different from the";
    assert_eq!(
        error(&file.clone().interface(12, 100, &[]).bytes),
        format!("an interface has a type 12 {text} type of the first interface")
    );
    assert_eq!(
        error(&file.clone().interface(1, 99, &[]).bytes),
        format!("an interface has a snapshot length 99 {text} snapshot length of the first interface")
    );
    let mut other = Build::new(true).section().bytes;
    other[4..8].copy_from_slice(&28u32.to_ne_bytes());
    other[24..28].copy_from_slice(&28u32.to_ne_bytes());
    assert_eq!(error(&file.clone().raw(&other).bytes), "the file has sections with different byte orders");
    let bad = file.clone().block(0x0a0d_0d0a, |b| b.u32(1).u16(1).u16(0).i64(-1));
    assert_eq!(error(&bad.bytes), "the file has a section with a bad byte order magic field");
    let bad = file.block(0x0a0d_0d0a, |b| b.u32(0x1a2b_3c4d).u16(2).u16(0).i64(-1));
    assert_eq!(error(&bad.bytes), "unknown pcapng savefile major version number 2");
}

#[test]
fn a_file_begins_with_a_section_and_an_interface() {
    assert_eq!(error(&ng().bytes), "the capture file has no Interface Description Blocks");
    let early = "the capture file has a packet block before any Interface Description Blocks";
    assert_eq!(error(&ng().enhanced(0, 0, 1, b"x").bytes), early);
    assert_eq!(error(b"\n\r\r\ntext"), "unknown file format");
    assert_eq!(error(b"\n\r\r\ntext that goes on"), "unknown file format");
    let version = Build::new(false).block(0x0a0d_0d0a, |b| b.u32(0x1a2b_3c4d).u16(1).u16(1).i64(-1));
    assert_eq!(error(&version.bytes), "unsupported pcapng savefile version 1.1");
    let mut length = ng().bytes;
    length[4..8].copy_from_slice(&24u32.to_ne_bytes());
    let text = "Section Header Block in pcapng dump file has invalid length 28 < _24_ < 1048576 (BT_SHB_INSANE_MAX)";
    assert_eq!(error(&length), text);
}

#[test]
fn blocks_that_lie_about_their_length_are_refused() {
    let block = |length: u32, trailer: u32| error(&one_interface().u32(6).u32(length).raw(&[0; 40]).u32(trailer).bytes);
    assert_eq!(block(8, 8), "block in pcapng dump file has a length of 8 < 12");
    assert_eq!(block(53, 53), "block in pcapng dump file has a length of 53 that is not a multiple of 4");
    assert_eq!(block(0xffff_fffc, 0), "pcapng block size 4294967292 > maximum 16777216");
    assert_eq!(block(52, 48), "block total length in header and trailer don't match");
    assert_eq!(block(60, 60), "truncated pcapng dump file; tried to read 52 bytes, only got 44");
    let cut = one_interface().u32(6).bytes;
    assert_eq!(error(&cut), "truncated pcapng dump file; tried to read 8 bytes, only got 4");
    let other = one_interface().u32(99).u32(10_000).raw(&[0; 5000]).bytes;
    assert_eq!(error(&other), "truncated pcapng dump file; tried to read 9992 bytes, only got 5000");
    let other = one_interface().u32(99).u32(10_000).raw(&[0; 9988]).u32(4).bytes;
    assert_eq!(error(&other), "block total length in header and trailer don't match");
}

#[test]
fn frames_that_lie_about_their_length_are_refused() {
    let frame = |caplen: u32| one_interface().block(6, |b| b.u32(0).u32(0).u32(0).u32(caplen).u32(1).raw(&[0; 8]));
    assert_eq!(error(&frame(101).bytes), "invalid packet capture length 101, bigger than snaplen of 100");
    assert_eq!(error(&frame(9).bytes), "block of type 6 in pcapng dump file is too short");
    for (kind, words) in [(6, 4), (2, 4), (3, 0), (1, 1)] {
        let short = one_interface().block(kind, |b| b.raw(&[0; 16][..words * 4]));
        assert_eq!(error(&short.bytes), format!("block of type {kind} in pcapng dump file is too short"));
    }
}

#[test]
fn a_block_that_does_not_matter_costs_no_memory() {
    let large = vec![0x55; 15 << 20];
    let file = one_interface().block(0xbad, |b| b.raw(&large)).enhanced(0, 1, 1, b"x");
    for ahead in [true, false] {
        let mut reader = Reader::open(&file.bytes[..], Precision::Micro, ahead).unwrap();
        assert_eq!(reader.next().unwrap().unwrap().data, b"x");
        assert!(reader.memory() <= savefile::BLOCK, "{}", reader.memory());
        assert!(reader.next().unwrap().is_none());
    }
}
