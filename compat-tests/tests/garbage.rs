//! A peer writes garbage into every word that it shares with others: that costs frames, never a crash or a hang.

use compat_tests::random::Random;
use compat_tests::{Finished, Program, Running, Sandbox, cc};
use nm_core::shm::port_page::{PortPage, SleepLine};
use std::mem::offset_of;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// How soon a program ends that was told to.
const LIMIT: Duration = Duration::from_secs(10);
/// Opening a broken switch was refused, with a text (see `c/stream.h`).
const REFUSED: i32 = 4;

fn sender(sandbox: &Sandbox, port: &str, pause_us: u32, count: u32) -> Program {
    let numbers = [1, pause_us, count].map(|n| n.to_string());
    sandbox.ours(cc::program("stream_out.c")).arg(port).args(numbers).arg("tolerant")
}

fn receiver(sandbox: &Sandbox, port: &str) -> Program {
    sandbox.ours(cc::program("stream_in.c")).args([port, "0", "tolerant"])
}

fn check(run: Finished, seed: u64) {
    let code = run.code;
    assert!(code == Some(0) || code == Some(REFUSED), "seed {seed}: {run:#?}");
    if code == Some(REFUSED) {
        let text = run.stdout.lines().last().unwrap_or_default();
        assert!(text.starts_with("failed: -") && text.len() > "failed: -1: ".len(), "seed {seed}: {run:#?}");
    }
}

/// The number after `word` in the last line of what a program printed, 0 when there is none.
fn figure(printed: &str, word: &str) -> u64 {
    let mut words = printed.lines().last().unwrap_or_default().split_whitespace().skip_while(|w| *w != word);
    words.nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// `seconds` of garbage under traffic, with ports that come and go: words of garbage written, frames that it spoilt.
fn round(seed: u64, seconds: u64) -> (u64, u64) {
    let sandbox = Sandbox::new();
    let mut steady: Vec<Running> = [
        receiver(&sandbox, "vale0:in1"),
        receiver(&sandbox, "vale0:in2").arg("select"),
        receiver(&sandbox, "vale0:*"),
        receiver(&sandbox, "vale0:out1/t"),
        sender(&sandbox, "vale0:out1", 100, 0),
        sender(&sandbox, "vale0:out2", 1000, 0),
    ]
    .iter()
    .map(Program::start)
    .collect();
    for program in &mut steady {
        program.wait_for("open", LIMIT);
    }
    let scribbler = Program::new(cc::program("scribbler.c"))
        .arg(sandbox.switches())
        .args([seconds.to_string(), seed.to_string()])
        .start();
    let mut scribbler = scribbler;
    let mut turn = 0;
    while !scribbler.has_ended() {
        check(sender(&sandbox, &format!("vale0:turn{}", turn % 3), 0, 300).finish_within(LIMIT), seed);
        turn += 1;
    }
    let garbage = scribbler.finish_within(LIMIT).expect_success().stdout;
    let mut spoilt = 0;
    for program in steady {
        let run = program.stop_within(LIMIT);
        spoilt += figure(&run.stdout, "bad");
        check(run, seed);
    }
    (figure(&garbage, "words"), spoilt)
}

#[test]
fn garbage_in_shared_memory_costs_frames_only() {
    let seconds: u64 = std::env::var("COMPAT_GARBAGE_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(10);
    let mut random = Random::seeded();
    // Short rounds: each starts from sound memory, and the first garbage is the most telling.
    let mut all_spoilt = 0;
    for _ in 0..seconds.div_ceil(2) {
        let (words, spoilt) = round(random.any() >> 32, 2);
        assert!(words > 1000, "only {words} words of garbage were written");
        all_spoilt += spoilt;
    }
    assert!(all_spoilt > 0, "no frame was spoilt: the garbage did not reach the rings");
}

/// Somebody writes 0 where a sleeping reader says that it wants to be woken: the sender does not wake it. It has no
/// timeout, and finds the frame all the same.
#[test]
fn a_disarmed_bell_is_not_the_end() {
    let sandbox = Sandbox::new();
    let mut sleeper = sandbox.ours(cc::program("sleeper.c")).arg("vale0:a").start();
    sleeper.wait_for("open", LIMIT);
    // Longer than it spins: it sleeps.
    std::thread::sleep(Duration::from_millis(200));
    let port = std::fs::OpenOptions::new().write(true).read(true).open(sandbox.switches().join("vale0/ports/port.0"));
    let port = port.expect("the port's file");
    let armed = (offset_of!(PortPage, sleep) + offset_of!(SleepLine, armed)) as u64;
    let mut word = [0; 4];
    port.read_exact_at(&mut word, armed).expect("the word");
    assert_ne!(word, [0; 4], "the reader does not sleep");
    port.write_all_at(&[0; 4], armed).expect("garbage");
    sender(&sandbox, "vale0:b", 0, 1).finish_within(LIMIT).expect_success();
    assert!(sleeper.finish_within(LIMIT).expect_success().stdout.ends_with("next_ex 1, good\n"));
    sandbox.assert_clean();
}
