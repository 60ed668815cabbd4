//! Filters: the language of pcap-filter(7), compiled to classic BPF (cBPF), and the engines that run it.
//!
//! ```text
//! text --parse--> actions --meaning--> conditions (ir) --code--> program --engine--> verdict
//! ```
//!
//! - [`parse`] reads the text and gives the grammar's reductions in their order, as [`Action`]s.
//! - [`meaning`] carries them out for a link type: what an expression means in bytes of a packet.
//! - [`code`] turns those conditions into a decision graph and that into a [`Program`].
//! - [`engine`] checks, runs, translates and prints programs.
//!
//! Names of hosts, services and protocols are asked of a [`Resolve`]; nothing here does input or output.

#[cfg(test)]
extern crate self as filter; // the tests' programs are shared with tests/

pub mod action;
pub mod code;
pub mod engine;
mod error;
mod hash;
pub mod insn;
pub mod ir;
pub mod ir_eval;
pub mod linktypes;
pub mod meaning;
pub mod parse;
mod resolve;

pub use action::Action;
pub use error::Error;
pub use insn::{Insn, Program};
pub use resolve::{PortProtocol, Resolve};

/// What a filter is compiled for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The link type, a `DLT_` value of the handle (not a file's `LINKTYPE_`), with the bits of its extension removed.
    pub linktype: i32,
    /// What an accepting program returns: bytes to keep.
    pub snaplen: u32,
    /// Whether the passes over the decision graph run.
    pub optimize: bool,
    /// The network's mask in host order, or [`NETMASK_UNKNOWN`]; only `ip broadcast` asks for it.
    pub netmask: u32,
    /// What the source of the packets can tell beside their bytes.
    pub source: PacketSource,
}

/// `PCAP_NETMASK_UNKNOWN`.
pub const NETMASK_UNKNOWN: u32 = 0xffff_ffff;

/// Where the packets come from, as far as the code depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PacketSource {
    /// A handle without a device (pcap_open_dead), or any other of which nothing is known.
    #[default]
    Dead,
    /// A capture file: no packet's direction or interface is known but by its link-layer header.
    Savefile {
        /// It was written on a machine of the other byte order, and so are the address families of `DLT_NULL` and `DLT_ENC`.
        swapped: bool,
    },
    /// A capture on Linux; the kernel's ancillary loads (`SKF_AD_…`) that may be used.
    Live {
        /// `BPF_SPECIAL_VLAN_HANDLING`: a tag may lie beside the packet instead of in it.
        vlan: bool,
        /// Packet type and interface index can be loaded.
        basic: bool,
    },
}

/// Compiles `text`; an empty one accepts every packet.
///
/// # Errors
/// In libpcap's words: what is wrong with the expression, for this link type.
pub fn compile(text: &[u8], options: &Options, resolver: &dyn Resolve) -> Result<Program, Error> {
    let actions = parse::parse(text);
    let (ir, root) = meaning::generate(actions, options, resolver)?;
    code::program(&ir, root, options)
}
