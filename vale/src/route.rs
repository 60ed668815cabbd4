//! Who gets a frame: a sender's view of the switch.
//!
//! The list of ports is read again when its generation has changed; between changes a sender works on its own copy.

use crate::member::Member;
use crate::peer::Peer;
use crate::registry::{entry_kind, entry_name};
use crate::table;
use nm_core::PortKind;
use nm_core::shm::switch_page::{BUCKETS, PORTS, WAYS};
use nm_core::sync::Ordering;

const MULTICAST: u64 = 1 << 40;

/// Where a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To one port.
    One(u8),
    /// To all ports but the sender's.
    Flood,
    /// To nobody.
    Nobody,
}

impl Target {
    /// Whether such a frame is for `port`.
    #[inline(always)]
    pub fn is(self, port: u8, namesakes: &[(u8, u8)]) -> bool {
        match self {
            Target::One(one) => one == port || namesakes.contains(&(one, port)),
            Target::Flood => true,
            Target::Nobody => false,
        }
    }
}

/// A sender's copy of the list, and the ports that it has mapped.
pub struct Routes {
    generation: Option<u32>,
    peers: Vec<Option<Box<Peer>>>,
    /// Entries that could not be mapped at this generation of the list.
    unreachable: Vec<bool>,
    /// Ordinary ports, not our own, nor such of our name.
    pub ports: Vec<u8>,
    /// (port, another of its name), both ways round: what is for one is for all of them.
    pub namesakes: Vec<(u8, u8)>,
    /// Who sees all that we send: listeners, and monitors of what we send.
    pub listeners: Vec<u8>,
    /// (port, who sees what it receives).
    pub monitors: Vec<(u8, u8)>,
    owner_generation: Vec<u32>,
    known: Known,
}

/// The last pair of addresses looked up. While the table's cells that decided it hold the same words, and the age is
/// the same, the answer is the same.
struct Known {
    destination: u64,
    source: u64,
    age: u8,
    /// Bucket, way and word of the source's entry, and of the destination's (the source's again when it needs none).
    cells: [(u16, u8, u64); 2],
    /// For a destination that nobody knew: the count of news at that time.
    unknown_at: Option<u32>,
    target: Target,
}

impl Known {
    /// No address has all these bits.
    const NOTHING: Known = Known {
        destination: u64::MAX,
        source: u64::MAX,
        age: 0,
        cells: [(0, 0, 0); 2],
        unknown_at: None,
        target: Target::Nobody,
    };
}

impl Routes {
    /// Knows nobody yet.
    pub fn new() -> Routes {
        Routes {
            generation: None,
            peers: (0..PORTS).map(|_| None).collect(),
            unreachable: vec![false; PORTS],
            ports: Vec::new(),
            namesakes: Vec::new(),
            listeners: Vec::new(),
            monitors: Vec::new(),
            owner_generation: vec![0; PORTS],
            known: Known::NOTHING,
        }
    }

    /// Reads the list again if it has changed. True when it has.
    #[inline(always)]
    pub fn refresh(&mut self, member: &Member) -> bool {
        // ORDER: Acquire pairs with the Release of `announce_change`.
        let generation = member.switch.page.header.generation.load(Ordering::Acquire);
        if self.generation == Some(generation) {
            return false;
        }
        self.read(member, generation);
        true
    }

    #[cold]
    fn read(&mut self, member: &Member, generation: u32) {
        self.generation = Some(generation);
        self.ports.clear();
        self.namesakes.clear();
        self.listeners.clear();
        self.monitors.clear();
        self.unreachable.fill(false);
        self.known = Known::NOTHING;
        let mut taken = [false; PORTS];
        let mut watched: Vec<(u8, String)> = Vec::new();
        let mut names: Vec<(String, u8)> = Vec::new();
        for (index, entry) in member.switch.taken() {
            taken[index] = true;
            // ORDER: Relaxed; published by the entry's state.
            self.owner_generation[index] = entry.generation.load(Ordering::Relaxed);
            let number = index as u8;
            match entry_kind(entry) {
                PortKind::Port => {
                    let name = entry_name(entry);
                    if index != member.index && name != member.short_name {
                        self.ports.push(number);
                        for (_, other) in names.iter().filter(|(n, _)| *n == name) {
                            self.namesakes.extend([(*other, number), (number, *other)]);
                        }
                    }
                    names.push((name, number));
                }
                PortKind::Listener => self.listeners.push(number),
                PortKind::MonitorTx => {
                    if entry_name(entry) == member.short_name {
                        self.listeners.push(number);
                    }
                }
                PortKind::MonitorRx => watched.push((number, entry_name(entry))),
            }
        }
        for (monitor, name) in watched {
            // Of namesakes the first: each of them gets the same.
            self.monitors.extend(names.iter().find(|(n, _)| *n == name).map(|(_, port)| (*port, monitor)));
        }
        for (index, peer) in self.peers.iter_mut().enumerate() {
            if peer.as_ref().is_some_and(|p| !taken[index] || p.generation != self.owner_generation[index]) {
                *peer = None;
            }
        }
    }

