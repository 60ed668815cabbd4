//! One test for each fault of the netmap support in libpcap itself, named after the fault: here it must not be.

use compat_tests::cases::on_ours;
use compat_tests::{Sandbox, cc};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn read_timeout_ignored() {
    assert_eq!(
        on_ours("reading.c", "timeout_without_frames"),
        "dispatch 0\nafter the timeout\nnext_ex 0\nafter the timeout\nnext NULL\n"
    );
}

#[test]
fn nonblocking_ignored() {
    let printed = on_ours("reading.c", "nonblocking");
    assert!(printed.contains("getnonblock 1\ndispatch 0\nnext_ex 0\nnext NULL\nat once\n"), "{printed}");
}

/// The sender injects one frame and never calls the library again.
#[test]
fn injected_frame_lies_until_the_program_polls() {
    let sandbox = Sandbox::new();
    let mut reader = sandbox.ours(cc::program("stream_in.c")).args(["vale0:b", "1"]).start();
    reader.wait_for("open", LIMIT);
    let mut writer = sandbox.ours(cc::program("inject_once.c")).arg("vale0:a").start();
    writer.wait_for("injected 60", LIMIT);
    let reader = reader.finish_within(LIMIT).expect_success();
    assert!(reader.stdout.contains("received 1 "), "{}", reader.stdout);
    assert!(!writer.has_ended(), "the sender was to wait for the end of its input");
    writer.close_input();
    writer.finish_within(LIMIT).expect_success();
    sandbox.assert_clean();
}

#[test]
fn failed_inject_returns_0_without_text() {
    assert_eq!(
        on_ours("refusals.c", "send_texts"),
        "inject(13): -1, send: Invalid argument\ninject(65536): -1, send: Message too long\n\
         sendpacket(65536): -1, send: Message too long\n"
    );
    let printed = on_ours("refusals.c", "full_receiver");
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].starts_with("inject: -1, ") && lines[0].contains("No buffer space available"), "{printed}");
    assert_eq!(lines[1..], ["all that were taken arrive: yes", "then: 60"], "{printed}");
}

#[test]
fn refused_frames_count_towards_c_and_next_ex_returns_garbage() {
    assert_eq!(
        on_ours("filtering.c", "loop_counts_matches"),
        "setfilter 0\nloop(5) 0, frames 5, last 10\nframes 10, last 20, faults 0\n"
    );
    assert_eq!(
        on_ours("filtering.c", "next_ex_skips"),
        "setfilter 0\nnext_ex 1, frame 2, good\nonly refused frames: next_ex 0\n"
    );
}

#[test]
fn breakloop_waits_for_the_end_of_the_batch() {
    assert_eq!(
        on_ours("reading.c", "break_in_handler"),
        "loop -2, frames 3, last 2\ndispatch -2, frames 5, last 4\nframes 8, last 7, faults 0\n"
    );
}

#[test]
fn drops_are_always_0() {
    assert_eq!(
        on_ours("filtering.c", "drops_are_counted"),
        "dropped before reading: some\nread some, read and dropped make 10000, faults 0\n"
    );
}

#[test]
fn time_stamps_of_a_batch_are_late() {
    let printed = on_ours("properties.c", "time_stamps");
    assert_eq!(printed.matches("outside of the sending call: 0\n").count(), 2, "{printed}");
}

#[test]
fn frame_in_two_slots_is_cut_to_the_first() {
    let printed = on_ours("properties.c", "long_frames");
    let (small, long): (Vec<&str>, Vec<&str>) = printed.lines().partition(|line| line.starts_with("14: "));
    assert_eq!(long.len(), 13, "{printed}");
    for line in long {
        assert!(line.ends_with(": loop(2) 0, frames 2, last 99, faults 0"), "{line}");
    }
    assert_eq!(small, ["14: inject 14, next 14 of 14 bytes, as sent"]);
}

/// All files of the switch are removed under a reader: it may end with an error or sleep on, and uses no processor.
#[test]
fn deleted_interface_spins() {
    let sandbox = Sandbox::new();
    let mut reader = sandbox.ours(cc::program("stream_in.c")).args(["vale0:b", "0"]).start();
    reader.wait_for("open", LIMIT);
    std::fs::remove_dir_all(sandbox.switches().join("vale0")).expect("the switch's folder");
    let before = reader.cpu_seconds();
    std::thread::sleep(Duration::from_secs(2));
    if reader.has_ended() {
        let run = reader.finish_within(LIMIT);
        assert!(run.signal.is_none() && run.stdout.contains("dispatch: -"), "{run:#?}");
    } else {
        let used = reader.cpu_seconds() - before;
        assert!(used < 0.5, "{used} s of processor time in 2 s");
        reader.stop_within(LIMIT).expect_success();
    }
}

#[test]
fn direction_is_missing() {
    assert_eq!(
        on_ours("properties.c", "direction"),
        "both: setdirection 0, dispatch 3, last 2, faults 0\nin: setdirection 0, dispatch 3, last 2, faults 0\n\
         out: setdirection 0, dispatch 0, last 0, faults 0\n"
    );
}

#[test]
fn nanoseconds_are_missing() {
    let printed = on_ours("properties.c", "time_stamps");
    assert!(printed.contains("precision 1\nfiner than microseconds yes"), "{printed}");
}

#[test]
fn device_list_is_missing() {
    let expected = "before: 0\nopen: 2 2\none closed: 0 2\nclosed: 0 0\n";
    assert_eq!(on_ours("properties.c", "device_list"), expected);
}

#[test]
fn second_handle_on_one_port_takes_frames_from_the_first() {
    let sandbox = Sandbox::new();
    let run =
        sandbox.ours(cc::program("open_port.c")).args(["vale0:a", "vale0:a"]).finish_within(LIMIT).expect_success();
    let lines: Vec<&str> = run.stdout.lines().collect();
    // Each handle gets all of them: `a_process_opens_its_port_again_and_both_get_all_frames` of crate vale.
    assert_eq!(lines[..2], ["vale0:a: activate 0: open"; 2]);
    sandbox.assert_clean();
}
