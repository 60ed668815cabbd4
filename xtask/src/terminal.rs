//! One line of progress, where a person looks on.

use std::io::{IsTerminal, Write, stderr};

/// Shows `text` in place of what was shown before.
pub fn progress(text: &str) {
    if stderr().is_terminal() {
        eprint!("\r{text}\x1b[K");
        let _ = stderr().flush();
    }
}

/// Takes the line away.
pub fn clear() {
    progress("");
}
