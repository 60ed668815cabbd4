//! Differences that are meant. Each is also in `savefile/DIFFERENCES.md`.

use super::compare::Difference;
use super::reading::Event;
use std::path::Path;

/// A row of the table.
#[derive(Debug)]
pub struct Known {
    /// Why ours is another.
    pub reason: &'static str,
    /// Whether it explains a difference in a file.
    covers: fn(&Difference, &Path) -> bool,
}

/// Found by reading twice, with other bytes in fresh memory: covers nothing by itself.
pub const UNSTEADY: Known = Known { reason: "libpcap shows memory that it has not written", covers: |_, _| false };

/// All of them.
pub const KNOWN: &[Known] = &[
    Known {
        reason: "compressed files are read",
        covers: |d, path| {
            let begins = std::fs::read(path).unwrap_or_default();
            let magics = [&[0x1f, 0x8b][..], &[0x28, 0xb5, 0x2f, 0xfd], &[4, 0x22, 0x4d, 0x18]];
            let compressed = magics.iter().any(|magic| begins.starts_with(magic));
            compressed && d.at == 0 && text(&d.theirs, 0).is_some_and(|t| t.contains("unknown file format"))
        },
    },
    Known {
        reason: "filters on link types that libpcap's compiler does not take (filter/DIFFERENCES.md)",
        covers: |d, _| {
            let is_filters = |at: usize| matches!(d.theirs.get(at), Some(Event::Said("compile" | "setfilter", ..)));
            let refused = |at: usize| text(&d.theirs, at).is_some_and(|t| t.starts_with("unknown data link type "));
            is_filters(d.at) && (refused(d.at) || refused(d.at + 1))
        },
    },
];

fn text(events: &[Event], at: usize) -> Option<&str> {
    match events.get(at) {
        Some(Event::Said(_, _, text)) => Some(text),
        _ => None,
    }
}

/// The row that explains it.
pub fn covering(path: &Path, difference: &Difference) -> Option<&'static Known> {
    KNOWN.iter().find(|known| (known.covers)(difference, path))
}

/// Seconds from 2038 on: libpcap 1.10.3 takes a pcap file's for a signed number of 32 bits; ours, and libpcap since, for an
/// unsigned one.
pub fn same_time(ours: &Event, theirs: &Event) -> bool {
    let (Event::Frame { seconds: a, .. }, Event::Frame { seconds: b, .. }) = (ours, theirs) else { return false };
    let mut corrected = theirs.clone();
    if let Event::Frame { seconds, .. } = &mut corrected {
        *seconds = *a;
    }
    i64::from(i32::MIN) <= *b && *b < 0 && *a == *b + (1 << 32) && corrected == *ours
}
