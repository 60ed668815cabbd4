//! Requests: what a name asks for, as the bytes that the module reads, and what it answers.
//!
//! | name | `nr_name` | `nr_mode` | `nr_ringid` |
//! |---|---|---|---|
//! | `netmap:eth0`, `netmap:vale0:a` | `eth0`, `vale0:a` | `NR_REG_ALL_NIC` | |
//! | `netmap:eth0-2` | `eth0` | `NR_REG_ONE_NIC` | 2 |
//! | `netmap:eth0^` | `eth0` | `NR_REG_SW` | |
//! | `netmap:eth0^1` | `eth0` | `NR_REG_ONE_SW` | 1 |
//! | `netmap:eth0*` | `eth0` | `NR_REG_NIC_SW` | |
//! | `netmap:x{1`, `netmap:x}1` | the same as typed, `x{1` | `NR_REG_ALL_NIC` | |
//!
//! `nr_extra_bufs` is what [`Options::extra_bufs`](super::Options) says; the answer has how many there were. No form of a name asks for some:
//! `nm_open` takes their number in its `nr_arg3`, libnetmap's callers write it into the request.
//!
//! `@N`, behind any of them, is `nr_mem_id`. `/FLAGS` are bits of `nr_flags` already. `NR_NO_TX_POLL` is always there: a reader's poll leaves the transmit rings to who
//! sends.

use super::Device;
use super::refusal;
use crate::sys::netmap::{Bytes, HEADER};
use nm_core::PortError;
use nm_core::abi::{self, nmreq_header, nmreq_port_info_get, nmreq_register};
use nm_core::name::{NetmapName, NetmapRings};
use std::io;
use std::mem::offset_of;
use std::num::NonZeroU16;

/// What registering gave.
pub struct Registered {
    /// Bytes of the memory to map.
    pub memory: u64,
    /// The module's number of that memory: ports of the same number lie in the same memory.
    pub memory_id: Option<NonZeroU16>,
    /// Where in it the port's `netmap_if` is.
    pub offset: u64,
    /// Buffers without a slot that it gave.
    pub extra_bufs: u32,
}

/// What the module tells about a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortFacts {
    /// Bytes of its memory.
    pub memory: u64,
    /// Transmit rings, and slots of each.
    pub tx: (u16, u32),
    /// Receive rings, and slots of each.
    pub rx: (u16, u32),
    /// The host's rings: transmit, receive.
    pub host: (u16, u16),
}

/// A struct of the module's as bytes. Fields are at the offsets of its mirror.
struct Struct<'a>(&'a mut [u8]);

impl Struct<'_> {
    fn put<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        self.0[at..at + N].copy_from_slice(&value);
    }
    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut value = [0; N];
        value.copy_from_slice(&self.0[at..at + N]);
        value
    }
}

/// Sends a request about `name`.
fn send<D: Device>(device: &D, name: &NetmapName, kind: u16, body: &mut [u8]) -> Result<(), PortError> {
    let mut header = Bytes([0u8; HEADER]);
    let mut fields = Struct(&mut header.0);
    fields.put(offset_of!(nmreq_header, nr_version), (abi::NETMAP_API as u16).to_ne_bytes());
    fields.put(offset_of!(nmreq_header, nr_reqtype), kind.to_ne_bytes());
    let text = module_name(name);
    if text.len() >= abi::NETMAP_REQ_IFNAMSIZ {
        return Err(PortError::NoDevice { port: name.to_string() });
    }
    let at = offset_of!(nmreq_header, nr_name);
    fields.0[at..at + text.len()].copy_from_slice(text.as_bytes());
    device.control(&mut header, body).map_err(|source| {
        // A module of another age says so by putting its own version there.
        let version = u16::from_ne_bytes(Struct(&mut header.0).get(offset_of!(nmreq_header, nr_version)));
        if source.raw_os_error() == Some(libc::EINVAL) && u32::from(version) != abi::NETMAP_API {
            let what = format!("{name}: the netmap module has API {version}, and this library {}", abi::NETMAP_API);
            return PortError::Io { what, source };
        }
        refusal(name, source)
    })
}

