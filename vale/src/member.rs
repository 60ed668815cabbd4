//! An open port's own part: its place in the switch, its memory, and how it leaves.

use crate::registry::{Switch, entry_name};
use crate::{Options, bell, place, starved};
use nm_core::lock::Owners;
use nm_core::name::{ValeName, ValePort};
use nm_core::shm::layout::{BUF_SIZE, Layout, MAX_SLOTS, MIN_SHARED, MIN_SLOTS, SHARERS};
use nm_core::shm::mapping::{Mapping, View};
use nm_core::shm::port_page::{OPENER, PORT_MAGIC, PortPage};
use nm_core::shm::switch_page::{PORTS, VERSION};
use nm_core::sync::{Fences, Ordering};
use nm_core::{PortControl, PortError, PortInfo, PortKind, RxRing, Stats, TxRing, sys};
use std::fs::File;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// The bits of a generation that fit a lock's tag, above the port's number.
const TAG_GENERATION: u32 = (1 << 23) - 1;

/// What the halves of an open port share. Dropped with the last of them: the port leaves the switch.
pub struct Member {
    /// The switch.
    pub switch: Switch,
    /// The port's place in it.
    pub index: usize,
    generation: u32,
    name: String,
    /// The port's own name, or that of the port it watches.
    pub short_name: String,
    /// What sort of port.
    pub kind: PortKind,
    layout: Layout,
    file: File,
    /// Its control words.
    pub page: View<PortPage>,
    /// Somebody called [`PortControl::wake`].
    pub woken: AtomicBool,
    membarrier: bool,
    opener: u32,
    /// How often the process had forked when it opened the port.
    forks: u32,
    left: AtomicBool,
}

/// How often a switch may vanish between two steps of joining it.
const TRIES: u32 = 1000;

/// The lock tag of a port's owner.
fn tag_of(index: usize, generation: u32) -> u32 {
    (generation & TAG_GENERATION) << 8 | (index as u32 + 1)
}

/// Buffers of a receive ring, unless its program says.
const RX_BUFS: u32 = 1024;

impl Member {
    /// Joins a switch.
    pub fn join(name: &ValeName, options: &Options) -> Result<(Member, RxRing), PortError> {
        // A switch may be removed between opening it and taking its registry.
        let mut tries = 0;
        loop {
            let switch = Switch::open_or_make(&name.switch)?;
            match Member::join_switch(switch, name, options) {
                Err(PortError::NotFound { .. }) if tries < TRIES => tries += 1,
                other => return other,
            }
        }
    }

    fn join_switch(switch: Switch, name: &ValeName, options: &Options) -> Result<(Member, RxRing), PortError> {
        let (kind, short) = match &name.port {
            ValePort::Port(p) => (PortKind::Port, p.as_str()),
            ValePort::Listener => (PortKind::Listener, "*"),
            ValePort::MonitorTx(p) => (PortKind::MonitorTx, p.as_str()),
            ValePort::MonitorRx(p) => (PortKind::MonitorRx, p.as_str()),
        };
        let full_name = full_name(&switch.name, kind, short);
        let slots = |n: u32| n.clamp(MIN_SLOTS, MAX_SLOTS);
        let bufs = options.rx_bufs.unwrap_or(RX_BUFS).clamp(MIN_SHARED, MAX_SLOTS / SHARERS);
        let layout = Layout { rx_slots: bufs * SHARERS, tx_slots: slots(options.tx_slots) };

        // Asked before the list is locked and dropped after: the last owner of a member locks it to leave.
        let open_here = if options.again { here() } else { Vec::new() };
        let registry = switch.change()?;
        registry.reap();
        let taken = |(index, e): (usize, _)| {
            let named_so = crate::registry::entry_kind(e) == kind && entry_name(e) == short;
            named_so && !open_here.iter().any(|m| m.is_at(&switch, index))
        };
        if kind == PortKind::Port && switch.taken().any(taken) {
            return Err(PortError::InUse { port: full_name });
        }
        let index = registry.free_entry()?;
        if !registry.mark_alive(index) {
            return Err(PortError::InUse { port: full_name });
        }
        let made = (|| {
            let commit = layout.rx_bytes() as u64;
            let file = registry.make_port_file(index, commit, layout.total_bytes() as u64).map_err(|e| {
                let path = switch.path.display().to_string();
                match e.raw_os_error() {
                    Some(place::ENOSPC) => PortError::NoMemory { port: full_name.clone(), bytes: commit, path },
                    _ => place::refused(&switch.path, e),
                }
            })?;
            let map = |source| PortError::Io { what: format!("{full_name}: mmap"), source };
            let mapping = Mapping::new(&file, layout.total_bytes()).map_err(map)?;
            let ring = || Some(RxRing::new(&mapping, &layout)?.of_port(View::new(&mapping)?));
            let parts = View::<PortPage>::new(&mapping).and_then(|page| Some((page, ring()?)));
            let (page, ring) = parts.ok_or_else(|| map(std::io::ErrorKind::UnexpectedEof.into()))?;
            let (at, tx, rx) = (layout.interface(), layout.tx_ring(), layout.rx_ring());
            nm_core::shm::layout::write_interface(&mapping, at, tx, rx, &full_name);
            Ok((file, page, ring))
        })();
        let (file, page, ring) = match made {
            Ok(parts) => parts,
            Err(e) => {
                registry.remove_port_file(index);
                registry.unmark_alive(index);
                registry.remove_if_idle();
                return Err(e);
            }
        };
        let generation = registry.next_generation(index);
        // ORDER: Relaxed, all of these: the entry's Release announces them.
        page.id.version.store(VERSION, Ordering::Relaxed);
        page.id.rx_slots.store(layout.rx_slots, Ordering::Relaxed);
        page.id.tx_slots.store(layout.tx_slots, Ordering::Relaxed);
        page.id.generation.store(generation, Ordering::Relaxed);
        page.id.magic.store(PORT_MAGIC, Ordering::Relaxed);
        page.sleep.thread.store(sys::thread_id() | OPENER, Ordering::Relaxed);

        let membarrier = sys::membarrier_register();
        if !membarrier {
            // ORDER: SeqCst; then senders that run on light fences get time to notice before this port is known.
            switch.page.header.plain_fences.store(1, Ordering::SeqCst);
            registry.announce_change();
            std::thread::sleep(Duration::from_millis(20));
        }
        registry.announce(index, generation, kind, short);
        drop(registry);
        let short_name = short.to_string();
        let member = Member {
            switch,
            index,
            generation,
            name: full_name,
            short_name,
            kind,
            layout,
            file,
            page,
            woken: AtomicBool::new(false),
            membarrier,
            opener: std::process::id(),
            forks: sys::forks(),
            left: AtomicBool::new(false),
        };
        Ok((member, ring))
    }

