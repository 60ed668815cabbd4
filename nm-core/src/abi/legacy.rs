//! `struct nmreq`, the request of API 11 and before, and what its fields may hold.

use libc::c_char;
use std::mem::size_of;

/// What `NIOCGINFO` and `NIOCREGIF` are called with.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct nmreq {
    /// The interface or port, NUL-terminated. Writer: caller.
    pub nr_name: [c_char; 16],
    /// `NETMAP_API`. Writers: caller; answer, the version that was wanted.
    pub nr_version: u32,
    /// Bytes from the region's start to the port's `netmap_if`. Writer: answer.
    pub nr_offset: u32,
    /// Bytes of the region. Writer: answer.
    pub nr_memsize: u32,
    /// Slots of a transmit ring. Writers: caller (0: as it is), answer.
    pub nr_tx_slots: u32,
    /// Slots of a receive ring. Writers: caller (0: as it is), answer.
    pub nr_rx_slots: u32,
    /// Transmit rings. Writers: caller (0: as it is), answer.
    pub nr_tx_rings: u16,
    /// Receive rings. Writers: caller (0: as it is), answer.
    pub nr_rx_rings: u16,
    /// A ring under `NETMAP_RING_MASK`, and `NETMAP_HW_RING` and its like. Writer: caller.
    pub nr_ringid: u16,
    /// 0, or `NETMAP_BDG_ATTACH` and its like. Writer: caller.
    pub nr_cmd: u16,
    /// Rings for pipes, or the command's own. Writers: caller, answer.
    pub nr_arg1: u16,
    /// Which memory allocator, or the command's own. Writers: caller (0: any), answer.
    pub nr_arg2: u16,
    /// Buffers beside those in the rings, or the command's own. Writers: caller, answer.
    pub nr_arg3: u32,
    /// `NR_REG_*` under `NR_REG_MASK`, and `NR_MONITOR_TX` and its like. Writer: caller.
    pub nr_flags: u32,
    /// Zero. Writer: caller.
    pub spare2: [u32; 1],
}
const _: () = assert!(size_of::<nmreq>() == 60);

/// What `NIOCCONFIG` is called with: a message for a module that extends a switch.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nm_ifreq {
    /// The port, NUL-terminated. Writer: caller.
    pub nifr_name: [c_char; 16],
    /// The module's own. Writers: caller, answer.
    pub data: [c_char; NM_IFRDATA_LEN],
}
const _: () = assert!(size_of::<nm_ifreq>() == 272);

/// Bytes of `data` in `nm_ifreq`.
pub const NM_IFRDATA_LEN: usize = 256;

/// In `nr_ringid`: only the ring under `NETMAP_RING_MASK`.
pub const NETMAP_HW_RING: u16 = 0x4000;
/// In `nr_ringid`: only the host's rings.
pub const NETMAP_SW_RING: u16 = 0x2000;
/// In `nr_ringid`: a ring's number.
pub const NETMAP_RING_MASK: u16 = 0xfff;
/// In `nr_ringid`: poll sends only when asked for `POLLOUT`.
pub const NETMAP_NO_TX_POLL: u16 = 0x1000;
/// In `nr_ringid`: poll syncs receive rings even when not asked for `POLLIN`.
pub const NETMAP_DO_RX_POLL: u16 = 0x8000;

/// In `nr_cmd`: put an interface on a switch.
pub const NETMAP_BDG_ATTACH: u16 = 1;
/// In `nr_cmd`: take an interface off a switch.
pub const NETMAP_BDG_DETACH: u16 = 2;
/// In `nr_cmd`: register a module that extends a switch.
pub const NETMAP_BDG_REGOPS: u16 = 3;
/// In `nr_cmd`: list switches and ports.
pub const NETMAP_BDG_LIST: u16 = 4;
/// In `nr_cmd`: set the length of the virtio-net header.
pub const NETMAP_BDG_VNET_HDR: u16 = 5;
/// In `nr_cmd`: make a port that stays.
pub const NETMAP_BDG_NEWIF: u16 = 6;
/// In `nr_cmd`: remove such a port.
pub const NETMAP_BDG_DELIF: u16 = 7;
/// In `nr_cmd`: start the threads that serve a virtual machine.
pub const NETMAP_PT_HOST_CREATE: u16 = 8;
/// In `nr_cmd`: stop them.
pub const NETMAP_PT_HOST_DELETE: u16 = 9;
/// In `nr_cmd`: start the threads that poll a port.
pub const NETMAP_BDG_POLLING_ON: u16 = 10;
/// In `nr_cmd`: stop them.
pub const NETMAP_BDG_POLLING_OFF: u16 = 11;
/// In `nr_cmd`: get the length of the virtio-net header.
pub const NETMAP_VNET_HDR_GET: u16 = 12;
/// In `nr_arg1` of `NETMAP_BDG_ATTACH`: attach the host's rings too.
pub const NETMAP_BDG_HOST: u16 = 1;
/// In `nr_flags`: the `NR_REG_*` value.
pub const NR_REG_MASK: u32 = 0xf;
