//! What is known of a value at a place: bounds, bits, and what it can be or cannot be.

use super::graph::Pred;
use crate::ir::Test;

/// Values listed at most. More are forgotten, which is safe.
const LISTED: usize = 8;

/// A set of numbers that holds the value's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    lo: u32,
    hi: u32,
    /// Bits that are 0, and bits that are 1.
    zeros: u32,
    ones: u32,
    /// The value is one of the list; else, it is in none of the ranges `list[0]..=list[1]`, `list[2]..=list[3]`, …
    among: bool,
    len: u8,
    list: [u32; LISTED],
    /// The answer to the last question that sets and bounds cannot say.
    answered: Option<(Pred, bool)>,
}

impl Fact {
    /// Nothing but the bits that may be set.
    pub(super) fn of_bits(bits: u32) -> Fact {
        let list = [0; LISTED];
        Fact { lo: 0, hi: bits, zeros: !bits, ones: 0, among: false, len: 0, list, answered: None }
    }

    /// Exactly this.
    pub(super) fn only(k: u32) -> Fact {
        let mut list = [0; LISTED];
        list[0] = k;
        Fact { lo: k, hi: k, zeros: !k, ones: k, among: true, len: 1, list, answered: None }
    }

    fn list(&self) -> &[u32] {
        &self.list[..usize::from(self.len)]
    }

    /// The answer, where it is known.
    pub(super) fn decide(&self, pred: Pred) -> Option<bool> {
        if let Some((asked, answer)) = self.answered
            && asked == pred
        {
            return Some(answer);
        }
        if self.among {
            let yes = self.list().iter().filter(|&&x| pred.holds(x)).count();
            return match yes {
                _ if matches!(pred, Pred::With(..)) => None,
                0 => Some(false),
                _ if yes == self.list().len() => Some(true),
                _ => None,
            };
        }
        let outside = |lo, hi| self.outside(lo, hi);
        match pred {
            Pred::Eq(k) if outside(k, k) || k & self.zeros != 0 || self.ones & !k != 0 => Some(false),
            Pred::Eq(k) if self.lo == k && self.hi == k => Some(true),
            Pred::Gt(k) if self.lo > k => Some(true),
            Pred::Gt(k) if self.hi <= k => Some(false),
            Pred::Ge(k) if self.lo >= k => Some(true),
            Pred::Ge(k) if self.hi < k => Some(false),
            Pred::Any(m) if self.ones & m != 0 => Some(true),
            Pred::Any(m) if m & !self.zeros == 0 => Some(false),
            Pred::Any(m) if !self.zeros & !m == 0 && outside(0, 0) => Some(true),
            Pred::Masked(m, k) if k & !m != 0 || self.ones & m & !k != 0 || self.zeros & k != 0 => Some(false),
            Pred::Masked(m, k) if (self.zeros | self.ones) & m == m && self.ones & m == k => Some(true),
            Pred::Range(lo, hi) if outside(lo, hi) => Some(false),
            Pred::Range(lo, hi) if self.lo >= lo && self.hi <= hi => Some(true),
            _ => None,
        }
    }

    /// Whether none of these numbers is possible.
    fn outside(&self, lo: u32, hi: u32) -> bool {
        if self.among {
            return !self.list().iter().any(|&x| lo <= x && x <= hi);
        }
        hi < self.lo || self.hi < lo || self.list().chunks_exact(2).any(|r| r[0] <= lo && hi <= r[1])
    }

