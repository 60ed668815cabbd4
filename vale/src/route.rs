//! Who gets a frame: a sender's view of the switch.
//!
//! The list of ports is read again when its generation has changed; between changes a sender works on its own copy.

use crate::member::Member;
use crate::peer::Peer;
use crate::registry::{entry_kind, entry_name};
use crate::table::{self, Entry};
use nm_core::PortKind;
use nm_core::shm::switch_page::PORTS;
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

/// A sender's copy of the list, and the ports that it has mapped.
pub struct Routes {
    generation: Option<u32>,
    peers: Vec<Option<Box<Peer>>>,
    /// Entries that could not be mapped at this generation of the list.
    unreachable: Vec<bool>,
    /// Ordinary ports, not our own.
    pub ports: Vec<u8>,
    /// Who sees all that we send: listeners, and monitors of what we send.
    pub listeners: Vec<u8>,
    /// (port, who sees what it receives).
    pub monitors: Vec<(u8, u8)>,
    owner_generation: Vec<u32>,
    known_source: Known,
    known_destination: Known,
}

/// The last address looked up: while its cell still holds the same word, the answer is the same.
#[derive(Clone, Copy)]
struct Known {
    address: u64,
    bucket: u16,
    way: u8,
    word: u64,
}

impl Known {
    /// No address has all these bits.
    const NONE: Known = Known { address: u64::MAX, bucket: 0, way: 0, word: 0 };
}

impl Routes {
    /// Knows nobody yet.
    pub fn new() -> Routes {
        Routes {
            generation: None,
            peers: (0..PORTS).map(|_| None).collect(),
            unreachable: vec![false; PORTS],
            ports: Vec::new(),
            listeners: Vec::new(),
            monitors: Vec::new(),
            owner_generation: vec![0; PORTS],
            known_source: Known::NONE,
            known_destination: Known::NONE,
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
        self.listeners.clear();
        self.monitors.clear();
        self.unreachable.fill(false);
        self.known_source = Known::NONE;
        self.known_destination = Known::NONE;
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
                    names.push((entry_name(entry), number));
                    if index != member.index {
                        self.ports.push(number);
                    }
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
            self.monitors.extend(names.iter().filter(|(n, _)| *n == name).map(|(_, port)| (*port, monitor)));
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
        self.listeners.is_empty() && self.monitors.is_empty()
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
        let k = self.known_source;
        // ORDER: Relaxed; an entry is one word.
        let same = |k: &Known| table[usize::from(k.bucket)].ways[usize::from(k.way)].load(Ordering::Relaxed) == k.word;
        if (k.address != source || !same(&k) || Entry(k.word).age() != now) && source & MULTICAST == 0 {
            self.learn(member, source, now);
        }
        if destination & MULTICAST != 0 {
            return self.flood();
        }
        let k = self.known_destination;
        let port = if k.address == destination && same(&k) {
            Entry(k.word).port()
        } else {
            match self.find(member, destination, now) {
                Some(port) => port,
                None => return self.flood(),
            }
        };
        if usize::from(port) == member.index { Target::Nobody } else { Target::One(port) }
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

    #[cold]
    fn learn(&mut self, member: &Member, source: u64, now: u8) {
        let (bucket, way, entry) = table::learn(&member.switch.page.table, source, member.index as u8, now);
        self.known_source = Known { address: source, bucket, way, word: entry.0 };
    }

    #[cold]
    fn find(&mut self, member: &Member, destination: u64, now: u8) -> Option<u8> {
        let (bucket, way, entry) = table::find(&member.switch.page.table, destination, now)?;
        // An address on a port that has gone is as good as unknown.
        if usize::from(entry.port()) != member.index && !self.ports.contains(&entry.port()) {
            return None;
        }
        self.known_destination = Known { address: destination, bucket, way, word: entry.0 };
        Some(entry.port())
    }
}
