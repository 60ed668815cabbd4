//! Numbers of no structure in particular: versions, kinds of requests, which rings, system calls.

use crate::abi::{nm_ifreq, nmreq, nmreq_header};
use std::mem::size_of;

/// The version of this layout.
pub const NETMAP_API: u32 = 14;
/// The oldest version that is understood.
pub const NETMAP_MIN_API: u32 = 14;
/// The newest version that is understood.
pub const NETMAP_MAX_API: u32 = 15;

/// What the name of a switch begins with.
pub const NM_BDG_NAME: &str = "vale";
/// Bytes of a port's name in a request, with its NUL.
pub const NETMAP_REQ_IFNAMSIZ: usize = 64;
/// The most bytes that a request and its options may have together.
pub const NETMAP_REQ_MAXSIZE: u32 = 4096;

/// In `nr_reqtype`: bind rings. Body: `nmreq_register`.
pub const NETMAP_REQ_REGISTER: u16 = 1;
/// In `nr_reqtype`: sizes of a port. Body: `nmreq_port_info_get`.
pub const NETMAP_REQ_PORT_INFO_GET: u16 = 2;
/// In `nr_reqtype`: put an interface on a switch. Body: `nmreq_vale_attach`.
pub const NETMAP_REQ_VALE_ATTACH: u16 = 3;
/// In `nr_reqtype`: take an interface off a switch. Body: `nmreq_vale_detach`.
pub const NETMAP_REQ_VALE_DETACH: u16 = 4;
/// In `nr_reqtype`: list switches and ports. Body: `nmreq_vale_list`.
pub const NETMAP_REQ_VALE_LIST: u16 = 5;
/// In `nr_reqtype`: set the length of the virtio-net header. Body: `nmreq_port_hdr`.
pub const NETMAP_REQ_PORT_HDR_SET: u16 = 6;
/// In `nr_reqtype`: get the length of the virtio-net header. Body: `nmreq_port_hdr`.
pub const NETMAP_REQ_PORT_HDR_GET: u16 = 7;
/// In `nr_reqtype`: make a port that stays. Body: `nmreq_vale_newif`.
pub const NETMAP_REQ_VALE_NEWIF: u16 = 8;
/// In `nr_reqtype`: remove such a port. No body.
pub const NETMAP_REQ_VALE_DELIF: u16 = 9;
/// In `nr_reqtype`: start kernel threads that poll a port. Body: `nmreq_vale_polling`.
pub const NETMAP_REQ_VALE_POLLING_ENABLE: u16 = 10;
/// In `nr_reqtype`: stop them. Body: `nmreq_vale_polling`.
pub const NETMAP_REQ_VALE_POLLING_DISABLE: u16 = 11;
/// In `nr_reqtype`: where a region's objects lie. Body: `nmreq_pools_info`.
pub const NETMAP_REQ_POOLS_INFO_GET: u16 = 12;
/// In `nr_reqtype`: enter the kernel's sync loop. Body: `nmreq_sync_kloop_start`.
pub const NETMAP_REQ_SYNC_KLOOP_START: u16 = 13;
/// In `nr_reqtype`: end it. No body.
pub const NETMAP_REQ_SYNC_KLOOP_STOP: u16 = 14;
/// In `nr_reqtype`: steer the rings through the caller's blocks. Needs the option `NETMAP_REQ_OPT_CSB`. No body.
pub const NETMAP_REQ_CSB_ENABLE: u16 = 15;

/// In `nro_reqtype`: `nmreq_opt_extmem`.
pub const NETMAP_REQ_OPT_EXTMEM: u32 = 1;
/// In `nro_reqtype`: `nmreq_opt_sync_kloop_eventfds`.
pub const NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS: u32 = 2;
/// In `nro_reqtype`: `nmreq_opt_csb`.
pub const NETMAP_REQ_OPT_CSB: u32 = 3;
/// In `nro_reqtype`: `nmreq_opt_sync_kloop_mode`.
pub const NETMAP_REQ_OPT_SYNC_KLOOP_MODE: u32 = 4;
/// In `nro_reqtype`: `nmreq_opt_offsets`.
pub const NETMAP_REQ_OPT_OFFSETS: u32 = 5;
/// One more than the last kind of option.
pub const NETMAP_REQ_OPT_MAX: u32 = 6;

