//! The seam between parser and generator: the grammar's reductions, in the order in which a bottom-up parser makes them.
//!
//! The generator carries them out on two stacks, one of conditions and one of arithmetic values. So an error of meaning (an unknown
//! host) that stands left of an error of grammar is reported first, as in libpcap, and neither side recurses.

/// A protocol or header that a word of the language names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the words of pcap-filter(7)")]
pub enum Proto {
    Link,
    Ip,
    Arp,
    Rarp,
    Sctp,
    Tcp,
    Udp,
    Icmp,
    Igmp,
    Igrp,
    Pim,
    Vrrp,
    Carp,
    Atalk,
    Aarp,
    Decnet,
    Lat,
    Sca,
    Moprc,
    Mopdl,
    Ip6,
    Icmp6,
    Ah,
    Esp,
    Iso,
    Esis,
    Isis,
    IsisL1,
    IsisL2,
    IsisIih,
    IsisLsp,
    IsisSnp,
    IsisCsnp,
    IsisPsnp,
    Clnp,
    Stp,
    Ipx,
    Netbeui,
    Radio,
}

/// Which address of a packet is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the words of pcap-filter(7)")]
pub enum Dir {
    Default,
    Src,
    Dst,
    /// `src or dst`.
    Or,
    /// `src and dst`.
    And,
    Addr1,
    Addr2,
    Addr3,
    Addr4,
    Ra,
    Ta,
}

/// What kind of thing a name or number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the words of pcap-filter(7)")]
pub enum Kind {
    Default,
    Host,
    Net,
    Port,
    PortRange,
    Gateway,
    Proto,
    ProtoChain,
}

/// The qualifiers in front of an identifier, its own or those of the identifier before (`host a or b`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Qual {
    /// None can apply: the identifier follows something that has none (libpcap's `Q_UNDEF`), as in `tcp or 80`.
    Undefined,
    /// These; `proto` is `None` where no protocol was named.
    Of {
        /// The protocol.
        proto: Option<Proto>,
        /// The direction.
        dir: Dir,
        /// The kind.
        kind: Kind,
    },
}

/// Arithmetic operators.
pub use crate::ir::Alu;

/// Comparisons, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the operators of pcap-filter(7)")]
pub enum Rel {
    Gt,
    Ge,
    Eq,
    Le,
    Lt,
    Ne,
}

/// The words for ATM traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the words of pcap-filter(7)")]
pub enum Atm {
    Lane,
    Metac,
    Bcc,
    Oamf4ec,
    Oamf4sc,
    Sc,
    Ilmic,
    Oam,
    Oamf4,
    Connectmsg,
    Metaconnect,
}

/// The fields of an ATM cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the words of pcap-filter(7)")]
pub enum AtmField {
    Vpi,
    Vci,
}

/// The words for SS7 signal units; `H…`: high-speed links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the words of pcap-filter(7)")]
pub enum Mtp2 {
    Fisu,
    Lssu,
    Msu,
    Hfisu,
    Hlssu,
    Hmsu,
}

/// The fields of an MTP3 label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the words of pcap-filter(7)")]
pub enum Mtp3 {
    Sio,
    Opc,
    Dpc,
    Sls,
    Hsio,
    Hopc,
    Hdpc,
    Hsls,
}

/// What `llc` is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Llc {
    /// Any frame with an LLC header.
    Any,
    /// Information frames.
    I,
    /// Supervisory frames.
    S,
    /// Unnumbered frames.
    U,
    /// Supervisory frames of this subtype (the value of `LLC_RR`, …).
    SType(u8),
    /// Unnumbered frames of this subtype (`LLC_UI`, …).
    UType(u8),
}

/// One reduction. What it takes from the stacks and leaves there is said beside it; *c* conditions, *a* arithmetic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// → c. A name (libpcap's `gen_scode`).
    Name(String, Qual),
    /// → c. A bare number (`gen_ncode` without text).
    Number(u32, Qual),
    /// → c. A dotted number, 1 to 4 parts, as written (`gen_ncode` with text).
    Dotted(String, Qual),
    /// → c. `1.2.3/24` (`gen_mcode`).
    Net(String, u32, Qual),
    /// → c. `1.2.3.0 mask 255.255.255.0` (`gen_mcode` with a mask).
    NetMask(String, String, Qual),
    /// → c. An IPv6 address with a prefix's length, 128 when none was written (`gen_mcode6`).
    Net6(String, u32, Qual),
    /// → c. An Ethernet address as written (`gen_ecode`).
    Ether(String, Qual),
    /// → c. An ARCnet address as written, with its `$` (`gen_acode`).
    Arcnet(String, Qual),
    /// c c → c.
    And,
    /// c c → c.
    Or,
    /// c → c.
    Not,
    /// → c. A protocol alone: `tcp` (`gen_proto_abbrev`).
    Abbrev(Proto),
    /// a a → c. A comparison.
    Relation(Rel),
    /// → a. A constant.
    Const(u32),
    /// a → a. Bytes of a packet: `tcp[…:size]`; the index is taken from the stack, sizes other than 1, 2, 4 are errors.
    Load(Proto, u32),
    /// → a. The packet's length.
    Len,
    /// a a → a.
    Alu(Alu),
    /// a → a.
    Neg,
    /// → c. `broadcast`, with its protocol.
    Broadcast(Option<Proto>),
    /// → c. `multicast`, with its protocol.
    Multicast(Option<Proto>),
    /// → c. `less n`.
    Less(u32),
    /// → c. `greater n`.
    Greater(u32),
    /// → c. `byte index op value`, with the operator's character.
    Byte(u32, u8, u32),
    /// → c.
    Inbound,
    /// → c.
    Outbound,
    /// → c.
    IfIndex(u32),
    /// → c; changes the offsets of what follows. With its number, if any.
    Vlan(Option<u32>),
    /// → c; changes the offsets of what follows.
    Mpls(Option<u32>),
    /// → c.
    PppoeD,
    /// → c; changes the offsets of what follows.
    PppoeS(Option<u32>),
    /// → c; changes the offsets of what follows.
    Geneve(Option<u32>),
    /// → c; changes the offsets of what follows.
    Vxlan(Option<u32>),
    /// → c.
    PfIfname(String),
    /// → c.
    PfRuleset(String),
    /// → c.
    PfRnr(u32),
    /// → c.
    PfSrnr(u32),
    /// → c. The reason's number.
    PfReason(u32),
    /// → c. The action's number.
    PfAction(u32),
    /// → c. Bits of the 802.11 frame control's first byte, and their mask.
    Wlan(u32, u32),
    /// → c. The direction's bits in its second byte.
    WlanDir(u32),
    /// → c.
    Llc(Llc),
    /// → c.
    Atm(Atm),
    /// → c. `vpi`, `vci` against a number.
    AtmField(AtmField, Rel, u32),
    /// → c.
    Mtp2(Mtp2),
    /// → c. `sio`, `opc`, … against a number.
    Mtp3(Mtp3, Rel, u32),
    /// The text goes wrong here, with this message; nothing follows.
    Fail(String),
}