    /// The name as typed.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What names this port in locks.
    pub fn tag(&self) -> u32 {
        tag_of(self.index, self.generation)
    }

    /// The fences that this switch runs on.
    pub fn fences(&self) -> Fences {
        // ORDER: Relaxed; read again at each change of the list.
        Fences::new(self.membarrier && self.switch.page.header.plain_fences.load(Ordering::Relaxed) == 0)
    }

    /// Milliseconds that a sender waits for a receiver that makes no progress.
    pub fn flow_ms(&self) -> u32 {
        // ORDER: Relaxed; a setting.
        self.switch.page.header.flow_ms.load(Ordering::Relaxed).min(crate::MAX_FLOW_MS)
    }

    /// Commits the transmit ring's buffers and makes the ring.
    pub fn make_tx_ring(&self) -> Result<TxRing, PortError> {
        let (start, end) = (self.layout.rx_bytes() as u64, self.layout.total_bytes() as u64);
        sys::allocate(&self.file, start, end - start).map_err(|e| match e.raw_os_error() {
            Some(place::ENOSPC) => PortError::NoMemory {
                port: self.name.clone(),
                bytes: end - start,
                path: self.switch.path.display().to_string(),
            },
            _ => PortError::Io { what: format!("{}: transmit ring", self.name), source: e },
        })?;
        // ORDER: Relaxed; for people who look.
        self.page.id.tx_committed.store(1, Ordering::Relaxed);
        let ring = TxRing::new(self.page.mapping(), &self.layout);
        ring.ok_or_else(|| PortError::Corrupt { path: self.name.clone(), why: "its file is too short" })
    }

    /// Whether the process that opened the port with this tag is stopped; so it is also said of one that can't be looked at.
    pub fn is_stopped(&self, tag: u32) -> bool {
        let entry = (tag as usize & 0xff).checked_sub(1).and_then(|i| self.switch.page.ports.get(i));
        // ORDER: Relaxed; a hint.
        entry.is_none_or(|entry| starved::is_stopped(entry.pid.load(Ordering::Relaxed)))
    }

    /// Frees the entries of ports whose owners died, if nobody else is changing the list.
    pub fn reap(&self) {
        if let Ok(registry) = self.switch.change() {
            registry.reap();
        }
    }
}

impl Owners for Member {
    fn alive(&self, tag: u32) -> bool {
        let Some(index) = ((tag & 0xff) as usize).checked_sub(1).filter(|i| *i < PORTS) else { return false };
        let entry = &self.switch.page.ports[index];
        // ORDER: Acquire pairs with the Release of `announce`.
        let taken = entry.state.load(Ordering::Acquire) == 1;
        // ORDER: Relaxed; published by the state.
        let generation = entry.generation.load(Ordering::Relaxed);
        taken && tag_of(index, generation) == tag && !self.switch.is_dead(index)
    }
}

