//! A module without a kernel: answers requests from their bytes, and moves frames through a region of our own by the module's rules.

use drivers::netmap::{Bytes, Device, Direction, HEADER, Options};
use drivers::sys::wait::{Event, Ready, poll};
use nm_core::abi::{
    NR_REG_ALL_NIC, NR_REG_ONE_NIC, NR_REG_SW, NS_BUF_CHANGED, NS_MOREFRAG, netmap_if, netmap_ring, netmap_slot,
};
use nm_core::name::{NetmapName, PortName};
use nm_core::shm::mapping::Mapping;
use nm_core::sync::{AtomicU32, AtomicU64, Ordering};
use nm_core::{Port, sys};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::mem::offset_of;
use std::num::NonZeroU16;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::AtomicU16;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// A buffer's bytes: no power of two.
pub const STRIDE: usize = 1688;
/// Buffers of the region, more than the rings have slots.
pub const BUFS: u32 = 200;
/// Where things are: nothing at the beginning, gaps everywhere.
pub const INTERFACE: usize = 0x340;
const RINGS: usize = 0x1000;
const RING_BYTES: usize = 0x800;
const BUFFERS: usize = 0xb000;
/// Bytes of the region; the last buffer ends before.
pub const MEMORY: usize = BUFFERS + BUFS as usize * STRIDE + 500;

/// Transmit, host transmit, receive, host receive rings; slots of each.
pub const RING_COUNTS: [usize; 4] = [2, 1, 3, 1];
pub const SLOTS: u32 = 16;
/// The first buffer that no slot has at the beginning.
pub const FIRST_FREE: u32 = 2 + 7 * SLOTS;

/// The module: cheap to clone, one of them for the driver, one for the test.
#[derive(Clone)]
pub struct Fake(pub Arc<Inside>, Arc<Bound>);

/// What a port's own descriptor of the module has: two ports neither take each other's wake-ups nor wait for each other's rings.
struct Bound {
    arrived: Event,
    /// A bit for each receive ring, host's last.
    rings: AtomicU32,
}

impl Bound {
    fn new(inside: &Inside) -> Arc<Bound> {
        let bound = Arc::new(Bound { arrived: Event::new().expect("an event"), rings: AtomicU32::new(u32::MAX) });
        inside.bound.lock().expect("no test panicked here").push(Arc::clone(&bound));
        bound
    }
}

pub struct Inside {
    /// The memory: each port maps it for itself.
    pub memory: File,
    pub memory_id: Option<NonZeroU16>,
    pub mapping: Arc<Mapping>,
    pub state: Mutex<State>,
    bound: Mutex<Vec<Arc<Bound>>>,
}

/// What the kernel keeps for itself.
#[derive(Default)]
pub struct State {
    /// Requests as they came: header and body.
    pub requests: Vec<(Vec<u8>, Vec<u8>)>,
    /// What the next requests are answered with; nothing: granted.
    pub refuse: Option<i32>,
    /// The version that the answer to a refused request carries.
    pub version: Option<u16>,
    /// What `netmap_if` lies at, as the answer has it.
    pub offset: Option<u64>,
    /// How many buffers beside those of the rings the next requests get, and that the test has made their list; nothing: as many as
    /// they ask for, while there are some.
    pub extra: Option<u32>,
    /// Frames on their way into each receive ring (host's last).
    pub incoming: Vec<VecDeque<Vec<u8>>>,
    /// Kernel's positions of each ring, by its number in `ring_ofs`.
    pub hwcur: Vec<u32>,
    pub hwtail: Vec<u32>,
    /// The buffer that the card was told of for each slot of each ring.
    pub told: Vec<Vec<u32>>,
    /// Buffers that came into slots without `NS_BUF_CHANGED`.
    pub untold: u32,
    /// What left, with the number of its ring.
    pub wire: Vec<(usize, Vec<u8>)>,
    /// Transmit rings take nothing.
    pub stuck: bool,
    /// So many times yet.
    pub stuck_syncs: u32,
    /// The interface is gone.
    pub gone: bool,
    pub syncs: [u32; 2],
    pub polls: u32,
}

