//! Reading savefiles: what each call answers, and what the stream is left like.

use crate::api::{Api, same, text};
use pcap::abi::*;
use pcap::pcap_t;
use std::ffi::{CString, c_char, c_int, c_long};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

unsafe extern "C" {
    static stdin: *mut libc::FILE;
}

/// A pcap file with frames of 20, 21, 22, … bytes.
fn file_of(frames: u32) -> Vec<u8> {
    let mut bytes = [&0xa1b2_c3d4u32.to_ne_bytes()[..], &2u16.to_ne_bytes(), &4u16.to_ne_bytes()].concat();
    [0u32, 0, 3000, 1].iter().for_each(|word| bytes.extend(word.to_ne_bytes()));
    for i in 0..frames {
        let size = 20 + i;
        [i, i * 7, size, size + 5].iter().for_each(|word| bytes.extend(word.to_ne_bytes()));
        bytes.extend((0..size).map(|at| (at + i) as u8));
    }
    bytes
}

/// A file that is gone with its guard.
struct Temporary(PathBuf);

impl Temporary {
    fn new(bytes: &[u8]) -> Temporary {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // ORDER: Relaxed: a number of its own for each.
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("pcap-offline-{}-{count}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        Temporary(path)
    }

    fn name(&self) -> CString {
        CString::new(self.0.to_str().unwrap()).unwrap()
    }

    /// # Safety
    /// As pcap's.
    unsafe fn open(&self, api: &Api) -> *mut pcap_t {
        let mut errbuf = [0 as c_char; PCAP_ERRBUF_SIZE];
        // SAFETY: a terminated name, a buffer of the size that is asked for.
        let p = unsafe { (api.pcap_open_offline)(self.name().as_ptr(), errbuf.as_mut_ptr()) };
        // SAFETY: terminated.
        assert!(!p.is_null(), "{:?}", unsafe { text(errbuf.as_ptr()) });
        p
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What a callback sees, and when it breaks.
struct Seen<'a> {
    api: &'a Api,
    p: *mut pcap_t,
    frames: Vec<(c_long, c_long, u32, u32, Vec<u8>)>,
    break_at: usize,
}

impl<'a> Seen<'a> {
    fn new(api: &'a Api, p: *mut pcap_t, break_at: usize) -> Seen<'a> {
        Seen { api, p, frames: Vec::new(), break_at }
    }

    fn user(&mut self) -> *mut u8 {
        (&raw mut *self).cast()
    }
}

unsafe extern "C-unwind" fn see(user: *mut u8, header: *const pcap_pkthdr, data: *const u8) {
    // SAFETY: what `Seen::user` gave, and pcap's own.
    unsafe {
        let seen = &mut *user.cast::<Seen<'_>>();
        let header = &*header;
        let data = std::slice::from_raw_parts(data, header.caplen as usize).to_vec();
        seen.frames.push((header.ts.tv_sec, header.ts.tv_usec, header.caplen, header.len, data));
        if seen.frames.len() == seen.break_at {
            (seen.api.pcap_breakloop)(seen.p);
        }
    }
}

#[test]
fn every_call_answers_as_libpcap() {
    let file = Temporary::new(&file_of(9));
    // SAFETY: an open handle, closed once; places and buffers of the sizes that are asked for.
    same(|api| unsafe {
        let p = file.open(api);
        let mut all = Vec::new();
        let mut note = |call: &'static str, result: i64| all.push((call, result, text((api.pcap_geterr)(p))));
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
            pcap_set_timeout(1),
            pcap_set_buffer_size(1),
            pcap_set_datalink(1),
            pcap_set_datalink(12),
            pcap_set_datalink(-1),
            pcap_set_datalink(9999),
            pcap_setdirection(0),
            pcap_setdirection(9),
            pcap_fileno(),
        );
        note("timeout", (api.pcap_get_required_select_timeout)(p).addr() as i64);
        note("selectable", ((api.pcap_get_selectable_fd)(p) == libc::fileno((api.pcap_file)(p))).into());
        let mut list = std::ptr::null_mut();
        call!(pcap_list_datalinks(&mut list));
        note("datalink", (*list).into());
        (api.pcap_free_datalinks)(list);
        call!(pcap_list_tstamp_types(&mut list));
        (api.pcap_free_tstamp_types)(list);
        let mut errbuf = [b'x' as c_char; PCAP_ERRBUF_SIZE];
        errbuf[3] = 0;
        call!(pcap_getnonblock(errbuf.as_mut_ptr()));
        assert_eq!(text(errbuf.as_ptr()).as_deref(), Some("xxx"));
        call!(pcap_setnonblock(1, errbuf.as_mut_ptr()));
        assert_eq!(text(errbuf.as_ptr()), text((api.pcap_geterr)(p)));
        let mut stat = pcap_stat::default();
        call!(pcap_stats(&mut stat));
        let frame = [0u8; 60];
        *libc::__errno_location() = 0;
        call!(
            pcap_inject(frame.as_ptr().cast(), 60),
            pcap_inject(frame.as_ptr().cast(), 0),
            pcap_sendpacket(frame.as_ptr(), 60),
            pcap_sendpacket(frame.as_ptr(), -1),
        );
        let mut program = bpf_program { bf_len: 0, bf_insns: std::ptr::null_mut() };
        call!(pcap_setfilter(&mut program));
        call!(pcap_compile(&mut program, c"dst port".as_ptr(), 1, 0));
        (api.pcap_close)(p);
        all
    });
}

#[test]
fn ends_and_breaks_are_libpcaps() {
    let file = Temporary::new(&file_of(9));
    for break_at in [0, 1, 2, 3, 9] {
        for count in [-1, 0, 1, 2, 3, 4, 100] {
            // SAFETY: an open handle, closed once; callbacks get what they expect.
            same(|api| unsafe {
                let p = file.open(api);
                let mut seen = Seen::new(api, p, break_at);
                let mut results = Vec::new();
                for _ in 0..3 {
                    results.push((api.pcap_loop)(p, count, Some(see), seen.user()));
                    results.push((api.pcap_dispatch)(p, count, Some(see), seen.user()));
                    let (mut header, mut data) = (std::ptr::null_mut(), std::ptr::null());
                    results.push((api.pcap_next_ex)(p, &mut header, &mut data));
                    if results.last() == Some(&1) {
                        results.push((*header).caplen as c_int);
                    }
                }
                (api.pcap_breakloop)(p);
                let mut header = std::mem::zeroed();
                results.push((api.pcap_next)(p, &mut header).is_null().into());
                results.push((api.pcap_dispatch)(p, 2, Some(see), seen.user()));
                (api.pcap_close)(p);
                (results, seen.frames)
            });
        }
    }
}

#[test]
fn a_filter_sees_both_lengths_and_cuts_nothing() {
    let file = Temporary::new(&file_of(30));
    for expression in [c"len >= 40", c"ether[21] = 30", c"less 0", c""] {
        // SAFETY: an open handle, closed once; the program is freed once.
        same(|api| unsafe {
            let p = file.open(api);
            let mut program = bpf_program { bf_len: 0, bf_insns: std::ptr::null_mut() };
            assert_eq!((api.pcap_compile)(p, &mut program, expression.as_ptr(), 1, 0), 0);
            assert_eq!((api.pcap_setfilter)(p, &mut program), 0);
            (api.pcap_freecode)(&mut program);
            let mut seen = Seen::new(api, p, 0);
            let result = (api.pcap_loop)(p, -1, Some(see), seen.user());
            (api.pcap_close)(p);
            (result, seen.frames)
        });
    }
}

#[test]
fn the_stream_stands_behind_the_last_frame() {
    let file = Temporary::new(&file_of(500));
    // SAFETY: an open handle, closed once; its stream is moved as programs do.
    same(|api| unsafe {
        let p = file.open(api);
        let mut seen = Seen::new(api, p, 0);
        (api.pcap_dispatch)(p, 3, Some(see), seen.user());
        let stream = (api.pcap_file)(p);
        let mut places = vec![libc::ftell(stream)];
        (api.pcap_dispatch)(p, 2, Some(see), seen.user());
        places.push(libc::ftell(stream));
        libc::fseek(stream, places[0], libc::SEEK_SET);
        (api.pcap_dispatch)(p, 2, Some(see), seen.user());
        places.push(libc::ftell(stream));
        (api.pcap_loop)(p, -1, Some(see), seen.user());
        places.push(libc::ftell((api.pcap_file)(p)));
        places.push((libc::feof(stream) != 0).into());
        libc::fseek(stream, places[0], libc::SEEK_SET);
        (api.pcap_loop)(p, 4, Some(see), seen.user());
        (api.pcap_close)(p);
        (places, seen.frames)
    });
}

#[test]
fn a_stream_that_is_half_read_is_read_on_and_left_in_place() {
    let mut bytes = b"what the program keeps before\n".to_vec();
    bytes.extend(file_of(3));
    let file = Temporary::new(&bytes);
    // SAFETY: an open stream, which the handle owns and closes.
    same(|api| unsafe {
        let stream = libc::fopen(file.name().as_ptr(), c"r".as_ptr());
        let mut line = [0 as c_char; 100];
        libc::fgets(line.as_mut_ptr(), 100, stream);
        let mut errbuf = [0 as c_char; PCAP_ERRBUF_SIZE];
        let p = (api.pcap_fopen_offline)(stream, errbuf.as_mut_ptr());
        assert!(!p.is_null());
        let mut places = vec![libc::ftell(stream)];
        let (mut header, mut data) = (std::ptr::null_mut(), std::ptr::null());
        while (api.pcap_next_ex)(p, &mut header, &mut data) == 1 {
            places.push(libc::ftell(stream));
        }
        assert_eq!((api.pcap_file)(p), stream);
        (api.pcap_close)(p);
        places
    });
}

#[test]
fn what_is_no_savefile_stays_the_programs_stream() {
    for bytes in [&b"GIF89a and more"[..], b"\n\r\r\nwhat looks like pcapng", b"abc", b"", &file_of(1)[..20]] {
        let file = Temporary::new(bytes);
        // SAFETY: an open stream, closed once.
        same(|api| unsafe {
            let stream = libc::fopen(file.name().as_ptr(), c"r".as_ptr());
            let mut errbuf = [0 as c_char; PCAP_ERRBUF_SIZE];
            let p = (api.pcap_fopen_offline)(stream, errbuf.as_mut_ptr());
            let place = libc::ftell(stream);
            assert_eq!(libc::fclose(stream), 0);
            (p.is_null(), text(errbuf.as_ptr()), place)
        });
    }
}

#[test]
fn what_cannot_be_opened_says_why() {
    let folder = std::env::temp_dir();
    let names = [c"/no/such/file".into(), c"".into(), CString::new(folder.to_str().unwrap()).unwrap()];
    // Reading it at its beginning fails: nothing is mapped there.
    let memory = CString::from(c"/proc/self/mem");
    for name in names.iter().chain([&memory]) {
        // SAFETY: terminated names, buffers of the size that is asked for.
        same(|api| unsafe {
            let mut errbuf = [0 as c_char; PCAP_ERRBUF_SIZE];
            let p = (api.pcap_open_offline)(name.as_ptr(), errbuf.as_mut_ptr());
            (p.is_null(), text(errbuf.as_ptr()))
        });
    }
    // SAFETY: NULLs are told apart; a precision that there is none of is refused after the file was found good.
    same(|api| unsafe {
        let mut texts = Vec::new();
        let mut errbuf = [0 as c_char; PCAP_ERRBUF_SIZE];
        assert!((api.pcap_open_offline)(std::ptr::null(), errbuf.as_mut_ptr()).is_null());
        texts.push(text(errbuf.as_ptr()));
        assert!((api.pcap_fopen_offline)(std::ptr::null_mut(), errbuf.as_mut_ptr()).is_null());
        texts.push(text(errbuf.as_ptr()));
        let file = Temporary::new(&file_of(1));
        let open = api.pcap_open_offline_with_tstamp_precision;
        assert!(open(file.name().as_ptr(), 2, errbuf.as_mut_ptr()).is_null());
        texts.push(text(errbuf.as_ptr()));
        texts
    });
}

#[test]
fn a_pipe_that_closes_midway_is_a_truncated_file() {
    for cut in [10, 30, 60, 62, 200] {
        // SAFETY: an open stream of a program, which the handle owns.
        same(|api| unsafe {
            let file = Temporary::new(&file_of(5)[..cut]);
            let command = CString::new(format!("cat {}", file.0.display())).unwrap();
            let stream = libc::popen(command.as_ptr(), c"r".as_ptr());
            let mut errbuf = [0 as c_char; PCAP_ERRBUF_SIZE];
            let p = (api.pcap_fopen_offline)(stream, errbuf.as_mut_ptr());
            if p.is_null() {
                libc::pclose(stream);
                return (0, text(errbuf.as_ptr()), Vec::new());
            }
            let mut seen = Seen::new(api, p, 0);
            let result = (api.pcap_loop)(p, -1, Some(see), seen.user());
            let why = text((api.pcap_geterr)(p));
            (api.pcap_close)(p);
            (result, why, seen.frames)
        });
    }
}

#[test]
fn a_signal_that_interrupts_a_read_is_an_error_as_with_libpcap() {
    unsafe extern "C" fn nothing(_: c_int) {}
    // SAFETY: a handler that does nothing, for a signal of this thread's own; descriptors and handles are closed once.
    same(|api| unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as usize;
        libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut());
        let mut ends = [0; 2];
        libc::pipe(ends.as_mut_ptr());
        let bytes = file_of(2);
        // All but the last frame's last bytes.
        libc::write(ends[1], bytes.as_ptr().cast(), bytes.len() - 4);
        let name = CString::new(format!("/proc/self/fd/{}", ends[0])).unwrap();
        let mut errbuf = [0 as c_char; PCAP_ERRBUF_SIZE];
        let p = (api.pcap_open_offline)(name.as_ptr(), errbuf.as_mut_ptr());
        let mut seen = Seen::new(api, p, 0);
        let reader = libc::pthread_self();
        let result = std::thread::scope(|scope| {
            let sender = scope.spawn(move || {
                std::thread::sleep(std::time::Duration::from_millis(200));
                libc::pthread_kill(reader, libc::SIGUSR1);
            });
            let result = (api.pcap_loop)(p, -1, Some(see), seen.user());
            sender.join().unwrap();
            result
        });
        let why = text((api.pcap_geterr)(p));
        ends.iter().for_each(|end| _ = libc::close(*end));
        (api.pcap_close)(p);
        (result, why, seen.frames)
    });
}

