//! Opening, closing, and an interface that changes meanwhile.

use crate::common::{LIMIT, bytes_of, frame, netmap_name, read, sh, with_cable};
use crate::{Driver, in_each_mode, options, packet_socket, port_on, queued, with_each_driver};
use drivers::af_xdp::{Mode, Options, open};
use drivers::bpf::{XdpProgram, attach_xdp};
use drivers::sys::bpf::{MapKind, XdpMode, map_create};
use drivers::sys::interface::Interface;
use nm_core::{Port, PortError};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

#[test]
fn what_cannot_be_opened_says_why() {
    with_cable(|| {
        let refused = |name: &str| open(&netmap_name(name), &Options::default()).err().expect(name);
        assert_eq!(refused("netmap:nosuch").to_string(), "netmap:nosuch: No such device exists");
        assert!(matches!(refused("netmap:nosuch"), PortError::NoDevice { .. }));
        sh("ip link set vb down");
        assert_eq!(refused("netmap:vb").to_string(), "netmap:vb: That device is not up");
        for name in
            ["netmap:va^", "netmap:va*", "netmap:va/t", "netmap:va/T", "netmap:va/rz", "netmap:va{1", "netmap:va-9"]
        {
            assert!(matches!(refused(name), PortError::Unsupported { .. }), "{name}");
        }
    });
}

#[test]
fn an_exclusive_port_of_receive_rings_alone_receives_and_sends_nothing() {
    in_each_mode(|mode| {
        let name = netmap_name("netmap:va/xR");
        let mut port = open(&name, &options(mode)).expect("a port");
        let other = packet_socket("vb");
        assert!(matches!(port.tx.inject(&frame(1, 60), false), Err(PortError::ReadOnly { .. })));
        assert!(port.tx.ring().is_err());
        assert!(queued(&other).is_empty());
        assert!(open(&name, &options(mode)).is_err(), "two have the card's rings");
        other.send(&frame(2, 60), false).unwrap();
        assert_eq!(bytes_of(read(&mut port, 1)), [frame(2, 60)]);
    });
}

#[test]
fn a_card_with_somebodys_program_is_refused_by_its_name() {
    in_each_mode(|mode| {
        let index = Interface::find("va").unwrap().index;
        let hook = if mode == Mode::Generic { XdpMode::Generic } else { XdpMode::Native };
        {
            let _first = port_on("va", mode);
            let second = open(&netmap_name("netmap:va"), &options(mode)).err().expect("taken");
            assert!(matches!(second, PortError::InUse { .. }), "{second}");
        }
        // A program of another name.
        let map = map_create(MapKind::Xsk, "theirs", 4, 1, 0).unwrap();
        let insns = XdpProgram::new(map.as_fd()).insns(None).unwrap();
        let kind = drivers::sys::bpf::ProgramKind::Xdp { frags: false, card: None };
        let (program, _) = drivers::sys::bpf::program_load(kind, "somebody_else", &insns).expect("loads");
        let link = attach_xdp(program.as_fd(), index, hook).unwrap();
        let name = netmap_name("netmap:va");
        let error = open(&name, &options(mode)).err().expect("taken").to_string();
        assert!(error.contains("somebody_else") && error.contains("XDP program"), "{error}");
        let best = drivers::open(&name, &drivers::Options::default()).err().expect("taken").to_string();
        assert!(best.contains("somebody_else"), "{best}");
        drop(link);
        drop(port_on("va", mode));
    });
}