/// A file without a name.
fn memory() -> File {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).custom_flags(libc::O_TMPFILE).open("/dev/shm").expect("a file");
    file.set_len(MEMORY as u64).expect("its length");
    file
}

pub fn name(text: &str) -> NetmapName {
    match PortName::parse(text) {
        Ok(PortName::Netmap(name)) => name,
        other => panic!("{text}: {other:?}"),
    }
}

impl Fake {
    pub fn new() -> Fake {
        static NEXT_ID: AtomicU16 = AtomicU16::new(1);
        let memory = memory();
        let inside = Arc::new(Inside {
            mapping: Mapping::new(&memory, MEMORY).expect("memory"),
            memory,
            memory_id: NonZeroU16::new(NEXT_ID.fetch_add(1, Ordering::Relaxed)),
            state: Mutex::default(),
            bound: Mutex::default(),
        });
        let bound = Bound::new(&inside);
        let fake = Fake(inside, bound);
        fake.make();
        fake
    }

    /// A port of it.
    pub fn open(&self, text: &str) -> Port {
        self.open_with(text, 0)
    }

    /// As [`Fake::open`], with so many buffers beside its rings. All its ports have one `netmap_if`: for one of them at a time.
    pub fn open_with(&self, text: &str, extra_bufs: u32) -> Port {
        let device = Fake(Arc::clone(&self.0), Bound::new(&self.0));
        drivers::netmap::open_on(device, &name(text), &Options { extra_bufs }).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    /// The first number of the list of buffers that no slot has.
    pub fn list_head(&self) -> &AtomicU32 {
        self.word(INTERFACE + offset_of!(netmap_if, ni_bufs_head))
    }

    /// The number that follows a buffer's in that list.
    pub fn link(&self, buffer: u32) -> &AtomicU32 {
        self.word(BUFFERS + buffer as usize * STRIDE)
    }

    /// What the module would free if the port were closed now, in order of their numbers; it ends at a number that is no buffer's or
    /// that it has freed already.
    pub fn list(&self) -> Vec<u32> {
        let (mut list, mut next) = (Vec::new(), self.list_head().load(Ordering::Relaxed));
        while (2..BUFS).contains(&next) && !list.contains(&next) {
            list.push(next);
            next = self.link(next).load(Ordering::Relaxed);
        }
        list.sort_unstable();
        list
    }

    /// As the module links buffers that it gives: how many.
    fn give_extra(&self, wanted: u32) -> u32 {
        let given = wanted.min(BUFS - FIRST_FREE);
        let mut head = 0;
        for buffer in FIRST_FREE..FIRST_FREE + given {
            self.link(buffer).store(head, Ordering::Relaxed);
            head = buffer;
        }
        self.list_head().store(head, Ordering::Relaxed);
        given
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("no test panicked here")
    }

    pub fn word(&self, at: usize) -> &AtomicU32 {
        self.0.mapping.at(at).expect("inside")
    }

    pub fn long(&self, at: usize) -> &AtomicU64 {
        self.0.mapping.at(at).expect("inside")
    }

    /// Where ring `n` is.
    pub fn ring(n: usize) -> usize {
        RINGS + n * RING_BYTES
    }

    /// The number in `ring_ofs` of receive ring `n`.
    pub fn rx(n: usize) -> usize {
        RING_COUNTS[0] + RING_COUNTS[1] + n
    }

    pub fn field(&self, ring: usize, offset: usize) -> &AtomicU32 {
        self.word(Fake::ring(ring) + offset)
    }

    fn make(&self) {
        let [tx, host_tx, rx, host_rx] = RING_COUNTS.map(|n| n as u32);
        for (offset, value) in [
            (offset_of!(netmap_if, ni_tx_rings), tx),
            (offset_of!(netmap_if, ni_rx_rings), rx),
            (offset_of!(netmap_if, ni_host_tx_rings), host_tx),
            (offset_of!(netmap_if, ni_host_rx_rings), host_rx),
        ] {
            self.word(INTERFACE + offset).store(value, Ordering::Relaxed);
        }
        let all = RING_COUNTS.iter().sum();
        let mut state = self.state();
        state.incoming = vec![VecDeque::new(); RING_COUNTS[2] + RING_COUNTS[3]];
        let mut buffer = 2;
        for n in 0..all {
            let at = Fake::ring(n);
            let place = INTERFACE + offset_of!(netmap_if, ring_ofs) + 8 * n;
            self.long(place).store((at - INTERFACE) as u64, Ordering::Relaxed);
            self.long(at + offset_of!(netmap_ring, buf_ofs)).store((BUFFERS - at) as u64, Ordering::Relaxed);
            self.field(n, offset_of!(netmap_ring, num_slots)).store(SLOTS, Ordering::Relaxed);
            self.field(n, offset_of!(netmap_ring, nr_buf_size)).store(STRIDE as u32, Ordering::Relaxed);
            state.told.push((buffer..buffer + SLOTS).collect());
            for slot in 0..SLOTS {
                self.set_slot(n, slot, buffer, 0, 0);
                buffer += 1;
            }
            // Transmit rings begin empty; receive rings begin in the middle, as after somebody else's use.
            let (head, tail) = if n < RING_COUNTS[0] + RING_COUNTS[1] { (0, SLOTS - 1) } else { (5, 5) };
            for (offset, value) in [
                (offset_of!(netmap_ring, head), head),
                (offset_of!(netmap_ring, cur), head),
                (offset_of!(netmap_ring, tail), tail),
            ] {
                self.field(n, offset).store(value, Ordering::Relaxed);
            }
            state.hwcur.push(head);
            state.hwtail.push(tail);
        }
    }

    fn slot_at(ring: usize, slot: u32) -> usize {
        Fake::ring(ring) + size_of::<netmap_ring>() + slot as usize * size_of::<netmap_slot>()
    }

    pub fn set_slot(&self, ring: usize, slot: u32, buffer: u32, len: u16, flags: u16) {
        let word = u64::from(buffer) | u64::from(len) << 32 | u64::from(flags) << 48;
        self.long(Fake::slot_at(ring, slot)).store(u64::from_le(word), Ordering::Relaxed);
    }

    pub fn slot(&self, ring: usize, slot: u32) -> (u32, u16, u16) {
        let word = u64::to_le(self.long(Fake::slot_at(ring, slot)).load(Ordering::Relaxed));
        (word as u32, (word >> 32) as u16, (word >> 48) as u16)
    }

    /// The buffers that ring `n` has, in the order of its slots.
    pub fn buffers(&self, ring: usize) -> Vec<u32> {
        (0..SLOTS).map(|slot| self.slot(ring, slot).0).collect()
    }

    /// The module gets a slot: the card is told of a buffer that is new there.
    fn take_slot(&self, state: &mut State, ring: usize, slot: u32) -> (u32, u16, u16) {
        let (buffer, len, flags) = self.slot(ring, slot);
        let told = &mut state.told[ring][slot as usize];
        state.untold += u32::from(*told != buffer && flags & NS_BUF_CHANGED == 0);
        *told = buffer;
        self.set_slot(ring, slot, buffer, len, flags & !NS_BUF_CHANGED);
        (buffer, len, flags)
    }

    fn write(&self, buffer: u32, bytes: &[u8]) {
        if buffer >= BUFS {
            return;
        }
        let at = BUFFERS + buffer as usize * STRIDE;
        for (n, chunk) in bytes.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.long(at + 8 * n).store(u64::from_ne_bytes(word), Ordering::Relaxed);
        }
    }

