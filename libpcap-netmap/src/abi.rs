//! C's types and numbers, as `pcap/pcap.h` and `pcap/bpf.h` declare them.
#![allow(non_camel_case_types, reason = "C's names for C's things")]

use libc::{c_char, c_int, c_uchar, c_uint, c_ushort, sockaddr, timeval};

/// Bytes of an error buffer.
pub const PCAP_ERRBUF_SIZE: usize = 256;

/// Generic error.
pub const PCAP_ERROR: c_int = -1;
/// The loop was ended by `pcap_breakloop`.
pub const PCAP_ERROR_BREAK: c_int = -2;
/// The handle needs to be activated first.
pub const PCAP_ERROR_NOT_ACTIVATED: c_int = -3;
/// The operation can't be done on an activated handle.
pub const PCAP_ERROR_ACTIVATED: c_int = -4;
/// No such device.
pub const PCAP_ERROR_NO_SUCH_DEVICE: c_int = -5;
/// The device has no monitor mode.
pub const PCAP_ERROR_RFMON_NOTSUP: c_int = -6;
/// Only in monitor mode.
pub const PCAP_ERROR_NOT_RFMON: c_int = -7;
/// No permission to open the device.
pub const PCAP_ERROR_PERM_DENIED: c_int = -8;
/// The interface is not up.
pub const PCAP_ERROR_IFACE_NOT_UP: c_int = -9;
/// The device has no choice of time stamp type.
pub const PCAP_ERROR_CANTSET_TSTAMP_TYPE: c_int = -10;
/// No permission for promiscuous mode.
pub const PCAP_ERROR_PROMISC_PERM_DENIED: c_int = -11;
/// The time stamp precision is not supported.
pub const PCAP_ERROR_TSTAMP_PRECISION_NOTSUP: c_int = -12;
/// Generic warning.
pub const PCAP_WARNING: c_int = 1;
/// The device has no promiscuous mode.
pub const PCAP_WARNING_PROMISC_NOTSUP: c_int = 2;
/// The time stamp type is not supported.
pub const PCAP_WARNING_TSTAMP_TYPE_NOTSUP: c_int = 3;

/// Time stamps by the host, of unknown characteristics.
pub const PCAP_TSTAMP_HOST: c_int = 0;
/// Time stamps by the card, put on the host's clock.
pub const PCAP_TSTAMP_ADAPTER: c_int = 3;
/// Time stamps by the card's own clock.
pub const PCAP_TSTAMP_ADAPTER_UNSYNCED: c_int = 4;
/// Time stamps in microseconds.
pub const PCAP_TSTAMP_PRECISION_MICRO: c_int = 0;
/// Time stamps in nanoseconds.
pub const PCAP_TSTAMP_PRECISION_NANO: c_int = 1;

/// Frames that come in and go out.
pub const PCAP_D_INOUT: c_int = 0;
/// Frames that come in.
pub const PCAP_D_IN: c_int = 1;
/// Frames that go out.
pub const PCAP_D_OUT: c_int = 2;

/// The interface is up.
pub const PCAP_IF_UP: c_uint = 0x2;
/// The interface is running.
pub const PCAP_IF_RUNNING: c_uint = 0x4;
/// Being connected or not means nothing for the interface.
pub const PCAP_IF_CONNECTION_STATUS_NOT_APPLICABLE: c_uint = 0x30;

/// Ethernet.
pub const DLT_EN10MB: c_int = 1;
/// The largest snap length.
pub const MAXIMUM_SNAPLEN: c_int = 262_144;

/// What stands before a frame.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct pcap_pkthdr {
    /// When the frame was sent; `tv_usec` holds nanoseconds on a handle of that precision.
    pub ts: timeval,
    /// Bytes of the frame that are there.
    pub caplen: c_uint,
    /// Bytes of the frame on the wire.
    pub len: c_uint,
}

/// What is called for each frame: user's argument, header, bytes.
pub type pcap_handler = unsafe extern "C-unwind" fn(*mut c_uchar, *const pcap_pkthdr, *const c_uchar);

/// Counters of a handle.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct pcap_stat {
    /// Frames received that passed the filter, dropped ones included.
    pub ps_recv: c_uint,
    /// Frames dropped for want of room.
    pub ps_drop: c_uint,
    /// Frames dropped by the interface.
    pub ps_ifdrop: c_uint,
}

/// One instruction of a filter program.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct bpf_insn {
    /// Operation.
    pub code: c_ushort,
    /// Instructions to skip when true.
    pub jt: c_uchar,
    /// Instructions to skip when false.
    pub jf: c_uchar,
    /// Operand.
    pub k: c_uint,
}

/// A filter program.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bpf_program {
    /// Instructions.
    pub bf_len: c_uint,
    /// The first of them, from C's `malloc`.
    pub bf_insns: *mut bpf_insn,
}

/// A device of `pcap_findalldevs`; every pointer is from C's `malloc`.
#[repr(C)]
#[derive(Debug)]
pub struct pcap_if {
    /// The next device, or NULL.
    pub next: *mut pcap_if,
    /// What to open.
    pub name: *mut c_char,
    /// For people, or NULL.
    pub description: *mut c_char,
    /// The first address, or NULL.
    pub addresses: *mut pcap_addr,
    /// `PCAP_IF_*`.
    pub flags: c_uint,
}

/// An address of a device.
#[repr(C)]
#[derive(Debug)]
pub struct pcap_addr {
    /// The next address, or NULL.
    pub next: *mut pcap_addr,
    /// The address.
    pub addr: *mut sockaddr,
    /// Its netmask, or NULL.
    pub netmask: *mut sockaddr,
    /// Its broadcast address, or NULL.
    pub broadaddr: *mut sockaddr,
    /// The other end of a point-to-point link, or NULL.
    pub dstaddr: *mut sockaddr,
}

/// What writes a savefile: a C stream, and nobody looks into it here.
#[repr(C)]
pub struct pcap_dumper_t {
    _opaque: [u8; 0],
}

/// A row of `eproto_db`.
#[repr(C)]
pub struct eproto {
    /// The protocol's name; NULL ends the table.
    pub s: *const c_char,
    /// Its Ethernet type.
    pub p: c_ushort,
}

/// An entry of a file like ethers(5).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct pcap_etherent {
    /// The address.
    pub addr: [c_uchar; 6],
    /// The host's name, NUL-terminated, cut where it is longer.
    pub name: [c_char; 122],
}

// SAFETY: the pointer is to a constant string that nobody writes.
unsafe impl Sync for eproto {}

const _: () = assert!(size_of::<bpf_insn>() == 8 && size_of::<pcap_etherent>() == 128);
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<pcap_pkthdr>() == 24 && size_of::<pcap_if>() == 40 && size_of::<eproto>() == 16);