impl PortControl for Member {
    fn wake(&self) {
        // ORDER: Release pairs with the Acquire of the reader that takes it back; the bell makes it look.
        self.woken.store(true, Ordering::Release);
        bell::ring_anyway(&self.page);
    }

    fn stats(&self) -> Stats {
        stats_of(&self.page)
    }

    fn info(&self) -> PortInfo {
        PortInfo {
            name: self.name.clone(),
            driver: "vale",
            kind: self.kind,
            rx_slots: self.layout.rx_slots,
            tx_slots: self.layout.tx_slots,
            buf_size: BUF_SIZE,
            memory: memory_of(&self.page, &self.layout),
        }
    }

    fn passes_on_to(&self, what: &str) {
        self.page.id.set_other_end(what);
    }

    fn count_rejected(&self, frames: u64) {
        // ORDER: Relaxed; a counter.
        self.page.owner.rejected.fetch_add(frames, Ordering::Relaxed);
    }
}

impl Member {
    /// Whether a child made by fork has the port, too, or is the one who asks.
    fn is_shared(&self) -> bool {
        std::process::id() != self.opener || sys::forks() != self.forks
    }

    /// Whether it is the owner of an entry of `switch`, and belongs to this process alone.
    fn is_at(&self, switch: &Switch, index: usize) -> bool {
        // ORDER: Relaxed; the generation changes only under the registry's lock, which the caller has.
        let generation = switch.page.ports[index].generation.load(Ordering::Relaxed);
        let here = self.index == index && self.generation == generation && self.switch.is_same(switch);
        // ORDER: Relaxed; one that is leaving keeps its entry until it has the lock.
        here && !self.is_shared() && !self.left.load(Ordering::Relaxed)
    }

    /// Leaves the switch, once. The memory stays mapped until the last half of the port is dropped.
    fn leave(&self) {
        // A child made by fork shares the open files, and the port: a daemon's parent, for one, ends at once, while the
        // child reads on. When the last of them ends, the kernel gives back the mark of life, and the next opener
        // clears up.
        // ORDER: Relaxed; only picks one of several that leave.
        if self.is_shared() || self.left.swap(true, Ordering::Relaxed) {
            return;
        }
        let Ok(registry) = self.switch.change() else { return };
        let entry = &self.switch.page.ports[self.index];
        // ORDER: Relaxed; under the registry's lock.
        if entry.generation.load(Ordering::Relaxed) == self.generation {
            registry.free(self.index, entry);
        }
        registry.unmark_alive(self.index);
        registry.reap();
        registry.remove_if_idle();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.leave();
    }
}

/// The open ports of this process.
static OPEN: Mutex<Vec<Weak<Member>>> = Mutex::new(Vec::new());

/// Remembers an open port for [`leave_all`].
pub fn remember(member: &Arc<Member>) {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|m| m.strong_count() > 0);
    open.push(Arc::downgrade(member));
}

/// The ports that this process has open.
fn here() -> Vec<Arc<Member>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect()
}

/// Leaves all switches. For the end of a process that does not close its ports, as many programs don't: their files
/// would stay until the next opener looks. Ports that other threads still use stay mapped.
pub fn leave_all() {
    // A thread that was ended while it held the lock, or the parent's at a fork, must not keep a program from ending.
    if let Ok(open) = OPEN.try_lock() {
        open.iter().filter_map(Weak::upgrade).for_each(|m| m.leave());
    }
}

/// The counters in a port's control words.
pub fn stats_of(page: &PortPage) -> Stats {
    // ORDER: Relaxed; counters.
    let get = |c: &nm_core::sync::AtomicU64| c.load(Ordering::Relaxed);
    Stats {
        received: get(&page.holder.received),
        received_bytes: get(&page.holder.received_bytes),
        sent: get(&page.owner.sent),
        sent_bytes: get(&page.owner.sent_bytes),
        dropped_full: get(&page.drops.full),
        dropped_stalled: get(&page.drops.stalled),
        dropped_long: get(&page.drops.long),
        rejected: get(&page.owner.rejected),
        malformed: get(&page.drops.malformed),
        dropped_unfinished: 0,
        dropped_interface: 0,
    }
}

/// Bytes that a port has committed.
pub fn memory_of(page: &PortPage, layout: &Layout) -> u64 {
    // ORDER: Relaxed; for people who look.
    let whole = page.id.tx_committed.load(Ordering::Relaxed) == 1;
    (if whole { layout.total_bytes() } else { layout.rx_bytes() }) as u64
}

/// A port's name as typed.
pub fn full_name(switch: &str, kind: PortKind, short: &str) -> String {
    if let Some(end) = crate::pipe::full_name(switch, short) {
        return end;
    }
    match kind {
        PortKind::Port | PortKind::Listener => format!("{switch}:{short}"),
        PortKind::MonitorTx => format!("{switch}:{short}/t"),
        PortKind::MonitorRx => format!("{switch}:{short}/r"),
    }
}
