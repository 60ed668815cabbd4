//! Handles without a device.

use crate::api::{Api, ours, same, text, theirs};
use pcap::abi::*;
use pcap::pcap_t;
use std::ffi::{CString, c_char, c_int};

/// What every call answers on a dead handle, with the error text after it.
fn answers(api: &Api, linktype: c_int, snaplen: c_int, precision: u32) -> Vec<(&'static str, i64, Option<String>)> {
    let mut all = Vec::new();
    // SAFETY: an open handle, closed once; places and buffers of the sizes that are asked for.
    unsafe {
        let p = (api.pcap_open_dead_with_tstamp_precision)(linktype, snaplen, precision);
        assert!(!p.is_null());
        let mut note = |call, result| all.push((call, result, text((api.pcap_geterr)(p))));
        macro_rules! call {
            ($($name:ident($($argument:expr),*)),* $(,)?) => {$(
                note(stringify!($name($($argument),*)), i64::from((api.$name)(p $(, $argument)*)));
            )*};
        }
        call!(
            pcap_datalink(),
            pcap_datalink_ext(),
            pcap_snapshot(),
            pcap_is_swapped(),
            pcap_major_version(),
            pcap_minor_version(),
            pcap_bufsize(),
            pcap_get_tstamp_precision(),
            pcap_can_set_rfmon(),
            pcap_activate(),
            pcap_set_snaplen(1),
            pcap_set_promisc(1),
            pcap_set_rfmon(1),
            pcap_set_timeout(1),
            pcap_set_tstamp_type(0),
            pcap_set_immediate_mode(1),
            pcap_set_buffer_size(1),
            pcap_set_tstamp_precision(0),
            pcap_set_protocol_linux(3),
            pcap_set_datalink(1),
            pcap_set_datalink(12),
            pcap_set_datalink(-1),
            pcap_set_datalink(9999),
            pcap_setdirection(0),
            pcap_setdirection(2),
            pcap_setdirection(9),
            pcap_loop(1, Some(nothing), std::ptr::null_mut()),
            pcap_dispatch(-1, Some(nothing), std::ptr::null_mut()),
        );
        note("file", (api.pcap_file)(p).addr() as i64);
        note("timeout", (api.pcap_get_required_select_timeout)(p).addr() as i64);
        let mut list = std::ptr::null_mut();
        call!(pcap_list_datalinks(&mut list));
        note("datalink", (*list).into());
        (api.pcap_free_datalinks)(list);
        call!(pcap_list_tstamp_types(&mut list));
        note("type", (*list).into());
        (api.pcap_free_tstamp_types)(list);
        let mut errbuf = [1 as c_char; PCAP_ERRBUF_SIZE];
        call!(pcap_getnonblock(errbuf.as_mut_ptr()));
        assert_eq!(text(errbuf.as_ptr()), text((api.pcap_geterr)(p)));
        errbuf = [1; PCAP_ERRBUF_SIZE];
        call!(pcap_setnonblock(1, errbuf.as_mut_ptr()));
        assert_eq!(text(errbuf.as_ptr()), text((api.pcap_geterr)(p)));
        let mut stat = pcap_stat::default();
        call!(pcap_stats(&mut stat));
        let mut header = pcap_pkthdr { ts: libc::timeval { tv_sec: 0, tv_usec: 0 }, caplen: 0, len: 0 };
        note("next", (api.pcap_next)(p, &mut header).addr() as i64);
        let (mut at, mut data) = (std::ptr::null_mut(), std::ptr::null());
        call!(pcap_next_ex(&mut at, &mut data));
        (api.pcap_breakloop)(p);
        call!(pcap_dispatch(1, Some(nothing), std::ptr::null_mut()));
        let frame = [0u8; 60];
        *libc::__errno_location() = 0;
        call!(
            pcap_inject(frame.as_ptr().cast(), 60),
            pcap_inject(frame.as_ptr().cast(), 0),
            pcap_inject(frame.as_ptr().cast(), 1 << 31),
            pcap_sendpacket(frame.as_ptr(), 60),
            pcap_sendpacket(frame.as_ptr(), 0),
            pcap_sendpacket(frame.as_ptr(), -1),
        );
        let mut program = bpf_program { bf_len: 0, bf_insns: std::ptr::null_mut() };
        call!(pcap_setfilter(&mut program));
        (api.pcap_close)(p);
    }
    all
}

unsafe extern "C-unwind" fn nothing(_: *mut u8, _: *const pcap_pkthdr, _: *const u8) {}

#[test]
fn every_call_answers_as_libpcap() {
    for (linktype, snaplen, precision) in [(1, 65_535, 0), (12, 0, 1), (9999, -1, 7), (-1, i32::MIN, u32::MAX)] {
        same(|api| answers(api, linktype, snaplen, precision));
    }
}

/// libpcap 1.10 answers 0, which is the standard input; its manual says PCAP_ERROR.
#[test]
fn a_dead_handle_has_no_descriptor() {
    // SAFETY: an open handle, closed once.
    unsafe {
        let p = pcap::pcap_open_dead(1, 100);
        assert_eq!((pcap::pcap_fileno(p), pcap::pcap_get_selectable_fd(p)), (PCAP_ERROR, PCAP_ERROR));
        pcap::pcap_close(p);
    }
}

/// Writes a savefile with one packet; its bytes.
fn written(api: &Api, name: &str, open: impl Fn(&Api) -> *mut pcap_t) -> Vec<u8> {
    let path = std::env::temp_dir().join(format!("pcap-dead-{name}-{}", std::process::id()));
    let file = CString::new(path.to_str().unwrap()).unwrap();
    let header = pcap_pkthdr { ts: libc::timeval { tv_sec: 5, tv_usec: 123_456 }, caplen: 3, len: 60 };
    // SAFETY: open handles, closed once; a header and as many bytes as it says.
    unsafe {
        let p = open(api);
        let dumper = (api.pcap_dump_open)(p, file.as_ptr());
        assert!(!dumper.is_null(), "{:?}", text((api.pcap_geterr)(p)));
        (api.pcap_dump)(dumper.cast(), &header, [1u8, 2, 3].as_ptr());
        (api.pcap_dump_close)(dumper);
        (api.pcap_close)(p);
    }
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    bytes
}

#[test]
fn savefiles_are_written_for_a_dead_handle() {
    for (linktype, snaplen, precision) in [(1, 65_535, 0), (12, 100, 1), (117, 262_144, 0)] {
        // SAFETY: any numbers.
        let open = |api: &Api| unsafe { (api.pcap_open_dead_with_tstamp_precision)(linktype, snaplen, precision) };
        assert_eq!(written(ours(), "ours", open), written(theirs(), "theirs", open));
    }
}

#[test]
fn a_savefile_that_cannot_be_written_says_why() {
    for name in [Some(c"/no/such/folder"), None] {
        // SAFETY: an open handle, closed once; a name that is NULL or terminated.
        same(|api| unsafe {
            let p = (api.pcap_open_dead)(1, 100);
            let dumper = (api.pcap_dump_open)(p, name.map_or(std::ptr::null(), |name| name.as_ptr()));
            let why = text((api.pcap_geterr)(p));
            (api.pcap_close)(p);
            (dumper.is_null(), why)
        });
    }
}
