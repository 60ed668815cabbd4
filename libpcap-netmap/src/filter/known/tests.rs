use super::*;
use ::filter::engine::validate;
use ::filter::insn::op;
use ::filter::{NETMASK_UNKNOWN, Options, PacketSource, PortProtocol, Resolve};
use std::net::IpAddr;

fn ret(k: u32) -> Insn {
    Insn::new(op::RET | op::K, k)
}

/// Accepts packets of which the first byte is `byte`, by `keep` bytes.
fn first_byte(byte: u32, keep: u32) -> Vec<Insn> {
    vec![Insn::new(op::LD | op::B | op::ABS, 0), Insn::jump(op::JMP | op::JEQ | op::K, byte, 0, 1), ret(keep), ret(0)]
}

fn run(program: &[Insn], packet: &[u8]) -> u32 {
    // SAFETY: the tests' programs are valid.
    unsafe { verdict(program.as_ptr(), packet, packet.len() as u32) }
}

/// Whether the place of `program` has a translation that was made of it.
fn known(program: &[Insn]) -> bool {
    // ORDER: Acquire, as in `verdict`.
    let translated = Place::of(program.as_ptr()).translated.load(Ordering::Acquire);
    // SAFETY: NULL or a translation, which lives for ever; the tests' programs are valid.
    unsafe { translated.as_ref().is_some_and(|translated| translated.run(program.as_ptr(), &[], 0).is_some()) }
}

/// Runs it until it is known: another test's program may have the same place for a while.
fn until_known(program: &[Insn], packet: &[u8], keep: u32) {
    for _ in 0..100_000 {
        (0..CALLS).for_each(|_| assert_eq!(run(program, packet), keep));
        if known(program) {
            return;
        }
    }
    panic!("never known");
}

#[test]
fn a_program_that_comes_often_is_known() {
    // No other test has these bytes.
    let program = first_byte(7, 101);
    for n in 0..CALLS {
        assert!(!known(&program), "call {n}");
        assert_eq!(run(&program, &[7, 8]), 101);
    }
    until_known(&program, &[7, 8], 101);
    assert_eq!((run(&program, &[7, 8]), run(&program, &[8]), run(&program, &[])), (101, 0, 0));
}

#[test]
fn new_bytes_at_the_address_of_a_known_program() {
    let mut program = first_byte(7, 100);
    until_known(&program, &[7], 100);
    for keep in 0..2000 {
        program[2].k = keep;
        assert_eq!(run(&program, &[7]), keep);
    }
    program[1].k = 9;
    assert_eq!(run(&program, &[7]), 0);
}

#[test]
fn many_programs_in_turn() {
    let programs: Vec<_> = (1..=20).map(|n| first_byte(n, n)).collect();
    for _ in 0..4 * CALLS {
        for (program, byte) in programs.iter().zip(1u8..) {
            assert_eq!(run(program, &[byte]), byte.into());
            assert_eq!(run(program, &[byte + 1]), 0);
        }
    }
    assert!(programs.iter().any(|program| known(program)));
}

/// A program before, or across, the end of memory that may be read.
struct AtTheEnd {
    map: *mut libc::c_void,
    program: *mut Insn,
    len: usize,
}

const PAGE: usize = 65_536;

impl AtTheEnd {
    /// Reading behind the program ends the process.
    fn new(program: &[Insn]) -> AtTheEnd {
        let place = AtTheEnd::across(program, program.len());
        place.close();
        place
    }

    /// `before` of its instructions lie before the line from which on [`AtTheEnd::close`] forbids to read.
    fn across(program: &[Insn], before: usize) -> AtTheEnd {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a fresh mapping of two parts; the program begins in the first and fits.
        unsafe {
            let map = libc::mmap(std::ptr::null_mut(), 2 * PAGE, access, kind, -1, 0);
            assert_ne!(map, libc::MAP_FAILED);
            let first = map.byte_add(PAGE - before * size_of::<Insn>()).cast::<Insn>();
            first.copy_from_nonoverlapping(program.as_ptr(), program.len());
            AtTheEnd { map, program: first, len: program.len() }
        }
    }

    fn close(&self) {
        // SAFETY: the second part of our own mapping.
        assert_eq!(unsafe { libc::mprotect(self.map.byte_add(PAGE), PAGE, libc::PROT_NONE) }, 0);
    }