#[test]
fn the_standard_input_is_not_closed() {
    let file = Temporary::new(&file_of(3));
    // SAFETY: the process's own standard input, which no other test uses.
    unsafe {
        assert!(!libc::freopen(file.name().as_ptr(), c"r".as_ptr(), stdin).is_null());
        same(|api| {
            libc::rewind(stdin);
            let mut errbuf = [0 as c_char; PCAP_ERRBUF_SIZE];
            let p = (api.pcap_open_offline)(c"-".as_ptr(), errbuf.as_mut_ptr());
            let mut seen = Seen::new(api, p, 0);
            let result = (api.pcap_loop)(p, -1, Some(see), seen.user());
            (api.pcap_close)(p);
            (result, libc::ftell(stdin), libc::fileno(stdin), seen.frames)
        });
    }
}

/// With libpcap, what follows is undefined.
mod ours {
    use super::*;
    use crate::api::ours;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    unsafe extern "C-unwind" fn close(user: *mut u8, _: *const pcap_pkthdr, _: *const u8) {
        // SAFETY: the handle, closed once.
        unsafe { (ours().pcap_close)(user.cast()) };
    }

    #[test]
    fn a_callback_may_close_the_handle() {
        let file = Temporary::new(&file_of(9));
        for count in [-1, 1, 5] {
            // SAFETY: an open handle, which the callback closes.
            unsafe {
                let p = file.open(ours());
                assert_eq!((ours().pcap_loop)(p, count, Some(close), p.cast()), PCAP_ERROR_BREAK);
                let p = file.open(ours());
                assert_eq!((ours().pcap_dispatch)(p, count, Some(close), p.cast()), PCAP_ERROR_BREAK);
            }
        }
    }

