//! What the rows came to, line by line, and how it is printed.

use crate::contest::{Outcome, Spread, Standing, ratio};
use crate::distance;
use crate::rows::OURS;
use std::fmt::{self, Write};

/// What a ratio must keep to.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    /// Not less.
    AtLeast(f64),
    /// Not more.
    AtMost(f64),
}

impl Bound {
    fn holds(self, ratio: f64) -> bool {
        match self {
            Bound::AtLeast(least) => ratio >= least,
            Bound::AtMost(most) => ratio <= most,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::AtLeast(n) => write!(f, "at least {n}"),
            Bound::AtMost(n) => write!(f, "at most {n}"),
        }
    }
}

/// Whether a target was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was.
    Met,
    /// It was not.
    NotMet,
    /// There is no target.
    Told,
    /// Could not be measured here, and why.
    Skipped(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Met => f.write_str("met"),
            Verdict::NotMet => f.write_str("NOT MET"),
            Verdict::Told => f.write_str("—"),
            Verdict::Skipped(why) => write!(f, "skipped: {why}"),
        }
    }
}

/// One target and what came out.
pub struct Line {
    /// What was measured.
    pub what: String,
    /// Our figure.
    pub ours: String,
    /// The figure it is held against.
    pub peer: String,
    /// Ours divided by the peer's.
    pub ratio: String,
    /// What the ratio, or the figure, must keep to.
    pub target: String,
    /// Whether it does.
    pub verdict: Verdict,
}

/// A quantity: how it is computed from a round and how it is called.
#[derive(Clone, Copy)]
pub struct Quantity {
    /// From a round.
    pub figure: fn(&Outcome) -> f64,
    /// What to multiply it with.
    pub scale: f64,
    /// The unit.
    pub unit: &'static str,
    /// Less is better.
    pub less_is_better: bool,
}

impl Quantity {
    /// Millions of frames a second.
    pub const MPPS: Quantity = Quantity { figure: Outcome::mpps, scale: 1.0, unit: "M/s", less_is_better: false };
    /// Round trips.
    pub const ROUND_TRIP: Quantity =
        Quantity { figure: Outcome::round_trip_us, scale: 1.0, unit: "µs", less_is_better: true };
    /// Frames per CPU time.
    pub const PER_CPU: Quantity = Quantity {
        figure: Outcome::mframes_per_cpu_second,
        scale: 1.0,
        unit: "M per CPU second",
        less_is_better: false,
    };

    /// The machine's CPU time for what was offered.
    pub const MACHINE_PER_MILLION: Quantity =
        Quantity { figure: Outcome::machine_per_million, ..Quantity::CPU_PER_MILLION };
    /// CPU time for what was offered.
    pub const CPU_PER_MILLION: Quantity = Quantity {
        figure: Outcome::cpu_per_million,
        scale: 1.0,
        unit: "CPU s per million offered",
        less_is_better: true,
    };

    /// Time of one call.
    pub const CALL: Quantity = Quantity { figure: Outcome::ns_per_call, scale: 1.0, unit: "ns", less_is_better: true };
    /// Time of one long call.
    pub const LONG_CALL: Quantity = Quantity { scale: 1e-6, unit: "ms", ..Quantity::CALL };

    /// Gbit/s of frames of that length.
    pub fn gbits(len: usize) -> Quantity {
        Quantity { scale: len as f64 * 8.0 / 1000.0, unit: "Gbit/s", ..Quantity::MPPS }
    }

    /// Of all rounds.
    pub fn spread(&self, of: &Standing) -> Option<Spread> {
        let s = of.spread(self.figure)?;
        Some(Spread { min: s.min * self.scale, median: s.median * self.scale, max: s.max * self.scale })
    }

    /// As text: `12.3 (10.1..14.5) M/s`.
    pub fn text(&self, of: &Standing) -> String {
        self.spread(of).map_or("—".to_string(), |s| format!("{} {}", spread_text(s), self.unit))
    }
}

/// Three significant digits, no more.
pub fn short(n: f64) -> String {
    match n.abs() {
        a if a >= 99.95 => format!("{n:.0}"),
        a if a >= 9.995 => format!("{n:.1}"),
        a if a >= 0.1 || a == 0.0 => format!("{n:.2}"),
        _ => format!("{n:.4}"),
    }
}

fn spread_text(s: Spread) -> String {
    format!("{} ({}..{})", short(s.median), short(s.min), short(s.max))
}

/// The contestants of one row.
pub struct Comparison {
    /// What they did.
    pub what: String,
    /// What is counted.
    pub quantity: Quantity,
    /// How they fared; the first is ours.
    pub standings: Vec<Standing>,
}

impl Comparison {
    fn standing(&self, name: &str) -> Option<&Standing> {
        self.standings.iter().find(|s| s.name == name)
    }

