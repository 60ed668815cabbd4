//! libpcap's interface over netmap rings: the C boundary.
//!
//! Built as `libpcap.so.0.8` and `libpcap.so.1` it is what unmodified programs load; built as a Rust library, the same
//! functions serve our own tools, with C's types and C's rules. Names that [`nm_core::name::PortName`] knows as ours
//! open ports; everything else goes through one door ([`mod@system`]) to the system's libpcap.
//!
//! | file | section of pcap(3PCAP) |
//! |---|---|
//! | `create.rs`, `options.rs`, `activate.rs` | opening a capture handle for reading |
//! | `rx.rs`, `blocking.rs` | reading packets, non-blocking mode, `select` |
//! | `tx.rs` | transmitting packets |
//! | `filter.rs` and its folder | filters |
//! | `offline.rs` and its folder, `dump.rs` | reading and writing savefiles |
//! | `dead.rs` | handles without a device |
//! | `devices.rs`, `chosen.rs` | selecting a device |
//! | `properties.rs`, `stats.rs`, `error.rs` | link types, statistics, errors |
//! | `names.rs` and its folder, `resolve.rs` | names and numbers |
//!
//! A function that is given NULL for a handle returns its documented error. A panic stops at [`mod@guard`].
#![allow(non_upper_case_globals, reason = "C's names for C's things")]

pub mod abi;
mod activate;
mod blocking;
mod cancel;
mod chosen;
mod create;
mod dead;
mod devices;
mod dump;
mod error;
mod exit;
mod filter;
mod guard;
mod handle;
mod names;
mod offline;
mod options;
mod properties;
mod resolve;
mod rx;
mod stats;
mod system;
mod tx;

pub use self::filter::{
    bpf_dump, bpf_filter, bpf_image, bpf_validate, pcap_compile, pcap_compile_nopcap, pcap_freecode,
    pcap_offline_filter, pcap_setfilter,
};
pub use activate::pcap_activate;
pub use blocking::*;
pub use create::{pcap_close, pcap_create, pcap_open_live};
pub use dead::{pcap_open_dead, pcap_open_dead_with_tstamp_precision};
pub use devices::*;
pub use dump::*;
pub use error::{pcap_statustostr, pcap_strerror};
pub use handle::Handle as pcap_t;
pub use names::*;
pub use offline::open::*;
pub use options::*;
pub use properties::*;
pub use rx::{pcap_breakloop, pcap_dispatch, pcap_loop, pcap_next, pcap_next_ex};
pub use stats::pcap_stats;
pub use tx::{pcap_inject, pcap_sendpacket};
