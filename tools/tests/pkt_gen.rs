//! pkt-gen from a user's side.

mod common;

use common::Folder;
use std::time::Duration;

const PKT_GEN: &str = env!("CARGO_BIN_EXE_pkt-gen");

#[test]
fn every_frame_that_is_sent_is_received() {
    let folder = Folder::new();
    for (len, count) in [(60, 100_000), (1514, 50_000), (9000, 5_000), (65_535, 500)] {
        let receiver = folder.start(PKT_GEN, &format!("-i vale0:b -f rx -n {count}"));
        folder.await_port("vale0:b");
        let sent = folder.run(PKT_GEN, &format!("-i vale0:a -f tx -l {len} -n {count}")).ok();
        let amount = format!("{count} frames, {} bytes in ", len * count);
        assert!(sent.stdout.starts_with(&format!("sent {amount}")), "{sent:?}");
        let received = receiver.finish().ok();
        assert!(received.stdout.starts_with(&format!("received {amount}")), "{received:?}");
        assert!(!folder.path("vale0").exists(), "the last one out leaves nothing behind");
    }
}

#[test]
fn a_pipe_has_two_ends_and_no_third() {
    let folder = Folder::new();
    let receiver = folder.start(PKT_GEN, "-i netmap:x}1 -f rx -n 10000");
    folder.await_port("netmap:x}1");
    folder.run(PKT_GEN, "-i netmap:x}1 -f rx -n 1").refused(1, "netmap:x}1: port is in use");
    // Whatever the frames' addresses: also those of who sends and receives.
    folder.run(PKT_GEN, "-i netmap:x{2 -f tx -n 10").ok();
    folder.run(PKT_GEN, "-i netmap:x{1 -f tx -n 9000 -D 02:00:00:00:00:01 -S 02:00:00:00:00:01").ok();
    let pong = folder.start(PKT_GEN, "-i netmap:y{7 -f pong --sleep -n 50");
    folder.await_port("netmap:y{7");
    folder.run(PKT_GEN, "-i netmap:y}7 -f ping --sleep -n 50").ok();
    pong.finish().ok();
    folder.run(PKT_GEN, "-i netmap:x{1 -f tx -n 1000").ok();
    assert!(receiver.finish().ok().stdout.starts_with("received 10000 frames"));
    assert_eq!(std::fs::read_dir(folder.path("")).expect("a folder").count(), 0, "pipes leave nothing behind");
}

#[test]
fn a_rate_is_kept() {
    let folder = Folder::new();
    let sent = folder.run(PKT_GEN, "-i vale0:a -f tx -R 200 -n 101 -T 100").ok();
    assert!(sent.time >= Duration::from_millis(500), "{sent:?}");
    assert!(sent.stdout.starts_with("sent 101 frames, 6060 bytes in "), "{sent:?}");
    assert!(sent.stderr.lines().filter(|line| line.contains("pps  ")).count() >= 2, "{sent:?}");
}

#[test]
fn pings_are_answered_sleeping_and_watching() {
    let folder = Folder::new();
    for (sleep, count) in [("--sleep", 200), ("", 20)] {
        let pong = folder.start(PKT_GEN, &format!("-i vale0:b -f pong -n {count} {sleep}"));
        folder.await_port("vale0:b");
        let ping = folder.run(PKT_GEN, &format!("-i vale0:a -f ping -n {count} -l 100 {sleep}")).ok();
        let report = format!("asked {count}, answered {count}, lost 0: {count} round trips: min ");
        assert!(ping.stdout.starts_with(&report), "{ping:?}");
        let pong = pong.finish().ok();
        assert!(pong.stdout.starts_with(&format!("answered {count} frames, {} bytes", count * 100)), "{pong:?}");
    }
}

#[test]
fn nobody_answers() {
    let folder = Folder::new();
    folder.run(PKT_GEN, "-i vale0:a -f ping -n 1 --sleep").refused(1, "vale0:a: nobody answered");
}

#[test]
fn a_signal_ends_it_with_its_summary() {
    let folder = Folder::new();
    for (function, summary) in [
        ("rx", "received 0 frames, 0 bytes"),
        ("tx -R 1", "sent 1 frames, 60 bytes"),
        ("pong --sleep", "answered 0 frames"),
        ("pong", "answered 0 frames"),
    ] {
        let running = folder.start(PKT_GEN, &format!("-i vale0:a -T 600000 -f {function}"));
        folder.await_port("vale0:a");
        // The port is opened first, the first frame follows.
        std::thread::sleep(Duration::from_millis(200));
        running.interrupt();
        let ended = running.finish().ok();
        assert!(ended.stdout.starts_with(summary), "{function}: {ended:?}");
        assert!(ended.time < Duration::from_secs(10), "{function}: {ended:?}");
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let folder = Folder::new();
    folder.run(PKT_GEN, "-i vale0:* -f tx -n 1").refused(1, "pkt-gen: vale0:*: a listener or monitor sends no frames");
    folder.run(PKT_GEN, "-i vale0: -f tx -n 1").refused(1, "pkt-gen: vale0:");
    folder.run(PKT_GEN, "-i vale0:a").refused(2, "do what with it? -f tx, rx, ping or pong\nTry 'pkt-gen --help'.");
    let receiver = folder.start(PKT_GEN, "-i vale0:a -f rx");
    folder.await_port("vale0:a");
    folder.run(PKT_GEN, "-i vale0:a -f rx").refused(1, "vale0:a: port is in use");
    receiver.interrupt();
    receiver.finish().ok();
}
