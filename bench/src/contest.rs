//! Contestants, and the rounds in which they take turns.

use crate::child::Child;
use crate::distance;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// What one round of one contestant came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Frames that should have arrived: what the senders handed over, once for each receiver.
    pub sent: u64,
    /// Frames that arrived, at all receivers together.
    pub received: u64,
    /// Frames that senders offered, where not all of them should arrive.
    pub offered: u64,
    /// Frames that are missing at a receiver, by the numbers in the frames.
    pub missing: u64,
    /// From the first sender's start to the last one's end.
    pub seconds: f64,
    /// CPU time of all processes.
    pub cpu_seconds: f64,
    /// CPU time of the whole machine, where that was looked at.
    pub machine_seconds: f64,
    /// Median round trip, for who plays ping-pong.
    pub median_ns: u64,
    /// How far the CPUs were from each other before and after, in ns.
    pub distance_ns: [f64; 2],
}

impl Outcome {
    /// Frames that arrived, in millions per second of sending.
    pub fn mpps(&self) -> f64 {
        self.received as f64 / self.seconds / 1e6
    }

    /// Frames that arrived, in millions per second of CPU time.
    pub fn mframes_per_cpu_second(&self) -> f64 {
        self.received as f64 / self.cpu_seconds / 1e6
    }

    /// The machine's CPU seconds for a million frames offered.
    pub fn machine_per_million(&self) -> f64 {
        self.machine_seconds * 1e6 / self.offered.max(1) as f64
    }

    /// The processes' CPU seconds for a million frames offered.
    pub fn cpu_per_million(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.offered.max(1) as f64
    }

    /// Nanoseconds of one call, for who counts calls as frames received.
    pub fn ns_per_call(&self) -> f64 {
        self.seconds * 1e9 / self.received as f64
    }

    /// Median round trip in microseconds.
    pub fn round_trip_us(&self) -> f64 {
        self.median_ns as f64 / 1e3
    }
}

/// Who takes part.
pub trait Contestant {
    /// Plays one round of so many milliseconds.
    ///
    /// # Errors
    /// When one of its processes failed; it then takes no further part.
    fn round(&mut self, ms: u64, number: u64) -> Result<Outcome, String>;

    /// Whether anything passes between the CPUs, so that their distance counts.
    fn crosses_cpus(&self) -> bool {
        true
    }
}

/// A contestant by its name in the table, or why it could not be set up.
pub type Entry<'a> = (String, Result<Box<dyn Contestant + 'a>, String>);

/// Processes that send and processes that receive, all of them [`crate::roles`] or alike.
pub struct Party {
    /// Who sends. They are started after the receivers listen.
    pub senders: Vec<Child>,
    /// Who receives.
    pub receivers: Vec<Child>,
}

impl Contestant for Party {
    fn round(&mut self, ms: u64, number: u64) -> Result<Outcome, String> {
        for receiver in &mut self.receivers {
            receiver.go(ms, number)?;
        }
        for receiver in &mut self.receivers {
            receiver.wait_for("started")?;
        }
        for sender in &mut self.senders {
            sender.go(ms, number)?;
        }
        let mut all = Outcome::default();
        let (mut start, mut end) = (u64::MAX, 0);
        let copies = self.receivers.len() as u64;
        for child in self.senders.iter_mut().chain(&mut self.receivers) {
            let figures = child.done()?;
            let figure = |key: &str| figures.get(key).copied().unwrap_or(0);
            all.sent += figure("sent") * copies;
            all.received += figure("received");
            all.offered += figure("offered");
            all.missing += figure("missing");
            all.cpu_seconds += figure("cpu") as f64 / 1e9;
            all.median_ns = all.median_ns.max(figure("median"));
            if let (Some(&s), Some(&e)) = (figures.get("start"), figures.get("end")) {
                (start, end) = (start.min(s), end.max(e));
            }
        }
        all.seconds = end.saturating_sub(start) as f64 / 1e9;
        match all.seconds > 0.0 {
            true => Ok(all),
            false => Err("a round without a beginning and an end".to_string()),
        }
    }
}

/// All rounds of one contestant.
#[derive(Clone)]
pub struct Standing {
    /// The name in the table.
    pub name: String,
    /// Its rounds, in order; fewer than played when it dropped out.
    pub rounds: Vec<Outcome>,
    /// Why it dropped out, or never took part.
    pub failed: Option<String>,
}