    unsafe extern "C-unwind" fn throw(_: *mut u8, _: *const pcap_pkthdr, _: *const u8) {
        std::panic::resume_unwind(Box::new(7));
    }

    #[test]
    fn a_callback_that_unwinds_loses_no_frame() {
        let file = Temporary::new(&file_of(9));
        // SAFETY: an open handle, closed once.
        unsafe {
            let p = file.open(ours());
            for _ in 0..4 {
                let thrown = catch_unwind(AssertUnwindSafe(|| {
                    (ours().pcap_loop)(p, -1, Some(throw), std::ptr::null_mut());
                }));
                assert!(thrown.is_err());
            }
            let mut seen = Seen::new(ours(), p, 0);
            assert_eq!((ours().pcap_loop)(p, -1, Some(see), seen.user()), 0);
            assert_eq!(seen.frames.iter().map(|f| f.0).collect::<Vec<_>>(), [4, 5, 6, 7, 8]);
            (ours().pcap_close)(p);
        }
    }

    unsafe extern "C-unwind" fn read_on(user: *mut u8, header: *const pcap_pkthdr, data: *const u8) {
        // SAFETY: what the test passed, and pcap's own.
        unsafe {
            let seen = &mut *user.cast::<Seen<'_>>();
            see(user, header, data);
            let (mut inner, mut bytes) = (std::ptr::null_mut(), std::ptr::null());
            if (ours().pcap_next_ex)(seen.p, &mut inner, &mut bytes) == 1 {
                see(user, inner, bytes);
            }
            // Whatever it holds now, it is memory still.
            std::hint::black_box(std::slice::from_raw_parts(data, (*header).caplen as usize).to_vec());
        }
    }

