//! Times by a card's own clock. No cable has one: a veth's driver answers a program's question with the stamp of the frame, which is 0, so
//! that its programs load, run, and fall back to the host's time. What they do with a stamp is tried without an interface, with an
//! answer of ours in the driver's place. A packet socket gets frames that were stamped.

use crate::common::{frame, netmap_name, read, skipped, with_cable};
use crate::{options, packet_socket, send_all};
use drivers::af_xdp::{Mode, Options, open};
use drivers::bpf::btf::Function;
use drivers::bpf::{CardTime, Filtering, METADATA_LEN, Metadata, XdpProgram};
use drivers::stamping::{CardTimes, offered};
use drivers::sys::bpf::{MapKind, ProgramKind, map_create, program_load, program_test_run, program_test_run_stamped};
use drivers::sys::card::CardClock;
use drivers::sys::interface::Interface;
use drivers::sys::netdev::xdp_features;
use drivers::sys::xdp::monotonic_ns;
use drivers::{Stamping, Way};
use filter::engine::ebpf::{Asm, Insn, Op, Operand, Reg, Width, XdpFilter};
use filter::insn::op::*;
use nm_core::Port;
use nm_core::sys::realtime_ns;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// The number that stands for the driver's function until it is replaced.
const FUNCTION: u32 = 0x7ead_beef;

/// `insns` with a function of their own for the driver's: it answers `code`, and leaves `time` where it was asked to.
fn answering(mut insns: Vec<Insn>, code: i32, time: u64) -> Vec<Insn> {
    /// `BPF_PSEUDO_CALL`: a function of the same program, so many instructions behind the next one.
    const OWN_FUNCTION: Reg = Reg::R1;
    let call = Insn::call_kernel(FUNCTION);
    let at = insns.iter().position(|insn| *insn == call).expect("it asks the driver");
    assert_eq!(insns.iter().filter(|insn| **insn == call).count(), 1);
    insns[at] = Insn::new(call.code, Reg::R0, OWN_FUNCTION, 0, (insns.len() - at - 1) as i32);
    insns.extend([
        Insn::new(0x18, Reg::R1, Reg::R0, 0, time as i32),
        Insn::new(0, Reg::R0, Reg::R0, 0, (time >> 32) as i32),
        Insn::store(Width::W64, Reg::R2, 0, Reg::R1),
        Insn::alu32(Op::Mov, Reg::R0, Operand::Imm(code)),
        Insn::exit(),
    ]);
    insns
}

/// A map for the sockets of programs, where these can be loaded; says so where not.
fn sockets() -> Option<OwnedFd> {
    map_create(MapKind::Xsk, "stamps", 4, 1, 0).map_err(|error| skipped(&format!("a map of sockets: {error}"))).ok()
}

#[test]
fn a_program_takes_the_cards_time_and_the_hosts_where_there_is_none() {
    let Some(sockets) = sockets() else { return };
    let program = [
        filter::Insn::new(LD | H | ABS, 12),
        filter::Insn::jump(JMP | JEQ, 0x88b5, 0, 1),
        filter::Insn::new(RET, 96),
        filter::Insn::new(RET, 0),
    ];
    let filter = XdpFilter::new(&program).expect("a filter");
    const STAMP: u64 = 0x1234_5678_9abc_def0;
    const ENODATA: i32 = -61;
    for filter in [Filtering::Nothing, Filtering::Fixed(&filter)] {
        let card_time = Some(CardTime { ifindex: 0, function: FUNCTION });
        let parts = XdpProgram { filter, generation: 7, card_time, ..XdpProgram::new(sockets.as_fd()) };
        for (code, told, by_card) in [(0, STAMP, true), (0, 0, false), (ENODATA, STAMP, false), (ENODATA, 0, false)] {
            let insns = answering(parts.insns(None).expect("instructions"), code, told);
            let kind = ProgramKind::Xdp { frags: false, card: None };
            let (program, _) = program_load(kind, "stamps", &insns).unwrap_or_else(|e| panic!("{e:?}"));
            let before = monotonic_ns();
            let run = program_test_run(program.as_fd(), &frame(1, 60), 1).expect("a run");
            let after = monotonic_ns();
            assert_eq!(run.frame[METADATA_LEN..], frame(1, 60));
            let metadata = Metadata::read(run.frame.first_chunk().expect("metadata")).expect("metadata");
            assert_eq!((metadata.by_card, metadata.generation), (by_card, 7), "{code} {told}");
            if by_card {
                assert_eq!(metadata.time_ns, STAMP);
            } else {
                assert!((before..=after).contains(&metadata.time_ns), "{metadata:?}");
            }
            // What the filter refuses has nothing in front.
            let other = [&frame(1, 60)[..12], &[8, 0], &[0; 46]].concat();
            let run = program_test_run(program.as_fd(), &other, 1).expect("a run");
            assert_eq!(run.frame.len(), 60 + if matches!(filter, Filtering::Fixed(_)) { 0 } else { METADATA_LEN });
        }
    }
}

fn stamped(mode: Mode, card_times: CardTimes) -> Port {
    let options = Options { card_times: Some(card_times), ..options(mode) };
    open(&netmap_name("netmap:va"), &options).expect("a port")
}

