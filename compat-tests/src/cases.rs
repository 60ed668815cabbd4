//! The cases of the C programs that are built on `c/cases.h`, each run on two ports of a fresh switch.

use crate::{Sandbox, cc};
use std::time::Duration;

/// How long a case may take.
pub const LIMIT: Duration = Duration::from_secs(60);

/// What `case` of the program `c/<source>` prints with our library. Nothing may be left of its ports.
///
/// # Panics
/// When it fails, takes longer than [`LIMIT`], or leaves a file.
pub fn on_ours(source: &str, case: &str) -> String {
    let sandbox = Sandbox::new();
    let run =
        sandbox.ours(cc::program(source)).args([case, "vale0:a", "vale0:b"]).finish_within(LIMIT).expect_success();
    sandbox.assert_clean();
    run.stdout
}

/// What it prints with the system's library, on a veth pair. Only where [`crate::veth::possible`].
///
/// # Panics
/// When it fails or takes longer than [`LIMIT`].
pub fn on_theirs(source: &str, case: &str) -> String {
    let program = crate::veth::in_namespace(&cc::program(source)).arg(case).args(crate::veth::ENDS);
    program.finish_within(LIMIT).expect_success().stdout
}
