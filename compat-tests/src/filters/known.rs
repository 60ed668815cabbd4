//! Where we differ from libpcap 1.10.3 and mean to: it is wrong there, or its main branch has it better.
//!
//! Each row is tested: the difference is still there, and shows on the row's frame. A difference that no row covers fails the
//! differential test. The reasons stand at length in `filter/DIFFERENCES.md`.

use super::compare::{Difference, Kind, REJECTS_ALL};

/// A row.
pub struct Known {
    /// An expression that shows it.
    pub text: &'static str,
    /// For this link type.
    pub dlt: i32,
    /// On this frame, in hexadecimal digits, when it is a verdict that differs.
    pub frame: Option<&'static str>,
    /// Why.
    pub reason: &'static str,
    /// Whether a difference is of this sort.
    pub covers: fn(&Difference) -> bool,
}

/// The row that covers a difference.
pub fn covering(difference: &Difference) -> Option<&'static Known> {
    KNOWN.iter().find(|known| (known.covers)(difference))
}

fn has_word(difference: &Difference, word: &str) -> bool {
    difference.case.text.split(|c: char| !c.is_ascii_alphanumeric()).any(|w| w == word)
}

/// All of them.
pub const KNOWN: &[Known] = &[
    Known { text: "vxlan", dlt: 1, frame: None, reason: "`vxlan` came after 1.10", covers: |d| has_word(d, "vxlan") },
    Known {
        text: "(ip6 or arp) and tcp[0] = 1 and ip",
        dlt: 1,
        frame: None,
        reason: "we find out that nothing can match where libpcap's optimizer does not: every frame is refused by either",
        covers: |d| d.kind == Kind::OursRefuses && d.optimize && d.ours == REJECTS_ALL,
    },
];

/// The bytes of hexadecimal digits.
///
/// # Panics
/// When they are none.
pub fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("two hexadecimal digits");
    (0..hex.len() / 2).map(|at| digit(2 * at)).collect()
}
