//! VLAN tags that lie beside their frames, as a card hands them over that takes them out. A cable does so with frames that its other end
//! sends with such a tag.

use crate::common::{bytes_of, frame, netmap_name, read, sh};
use crate::{Driver, options, packet, packet_socket, port_on, send_all};
use drivers::Way;
use drivers::af_xdp::{Mode, open};
use drivers::bpf::btf::Function;
use drivers::bpf::{Filtering, Link, Tags, XdpProgram, attach_tcx};
use drivers::sys::bpf::{MapKind, ProgramKind, TcHook, map_create, program_load};
use drivers::sys::interface::Interface;
use filter::engine::ebpf::{Asm, If, Insn, Op, Operand, Reg, Width, XdpFilter};
use nm_core::Woken;
use std::os::fd::AsFd;
use std::time::Duration;

/// Runs `test` in a namespace where `vb` sends frames with [`tag_of`] beside them; says so where the kernel does not tell tags to programs.
fn with_tags(test: impl FnOnce() + Send) {
    if Function::VlanTag.number().is_none() {
        return crate::common::skipped("this kernel tells no XDP program a frame's VLAN tag (Linux 6.8, BTF)");
    }
    crate::common::with_cable(|| {
        let _sender = tagging("vb");
        test();
    });
}

/// The tag that frame `number` is sent with, if any.
fn tag_of(number: u32) -> Option<[u8; 4]> {
    [None, Some(FIVE), Some(NINE)][number as u8 as usize % 3]
}

/// A program at the way out of `card` that gives frames their tags.
fn tagging(card: &str) -> Link {
    use Operand::{Imm, Reg as R};
    let mut asm = Asm::new();
    let done = asm.label();
    let call = |helper| Insn::new(0x85, Reg::R0, Reg::R0, 0, helper);
    asm.push(Insn::alu64(Op::Mov, Reg::R6, R(Reg::R1)));
    // bpf_skb_load_bytes: the number's last byte.
    asm.push(Insn::alu32(Op::Mov, Reg::R2, Imm(17)));
    asm.push(Insn::alu64(Op::Mov, Reg::R3, R(Reg::R10)));
    asm.push(Insn::alu64(Op::Add, Reg::R3, Imm(-1)));
    asm.push(Insn::alu32(Op::Mov, Reg::R4, Imm(1)));
    asm.push(call(26));
    asm.jump32(If::Ne, Reg::R0, Imm(0), done);
    asm.push(Insn::load(Width::W8, Reg::R7, Reg::R10, -1));
    asm.push(Insn::alu32(Op::Mod, Reg::R7, Imm(3)));
    for (rest, tag) in [(1, FIVE), (2, NINE)] {
        let other = asm.label();
        asm.jump32(If::Ne, Reg::R7, Imm(rest), other);
        // bpf_skb_vlan_push.
        asm.push(Insn::alu64(Op::Mov, Reg::R1, R(Reg::R6)));
        asm.push(Insn::alu32(Op::Mov, Reg::R2, Imm(u16::from_ne_bytes([tag[0], tag[1]]).into())));
        asm.push(Insn::alu32(Op::Mov, Reg::R3, Imm(u16::from_be_bytes([tag[2], tag[3]]).into())));
        asm.push(call(18));
        asm.place(other);
    }
    asm.place(done);
    asm.push(Insn::alu32(Op::Mov, Reg::R0, Imm(-1)));
    asm.push(Insn::exit());
    let (program, _) = program_load(ProgramKind::Tc, "tags", &asm.finish().expect("a program")).expect("loads");
    attach_tcx(program.as_fd(), Interface::find(card).expect(card).index, TcHook::Egress).expect("attaches")
}

const FIVE: [u8; 4] = [0x81, 0, 0xc0, 5];
const NINE: [u8; 4] = [0x88, 0xa8, 0, 9];

/// `frame` with this tag in it.
fn tagged(frame: &[u8], tag: [u8; 4]) -> Vec<u8> {
    [&frame[..12], &tag, &frame[12..]].concat()
}

fn sent(number: u32) -> Vec<u8> {
    frame(number, 60 + number as usize * 37 % 1451)
}

/// As a capture of the system's shows it.
fn received(number: u32) -> Vec<u8> {
    tag_of(number).map_or_else(|| sent(number), |tag| tagged(&sent(number), tag))
}

fn numbers(which: impl Fn(Option<[u8; 4]>) -> bool) -> impl Iterator<Item = u32> {
    (0..150).filter(move |&number| which(tag_of(number)))
}

#[test]
fn a_tag_that_the_card_took_out_is_back_in_its_frame() {
    for driver in [Driver::Packet, Driver::Xdp(Mode::Native)] {
        with_tags(|| {
            let (mut port, sender) = (driver.port_on("va"), packet_socket("vb"));
            let all = || numbers(|_| true);
            send_all(&sender, &all().map(sent).collect::<Vec<_>>());
            // One that has a tag in itself already, before the byte that decides.
            let inner = tagged(&frame(0x0101_0101, 100), FIVE);
            sender.send(&inner, false).unwrap();
            let expected: Vec<_> = all().map(received).chain([tagged(&inner, FIVE)]).collect();
            let (got, times): (Vec<_>, Vec<_>) = read(&mut port, expected.len()).into_iter().unzip();
            assert!(got == expected, "{} of {}: {:x?}", got.len(), expected.len(), got.get(1).map(|f| &f[..20]));
            assert!(times.is_sorted() && times[0] > 0);
            let stats = port.control.stats();
            assert_eq!((stats.received, stats.malformed), (151, 0));
            assert_eq!(stats.received_bytes, expected.iter().map(|f| f.len() as u64).sum::<u64>());
        });
    }
}

