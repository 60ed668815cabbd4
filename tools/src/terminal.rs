//! A terminal's screen, borrowed and given back.

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::io::{self, IsTerminal, Write};

/// Standard output as a full screen: the alternate page, no cursor, keys as they are pressed. Dropping it, also
/// by a panic, gives the terminal back as it was.
pub struct Screen {
    /// Standard input's modes before, when it is a terminal.
    before: Option<Termios>,
}

impl Screen {
    /// Takes standard output's screen; `None` when it is no terminal.
    pub fn take() -> Option<Screen> {
        if !io::stdout().is_terminal() {
            return None;
        }
        let before = tcgetattr(io::stdin()).ok();
        if let Some(before) = &before {
            let mut keys = before.clone();
            // ^C arrives as a key, so the screen is restored before we end; ^Z can't leave us on the other page.
            keys.make_raw();
            keys.output_modes = before.output_modes;
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &keys);
        }
        write("\x1b[?1049h\x1b[?25l");
        Some(Screen { before })
    }

    /// Standard input is a terminal, so keys can be read from it.
    pub fn has_keys(&self) -> bool {
        self.before.is_some()
    }

    /// Columns and rows.
    pub fn size(&self) -> (usize, usize) {
        match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
            _ => (80, 24),
        }
    }

    /// Shows these lines, cut at the screen's edges.
    pub fn show(&self, lines: &[String]) {
        let (columns, rows) = self.size();
        let mut page = String::from("\x1b[H");
        for (row, line) in lines.iter().take(rows).enumerate() {
            if row > 0 {
                page.push_str("\r\n");
            }
            page.extend(line.chars().take(columns));
            page.push_str("\x1b[K");
        }
        page.push_str("\x1b[J");
        write(&page);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        write("\x1b[?25h\x1b[?1049l");
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// One line on standard error that is written over again and again; nothing when that is no terminal.
pub struct ProgressLine {
    terminal: bool,
    shown: bool,
}

impl ProgressLine {
    /// Nothing is shown yet.
    pub fn on_stderr() -> ProgressLine {
        ProgressLine { terminal: io::stderr().is_terminal(), shown: false }
    }

    /// Somebody sees it.
    pub fn is_visible(&self) -> bool {
        self.terminal
    }

    /// Shows `text` in place of what was there.
    pub fn show(&mut self, text: &str) {
        if self.terminal {
            self.shown = true;
            let _ = write!(io::stderr().lock(), "\r{text}\x1b[K");
        }
    }

    /// Wipes the line, so that results can follow.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A terminal that has gone away shows nothing: not worth an error.
fn write(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