    fn read(&self, buffer: u32, len: u16) -> Vec<u8> {
        if buffer >= BUFS || usize::from(len) > STRIDE {
            return Vec::new();
        }
        let at = BUFFERS + buffer as usize * STRIDE;
        let words = (0..usize::from(len).div_ceil(8)).map(|n| self.long(at + 8 * n).load(Ordering::Relaxed));
        let mut bytes: Vec<u8> = words.flat_map(u64::to_ne_bytes).collect();
        bytes.truncate(len.into());
        bytes
    }

    /// A frame reaches receive ring `ring`; a reader in poll wakes.
    pub fn arrive(&self, ring: usize, frame: &[u8]) {
        self.state().incoming[ring].push_back(frame.to_vec());
        self.wake();
    }

    /// Whoever is in poll looks again.
    pub fn wake(&self) {
        self.0.bound.lock().expect("no test panicked here").iter().for_each(|bound| bound.arrived.set());
    }

    /// What the module's rxsync does.
    pub fn sync_rx(&self, state: &mut State) {
        for n in 0..state.incoming.len() {
            let ring = Fake::rx(n);
            let head = self.field(ring, offset_of!(netmap_ring, head)).load(Ordering::Acquire);
            if head >= SLOTS {
                continue;
            }
            while state.hwcur[ring] != head {
                let at = state.hwcur[ring];
                self.take_slot(state, ring, at);
                state.hwcur[ring] = (at + 1) % SLOTS;
            }
            while let Some(frame) = state.incoming[n].front() {
                let pieces: Vec<&[u8]> = frame.chunks(STRIDE).collect();
                let filled = (state.hwtail[ring] + SLOTS - head) % SLOTS;
                if filled + pieces.len() as u32 >= SLOTS {
                    break;
                }
                for (i, piece) in pieces.iter().enumerate() {
                    let at = state.hwtail[ring];
                    let buffer = self.slot(ring, at).0;
                    self.write(buffer, piece);
                    let flags = if i + 1 < pieces.len() { NS_MOREFRAG } else { 0 };
                    self.set_slot(ring, at, buffer, piece.len() as u16, flags);
                    state.hwtail[ring] = (at + 1) % SLOTS;
                }
                state.incoming[n].pop_front();
            }
            self.field(ring, offset_of!(netmap_ring, tail)).store(state.hwtail[ring], Ordering::Release);
            let now = sys::realtime_ns() / 1000;
            let ts = Fake::ring(ring) + offset_of!(netmap_ring, ts);
            self.long(ts).store(now / 1_000_000, Ordering::Relaxed);
            self.long(ts + 8).store(now % 1_000_000, Ordering::Relaxed);
        }
    }

