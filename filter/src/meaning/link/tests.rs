use super::dlt;
use crate::action::{Action, Atm, AtmField, Llc, Mtp3, Proto, Rel};
use crate::error::Error;
use crate::ir_eval::{Outcome, Packet, evaluate};
use crate::meaning::generate;
use crate::{Options, PacketSource, PortProtocol, Resolve};

struct NoNames;

impl Resolve for NoNames {
    fn addresses(&self, _: &str) -> Vec<std::net::IpAddr> {
        Vec::new()
    }

    fn network(&self, _: &str) -> Option<u32> {
        None
    }

    fn port(&self, _: &str) -> Option<(u16, PortProtocol)> {
        None
    }

    fn protocol(&self, _: &str) -> Option<u16> {
        None
    }

    fn ether(&self, _: &str) -> Option<[u8; 6]> {
        None
    }
}

fn verdict_from(source: PacketSource, linktype: i32, actions: &[Action], frame: &[u8]) -> Result<Outcome, Error> {
    let options = Options { linktype, snaplen: 65535, optimize: false, netmask: 0xffff_ff00, source };
    let (ir, root) = generate(actions.to_vec(), &options, &NoNames)?;
    let packet = Packet { bytes: frame, wire_len: frame.len() as u32, ancillary: &|_| 4 };
    Ok(evaluate(&ir, root, &packet))
}

fn verdict(linktype: i32, actions: &[Action], frame: &[u8]) -> Outcome {
    verdict_from(PacketSource::Dead, linktype, actions, frame).expect("a filter")
}

fn refusal(linktype: i32, actions: &[Action]) -> String {
    verdict_from(PacketSource::Dead, linktype, actions, &[]).expect_err("a refusal").to_string()
}

/// A data frame of 802.11 behind `before`, with `type_field` in its SNAP header.
fn wlan_data(before: &[u8], control: u8, padding: usize, type_field: u16) -> Vec<u8> {
    let mut frame = before.to_vec();
    frame.push(control);
    frame.resize(before.len() + 24 + if control & 0x80 != 0 { 2 } else { 0 } + padding, 0);
    frame.extend([0xaa, 0xaa, 3, 0, 0, 0]);
    frame.extend(type_field.to_be_bytes());
    frame
}

const IP: [Action; 1] = [Action::Abbrev(Proto::Ip)];

#[test]
fn radio_headers_are_measured() {
    let radiotap = [0, 0, 8, 0, 0, 0, 0, 0];
    let mut prism = vec![0; 144];
    let avs = [0x80, 0x21, 0x10, 1, 0, 0, 0, 8];
    let ppi = [0, 0, 8, 0, 105, 0, 0, 0];
    for (linktype, before) in [
        (dlt::IEEE802_11, &[][..]),
        (dlt::IEEE802_11_RADIO, &radiotap),
        (dlt::PRISM_HEADER, &prism),
        (dlt::PRISM_HEADER, &avs),
        (dlt::IEEE802_11_RADIO_AVS, &avs),
        (dlt::PPI, &ppi),
    ] {
        for control in [0x08, 0x88] {
            let frame = wlan_data(before, control, 0, 0x0800);
            assert_eq!(verdict(linktype, &IP, &frame), Outcome::True, "{linktype} {control:x}");
            assert_eq!(verdict(linktype, &IP, &frame[..frame.len() - 1]), Outcome::Fault, "{linktype} {control:x}");
        }
        let management = wlan_data(before, 0x00, 0, 0x0800);
        assert_eq!(verdict(linktype, &IP, &management), Outcome::False, "{linktype}");
    }
    prism.truncate(3);
    assert_eq!(verdict(dlt::PRISM_HEADER, &[IP[0].clone(), Action::Not], &prism), Outcome::Fault);
}

