//! The kernel's own sync loop and the blocks that steer it: for who cannot make system calls (virtual machines).

use std::mem::size_of;

/// Body of `NETMAP_REQ_SYNC_KLOOP_START`: the call stays in the kernel and syncs the rings until it is stopped.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct nmreq_sync_kloop_start {
    /// Microseconds to sleep between rounds, where no event descriptors are given. Writer: caller.
    pub sleep_us: u32,
    /// Zero. Writer: caller.
    pub pad1: u32,
}
const _: () = assert!(size_of::<nmreq_sync_kloop_start>() == 8);

/// Of each ring, what the program tells the loop.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct nm_csb_atok {
    /// The ring's `head`. Writer: program.
    pub head: u32,
    /// The ring's `cur`. Writer: program.
    pub cur: u32,
    /// Not 0: the program wants to be notified. Writer: program.
    pub appl_need_kick: u32,
    /// Flags for the sync. Writer: program.
    pub sync_flags: u32,
    /// Nothing.
    pub pad: [u32; 12],
}
const _: () = assert!(size_of::<nm_csb_atok>() == 64);

/// Of each ring, what the loop tells the program.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct nm_csb_ktoa {
    /// How far the peer has taken the program's slots. Writer: peer.
    pub hwcur: u32,
    /// The ring's `tail`. Writer: peer.
    pub hwtail: u32,
    /// Not 0: the loop wants to be notified. Writer: peer.
    pub kern_need_kick: u32,
    /// Nothing.
    pub pad: [u32; 13],
}
const _: () = assert!(size_of::<nm_csb_ktoa>() == 64);
