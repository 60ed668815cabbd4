//! The learning table: on which port an address was last seen.
//!
//! An entry is one atomic word, `address << 16 | port << 8 | age`, so reading and learning need no lock: the worst of a
//! race is that an address is learned again. An address hashes to a bucket of eight entries, one cache line. The age is
//! the time of the last frame in steps of 4.3 s, modulo 256.

use nm_core::shm::switch_page::{BUCKETS, Bucket};
use nm_core::sync::Ordering;

/// An address that was not seen for this many steps (five minutes) is forgotten.
const FORGET_AFTER: u8 = 70;

/// The age that a frame of this time (ns) carries.
#[inline(always)]
pub fn age_of(time_ns: u64) -> u8 {
    (time_ns >> 32) as u8
}

/// An entry's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(pub u64);

impl Entry {
    fn new(address: u64, port: u8, age: u8) -> Entry {
        Entry(address << 16 | u64::from(port) << 8 | u64::from(age))
    }
    fn address(self) -> u64 {
        self.0 >> 16
    }
    /// The port that the address was seen on; anything up to 255, for the word may be garbage.
    #[inline(always)]
    pub fn port(self) -> u8 {
        (self.0 >> 8) as u8
    }
    /// The age.
    #[inline(always)]
    pub fn age(self) -> u8 {
        self.0 as u8
    }
    fn is_stale(self, now: u8) -> bool {
        // A frame may carry a time a little before the one that wrote the entry: 255 and 254 are no great age.
        let age = now.wrapping_sub(self.age());
        (FORGET_AFTER..254).contains(&age)
    }
}

fn bucket_of(address: u64) -> usize {
    let mixed = address.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 55) as usize % BUCKETS
}

/// The entry of an address that was seen lately, with its place: (bucket, way, entry).
pub fn find(table: &[Bucket; BUCKETS], address: u64, now: u8) -> Option<(u16, u8, Entry)> {
    let b = bucket_of(address);
    table[b].ways.iter().enumerate().find_map(|(way, cell)| {
        // ORDER: Relaxed; an entry is one word and promises nothing about other memory.
        let e = Entry(cell.load(Ordering::Relaxed));
        (e.0 != 0 && e.address() == address && !e.is_stale(now)).then_some((b as u16, way as u8, e))
    })
}

/// Learns that `address` is on `port`: in its own entry, else a free or forgotten one, else the oldest. Gives the
/// entry's place, and whether the address came or moved.
pub fn learn(table: &[Bucket; BUCKETS], address: u64, port: u8, now: u8) -> (u16, u8, Entry, bool) {
    let b = bucket_of(address);
    let mut best = 0;
    let mut best_age = 0u16;
    let mut news = true;
    for (i, cell) in table[b].ways.iter().enumerate() {
        // ORDER: Relaxed, as in `find`.
        let e = Entry(cell.load(Ordering::Relaxed));
        if e.0 != 0 && e.address() == address {
            best = i;
            news = e.port() != port || e.is_stale(now);
            break;
        }
        let age = if e.0 == 0 || e.is_stale(now) { 1000 } else { u16::from(now.wrapping_sub(e.age())) + 1 };
        if age > best_age {
            (best, best_age) = (i, age);
        }
    }
    let entry = Entry::new(address, port, now);
    // ORDER: Relaxed, as in `find`.
    table[b].ways[best].store(entry.0, Ordering::Relaxed);
    (b as u16, best as u8, entry, news)
}

