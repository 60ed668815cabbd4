//! `struct nmreq_header` and the bodies it points to: what `NIOCCTRL` is called with.

use crate::abi::NETMAP_REQ_IFNAMSIZ;
use libc::c_char;
use std::mem::size_of;

/// What every request begins with.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nmreq_header {
    /// `NETMAP_API`. Writers: caller; answer, the version that was wanted.
    pub nr_version: u16,
    /// `NETMAP_REQ_*`: what is asked for. Writer: caller.
    pub nr_reqtype: u16,
    /// Zero. Writer: caller.
    pub nr_reserved: u32,
    /// The port, NUL-terminated. Writers: caller; answer of `NETMAP_REQ_VALE_LIST`.
    pub nr_name: [c_char; NETMAP_REQ_IFNAMSIZ],
    /// Address of the first `nmreq_option`, or 0. Writer: caller.
    pub nr_options: u64,
    /// Address of the body that `nr_reqtype` calls for, or 0. Writer: caller.
    pub nr_body: u64,
}
const _: () = assert!(size_of::<nmreq_header>() == 88);

/// Body of `NETMAP_REQ_REGISTER`: binds the descriptor to rings of a port.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct nmreq_register {
    /// Bytes from the region's start to the port's `netmap_if`. Writer: answer.
    pub nr_offset: u64,
    /// Bytes of the region. Writer: answer.
    pub nr_memsize: u64,
    /// Slots of a transmit ring. Writers: caller (0: as it is), answer.
    pub nr_tx_slots: u32,
    /// Slots of a receive ring. Writers: caller (0: as it is), answer.
    pub nr_rx_slots: u32,
    /// Transmit rings. Writers: caller (0: as it is), answer.
    pub nr_tx_rings: u16,
    /// Receive rings. Writers: caller (0: as it is), answer.
    pub nr_rx_rings: u16,
    /// Transmit rings of the host. Writers: caller (0: as it is), answer.
    pub nr_host_tx_rings: u16,
    /// Receive rings of the host. Writers: caller (0: as it is), answer.
    pub nr_host_rx_rings: u16,
    /// Which memory allocator. Writers: caller (0: any), answer.
    pub nr_mem_id: u16,
    /// Which ring, where `nr_mode` names one. Writer: caller.
    pub nr_ringid: u16,
    /// `NR_REG_*`: which rings. Writer: caller.
    pub nr_mode: u32,
    /// Buffers beside those in the rings. Writers: caller, how many are wanted; answer, how many there are.
    pub nr_extra_bufs: u32,
    /// `NR_MONITOR_TX` and those that follow it. Writer: caller.
    pub nr_flags: u64,
}
const _: () = assert!(size_of::<nmreq_register>() == 56);

/// Body of `NETMAP_REQ_PORT_INFO_GET`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct nmreq_port_info_get {
    /// Bytes of the region. Writer: answer.
    pub nr_memsize: u64,
    /// Slots of a transmit ring. Writer: answer.
    pub nr_tx_slots: u32,
    /// Slots of a receive ring. Writer: answer.
    pub nr_rx_slots: u32,
    /// Transmit rings. Writer: answer.
    pub nr_tx_rings: u16,
    /// Receive rings. Writer: answer.
    pub nr_rx_rings: u16,
    /// Transmit rings of the host. Writer: answer.
    pub nr_host_tx_rings: u16,
    /// Receive rings of the host. Writer: answer.
    pub nr_host_rx_rings: u16,
    /// Which memory allocator. Writers: caller (0: any), answer.
    pub nr_mem_id: u16,
    /// Zero. Writer: caller.
    pub pad: [u16; 3],
}
const _: () = assert!(size_of::<nmreq_port_info_get>() == 32);

/// Body of `NETMAP_REQ_VALE_ATTACH`: puts an interface on a switch.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct nmreq_vale_attach {
    /// How the interface is bound. Writers: caller, answer.
    pub reg: nmreq_register,
    /// The interface's place on the switch. Writer: answer.
    pub port_index: u32,
    /// Zero. Writer: caller.
    pub pad1: u32,
}
const _: () = assert!(size_of::<nmreq_vale_attach>() == 64);

