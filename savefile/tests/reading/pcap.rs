//! pcap files and their variants.

use crate::build::Build;
use crate::read::{Outcome, Pieces, every_way, frames, read};
use savefile::{Info, Precision, Reader};

const MICRO: u32 = 0xa1b2_c3d4;
const NANO: u32 = 0xa1b2_3c4d;
const KUZNETZOV: u32 = 0xa1b2_cd34;

fn info(bytes: &[u8]) -> Info {
    *Reader::open(bytes, Precision::Micro, true).expect("a file").info()
}

fn error(bytes: &[u8]) -> String {
    every_way(bytes, Precision::Micro).error.expect("an error")
}

fn only_frame(bytes: &[u8], precision: Precision) -> (i64, i64, u32, Vec<u8>) {
    let Outcome { mut frames, error } = every_way(bytes, precision);
    assert_eq!((frames.len(), error), (1, None));
    frames.remove(0)
}

#[test]
fn both_byte_orders_and_precisions() {
    for swapped in [false, true] {
        for (magic, precision, fraction) in [
            (MICRO, Precision::Micro, 999_999),
            (MICRO, Precision::Nano, 999_999_000),
            (NANO, Precision::Micro, 999),
            (NANO, Precision::Nano, 999_999),
        ] {
            let file = Build::new(swapped).pcap(magic, (2, 4), 65_535, 1).frame(u32::MAX, 999_999, 100, b"frame");
            let expected = (i64::from(u32::MAX), fraction, 100, b"frame".to_vec());
            assert_eq!(only_frame(&file.bytes, precision), expected, "the last second is in 2106");
            let info = info(&file.bytes);
            assert_eq!((info.swapped, info.major, info.minor, info.linktype), (swapped, 2, 4, 1));
        }
    }
}

#[test]
fn what_stands_above_the_link_type_is_told_apart() {
    let file = Build::new(true).pcap(MICRO, (2, 4), 65_535, 0x4400_0000 | 101).bytes;
    assert_eq!((info(&file).linktype, info(&file).linktype_ext), (12, 0x4400_0000));
}

#[test]
fn a_snap_length_that_is_none_means_the_largest() {
    for (snaplen, linktype, expected) in [(0, 1, 262_144), (u32::MAX, 231, 128 << 20), (0, 279, 8 << 20), (7, 1, 7)] {
        assert_eq!(info(&Build::new(false).pcap(MICRO, (2, 4), snaplen, linktype).bytes).snaplen, expected);
    }
}

#[test]
fn old_versions_have_the_lengths_in_the_other_order() {
    for (version, fields, expected) in [
        ((2, 2), [4, 9], (9, 4)),
        ((543, 0), [4, 9], (9, 4)),
        ((2, 3), [9, 4], (9, 4)),
        ((2, 3), [4, 9], (9, 4)),
        ((2, 4), [4, 9], (9, 4)),
    ] {
        let [first, second] = if version == (2, 4) || version == (2, 3) { fields } else { [fields[1], fields[0]] };
        let file = Build::new(false).pcap(MICRO, version, 100, 1).u32(0).u32(0).u32(first).u32(second).raw(b"four");
        let (_, _, len, data) = only_frame(&file.bytes, Precision::Micro);
        assert_eq!((len, data.len()), expected, "{version:?}");
    }
}

#[test]
fn kuznetzovs_frames_have_longer_headers() {
    for swapped in [false, true] {
        let file = Build::new(swapped).pcap(KUZNETZOV, (2, 4), 68, 1).u32(1).u32(2).u32(4).u32(60);
        let file = file.u32(2).u16(0x800).raw(&[4, 0]).raw(b"four").bytes;
        assert_eq!(only_frame(&file, Precision::Micro), (1, 2, 60, b"four".to_vec()));
        assert_eq!(info(&file).snaplen, 82, "room for the header of a cooked capture");
    }
}

#[test]
fn versions_that_nobody_knows_are_refused() {
    let version = |version| error(&Build::new(true).pcap(MICRO, version, 1, 1).bytes);
    assert_eq!(version((1, 9)), "archaic pcap savefile format");
    assert_eq!(version((2, 5)), "unsupported pcap savefile version 2.5");
    assert_eq!(version((543, 1)), "unsupported pcap savefile version 543.1");
}

#[test]
fn a_file_that_ends_early_says_where() {
    let file = Build::new(false).pcap(MICRO, (2, 4), 100, 1).frame(0, 0, 50, &[7; 50]).bytes;
    let text = "truncated dump file; tried to read";
    assert_eq!(error(&file[..3]), format!("{text} 4 file header bytes, only got 3"));
    assert_eq!(error(&file[..20]), format!("{text} 24 file header bytes, only got 16"));
    assert_eq!(error(&file[..30]), format!("{text} 16 header bytes, only got 6"));
    assert_eq!(error(&file[..60]), format!("{text} 50 captured bytes, only got 20"));
    assert_eq!(error(b"GIF89a"), "unknown file format");
    assert_eq!(every_way(&file[..24], Precision::Micro), Outcome { frames: vec![], error: None });
}

#[test]
fn bytes_beyond_the_snap_length_are_dropped() {
    let file = Build::new(false).pcap(MICRO, (2, 4), 10, 1).frame(0, 0, 50, &[7; 50]).frame(1, 0, 5, &[8; 5]).bytes;
    let Outcome { frames, error: none } = every_way(&file, Precision::Micro);
    assert_eq!((frames.iter().map(|f| f.3.len()).collect::<Vec<_>>(), none), (vec![10, 5], None));
    let cut = |end: usize| error(&file[..40 + end]);
    assert_eq!(cut(9), "truncated dump file; tried to read 10 captured bytes, only got 9");
    assert_eq!(cut(11), "truncated dump file; tried to read 50 captured bytes, only got 11");
}