    #[test]
    fn a_callback_may_read_on() {
        // Frames that outgrow the block that the outer one lies in.
        let mut bytes = file_of(3);
        bytes[20..24].copy_from_slice(&231u32.to_ne_bytes());
        bytes[16..20].copy_from_slice(&(8u32 << 20).to_ne_bytes());
        for size in [100_000u32, 2_000_000, 10, 5_000_000, 20] {
            [size, 0, size, size].iter().for_each(|word| bytes.extend(word.to_ne_bytes()));
            bytes.resize(bytes.len() + size as usize, size as u8);
        }
        let file = Temporary::new(&bytes);
        // SAFETY: an open handle, closed once.
        unsafe {
            let p = file.open(ours());
            let mut seen = Seen::new(ours(), p, 0);
            assert_eq!((ours().pcap_loop)(p, -1, Some(read_on), seen.user()), 0);
            let sizes: Vec<_> = seen.frames.iter().map(|f| f.2).collect();
            assert_eq!(sizes, [20, 21, 22, 100_000, 2_000_000, 10, 5_000_000, 20]);
            assert!(seen.frames.iter().skip(3).all(|f| f.4.iter().all(|byte| *byte == f.2 as u8)));
            (ours().pcap_close)(p);
        }
    }

    #[test]
    fn a_growing_pipe_gives_its_frames_as_they_come() {
        let bytes = file_of(2);
        let mut ends = [0; 2];
        // SAFETY: descriptors and handles, closed once.
        unsafe {
            libc::pipe(ends.as_mut_ptr());
            let name = CString::new(format!("/proc/self/fd/{}", ends[0])).unwrap();
            let mut writer = <std::fs::File as std::os::fd::FromRawFd>::from_raw_fd(ends[1]);
            writer.write_all(&bytes[..60]).unwrap();
            let mut errbuf = [0 as c_char; PCAP_ERRBUF_SIZE];
            let p = (ours().pcap_open_offline)(name.as_ptr(), errbuf.as_mut_ptr());
            let mut seen = Seen::new(ours(), p, 0);
            assert_eq!((ours().pcap_dispatch)(p, 1, Some(see), seen.user()), 1);
            // What is unread can't go back into a pipe: it is read first.
            writer.write_all(&bytes[60..70]).unwrap();
            let stream = (ours().pcap_file)(p);
            assert!(!stream.is_null());
            writer.write_all(&bytes[70..]).unwrap();
            drop(writer);
            assert_eq!((ours().pcap_loop)(p, -1, Some(see), seen.user()), 0);
            assert_eq!(seen.frames.len(), 2);
            (ours().pcap_close)(p);
            libc::close(ends[0]);
        }
    }
}
