//! The times of frames: CLOCK_MONOTONIC in the kernel's program, or the card's clock; CLOCK_REALTIME for who captures.

use crate::stamping::CardTimes;
use crate::sys::xdp::monotonic_ns;
use nm_core::sys::realtime_ns;
use std::ops::Range;

/// How long the difference of the host's two clocks is taken to stay what it was: a clock that is set is followed within it.
const REFRESH_NS: u64 = 50_000_000;
/// The same of a card's clock, whose quartz may run 100 us a second faster or slower: so a microsecond of error.
const CARD_REFRESH_NS: u64 = 10_000_000;
/// Frames that came so long before are converted without a question. Not all earlier ones: a card's clock may be set back.
const CARD_BEFORE_NS: u64 = 1_000_000_000;

/// What has to be added to one clock to get the other.
pub struct Times {
    from: Clock,
    offset: u64,
    /// The first time of the first clock for which it holds, and for how long it does.
    valid_from: u64,
    valid_for: u64,
    /// CLOCK_MONOTONIC when the clocks were last looked at.
    looked: Option<u64>,
    /// Earlier times than it holds for, of which the first was a reason to look: the others are none.
    early: Range<u64>,
}

/// The first clock.
enum Clock {
    Monotonic,
    Card(CardTimes),
}

impl Clock {
    fn now_ns(&self) -> Option<u64> {
        match self {
            Clock::Monotonic => Some(monotonic_ns()),
            Clock::Card(CardTimes::Unsynced) => None,
            Clock::Card(CardTimes::Synced(clock)) => clock.now_ns().ok(),
        }
    }

    fn refresh_ns(&self) -> u64 {
        match self {
            Clock::Monotonic => REFRESH_NS,
            Clock::Card(_) => CARD_REFRESH_NS,
        }
    }
}

impl Times {
    /// Of CLOCK_MONOTONIC.
    pub fn new() -> Times {
        Times { from: Clock::Monotonic, offset: 0, valid_from: 1, valid_for: 0, looked: None, early: 0..0 }
    }

    /// Of a card's clock.
    pub fn of_card(times: CardTimes) -> Times {
        // Times that stay as they are hold always.
        let valid_for = if matches!(times, CardTimes::Unsynced) { u64::MAX } else { 0 };
        Times { from: Clock::Card(times), offset: 0, valid_from: 1, valid_for, looked: None, early: 0..0 }
    }

    /// CLOCK_REALTIME when the other clock was at `time`.
    #[inline(always)]
    pub fn realtime(&mut self, time: u64) -> u64 {
        if self.known(time).is_none() {
            self.look(time);
        }
        time.wrapping_add(self.offset)
    }

    /// The same, while it is known without a look at the clocks; never of 0.
    #[inline(always)]
    pub fn known(&self, time: u64) -> Option<u64> {
        (time.wrapping_sub(self.valid_from) < self.valid_for).then(|| time.wrapping_add(self.offset))
    }

    /// Looks at the clocks, unless they were looked at just now: frames that are older than what is known may be many, and a card's
    /// clock is asked over its bus. Not even the host's is read for each of them.
    #[cold]
    fn look(&mut self, time: u64) {
        if time < self.valid_from {
            if self.early.contains(&time) {
                return;
            }
            self.early = time..time.saturating_add(self.from.refresh_ns());
        }
        let now = monotonic_ns();
        if self.looked.is_none_or(|looked| now.saturating_sub(looked) >= self.from.refresh_ns()) {
            self.looked = Some(now);
            self.refresh();
        }
    }

    /// Of some tries the one that took least: a thread may be kept from running between two readings. A card that is gone keeps
    /// the difference that it had.
    fn refresh(&mut self) {
        let mut least = u64::MAX;
        for _ in 0..3 {
            let before = realtime_ns();
            let Some(other) = self.from.now_ns() else { return };
            let took = realtime_ns().saturating_sub(before);
            if took < least {
                least = took;
                self.offset = (before + took / 2).wrapping_sub(other);
                let before = if matches!(self.from, Clock::Monotonic) { u64::MAX } else { CARD_BEFORE_NS };
                self.valid_from = other.saturating_sub(before).max(1);
                self.valid_for = other.saturating_add(self.from.refresh_ns()) - self.valid_from;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frames_time_is_that_of_the_systems_clock() {
        let mut times = Times::new();
        for _ in 0..100 {
            let before = realtime_ns();
            let told = times.realtime(monotonic_ns());
            let after = realtime_ns();
            // The clocks are read one after the other, and the thread may be kept from running meanwhile.
            assert!(told + 1_000_000 > before && told < after + 1_000_000, "{before} {told} {after}");
        }
        // A frame that is older than the difference.
        let now = monotonic_ns();
        assert!(times.realtime(now - 10_000_000) < times.realtime(now));
    }

    #[test]
    fn a_cards_time_is_put_on_the_systems_clock() {
        let clock = std::sync::Arc::new(crate::sys::card::CardClock::monotonic());
        let (mut card, mut host) = (Times::of_card(CardTimes::Synced(clock)), Times::new());
        let now = monotonic_ns();
        assert_eq!(card.known(now), None);
        for time in [now, now + 5_000_000, now.saturating_sub(2_000_000_000).max(1)] {
            let (card, host) = (card.realtime(time), host.realtime(time));
            assert!(card.abs_diff(host) < 1_000_000, "{card} {host}");
        }
        let late = monotonic_ns() + CARD_REFRESH_NS;
        assert_eq!(card.known(late), None);
        assert!(card.known(now).is_some());
        assert_eq!(card.known(now.wrapping_sub(2 * CARD_BEFORE_NS)), None);
    }

    #[test]
    fn a_cards_clock_is_not_asked_for_each_of_many_old_frames() {
        let clock = std::sync::Arc::new(crate::sys::card::CardClock::monotonic());
        let mut card = Times::of_card(CardTimes::Synced(clock));
        let (start, mut looks) = (monotonic_ns(), std::collections::HashSet::new());
        for n in 0..10_000 {
            let old = (start / 2).max(1) + n;
            assert_eq!(card.known(old), None);
            card.realtime(old);
            looks.insert(card.looked);
        }
        let most = (monotonic_ns() - start) / CARD_REFRESH_NS + 1;
        assert!(looks.len() as u64 <= most, "{} of {most}", looks.len());
    }

    #[test]
    fn the_hosts_clock_is_not_read_for_each_of_many_old_frames() {
        let clock = std::sync::Arc::new(crate::sys::card::CardClock::monotonic());
        let mut card = Times::of_card(CardTimes::Synced(clock));
        // Of a machine that has just been started, no frame is old.
        let now = monotonic_ns();
        card.realtime(now);
        card.valid_from = now;
        let old = now / 2;
        card.realtime(old);
        // Who read the clock now would find that the last look was long ago.
        card.looked = Some(0);
        for later in [1, CARD_REFRESH_NS / 2, CARD_REFRESH_NS - 1] {
            card.realtime(old + later);
            assert_eq!(card.looked, Some(0), "{later}");
        }
        card.realtime(old + CARD_REFRESH_NS);
        assert!(card.looked > Some(now), "a clock that was set back is followed");
    }

    #[test]
    fn a_cards_time_without_conversion_stays_as_it_is() {
        let mut times = Times::of_card(CardTimes::Unsynced);
        for time in [1, 5, 1 << 63, u64::MAX] {
            assert_eq!((times.known(time), times.realtime(time)), (Some(time), time));
        }
    }
}