fn module_name(name: &NetmapName) -> String {
    match name.rings {
        NetmapRings::PipeMaster(pipe) => format!("{}{{{pipe}", name.ifname),
        NetmapRings::PipeSlave(pipe) => format!("{}}}{pipe}", name.ifname),
        _ => name.ifname.clone(),
    }
}

/// `NETMAP_REQ_REGISTER`: binds the device to the rings of `name`, and asks for so many buffers beside theirs.
pub fn register<D: Device>(device: &D, name: &NetmapName, extra_bufs: u32) -> Result<Registered, PortError> {
    let (mode, ring) = match name.rings {
        NetmapRings::All | NetmapRings::PipeMaster(_) | NetmapRings::PipeSlave(_) => (abi::NR_REG_ALL_NIC, 0),
        NetmapRings::Host => (abi::NR_REG_SW, 0),
        NetmapRings::OneHost(ring) => (abi::NR_REG_ONE_SW, ring),
        NetmapRings::AllAndHost => (abi::NR_REG_NIC_SW, 0),
        NetmapRings::One(ring) => (abi::NR_REG_ONE_NIC, ring),
    };
    let mut body = Bytes([0u8; size_of::<nmreq_register>()]);
    let mut fields = Struct(&mut body.0);
    fields.put(offset_of!(nmreq_register, nr_mode), mode.to_ne_bytes());
    fields.put(offset_of!(nmreq_register, nr_ringid), ring.to_ne_bytes());
    fields.put(offset_of!(nmreq_register, nr_mem_id), name.memory.to_ne_bytes());
    fields.put(offset_of!(nmreq_register, nr_extra_bufs), extra_bufs.to_ne_bytes());
    fields.put(offset_of!(nmreq_register, nr_flags), (name.flags | abi::NR_NO_TX_POLL).to_ne_bytes());
    send(device, name, abi::NETMAP_REQ_REGISTER, &mut body.0)?;
    let fields = Struct(&mut body.0);
    let answer = Registered {
        memory: u64::from_ne_bytes(fields.get(offset_of!(nmreq_register, nr_memsize))),
        memory_id: NonZeroU16::new(u16::from_ne_bytes(fields.get(offset_of!(nmreq_register, nr_mem_id)))),
        offset: u64::from_ne_bytes(fields.get(offset_of!(nmreq_register, nr_offset))),
        // Of a module that answers more than it was asked for, what was asked for.
        extra_bufs: u32::from_ne_bytes(fields.get(offset_of!(nmreq_register, nr_extra_bufs))).min(extra_bufs),
    };
    if answer.offset >= answer.memory {
        let what = format!("{name}: the netmap module's answer makes no sense");
        return Err(PortError::Io { what, source: io::ErrorKind::InvalidData.into() });
    }
    Ok(answer)
}

/// `NETMAP_REQ_PORT_INFO_GET`.
pub fn port_info<D: Device>(device: &D, name: &NetmapName) -> Result<PortFacts, PortError> {
    let mut body = Bytes([0u8; size_of::<nmreq_port_info_get>()]);
    Struct(&mut body.0).put(offset_of!(nmreq_port_info_get, nr_mem_id), name.memory.to_ne_bytes());
    send(device, name, abi::NETMAP_REQ_PORT_INFO_GET, &mut body.0)?;
    let fields = Struct(&mut body.0);
    let short = |at| u16::from_ne_bytes(fields.get(at));
    let long = |at| u32::from_ne_bytes(fields.get(at));
    Ok(PortFacts {
        memory: u64::from_ne_bytes(fields.get(offset_of!(nmreq_port_info_get, nr_memsize))),
        tx: (short(offset_of!(nmreq_port_info_get, nr_tx_rings)), long(offset_of!(nmreq_port_info_get, nr_tx_slots))),
        rx: (short(offset_of!(nmreq_port_info_get, nr_rx_rings)), long(offset_of!(nmreq_port_info_get, nr_rx_slots))),
        host: (
            short(offset_of!(nmreq_port_info_get, nr_host_tx_rings)),
            short(offset_of!(nmreq_port_info_get, nr_host_rx_rings)),
        ),
    })
}
