//! Programs on the ends of cables: what they do to frames, and that they go when their owner does.

mod common;

use common::{LIMIT, bytes_of, frame, netmap_name, read, sh, skipped, with_cable};
use drivers::Error;
use drivers::af_packet;
use drivers::bpf::{Filtering, Link, Redirect, XdpProgram, attach_tcx, attach_xdp, load_redirect};
use drivers::sys::bpf::{MapKind, ProgramKind, TcHook, XdpMode, map_create, program_load};
use drivers::sys::interface::Interface;
use drivers::sys::netlink::xdp_program_id;
use drivers::sys::packet::PacketSocket;
use filter::Insn;
use filter::engine::ebpf::{self, Op, Operand, Reg, XdpFilter};
use filter::insn::op::*;
use nm_core::{Port, Woken};
use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Whether programs can be loaded here; says so where not.
fn possible() -> bool {
    match Filtering::map() {
        Ok(_) => true,
        Err(error @ Error::Permission { .. }) => {
            skipped(&error.to_string());
            false
        }
        Err(error) => panic!("{error}"),
    }
}

/// Where a cable can be laid and programs loaded.
fn with_cable_and_programs(test: impl FnOnce() + Send) {
    if possible() {
        with_cable(test);
    }
}

fn number(name: &str) -> u32 {
    Interface::find(name).expect("an interface").index
}

/// Frames whose last byte of the number is this.
fn last_byte(value: u32) -> XdpFilter {
    let program =
        [Insn::new(LD | B | ABS, 17), Insn::jump(JMP | JEQ, value, 0, 1), Insn::new(RET, 96), Insn::new(RET, 0)];
    XdpFilter::new(&program).expect("a filter")
}

/// The program of a port without sockets.
fn program(filter: &XdpFilter) -> OwnedFd {
    let sockets = map_create(MapKind::Xsk, "sockets", 4, 1, 0).expect("a map");
    let program = XdpProgram::new(sockets.as_fd());
    XdpProgram { filter: Filtering::Fixed(filter), generation: 1, ..program }.load().expect("loaded")
}

fn send(from: &str, frames: std::ops::Range<u32>) {
    let socket = PacketSocket::new().expect("a socket");
    socket.bind(number(from)).expect("bound");
    for n in frames {
        socket.send(&frame(n, 60), false).expect("sent");
    }
}

fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < end, "{what}: not within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Drops a link, and waits until its program is gone: children that other tests start meanwhile have its descriptor for a moment.
fn detach(link: Link, card: &str) {
    drop(link);
    wait_for("the program goes", || xdp_program_id(number(card)).expect("an answer").is_none());
}

#[test]
fn no_frame_is_lost_while_a_program_follows_another() {
    with_cable_and_programs(|| {
        for mode in [XdpMode::Native, XdpMode::Generic] {
            let mut host = af_packet::open(&netmap_name("netmap:va"), &af_packet::Options::default()).expect("a port");
            let link = attach_xdp(program(&last_byte(7)).as_fd(), number("va"), mode).expect("attached");
            // Another filter, while frames go by. There is no socket, so the host gets all of them.
            std::thread::scope(|threads| {
                // Threads are born into their parent's namespace.
                let sender = threads.spawn(|| send("vb", 0..2560));
                for n in 0..20 {
                    link.replace(program(&last_byte(n % 5)).as_fd()).expect("replaced");
                }
                sender.join().expect("sent");
            });
            detach(link, "va");
            send("vb", 2560..2561);
            let expected: Vec<Vec<u8>> = (0..2561).map(|n| frame(n, 60)).collect();
            assert!(bytes_of(read(&mut host, 2561)) == expected, "{mode:?}");
        }
    });
}

/// A program of somebody else's, which passes everything.
fn theirs(name: &str) -> OwnedFd {
    let insns = [ebpf::Insn::alu64(Op::Mov, Reg::R0, Operand::Imm(2)), ebpf::Insn::exit()];
    program_load(ProgramKind::Xdp { frags: false, card: None }, name, &insns).expect("loaded").0
}

#[test]
fn somebody_elses_program_is_named() {
    with_cable_and_programs(|| {
        let (va, ours) = (number("va"), theirs("ours"));
        for (their_mode, mode) in [(XdpMode::Native, XdpMode::Native), (XdpMode::Generic, XdpMode::Native)] {
            let link = attach_xdp(theirs("their_firewall").as_fd(), va, their_mode).expect("attached");
            let error = attach_xdp(ours.as_fd(), va, mode).expect_err("there is one");
            let Error::Attached { ifindex, ref name, id } = error else { panic!("{error}") };
            assert_eq!(
                (ifindex, name.as_str(), Some(id)),
                (va, "their_firewall", xdp_program_id(va).expect("an answer"))
            );
            assert_eq!(
                error.to_string(),
                format!("interface {va} has an XDP program already: \"their_firewall\", number {id}")
            );
            detach(link, "va");
        }
        attach_xdp(ours.as_fd(), va, XdpMode::Native).expect("now it is free");
    });
}

#[test]
fn a_card_without_the_hook_says_so() {
    with_cable_and_programs(|| {
        let error = attach_xdp(theirs("ours").as_fd(), number("lo"), XdpMode::Native).expect_err("lo has none");
        assert!(matches!(error, Error::NoHook { hook: "native XDP", .. }), "{error}");
        let error = attach_xdp(theirs("ours").as_fd(), 0x7fff_0000, XdpMode::Native).expect_err("no such interface");
        assert!(matches!(error, Error::System { .. }), "{error}");
    });
}

