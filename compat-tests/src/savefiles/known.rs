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
    Known {
        reason: "interfaces whose type has another number on handles than in files: libpcap takes the second for another type",
        covers: |d, _| {
            let refused = text(&d.theirs, d.at).and_then(|t| {
                t.strip_prefix("an interface has a type ")?
                    .strip_suffix(" different from the type of the first interface")
            });
            let on_handles = refused.and_then(|t| t.parse().ok()).map(savefile::linktype::to_dlt);
            on_handles.is_some_and(|dlt| {
                refused != Some(&dlt.to_string()) && number(&d.theirs, "datalink") == Some(dlt.into())
            })
        },
    },
    Known {
        reason: "after an error: an interface whose block was refused stays in libpcap's table, its times as memory has them",
        covers: |d, _| {
            let calls = ["next", "next_ex", "loop", "dispatch"];
            let error = |e: &Event| matches!(e, Event::Said(call, _, t) if calls.contains(call) && !t.is_empty());
            let (Some(ours), Some(theirs)) = (d.ours.get(d.at), d.theirs.get(d.at)) else { return false };
            let no_interface = matches!(ours, Event::Said(_, _, t) if t.starts_with("a packet arrived on interface "));
            let other_time = matches!(theirs, Event::Frame { .. }) && with_time_of(theirs, ours) == *ours;
            let pcapng = number(&d.theirs, "major_version") == Some(1);
            pcapng && d.theirs[..d.at].iter().any(error) && (no_interface || other_time)
        },
    },
    Known {
        reason: "times in units of 2^-34 s and finer: libpcap's product of fraction and 10^9 has no room in 64 bits",
        covers: |d, path| {
            let (Some(ours), Some(theirs)) = (d.ours.get(d.at), d.theirs.get(d.at)) else { return false };
            let same_second =
                matches!((ours, theirs), (Event::Frame { seconds: a, .. }, Event::Frame { seconds: b, .. }) if a == b);
            let bytes = std::fs::read(path).unwrap_or_default();
            // The option if_tsresol, one byte long, in either byte order.
            let fine = |w: &[u8]| (w[..4] == [9, 0, 1, 0] || w[..4] == [0, 9, 0, 1]) && w[4] >= 0x80 + 34;
            same_second && with_time_of(theirs, ours) == *ours && bytes.windows(5).any(fine)
        },
    },
];

/// What a call gave first.
fn number(events: &[Event], call: &str) -> Option<i64> {
    events.iter().find_map(|event| match event {
        Event::Said(name, code, _) if *name == call => Some(*code),
        _ => None,
    })
}

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

/// Times that begin with a bit that 1.10.3 takes for a sign: ours, and libpcap since, take a pcap file's seconds, good to
/// 2106, for numbers without one, and so their fraction.
pub fn same_time(ours: &Event, theirs: &Event) -> bool {
    let (Event::Frame { seconds: a, fraction: af, .. }, Event::Frame { seconds: b, fraction: bf, .. }) = (ours, theirs)
    else {
        return false;
    };
    const SIGN: i64 = 1 << 32;
    let same_seconds = a == b || (i64::from(i32::MIN)..0).contains(b) && *a == *b + SIGN;
    // As it stands in the file; microseconds as nanoseconds; and the other way round, where a part is lost.
    let same_fraction = af == bf
        || *bf < 0 && (*af == *bf + SIGN || *af == *bf + SIGN * 1000)
        || *bf <= 0 && (*bf - 1..=*bf + 1).contains(&(*af - SIGN / 1000));
    same_seconds && same_fraction && with_time_of(theirs, ours) == *ours
}

/// A frame with another's time.
fn with_time_of(frame: &Event, other: &Event) -> Event {
    let mut frame = frame.clone();
    if let (Event::Frame { seconds, fraction, .. }, Event::Frame { seconds: a, fraction: b, .. }) = (&mut frame, other)
    {
        (*seconds, *fraction) = (*a, *b);
    }
    frame
}