#[test]
fn atheros_padding_is_skipped() {
    // Flags present; then also a timestamp before them; then a second word of presence bits, with which nobody looks.
    let flags = [0, 0, 9, 0, 2, 0, 0, 0, 0x20];
    let mut stamped = vec![0, 0, 17, 0, 3, 0, 0, 0];
    stamped.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x20]);
    let more = [0, 0, 9, 0, 2, 0, 0, 0x80, 0x20];
    for (before, padding) in [(&flags[..], 3), (&stamped, 3), (&more, 0)] {
        let frame = wlan_data(before, 0x08, padding, 0x0800);
        assert_eq!(verdict(dlt::IEEE802_11_RADIO, &IP, &frame), Outcome::True, "{before:?}");
    }
}

#[test]
fn pppoes_behind_a_radio_header_reads_the_frame_control() {
    let frame = wlan_data(&[0, 0, 8, 0, 0, 0, 0, 0], 0x08, 0, 0x8864);
    assert_eq!(verdict(dlt::IEEE802_11_RADIO, &[Action::PppoeS(None)], &frame), Outcome::True);
}

#[test]
fn ppi_carries_802_11_or_is_refused() {
    let other = wlan_data(&[0, 0, 8, 0, 1, 0, 0, 0], 0x08, 0, 0x0800);
    assert_eq!(verdict(dlt::PPI, &[IP[0].clone(), Action::Not], &other), Outcome::False);
    assert_eq!(
        verdict(dlt::PPI, &[Action::Wlan(0x08, 0x0c)], &wlan_data(&[0, 0, 8, 0, 105, 0, 0, 0], 0x08, 0, 0)),
        Outcome::True
    );
    assert_eq!(verdict(dlt::PPI, &[], &[]), Outcome::True, "an empty expression asks nothing");
}

#[test]
fn header_length_is_not_loaded_when_nothing_needs_it() {
    assert_eq!(verdict(dlt::IEEE802_11_RADIO, &[Action::Greater(0)], &[]), Outcome::True);
}

#[test]
fn address_families_of_a_loopback_depend_on_who_captured() {
    let ip6 = [Action::Abbrev(Proto::Ip6)];
    let ours = u32::to_ne_bytes;
    let theirs = |family: u32| family.swap_bytes().to_ne_bytes();
    let (same, other) = (PacketSource::Savefile { swapped: false }, PacketSource::Savefile { swapped: true });
    for (source, linktype, actions, frame, holds) in [
        (PacketSource::Dead, dlt::NULL, &IP, ours(2), true),
        (PacketSource::Dead, dlt::LOOP, &IP, 2_u32.to_be_bytes(), true),
        (PacketSource::Dead, dlt::NULL, &ip6, ours(10), true),
        (PacketSource::Dead, dlt::NULL, &ip6, ours(30), false),
        (same, dlt::NULL, &ip6, ours(30), true),
        (same, dlt::NULL, &ip6, ours(10), false),
        (other, dlt::NULL, &ip6, theirs(24), true),
        (other, dlt::ENC, &IP, theirs(2), true),
        (other, dlt::ENC, &IP, ours(2), false),
        (other, dlt::LOOP, &ip6, 28_u32.to_be_bytes(), true),
    ] {
        let got = verdict_from(source, linktype, actions, &frame).unwrap();
        assert_eq!(got == Outcome::True, holds, "{source:?} {linktype} {frame:?}");
    }
}

#[test]
fn a_number_other_than_three_is_not_three() {
    let ne = |linktype, action, frame: &[u8]| verdict(linktype, &[action], frame);
    assert_eq!(ne(dlt::SUNATM, Action::AtmField(AtmField::Vpi, Rel::Ne, 3), &[0, 4, 0, 0]), Outcome::True);
    assert_eq!(ne(dlt::SUNATM, Action::AtmField(AtmField::Vpi, Rel::Ne, 3), &[0, 3, 0, 0]), Outcome::False);
    assert_eq!(ne(dlt::MTP2, Action::Mtp3(Mtp3::Sio, Rel::Ne, 3), &[0, 0, 0, 4]), Outcome::True);
}

