//! `pcap_compile` on every kind of handle: results, error texts, and what is left of the program.

use crate::api::{Api, ours, same, text};
use pcap::abi::*;
use pcap::pcap_t;
use std::ffi::{CStr, CString, c_char, c_int};

/// A program that nobody compiled: it shows whether it was written to.
fn untouched() -> bpf_program {
    bpf_program { bf_len: 77, bf_insns: std::ptr::dangling_mut() }
}

/// Result, error text and, when it failed, whether the program is as it was.
fn compile(api: &Api, p: *mut pcap_t, expression: Option<&CStr>) -> (c_int, Option<String>, bool) {
    let mut program = untouched();
    // SAFETY: an open handle, a program that is freed when it was made, a text that is NULL or terminated.
    unsafe {
        let expression = expression.map_or(std::ptr::null(), |text| text.as_ptr());
        let result = (api.pcap_compile)(p, &mut program, expression, 1, PCAP_NETMASK_UNKNOWN);
        let same = program.bf_len == 77 && program.bf_insns == std::ptr::dangling_mut();
        if result == 0 {
            assert_ne!((api.bpf_validate)(program.bf_insns, program.bf_len as c_int), 0);
            (api.pcap_freecode)(&mut program);
            assert!(program.bf_len == 0 && program.bf_insns.is_null());
            return (0, None, same);
        }
        (result, text((api.pcap_geterr)(p)), same)
    }
}

const PCAP_NETMASK_UNKNOWN: u32 = 0xffff_ffff;

#[test]
fn on_dead_handles() {
    let expressions = [
        None,
        Some(c""),
        Some(c"tcp port 80"),
        Some(c"tcp port"),
        Some(c"host"),
        Some(c"1 = 2"),
        Some(c"len > 60 and ip"),
    ];
    for (linktype, snaplen) in [(1, 65_535), (1, 0), (1, -1), (1, i32::MAX), (9999, 100), (-5, 100), (12, 100)] {
        for expression in expressions {
            // SAFETY: an open handle, closed once.
            same(|api| unsafe {
                let p = (api.pcap_open_dead)(linktype, snaplen);
                let result = compile(api, p, expression);
                (api.pcap_close)(p);
                (linktype, snaplen, expression, result)
            });
        }
    }
}

#[test]
fn without_a_handle() {
    for (snaplen, linktype, expression) in
        [(100, 1, c"ip"), (0, 1, c"ip"), (-1, 1, c"ip"), (100, 9999, c"ip"), (100, 1, c"ip and"), (100, 1, c"1 = 2")]
    {
        // SAFETY: a program that is freed when it was made, a terminated text.
        same(|api| unsafe {
            let mut program = untouched();
            let result = (api.pcap_compile_nopcap)(snaplen, linktype, &mut program, expression.as_ptr(), 1, 0);
            if result == 0 {
                (api.pcap_freecode)(&mut program);
                program = untouched();
            }
            (snaplen, linktype, expression, result, program.bf_len)
        });
    }
}

fn error(api: &Api, p: *mut pcap_t) -> Option<String> {
    // SAFETY: an open handle.
    unsafe { text((api.pcap_geterr)(p)) }
}

/// The next error of the system's library replaces ours, as if both were one.
#[test]
fn an_error_on_a_handle_of_the_systems_library_is_its_error() {
    same(|api| {
        let mut errbuf = [0 as c_char; PCAP_ERRBUF_SIZE];
        // SAFETY: a terminated name, a buffer of the right size; an open handle, closed once.
        unsafe {
            let p = (api.pcap_create)(c"lo".as_ptr(), errbuf.as_mut_ptr());
            let mut told = vec![format!("{:?}", compile(api, p, Some(c"ip")))];
            (api.pcap_set_datalink)(p, 9999);
            told.push(format!("{:?}", error(api, p)));
            told.push(format!("{:?}", compile(api, p, Some(c"tcp port"))));
            (api.pcap_close)(p);
            told
        }
    });
}

#[test]
fn a_created_port_has_no_link_type_yet() {
    let p = ours();
    let mut errbuf = [0 as c_char; PCAP_ERRBUF_SIZE];
    // SAFETY: a terminated name, a buffer of the right size; an open handle, closed once.
    unsafe {
        let handle = (p.pcap_create)(c"vale0:a".as_ptr(), errbuf.as_mut_ptr());
        let text = "not-yet-activated pcap_t passed to pcap_compile".to_string();
        assert_eq!(compile(p, handle, Some(c"ip")), (PCAP_ERROR, Some(text), true));
        (p.pcap_close)(handle);
    }
}

#[test]
fn null_is_nobodys_program() {
    let (no_handle, no_program) = (std::ptr::null_mut(), std::ptr::null_mut());
    let mut program = untouched();
    // SAFETY: NULL is allowed.
    unsafe {
        let p = (ours().pcap_open_dead)(1, 100);
        assert_eq!((ours().pcap_compile)(p, no_program, c"ip".as_ptr(), 1, 0), PCAP_ERROR);
        assert_eq!((ours().pcap_compile)(no_handle, &mut program, c"ip".as_ptr(), 1, 0), PCAP_ERROR);
        assert_eq!((ours().pcap_compile_nopcap)(100, 1, no_program, c"ip".as_ptr(), 1, 0), PCAP_ERROR);
        (ours().pcap_freecode)(no_program);
        (ours().pcap_close)(p);
    }
}

