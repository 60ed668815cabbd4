//! bridge from a user's side.

mod common;

use common::{Folder, cpu_ticks, row};
use std::time::Duration;

const BRIDGE: &str = env!("CARGO_BIN_EXE_bridge");
const PKT_GEN: &str = env!("CARGO_BIN_EXE_pkt-gen");

#[test]
fn frames_cross_both_ways_and_an_idle_bridge_sleeps() {
    let folder = Folder::new();
    let bridge = folder.start(BRIDGE, "-i vale0:up -i vale1:down");
    folder.await_port("vale0:up");
    folder.await_port("vale1:down");
    let pong = folder.start(PKT_GEN, "-i vale1:b -f pong --sleep -n 100");
    folder.await_port("vale1:b");
    folder.run(PKT_GEN, "-i vale0:a -f ping --sleep -n 100 -l 1514").ok();
    pong.finish().ok();

    let receiver = folder.start(PKT_GEN, "-i vale0:c -f rx -n 20000");
    folder.await_port("vale0:c");
    folder.run(PKT_GEN, "-i vale1:d -f tx -n 20000").ok();
    receiver.finish().ok();

    std::thread::sleep(Duration::from_millis(300));
    let before = cpu_ticks(bridge.pid());
    std::thread::sleep(Duration::from_secs(1));
    assert!(cpu_ticks(bridge.pid()) - before <= 1, "an idle bridge takes CPU time");

    bridge.interrupt();
    let summary = bridge.finish().ok().stdout;
    assert_eq!(row(&summary, "vale0:up")[1..5], ["vale1:down", "100", "151400", "0"]);
    assert_eq!(row(&summary, "vale1:down")[1..3], ["vale0:up", "20100"]);
}

#[test]
fn what_cannot_be_bridged() {
    let folder = Folder::new();
    folder.run(BRIDGE, "-i vale0:a").refused(2, "two ports: -i PORT -i PORT");
    folder.run(BRIDGE, "-i vale0:a -i vale0:a").refused(2, "vale0:a can't be bridged to itself");
    folder.run(BRIDGE, "-i vale0:a -i vale0:b -b 0").refused(2, "-b: at least one frame");
    // A listener sends nothing: both ways end with the first frame towards it.
    let bridge = folder.start(BRIDGE, "-i vale0:* -i vale1:a");
    folder.await_port("vale1:a");
    folder.run(PKT_GEN, "-i vale1:b -f tx -n 1").ok();
    bridge.finish().refused(1, "vale0:*: a listener or monitor sends no frames");
}