/// Set by SIGINT and SIGTERM: the run ends after the present round, and everything is put back.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Lets the contestants take turns, forth and back: a b c, c b a, … so that none is always first.
pub fn play(contestants: Vec<Entry<'_>>, rounds: u32, ms: u64) -> Vec<Standing> {
    let mut playing: Vec<_> = contestants
        .into_iter()
        .map(|(name, set_up)| match set_up {
            Ok(c) => (Standing { name, rounds: Vec::new(), failed: None }, Some(c)),
            Err(why) => (Standing { name, rounds: Vec::new(), failed: Some(why) }, None),
        })
        .collect();
    let mut number = 0;
    // A first round to warm up, which does not count.
    for round in 0..=rounds {
        let mut turns: Vec<usize> = (0..playing.len()).collect();
        if round % 2 == 1 {
            turns.reverse();
        }
        for turn in turns {
            let (standing, contestant) = &mut playing[turn];
            // ORDER: Relaxed, a flag that guards nothing.
            if INTERRUPTED.load(Ordering::Relaxed) {
                standing.failed = Some("interrupted".to_string());
                continue;
            }
            let Some(c) = contestant else { continue };
            number += 1;
            let distance = |crosses| if crosses { distance::round_trip_ns() } else { f64::NAN };
            let crosses = c.crosses_cpus();
            let before = distance(crosses);
            match c.round(if round == 0 { ms.min(100) } else { ms }, number) {
                Ok(_) if round == 0 => {}
                Ok(outcome) => {
                    let distance_ns = [before, distance(crosses)];
                    standing.rounds.push(Outcome { distance_ns, ..outcome });
                }
                Err(why) => {
                    standing.failed = Some(why);
                    *contestant = None;
                }
            }
            sleep(Duration::from_millis(5));
        }
    }
    playing.into_iter().map(|(standing, _)| standing).collect()
}

/// The middle of some figures, and how far they go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The middle; the mean of the two middle ones of an even number.
    pub median: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// Of some figures; `None` of none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Spread { min, median: (low + high) / 2.0, max })
    }
}

impl Standing {
    /// A figure of all rounds.
    pub fn spread(&self, figure: fn(&Outcome) -> f64) -> Option<Spread> {
        Spread::of(self.rounds.iter().map(figure))
    }
}

/// How many times the other's figure this one's is: turn against turn, of those in which the CPUs stayed equally far
/// from each other, and the middle of all that. Also the number of such turns; `None` without any.
pub fn ratio(this: &Standing, other: &Standing, figure: fn(&Outcome) -> f64) -> Option<(Spread, usize)> {
    let alike = |(a, b): &(&Outcome, &Outcome)| distance::alike(&[a.distance_ns, b.distance_ns].concat());
    let turns = this.rounds.iter().zip(&other.rounds).filter(alike);
    let ratios: Vec<f64> = turns.map(|(a, b)| figure(a) / figure(b)).collect();
    Some((Spread::of(ratios.iter().copied())?, ratios.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_of_odd_even_and_none() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { min: 1.0, median: 2.0, max: 3.0 }));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).map(|s| s.median), Some(2.5));
        assert_eq!(Spread::of([]), None);
    }

    struct Fixed(f64, u32);
    impl Contestant for Fixed {
        fn round(&mut self, _ms: u64, _number: u64) -> Result<Outcome, String> {
            if self.1 == 0 {
                return Err("worn out".to_string());
            }
            self.1 -= 1;
            Ok(Outcome { received: (self.0 * 1e6) as u64, seconds: 1.0, ..Outcome::default() })
        }
    }

    #[test]
    fn a_round_to_warm_up_does_not_count_and_failures_end_a_part() {
        let standings = play(
            vec![
                ("a".to_string(), Ok(Box::new(Fixed(6.0, 99)) as Box<dyn Contestant>)),
                ("b".to_string(), Ok(Box::new(Fixed(2.0, 3)))),
                ("c".to_string(), Err("not here".to_string())),
            ],
            4,
            1,
        );
        assert_eq!(standings.iter().map(|s| s.rounds.len()).collect::<Vec<_>>(), [4, 2, 0]);
        assert_eq!(standings[1].failed.as_deref(), Some("worn out"));
        // On a busy machine the CPUs may seem to wander in both turns.
        if let Some((r, turns)) = ratio(&standings[0], &standings[1], Outcome::mpps) {
            assert_eq!((r.median, turns <= 2), (3.0, true));
        }
    }

    #[test]
    fn turns_in_which_the_cpus_wandered_are_left_out() {
        let standing = |rounds: [(f64, f64); 3]| Standing {
            name: String::new(),
            rounds: rounds
                .map(|(mpps, distance)| Outcome {
                    received: (mpps * 1e6) as u64,
                    seconds: 1.0,
                    distance_ns: [distance, distance],
                    ..Outcome::default()
                })
                .to_vec(),
            failed: None,
        };
        let a = standing([(8.0, 100.0), (8.0, 100.0), (2.0, 400.0)]);
        let b = standing([(4.0, 110.0), (1.0, 400.0), (1.0, 410.0)]);
        assert_eq!(ratio(&a, &b, Outcome::mpps), Some((Spread { min: 2.0, median: 2.0, max: 2.0 }, 2)));
    }
}