    /// What the module's txsync does.
    fn sync_tx(&self, state: &mut State) {
        if state.stuck_syncs > 0 {
            state.stuck_syncs -= 1;
            return;
        }
        for ring in 0..RING_COUNTS[0] + RING_COUNTS[1] {
            let head = self.field(ring, offset_of!(netmap_ring, head)).load(Ordering::Acquire);
            if state.stuck || head >= SLOTS {
                continue;
            }
            let mut frame = Vec::new();
            while state.hwcur[ring] != head {
                let at = state.hwcur[ring];
                let (buffer, len, flags) = self.take_slot(state, ring, at);
                frame.extend(self.read(buffer, len));
                if flags & NS_MOREFRAG == 0 {
                    state.wire.push((ring, std::mem::take(&mut frame)));
                }
                state.hwcur[ring] = (at + 1) % SLOTS;
            }
            state.hwtail[ring] = (head + SLOTS - 1) % SLOTS;
            self.field(ring, offset_of!(netmap_ring, tail)).store(state.hwtail[ring], Ordering::Release);
        }
    }

    /// Whether poll would find a slot beyond the `cur` of a ring that this descriptor is bound to.
    pub fn is_readable(&self) -> bool {
        let bound = self.1.rings.load(Ordering::Relaxed);
        let rings = (0..RING_COUNTS[2] + RING_COUNTS[3]).filter(|n| bound & 1 << n != 0);
        rings.map(Fake::rx).any(|ring| {
            let [cur, tail] = [offset_of!(netmap_ring, cur), offset_of!(netmap_ring, tail)]
                .map(|o| self.field(ring, o).load(Ordering::Acquire));
            cur != tail
        })
    }
}