/// In `nr_mode`: as `nr_ringid` says, for callers of long ago.
pub const NR_REG_DEFAULT: u32 = 0;
/// In `nr_mode`: all rings of the card.
pub const NR_REG_ALL_NIC: u32 = 1;
/// In `nr_mode`: all rings of the host.
pub const NR_REG_SW: u32 = 2;
/// In `nr_mode`: all rings of the card and of the host.
pub const NR_REG_NIC_SW: u32 = 3;
/// In `nr_mode`: the card's ring `nr_ringid`.
pub const NR_REG_ONE_NIC: u32 = 4;
/// In `nr_mode`: the master end of pipe `nr_ringid`.
pub const NR_REG_PIPE_MASTER: u32 = 5;
/// In `nr_mode`: the slave end of pipe `nr_ringid`.
pub const NR_REG_PIPE_SLAVE: u32 = 6;
/// In `nr_mode`: no ring.
pub const NR_REG_NULL: u32 = 7;
/// In `nr_mode`: the host's ring `nr_ringid`.
pub const NR_REG_ONE_SW: u32 = 8;

/// In `nr_flags`: see what the rings transmit.
pub const NR_MONITOR_TX: u64 = 0x100;
/// In `nr_flags`: see what the rings receive.
pub const NR_MONITOR_RX: u64 = 0x200;
/// In `nr_flags`: a monitor that swaps buffers where it may.
pub const NR_ZCOPY_MON: u64 = 0x400;
/// In `nr_flags`: nobody else may bind these rings.
pub const NR_EXCLUSIVE: u64 = 0x800;
/// In `nr_flags`: receive rings alone.
pub const NR_RX_RINGS_ONLY: u64 = 0x2000;
/// In `nr_flags`: transmit rings alone.
pub const NR_TX_RINGS_ONLY: u64 = 0x4000;
/// In `nr_flags`: the program knows of virtio-net headers.
pub const NR_ACCEPT_VNET_HDR: u64 = 0x8000;
/// In `nr_flags`: poll syncs receive rings even when not asked for `POLLIN`.
pub const NR_DO_RX_POLL: u64 = 0x10000;
/// In `nr_flags`: poll sends only when asked for `POLLOUT`.
pub const NR_NO_TX_POLL: u64 = 0x20000;

/// In `nr_mode` of `nmreq_vale_polling`: one processor polls all rings.
pub const NETMAP_POLLING_MODE_SINGLE_CPU: u32 = 1;
/// In `nr_mode` of `nmreq_vale_polling`: each processor polls one ring.
pub const NETMAP_POLLING_MODE_MULTI_CPU: u32 = 2;

/// The number of an ioctl of netmap's, as Linux composes it: direction, argument's bytes, the letter `i`, command.
const fn ioctl_number(direction: usize, bytes: usize, command: usize) -> u32 {
    (direction << 30 | bytes << 16 | (b'i' as usize) << 8 | command) as u32
}
const NO_ARGUMENT: usize = 0;
const READ_AND_WRITE: usize = 3;

/// Sizes of a port: takes an `nmreq`.
pub const NIOCGINFO: u32 = ioctl_number(READ_AND_WRITE, size_of::<nmreq>(), 145);
/// Bind rings: takes an `nmreq`.
pub const NIOCREGIF: u32 = ioctl_number(READ_AND_WRITE, size_of::<nmreq>(), 146);
/// Send what the transmit rings hold: takes nothing.
pub const NIOCTXSYNC: u32 = ioctl_number(NO_ARGUMENT, 0, 148);
/// Give back and get receive slots: takes nothing.
pub const NIOCRXSYNC: u32 = ioctl_number(NO_ARGUMENT, 0, 149);
/// A message for a module that extends a switch: takes an `nm_ifreq`.
pub const NIOCCONFIG: u32 = ioctl_number(READ_AND_WRITE, size_of::<nm_ifreq>(), 150);
/// All requests of today: takes an `nmreq_header`.
pub const NIOCCTRL: u32 = ioctl_number(READ_AND_WRITE, size_of::<nmreq_header>(), 151);
