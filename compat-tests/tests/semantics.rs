//! The same calls made to ours, on two ports of a switch, and to the system's library, on a veth pair: every return
//! code, text and frame that the C programs print must be the same.

use compat_tests::{Sandbox, cc, veth};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

fn on_ours(source: &str, case: &str) -> String {
    let sandbox = Sandbox::new();
    let run =
        sandbox.ours(cc::program(source)).args([case, "vale0:a", "vale0:b"]).finish_within(LIMIT).expect_success();
    sandbox.assert_clean();
    run.stdout
}

fn same(source: &str, case: &str) {
    let ours = on_ours(source, case);
    if veth::possible() {
        let program = veth::in_namespace(&cc::program(source)).arg(case).args(veth::ENDS);
        let theirs = program.finish_within(LIMIT).expect_success().stdout;
        assert_eq!(ours, theirs, "{source} {case}: left is ours, right is the system's");
    }
}

macro_rules! same {
    ($module:ident, $source:literal: $($case:ident),+ $(,)?) => {
        mod $module {
            $(#[test] fn $case() { super::same($source, stringify!($case)); })+
        }
    };
}

same! { reading, "reading.c":
    timeout_with_frames, immediate, nonblocking, dispatch_counts, next_and_next_ex, break_in_handler,
    break_before_loop, break_from_thread, break_from_signal, signal_without_break, selectable, selectable_loop,
    selectable_blocking,
}

same! { filtering, "filtering.c":
    loop_counts_matches, next_ex_skips, filter_changes, stats_count, stats_with_filter, bad_programs,
    drops_are_counted,
}

same! { properties, "properties.c":
    snaplen_limits, snaplen_cuts, frame_lengths, frame_order, direction, time_stamps, link_types, plain_facts, reopen,
    open_live,
}

same! { refusals, "refusals.c": before_activation, after_activation, wrong_values, long_sends }

same! { reentry, "reentry.c": inject_in_handler, stats_in_handler, jump_out_of_loop, two_threads }

same! { throwing, "throwing.cc": out_of_loop, out_of_dispatch }

// Where the system's library does less, or a port can do more than a network card.

#[test]
fn a_nested_next_gives_the_next_frame() {
    // The system's hands out the outer frame once more, and skips one.
    assert_eq!(on_ours("reentry.c", "next_in_handler"), "loop(10) 0, frames 20, nested 10, faults 0\n");
}

#[test]
fn the_timeout_counts_without_frames() {
    // Linux's packet sockets wait for the first frame, whatever the timeout says.
    assert_eq!(
        on_ours("reading.c", "timeout_without_frames"),
        "dispatch 0\nafter the timeout\nnext_ex 0\nafter the timeout\nnext NULL\n"
    );
}

#[test]
fn refused_sends_say_why() {
    let printed = on_ours("refusals.c", "send_texts");
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 3, "{printed}");
    for (line, call, length) in
        [(0, "inject(13)", "13"), (1, "inject(65536)", "65536"), (2, "sendpacket(65536)", "65536")]
    {
        let (code, text) = lines[line].strip_prefix(call).expect("the call's line").split_once(", ").expect("a text");
        assert_eq!(code, ": -1", "{printed}");
        assert!(text.contains(length), "{printed}");
    }
}

#[test]
fn a_full_receiver_is_an_error_for_who_does_not_wait() {
    let printed = on_ours("refusals.c", "full_receiver");
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].starts_with("inject: -1, ") && lines[0].contains("No buffer space available"), "{printed}");
    assert_eq!(lines[1..], ["all that were taken arrive: yes", "then: 60"], "{printed}");
}

#[test]
fn open_ports_are_listed() {
    let expected = "before: 0\nopen: 2 2\none closed: 0 2\nclosed: 0 0\n";
    assert_eq!(on_ours("properties.c", "device_list"), expected);
}
