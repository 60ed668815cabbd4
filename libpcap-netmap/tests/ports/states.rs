//! What works in which state of a handle, and what the errors say.

use crate::handles::{Pcap, frame};
use pcap::abi::*;
use pcap::*;
use std::ffi::{CStr, c_char};

#[test]
fn a_created_handle_says_that_it_is_not_activated() {
    let p = Pcap::create("vales0:a");
    let mut stat = pcap_stat::default();
    // SAFETY: an open handle, places for what is asked.
    unsafe {
        assert_eq!(pcap_stats(p.0, &mut stat), PCAP_ERROR_NOT_ACTIVATED);
        assert_eq!(p.error(), "This handle hasn't been activated yet");
        assert_eq!(p.next(), Err(PCAP_ERROR_NOT_ACTIVATED));
        assert_eq!(p.dispatch(1, &mut Vec::new()), PCAP_ERROR_NOT_ACTIVATED);
        assert_eq!(pcap_inject(p.0, frame(0, 60).as_ptr().cast(), 60), PCAP_ERROR_NOT_ACTIVATED);
        assert_eq!(pcap_datalink(p.0), PCAP_ERROR_NOT_ACTIVATED);
        assert_eq!(pcap_get_selectable_fd(p.0), PCAP_ERROR);
        assert!(pcap_dump_open(p.0, c"/dev/null".as_ptr()).is_null());
        assert_eq!(p.error(), "/dev/null: not-yet-activated pcap_t passed to pcap_dump_open");
    }
}

#[test]
fn options_are_refused_after_activation() {
    let p = Pcap::open("vales1:a", 0);
    // SAFETY: an open handle.
    unsafe {
        assert_eq!(pcap_set_snaplen(p.0, 100), PCAP_ERROR_ACTIVATED);
        assert_eq!(p.error(), "can't perform  operation on activated capture");
        assert_eq!(pcap_activate(p.0), PCAP_ERROR_ACTIVATED);
        assert_eq!((pcap_snapshot(p.0), pcap_datalink(p.0)), (MAXIMUM_SNAPLEN, DLT_EN10MB));
    }
}

#[test]
fn a_failed_activation_can_be_tried_again() {
    let p = Pcap::create("vales2:a");
    // SAFETY: an open handle.
    unsafe {
        assert_eq!(pcap_set_rfmon(p.0, 1), 0);
        assert_eq!(pcap_activate(p.0), PCAP_ERROR_RFMON_NOTSUP);
        assert_eq!(pcap_set_rfmon(p.0, 0), 0);
        assert_eq!(pcap_activate(p.0), 0);
    }
}

#[test]
fn a_port_has_several_handles_and_no_network() {
    let (first, second) = (Pcap::open("vales5:a", 0), Pcap::open("vales5:a", 0));
    drop(first);
    let third = Pcap::open("vales5:a", 0);
    // SAFETY: open handles; the places are locals.
    unsafe {
        assert_eq!((pcap_datalink(second.0), pcap_datalink(third.0)), (DLT_EN10MB, DLT_EN10MB));
        let (mut net, mut mask) = (1, 1);
        let code = pcap_lookupnet(c"vales5:a".as_ptr(), &raw mut net, &raw mut mask, std::ptr::null_mut());
        assert_eq!((code, net, mask), (0, 0, 0));
    }
}

#[test]
fn names_that_no_driver_serves_are_no_devices() {
    for name in ["vale0:", "vale0:a/x", "netmap:nosuch0", "vhost:/tmp/x"] {
        let p = Pcap::create(name);
        // SAFETY: an open handle.
        assert_eq!(unsafe { pcap_activate(p.0) }, PCAP_ERROR_NO_SUCH_DEVICE);
        assert!(p.error().starts_with(name), "{}", p.error());
    }
    let p = Pcap::create("vales3:a");
    // SAFETY: an open handle.
    unsafe {
        assert_eq!(pcap_set_rfmon(p.0, 1), 0);
        assert_eq!(pcap_activate(p.0), PCAP_ERROR_RFMON_NOTSUP);
        assert_eq!(p.error(), "That device doesn't support monitor mode");
    }
}

#[test]
fn what_can_not_be_sent_has_the_systems_words() {
    let p = Pcap::open("vales4:a", 0);
    let frame = frame(0, 70_000);
    let send = |bytes: *const u8, size: usize| {
        // SAFETY: an open handle; `size` is within the frame unless it is refused unread.
        let sent = unsafe { pcap_inject(p.0, bytes.cast(), size) };
        (sent, p.error())
    };
    let refused = |text: &str| (PCAP_ERROR, text.to_string());
    let (sent, text) = send(frame.as_ptr(), 0);
    assert_eq!(sent, PCAP_ERROR);
    assert!(text.starts_with("The number of bytes to be injected must not be zero"), "{text}");
    assert_eq!(send(std::ptr::null(), 60), refused("send: Bad address"));
    assert_eq!(send(frame.as_ptr(), 13), refused("send: Invalid argument"));
    assert_eq!(send(frame.as_ptr(), 65_536), refused("send: Message too long"));
    assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::EMSGSIZE));
    let text = "More than 2147483647 bytes cannot be injected: Message too long";
    assert_eq!(send(frame.as_ptr(), 1 << 31), refused(text));
    assert_eq!(send(frame.as_ptr(), 65_535).0, 65_535);
    // SAFETY: an open handle.
    assert_eq!(unsafe { pcap_sendpacket(p.0, frame.as_ptr(), 0) }, PCAP_ERROR);
    let listener = Pcap::open("vales4:*", 0);
    // SAFETY: an open handle.
    assert_eq!(unsafe { pcap_sendpacket(listener.0, frame.as_ptr(), 60) }, PCAP_ERROR);
    assert!(listener.error().contains("sends no frames"), "{}", listener.error());
}

