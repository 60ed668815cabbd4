//! Both libraries read one file: what differs.

use super::known::{self, Known};
use super::library::{self, Library};
use super::reading::{Event, Way, read};
use std::fmt::Write as _;
use std::path::Path;

/// A difference, with what came before it.
#[derive(Clone, Debug)]
pub struct Difference {
    /// How the file was read.
    pub way: Way,
    /// The number of the first event that differs.
    pub at: usize,
    /// What ours showed there and around.
    pub ours: Vec<Event>,
    /// What the system's did.
    pub theirs: Vec<Event>,
}

/// What came of one reading.
#[derive(Default)]
pub struct Findings {
    /// Whether it could be opened, by the system's library.
    pub opened: bool,
    /// Frames that both gave alike.
    pub frames: u64,
    /// Whether it ended with an error, in the system's library.
    pub failed: bool,
    /// A known difference.
    pub known: Option<&'static Known>,
    /// Another one.
    pub difference: Option<Difference>,
}

/// Both libraries.
pub struct Arena {
    /// The one under test.
    pub ours: Library,
    /// The system's.
    pub theirs: Library,
}

impl Arena {
    /// Reads a file with both, theirs first; `say` hears whose turn it is, so that it is known who crashes.
    pub fn examine(&self, path: &Path, way: Way, mut say: impl FnMut(&str)) -> Findings {
        say("theirs");
        let theirs = read(&self.theirs, path, way);
        say("ours");
        let ours = read(&self.ours, path, way);
        let mut findings = judge(path, way, ours, theirs);
        if findings.difference.is_some() {
            say("theirs");
            if self.is_unsteady(path, way) {
                findings.difference = None;
                findings.known = Some(&known::UNSTEADY);
            }
        }
        findings
    }

    /// Whether the system's library shows what memory held that it has not written.
    fn is_unsteady(&self, path: &Path, way: Way) -> bool {
        let [one, other] = [0x5a, 0xa5].map(|filling| {
            library::fill_fresh_memory(filling);
            read(&self.theirs, path, way)
        });
        library::fill_fresh_memory(0);
        one != other
    }
}

/// Holds what was seen against each other.
pub fn judge(path: &Path, way: Way, ours: Vec<Event>, theirs: Vec<Event>) -> Findings {
    let opened = !matches!(theirs[..], [Event::Said("open", -1, _)]);
    let failed = theirs.iter().any(|e| matches!(e, Event::Said("next_ex" | "loop" | "dispatch", -1, _)));
    let mut findings = Findings { opened, failed, ..Findings::default() };
    let alike = |(ours, theirs): (&Event, &Event)| ours == theirs || known::same_time(ours, theirs);
    let first = ours.iter().zip(&theirs).position(|pair| !alike(pair));
    let at = first.or((ours.len() != theirs.len()).then(|| ours.len().min(theirs.len())));
    let counted = &theirs[..at.unwrap_or(theirs.len())];
    findings.frames = counted.iter().filter(|e| matches!(e, Event::Frame { .. })).count() as u64;
    if let Some(at) = at {
        let difference = Difference { way, at, ours, theirs };
        findings.known = known::covering(path, &difference);
        if findings.known.is_none() {
            findings.difference = Some(difference);
        }
    }
    findings
}

impl Difference {
    /// As text.
    pub fn tell(&self, path: &Path) -> String {
        let mut text = format!("difference in {}, read by {:?}\n", path.display(), self.way);
        for event in &self.theirs[self.at.saturating_sub(2).min(self.theirs.len())..self.at.min(self.theirs.len())] {
            let _ = writeln!(text, "  before:  {event}");
        }
        let show = |text: &mut String, whose: &str, events: &[Event]| {
            for event in events.iter().skip(self.at).take(3) {
                let _ = writeln!(text, "  {whose} {event}");
            }
            if events.len() <= self.at {
                let _ = writeln!(text, "  {whose} nothing more");
            }
        };
        show(&mut text, "libpcap:", &self.theirs);
        show(&mut text, "ours:   ", &self.ours);
        text
    }

    /// What differences that look alike have in common: the two events without their numbers.
    pub fn signature(&self) -> String {
        let plain = |events: &[Event]| match events.get(self.at) {
            Some(Event::Frame { .. }) => "a frame".to_string(),
            Some(event) => event.to_string().chars().filter(|c| !c.is_ascii_digit()).take(80).collect(),
            None => "nothing more".to_string(),
        };
        format!("libpcap: {} ours: {}", plain(&self.theirs), plain(&self.ours))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: i64, text: &str) -> Event {
        Event::Said("next_ex", code, text.to_string())
    }

    #[test]
    fn another_text_a_missing_event_and_another_frame_are_seen() {
        let frame = |hash| Event::Frame { seconds: 1, fraction: 2, caplen: 3, len: 4, first: vec![5], hash };
        let difference = |ours: Vec<Event>, theirs: Vec<Event>| {
            judge(Path::new("/nonexistent"), Way::PLAIN, ours, theirs).difference.map(|d| d.at)
        };
        assert_eq!(difference(vec![frame(1), said(-2, "")], vec![frame(1), said(-2, "")]), None);
        assert_eq!(difference(vec![frame(1), said(-1, "a")], vec![frame(1), said(-1, "b")]), Some(1));
        assert_eq!(difference(vec![frame(1)], vec![frame(1), said(-2, "")]), Some(1));
        assert_eq!(difference(vec![frame(1)], vec![frame(2)]), Some(0));
    }
}
