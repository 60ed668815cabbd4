//! The memory of a switch: who its ports are, and where addresses were last seen.

use super::mapping::Shared;
use crate::sync::{AtomicU32, AtomicU64};

/// Begins every switch file: "nmvale\0\0".
pub const SWITCH_MAGIC: u64 = u64::from_le_bytes(*b"nmvale\0\0");
/// The layout version of all files of a switch.
pub const VERSION: u32 = 4;
/// How many ports a switch has, as VALE.
pub const PORTS: usize = 254;
/// Bytes of a port's name.
pub const NAME_BYTES: usize = 32;
/// Buckets of the learning table.
pub const BUCKETS: usize = 512;
/// Entries of a bucket: one cache line.
pub const WAYS: usize = 8;

/// Settings and the generation. Rarely written.
#[repr(C, align(128))]
pub struct SwitchHeader {
    /// [`SWITCH_MAGIC`]; the last word written when a switch is made.
    pub magic: AtomicU64,
    /// [`VERSION`].
    pub version: AtomicU32,
    /// Counts changes to the ports; senders look at it for each batch.
    pub generation: AtomicU32,
    /// Milliseconds that a sender waits for a receiver without progress; 0 = drop at once.
    pub flow_ms: AtomicU32,
    /// 1 = stays without ports.
    pub persistent: AtomicU32,
    /// 1 = some process has no membarrier(2): full fences for all.
    pub plain_fences: AtomicU32,
}

/// Written by who learns something new, looked at by who sends to an address that nobody knows.
#[repr(C, align(128))]
pub struct LearnedLine {
    /// Counts addresses that came or moved.
    pub news: AtomicU32,
}

/// One port in the switch's list. Written under the registry's lock.
#[repr(C, align(64))]
pub struct PortEntry {
    /// 0 = free, 1 = taken.
    pub state: AtomicU32,
    /// Counts the owners of this entry.
    pub generation: AtomicU32,
    /// 0 port, 1 listener, 2 monitor of what is sent, 3 monitor of what is received.
    pub kind: AtomicU32,
    /// The process that opened it: for people, proof of nothing.
    pub pid: AtomicU32,
    /// The port's name, or of the port that a monitor watches; NUL-padded.
    pub name: [AtomicU64; NAME_BYTES / 8],
}

/// The addresses that fall into one cache line: `address << 16 | port << 8 | age` each.
#[repr(C, align(64))]
pub struct Bucket {
    /// 0 = free.
    pub ways: [AtomicU64; WAYS],
}

/// The file.
#[repr(C)]
pub struct SwitchPage {
    /// Settings.
    pub header: SwitchHeader,
    /// News in the learning table.
    pub learned: LearnedLine,
    /// The ports.
    pub ports: [PortEntry; PORTS],
    /// The learning table.
    pub table: [Bucket; BUCKETS],
}

// SAFETY: repr(C), atomics only.
unsafe impl Shared for SwitchPage {}