impl Device for Fake {
    fn control(&self, header: &mut Bytes<HEADER>, body: &mut [u8]) -> io::Result<()> {
        let mut state = self.state();
        state.requests.push((header.0.to_vec(), body.to_vec()));
        if let Some(errno) = state.refuse {
            if let Some(version) = state.version {
                header.0[..2].copy_from_slice(&version.to_ne_bytes());
            }
            return Err(io::Error::from_raw_os_error(errno));
        }
        // Numbers of nmreq_register and nmreq_port_info_get as netmap.h has them.
        match (u16::from_ne_bytes([header.0[2], header.0[3]]), body.len()) {
            (1, 56) => {
                body[..8].copy_from_slice(&state.offset.unwrap_or(INTERFACE as u64).to_ne_bytes());
                body[8..16].copy_from_slice(&(MEMORY as u64).to_ne_bytes());
                body[32..34].copy_from_slice(&self.0.memory_id.map_or(0, NonZeroU16::get).to_ne_bytes());
                let wanted = u32::from_ne_bytes([body[40], body[41], body[42], body[43]]);
                let given = state.extra.unwrap_or_else(|| if wanted > 0 { self.give_extra(wanted) } else { 0 });
                body[40..44].copy_from_slice(&given.to_ne_bytes());
                let (card, host) = ((1 << RING_COUNTS[2]) - 1, 1 << RING_COUNTS[2]);
                let rings = match u32::from_ne_bytes([body[36], body[37], body[38], body[39]]) {
                    NR_REG_ALL_NIC => card,
                    NR_REG_SW => host,
                    NR_REG_ONE_NIC => 1 << body[34],
                    _ => u32::MAX,
                };
                self.1.rings.store(rings, Ordering::Relaxed);
            }
            (2, 32) => {
                body[..8].copy_from_slice(&(MEMORY as u64).to_ne_bytes());
                body[8..12].copy_from_slice(&1024u32.to_ne_bytes());
                body[12..16].copy_from_slice(&512u32.to_ne_bytes());
                for (at, n) in [(16, 2u16), (18, 3), (20, 1), (22, 1)] {
                    body[at..at + 2].copy_from_slice(&n.to_ne_bytes());
                }
            }
            other => panic!("a request of kind and body {other:?}"),
        }
        Ok(())
    }

    fn map(&self, len: usize, memory: Option<NonZeroU16>) -> io::Result<Arc<Mapping>> {
        assert_eq!((len, memory), (MEMORY, self.0.memory_id));
        Mapping::of_memory(self.0.memory.as_fd(), len, memory)
    }

    fn sync(&self, direction: Direction) -> io::Result<()> {
        let mut state = self.state();
        if state.gone {
            return Err(io::Error::from_raw_os_error(5));
        }
        state.syncs[usize::from(direction == Direction::Rx)] += 1;
        match direction {
            Direction::Rx => self.sync_rx(&mut state),
            Direction::Tx => self.sync_tx(&mut state),
        }
        Ok(())
    }

    fn poll(&self, wake: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<Ready> {
        self.1.arrived.clear();
        {
            let mut state = self.state();
            state.polls += 1;
            if state.gone {
                return Ok(Ready { readable: false, failed: true });
            }
            self.sync_rx(&mut state);
        }
        if !self.is_readable() {
            poll([self.1.arrived.as_fd(), wake], timeout)?;
            let mut state = self.state();
            self.sync_rx(&mut state);
            if state.gone {
                return Ok(Ready { readable: false, failed: true });
            }
        }
        Ok(Ready { readable: self.is_readable(), failed: false })
    }

    fn raw_fd(&self) -> RawFd {
        -7
    }
}

/// A frame that tells where it was sent and as which one.
pub fn frame(ring: usize, number: u32, len: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..len).map(|i| (i as u32 * 7 + number) as u8).collect();
    frame[..6].copy_from_slice(&[2, ring as u8, 0, 0, 0, 0]);
    frame[14..18].copy_from_slice(&number.to_be_bytes());
    frame
}

/// Reads what there is, at most `count` frames, releasing each.
pub fn read(port: &mut Port, count: usize) -> Vec<(Vec<u8>, u64)> {
    let mut frames = Vec::new();
    let mut bytes = vec![0; 70_000];
    while frames.len() < count && port.rx.rxsync().expect("sync") > 0 {
        while let Some((len, time)) = port.rx.ring().next_frame_into(&mut bytes) {
            frames.push((bytes[..len as usize].to_vec(), time));
            if frames.len() == count {
                break;
            }
        }
        port.rx.ring().release();
    }
    frames
}
