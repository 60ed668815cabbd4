//! nmreplay from a user's side.

mod common;

use common::{Ended, Folder, Running};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const NMREPLAY: &str = env!("CARGO_BIN_EXE_nmreplay");
const PKT_GEN: &str = env!("CARGO_BIN_EXE_pkt-gen");
const ETHERNET: u32 = 1;

/// A capture with a frame of `len` bytes at each of these microseconds, of which the file holds `caplen` bytes.
fn capture(folder: &Folder, link: u32, times_us: &[u32], len: u32, caplen: u32) -> PathBuf {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 4 << 16 | 2, 0, 0, 65_535, link] {
        file.extend_from_slice(&u32::to_le_bytes(word));
    }
    for time in times_us {
        for word in [1_700_000_000 + time / 1_000_000, time % 1_000_000, caplen, len] {
            file.extend_from_slice(&u32::to_le_bytes(word));
        }
        file.extend((0..caplen).map(|byte| if byte < 6 { 0xff } else { byte as u8 }));
    }
    let path = folder.path("capture.pcap");
    std::fs::write(&path, file).unwrap();
    path
}

/// Seconds that the final line tells.
fn seconds(ended: &Ended) -> f64 {
    let (_, rest) = ended.stdout.split_once(" bytes in ").unwrap_or_else(|| panic!("{ended:?}"));
    rest.split(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{ended:?}"))
}

#[test]
fn frames_keep_their_distance_in_time() {
    let folder = Folder::new();
    let file = capture(&folder, ETHERNET, &[0, 100_000, 150_000, 400_000], 60, 60);
    let line = format!("-f {} -i vale0:a", file.display());
    for (timing, loops, frames, least) in [
        ("", 1, 4, 0.4),
        ("--speed 2", 3, 12, 0.6),
        ("--speed 0.5", 1, 4, 0.8),
        ("--rate 10", 1, 4, 0.3),
        ("--rate 100 --preload", 10, 40, 0.39),
        ("--bandwidth 9.6k", 2, 8, 0.35),
    ] {
        let ended = folder.run(NMREPLAY, &format!("{line} {timing} --loops {loops}")).ok();
        let amount = format!("{frames} frames, {} bytes in ", frames * 60);
        assert!(ended.stdout.starts_with(&amount), "{timing}: {ended:?}");
        // Never early; how late depends on the machine's load.
        assert!((least..least + 5.0).contains(&seconds(&ended)), "{timing}: {ended:?}");
        assert_eq!((ended.stdout.lines().count(), ended.stderr.as_str()), (1, ""), "silent in a pipe");
    }
}

#[test]
fn every_frame_arrives_at_top_speed() {
    let folder = Folder::new();
    let file = capture(&folder, ETHERNET, &[0; 100], 1000, 1000);
    for preload in ["", "--preload"] {
        let receiver = folder.start(PKT_GEN, "-i vale0:b -f rx -n 10000");
        folder.await_port("vale0:b");
        let line = format!("-f {} -i vale0:a --top --loops 100 {preload}", file.display());
        let sent = folder.run(NMREPLAY, &line).ok();
        assert!(sent.stdout.starts_with("10000 frames, 10000000 bytes in "), "{sent:?}");
        let received = receiver.finish().ok();
        assert!(received.stdout.starts_with("received 10000 frames, 10000000 bytes"), "{received:?}");
    }
}

#[test]
fn a_signal_ends_a_long_wait_with_the_final_line() {
    let folder = Folder::new();
    let file = capture(&folder, ETHERNET, &[0, 3_600_000_000], 60, 60);
    let replay = folder.start(NMREPLAY, &format!("-f {} -i vale0:a", file.display()));
    folder.await_port("vale0:a");
    // The port is opened first, the first frame follows.
    std::thread::sleep(Duration::from_millis(200));
    replay.interrupt();
    let ended = replay.finish().ok();
    assert!(ended.stdout.starts_with("1 frames, 60 bytes in "), "{ended:?}");
}

#[test]
fn cut_frames_go_as_they_are_and_are_told() {
    let folder = Folder::new();
    let file = capture(&folder, ETHERNET, &[0, 0], 1514, 96);
    let ended = folder.run(NMREPLAY, &format!("-f {} -i vale0:a", file.display())).ok();
    assert!(ended.stdout.starts_with("2 frames, 192 bytes in "), "{ended:?}");
    assert_eq!(ended.stderr, "nmreplay: 2 frames were cut when they were captured, and went as they are\n");
}

#[test]
fn what_cannot_be_played() {
    let folder = Folder::new();
    let file = capture(&folder, 113, &[0], 60, 60);
    let line = format!("-f {} -i vale0:a", file.display());
    folder.run(NMREPLAY, &line).refused(1, "capture.pcap: its frames are LINUX_SLL, those of vale0:a are EN10MB");
    folder
        .run(NMREPLAY, "-f /no/such/file -i vale0:a")
        .refused(1, "nmreplay: /no/such/file: No such file or directory");
    folder.run(NMREPLAY, "-f /etc/passwd -i vale0:a").refused(1, "nmreplay: /etc/passwd: unknown file format");
    folder.run(NMREPLAY, "-i vale0:a").refused(2, "which capture? -f FILE");
    folder
        .run(NMREPLAY, &format!("{line} --top --rate 5"))
        .refused(2, "only one of --speed, --rate, --bandwidth and --top");
    folder.run(NMREPLAY, "-f - -i vale0:a --loops 2").refused(2, "--loops from standard input needs --preload");

    let file = capture(&folder, ETHERNET, &[0, 0], 10, 10);
    let refused = folder.run(NMREPLAY, &format!("-f {} -i vale0:a", file.display()));
    let refused = refused.refused(1, "nmreplay: 2 frames were not sent: vale0:a: ");
    assert!(refused.stdout.starts_with("0 frames, 0 bytes in "), "{refused:?}");
    let file = capture(&folder, ETHERNET, &[0], 60, 60);
    let line = format!("-f {} -i", file.display());
    folder.run(NMREPLAY, &format!("{line} vale0:*")).refused(1, "vale0:*: a listener or monitor sends no frames");
    folder.run(NMREPLAY, &format!("{line} vale0:a:b")).refused(1, "':' in the port's name");
    folder.run(NMREPLAY, &format!("{line} no-such-card0")).refused(1, "nmreplay: no-such-card0: ");

    let mut damaged = std::fs::read(&file).unwrap();
    damaged.truncate(damaged.len() - 1);
    std::fs::write(&file, damaged).unwrap();
    folder.run(NMREPLAY, &format!("{line} vale0:a")).refused(1, "capture.pcap: truncated dump file");
}

/// An interface of the system takes the frames too; in a network namespace of its own, where that may be made.
#[test]
fn a_plain_interface_takes_the_frames() {
    let folder = Folder::new();
    let file = capture(&folder, ETHERNET, &[0, 1000, 2000], 60, 60);
    let script = format!(
        "ip link set lo up || exit 77; {PKT_GEN} -i lo -f rx -n 3 & sleep 0.5; {NMREPLAY} -f {} -i lo; wait",
        file.display()
    );
    let mut command = Command::new("unshare");
    command.args(["--net", "--map-root-user", "sh", "-c", &script]);
    let ended = Running::start(command).finish();
    if ended.stderr.contains("unshare failed") || ended.status == Some(77) {
        eprintln!("skipped: no network namespace may be made here: {ended:?}");
        return;
    }
    let ended = ended.ok();
    assert!(ended.stdout.contains("3 frames, 180 bytes in "), "{ended:?}");
    assert!(ended.stdout.contains("received 3 frames, 180 bytes in "), "{ended:?}");
}