    fn insns(&mut self) -> &mut [Insn] {
        // SAFETY: written by `across`, mapped until the drop; not used after `close` where that hides a part.
        unsafe { std::slice::from_raw_parts_mut(self.program, self.len) }
    }
}

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`.
        unsafe { libc::munmap(self.map, 2 * PAGE) };
    }
}

#[test]
fn nothing_is_read_behind_a_program() {
    let mut program = AtTheEnd::new(&first_byte(7, 100));
    until_known(program.insns(), &[7], 100);
    (0..CALLS).for_each(|_| assert_eq!(run(program.insns(), &[8]), 0));
}

/// What replaces a known program at its address begins like it.
#[test]
fn nothing_is_read_behind_a_program_that_became_shorter() {
    let known_program = first_byte(7, 100);
    let equal = Insn::jump(op::JMP | op::JEQ | op::K, 7, 0, 0);
    for shorter in [vec![known_program[0], ret(3)], vec![ret(4)], vec![known_program[0], equal, ret(5)]] {
        let mut place = AtTheEnd::across(&known_program, shorter.len());
        until_known(place.insns(), &[7], 100);
        place.insns()[..shorter.len()].copy_from_slice(&shorter);
        place.close();
        place.len = shorter.len();
        let keep = shorter.last().unwrap().k;
        (0..2 * CALLS).for_each(|_| assert_eq!(run(place.insns(), &[7]), keep));
    }
}

#[test]
fn a_long_program_is_copied_as_far_as_it_proves() {
    // Each instruction jumps at most one further than the one before it has proved.
    let mut program = vec![Insn::new(op::LD | op::B | op::ABS, 0)];
    for byte in 0..200 {
        program.push(Insn::jump(op::JMP | op::JEQ | op::K, byte, 0, 1));
        program.push(ret(byte + 1));
    }
    program.push(ret(0));
    // SAFETY: a valid program.
    assert_eq!(unsafe { copied(program.as_ptr()) }, program);
    let mut program = AtTheEnd::new(&program);
    until_known(program.insns(), &[199], 200);
    (0..CALLS).for_each(|n| assert_eq!(run(program.insns(), &[(n % 200) as u8]), n % 200 + 1));
}

#[test]
fn instructions_that_only_a_jump_back_reaches() {
    // ja +1; ret 5; ja -2
    let program = [Insn::new(op::JMP | op::JA, 1), ret(5), Insn::new(op::JMP | op::JA, -2i32 as u32)];
    // SAFETY: a valid program.
    assert_eq!(unsafe { copied(program.as_ptr()) }, program);
    let mut program = AtTheEnd::new(&program);
    (0..2 * CALLS).for_each(|_| assert_eq!(run(program.insns(), &[]), 5));
}

/// Straight ahead, each instruction is executed.
#[test]
fn a_change_of_any_instruction_is_seen() {
    for len in [4usize, 5, 30, 100] {
        let mut program = vec![Insn::new(op::LD | op::LEN, 0); len];
        program[len - 2] = Insn::jump(op::JMP | op::JEQ | op::K, 3, 0, 0);
        program[len - 1] = ret(len as u32);
        let mut place = AtTheEnd::new(&program);
        until_known(place.insns(), &[7], len as u32);
        for at in 0..len {
            let was = place.insns()[at];
            place.insns()[at] = ret(1000);
            assert_eq!(run(place.insns(), &[7]), 1000, "{at} of {len}");
            place.insns()[at] = was;
        }
        assert!(known(place.insns()));
    }
}

struct NoNames;

impl Resolve for NoNames {
    fn addresses(&self, _: &str) -> Vec<IpAddr> {
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

const HOSTS: u32 = 100;

/// The program for a list of hosts, two search trees.
fn hosts() -> Vec<Insn> {
    let text: Vec<String> = (0..HOSTS).map(|n| format!("host 10.0.{}.{}", n % 7, 2 * n + 1)).collect();
    let source = PacketSource::Dead;
    let options = Options { linktype: 1, snaplen: 96, optimize: true, netmask: NETMASK_UNKNOWN, source };
    ::filter::compile(text.join(" or ").as_bytes(), &options, &NoNames).expect("a filter")
}

/// Packets from and to each of them, and from and to others.
fn packets() -> Vec<Vec<u8>> {
    let ethernet = |kind: u16| [&[0; 12][..], &kind.to_be_bytes()].concat();
    let ip = |from: [u8; 4], to: [u8; 4]| [&ethernet(0x800)[..], &[0x45; 12], &from, &to, &[0; 20]].concat();
    let arp = |from: [u8; 4]| [&ethernet(0x806)[..], &[0; 14], &from, &[0; 6], &[9; 4]].concat();
    let mut packets = vec![Vec::new(), ethernet(0x800), ethernet(0x86dd), arp([9; 4]), ip([9; 4], [11; 4])];
    for n in 0..HOSTS {
        for host in [[10, 0, (n % 7) as u8, (2 * n + 1) as u8], [10, 0, (n % 7) as u8, (2 * n) as u8]] {
            packets.extend([ip(host, [9; 4]), ip([9; 4], host), arp(host)]);
        }
    }
    packets
}

/// Says of all packets what the interpreter says; how many are accepted.
fn assert_interpreted(program: &[Insn], packets: &[Vec<u8>], what: &str) -> usize {
    assert!(validate(program), "{what}");
    let mut accepted = 0;
    for packet in packets {
        let expected = interpret(program, packet, packet.len() as u32, None);
        assert_eq!(run(program, packet), expected, "{what}: {packet:?}");
        accepted += usize::from(expected != 0);
    }
    accepted
}

#[test]
fn a_change_of_any_instruction_of_a_search_tree_is_seen() {
    let (program, packets) = (hosts(), packets());
    let mut place = AtTheEnd::new(&program);
    until_known(place.insns(), &packets[0], 0);
    assert!(assert_interpreted(place.insns(), &packets, "as it was") > HOSTS as usize);
    let (mut changes, mut different) = (0, 0);
    for (at, &was) in program.iter().enumerate() {
        let others = [
            ret(7),
            Insn { k: was.k ^ 1, ..was },
            Insn { k: was.k.wrapping_add(1 << 9), ..was },
            Insn { jt: was.jf, jf: was.jt, ..was },
            Insn { jf: was.jf.wrapping_add(1), ..was },
            Insn { jt: was.jt.wrapping_sub(1), ..was },
            Insn { code: was.code ^ 0x30, ..was },
        ];
        for other in others {
            place.insns()[at] = other;
            if other == was || !validate(place.insns()) {
                place.insns()[at] = was;
                continue;
            }
            let what = format!("{other:?} at {at} instead of {was:?}");
            assert_interpreted(place.insns(), &packets, &what);
            changes += 1;
            let differs = |packet: &Vec<u8>| {
                let verdict = |program: &[Insn]| interpret(program, packet, packet.len() as u32, None);
                verdict(place.insns()) != verdict(&program)
            };
            different += usize::from(packets.iter().any(differs));
            // A translation of the changed one would see nothing.
            place.insns()[at] = was;
            until_known(place.insns(), &packets[0], 0);
        }
    }
    assert!(changes > 4 * program.len() && different > changes / 2, "{different} of {changes} for {}", program.len());
}

/// Cut anywhere, with a return at the end: what is behind can't be read.
#[test]
fn nothing_is_read_behind_a_search_tree_that_was_cut() {
    let (whole, packets) = (hosts(), packets());
    let tree = whole.iter().position(|insn| insn.code == op::JMP | op::JGE | op::K).expect("a tree");
    // Once with what is before the trees, which jumps behind them and so proves that they are there, once without.
    for program in [&whole[..], &whole[tree - 1..]] {
        for len in 1..program.len() {
            let mut place = AtTheEnd::across(program, len + 1);
            until_known(place.insns(), &[], 0);
            place.insns()[len] = ret(5);
            for at in 0..len {
                let insn = &mut place.insns()[at];
                let most = len - at - 1;
                if insn.code == op::JMP | op::JA {
                    insn.k = insn.k.min(most as u32);
                } else if insn.code & 7 == op::JMP {
                    insn.jt = insn.jt.min(most.min(255) as u8);
                    insn.jf = insn.jf.min(most.min(255) as u8);
                }
            }
            place.close();
            place.len = len + 1;
            assert_interpreted(place.insns(), &packets, &format!("cut at {len} of {}", program.len()));
        }
    }
}

#[test]
fn a_program_of_which_little_is_executed() {
    // One step into 4,000 instructions that no packet reaches.
    let mut program =
        vec![Insn::new(op::LD | op::B | op::ABS, 0), Insn::jump(op::JMP | op::JEQ | op::K, 7, 0, 1), ret(1)];
    program.extend(std::iter::repeat_n(Insn::new(op::LD | op::IMM, 1), 4000));
    program.push(ret(2));
    until_known(&program, &[7], 1);
    // Where it does not matter, a change is none.
    program[3000] = ret(3);
    assert_eq!((run(&program, &[7]), run(&program, &[8])), (1, 3));
    assert!(known(&program));
}

#[test]
fn threads_share_the_table() {
    let program = first_byte(7, 102);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let shared = &program;
            scope.spawn(move || {
                let mut own = first_byte(7, 1000 + thread);
                for n in 0..8 * CALLS {
                    own[2].k = 1000 + thread + n / CALLS;
                    assert_eq!(run(&own, &[7]), own[2].k);
                    assert_eq!((run(shared, &[7]), run(shared, &[8])), (102, 0));
                }
            });
        }
    });
}

#[test]
fn what_could_not_be_translated_is_looked_at_again() {
    // Nothing reaches an instruction that there is not.
    let mut program = vec![Insn::new(op::JMP | op::JA, 1), Insn::new(0xffff, 0), ret(1), ret(0)];
    (0..2 * CALLS).for_each(|_| assert_eq!(run(&program, &[7]), 1));
    assert!(!known(&program));
    program = first_byte(7, 103);
    until_known(&program, &[7], 103);
}
