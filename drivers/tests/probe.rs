//! What is told about a card is what opening it does.

mod common;

use common::{sh, with_cable};
use drivers::af_xdp::Mode;
use drivers::bpf::btf::Function;
use drivers::probe::{TAKEN, probe};
use drivers::{Driver, Options, Way};
use nm_core::name::{NetmapName, NetmapRings};

fn card(name: &str) -> NetmapName {
    NetmapName { ifname: name.into(), rings: NetmapRings::All, flags: 0 }
}

/// What [`nm_core::PortInfo::driver`] says of a way.
fn driver_of(way: Way) -> &'static str {
    match way {
        Way::Module => "netmap",
        Way::Xdp(mode) => mode.driver(),
        Way::Packet => "af_packet",
    }
}

#[test]
fn the_chosen_way_is_the_one_that_is_opened() {
    with_cable(|| {
        // A bridge has no XDP in its driver, a veth pair has no zero-copy.
        sh("ip link add br0 type bridge && ip link set br0 up");
        for (name, native) in [("va", true), ("br0", false)] {
            for driver in [None, Some(Driver::Xdp), Some(Driver::Packet)] {
                let options = Options { driver, ..Options::default() };
                let told = probe(&card(name), &options).expect("a probe");
                let chosen = told.chosen.expect("a way");
                let port = drivers::open(&card(name), &options).expect("a port");
                assert!(port.control.info().driver.starts_with(driver_of(chosen)), "{name} {driver:?} {chosen:?}");
                let has_native = told.offers.iter().any(|o| o.way == Way::Xdp(Mode::Native) && o.missing.is_none());
                assert_eq!((told.offers.len(), has_native, told.up), (Way::ALL.len(), native, true));
            }
        }
        let veth = probe(&card("va"), &Options::default()).expect("a probe");
        assert_eq!(veth.kernel_driver.as_deref(), Some("veth"));
        // A kernel that has the function has a veth that tells; a bridge tells programs nothing.
        assert_eq!(veth.has_tags(Way::Xdp(Mode::Native)), Function::VlanTag.number().is_some());
        let bridge = probe(&card("br0"), &Options::default()).expect("a probe");
        assert!(!bridge.has_tags(Way::Xdp(Mode::Native)) && bridge.has_tags(Way::Packet));
    });
}

#[test]
fn a_card_that_somebody_has_is_nobody_elses() {
    with_cable(|| {
        let options = Options::default();
        let _port = drivers::open(&card("va"), &options).expect("a port");
        let told = probe(&card("va"), &options).expect("a probe");
        assert_eq!(told.chosen, None);
        assert!(told.offers.iter().any(|offer| offer.missing == Some(TAKEN)));
        drivers::open(&card("va"), &options).err().expect("a second port of a card");
        // Packet sockets take nothing away from anybody.
        let packet = Options { driver: Some(Driver::Packet), ..options };
        assert_eq!(probe(&card("va"), &packet).expect("a probe").chosen, Some(Way::Packet));
        drivers::open(&card("va"), &packet).expect("a packet socket");
    });
}