#[test]
fn lengths_that_nobody_believes_are_refused() {
    let claim = |snaplen, linktype, caplen| {
        error(&Build::new(false).pcap(MICRO, (2, 4), snaplen, linktype).u32(0).u32(0).u32(caplen).u32(caplen).bytes)
    };
    let text = "invalid packet capture length";
    assert_eq!(claim(65_535, 1, 262_145), format!("{text} 262145, bigger than snaplen of 65535"));
    assert_eq!(claim(1 << 30, 1, 262_145), format!("{text} 262145, bigger than maximum of 262144"));
    assert_eq!(claim(1 << 30, 249, 1 << 21), format!("{text} 2097152, bigger than maximum of 1048576"));
    assert_eq!(claim(100, 231, 1 << 21), "truncated dump file; tried to read 100 captured bytes, only got 0");
}

#[test]
fn a_claim_costs_no_memory() {
    let file = Build::new(false).pcap(MICRO, (2, 4), 1 << 30, 231).u32(0).u32(0).u32(100 << 20).u32(1).raw(&[1; 5000]);
    for ahead in [true, false] {
        let mut reader = Reader::open(&file.bytes[..], Precision::Micro, ahead).unwrap();
        assert!(frames(&mut reader).error.unwrap().contains("only got 5000"));
        assert!(reader.memory() < 1 << 20, "{}", reader.memory());
    }
}

#[test]
fn a_large_frame_is_whole_and_its_memory_is_given_back() {
    let large: Vec<u8> = (0..3_000_000u32).map(|i| (i / 3) as u8).collect();
    let file = Build::new(false).pcap(MICRO, (2, 4), 1 << 30, 231).frame(0, 0, 1, &large).frame(1, 0, 2, b"small");
    for ahead in [true, false] {
        let mut reader = Reader::open(Pieces::new(&file.bytes, &[70_000], false), Precision::Micro, ahead).unwrap();
        assert_eq!(reader.next().unwrap().unwrap().data, large);
        assert!(reader.memory() < 12 << 20);
        reader.release();
        assert_eq!(reader.next().unwrap().unwrap().data, b"small");
        reader.release();
        assert!(reader.memory() <= 1 << 20, "{}", reader.memory());
    }
}

#[test]
fn an_interrupted_read_loses_nothing() {
    let mut file = Build::new(false).pcap(MICRO, (2, 4), 65_535, 1);
    for i in 0..50 {
        file = file.frame(i, 0, i, &vec![i as u8; i as usize * 20]);
    }
    let (header, _) = file.bytes.split_at(24);
    let expected = read(&file.bytes[..], Precision::Micro, true);
    for ahead in [true, false] {
        // The header comes in one read; what follows it is interrupted before each piece.
        let rest = Pieces::new(&file.bytes[24..], &[13, 1, 400], true);
        let stream = std::io::Read::chain(header, rest);
        let mut reader = Reader::open(stream, Precision::Micro, ahead).unwrap();
        assert_eq!(frames(&mut reader), expected);
    }
}

#[test]
fn frames_come_out_as_they_arrive() {
    /// Blocks, so to speak, where a pipe would.
    struct Pipe(Vec<Vec<u8>>);
    impl std::io::Read for Pipe {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let piece = self.0.pop().expect("a read while frames were there would wait for ever");
            buffer[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }
    let header = Build::new(false).pcap(MICRO, (2, 4), 65_535, 1).bytes;
    let two = Build::new(false).frame(1, 0, 3, b"one").frame(2, 0, 3, b"two").bytes;
    let mut reader = Reader::open(Pipe(vec![two, header]), Precision::Micro, true).unwrap();
    assert_eq!(reader.next().unwrap().unwrap().data, b"one");
    assert_eq!(reader.next().unwrap().unwrap().data, b"two");
}

#[test]
fn exactly_the_bytes_of_the_frames_are_read() {
    let file = Build::new(false).pcap(MICRO, (2, 4), 10, 1).frame(0, 0, 50, &[7; 50]).frame(1, 0, 5, &[8; 5]).bytes;
    let mut stream = &file[..];
    let mut reader = Reader::open(&mut stream, Precision::Micro, false).unwrap();
    reader.next().unwrap().unwrap();
    assert_eq!(reader.stream_mut().len(), 21);
    reader.next().unwrap().unwrap();
    assert_eq!(reader.stream_mut().len(), 0);
}

#[test]
fn reading_ahead_can_stop_on_the_way() {
    let file = Build::new(false).pcap(MICRO, (2, 4), 10, 1).frame(0, 0, 1, b"a").frame(1, 0, 1, b"b").bytes;
    let mut stream = std::io::Cursor::new(&file);
    let mut reader = Reader::open(&mut stream, Precision::Micro, true).unwrap();
    reader.next().unwrap().unwrap();
    let ahead = reader.stop_reading_ahead().unwrap();
    assert_eq!(ahead, 17);
    reader.stream_mut().set_position(file.len() as u64 - ahead as u64);
    reader.forget_unread();
    assert_eq!(reader.next().unwrap().unwrap().data, b"b");
    assert_eq!(reader.stream_mut().position(), file.len() as u64);
}
