//! `struct nmreq_option` and what it heads: the options of a request, a linked list.

use crate::abi::nmreq_pools_info;
use std::mem::{offset_of, size_of};

/// What every option begins with.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct nmreq_option {
    /// Address of the next option, or 0. Writer: caller.
    pub nro_next: u64,
    /// `NETMAP_REQ_OPT_*`. Writer: caller.
    pub nro_reqtype: u32,
    /// 0: heeded; else an errno. Writer: answer.
    pub nro_status: u32,
    /// Bytes of an option whose size varies; else 0. Writer: caller.
    pub nro_size: u64,
}
const _: () = assert!(size_of::<nmreq_option>() == 24);

/// The two event descriptors of one ring.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct nm_kloop_eventfds {
    /// Wakes the loop. Writer: caller.
    pub ioeventfd: i32,
    /// Wakes the program. Writer: caller.
    pub irqfd: i32,
}
const _: () = assert!(size_of::<nm_kloop_eventfds>() == 8);

/// `NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS`: how the loop and the program wake one another.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct nmreq_opt_sync_kloop_eventfds {
    /// The head of every option.
    pub nro_opt: nmreq_option,
    /// One for each transmit ring, then one for each receive ring.
    pub eventfds: [nm_kloop_eventfds; 0],
}
const _: () = assert!(size_of::<nmreq_opt_sync_kloop_eventfds>() == 24);
const _: () = assert!(offset_of!(nmreq_opt_sync_kloop_eventfds, eventfds) == 24);

/// `NETMAP_REQ_OPT_SYNC_KLOOP_MODE`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct nmreq_opt_sync_kloop_mode {
    /// The head of every option.
    pub nro_opt: nmreq_option,
    /// `NM_OPT_SYNC_KLOOP_DIRECT_*`. Writer: caller.
    pub mode: u32,
}
const _: () = assert!(size_of::<nmreq_opt_sync_kloop_mode>() == 32);

/// Sync transmit rings in the context of who notifies.
pub const NM_OPT_SYNC_KLOOP_DIRECT_TX: u32 = 1;
/// Sync receive rings in the context of who notifies.
pub const NM_OPT_SYNC_KLOOP_DIRECT_RX: u32 = 2;

/// `NETMAP_REQ_OPT_EXTMEM`: the region is memory of the caller's.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct nmreq_opt_extmem {
    /// The head of every option.
    pub nro_opt: nmreq_option,
    /// Address of the memory. Writer: caller.
    pub nro_usrptr: u64,
    /// How the memory is to be cut up. Writers: caller, answer.
    pub nro_info: nmreq_pools_info,
}
const _: () = assert!(size_of::<nmreq_opt_extmem>() == 96);

/// `NETMAP_REQ_OPT_CSB`: the rings are steered through blocks of the caller's.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct nmreq_opt_csb {
    /// The head of every option.
    pub nro_opt: nmreq_option,
    /// Address of the `nm_csb_atok`s, one a ring. Writer: caller.
    pub csb_atok: u64,
    /// Address of the `nm_csb_ktoa`s, one a ring. Writer: caller.
    pub csb_ktoa: u64,
}
const _: () = assert!(size_of::<nmreq_opt_csb>() == 40);

/// `NETMAP_REQ_OPT_OFFSETS`: frames may begin somewhere inside their buffers.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct nmreq_opt_offsets {
    /// The head of every option.
    pub nro_opt: nmreq_option,
    /// The largest offset, bytes. Writers: caller, what is needed; answer, what is given.
    pub nro_max_offset: u64,
    /// The offset that slots begin with, bytes. Writer: caller.
    pub nro_initial_offset: u64,
    /// How many low bits of `ptr` hold the offset. Writers: caller (0: all that are needed), answer.
    pub nro_offset_bits: u32,
    /// What a transmit buffer plus its offset is aligned to, bytes. Writers: caller, answer.
    pub nro_tx_align: u32,
    /// Bytes between a frame's end and the end of its buffer, at least. Writer: caller.
    pub nro_min_gap: u64,
}
const _: () = assert!(size_of::<nmreq_opt_offsets>() == 56);
