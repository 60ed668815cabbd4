//! `struct netmap_if`, where the rings of an open port lie.

use libc::{c_char, ssize_t};
use std::mem::{offset_of, size_of};

/// The head of a region: how many rings, and where each one lies.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct netmap_if {
    /// The interface or port, NUL-terminated. Writer: maker.
    pub ni_name: [c_char; 16],
    /// `NETMAP_API` of the maker. Writer: maker.
    pub ni_version: u32,
    /// `NI_PRIV_MEM`. Writer: maker.
    pub ni_flags: u32,
    /// Transmit rings, without those of the host. Writer: maker.
    pub ni_tx_rings: u32,
    /// Receive rings, without those of the host. Writer: maker.
    pub ni_rx_rings: u32,
    /// The first of the extra buffers, a list linked by each buffer's first 4 bytes; 0 ends it. Writers: maker;
    /// program, before it closes.
    pub ni_bufs_head: u32,
    /// Transmit rings of the host. Writer: maker.
    pub ni_host_tx_rings: u32,
    /// Receive rings of the host. Writer: maker.
    pub ni_host_rx_rings: u32,
    /// Zero. Writer: maker.
    pub ni_spare1: [u32; 3],
    /// Bytes from this structure's first byte to each ring: transmit, host transmit, receive, host receive.
    /// Writer: maker.
    pub ring_ofs: [ssize_t; 0],
}
const _: () = assert!(size_of::<netmap_if>() == 56 && offset_of!(netmap_if, ring_ofs) == 56);

/// In `ni_flags`: the region is this port's alone.
pub const NI_PRIV_MEM: u32 = 0x1;
