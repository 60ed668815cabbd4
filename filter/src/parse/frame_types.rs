//! Names of frame types and of pf's reasons and actions. Case does not count.

use crate::action::Llc;

/// Bits of the 802.11 type in the frame control's first byte.
pub(super) const TYPE_MASK: u32 = 0x0c;
/// Bits of the subtype.
pub(super) const SUBTYPE_MASK: u32 = 0xf0;

const MANAGEMENT: u32 = 0x00;
const CONTROL: u32 = 0x04;
const DATA: u32 = 0x08;

type Names = &'static [(&'static str, u32)];

static TYPES: Names =
    &[("data", DATA), ("mgt", MANAGEMENT), ("management", MANAGEMENT), ("ctl", CONTROL), ("control", CONTROL)];

/// In the order in which a subtype without a type is looked for.
static SUBTYPES: &[(u32, Names)] =
    &[(MANAGEMENT, MANAGEMENT_SUBTYPES), (CONTROL, CONTROL_SUBTYPES), (DATA, DATA_SUBTYPES)];

static MANAGEMENT_SUBTYPES: Names = &[
    ("assocreq", 0x00),
    ("assoc-req", 0x00),
    ("assocresp", 0x10),
    ("assoc-resp", 0x10),
    ("reassocreq", 0x20),
    ("reassoc-req", 0x20),
    ("reassocresp", 0x30),
    ("reassoc-resp", 0x30),
    ("probereq", 0x40),
    ("probe-req", 0x40),
    ("proberesp", 0x50),
    ("probe-resp", 0x50),
    ("beacon", 0x80),
    ("atim", 0x90),
    ("disassoc", 0xa0),
    ("disassociation", 0xa0),
    ("auth", 0xb0),
    ("authentication", 0xb0),
    ("deauth", 0xc0),
    ("deauthentication", 0xc0),
];

static CONTROL_SUBTYPES: Names = &[
    ("bar", 0x80),
    ("ba", 0x90),
    ("ps-poll", 0xa0),
    ("rts", 0xb0),
    ("cts", 0xc0),
    ("ack", 0xd0),
    ("cf-end", 0xe0),
    ("cf-end-ack", 0xf0),
];

static DATA_SUBTYPES: Names = &[
    ("data", 0x00),
    ("data-cf-ack", 0x10),
    ("data-cf-poll", 0x20),
    ("data-cf-ack-poll", 0x30),
    ("null", 0x40),
    ("cf-ack", 0x50),
    ("cf-poll", 0x60),
    ("cf-ack-poll", 0x70),
    ("qos-data", 0x80),
    ("qos-data-cf-ack", 0x90),
    ("qos-data-cf-poll", 0xa0),
    ("qos-data-cf-ack-poll", 0xb0),
    ("qos", 0xc0),
    ("qos-cf-poll", 0xe0),
    ("qos-cf-ack-poll", 0xf0),
];

/// Bits of the direction in the frame control's second byte.
static DIRECTIONS: Names = &[("nods", 0), ("tods", 1), ("fromds", 2), ("dstods", 3)];

static REASONS: Names = &[
    ("match", 0),
    ("bad-offset", 1),
    ("fragment", 2),
    ("short", 3),
    ("normalize", 4),
    ("memory", 5),
    ("bad-timestamp", 6),
    ("congestion", 7),
    ("ip-option", 8),
    ("proto-cksum", 9),
    ("state-mismatch", 10),
    ("state-insert", 11),
    ("state-limit", 12),
    ("src-limit", 13),
    ("synproxy", 14),
];

static ACTIONS: Names = &[
    ("pass", 0),
    ("accept", 0),
    ("drop", 1),
    ("block", 1),
    ("scrub", 2),
    ("noscrub", 3),
    ("nat", 4),
    ("nonat", 5),
    ("binat", 6),
    ("nobinat", 7),
    ("rdr", 8),
    ("nordr", 9),
    ("synproxy-drop", 10),
];

/// The control field's first byte; `rnr` is a word of its own in the language and comes here only escaped.
static LLC_TYPES: &[(&str, Llc)] = &[
    ("i", Llc::I),
    ("s", Llc::S),
    ("u", Llc::U),
    ("rr", Llc::SType(0x01)),
    ("rnr", RNR),
    ("rej", Llc::SType(0x09)),
    ("ui", Llc::UType(0x03)),
    ("ua", Llc::UType(0x63)),
    ("disc", Llc::UType(0x43)),
    ("dm", Llc::UType(0x0f)),
    ("sabme", Llc::UType(0x6f)),
    ("test", Llc::UType(0xe3)),
    ("xid", Llc::UType(0xaf)),
    ("frmr", Llc::UType(0x87)),
];

/// Receiver not ready.
pub(super) const RNR: Llc = Llc::SType(0x05);

fn find<T: Copy>(names: &[(&str, T)], name: &str) -> Option<T> {
    names.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|&(_, value)| value)
}

/// An 802.11 type's bits.
pub(super) fn wlan_type(name: &str) -> Option<u32> {
    find(TYPES, name)
}

/// The names of a type's subtypes.
pub(super) fn subtypes_of(kind: u32) -> Option<Names> {
    SUBTYPES.iter().find(|(known, _)| *known == kind).map(|&(_, names)| names)
}

/// The bits of one of these subtypes.
pub(super) fn wlan_subtype(names: Names, name: &str) -> Option<u32> {
    find(names, name)
}

/// The bits of a subtype and of the type that has it.
pub(super) fn any_wlan_subtype(name: &str) -> Option<u32> {
    SUBTYPES.iter().find_map(|&(kind, names)| Some(kind | find(names, name)?))
}

/// An 802.11 direction's bits.
pub(super) fn wlan_direction(name: &str) -> Option<u32> {
    find(DIRECTIONS, name)
}

/// Why pf logged a packet.
pub(super) fn pf_reason(name: &str) -> Option<u32> {
    find(REASONS, name)
}

/// What pf did with it.
pub(super) fn pf_action(name: &str) -> Option<u32> {
    find(ACTIONS, name)
}

/// A type of LLC frame.
pub(super) fn llc(name: &str) -> Option<Llc> {
    find(LLC_TYPES, name)
}
