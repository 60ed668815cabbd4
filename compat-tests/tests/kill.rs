//! kill -9 and SIGSTOP in mid-traffic: what others notice of it.

use compat_tests::random::Random;
use compat_tests::{Finished, Program, Running, Sandbox, cc};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);
/// The longest that anybody may hang, in milliseconds.
const HANG_MS: u32 = 1000;
const VICTIMS: u64 = 4;
/// The sender that lives through it all; the victims' numbers follow.
const SURVIVOR: u32 = 1;

fn sender(sandbox: &Sandbox, port: &str, number: u32, pause_us: u32, count: u32) -> Program {
    let numbers = [number, pause_us, count].map(|n| n.to_string());
    sandbox.ours(cc::program("stream_out.c")).arg(port).args(numbers).arg("tolerant")
}

fn receiver(sandbox: &Sandbox, port: &str, count: u32, watched: u32) -> Program {
    sandbox.ours(cc::program("stream_in.c")).arg(port).args([count, watched].map(|n| n.to_string()))
}

fn open(program: Program) -> Running {
    let mut running = program.start();
    running.wait_for("open", LIMIT);
    running
}

/// The number after `word` in the last line that a stream program printed.
fn figure(run: &Finished, word: &str) -> u32 {
    let line = run.stdout.lines().last().unwrap_or_default();
    let mut words = line.split_whitespace().skip_while(|w| *w != word);
    words.nth(1).and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("no {word} in {run:#?}"))
}

#[test]
fn killed_senders_and_receivers_harm_nobody() {
    let kills: u32 = std::env::var("COMPAT_KILLS").ok().and_then(|s| s.parse().ok()).unwrap_or(100);
    let (sandbox, mut random) = (Sandbox::new(), Random::seeded());
    let mut reader = open(receiver(&sandbox, "vale0:reader", 0, SURVIVOR));
    let mut writer = open(sender(&sandbox, "vale0:writer", SURVIVOR, 1000, 0));
    let mut victims: Vec<Option<Running>> = (0..VICTIMS).map(|_| None).collect();
    let mut killed = 0;
    let mut number = SURVIVOR;
    while killed < kills {
        for survivor in [&mut reader, &mut writer] {
            assert!(!survivor.has_ended(), "after {killed} kills a survivor ended: {:?}", survivor.printed());
        }
        let place = random.below(VICTIMS) as usize;
        if let Some(mut victim) = victims[place].take() {
            assert!(!victim.has_ended(), "a victim ended by itself: {:?}", victim.printed());
            victim.kill();
            killed += 1;
        }
        // The name of a dead port is there for the next at once.
        let port = format!("vale0:victim{place}");
        number += 1;
        let victim = match random.below(3) {
            0 => receiver(&sandbox, &port, 0, SURVIVOR),
            1 => sender(&sandbox, &port, number, 0, 0),
            _ => sender(&sandbox, &port, number, 300, 0),
        };
        victims[place] = Some(open(victim));
        std::thread::sleep(Duration::from_millis(random.below(30)));
    }
    for victim in victims.into_iter().flatten() {
        victim.kill();
    }
    let writer = writer.stop_within(LIMIT).expect_success();
    let reader = reader.stop_within(LIMIT).expect_success();
    assert_eq!(figure(&reader, "bad"), 0);
    assert!(figure(&reader, "watched") > 0, "nothing of the surviving sender arrived");
    assert!(figure(&reader, "longest_gap_ms") < HANG_MS, "{}", reader.stdout);
    assert!(figure(&writer, "slowest_ms") < HANG_MS, "{}", writer.stdout);

    // One orderly open and close, and nothing is left of them all.
    sandbox.assert_clean_after_open();
}

#[test]
fn a_stopped_receiver_stops_nobody() {
    const FRAMES: u32 = 20_000;
    let sandbox = Sandbox::new();
    let stopped = open(receiver(&sandbox, "vale0:stopped", 0, SURVIVOR));
    let running = open(receiver(&sandbox, "vale0:running", FRAMES, SURVIVOR));
    stopped.signal(libc::SIGSTOP);
    let writer = open(sender(&sandbox, "vale0:writer", SURVIVOR, 200, FRAMES));
    let writer = writer.finish_within(LIMIT).expect_success();
    assert!(figure(&writer, "slowest_ms") < HANG_MS, "{}", writer.stdout);
    let running = running.finish_within(LIMIT).expect_success();
    assert_eq!(figure(&running, "watched"), FRAMES);

    // It goes on where it stood, and sees what is sent from now on.
    stopped.signal(libc::SIGCONT);
    std::thread::sleep(Duration::from_millis(200));
    let again = open(sender(&sandbox, "vale0:writer", SURVIVOR + 1, 200, 500));
    again.finish_within(LIMIT).expect_success();
    // The last four, sent after a pause, may lie in the ring until its read timeout (0.1 s): who is stopped before leaves them there.
    std::thread::sleep(Duration::from_millis(300));
    let stopped = stopped.stop_within(LIMIT).expect_success();
    let (all, early) = (figure(&stopped, "received"), figure(&stopped, "watched"));
    assert_eq!(all - early, 500, "{}", stopped.stdout);
    assert!(early > 0 && early < FRAMES, "{}", stopped.stdout);
    sandbox.assert_clean();
}

/// A port that was killed is opened again by its name, many times, each time at once.
#[test]
fn a_killed_port_comes_back() {
    let sandbox = Sandbox::new();
    let keeper = open(receiver(&sandbox, "vale0:keeper", 0, SURVIVOR));
    for _ in 0..20 {
        open(receiver(&sandbox, "vale0:again", 0, SURVIVOR)).kill();
    }
    let again = open(receiver(&sandbox, "vale0:again", 100, 7));
    sender(&sandbox, "vale0:out", 7, 500, 100).finish_within(LIMIT).expect_success();
    assert_eq!(figure(&again.finish_within(LIMIT).expect_success(), "watched"), 100);
    keeper.stop_within(LIMIT).expect_success();
    sandbox.assert_clean();
}

/// All ports are killed, none closed in order: the next open and close leaves nothing.
#[test]
fn the_last_one_out_cleans_up_after_the_dead() {
    let sandbox = Sandbox::new();
    let ports: Vec<_> = (0..5).map(|i| open(receiver(&sandbox, &format!("vale0:p{i}"), 0, SURVIVOR))).collect();
    for port in ports {
        port.kill();
    }
    sandbox.assert_clean_after_open();
}
