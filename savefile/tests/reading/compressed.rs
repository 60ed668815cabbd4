//! Compressed files.

use crate::build::samples;
use crate::read::{Pieces, every_way, frames, read};
use savefile::{Precision, Reader};
use std::io::Write;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn compressed_files_read_as_what_they_hold() {
    for (_, bytes) in samples() {
        let expected = read(&bytes[..], Precision::Nano, true);
        for packed in [gzip(&bytes), lz4(&bytes)] {
            assert_eq!(every_way(&packed, Precision::Nano), expected);
        }
        let (one, two) = bytes.split_at(bytes.len() / 2);
        let members = [gzip(one), gzip(two)].concat();
        assert_eq!(every_way(&members, Precision::Nano), expected, "two members, as gzip -c a b writes them");
    }
}

#[test]
fn a_cut_compressed_file_is_an_error_after_its_frames() {
    let (_, bytes) = &samples()[0];
    for packed in [gzip(bytes), lz4(bytes)] {
        let outcome = read(&packed[..packed.len() - 20], Precision::Micro, true);
        assert!(outcome.error.is_some_and(|text| text.starts_with("error reading dump file: ")));
    }
}

#[test]
fn a_failing_stream_is_told_in_its_own_words() {
    let (_, bytes) = &samples()[0];
    for packed in [gzip(bytes), lz4(bytes)] {
        let error = Reader::open(Pieces::new(&packed, &[10], true), Precision::Micro, true).unwrap_err();
        assert_eq!(error.to_string(), "error reading dump file: Interrupted system call");
        let stream = std::io::Read::chain(&packed[..8], Pieces::new(&packed[8..], &[10], true));
        let error = Reader::open(stream, Precision::Micro, true).unwrap_err();
        assert_eq!(error.to_string(), "error reading dump file: Interrupted system call");
    }
}

#[test]
fn a_bomb_costs_no_memory() {
    let mut file = crate::build::Build::new(false).section().interface(1, 100, &[]);
    for _ in 0..8 {
        file = file.block(0xbad, |b| b.raw(&vec![0; 15 << 20]));
    }
    let file = file.enhanced(0, 1, 1, b"x");
    for packed in [gzip(&file.bytes), lz4(&file.bytes)] {
        assert!(packed.len() < file.bytes.len() / 100);
        let mut reader = Reader::open(&packed[..], Precision::Micro, true).unwrap();
        assert_eq!(frames(&mut reader).frames.len(), 1);
        assert!(reader.memory() <= savefile::BLOCK);
    }
}

#[test]
fn nothing_is_decompressed_twice() {
    let (_, bytes) = &samples()[0];
    assert_eq!(read(&gzip(&gzip(bytes))[..], Precision::Micro, true).error.as_deref(), Some("unknown file format"));
}
