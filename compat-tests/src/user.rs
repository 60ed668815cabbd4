//! Who runs the tests, and how a program becomes somebody else.

use crate::Program;

/// The user and group number of `nobody`.
pub const NOBODY: u32 = 65534;

/// True for root.
pub fn is_root() -> bool {
    // SAFETY: geteuid has no conditions.
    unsafe { libc::geteuid() == 0 }
}

/// `program` run as `nobody`, without any privilege; for a plain user as that user.
///
/// The environment passes setpriv unchanged (it is not a set-user-id program), so a preload reaches setpriv too: it
/// opens no port.
pub fn as_plain_user(program: Program) -> Program {
    if !is_root() {
        return program;
    }
    let id = NOBODY.to_string();
    program.behind("setpriv", &["--reuid", &id, "--regid", &id, "--clear-groups", "--"])
}
