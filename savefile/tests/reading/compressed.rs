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

/// What the program zstd makes of it; `None` when it isn't installed.
fn zstd(bytes: &[u8], options: &[&str]) -> Option<Vec<u8>> {
    use std::process::{Command, Stdio};
    let program = Command::new("zstd").arg("-c").args(options).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut program) = program else {
        println!("skipped: the program zstd is not installed");
        return None;
    };
    let mut input = program.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let output = program.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    Some(output.stdout)
}

/// Frames of every sort: text, noise, zeros, runs with distances between them.
fn varied() -> Vec<u8> {
    let mut file = crate::build::Build::new(false).pcap(0xa1b2_c3d4, (2, 4), 65_535, 1);
    let (mut noise, mut old) = (0x2545_f491_4f6c_dd1du64, Vec::new());
    for i in 0..3000u32 {
        let mut random = || {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise
        };
        let size = (random() % 1500) as usize;
        let data: Vec<u8> = match i % 5 {
            0 => (0..size).map(|_| random() as u8).collect(),
            1 => format!("frame {i} says {} to frame {}. ", random() % 100, random() % 3000).into_bytes().repeat(9),
            2 => vec![random() as u8; size],
            3 => (0..size).map(|_| b"etaoin shrdlu"[random() as usize % 13]).collect(),
            _ => Vec::clone(&old),
        };
        if random() % 7 == 0 {
            old = data.clone();
        }
        file = file.frame(i, i, data.len() as u32, &data);
    }
    file.bytes
}

#[test]
fn what_zstd_packs_at_any_level_is_read() {
    let bytes = varied();
    let expected = read(&bytes[..], Precision::Micro, true);
    let levels = ["-1", "-3", "-7", "-12", "-19", "--fast=5"];
    for options in levels.map(|level| vec![level]).into_iter().chain([vec!["-3", "--no-check"], vec!["-5", "-B100000"]])
    {
        let Some(packed) = zstd(&bytes, &options) else { return };
        assert_eq!(read(&packed[..], Precision::Micro, true), expected, "{options:?}");
        for cut in [5, 9, 1000, packed.len() / 2, packed.len() - 1] {
            assert!(read(&packed[..cut], Precision::Micro, true).error.is_some(), "{options:?}, {cut}");
        }
    }
    for (_, sample) in samples() {
        let Some(packed) = zstd(&sample, &["-19"]) else { return };
        let skipped = [&0x184d_2a53u32.to_le_bytes()[..], &3u32.to_le_bytes(), b"abc"].concat();
        let both = [&skipped[..], &packed, &skipped].concat();
        assert_eq!(every_way(&both, Precision::Nano), every_way(&sample, Precision::Nano));
    }
}

#[test]
fn a_zstd_stream_that_chance_has_changed_is_an_error_and_no_panic() {
    let bytes = varied();
    let Some(packed) = zstd(&bytes[..300_000], &["-9"]) else { return };
    let mut noise = 88_172_645_463_325_252u64;
    for _ in 0..500 {
        let mut changed = packed.clone();
        for _ in 0..3 {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            // Mostly where headers and tables are.
            let range = if noise & 1 == 0 { 64 } else { changed.len() as u64 };
            changed[4 + (noise >> 8) as usize % (range as usize - 4)] = (noise >> 40) as u8;
        }
        if changed != packed {
            assert!(read(&changed[..], Precision::Micro, true).error.is_some());
        }
    }
}

#[test]
fn a_window_beyond_what_every_decoder_has_is_refused_in_words() {
    let header = |window: u8| [&0xfd2f_b528u32.to_le_bytes()[..], &[0, window, 1, 0, 0]].concat();
    let text = "the compressed file asks for a window of 16777216 bytes, more than 8388608";
    assert_eq!(read(&header(14 << 3)[..], Precision::Micro, true).error.as_deref(), Some(text));
    assert!(read(&header(13 << 3)[..], Precision::Micro, true).error.unwrap().starts_with("truncated dump file"));
    assert!(read(&header(255)[..], Precision::Micro, true).error.unwrap().contains("4123168604160 bytes"));
}

#[test]
fn a_zstd_block_becomes_no_more_than_it_may() {
    // One literal, then sequences of 131,074 bytes each, of 16 bits: a block that would become gigabytes.
    let mut block = vec![1 << 3, b'x', 255, 0xff, 0xff, 0b0101_0100, 0, 0, 52];
    block.resize(120_000, 0xff);
    let header = (1 | 2 << 1 | (block.len() as u32) << 3).to_le_bytes();
    let packed = [&0xfd2f_b528u32.to_le_bytes()[..], &[0, 13 << 3], &header[..3], &block].concat();
    let outcome = read(&packed[..], Precision::Micro, true);
    assert_eq!(outcome.error.as_deref(), Some("error reading dump file: corrupt zstd stream"));
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
    for packed in [Some(gzip(&file.bytes)), Some(lz4(&file.bytes)), zstd(&file.bytes, &[])].into_iter().flatten() {
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