#[test]
fn a_driver_that_has_no_time_for_a_frame_leaves_it_the_hosts() {
    for (mode, asks) in [(Mode::Native, Function::ReceiveTime.number().is_some()), (Mode::Generic, false)] {
        with_cable(|| {
            let mut port = stamped(mode, CardTimes::Unsynced);
            assert_eq!(port.control.stamped_by_card(), asks, "{mode:?}");
            let sent: Vec<_> = (0..100).map(|n| frame(n, 60 + n as usize)).collect();
            // With a filter, too: it is another program.
            for filter in [false, true] {
                if filter {
                    let all = [libc::sock_filter { code: RET, jt: 0, jf: 0, k: 96 }];
                    assert!(port.rx.offer_filter(&all));
                }
                let before = realtime_ns();
                send_all(&packet_socket("vb"), &sent);
                let (got, times): (Vec<_>, Vec<_>) = read(&mut port, sent.len()).into_iter().unzip();
                let after = realtime_ns();
                assert!(got == sent);
                // The clocks are compared one after the other.
                let slack = Duration::from_millis(50).as_nanos() as u64;
                assert!(times.is_sorted());
                assert!(times[0] + slack > before && times[99] < after + slack, "{before} {times:?} {after}");
            }
        });
    }
}

#[test]
fn a_cable_offers_no_choice_and_gives_the_hosts_times_to_who_insists() {
    with_cable(|| {
        let va = Interface::find("va").expect("va").index;
        // It tells programs times, and stamps nothing.
        let told = matches!(xdp_features(va), Ok(Some(features)) if features.receive_times());
        assert!(told || Function::ReceiveTime.number().is_none());
        for way in Way::ALL {
            assert_eq!(offered("va", va, way), [], "{way:?}");
        }
        for stamping in [Stamping::Card, Stamping::CardUnsynced] {
            for driver in [drivers::Driver::Xdp, drivers::Driver::Packet] {
                let options = drivers::Options { stamping, driver: Some(driver), ..drivers::Options::default() };
                let port = drivers::open(&netmap_name("netmap:va"), &options).expect("a port");
                assert!(!port.control.stamped_by_card());
            }
        }
    });
}

/// Sends `frame` to `to` as one that a card stamped.
fn send_stamped(to: &str, frame: &[u8], stamp_ns: u64) -> std::io::Result<()> {
    let mut asm = Asm::new();
    asm.push(Insn::alu32(Op::Mov, Reg::R2, Operand::Imm(Interface::find(to)?.index as i32)));
    asm.push(Insn::alu32(Op::Mov, Reg::R3, Operand::Imm(0)));
    // bpf_clone_redirect: at once, which the test run does not do for the program's verdict.
    asm.push(Insn::new(0x85, Reg::R0, Reg::R0, 0, 13));
    asm.push(Insn::exit());
    let insns = asm.finish().expect("a program");
    let (program, _) = program_load(ProgramKind::Tc, "stamped", &insns).map_err(|error| error.source)?;
    match program_test_run_stamped(program.as_fd(), frame, stamp_ns)? {
        0 => Ok(()),
        error => Err(std::io::Error::from_raw_os_error((error as i32).wrapping_neg())),
    }
}

#[test]
fn a_packet_socket_gives_the_cards_stamps_to_who_asked() {
    if sockets().is_none() {
        return;
    }
    // Both kinds of the kernel's rings.
    for (case, gather) in (0..3).flat_map(|case| [(case, None), (case, Some(Duration::from_millis(10)))]) {
        with_cable(|| {
            let stamp = monotonic_ns();
            let card_times = match case {
                0 => None,
                1 => Some(CardTimes::Unsynced),
                _ => Some(CardTimes::Synced(Arc::new(CardClock::monotonic()))),
            };
            let options = drivers::af_packet::Options { card_times, gather, ..drivers::af_packet::Options::default() };
            let mut port = drivers::af_packet::open(&netmap_name("netmap:va"), &options).expect("a port");
            assert_eq!(port.control.stamped_by_card(), case > 0);
            std::thread::sleep(Duration::from_millis(300));
            let host_before = realtime_ns();
            if let Err(error) = send_stamped("vb", &frame(1, 60), stamp) {
                return skipped(&format!("no frame can be stamped here: {error}"));
            }
            send_all(&packet_socket("vb"), &[frame(2, 61)]);
            let got = read(&mut port, 2);
            assert_eq!([&got[0].0, &got[1].0], [&frame(1, 60), &frame(2, 61)]);
            // Who sends has no card: the host's time.
            assert!(got[1].1 >= host_before);
            let offset = realtime_ns() - monotonic_ns();
            match case {
                0 => assert!(got[0].1 >= host_before),
                1 => assert_eq!(got[0].1, stamp),
                _ => assert!(got[0].1.abs_diff(stamp + offset) < 50_000_000, "{} {stamp} {offset}", got[0].1),
            }
        });
    }
}

/// Tags and times are asked for by one program.
#[test]
fn a_program_that_puts_tags_back_asks_for_times_too() {
    let (Some(tag), Some(time)) = (Function::VlanTag.number(), Function::ReceiveTime.number()) else {
        return skipped("this kernel tells XDP programs nothing beside a frame (Linux 6.8, BTF)");
    };
    with_cable(|| {
        let Some(sockets) = sockets() else { return };
        let ifindex = Interface::find("va").expect("va").index;
        let tags = Some(drivers::bpf::Tags { ifindex, function: tag });
        let card_time = Some(CardTime { ifindex, function: time });
        for frags in [false, true] {
            let parts = XdpProgram { frags, tags, card_time, ..XdpProgram::new(sockets.as_fd()) };
            parts.load().expect("loads");
        }
    });
}
