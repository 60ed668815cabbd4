//! One reading of a file: all that a program sees, as a list that can be held against another's.

use super::library::{Header, Library, Open};
use crate::random::Random;
use libc::{c_int, c_uchar};
use std::fmt;
use std::path::Path;

/// By which calls the frames are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// `pcap_next_ex`.
    NextEx,
    /// `pcap_next`.
    Next,
    /// `pcap_loop` to the end.
    Loop,
    /// `pcap_loop` with a count, again and again.
    LoopOf(c_int),
    /// `pcap_dispatch` with a count, again and again; 0 and less: to the end.
    DispatchOf(c_int),
    /// `pcap_loop`, ended by `pcap_breakloop` in the callback of every so many'th frame.
    Broken(c_int),
}

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The calls.
    pub calls: Calls,
    /// `PCAP_TSTAMP_PRECISION_`.
    pub precision: u32,
    /// Through a stream that the program opened, rather than by name.
    pub stream: bool,
    /// All that can be asked of the handle is asked, too.
    pub facts: bool,
    /// A filter.
    pub filter: Option<&'static str>,
    /// Frames after which the reader stops.
    pub at_most: usize,
}

/// Filters for every link type; what they refuse for one of them is compared, too.
pub const FILTERS: [&str; 5] = ["", "len > 100", "greater 60 and less 90", "ip", "ether[0] & 1 = 0 or tcp"];

impl Way {
    /// The plainest.
    pub const PLAIN: Way =
        Way { calls: Calls::NextEx, precision: 0, stream: false, facts: false, filter: None, at_most: usize::MAX };

    /// Every way, for files that are few.
    pub fn all() -> Vec<Way> {
        let counts = [1, 7, 1000];
        let mut calls = vec![Calls::NextEx, Calls::Next, Calls::Loop, Calls::DispatchOf(0), Calls::DispatchOf(-1)];
        calls.extend(counts.map(Calls::LoopOf));
        calls.extend(counts.map(Calls::DispatchOf));
        calls.extend(counts.map(Calls::Broken));
        let mut ways = Vec::new();
        for precision in [0, 1] {
            for (number, &calls) in calls.iter().enumerate() {
                ways.push(Way { calls, precision, stream: number % 2 == 1, facts: number < 2, ..Way::PLAIN });
            }
            let filtered = |filter| Way { filter: Some(filter), precision, ..Way::PLAIN };
            ways.extend(FILTERS.map(filtered));
        }
        ways
    }

    /// One of them, for files that are many.
    pub fn any(random: &mut Random) -> Way {
        let count = 1 + random.below(9) as c_int;
        let few = [Calls::Next, Calls::Loop, Calls::LoopOf(count), Calls::DispatchOf(count), Calls::Broken(count)];
        Way {
            calls: if random.percent(50) { Calls::NextEx } else { *random.pick(&few) },
            precision: random.below(2) as u32,
            stream: random.percent(30),
            facts: random.percent(5),
            filter: if random.percent(10) { Some(*random.pick(&FILTERS)) } else { None },
            at_most: 300,
        }
    }
}

/// Something that a program sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A call gave a number, and what the error text said then.
    Said(&'static str, i64, String),
    /// A frame.
    Frame {
        /// As in its header.
        seconds: i64,
        /// As in its header.
        fraction: i64,
        /// Bytes at hand.
        caplen: u32,
        /// Bytes on the wire.
        len: u32,
        /// The beginning of its bytes.
        first: Vec<u8>,
        /// Of all of them.
        hash: u64,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Said(call, code, text) => write!(f, "{call}: {code} {text}"),
            Event::Frame { seconds, fraction, caplen, len, first, hash } => {
                write!(f, "frame: {seconds}.{fraction:09} {caplen} of {len} bytes, {hash:016x}")?;
                first.iter().take(32).try_for_each(|byte| write!(f, " {byte:02x}"))
            }
        }
    }
}

/// Bytes of a frame that are kept for showing.
const SHOWN: usize = 96;

fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64 ^ bytes.len() as u64;
    let words = bytes.chunks_exact(8);
    let rest = words.remainder();
    for word in words {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
    rest.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// What the callback knows.
struct Seen {
    events: Vec<Event>,
    frames: usize,
    handle: super::library::Handle,
    breakloop: unsafe extern "C" fn(super::library::Handle),
    break_every: usize,
}

impl Seen {
    /// # Safety
    /// The header is valid and its bytes are there.
    unsafe fn frame(&mut self, header: *const Header, bytes: *const u8) {
        // SAFETY: by the caller's promise.
        let (Header { time, caplen, len }, bytes) = unsafe {
            let header = *header;
            let length = if bytes.is_null() { 0 } else { header.caplen as usize };
            // SAFETY: an empty slice for a frame without bytes, which may point to nothing.
            let bytes = if length == 0 { &[][..] } else { std::slice::from_raw_parts(bytes, length) };
            (header, bytes)
        };
        self.frames += 1;
        self.events.push(Event::Frame {
            seconds: time.tv_sec,
            fraction: time.tv_usec,
            caplen,
            len,
            first: bytes[..bytes.len().min(SHOWN)].to_vec(),
            hash: hash(bytes),
        });
    }
}

unsafe extern "C" fn on_frame(user: *mut c_uchar, header: *const Header, bytes: *const c_uchar) {
    // SAFETY: `user` is the Seen of the loop that calls; header and bytes are the library's.
    unsafe {
        let seen = &mut *user.cast::<Seen>();
        seen.frame(header, bytes);
        if seen.break_every > 0 && seen.frames % seen.break_every == 0 {
            (seen.breakloop)(seen.handle);
        }
    }
}

/// Reads a file.
pub fn read(library: &Library, path: &Path, way: Way) -> Vec<Event> {
    let opened = match way.stream {
        true => library.open_stream(path, 0, way.precision),
        false => library.open_path(path, way.precision),
    };
    match opened {
        Ok(open) => read_open(&open, way),
        Err(why) => vec![Event::Said("open", -1, why)],
    }
}

/// Reads what is open.
pub fn read_open(open: &Open<'_>, way: Way) -> Vec<Event> {
    let mut seen = Seen {
        events: Vec::new(),
        frames: 0,
        handle: open.handle,
        breakloop: open.library.breakloop,
        break_every: if let Calls::Broken(every) = way.calls { every as usize } else { 0 },
    };
    facts(open, &mut seen.events, way.facts);
    if let Some(filter) = way.filter {
        let (compiled, set, text) = open.set_filter(filter);
        seen.events.push(Event::Said("compile", compiled.into(), String::new()));
        seen.events.push(Event::Said("setfilter", set.into(), text));
    }
    frames(open, way, &mut seen);
    // The link type is that of the file's frames, whatever came with them.
    facts(open, &mut seen.events, false);
    seen.events
}

fn facts(open: &Open<'_>, events: &mut Vec<Event>, all: bool) {
    let (library, handle) = (open.library, open.handle);
    for (name, call) in &library.numbers {
        if all || !matches!(*name, "activate" | "can_set_rfmon") {
            // SAFETY: an open handle.
            let code = unsafe { call(handle) };
            let text = if code < 0 { open.error() } else { String::new() };
            events.push(Event::Said(name, code.into(), text));
        }
    }
    if !all {
        return;
    }
    let (count, list) = open.list_datalinks();
    events.push(Event::Said("list_datalinks", count.into(), format!("{list:?}")));
    events.extend(open.refused_calls().into_iter().map(|(name, code, text)| Event::Said(name, code.into(), text)));
    events.push(Event::Said("has a stream", open.has_stream().into(), String::new()));
    for (name, call) in &library.settings {
        for value in [0, 1, -1, 147] {
            // SAFETY: an open handle.
            let code = unsafe { call(handle, value) };
            events.push(Event::Said(name, code.into(), if code == 0 { String::new() } else { open.error() }));
        }
    }
}

fn frames(open: &Open<'_>, way: Way, seen: &mut Seen) {
    let (library, handle) = (open.library, open.handle);
    // The end is looked at three times: it must stay where it is.
    let mut ends = 0;
    let mut calls = 0;
    while ends < 3 && seen.frames < way.at_most && calls < 3 * way.at_most.min(1 << 40) {
        calls += 1;
        let before = seen.frames;
        let user: *mut c_uchar = (&raw mut *seen).cast();
        // SAFETY: an open handle; the callback gets the Seen that nobody else holds meanwhile; header and bytes are
        // looked at before the next call.
        let (name, code) = unsafe {
            match way.calls {
                Calls::NextEx => {
                    let (mut header, mut bytes) = (std::ptr::null(), std::ptr::null());
                    let code = (library.next_ex)(handle, &mut header, &mut bytes);
                    if code == 1 {
                        seen.frame(header, bytes);
                    }
                    ("next_ex", code)
                }
                Calls::Next => {
                    let mut header = Header { time: libc::timeval { tv_sec: 0, tv_usec: 0 }, caplen: 0, len: 0 };
                    let bytes = (library.next)(handle, &mut header);
                    if !bytes.is_null() {
                        seen.frame(&header, bytes);
                    }
                    ("next", c_int::from(!bytes.is_null()))
                }
                Calls::Loop | Calls::Broken(_) => ("loop", (library.loop_)(handle, -1, on_frame, user)),
                Calls::LoopOf(count) => ("loop", (library.loop_)(handle, count, on_frame, user)),
                Calls::DispatchOf(count) => ("dispatch", (library.dispatch)(handle, count, on_frame, user)),
            }
        };
        let broken = code == -2 && matches!(way.calls, Calls::Broken(_) | Calls::NextEx);
        let bad = (code < 0 && !broken) || (code == 0 && way.calls == Calls::Next);
        seen.events.push(Event::Said(name, code.into(), if bad { open.error() } else { String::new() }));
        if seen.frames == before {
            ends += 1;
        }
    }
}