#[test]
fn a_program_is_gone_with_its_interface() {
    with_cable_and_programs(|| {
        let link = attach_xdp(theirs("ours").as_fd(), number("va"), XdpMode::Native).expect("attached");
        assert_eq!(link.ifindex().expect("an answer"), number("va"));
        sh("ip link del va");
        assert_eq!(link.ifindex().expect("an answer"), 0);
        assert!(link.replace(theirs("other").as_fd()).is_err());
    });
}

/// In a process of its own: a child that another test starts has this one's descriptors until it is the program that it shall be, and a link
/// that was dropped here still attaches until then.
#[test]
fn many_attachments_leave_nothing() {
    with_cable_and_programs(|| {
        let run = Command::new(std::env::current_exe().expect("this program"))
            .args(["--ignored", "--exact", "many_attachments", "--nocapture"])
            .output()
            .expect("started");
        let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success() && said.contains("nothing is left"), "{said}");
    });
}

/// Not a test: what `many_attachments_leave_nothing` runs in its namespace.
#[test]
#[ignore = "started by another test"]
fn many_attachments() {
    let va = number("va");
    let descriptors = || std::fs::read_dir("/proc/thread-self/fd").expect("proc").count();
    let filter = last_byte(3);
    let round = || drop(attach_xdp(program(&filter).as_fd(), va, XdpMode::Generic).expect("attached"));
    round();
    let before = descriptors();
    (0..200).for_each(|_| round());
    assert_eq!(descriptors(), before);
    assert_eq!(xdp_program_id(va).expect("an answer"), None);
    compat_tests::process::say("nothing is left");
}

#[test]
fn a_killed_owners_program_is_gone() {
    with_cable_and_programs(|| {
        let va = number("va");
        let exe = std::env::current_exe().expect("this program");
        let mut owner = Command::new(exe)
            .args(["--ignored", "--exact", "owner", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let out = BufReader::new(owner.stdout.take().expect("piped"));
        assert!(out.lines().map_while(Result::ok).any(|line| line.contains("attached")), "the owner ended");
        assert!(xdp_program_id(va).expect("an answer").is_some());
        owner.kill().expect("killed");
        owner.wait().expect("ended");
        wait_for("the program goes", || xdp_program_id(va).expect("an answer").is_none());
        let mut host = af_packet::open(&netmap_name("netmap:va"), &af_packet::Options::default()).expect("a port");
        send("vb", 0..10);
        assert_eq!(read(&mut host, 10).len(), 10);
    });
}

/// Not a test: the process that `a_killed_owners_program_is_gone` kills, in its namespace.
#[test]
#[ignore = "started by another test"]
fn owner() {
    let _link = attach_xdp(theirs("ours").as_fd(), number("va"), XdpMode::Native).expect("attached");
    compat_tests::process::say("attached");
    std::io::stdin().lines().for_each(drop); // until it is killed, or its parent is
}

#[test]
fn missing_rights_are_named() {
    if !possible() {
        return;
    }
    let exe = std::env::current_exe().expect("this program");
    let run = Command::new("setpriv")
        .args(["--bounding-set=-all", "--inh-caps=-all"])
        .arg(exe)
        .args(["--ignored", "--exact", "without_rights", "--nocapture"])
        .output()
        .expect("setpriv");
    let text = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    assert!(
        text.contains("can't make a map for a filter: Operation not permitted")
            && text.contains("it takes root, or the capabilities CAP_BPF and CAP_NET_ADMIN"),
        "{text}"
    );
}

/// Not a test: `missing_rights_are_named` reads what this says.
#[test]
#[ignore = "started by another test"]
fn without_rights() {
    let error = Filtering::map().expect_err("no right to");
    compat_tests::process::say(&error.to_string());
}

fn port(card: &str) -> Port {
    af_packet::open(&netmap_name(&format!("netmap:{card}")), &af_packet::Options::default()).expect("a port")
}

fn tcx(card: &str, hook: TcHook, other: &str, to: Redirect) -> Option<Link> {
    let program = load_redirect(number(other), to).expect("loaded");
    match attach_tcx(program.as_fd(), number(card), hook) {
        Ok(link) => Some(link),
        Err(error @ Error::NoHook { .. }) => {
            skipped(&error.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn what_the_host_sends_and_receives_can_be_somebody_elses() {
    with_cable_and_programs(|| {
        sh("ip link add ta type veth peer name tb && ip link set ta up && ip link set tb up");
        let (mut card, mut far, mut host, mut other) = (port("va"), port("vb"), port("ta"), port("tb"));
        let Some(sends) = tcx("va", TcHook::Egress, "ta", Redirect::Send) else { return };
        send("va", 0..100);
        let expected: Vec<Vec<u8>> = (0..100).map(|n| frame(n, 60)).collect();
        assert_eq!(bytes_of(read(&mut other, 100)), expected);
        assert_eq!(far.rx.wait(1, Some(Duration::from_millis(50))).expect("wait"), Woken::TimedOut);

        let receives = tcx("ta", TcHook::Ingress, "va", Redirect::Receive).expect("attached");
        send("tb", 0..100);
        assert_eq!(bytes_of(read(&mut card, 100)), expected);
        drop((sends, receives));
        send("va", 5..6);
        assert_eq!(bytes_of(read(&mut far, 1)), [frame(5, 60)]);
        drop(bytes_of(read(&mut host, 100))); // taps of the interface itself come before the hook
    });
}