    /// Nobody but the destination sees a frame.
    #[inline(always)]
    pub fn is_quiet(&self) -> bool {
        self.listeners.is_empty() && self.monitors.is_empty() && self.namesakes.is_empty()
    }

    /// A port, mapped on first use; `None` when it can't be.
    #[inline(always)]
    pub fn peer(&mut self, member: &Member, index: u8) -> Option<&Peer> {
        let i = usize::from(index);
        if self.peers.get(i)?.is_none() {
            self.map(member, i);
        }
        self.peers[i].as_deref()
    }

    #[cold]
    fn map(&mut self, member: &Member, i: usize) {
        if !self.unreachable[i] {
            self.peers[i] = Peer::map(member, i, self.owner_generation[i]).map(Box::new);
            self.unreachable[i] = self.peers[i].is_none();
        }
    }

    /// Learns the source, finds the destination. `now` is the time of the frame's age.
    #[inline(always)]
    pub fn target(&mut self, member: &Member, destination: u64, source: u64, now: u8) -> Target {
        let table = &member.switch.page.table;
        let k = &self.known;
        let same = |(bucket, way, word): (u16, u8, u64)| {
            // ORDER: Relaxed; an entry is one word.
            table[usize::from(bucket) % BUCKETS].ways[usize::from(way) % WAYS].load(Ordering::Relaxed) == word
        };
        let pair = k.destination == destination && k.source == source && k.age == now;
        // ORDER: Relaxed; the news is a hint that an entry may have come.
        let still_unknown = |n| n == member.switch.page.learned.news.load(Ordering::Relaxed);
        if pair && same(k.cells[0]) && same(k.cells[1]) && k.unknown_at.is_none_or(still_unknown) {
            return k.target;
        }
        self.look_up(member, destination, source, now)
    }

    #[cold]
    fn look_up(&mut self, member: &Member, destination: u64, source: u64, now: u8) -> Target {
        let table = &member.switch.page.table;
        // A multicast source is nobody's address: any cell stands for it.
        let own = if source & MULTICAST == 0 {
            let (bucket, way, entry, news) = table::learn(table, source, member.index as u8, now);
            if news {
                // ORDER: Release pairs with the Acquire below: who sees the count finds the entry.
                member.switch.page.learned.news.fetch_add(1, Ordering::Release);
            }
            (bucket, way, entry.0)
        } else {
            // ORDER: Relaxed; an entry is one word.
            (0, 0, table[0].ways[0].load(Ordering::Relaxed))
        };
        // ORDER: Acquire, see above; read before the search, so that what comes during it is looked for again.
        let news = member.switch.page.learned.news.load(Ordering::Acquire);
        let found = if destination & MULTICAST == 0 { table::find(table, destination, now) } else { None };
        // An address on a port that has gone is as good as unknown. So is one on our own port: VALE drops such a frame,
        // but a program that replays both directions of a capture through one port means it to be sent.
        let found = found.filter(|(_, _, e)| self.ports.contains(&e.port()));
        let (cell, unknown_at, target) = match found {
            Some((bucket, way, entry)) => ((bucket, way, entry.0), None, Target::One(entry.port())),
            None => (own, Some(news), self.flood()),
        };
        self.known = Known { destination, source, age: now, cells: [own, cell], unknown_at, target };
        target
    }

    /// To all others; where there is one other, that is a frame for it.
    #[inline(always)]
    fn flood(&self) -> Target {
        match self.ports[..] {
            [] => Target::Nobody,
            [port] => Target::One(port),
            _ => Target::Flood,
        }
    }
}