    /// What is known once `pred` has been answered; the answer must be possible.
    pub(super) fn refine(&self, pred: Pred, answer: bool) -> Fact {
        let mut fact = *self;
        if let Pred::With(..) = pred {
            fact.answered = Some((pred, answer));
            return fact;
        }
        if self.among {
            fact.len = 0;
            for &x in self.list() {
                if pred.holds(x) == answer {
                    fact.list[usize::from(fact.len)] = x;
                    fact.len += 1;
                }
            }
            fact.span();
            return fact;
        }
        match (pred, answer) {
            (Pred::Eq(k), true) => return Fact::only(k),
            (Pred::Eq(k), false) => fact.exclude(k, k),
            (Pred::Range(lo, hi), true) => fact.within(lo, hi),
            (Pred::Range(lo, hi), false) => fact.exclude(lo, hi),
            (Pred::Gt(k), true) => fact.within(k.saturating_add(1), u32::MAX),
            (Pred::Gt(k), false) => fact.within(0, k),
            (Pred::Ge(k), true) => fact.within(k, u32::MAX),
            (Pred::Ge(k), false) => fact.within(0, k.saturating_sub(1)),
            (Pred::Any(m), true) if (m & !fact.zeros).is_power_of_two() => fact.ones |= m & !fact.zeros,
            (Pred::Any(m), false) => {
                fact.zeros |= m;
                fact.within(0, !fact.zeros);
            }
            (Pred::Masked(m, k), true) => {
                fact.ones |= k;
                fact.zeros |= m & !k;
                fact.within(fact.ones, !fact.zeros);
            }
            _ => fact.answered = Some((pred, answer)),
        }
        fact
    }

    fn within(&mut self, lo: u32, hi: u32) {
        self.lo = self.lo.max(lo);
        self.hi = self.hi.min(hi);
    }

    fn exclude(&mut self, lo: u32, hi: u32) {
        if lo <= self.lo && hi >= self.lo {
            self.lo = hi.saturating_add(1);
        } else if hi >= self.hi && lo <= self.hi {
            self.hi = lo.saturating_sub(1);
        } else if usize::from(self.len) + 2 <= LISTED {
            self.list[usize::from(self.len)] = lo;
            self.list[usize::from(self.len) + 1] = hi;
            self.len += 2;
        }
    }

    /// Bounds and bits from the list.
    fn span(&mut self) {
        let list = &self.list[..usize::from(self.len)];
        self.lo = list.iter().copied().min().unwrap_or(0);
        self.hi = list.iter().copied().max().unwrap_or(0);
        self.ones = list.iter().fold(u32::MAX, |bits, x| bits & x);
        self.zeros = !list.iter().fold(0, |bits, x| bits | x);
    }

    /// What holds when either holds.
    pub(super) fn join(&self, other: &Fact) -> Fact {
        let answered = self.answered.filter(|_| self.answered == other.answered);
        if self.among && other.among {
            let mut both = Fact { answered, ..*self };
            let new = other.list().iter().filter(|x| !self.list().contains(x));
            let len = self.list().len();
            let mut count = len;
            for &x in new {
                if count < LISTED {
                    both.list[count] = x;
                }
                count += 1;
            }
            if count <= LISTED {
                both.len = count as u8;
                both.span();
                return both;
            }
        }
        let mut both = Fact {
            lo: self.lo.min(other.lo),
            hi: self.hi.max(other.hi),
            zeros: self.zeros & other.zeros,
            ones: self.ones & other.ones,
            among: false,
            len: 0,
            list: [0; LISTED],
            answered,
        };
        for (a, b) in [(self, other), (other, self)] {
            for range in a.list().chunks_exact(2).filter(|_| !a.among) {
                if b.outside(range[0], range[1]) && !both.outside(range[0], range[1]) {
                    both.exclude(range[0], range[1]);
                }
            }
        }
        both
    }

    /// This answer, and nothing else.
    pub(super) fn of_answer(pred: Pred, answer: bool) -> Fact {
        Fact { answered: Some((pred, answer)), ..Fact::of_bits(u32::MAX) }
    }
}

impl Pred {
    /// The answer for a number; [`Pred::With`] is not answered by one.
    pub(super) fn holds(self, x: u32) -> bool {
        match self {
            Pred::Eq(k) => x == k,
            Pred::Gt(k) => x > k,
            Pred::Ge(k) => x >= k,
            Pred::Any(m) => x & m != 0,
            Pred::Masked(m, k) => x & m == k,
            Pred::Range(lo, hi) => lo <= x && x <= hi,
            Pred::With(Test::Eq | Test::Gt | Test::Ge | Test::Set, _) => false,
        }
    }
}