#[test]
fn a_full_receiver_is_an_error_with_its_text() {
    let _receiver = Pcap::open("vales5:r", 0);
    let sender = Pcap::open("vales5:t", 0);
    sender.set_nonblocking(true);
    let bytes = frame(0, 60);
    let mut results = (0..5000).map(|_| {
        // SAFETY: an open handle and 60 bytes.
        unsafe { pcap_inject(sender.0, bytes.as_ptr().cast(), 60) }
    });
    assert!(results.any(|sent| sent == PCAP_ERROR));
    assert_eq!(sender.error(), "send: No buffer space available");
}

#[test]
fn null_handles_get_the_documented_errors() {
    let null = std::ptr::null_mut();
    // SAFETY: NULL is allowed.
    unsafe {
        assert_eq!(pcap_loop(null, -1, None, null.cast()), PCAP_ERROR);
        assert_eq!(pcap_inject(null, null.cast(), 60), PCAP_ERROR);
        assert!(pcap_next(null, null.cast()).is_null());
        assert_eq!(pcap_activate(null), PCAP_ERROR);
        assert_eq!(pcap_stats(null, null.cast()), PCAP_ERROR);
        assert!(pcap_dump_open(null, c"/dev/null".as_ptr()).is_null());
        pcap_breakloop(null);
        assert!(!CStr::from_ptr(pcap_geterr(null)).is_empty());
    }
    let p = Pcap::open("vales6:a", 0);
    // SAFETY: an open handle, NULL where libpcap would crash.
    unsafe {
        assert_eq!(pcap_loop(p.0, 1, None, null.cast()), PCAP_ERROR);
        assert_eq!(pcap_next_ex(p.0, null.cast(), null.cast()), PCAP_ERROR);
        assert_eq!(pcap_setfilter(p.0, null.cast()), PCAP_ERROR);
        assert_eq!(p.error(), "setfilter: No filter specified");
    }
}

#[test]
fn live_ports_are_devices() {
    let _port = Pcap::open("vales7:a", 0);
    let mut errbuf = [0 as c_char; PCAP_ERRBUF_SIZE];
    let mut names = Vec::new();
    // SAFETY: places for list and text; the list is walked before it is freed.
    unsafe {
        let mut devices = std::ptr::null_mut();
        assert_eq!(pcap_findalldevs(&mut devices, errbuf.as_mut_ptr()), 0);
        let mut device = devices.cast_const();
        while let Some(found) = device.as_ref() {
            names.push(CStr::from_ptr(found.name).to_str().unwrap().to_string());
            device = found.next;
        }
        pcap_freealldevs(devices);
    }
    assert!(names.iter().any(|n| n == "vales7:a") && names.iter().any(|n| n == "vales7:*"), "{names:?}");
}

#[test]
fn frames_of_a_port_are_written_and_read_as_a_savefile() {
    let file = std::env::temp_dir().join(format!("libpcap-netmap-{}.pcap", std::process::id()));
    let name = std::ffi::CString::new(file.to_str().unwrap()).unwrap();
    let (r, t) = (Pcap::open("vales8:r", 1000), Pcap::open("vales8:t", 0));
    (0..9).for_each(|n| t.send(n, 60 + n as usize));
    // SAFETY: open handles; pcap_dump is a callback made for this.
    unsafe {
        let dumper = pcap_dump_open(r.0, name.as_ptr());
        assert!(!dumper.is_null(), "{}", r.error());
        unsafe extern "C-unwind" fn write(user: *mut u8, header: *const pcap_pkthdr, data: *const u8) {
            // SAFETY: passed on.
            unsafe { pcap_dump(user, header, data) };
        }
        assert_eq!(pcap_loop(r.0, 9, Some(write), dumper.cast()), 0);
        pcap_dump_close(dumper);
        let mut errbuf = [0 as c_char; PCAP_ERRBUF_SIZE];
        let saved = Pcap(pcap_open_offline(name.as_ptr(), errbuf.as_mut_ptr()));
        std::fs::remove_file(&file).unwrap();
        assert!(!saved.0.is_null());
        assert_eq!((pcap_datalink(saved.0), pcap_snapshot(saved.0)), (DLT_EN10MB, MAXIMUM_SNAPLEN));
        for n in 0..9 {
            let seen = saved.next().unwrap();
            assert_eq!((seen.number, seen.len, seen.intact), (n, 60 + n, true));
        }
        assert_eq!(saved.next(), Err(PCAP_ERROR_BREAK));
    }
}
