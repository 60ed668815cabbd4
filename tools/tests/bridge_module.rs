//! What bridge does, over ports of the netmap module: a module without a kernel, that of the drivers' tests.

#[allow(dead_code, reason = "the drivers' tests use the rest")]
#[path = "../../drivers/tests/netmap/fake.rs"]
mod fake;

use fake::{Fake, frame};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tools::ports::TwoWay;
use tools::pump::Pump;
use tools::stop::Stop;

const FRAMES: u32 = 300;

/// Ends the bridge, also when a test gives up on it.
struct Ends<'a>(&'a Stop);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.request();
    }
}

/// Bridges two ports while frames arrive at both: `rings` are the receive rings that they arrive at, and the transmit rings
/// that those of the other one have to leave by. What was moved, as bridge tells it.
fn bridge([one, other]: [(&Fake, &str); 2], arrive: [usize; 2], leave: [usize; 2]) -> String {
    let stop = Arc::new(Stop::on_signals().expect("a stop"));
    let two_way = |(fake, name): (&Fake, &str)| TwoWay::of(fake.open(name), &stop);
    let names = [one.1, other.1].map(String::from);
    let pump = Pump::of("bridge", vec![(names, [two_way(one), two_way(other)])], &stop).expect("a pump");
    std::thread::scope(|threads| {
        let moving = threads.spawn(|| pump.run(Some(256)));
        let ends = Ends(&stop);
        let lens = [60, 1514, 1000];
        let sent = arrive.map(|ring| -> Vec<Vec<u8>> {
            (0..FRAMES).map(|n| frame(ring, n, lens[n as usize % lens.len()])).collect()
        });
        for (to_one, to_other) in std::iter::zip(&sent[0], &sent[1]) {
            one.0.arrive(arrive[0], to_one);
            other.0.arrive(arrive[1], to_other);
        }
        // What arrived at one leaves by the other.
        for (sent, fake, ring) in [(&sent[0], other.0, leave[1]), (&sent[1], one.0, leave[0])] {
            let end = Instant::now() + Duration::from_secs(10);
            let left = || -> Vec<Vec<u8>> {
                fake.state().wire.iter().filter(|(by, _)| *by == ring).map(|(_, frame)| frame.clone()).collect()
            };
            while left().len() < sent.len() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(left() == *sent, "{} of {} left by ring {ring}", left().len(), sent.len());
        }
        drop(ends);
        moving.join().expect("no panic").expect("an end").text()
    })
}

/// The frames and bytes that a row of bridge's table has, and how many were refused.
fn row<'a>(table: &'a str, from: &str) -> Vec<&'a str> {
    let row = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find(|row| row[0] == from);
    row.unwrap_or_else(|| panic!("{table}"))[2..5].to_vec()
}

#[test]
fn a_card_of_the_module_is_bridged_to_its_host_by_swapping_buffers() {
    let fake = Fake::new();
    let buffers = || {
        let mut all: Vec<u32> = (0..7).flat_map(|ring| fake.buffers(ring)).collect();
        all.sort_unstable();
        all
    };
    let before = buffers();
    // Transmit rings 0 and 1 are the card's, 2 the host's; of the receive rings 3 is the host's.
    let table = bridge([(&fake, "netmap:eth0"), (&fake, "netmap:eth0^")], [0, 3], [0, 2]);
    for from in ["netmap:eth0", "netmap:eth0^"] {
        assert_eq!(row(&table, from), ["300", "257400", "0"], "{table}");
    }
    assert_eq!(buffers(), before, "a buffer is lost or doubled");
    assert_eq!(fake.state().untold, 0, "the card still has another buffer for a slot");
}

#[test]
fn cards_of_the_module_with_memories_of_their_own_are_bridged_by_copying() {
    let (one, other) = (Fake::new(), Fake::new());
    let table = bridge([(&one, "netmap:eth0-1"), (&other, "netmap:eth1-0")], [1, 0], [1, 0]);
    for from in ["netmap:eth0-1", "netmap:eth1-0"] {
        assert_eq!(row(&table, from), ["300", "257400", "0"], "{table}");
    }
}

#[test]
fn frames_for_a_port_without_room_wait_beside_its_rings_and_hold_up_nobody() {
    let fake = Fake::new();
    let stop = Arc::new(Stop::on_signals().expect("a stop"));
    let ports = [fake.open("netmap:eth0-0"), fake.open_with("netmap:eth0^", 60)].map(|port| TwoWay::of(port, &stop));
    let names = ["netmap:eth0-0", "netmap:eth0^"].map(String::from);
    let pump = Pump::of("bridge", vec![(names, ports)], &stop).expect("a pump");
    let until = |done: &dyn Fn() -> bool| {
        let end = Instant::now() + Duration::from_secs(10);
        while !done() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        done()
    };
    let table = std::thread::scope(|threads| {
        let moving = threads.spawn(|| pump.run(None));
        let ends = Ends(&stop);
        fake.state().stuck = true;
        // Four rings full, which nobody empties for longer than a sender waits.
        (0..64).for_each(|n| fake.arrive(0, &frame(0, n, 60)));
        assert!(until(&|| fake.state().incoming[0].is_empty()), "the card's ring waits for the host's");
        std::thread::sleep(Duration::from_millis(30));
        fake.state().stuck = false;
        // Nothing else arrives that would make the bridge look.
        assert!(until(&|| fake.state().wire.len() == 64), "{} of 64 left", fake.state().wire.len());
        drop(ends);
        moving.join().expect("no panic").expect("an end").text()
    });
    assert!(fake.state().wire.iter().map(|f| f.1.clone()).eq((0..64).map(|n| frame(0, n, 60))));
    assert_eq!(row(&table, "netmap:eth0-0"), ["64", "3840", "0"], "{table}");
    assert_eq!(fake.list().len(), 60, "the module does not get all its buffers back");
}