    /// Holds `this` against `peer`.
    pub fn judge(&self, this: &str, peer: &str, bound: Bound) -> Line {
        let (Some(a), Some(b)) = (self.standing(this), self.standing(peer)) else {
            return self.line(this, peer, bound, Verdict::Skipped("did not take part".to_string()));
        };
        let Some(failed) = a.failed.as_ref().or(b.failed.as_ref()) else {
            let Some((spread, turns)) = ratio(a, b, self.quantity.figure) else {
                return self.line(this, peer, bound, Verdict::Skipped("the CPUs wandered in every turn".to_string()));
            };
            let verdict = if bound.holds(spread.median) { Verdict::Met } else { Verdict::NotMet };
            let ratio = format!("{} of {turns}", spread_text(spread));
            return Line { ratio, ..self.line(this, peer, bound, verdict) };
        };
        self.line(this, peer, bound, Verdict::Skipped(failed.clone()))
    }

    /// The middle of a contestant's figures in rounds with the CPUs near and far, and how many those are.
    fn near_and_far(&self, of: &Standing) -> [String; 2] {
        let text = |is_near: bool| {
            let rounds: Vec<f64> = of
                .rounds
                .iter()
                .filter(|r| distance::alike(&r.distance_ns) && (r.distance_ns[0] < distance::NEAR_NS) == is_near)
                .map(|r| (self.quantity.figure)(r) * self.quantity.scale)
                .collect();
            let n = rounds.len();
            Spread::of(rounds).map_or("—".to_string(), |s| format!("{} of {n}", short(s.median)))
        };
        [text(true), text(false)]
    }

    fn line(&self, this: &str, peer: &str, bound: Bound, verdict: Verdict) -> Line {
        let text = |name: &str| self.standing(name).map_or(String::new(), |s| self.quantity.text(s));
        let what = if this == OURS { self.what.clone() } else { format!("{}: {this}", self.what) };
        Line {
            what,
            ours: text(this),
            peer: format!("{peer}: {}", text(peer)),
            ratio: "—".to_string(),
            target: bound.to_string(),
            verdict,
        }
    }

    /// The lines of all contestants: name, figure, the same when the CPUs were near and far, what was lost, rounds.
    pub fn details(&self) -> Vec<[String; 6]> {
        self.standings
            .iter()
            .map(|s| {
                let (sent, received) = s.rounds.iter().fold((0, 0), |(a, b), r| (a + r.sent, b + r.received));
                let missing: u64 = s.rounds.iter().map(|r| r.missing).sum();
                let lost = match (&s.failed, sent) {
                    (Some(why), _) => why.clone(),
                    (None, 0) => "not counted".to_string(),
                    (None, _) if received >= sent && missing == 0 => "none".to_string(),
                    (None, _) => {
                        let lost = sent.saturating_sub(received).max(missing);
                        format!(
                            "{lost} of {} ({:.2} %)",
                            lost + received,
                            lost as f64 * 100.0 / (lost + received) as f64
                        )
                    }
                };
                let [near, far] = self.near_and_far(s);
                [s.name.clone(), self.quantity.text(s), near, far, lost, s.rounds.len().to_string()]
            })
            .collect()
    }
}

/// A table in Markdown that is also readable as it is.
pub fn markdown(head: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..head.len())
        .map(|c| rows.iter().map(|r| r[c].chars().count()).chain([head[c].chars().count()]).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    let mut line = |cells: Vec<&str>| {
        for (cell, width) in cells.iter().zip(&widths) {
            let _ = write!(text, "| {cell}{} ", " ".repeat(width - cell.chars().count()));
        }
        text.push_str("|\n");
    };
    line(head.to_vec());
    let rules: Vec<String> = widths.iter().map(|w| "-".repeat(*w)).collect();
    line(rules.iter().map(String::as_str).collect());
    for row in rows {
        line(row.iter().map(String::as_str).collect());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(name: &str, received: &[u64], failed: Option<&str>) -> Standing {
        let round = |&received: &u64| Outcome { sent: 10_000_000, received, seconds: 1.0, ..Outcome::default() };
        Standing { name: name.into(), rounds: received.iter().map(round).collect(), failed: failed.map(str::to_string) }
    }

    #[test]
    fn a_target_is_held_against_the_middle_of_the_ratios() {
        let all = Comparison {
            what: "frames".into(),
            quantity: Quantity::MPPS,
            standings: vec![
                standing("ours", &[6_000_000, 8_000_000, 2_000_000], None),
                standing("peer", &[3_000_000, 2_000_000, 4_000_000], None),
                standing("absent", &[], Some("not installed")),
            ],
        };
        let line = all.judge("ours", "peer", Bound::AtLeast(2.0));
        assert_eq!((line.verdict, line.ratio.as_str()), (Verdict::Met, "2.00 (0.50..4.00) of 3"));
        assert_eq!(all.judge("ours", "peer", Bound::AtLeast(2.1)).verdict, Verdict::NotMet);
        assert_eq!(all.judge("ours", "peer", Bound::AtMost(2.0)).verdict, Verdict::Met);
        let skipped = all.judge("ours", "absent", Bound::AtLeast(1.0)).verdict;
        assert_eq!(skipped, Verdict::Skipped("not installed".into()));
        assert_eq!(all.details()[0][4], "14000000 of 30000000 (46.67 %)");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let text = markdown(&["a", "bb"], &[vec!["µµµ".into(), "x".into()]]);
        assert_eq!(text, "| a   | bb |\n| --- | -- |\n| µµµ | x  |\n");
    }
}