/// A savefile of 65,535 bytes' snap length without packets, in either byte order.
fn savefile(name: &str, linktype: u32, swapped: bool) -> CString {
    let order = |n: u32| if swapped { n.to_be_bytes() } else { n.to_le_bytes() };
    let version = if swapped { [0, 2, 0, 4] } else { [2, 0, 4, 0] };
    let header = [order(0xa1b2_c3d4), version, order(0), order(0), order(65_535), order(linktype)].concat();
    let path = std::env::temp_dir().join(format!("pcap-compiling-{name}-{}", std::process::id()));
    std::fs::write(&path, header).unwrap();
    CString::new(path.to_str().unwrap()).unwrap()
}

/// Verdicts of what `expression` compiles to, on `packets`.
fn verdicts(api: &Api, p: *mut pcap_t, expression: &CStr, packets: &[&[u8]]) -> Result<Vec<bool>, Option<String>> {
    let mut program = untouched();
    // SAFETY: an open handle, a terminated text; the program is freed once; packets of the lengths that are told.
    unsafe {
        if (api.pcap_compile)(p, &mut program, expression.as_ptr(), 1, PCAP_NETMASK_UNKNOWN) != 0 {
            return Err(error(api, p));
        }
        let run = |packet: &&[u8]| {
            (api.bpf_filter)(program.bf_insns, packet.as_ptr(), packet.len() as u32, packet.len() as u32) != 0
        };
        let all = packets.iter().map(run).collect();
        (api.pcap_freecode)(&mut program);
        Ok(all)
    }
}

#[test]
fn on_savefiles_of_either_byte_order() {
    // DLT_NULL: the address family stands in the order of who wrote the file.
    let (little, big) = ([2u8, 0, 0, 0, 0x45, 0], [0, 0, 0, 2, 0x45, 0]);
    for (name, linktype, swapped) in [("en", 1, false), ("null", 0, false), ("null-swapped", 0, true)] {
        let file = savefile(name, linktype, swapped);
        for expression in [c"ip", c"inbound", c"vlan", c"tcp port"] {
            // SAFETY: a terminated name, a buffer of the right size; an open handle, closed once.
            same(|api| unsafe {
                let mut errbuf = [0 as c_char; PCAP_ERRBUF_SIZE];
                let p = (api.pcap_open_offline)(file.as_ptr(), errbuf.as_mut_ptr());
                assert!(!p.is_null(), "{:?}", text(errbuf.as_ptr()));
                let result = verdicts(api, p, expression, &[&little, &big, &[0; 60]]);
                (api.pcap_close)(p);
                (name, expression, result)
            });
        }
        std::fs::remove_file(file.to_str().unwrap()).unwrap();
    }
}

/// Whether the program asks the kernel for what lies beside the packet at `SKF_AD_OFF + beside`.
fn asks(api: &Api, p: *mut pcap_t, expression: &CStr, beside: u32) -> bool {
    let mut program = untouched();
    // SAFETY: an open handle, a terminated text; a program of `bf_len` instructions, freed once.
    unsafe {
        let result = (api.pcap_compile)(p, &mut program, expression.as_ptr(), 1, PCAP_NETMASK_UNKNOWN);
        assert_eq!(result, 0, "{:?}", error(api, p));
        let all = std::slice::from_raw_parts(program.bf_insns, program.bf_len as usize);
        let found = all.iter().any(|insn| insn.code & 7 == 0 && insn.k == 0xffff_f000 + beside);
        (api.pcap_freecode)(&mut program);
        found
    }
}

#[test]
fn a_packet_socket_is_asked_for_what_lies_beside_the_packet() {
    const SKF_AD_PKTTYPE: u32 = 4;
    const SKF_AD_VLAN_TAG_PRESENT: u32 = 48;
    let open = |api: &Api| {
        let mut errbuf = [0 as c_char; PCAP_ERRBUF_SIZE];
        // SAFETY: a terminated name, a buffer of the right size; the handle is the caller's.
        unsafe {
            let p = (api.pcap_create)(c"lo".as_ptr(), errbuf.as_mut_ptr());
            ((api.pcap_activate)(p), p)
        }
    };
    let (status, p) = open(ours());
    // SAFETY: an open handle, closed once.
    unsafe { (ours().pcap_close)(p) };
    if status < 0 {
        use std::io::Write;
        // Past the capture of the test harness.
        writeln!(std::io::stdout(), "skipped: no packet socket here (status {status}); root has them").unwrap();
        return;
    }
    for (expression, beside) in [(c"vlan", SKF_AD_VLAN_TAG_PRESENT), (c"outbound", SKF_AD_PKTTYPE), (c"ip", 0)] {
        // SAFETY: an open handle, closed once.
        same(|api| unsafe {
            let (_, p) = open(api);
            let asked = asks(api, p, expression, beside);
            (api.pcap_close)(p);
            (expression, asked)
        });
    }
}
