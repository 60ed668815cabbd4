//! Writing savefiles: the same C programs with ours and with the system's library must print the same, files and all.

use compat_tests::files::{LIMIT, both, on_a_small_disk, same};
use compat_tests::process::skipped;
use compat_tests::{Sandbox, cc, savefile};

macro_rules! same {
    ($($case:ident),+ $(,)?) => {
        $(#[test] fn $case() { same("dumping.c", stringify!($case)); })+
    };
}

same! {
    contents, link_types, odd_headers, refusals, append, append_often, positions, mixed, other_streams, failing_stream,
    endings, pipes, standard_output,
}

/// What was written before stays readable, and who asks hears of it.
#[test]
fn a_full_disk() {
    let [ours, theirs] = both("dumping.c", "full_disk", on_a_small_disk);
    if theirs.contains("exit Some(77)") || theirs.contains("unshare failed") {
        skipped(&format!("no file system can be mounted here: {theirs}"));
        return;
    }
    assert!(theirs.contains("flush: No space left on device") && !theirs.contains("failed at -1"), "{theirs}");
    assert_eq!(ours, theirs, "left is ours, right is the system's");
}

/// libpcap writes header and frame apart, so that records of two threads mix. Ours don't.
#[test]
fn threads_share_a_dumper() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("shared.pcap");
    sandbox.ours(cc::program("dump_threads.c")).arg(&file).finish_within(LIMIT).expect_success();
    let frames = savefile::read(&file);
    assert_eq!(frames.len(), 4 * 20_000);
    let mut next = [0u32; 4];
    for frame in frames {
        let word = |at: usize| u32::from_ne_bytes(frame[at..at + 4].try_into().expect("four bytes"));
        let (thread, number) = (word(0) as usize, word(4));
        assert_eq!((number, frame.len()), (next[thread], 8 + (number as usize * 13) % 3000), "thread {thread}");
        assert!(frame[8..].iter().all(|byte| *byte == thread as u8), "thread {thread}, frame {number}");
        next[thread] += 1;
    }
}