#[test]
fn a_tag_is_back_in_a_frame_of_several_pieces() {
    with_tags(|| {
        sh("ip link set va mtu 9000; ip link set vb mtu 9000");
        let (mut port, sender) = (port_on("va", Mode::Native), packet_socket("vb"));
        let sent: Vec<Vec<u8>> = (0..50).map(|n| frame(3 * n + 1, 9014 - n as usize * 170)).collect();
        send_all(&sender, &sent);
        let expected: Vec<_> = sent.iter().map(|frame| tagged(frame, FIVE)).collect();
        assert!(bytes_of(read(&mut port, sent.len())) == expected);
    });
}

/// `vlan 5 and ether proto 0x88b5`, for frames that have their tags in them.
fn vlan_five() -> [libc::sock_filter; 9] {
    let insn = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    [
        insn(0x28, 0, 0, 12),
        insn(0x15, 0, 6, 0x8100),
        insn(0x28, 0, 0, 14),
        insn(0x54, 0, 0, 0xfff),
        insn(0x15, 0, 3, 5),
        insn(0x28, 0, 0, 16),
        insn(0x15, 0, 1, 0x88b5),
        insn(6, 0, 0, 262_144),
        insn(6, 0, 0, 0),
    ]
}

#[test]
fn a_filter_asks_about_tags_that_the_card_took_out_and_the_host_gets_its_frames_as_they_came() {
    with_tags(|| {
        let (mut port, mut host) = (port_on("va", Mode::Native), packet::port_on("va"));
        assert!(port.rx.offer_filter(&vlan_five()), "the filter runs in the driver");
        send_all(&packet_socket("vb"), &numbers(|_| true).map(sent).collect::<Vec<_>>());
        let here: Vec<_> = numbers(|tag| tag == Some(FIVE)).map(received).collect();
        let there: Vec<_> = numbers(|tag| tag != Some(FIVE)).map(received).collect();
        assert!(bytes_of(read(&mut port, here.len())) == here);
        assert_eq!(port.rx.wait(1, Some(Duration::from_millis(50))).unwrap(), Woken::TimedOut);
        // Each has its tag once: beside it, as it came, or there would be two.
        let got = bytes_of(read(&mut host, there.len()));
        assert!(got == there, "{} of {}: {:x?}", got.len(), there.len(), got.get(1).map(|f| &f[..24]));
    });
}

#[test]
fn a_frame_of_a_queue_without_a_socket_goes_to_the_host_as_it_came() {
    with_tags(|| {
        sh(
            "ip link del va; ip link add va numrxqueues 2 numtxqueues 2 type veth peer name vb numrxqueues 2 numtxqueues 2; \
            ip link set va up; ip link set vb up",
        );
        let (_sender, mut host) = (tagging("vb"), packet::port_on("va"));
        // One sender's frames of one kind take one queue, whichever.
        let taken: Vec<usize> = ["netmap:va-0", "netmap:va-1"]
            .map(|name| {
                let _port = open(&netmap_name(name), &options(Mode::Native)).expect("a port");
                send_all(&packet_socket("vb"), &numbers(|_| true).map(sent).collect::<Vec<_>>());
                let got = bytes_of(read(&mut host, 150));
                assert!(got.iter().all(|frame| numbers(|_| true).any(|n| received(n) == *frame)));
                150 - got.len()
            })
            .into();
        assert_eq!(taken.iter().sum::<usize>(), 150, "{taken:?}: each frame has one queue");
    });
}

#[test]
fn the_verifier_walks_a_filter_once_whether_a_frame_had_a_tag_or_not() {
    with_tags(|| {
        let insn = |code, jt, jf, k| filter::Insn { code, jt, jf, k };
        // A thousand questions in a row, each with a way of its own to the end.
        let mut classic = Vec::new();
        for k in 0..1000 {
            classic.extend([insn(0x30, 0, 0, k % 40), insn(0x15, 0, 1, k % 251), insn(6, 0, 0, 1)]);
        }
        classic.push(insn(6, 0, 0, 0));
        let filter = XdpFilter::new(&classic).expect("a filter");
        let map = map_create(MapKind::Xsk, "test", 4, 1, 0).expect("a map");
        let card = Interface::find("va").expect("va").index;
        let walked = |tags: Option<Tags>| {
            let parts = XdpProgram { filter: Filtering::Fixed(&filter), tags, ..XdpProgram::new(map.as_fd()) };
            let kind = ProgramKind::Xdp { frags: false, card: tags.map(|tags| tags.ifindex) };
            let (_, log) = program_load(kind, "tags", &parts.insns(None).expect("a program")).expect("loads");
            let told = log.split("processed ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
            told.expect("the verifier tells")
        };
        let function = Function::VlanTag.number().expect("a function");
        let (plain, told) = (walked(None), walked(Some(Tags { ifindex: card, function })));
        assert!(plain > 3000 && told < plain + plain / 10, "{plain} became {told}");
    });
}

#[test]
fn a_driver_that_tells_no_tags_serves_without_them() {
    crate::common::with_cable(|| {
        let made = std::process::Command::new("ip").args(["tuntap", "add", "dev", "tp", "mode", "tap"]).status();
        if !made.is_ok_and(|status| status.success()) {
            return crate::common::skipped("no tap can be made here");
        }
        sh("ip link set tp up");
        // A tap runs programs in its driver, and tells them nothing beside the frame.
        let name = netmap_name("netmap:tp");
        let probe = drivers::probe::probe(&name, &drivers::Options::default()).expect("a probe");
        assert!(!probe.has_tags(Way::Xdp(Mode::Native)));
        let mut port = port_on("tp", Mode::Native);
        assert!(port.rx.offer_filter(&vlan_five()), "a filter runs there");
    });
}
