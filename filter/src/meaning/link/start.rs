//! What is known of a packet before the first word: its link type's offsets, some of them computed from the packet.

use super::dlt;
use super::layout::layout;
use crate::error::{Error, fail};
use crate::ir::{Alu, Cond, Ir, Size, Test, V, Value};
use crate::meaning::Offsets;

/// The offsets for a link type, and those of their values that libpcap computes before anything else when something needs them.
///
/// # Errors
/// No filter can be had for this type.
pub(crate) fn start(linktype: i32, ir: &mut Ir) -> Result<(Offsets, Vec<V>), Error> {
    let Some(layout) = layout(linktype) else {
        let (min, max) = (dlt::MATCHING.start(), dlt::MATCHING.end());
        fail!("unknown data link type {linktype} (min {min}, max {max})")
    };
    let link = radio_header(linktype, ir);
    let payload = match linktype {
        dlt::PFLOG => Some(pflog_header(ir)),
        _ if dlt::is_wlan(linktype) => Some(wlan_payload(linktype, link, ir)),
        _ => None,
    };
    let offsets = Offsets::new(linktype, layout, link, payload, linktype == dlt::SUNATM);
    Ok((offsets, link.into_iter().chain(payload).collect()))
}

fn load(ir: &mut Ir, size: Size, offset: u32) -> V {
    ir.value(Value::Load { size, base: None, offset })
}

fn alu(ir: &mut Ir, op: Alu, a: V, k: u32) -> V {
    let k = ir.imm(k);
    ir.alu(op, a, k)
}

/// The length of what lies before the 802.11 header, in bytes.
fn radio_header(linktype: i32, ir: &mut Ir) -> Option<V> {
    Some(match linktype {
        dlt::PRISM_HEADER => {
            // Some drivers put an AVS header where Prism's is announced. Prism's is 144 bytes long.
            let magic = load(ir, Size::W, 0);
            let magic = alu(ir, Alu::And, magic, 0xffff_f000);
            let is_avs = ir.test(Test::Eq, magic, 0x8021_1000);
            let (avs, prism) = (load(ir, Size::W, 4), ir.imm(144));
            ir.value(Value::If(is_avs, avs, prism))
        }
        dlt::IEEE802_11_RADIO_AVS => load(ir, Size::W, 4),
        dlt::IEEE802_11_RADIO | dlt::PPI => {
            let high = load(ir, Size::B, 3);
            let high = alu(ir, Alu::Lsh, high, 8);
            let low = load(ir, Size::B, 2);
            ir.alu(Alu::Or, low, high)
        }
        _ => return None,
    })
}

/// Where LLC begins in a data frame: behind 24 bytes of header, 2 more with QoS, and Atheros' padding to 4 bytes, which a radiotap header
/// tells. A frame that is none is given 24.
fn wlan_payload(linktype: i32, link: Option<V>, ir: &mut Ir) -> V {
    let control = ir.value(Value::Load { size: Size::B, base: link, offset: 0 });
    let link = match link {
        Some(link) => link,
        None => ir.imm(0),
    };
    let plain = alu(ir, Alu::Add, link, 24);
    let with_qos = alu(ir, Alu::Add, plain, 2);
    let is_qos = ir.test(Test::Set, control, 0x80);
    let mut data = ir.value(Value::If(is_qos, with_qos, plain));
    if linktype == dlt::IEEE802_11_RADIO {
        let is_padded = radiotap_padding(ir);
        let padded = alu(ir, Alu::Add, data, 3);
        let padded = alu(ir, Alu::And, padded, !3);
        data = ir.value(Value::If(is_padded, padded, data));
    }
    let kind = alu(ir, Alu::And, control, 0x0c);
    let is_data = ir.test(Test::Eq, kind, 0x08);
    ir.value(Value::If(is_data, data, plain))
}

/// Whether the flags of a radiotap header speak of padding (`IEEE80211_RADIOTAP_F_DATAPAD`). Like libpcap it looks only at headers with
/// one word of presence bits.
fn radiotap_padding(ir: &mut Ir) -> crate::ir::C {
    const FLAGS: u32 = 0x0000_0002_u32.swap_bytes();
    const MORE_WORDS: u32 = 0x8000_0000_u32.swap_bytes();
    const TIMESTAMP: u32 = 0x0000_0001_u32.swap_bytes();
    const DATAPAD: u32 = 0x20;

    let present = load(ir, Size::W, 4);
    let has_flags = ir.test(Test::Set, present, FLAGS);
    let more = ir.test(Test::Set, present, MORE_WORDS);
    let no_more = ir.not(more);
    let readable = ir.and(has_flags, no_more);
    // The flags lie behind the timestamp, if there is one.
    let has_timestamp = ir.test(Test::Set, present, TIMESTAMP);
    let (behind, first) = (load(ir, Size::B, 16), load(ir, Size::B, 8));
    let flags = ir.value(Value::If(has_timestamp, behind, first));
    let padded = ir.test(Test::Set, flags, DATAPAD);
    ir.cond(Cond::And(readable, padded))
}

/// The length of the header of a packet from OpenBSD's packet filter: its first byte, rounded up to a multiple of 4.
fn pflog_header(ir: &mut Ir) -> V {
    let length = load(ir, Size::B, 0);
    let length = alu(ir, Alu::Add, length, 3);
    alu(ir, Alu::And, length, !3)
}