#[test]
fn a_closed_port_gives_the_interface_back() {
    in_each_mode(|mode| {
        let (sender, host) = (packet_socket("vb"), packet_socket("va"));
        let mut port = port_on("va", mode);
        sender.send(&frame(1, 60), false).unwrap();
        assert_eq!(bytes_of(read(&mut port, 1)), [frame(1, 60)]);
        let shown = || {
            let run = std::process::Command::new("ip").args(["-d", "link", "show", "va"]).output().unwrap();
            String::from_utf8_lossy(&run.stdout).into_owned()
        };
        assert!(shown().contains("promiscuity 1") && shown().contains("xdp"), "{}", shown());
        assert!(queued(&host).is_empty());
        drop(port);
        // A child that another test is just starting has our descriptors until its program begins.
        let (start, mut after) = (Instant::now(), shown());
        while !after.contains("promiscuity 0") || after.contains("xdp") {
            assert!(start.elapsed() < LIMIT, "{after}");
            after = shown();
        }
        sender.send(&frame(2, 60), false).unwrap();
        let start = Instant::now();
        let mut got = queued(&host);
        while got.is_empty() && start.elapsed() < LIMIT {
            got = queued(&host);
        }
        assert_eq!(got, [frame(2, 60)]);
    });
}

/// Frames come from `vb`, after the port's end of the cable came up.
fn receives_again(port: &mut Port) {
    // The other end hears a little later that the cable works again, and drops frames until then.
    let (sender, start) = (packet_socket("vb"), Instant::now());
    let mut tries = 0;
    while port.rx.wait(1, Some(Duration::from_millis(20))).unwrap() != nm_core::Woken::Frames {
        assert!(start.elapsed() < LIMIT);
        tries += usize::from(sender.send(&frame(1, 60), false).is_ok());
    }
    // On a busy machine more than one was on its way when the first came: the last of all ends them.
    sender.send(&frame(2, 60), false).unwrap();
    let mut got = bytes_of(read(port, 1));
    while got.last() != Some(&frame(2, 60)) && got.len() <= tries {
        got.extend(bytes_of(read(port, 1)));
    }
    assert_eq!(got.pop(), Some(frame(2, 60)));
    assert!(!got.is_empty() && got.iter().all(|got| *got == frame(1, 60)));
}

/// How often this thread has slept.
fn sleeps() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.expect("a line of it").trim().parse().expect("a number")
}

/// Interfaces change their names, and keep their numbers.
#[test]
fn a_renamed_interface_goes_down_and_comes_back() {
    with_each_driver(|driver| {
        sh("ip link set va mtu 600");
        let mut port = driver.port_on("va");
        // Before Linux 6.1 it has to be down for that.
        sh("ip link set va name vr 2>/dev/null || { ip link set va down; ip link set va name vr; ip link set vr up; }");
        sh("ip link set vr down");
        assert_eq!(port.rx.wait(1, Some(Duration::from_millis(50))).unwrap(), nm_core::Woken::TimedOut);
        // Its name is somebody else's by now.
        sh("ip link add va mtu 600 type veth peer name vd; ip link set vr up mtu 1500");
        receives_again(&mut port);
        // It is not asked time and again whether it came up.
        let before = sleeps();
        assert_eq!(port.rx.wait(1, Some(Duration::from_secs(1))).unwrap(), nm_core::Woken::TimedOut);
        assert!(sleeps() - before < 10, "{}", sleeps() - before);
        port.tx.inject(&frame(3, 1514), false).unwrap();
        sh("ip link del vr");
        assert_eq!(port.rx.wait(1, Some(LIMIT)).expect_err("gone").to_string(), "The interface disappeared");
    });
}

#[test]
fn an_interface_that_goes_down_comes_back_and_one_that_disappears_does_not() {
    with_each_driver(|driver| {
        let mut port = driver.port_on("va");
        sh("ip link set va down");
        assert_eq!(port.rx.wait(1, Some(Duration::from_millis(50))).unwrap(), nm_core::Woken::TimedOut);
        sh("ip link set va up");
        receives_again(&mut port);

        let fd = port.rx.selectable_fd().unwrap();
        assert!(!nm_core::sys::fifo_is_readable(fd));
        std::thread::scope(|threads| {
            let waiting = threads.spawn(|| {
                let start = Instant::now();
                let error = port.rx.wait(1, Some(LIMIT)).expect_err("the interface is gone");
                (error.to_string(), start.elapsed())
            });
            std::thread::sleep(Duration::from_millis(50));
            sh("ip link del va");
            let (error, elapsed) = waiting.join().unwrap();
            assert_eq!(error, "The interface disappeared");
            assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
        });
        assert!(nm_core::sys::fifo_is_readable(fd), "who selects must hear of it");
        assert!(port.rx.wait(1, None).is_err() && port.rx.rxsync().is_err());
        let error = port.tx.inject(&frame(1, 60), false).expect_err("gone");
        assert!(matches!(error, PortError::Disappeared | PortError::Io { .. }), "{error}");
    });
}

