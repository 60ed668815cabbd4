//! Times counted in classes, so that any number of them takes the same memory.
//!
//! Up to 256 ns a class is 1 ns wide; above, each power of two has 128 classes, so that a class is less than 1 %
//! of its value wide.

const CLASSES_PER_OCTAVE: u64 = 128;
const OCTAVE_BITS: u32 = CLASSES_PER_OCTAVE.trailing_zeros();

/// Counts of times in nanoseconds.
#[derive(Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    min: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { counts: vec![0; class(u64::MAX) + 1], total: 0, min: u64::MAX, max: 0 }
    }
}

impl Histogram {
    /// Counts one.
    pub fn add(&mut self, nanos: u64) {
        self.counts[class(nanos)] += 1;
        self.total += 1;
        self.min = self.min.min(nanos);
        self.max = self.max.max(nanos);
    }

    /// Adds all of `other` and empties it.
    pub fn absorb(&mut self, other: &mut Histogram) {
        for (count, more) in self.counts.iter_mut().zip(&mut other.counts) {
            *count += std::mem::take(more);
        }
        self.total += std::mem::take(&mut other.total);
        self.min = self.min.min(std::mem::replace(&mut other.min, u64::MAX));
        self.max = self.max.max(std::mem::take(&mut other.max));
    }

    /// How many were counted.
    pub fn len(&self) -> u64 {
        self.total
    }

    /// None was counted.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The least and the greatest, exactly; `None` when none was counted.
    pub fn extremes(&self) -> Option<(u64, u64)> {
        (self.total > 0).then_some((self.min, self.max))
    }

    /// The time that `share` (0 to 1) of all stay below or at, less than 1 % too low; `None` when none was counted.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let rank = ((self.total as f64 * share).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        let class = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(least(class).max(self.min))
    }
}

fn class(nanos: u64) -> usize {
    let octave = (u64::BITS - nanos.leading_zeros()).saturating_sub(OCTAVE_BITS + 1);
    (u64::from(octave) * CLASSES_PER_OCTAVE + (nanos >> octave)) as usize
}

/// The least time of a class.
fn least(class: usize) -> u64 {
    let class = class as u64;
    match class / CLASSES_PER_OCTAVE {
        0 => class,
        octave => (class % CLASSES_PER_OCTAVE + CLASSES_PER_OCTAVE) << (octave - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_contiguous_and_less_than_one_percent_wide() {
        let mut before = 0;
        for nanos in
            (0..100_000).chain((17..64).flat_map(|bits| (0..999).map(move |i| (1 << bits) + (i << (bits - 11)))))
        {
            let class = class(nanos);
            assert!(class == before || class == before + 1 || nanos >= 100_000, "{nanos}");
            assert!(least(class) <= nanos && nanos - least(class) <= nanos / 128, "{nanos} {}", least(class));
            before = class;
        }
    }

    #[test]
    fn quantiles_of_one_to_a_hundred() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.extremes(), histogram.quantile(0.5)), (None, None));
        (1..=100).for_each(|nanos| histogram.add(nanos));
        assert_eq!(histogram.extremes(), Some((1, 100)));
        assert_eq!(histogram.quantile(0.5), Some(50));
        assert_eq!(histogram.quantile(0.99), Some(99));
        assert_eq!(histogram.quantile(1.0), Some(100));

        let mut all = Histogram::default();
        all.absorb(&mut histogram);
        assert!(histogram.is_empty() && histogram.extremes().is_none());
        assert_eq!((all.len(), all.extremes()), (100, Some((1, 100))));
    }
}
