//! The rows: what is measured, and what is asked of us.

use super::calls::Calls;
use super::files::{self, Kind, Made, SMALL};
use crate::contest::{Contestant, Entry, play};
use crate::filter_bench::work::Work;
use crate::options::Options;
use crate::rows::{Finding, OURS};
use crate::table::{Bound, Comparison, Line, Quantity, Verdict};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const LIBPCAP: &str = "libpcap";
const BARE: &str = "read(2) alone";
/// What the reader of the bare copy asks for at a time, bytes.
const BARE_BLOCK: usize = 256 * 1024;
/// What memory a reader may take, KiB.
const MOST_KIB: u64 = 4096;

/// A row in which a file is read.
struct Row<'a> {
    what: &'a str,
    quantity: Quantity,
    /// Times libpcap's.
    bound: f64,
    /// Frames that a program gets.
    expected: u64,
}

/// What the rows share.
pub struct Bench<'a> {
    /// How long.
    pub options: &'a Options,
    /// Ours, and where it lies.
    pub ours: (Calls, PathBuf),
    /// The system's.
    pub theirs: Calls,
    /// In memory.
    pub folder: PathBuf,
}

impl Bench<'_> {
    /// Frames of the files with small ones.
    fn small_frames(&self) -> u64 {
        if self.options.quick { 1_000_000 } else { 10_000_000 }
    }

    fn file(&self, kind: Kind) -> Result<Made, String> {
        let amount = match (kind, self.options.quick) {
            (Kind::Mixed, true) => 100_000_000,
            (Kind::Mixed, false) => 1_000_000_000,
            _ => self.small_frames(),
        };
        files::make(&self.folder, kind, amount)
    }

    fn compare(&self, what: &str, quantity: Quantity, contestants: Vec<(&str, Work<'_>)>) -> Comparison {
        let entries: Vec<Entry<'_>> = contestants
            .into_iter()
            .map(|(name, work)| (name.to_string(), Ok(Box::new(work) as Box<dyn Contestant + '_>)))
            .collect();
        Comparison { what: what.to_string(), quantity, standings: play(entries, self.options.rounds, self.options.ms) }
    }

    /// Both libraries read a file; `pass` reads it once, and gives the frames that it was handed.
    fn reading(
        &self,
        row: Row<'_>,
        made: &Made,
        pass: impl Fn(&Calls) -> Result<u64, String> + Copy,
        others: Vec<(&str, Work<'_>)>,
    ) -> Finding {
        let (frames, expected) = (made.frames, row.expected);
        let turn = move |calls: &Calls| {
            let seen = pass(calls).unwrap_or_else(|why| panic!("{why}"));
            assert_eq!(seen, expected, "frames of the file");
            frames
        };
        let mut contestants =
            vec![(OURS, Work::whole(|| turn(&self.ours.0))), (LIBPCAP, Work::whole(|| turn(&self.theirs)))];
        contestants.extend(others);
        let comparison = self.compare(row.what, row.quantity, contestants);
        let line = comparison.judge(OURS, LIBPCAP, Bound::AtLeast(row.bound));
        Finding { lines: vec![line], comparisons: vec![comparison] }
    }

    fn small(&self, kind: Kind, call: &str) -> Finding {
        let format = if kind == Kind::Pcap { "pcap" } else { "pcapng" };
        let what = format!("{call} over {} M frames of {SMALL} bytes, {format}", self.small_frames() / 1_000_000);
        let made = match self.file(kind) {
            Ok(made) => made,
            Err(why) => return skipped(&what, why),
        };
        let path = &made.path;
        let by_loop = call == "pcap_loop";
        let pass = |calls: &Calls| {
            let mut reader = calls.open(path, None)?;
            if by_loop { reader.run() } else { reader.step() }
        };
        let row = Row { what: &what, quantity: Quantity::MPPS, bound: 2.5, expected: made.frames };
        self.reading(row, &made, pass, Vec::new())
    }

    /// `pcap_loop`.
    pub fn loops(&self) -> Finding {
        both(self.small(Kind::Pcap, "pcap_loop"), self.small(Kind::Pcapng, "pcap_loop"))
    }

    /// `pcap_next_ex`.
    pub fn next(&self) -> Finding {
        both(self.small(Kind::Pcap, "pcap_next_ex"), self.small(Kind::Pcapng, "pcap_next_ex"))
    }

    /// Frames of all sizes, beside a loop that only reads.
    pub fn mixed(&self) -> Finding {
        let what = "pcap_loop over mixed sizes";
        let made = match self.file(Kind::Mixed) {
            Ok(made) => made,
            Err(why) => return skipped(what, why),
        };
        let path = &made.path;
        let pass = |calls: &Calls| calls.open(path, None)?.run();
        let quantity =
            Quantity { scale: made.bytes as f64 / made.frames as f64 / 1000.0, unit: "GB/s", ..Quantity::MPPS };
        let mut block = vec![0u8; BARE_BLOCK];
        let bare = Work::whole(|| {
            let mut file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            while file.read(&mut block).unwrap_or_else(|e| panic!("{}: {e}", path.display())) > 0 {}
            made.frames
        });
        let row = Row { what, quantity, bound: 1.3, expected: made.frames };
        let mut finding = self.reading(row, &made, pass, vec![(BARE, bare)]);
        // How near to the limit, which is told and is no target: the copy out of the page cache is all there is.
        if let (Some(comparison), Some(line)) = (finding.comparisons.first(), finding.lines.first_mut()) {
            let near = comparison.judge(OURS, BARE, Bound::AtMost(1.0));
            line.peer += &format!("; {}, of which ours is {}", near.peer, near.ratio);
        }
        finding
    }

    /// A filter that one of a hundred frames passes.
    pub fn filter(&self) -> Finding {
        let what = "pcap_loop with `tcp port 80`, which 1 of 100 passes";
        let made = match self.file(Kind::Pcap) {
            Ok(made) => made,
            Err(why) => return skipped(what, why),
        };
        let path = &made.path;
        let pass = |calls: &Calls| calls.open(path, Some("tcp port 80"))?.run();
        let row = Row { what, quantity: Quantity::MPPS, bound: 4.0, expected: made.frames.div_ceil(100) };
        self.reading(row, &made, pass, Vec::new())
    }

    /// `pcap_dump` of small frames.
    pub fn dump(&self) -> Finding {
        let frame = files::small(1);
        let count = self.small_frames();
        let in_memory = self.folder.join("dumped");
        let mut all = Finding::default();
        for (name, path, bound) in [("/dev/null", Path::new("/dev/null"), 2.0), ("/dev/shm", in_memory.as_path(), 1.2)]
        {
            let what = format!("pcap_dump of {} M frames of {SMALL} bytes to {name}", count / 1_000_000);
            if let Err(why) = files::need_room(&self.folder, count * (16 + SMALL as u64)) {
                all = both(all, skipped(&what, why));
                continue;
            }
            let turn = |calls: &Calls| calls.dump(path, &frame, count).unwrap_or_else(|why| panic!("{why}"));
            let contestants =
                vec![(OURS, Work::whole(|| turn(&self.ours.0))), (LIBPCAP, Work::whole(|| turn(&self.theirs)))];
            let comparison = self.compare(&what, Quantity::MPPS, contestants);
            all.lines.push(comparison.judge(OURS, LIBPCAP, Bound::AtLeast(bound)));
            all.comparisons.push(comparison);
        }
        std::fs::remove_file(&in_memory).ok();
        all
    }

    /// A whole process.
    pub fn tcpdump(&self) -> Finding {
        let what = "tcpdump -r … -w /dev/null, the whole process";
        let made = match self.file(Kind::Pcap) {
            Ok(made) => made,
            Err(why) => return skipped(what, why),
        };
        let run = |preload: Option<&Path>| {
            let mut command = Command::new("tcpdump");
            command.args(["-Z", "root", "-r"]).arg(&made.path).args(["-w", "/dev/null"]).stderr(Stdio::null());
            if let Some(library) = preload {
                command.env("LD_PRELOAD", library);
            }
            command.status().is_ok_and(|status| status.success())
        };
        if !run(None) {
            return skipped(what, "tcpdump does not run here".to_string());
        }
        let turn = |preload: Option<&Path>| {
            assert!(run(preload), "tcpdump failed");
            made.frames
        };
        let ours = self.ours.1.as_path();
        let contestants = vec![(OURS, Work::whole(|| turn(Some(ours)))), (LIBPCAP, Work::whole(|| turn(None)))];
        let comparison = self.compare(what, Quantity::MPPS, contestants);
        Finding { lines: vec![comparison.judge(OURS, LIBPCAP, Bound::AtLeast(2.0))], comparisons: vec![comparison] }
    }

    /// What a reader's memory grows by, at most.
    pub fn memory(&self) -> Finding {
        let mut all = Finding::default();
        for kind in [Kind::Pcap, Kind::Pcapng, Kind::Mixed] {
            let what = format!("memory of a reader, {kind:?} file");
            let made = match self.file(kind) {
                Ok(made) => made,
                Err(why) => {
                    all = both(all, skipped(&what, why));
                    continue;
                }
            };
            let grown = |which: &str| super::memory::of_a_child(which, &made.path);
            let (ours, theirs) = (grown("ours"), grown("system"));
            let text = |kib: &Result<u64, String>| kib.as_ref().map_or_else(Clone::clone, |kib| format!("{kib} KiB"));
            all.lines.push(Line {
                what: format!("{what} of {} MB", made.bytes / 1_000_000),
                ours: text(&ours),
                peer: format!("{LIBPCAP}: {}", text(&theirs)),
                ratio: "—".to_string(),
                target: format!("below {MOST_KIB} KiB"),
                verdict: match ours {
                    Ok(kib) if kib < MOST_KIB => Verdict::Met,
                    Ok(_) => Verdict::NotMet,
                    Err(why) => Verdict::Skipped(why),
                },
            });
        }
        all
    }
}

fn both(mut one: Finding, other: Finding) -> Finding {
    one.lines.extend(other.lines);
    one.comparisons.extend(other.comparisons);
    one
}

fn skipped(what: &str, why: String) -> Finding {
    let dash = || "—".to_string();
    let line = Line {
        what: what.to_string(),
        ours: dash(),
        peer: dash(),
        ratio: dash(),
        target: dash(),
        verdict: Verdict::Skipped(why),
    };
    Finding { lines: vec![line], comparisons: Vec::new() }
}