#[test]
fn multicast_is_224_to_239() {
    let to = |first: u8| {
        let mut frame = vec![0; 34];
        (frame[12], frame[14], frame[30]) = (8, 0x45, first);
        verdict(dlt::EN10MB, &[Action::Multicast(Some(Proto::Ip))], &frame)
    };
    assert_eq!([223, 224, 239, 240, 255].map(|first| to(first) == Outcome::True), [false, true, true, false, false]);
}

#[test]
fn arcnet_has_rfc_1201_types() {
    assert_eq!(verdict(dlt::ARCNET, &IP, &[1, 0, 212]), Outcome::True);
    assert_eq!(verdict(dlt::ARCNET, &IP, &[1, 0, 240]), Outcome::False);
}

#[test]
fn lan_emulation_is_ethernet_but_for_its_control_frames() {
    let lane_ip = [Action::Atm(Atm::Lane), IP[0].clone(), Action::And];
    let mut frame = vec![0; 20];
    (frame[0], frame[18]) = (1, 8);
    assert_eq!(verdict(dlt::SUNATM, &lane_ip, &frame), Outcome::True);
    frame[4] = 0xff;
    assert_eq!(verdict(dlt::SUNATM, &lane_ip, &frame), Outcome::False);
}

#[test]
fn direction_comes_from_where_it_is_known() {
    let live = |basic| PacketSource::Live { vlan: true, basic };
    let on = |source, linktype| {
        verdict_from(source, linktype, &[Action::Outbound], &[0; 16]).map_err(|error| error.to_string())
    };
    assert_eq!(on(live(true), dlt::EN10MB), Ok(Outcome::True));
    assert_eq!(on(live(true), dlt::IEEE802_11_RADIO), Ok(Outcome::True));
    assert_eq!(on(live(false), dlt::EN10MB), Err("inbound/outbound not supported on Ethernet".into()));
    assert_eq!(on(PacketSource::Dead, dlt::EN10MB), Ok(Outcome::Fault));
    let savefile = PacketSource::Savefile { swapped: false };
    assert_eq!(
        on(savefile, dlt::EN10MB),
        Err("inbound/outbound not supported on Ethernet when reading savefiles".into())
    );
    assert_eq!(on(savefile, dlt::LINUX_SLL2), Ok(Outcome::False));
}

#[test]
fn refusals_are_in_libpcaps_words() {
    assert_eq!(refusal(17, &[]), "unknown data link type 17 (min 104, max 289)");
    assert_eq!(refusal(-1, &[]), "unknown data link type -1 (min 104, max 289)");
    assert_eq!(refusal(dlt::USBPCAP, &IP), "USB link-layer type filtering not implemented");
    assert_eq!(refusal(145, &IP), "DLT 145 link-layer type filtering not implemented");
    assert_eq!(refusal(dlt::PPP, &[Action::Llc(Llc::Any)]), "'llc' not supported for PPP");
    assert_eq!(refusal(dlt::EN10MB, &[Action::PfRnr(1)]), "rnr supported only on PF linktype");
    assert_eq!(
        refusal(dlt::MTP2, &[Action::Mtp3(Mtp3::Hopc, Rel::Eq, 16384)]),
        "opc value 16384 too big; max value = 16383"
    );
    assert_eq!(refusal(dlt::EN10MB, &[Action::And]), "syntax error in filter expression");
}

#[test]
fn every_link_type_begins_somewhere() {
    for linktype in -2..400 {
        let known = matches!(linktype, 0..=12 | 15 | 16 | 19 | 32 | 50 | 51 | 99 | 104..=289);
        let empty = verdict_from(PacketSource::Dead, linktype, &[], &[]);
        assert_eq!(empty.is_ok(), known, "{linktype}");
    }
}
