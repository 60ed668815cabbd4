//! The grammar by example, and what holds for every text.

use super::display::ERROR_MAX;
use super::parse::{NETMAP_GRAMMAR, SWITCH_GRAMMAR, VALE_GRAMMAR, VHOST_GRAMMAR};
use super::{NetmapName, NetmapRings, PortName, VALE_NAME_MAX, ValeName, ValePort};
use crate::abi;
use proptest::prelude::*;

fn vale(switch: &str, port: ValePort) -> PortName {
    PortName::Vale(ValeName { switch: switch.into(), port })
}

fn netmap(ifname: &str, rings: NetmapRings, flags: u64) -> PortName {
    PortName::Netmap(NetmapName { ifname: ifname.into(), rings, flags, memory: 0 })
}

fn in_memory(memory: u16, name: &str) -> PortName {
    match PortName::parse(name) {
        Ok(PortName::Netmap(name)) => PortName::Netmap(NetmapName { memory, ..name }),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn names_of_each_kind() {
    let cases = [
        ("eth0", PortName::Plain("eth0".into())),
        ("", PortName::Plain(String::new())),
        ("any", PortName::Plain("any".into())),
        ("vale0", PortName::Plain("vale0".into())),
        ("netmap0", PortName::Plain("netmap0".into())),
        ("vhost", PortName::Plain("vhost".into())),
        ("eth0:1", PortName::Plain("eth0:1".into())),
        ("VALE0:a", PortName::Plain("VALE0:a".into())),
        ("vale0:a", vale("vale0", ValePort::Port("a".into()))),
        ("vale:a", vale("vale", ValePort::Port("a".into()))),
        ("vale-lab_2.x:web-1.lan", vale("vale-lab_2.x", ValePort::Port("web-1.lan".into()))),
        ("vale0:*", vale("vale0", ValePort::Listener)),
        ("vale0:a/t", vale("vale0", ValePort::MonitorTx("a".into()))),
        ("vale0:a/r", vale("vale0", ValePort::MonitorRx("a".into()))),
        ("netmap:eth0", netmap("eth0", NetmapRings::All, 0)),
        ("netmap:br-lan", netmap("br-lan", NetmapRings::All, 0)),
        ("netmap:eth0^", netmap("eth0", NetmapRings::Host, 0)),
        ("netmap:eth0^1", netmap("eth0", NetmapRings::OneHost(1), 0)),
        ("netmap:eth0*", netmap("eth0", NetmapRings::AllAndHost, 0)),
        ("netmap:eth0-2", netmap("eth0", NetmapRings::One(2), 0)),
        ("netmap:br-lan-2", netmap("br-lan", NetmapRings::One(2), 0)),
        ("netmap:x{1", netmap("x", NetmapRings::PipeMaster(1), 0)),
        ("netmap:x}4294967295", netmap("x", NetmapRings::PipeSlave(u32::MAX), 0)),
        ("netmap:eth0/x", netmap("eth0", NetmapRings::All, abi::NR_EXCLUSIVE)),
        ("netmap:eth0-2/R", netmap("eth0", NetmapRings::One(2), abi::NR_RX_RINGS_ONLY)),
        (
            "netmap:eth0/trz",
            netmap("eth0", NetmapRings::All, abi::NR_MONITOR_TX | abi::NR_MONITOR_RX | abi::NR_ZCOPY_MON),
        ),
        ("netmap:eth0@3", in_memory(3, "netmap:eth0")),
        ("netmap:eth0-2/xR@65535", in_memory(65_535, "netmap:eth0-2/xR")),
        ("netmap:x{1@7", in_memory(7, "netmap:x{1")),
        ("netmap:vale0:a@2", in_memory(2, "netmap:vale0:a")),
        ("vhost:/run/vm.sock", PortName::Vhost("/run/vm.sock".into())),
    ];
    for (text, name) in cases {
        assert_eq!(PortName::parse(text).as_ref(), Ok(&name), "{text:?}");
        assert_eq!(name.to_string(), text);
    }
}

#[test]
fn malformed_names_say_what_is_wrong_and_show_the_grammar() {
    let long = "x".repeat(VALE_NAME_MAX + 1);
    let cases = [
        ("vale0:".into(), "port's name is missing", "valeX:PORT"),
        ("vale0:/t".into(), "port's name is missing", "valeX:PORT"),
        ("vale0:a/".into(), "only t or r", "/t or /r"),
        ("vale0:a/tr".into(), "only t or r", "/t or /r"),
        ("vale0:a/t/r".into(), "only t or r", "/t or /r"),
        ("vale0:a*".into(), "'*' in the port's name", "valeX:*"),
        ("vale0:*/t".into(), "'*' in the port's name", "valeX:*"),
        ("vale0:a{1".into(), "'{' in the port's name", "valeX:PORT"),
        ("vale0:a:b".into(), "':' in the port's name", "valeX:PORT"),
        ("vale0:a b".into(), "' ' in the port's name", "letters, digits"),
        ("vale0:a\nb".into(), "'\\n' in the port's name", "letters, digits"),
        ("vale0:a\0".into(), "in the port's name", "letters, digits"),
        ("vale0:é".into(), "'é' in the port's name", "letters, digits"),
        ("vale0:.".into(), "begins with", "valeX:PORT"),
        ("vale0:..".into(), "begins with", "valeX:PORT"),
        ("vale0:-2".into(), "begins with", "valeX:PORT"),
        ("vale/../x:a".into(), "'/' in the switch's name", "valeX:PORT"),
        (format!("vale0:{long}"), "longer than 31", "valeX:PORT"),
        (format!("vale{long}:a"), "longer than 31", "valeX:PORT"),
        ("netmap:".into(), "interface's name is missing", "netmap:IF"),
        ("netmap:^".into(), "interface's name is missing", "netmap:IF"),
        ("netmap:-2".into(), "interface's name is missing", "netmap:IF"),
        ("netmap:{1".into(), "interface's name is missing", "netmap:IF"),
        ("netmap:eth0-".into(), "after '-'", "-N"),
        ("netmap:eth0-65536".into(), "after '-'", "-N"),
        ("netmap:x{".into(), "after '{'", "{N"),
        ("netmap:x{+1".into(), "after '{'", "{N"),
        ("netmap:x}one".into(), "after '}'", "}N"),
        ("netmap:x}4294967296".into(), "after '}'", "}N"),
        ("netmap:eth0^*".into(), "after '^'", "^N"),
        ("netmap:eth0*2".into(), "'*' in the interface's name", "netmap:IF"),
        ("netmap:eth0/".into(), "nothing after '/'", "/xtrzRT"),
        ("netmap:eth0/q".into(), "'q' after '/'", "/xtrzRT"),
        ("netmap:eth0/RT".into(), "exclude", "/xtrzRT"),
        ("netmap:eth0/z".into(), "without t or r", "/xtrzRT"),
        ("netmap:veth0@if3".into(), "'@' wants a memory's number", "@N"),
        ("netmap:eth0@".into(), "'@' wants a memory's number", "@N"),
        ("netmap:eth0@65536".into(), "'@' wants a memory's number", "@N"),
        ("netmap:eth0@conf:rings=2".into(), "'@' wants a memory's number", "@N"),
        ("netmap:eth0@1@2".into(), "'@' wants a memory's number", "@N"),
        ("netmap:@1".into(), "interface's name is missing", "netmap:IF"),
        ("netmap:..".into(), "no interface", "netmap:IF"),
        ("netmap:sixteen-bytes-lo".into(), "longer than 15", "netmap:IF"),
        ("netmap:vale0:".into(), "port's name is missing", "netmap:IF"),
        ("netmap:vale0:a/q".into(), "'q' after '/'", "netmap:IF"),
        ("netmap:vale0:*".into(), "port's name is missing", "netmap:IF"),
        ("vhost:".into(), "no path", "vhost:/path"),
        ("vhost:vm.sock".into(), "no path", "vhost:/path"),
        ("vhost:/run/".into(), "no path", "vhost:/path"),
        ("vhost:/a\0b".into(), "NUL", "vhost:/path"),
        (format!("vhost:/{}", "x".repeat(107)), "longer than 107", "vhost:/path"),
    ];
    for (text, wrong, grammar) in cases {
        let error = PortName::parse(&text).expect_err(&text);
        assert_eq!(error.name, text);
        let line = error.to_string();
        assert!(line.contains(wrong) && line.contains(grammar), "{text:?}: {line}");
    }
}

#[test]
fn switches_alone() {
    for good in ["vale", "vale0", "vale-lab", "vale.."] {
        assert_eq!(ValeName::check_switch(good), Ok(()));
    }
    for bad in ["", "val", "vale0:a", "vale/", "vale/../..", "eth0", &format!("vale{}", "0".repeat(28))] {
        let line = ValeName::check_switch(bad).expect_err(bad).to_string();
        assert!(line.contains("a switch is vale"), "{line}");
    }
    assert!(ValeName::parse("eth0").expect_err("eth0").to_string().contains("valeX:PORT"));
    assert!(ValeName::parse("eth0:1").expect_err("eth0:1").to_string().contains("valeX:PORT"));
}

#[test]
fn what_a_port_name_tells() {
    let port = |text| ValeName::parse(text).map(|n| (n.port.name().map(String::from), n.port.is_read_only()));
    assert_eq!(port("vale0:a"), Ok((Some("a".into()), false)));
    assert_eq!(port("vale0:*"), Ok((None, true)));
    assert_eq!(port("vale0:a/t"), Ok((Some("a".into()), true)));
    assert_eq!(port("vale0:a/r"), Ok((Some("a".into()), true)));
}

/// Text that begins like a name of ours, and goes on with what the grammar is made of.
fn nearly_a_name() -> impl Strategy<Value = String> {
    let pieces = "vale|netmap:|vhost:|:|/|*|^|-|{|}|0|7|65536|eth|a|.|..|t|r|z|R|T|@| |\0|\n|é|\u{1f980}";
    let pieces = prop::sample::select(pieces.split('|').collect::<Vec<_>>());
    prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
}

fn any_text() -> impl Strategy<Value = String> {
    let ours = prop::sample::select(vec!["", "vale", "vale0:", "netmap:", "netmap:eth0", "vhost:", "vhost:/"]);
    prop_oneof![nearly_a_name(), (ours, any::<String>()).prop_map(|(a, b)| a.to_string() + &b)]
}

fn any_vale() -> impl Strategy<Value = PortName> {
    let port = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}";
    let port = prop_oneof![
        port.prop_map(ValePort::Port),
        Just(ValePort::Listener),
        port.prop_map(ValePort::MonitorTx),
        port.prop_map(ValePort::MonitorRx),
    ];
    ("vale[A-Za-z0-9_.-]{0,27}", port).prop_map(|(switch, port)| PortName::Vale(ValeName { switch, port }))
}

fn any_netmap() -> impl Strategy<Value = PortName> {
    let rings = prop_oneof![
        Just(NetmapRings::All),
        Just(NetmapRings::Host),
        any::<u16>().prop_map(NetmapRings::OneHost),
        Just(NetmapRings::AllAndHost),
        any::<u16>().prop_map(NetmapRings::One),
        any::<u32>().prop_map(NetmapRings::PipeMaster),
        any::<u32>().prop_map(NetmapRings::PipeSlave),
    ];
    let monitor = prop::sample::select(vec![
        0,
        abi::NR_MONITOR_TX,
        abi::NR_MONITOR_RX,
        abi::NR_MONITOR_RX | abi::NR_ZCOPY_MON,
        abi::NR_MONITOR_TX | abi::NR_MONITOR_RX,
    ]);
    let exclusive = prop::sample::select(vec![0, abi::NR_EXCLUSIVE]);
    let only = prop::sample::select(vec![0, abi::NR_RX_RINGS_ONLY, abi::NR_TX_RINGS_ONLY]);
    ("[a-z][a-z0-9_.+]{0,14}", rings, monitor, exclusive, only, any::<u16>()).prop_map(
        |(ifname, rings, a, b, c, memory)| PortName::Netmap(NetmapName { ifname, rings, flags: a | b | c, memory }),
    )
}

fn any_name() -> impl Strategy<Value = PortName> {
    prop_oneof![
        any_vale(),
        any_netmap(),
        "(/[a-z0-9._:-]{1,12}){1,8}".prop_map(|path| PortName::Vhost(path.into())),
        "[a-z]{0,3}[0-9]{0,3}".prop_map(PortName::Plain),
    ]
}

proptest! {
    #[test]
    fn printed_names_parse_back(name in any_name()) {
        prop_assert_eq!(PortName::parse(&name.to_string()), Ok(name));
    }

    #[test]
    fn what_parses_prints_and_parses_to_the_same(text in any_text()) {
        if let Ok(name) = PortName::parse(&text) {
            prop_assert_eq!(PortName::parse(&name.to_string()), Ok(name));
        }
    }

    #[test]
    fn errors_are_one_line_that_fits_an_error_buffer(text in any_text()) {
        for error in [PortName::parse(&text).err(), ValeName::check_switch(&text).err()].into_iter().flatten() {
            let line = error.to_string();
            prop_assert!(line.len() <= ERROR_MAX, "{} bytes", line.len());
            prop_assert!(!line.chars().any(char::is_control), "{line:?}");
            let whole = [VALE_GRAMMAR, SWITCH_GRAMMAR, NETMAP_GRAMMAR, VHOST_GRAMMAR].iter().any(|g| line.ends_with(g));
            prop_assert!(whole, "the grammar is cut: {line}");
        }
    }
}