#[test]
fn who_never_sleeps_hears_that_the_interface_disappeared() {
    with_each_driver(|driver| {
        let mut port = driver.port_on("va");
        sh("ip link del va");
        let start = Instant::now();
        while port.rx.rxsync().is_ok() {
            assert!(start.elapsed() < LIMIT);
        }
        assert!(start.elapsed() < Duration::from_secs(1));
    });
}

#[test]
fn a_changed_mtu_is_followed() {
    in_each_mode(|mode| {
        let (mut port, sender) = (port_on("va", mode), packet_socket("vb"));
        sh("ip link set va mtu 600");
        assert!(matches!(port.tx.inject(&frame(1, 615), false), Ok(()) | Err(PortError::TooLong { .. })));
        sh("ip link set va mtu 1500");
        sender.send(&frame(2, 1514), false).unwrap();
        assert_eq!(bytes_of(read(&mut port, 1)), [frame(2, 1514)]);
        port.tx.inject(&frame(3, 1514), false).unwrap();
    });
}

#[test]
fn a_hundred_openings_leave_nothing() {
    with_cable(|| {
        let open_files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let memory = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|l| l.strip_prefix("VmSize:")).expect("VmSize");
            line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number")
        };
        let small = Options { rx_slots: Some(64), ..options(Mode::Generic) };
        let before = (open_files(), memory());
        for _ in 0..100 {
            drop(open(&netmap_name("netmap:va"), &small).unwrap());
        }
        // Other tests of this process open files and memory, too, a few.
        let after = (open_files(), memory());
        assert!(after.0 < before.0 + 50 && after.1 < before.1 + 100_000, "{before:?} {after:?}");
    });
}

/// An interface that is taken away goes down first, and is still there for a moment then; or it was down before, when nobody tells.
#[test]
fn an_interface_that_disappears_is_missed_each_time() {
    with_each_driver(|driver| {
        // A packet socket's reader met that moment once in some 30 times.
        for round in 0..if matches!(driver, Driver::Packet) { 40 } else { 4 } {
            sh("ip link add vc type veth peer name vd && ip link set vc up && ip link set vd up");
            let mut port = driver.port_on("vc");
            std::thread::scope(|threads| {
                let waiting = threads.spawn(|| port.rx.wait(1, Some(LIMIT)).map_err(|error| error.to_string()));
                std::thread::sleep(Duration::from_millis(5));
                sh(if round % 4 == 0 { "ip link set vc down; sleep 0.01; ip link del vc" } else { "ip link del vc" });
                let told = waiting.join().unwrap();
                assert_eq!(told, Err("The interface disappeared".into()), "round {round}");
            });
        }
    });
}

#[test]
fn who_selects_sleeps_while_the_interface_is_down() {
    with_cable(|| {
        let options = drivers::Options { late_filter: true, ..drivers::Options::default() };
        let mut port = drivers::open(&netmap_name("netmap:va"), &options).expect("a port");
        let fd = port.rx.selectable_fd().unwrap();
        sh("ip link set va down");
        let start = Instant::now();
        while nm_core::sys::fifo_is_readable(fd) {
            assert!(start.elapsed() < LIMIT, "nothing comes, and who selects is woken");
            assert_eq!(port.rx.rxsync().unwrap(), 0);
            port.rx.settle_fd();
        }
    });
}
