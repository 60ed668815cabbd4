//! Reading savefiles where C's streams show through: the same C programs with ours and with the system's library.

use compat_tests::files::{both, same};

macro_rules! same {
    ($($case:ident),+ $(,)?) => {
        $(#[test] fn $case() { same("offline.c", stringify!($case)); })+
    };
}

same! {
    refusals, positions, half_read, followed, popened, slow_pipe, at_once, growing, failing_stream, signals,
    standard_input, shared_input, callbacks, two_handles,
}

// Where the system's library loses its place.

#[test]
fn a_frame_whose_read_was_interrupted_is_not_lost() {
    let [ours, _] = both("offline.c", "after_interrupts", |program, _| program);
    let failed = "loop -1, frames 9, faults 0, error reading dump file: Interrupted system call";
    let on = "on 0, frames 10, faults 0, ";
    assert_eq!(ours, format!("mode 0\n{failed}\n{on}\nmode 2\n{failed}\n{on}\nexit Some(0), signal None\n"));
}

#[test]
fn a_frame_whose_read_failed_is_not_lost() {
    let [ours, _] = both("offline.c", "after_failures", |program, _| program);
    let failed = "loop -1, frames 23, faults 0, error reading dump file: Input/output error";
    assert_eq!(ours, format!("{failed}\non 0, frames 40, faults 0, \nexit Some(0), signal None\n"));
}
