//! Text to [`Action`]s.
//!
//! `scanner.rs` cuts the text into tokens, `grammar.rs` and `arithmetic.rs` put them together, `head.rs` reads the words that begin a
//! primitive. Whatever is a table lies alone: `keywords.rs`, `constants.rs`, `frame_types.rs`.
#![forbid(unsafe_code)]

mod arithmetic;
mod constants;
mod frame_types;
mod grammar;
mod head;
mod keywords;
mod literals;
mod scanner;
#[cfg(test)]
mod tests;

use crate::action::Action;

/// Parses `text`. Errors are the last action, [`Action::Fail`]; an empty text gives no action.
///
/// Bytes of a name that are not UTF-8 come out as U+FFFD.
pub fn parse(text: &[u8]) -> Vec<Action> {
    grammar::Parser::new(text).run()
}