/// Body of `NETMAP_REQ_VALE_DETACH`: takes an interface off a switch.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct nmreq_vale_detach {
    /// The interface's place on the switch until now. Writer: answer.
    pub port_index: u32,
    /// Zero. Writer: caller.
    pub pad1: u32,
}
const _: () = assert!(size_of::<nmreq_vale_detach>() == 8);

/// Body of `NETMAP_REQ_VALE_LIST`: one port of the list, then the place to go on from.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct nmreq_vale_list {
    /// Which switch. Writers: caller, answer.
    pub nr_bridge_idx: u16,
    /// Zero. Writer: caller.
    pub pad1: u16,
    /// Which port of it. Writers: caller, answer.
    pub nr_port_idx: u32,
}
const _: () = assert!(size_of::<nmreq_vale_list>() == 8);

/// Body of `NETMAP_REQ_PORT_HDR_SET` and `NETMAP_REQ_PORT_HDR_GET`: the virtio-net header before each frame.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct nmreq_port_hdr {
    /// Bytes of the header; 0: none. Writers: caller (set), answer (get).
    pub nr_hdr_len: u32,
    /// Zero. Writer: caller.
    pub pad1: u32,
}
const _: () = assert!(size_of::<nmreq_port_hdr>() == 8);

/// Body of `NETMAP_REQ_VALE_NEWIF`: makes a port that stays when nobody has it open.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct nmreq_vale_newif {
    /// Slots of a transmit ring. Writers: caller (0: the usual), answer.
    pub nr_tx_slots: u32,
    /// Slots of a receive ring. Writers: caller (0: the usual), answer.
    pub nr_rx_slots: u32,
    /// Transmit rings. Writers: caller (0: the usual), answer.
    pub nr_tx_rings: u16,
    /// Receive rings. Writers: caller (0: the usual), answer.
    pub nr_rx_rings: u16,
    /// Which memory allocator. Writers: caller (0: one of its own), answer.
    pub nr_mem_id: u16,
    /// Zero. Writer: caller.
    pub pad1: u16,
}
const _: () = assert!(size_of::<nmreq_vale_newif>() == 16);

/// Body of `NETMAP_REQ_VALE_POLLING_ENABLE` and `NETMAP_REQ_VALE_POLLING_DISABLE`: kernel threads that poll a port.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct nmreq_vale_polling {
    /// `NETMAP_POLLING_MODE_*`. Writer: caller.
    pub nr_mode: u32,
    /// The first processor that polls. Writer: caller.
    pub nr_first_cpu_id: u32,
    /// How many processors poll. Writer: caller.
    pub nr_num_polling_cpus: u32,
    /// Zero. Writer: caller.
    pub pad1: u32,
}
const _: () = assert!(size_of::<nmreq_vale_polling>() == 16);

/// Body of `NETMAP_REQ_POOLS_INFO_GET`: where a region's objects lie. Offsets are bytes from the region's start.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct nmreq_pools_info {
    /// Bytes of the region. Writers: answer; caller, where it gives the memory.
    pub nr_memsize: u64,
    /// Which memory allocator. Writers: caller, answer.
    pub nr_mem_id: u16,
    /// Zero. Writer: caller.
    pub pad1: [u16; 3],
    /// Where the `netmap_if`s begin. Writer: answer.
    pub nr_if_pool_offset: u64,
    /// How many of them. Writers: answer; caller, where it gives the memory.
    pub nr_if_pool_objtotal: u32,
    /// Bytes of one. Writers: answer; caller, where it gives the memory.
    pub nr_if_pool_objsize: u32,
    /// Where the rings begin. Writer: answer.
    pub nr_ring_pool_offset: u64,
    /// How many of them. Writers: answer; caller, where it gives the memory.
    pub nr_ring_pool_objtotal: u32,
    /// Bytes of one. Writers: answer; caller, where it gives the memory.
    pub nr_ring_pool_objsize: u32,
    /// Where the buffers begin. Writer: answer.
    pub nr_buf_pool_offset: u64,
    /// How many of them. Writers: answer; caller, where it gives the memory.
    pub nr_buf_pool_objtotal: u32,
    /// Bytes of one. Writers: answer; caller, where it gives the memory.
    pub nr_buf_pool_objsize: u32,
}
const _: () = assert!(size_of::<nmreq_pools_info>() == 64);
