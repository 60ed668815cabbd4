//! Sequences of pcap's calls on a savefile, callbacks that misbehave among them.

use pcap::abi::*;
use pcap::*;
use std::ffi::{CString, c_char};
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

const FILTERS: [&std::ffi::CStr; 4] = [c"", c"len > 30", c"ether[12:2] = 0x0800 and not tcp", c"less 1"];

/// What a callback knows: the handle, and what it does to it.
struct Running {
    p: *mut pcap_t,
    behaviour: u8,
    calls: u32,
    closed: bool,
}

/// Looks at every byte that it may look at.
unsafe fn look(p: *mut pcap_t, header: *const pcap_pkthdr, data: *const u8) {
    // SAFETY: what pcap gave for a frame.
    unsafe {
        let header = &*header;
        assert!(header.caplen <= pcap_snapshot(p) as u32);
        std::hint::black_box(std::slice::from_raw_parts(data, header.caplen as usize).iter().fold(0u8, |a, b| a ^ b));
    }
}

unsafe extern "C-unwind" fn callback(user: *mut u8, header: *const pcap_pkthdr, data: *const u8) {
    // SAFETY: what `run` passed, and pcap's own.
    unsafe {
        let running = &mut *user.cast::<Running>();
        running.calls += 1;
        let p = running.p;
        look(p, header, data);
        match running.behaviour {
            1 if running.calls == 2 => pcap_breakloop(p),
            2 => {
                let (mut inner, mut bytes) = (std::ptr::null_mut(), std::ptr::null());
                if pcap_next_ex(p, &mut inner, &mut bytes) == 1 {
                    look(p, inner, bytes);
                }
            }
            3 => _ = libc::ftell(pcap_file(p)),
            4 if running.calls == 3 => {
                running.closed = true;
                pcap_close(p);
            }
            5 if running.calls < 4 => {
                let mut inner = Running { p, behaviour: 0, calls: 0, closed: false };
                pcap_dispatch(p, 2, Some(callback), (&raw mut inner).cast());
            }
            6 => std::panic::resume_unwind(Box::new(())),
            _ => {}
        }
    }
}

/// The first byte says how the file is opened and how many of the next are calls; the rest is the file.
pub fn savefile_calls(input: &[u8]) {
    let Some((how, rest)) = input.split_first() else { return };
    let (calls, file) = rest.split_at(usize::from(how >> 3).min(rest.len()));
    // SAFETY: a file of this process alone; handles and streams are closed once.
    unsafe {
        let fd = libc::memfd_create(c"savefile".as_ptr(), libc::MFD_CLOEXEC);
        assert!(fd >= 0);
        let mut memory = std::fs::File::from_raw_fd(fd);
        memory.write_all(file).unwrap();
        let name = CString::new(format!("/proc/self/fd/{}", memory.as_raw_fd())).unwrap();
        let mut errbuf = [0 as c_char; PCAP_ERRBUF_SIZE];
        let p = if how & 1 == 0 {
            pcap_open_offline_with_tstamp_precision(name.as_ptr(), u32::from(how >> 1 & 1), errbuf.as_mut_ptr())
        } else {
            let stream = libc::fopen(name.as_ptr(), c"r".as_ptr());
            let p = pcap_fopen_offline_with_tstamp_precision(stream, u32::from(how >> 1 & 1), errbuf.as_mut_ptr());
            if p.is_null() {
                libc::fclose(stream);
            }
            p
        };
        if p.is_null() {
            assert!(errbuf[0] != 0);
            return;
        }
        for call in calls.chunks(2) {
            if run(p, call[0], *call.get(1).unwrap_or(&0), file.len()) {
                return;
            }
        }
        pcap_close(p);
    }
}

/// One call; whether the handle is closed after it.
unsafe fn run(p: *mut pcap_t, call: u8, argument: u8, size: usize) -> bool {
    let count = i32::from(argument >> 3) - 1;
    let mut running = Running { p, behaviour: argument & 7, calls: 0, closed: false };
    // SAFETY: an open handle; places that may be written.
    unsafe {
        match call % 10 {
            0 | 1 => {
                let user = (&raw mut running).cast();
                let looped = catch_unwind(AssertUnwindSafe(|| match call % 10 {
                    0 => pcap_loop(p, count, Some(callback), user),
                    _ => pcap_dispatch(p, count, Some(callback), user),
                }));
                assert!(looped.is_err() || !running.closed || looped.is_ok_and(|result| result == PCAP_ERROR_BREAK));
            }
            2 => {
                let (mut header, mut data) = (std::ptr::null_mut(), std::ptr::null());
                match pcap_next_ex(p, &mut header, &mut data) {
                    1 => look(p, header, data),
                    result => assert!(result < 0),
                }
            }
            3 => {
                let mut header = std::mem::zeroed();
                let data = pcap_next(p, &mut header);
                if !data.is_null() {
                    look(p, &header, data);
                }
            }
            4 => pcap_breakloop(p),
            5 => {
                let stream = pcap_file(p);
                assert!(!stream.is_null() && libc::ftell(stream) >= 0);
            }
            6 => _ = libc::fseek(pcap_file(p), size as i64 * i64::from(argument) / 255, libc::SEEK_SET),
            7 => {
                let mut program = bpf_program { bf_len: 0, bf_insns: std::ptr::null_mut() };
                if pcap_compile(p, &mut program, FILTERS[usize::from(argument % 4)].as_ptr(), 1, 0) == 0 {
                    assert_eq!(pcap_setfilter(p, &mut program), 0);
                    pcap_freecode(&mut program);
                }
            }
            8 => assert!(pcap_bufsize(p) > 0 && pcap_get_selectable_fd(p) >= 0),
            _ => {
                let mut stat = pcap_stat::default();
                assert_eq!(pcap_stats(p, &mut stat), PCAP_ERROR);
            }
        }
    }
    running.closed
}
