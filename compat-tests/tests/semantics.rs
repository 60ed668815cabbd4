//! The same calls made to ours, on two ports of a switch, and to the system's library, on a veth pair: every return
//! code, text and frame that the C programs print must be the same.

use compat_tests::cases::{on_ours, on_theirs};
use compat_tests::veth;

fn same(source: &str, case: &str) {
    let ours = on_ours(source, case);
    if veth::possible() {
        assert_eq!(ours, on_theirs(source, case), "{source} {case}: left is ours, right is the system's");
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

same! { refusals, "refusals.c": before_activation, after_activation, wrong_values, long_sends, send_texts }

same! { reentry, "reentry.c": inject_in_handler, stats_in_handler, jump_out_of_loop, two_threads }

same! { cancelling, "cancelling.c":
    in_loop, in_loop_at_once, in_loop_at_any_moment, in_loop_with_timeout, in_dispatch, in_next_ex, while_frames_come,
    while_sending, in_handler,
}

same! { throwing, "throwing.cc": out_of_loop, out_of_dispatch }

// Where the system's library does less, or a port can do more than a network card.

#[test]
fn a_thread_cancelled_while_it_writes_leaves_whole_records_and_no_lock() {
    // The system's may leave part of a record.
    assert_eq!(on_ours("cancelling.c", "with_files"), "cancelled, soon\nflush 0\ncancelled, soon\n");
}

#[test]
fn a_nested_next_gives_the_next_frame() {
    // The system's hands out the outer frame once more, and skips one.
    assert_eq!(on_ours("reentry.c", "next_in_handler"), "loop(10) 0, frames 20, nested 10, faults 0\n");
}

#[test]
fn the_outer_frame_stays_while_a_nested_next_reads_on() {
    assert_eq!(
        on_ours("reentry.c", "next_far_ahead_in_handler"),
        "after reading up to 705 the outer frame is 5\ndispatch(1) 1, faults 0\n"
    );
}
