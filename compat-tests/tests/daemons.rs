//! Programs that fork with an open handle, and programs that end without closing it.

use compat_tests::{Running, Sandbox, cc};
use std::time::Duration;

/// A program that hangs is given up on.
const LIMIT: Duration = Duration::from_secs(60);

fn daemon(sandbox: &Sandbox, how: &str) -> Running {
    sandbox.ours(cc::program("daemon.c")).args(["vale0:a", how]).start()
}

/// The child goes on reading the port, whatever its parent did with the handle.
fn the_child_reads_on(how: &str) {
    let sandbox = Sandbox::new();
    let mut program = daemon(&sandbox, how);
    program.wait_for("child reads", LIMIT);
    let sender = sandbox.ours(cc::program("stream_out.c")).args(["vale0:b", "1", "0", "1", "tolerant"]);
    sender.finish_within(LIMIT).expect_success();
    program.wait_for("next_ex 1, good", LIMIT);
    program.finish_within(LIMIT);
    sandbox.assert_clean_after_open();
}

#[test]
fn a_daemon_reads_on_when_its_parent_exits() {
    the_child_reads_on("exit");
}

#[test]
fn a_child_reads_on_when_its_parent_closes_the_handle() {
    the_child_reads_on("close");
}

#[test]
fn a_program_that_ends_without_closing_leaves_no_files() {
    let sandbox = Sandbox::new();
    daemon(&sandbox, "alone").finish_within(LIMIT).expect_success();
    sandbox.assert_clean();
}
