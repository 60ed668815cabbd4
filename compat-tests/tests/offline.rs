//! Reading savefiles where C's streams show through: the same C programs with ours and with the system's library.

use compat_tests::files::same;

macro_rules! same {
    ($($case:ident),+ $(,)?) => {
        $(#[test] fn $case() { same("offline.c", stringify!($case)); })+
    };
}

same! {
    refusals, positions, half_read, followed, popened, slow_pipe, at_once, growing, failing_stream, signals,
    standard_input, shared_input, callbacks, two_handles,
}
