//! Programs that come with each packet, checked and printed ones.

use crate::api::{Api, ours, same, text};
use pcap::abi::*;
use std::ffi::c_int;

fn insn(code: u16, jt: u8, jf: u8, k: u32) -> bpf_insn {
    bpf_insn { code, jt, jf, k }
}

/// `ip`, on Ethernet.
fn ip() -> Vec<bpf_insn> {
    vec![insn(0x28, 0, 0, 12), insn(0x15, 0, 1, 0x800), insn(0x06, 0, 0, 65_535), insn(0x06, 0, 0, 0)]
}

fn filter(api: &Api, program: &[bpf_insn], packet: &[u8]) -> u32 {
    // SAFETY: a valid program, a packet of the length that is told.
    unsafe { (api.bpf_filter)(program.as_ptr(), packet.as_ptr(), packet.len() as u32, packet.len() as u32) }
}

fn packet(ether_type: u16, len: usize) -> Vec<u8> {
    let mut packet = vec![0; len];
    if let Some(place) = packet.get_mut(12..14) {
        place.copy_from_slice(&ether_type.to_be_bytes());
    }
    packet
}

#[test]
fn verdicts() {
    for packet in [packet(0x800, 60), packet(0x806, 60), packet(0x800, 13), packet(0x800, 14), vec![]] {
        same(|api| filter(api, &ip(), &packet));
    }
}

#[test]
fn what_null_means() {
    let header = pcap_pkthdr { ts: libc::timeval { tv_sec: 0, tv_usec: 0 }, caplen: 1, len: 1 };
    let none = bpf_program { bf_len: 0, bf_insns: std::ptr::null_mut() };
    // SAFETY: NULL is allowed; one byte of a packet.
    same(|api| unsafe {
        let all = (api.bpf_filter)(std::ptr::null(), [0u8].as_ptr(), 1, 1);
        (all, (api.pcap_offline_filter)(&none, &header, [0u8].as_ptr()))
    });
    // SAFETY: ours takes more NULLs than libpcap.
    unsafe {
        assert_eq!((ours().pcap_offline_filter)(std::ptr::null(), &header, [0u8].as_ptr()), 0);
        assert_eq!((ours().bpf_validate)(std::ptr::null(), 3), 0);
        assert!((ours().bpf_image)(std::ptr::null(), 0).is_null());
        assert_eq!((ours().bpf_filter)(ip().as_ptr(), std::ptr::null(), 0, 0), 0);
    }
}

#[test]
fn an_offline_filter_takes_the_packets_header() {
    let mut program = vec![insn(0x80, 0, 0, 0), insn(0x16, 0, 0, 0)];
    let program = bpf_program { bf_len: 2, bf_insns: program.as_mut_ptr() };
    let header = pcap_pkthdr { ts: libc::timeval { tv_sec: 0, tv_usec: 0 }, caplen: 3, len: 1500 };
    // SAFETY: a valid program, a packet of three bytes.
    same(|api| unsafe { (api.pcap_offline_filter)(&program, &header, [0u8; 3].as_ptr()) });
}

#[test]
fn validity() {
    for len in [-1, 0, 1, 2, 3, 4] {
        // SAFETY: four instructions.
        same(|api| unsafe { ((api.bpf_validate)(ip().as_ptr(), len) != 0, len) });
    }
    for program in
        [vec![insn(0x06, 0, 0, 0)], vec![insn(0x05, 0, 0, 7), insn(0x06, 0, 0, 0)], vec![insn(0xffff, 0, 0, 0)]]
    {
        // SAFETY: as many instructions as are told.
        same(|api| unsafe { (api.bpf_validate)(program.as_ptr(), program.len() as c_int) != 0 });
    }
}

#[test]
fn images() {
    for code in 0..0x200 {
        for (jt, jf, k) in [(0, 0, 0), (1, 2, 12), (255, 0, 0xffff_f004), (3, 3, 0x8000_0000)] {
            for number in [0, 7, 1000] {
                let one = insn(code, jt, jf, k);
                // SAFETY: an instruction; a terminated text.
                same(|api| unsafe { text((api.bpf_image)(&one, number)) });
            }
        }
    }
}

/// A pcap_freecode of ours on a program of the caller's own, from `malloc`.
#[test]
fn a_program_of_the_callers_own_is_freed() {
    // SAFETY: malloc's memory, freed once.
    unsafe {
        let mut program = bpf_program { bf_len: 1, bf_insns: libc::malloc(8).cast() };
        (ours().pcap_freecode)(&mut program);
        assert!(program.bf_insns.is_null() && program.bf_len == 0);
    }
}