/// Forgets all that was seen on a port.
pub fn forget_port(table: &[Bucket; BUCKETS], port: u8) {
    for cell in table.iter().flat_map(|b| &b.ways) {
        // ORDER: Relaxed, as in `find`; a racing sender's new entry survives.
        let w = cell.load(Ordering::Relaxed);
        if w != 0 && Entry(w).port() == port {
            let _ = cell.compare_exchange(w, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// How many addresses are known.
pub fn known(table: &[Bucket; BUCKETS], now: u8) -> u32 {
    let entries = table.iter().flat_map(|b| &b.ways);
    // ORDER: Relaxed, as in `find`.
    entries.map(|c| Entry(c.load(Ordering::Relaxed))).filter(|e| e.0 != 0 && !e.is_stale(now)).count() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use nm_core::shm::switch_page::WAYS;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn table() -> Box<[Bucket; BUCKETS]> {
        let v: Vec<Bucket> = (0..BUCKETS).map(|_| Bucket { ways: Default::default() }).collect();
        v.try_into().ok().unwrap()
    }

    #[test]
    fn learns_moves_and_forgets() {
        let t = table();
        learn(&t, 0x0200_0000_0001, 3, 10);
        assert_eq!(find(&t, 0x0200_0000_0001, 10).unwrap().2.port(), 3);
        learn(&t, 0x0200_0000_0001, 9, 11);
        assert_eq!(find(&t, 0x0200_0000_0001, 12).unwrap().2.port(), 9);
        assert_eq!(known(&t, 12), 1);
        assert!(find(&t, 0x0200_0000_0001, 11 + FORGET_AFTER).is_none());
        assert!(find(&t, 0x0200_0000_0001, 10).is_some(), "a frame a step older than the entry");
        forget_port(&t, 9);
        assert_eq!(known(&t, 12), 0);
    }

    #[test]
    fn ages_wrap_around() {
        let t = table();
        learn(&t, 1, 0, 250);
        assert!(find(&t, 1, 5).is_some());
        assert!(find(&t, 1, 250u8.wrapping_add(FORGET_AFTER)).is_none());
    }

    #[test]
    fn a_full_bucket_gives_up_its_oldest() {
        let t = table();
        let same: Vec<u64> = (1..1_000_000).filter(|a| bucket_of(*a) == bucket_of(1)).take(WAYS + 1).collect();
        for (i, a) in same.iter().enumerate() {
            learn(&t, *a, i as u8, i as u8);
        }
        assert!(find(&t, same[0], 8).is_none());
        assert!(same[1..].iter().all(|a| find(&t, *a, 8).is_some()));
    }

    #[derive(Clone, Debug)]
    enum Op {
        Learn { who: usize, port: u8 },
        Find { who: usize },
        Forget { port: u8 },
    }

    /// Some addresses in one bucket, no more than it holds, and some elsewhere.
    fn addresses() -> Vec<u64> {
        let same = (1..1_000_000).filter(|a| bucket_of(*a) == bucket_of(1)).take(WAYS);
        same.chain((0..8).map(|i| 0x0200_5e00_0000 + i)).collect()
    }

    proptest! {
        #[test]
        fn is_a_map_that_forgets_after_a_while(
            ops in prop::collection::vec(
                (prop_oneof![
                    4 => (0..16usize, 0..4u8).prop_map(|(who, port)| Op::Learn { who, port }),
                    4 => (0..16usize).prop_map(|who| Op::Find { who }),
                    1 => (0..4u8).prop_map(|port| Op::Forget { port }),
                ], prop_oneof![3 => 0..3u8, 1 => 0..100u8]),
                0..100,
            ),
            start in any::<u8>(),
        ) {
            let (t, addresses) = (table(), addresses());
            let mut model: BTreeMap<u64, (u8, u32)> = BTreeMap::new();
            let mut passed = 0u32;
            for (op, step) in ops {
                // Ages are kept modulo 256.
                passed = (passed + u32::from(step)).min(253);
                let now = start.wrapping_add(passed as u8);
                model.retain(|_, (_, seen)| passed - *seen < u32::from(FORGET_AFTER));
                match op {
                    Op::Learn { who, port } => {
                        let news = learn(&t, addresses[who], port, now).3;
                        let before = model.insert(addresses[who], (port, passed));
                        prop_assert_eq!(news, before.is_none_or(|(old, _)| old != port));
                    }
                    Op::Find { who } => {
                        let found = find(&t, addresses[who], now).map(|(bucket, way, entry)| {
                            // ORDER: Relaxed; nobody else is there.
                            assert_eq!(t[bucket as usize].ways[way as usize].load(Ordering::Relaxed), entry.0);
                            entry.port()
                        });
                        prop_assert_eq!(found, model.get(&addresses[who]).map(|(port, _)| *port));
                    }
                    Op::Forget { port } => {
                        forget_port(&t, port);
                        model.retain(|_, (p, _)| *p != port);
                    }
                }
                prop_assert_eq!(known(&t, now) as usize, model.len());
            }
        }

        #[test]
        fn garbage_in_it_is_an_address_at_most(words in prop::collection::vec(any::<u64>(), WAYS), a in any::<u64>(), now: u8) {
            let (t, address) = (table(), a >> 16);
            for (cell, word) in t[bucket_of(address)].ways.iter().zip(&words) {
                cell.store(*word, Ordering::Relaxed);
            }
            if let Some((_, _, entry)) = find(&t, address, now) {
                prop_assert!(words.contains(&entry.0));
            }
            learn(&t, address, 7, now);
            prop_assert_eq!(find(&t, address, now).map(|f| f.2.port()), Some(7));
        }
    }
}
