//! What is told about a card is what opening it does.

mod common;

use common::{bytes_of, frame, netmap_name, read, sh, with_cable};
use drivers::af_xdp::Mode;
use drivers::bpf::btf::Function;
use drivers::probe::probe;
use drivers::sys::interface::Interface;
use drivers::sys::packet::PacketSocket;
use drivers::{Driver, Missing, Offer, Options, Way};
use nm_core::Port;
use nm_core::name::{NetmapName, NetmapRings};

fn card(name: &str) -> NetmapName {
    NetmapName { ifname: name.into(), rings: NetmapRings::All, flags: 0, memory: 0 }
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
            for driver in [None, Some(Driver::Xdp), Some(Driver::XdpIn(Mode::Generic)), Some(Driver::Packet)] {
                let options = Options { driver, ..Options::default() };
                let told = probe(&card(name), &options).expect("a probe");
                let chosen = told.chosen.expect("a way");
                let port = drivers::open(&card(name), &options).expect("a port");
                assert_eq!((told.offers.len(), told.up), (Way::ALL.len(), true));
                // A kernel that does not tell a driver's modes names the first that will be tried.
                let is_tried = |way| !told.modes_told && matches!(way, Way::Xdp(Mode::ZeroCopy));
                let opened = port.control.info().driver;
                assert!(is_tried(chosen) || opened.starts_with(driver_of(chosen)), "{name} {driver:?} {chosen:?}");
                let has_native = told.offers.iter().any(|o| o.way == Way::Xdp(Mode::Native) && o.missing.is_none());
                assert_eq!(has_native, native || !told.modes_told);
            }
        }
        // A mode that is not there is not another.
        for (name, mode) in [("va", Mode::ZeroCopy), ("br0", Mode::Native)] {
            let options = Options { driver: Some(Driver::XdpIn(mode)), ..Options::default() };
            let told = probe(&card(name), &options).expect("a probe");
            assert!(told.chosen.is_none() || !told.modes_told);
            drivers::open(&card(name), &options).err().expect("no such mode");
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
fn what_would_lose_vlan_tags_gives_way_to_a_packet_socket() {
    with_cable(|| {
        sh("ip link add br0 type bridge && ip link set br0 up && ip link set va master br0");
        let open = |name: &str, options: &Options| drivers::open(&netmap_name(name), options).expect("a port");
        let driver = |port: &Port| port.control.info().driver;
        let (default, xdp) = (Options::default(), Options { driver: Some(Driver::Xdp), ..Options::default() });
        let told = probe(&card("br0"), &default).expect("a probe");
        let generic = |offers: &[Offer]| offers.iter().find(|o| o.way == Way::Xdp(Mode::Generic)).map(|o| o.missing);
        assert_eq!(generic(&told.offers), Some(Some(Missing::Tags)));
        assert!(told.chosen == Some(Way::Packet) || !told.modes_told);

        // The kernel takes tags out on a frame's way to the bridge, whoever put them in.
        let promiscuous = Options { promiscuous: true, ..default };
        let mut port = open("netmap:br0", &promiscuous);
        assert!(driver(&port).starts_with("af_packet") && !port.control.loses_tags());
        let sender = PacketSocket::new().expect("a socket");
        sender.bind(Interface::find("vb").expect("vb").index).expect("bind");
        let plain = frame(1, 100);
        let tagged = [&plain[..12], &[0x81, 0, 0, 5], &plain[12..]].concat();
        for sent in [&plain, &tagged] {
            sender.send(sent, false).expect("send");
        }
        assert!(bytes_of(read(&mut port, 2)) == [plain.clone(), tagged.clone()]);
        drop(port);
        let mut port = open("netmap:br0", &Options { promiscuous: true, ..xdp });
        sender.send(&tagged, false).expect("send");
        assert!(bytes_of(read(&mut port, 1)) == [plain], "the kernel tells tags now: the choice can be another");
        drop(port);

        // Who wants the frames away from the host has them so, and hears of it.
        let from_host = Options { from_host: true, ..default };
        for (name, options) in
            [("netmap:br0", &from_host), ("netmap:br0", &xdp), ("netmap:br0/x", &default), ("netmap:br0-0", &default)]
        {
            let port = open(name, options);
            assert!(driver(&port).starts_with(Mode::Generic.driver()), "{name}: {}", driver(&port));
            assert!(port.control.loses_tags(), "{name}");
        }
        // A driver that tells the program loses none; one that does not, or a kernel before it, is known to.
        let port = open("netmap:va", &default);
        assert!(driver(&port).starts_with(Mode::Native.driver()));
        assert_eq!(port.control.loses_tags(), Function::VlanTag.number().is_none());
    });
}

#[test]
fn a_card_that_somebody_has_is_nobody_elses() {
    with_cable(|| {
        let options = Options::default();
        let _port = drivers::open(&card("va"), &options).expect("a port");
        let told = probe(&card("va"), &options).expect("a probe");
        assert_eq!(told.chosen, None);
        assert!(told.offers.iter().any(|offer| offer.missing == Some(Missing::Taken)));
        drivers::open(&card("va"), &options).err().expect("a second port of a card");
        // Packet sockets take nothing away from anybody.
        let packet = Options { driver: Some(Driver::Packet), ..options };
        assert_eq!(probe(&card("va"), &packet).expect("a probe").chosen, Some(Way::Packet));
        drivers::open(&card("va"), &packet).expect("a packet socket");
    });
}
