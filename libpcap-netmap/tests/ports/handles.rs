//! Handles for tests: opened on switches in a folder of the test's own.

use pcap::abi::*;
use pcap::*;
use std::ffi::{CStr, CString, c_char, c_int};
use std::path::PathBuf;
use std::sync::OnceLock;

/// The folder of this process's switches.
fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = PathBuf::from(format!("/dev/shm/libpcap-netmap-test-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        // SAFETY: every test comes through here before it starts anything that reads the environment.
        unsafe { std::env::set_var("VALE_DIR", &folder) };
        folder
    })
}

/// A handle that closes itself.
pub struct Pcap(pub *mut pcap_t);

// SAFETY: the tests read on one thread at a time; sending and breaking may be done from any.
unsafe impl Send for Pcap {}
// SAFETY: as above.
unsafe impl Sync for Pcap {}

impl Pcap {
    pub fn create(name: &str) -> Pcap {
        folder();
        let name = CString::new(name).unwrap();
        let mut errbuf = [0 as c_char; PCAP_ERRBUF_SIZE];
        // SAFETY: a terminated name, a buffer of the right size.
        let p = unsafe { pcap_create(name.as_ptr(), errbuf.as_mut_ptr()) };
        assert!(!p.is_null());
        Pcap(p)
    }

    /// An activated handle in immediate mode.
    pub fn open(name: &str, timeout_ms: c_int) -> Pcap {
        let p = Pcap::create(name);
        // SAFETY: an open handle.
        unsafe {
            pcap_set_immediate_mode(p.0, 1);
            pcap_set_timeout(p.0, timeout_ms);
        }
        p.activate();
        p
    }

    pub fn activate(&self) {
        // SAFETY: an open handle.
        let status = unsafe { pcap_activate(self.0) };
        assert_eq!(status, 0, "{}", self.error());
    }

    pub fn error(&self) -> String {
        // SAFETY: an open handle, a terminated text.
        unsafe { CStr::from_ptr(pcap_geterr(self.0)) }.to_string_lossy().into_owned()
    }

    /// Sends the frame numbered `number`, of `len` bytes.
    pub fn send(&self, number: u32, len: usize) {
        assert!(self.try_send(number, len), "{}", self.error());
    }

    /// False where the receiver stood still for longer than it is waited for: no time at all for a machine whose processors are busy.
    pub fn try_send(&self, number: u32, len: usize) -> bool {
        let frame = frame(number, len);
        // SAFETY: an open handle, `len` bytes.
        let sent = unsafe { pcap_inject(self.0, frame.as_ptr().cast(), len) };
        assert!(sent == len as c_int || sent == -1, "{sent} of {len}");
        assert!(sent > 0 || self.error().contains("No buffer space"), "{}", self.error());
        sent > 0
    }

    pub fn dispatch(&self, count: c_int, seen: &mut Vec<Seen>) -> c_int {
        // SAFETY: an open handle; `keep` gets the Vec that it expects.
        unsafe { pcap_dispatch(self.0, count, Some(keep), (&raw mut *seen).cast()) }
    }

    /// The next frame, or what `pcap_next_ex` returned.
    pub fn next(&self) -> Result<Seen, c_int> {
        let (mut header, mut data) = (std::ptr::null_mut(), std::ptr::null());
        // SAFETY: an open handle; header and data are valid when it returns 1.
        unsafe {
            match pcap_next_ex(self.0, &mut header, &mut data) {
                1 => Ok(Seen::new(&*header, data)),
                code => Err(code),
            }
        }
    }

    pub fn set_nonblocking(&self, nonblocking: bool) {
        // SAFETY: an open handle; no buffer for a text.
        assert_eq!(unsafe { pcap_setnonblock(self.0, nonblocking.into(), std::ptr::null_mut()) }, 0);
    }

    pub fn break_loop(&self) {
        // SAFETY: an open handle.
        unsafe { pcap_breakloop(self.0) };
    }

    pub fn stats(&self) -> pcap_stat {
        let mut stat = pcap_stat::default();
        // SAFETY: an open handle and a place for the counters.
        assert_eq!(unsafe { pcap_stats(self.0, &mut stat) }, 0);
        stat
    }

    pub fn set_filter(&self, text: &str) {
        let text = CString::new(text).unwrap();
        let mut program = bpf_program { bf_len: 0, bf_insns: std::ptr::null_mut() };
        // SAFETY: an open handle, a terminated text, a program that is freed once.
        unsafe {
            assert_eq!(pcap_compile(self.0, &mut program, text.as_ptr(), 1, 0), 0, "{}", self.error());
            assert_eq!(pcap_setfilter(self.0, &mut program), 0, "{}", self.error());
            pcap_freecode(&mut program);
        }
    }
}

impl Drop for Pcap {
    fn drop(&mut self) {
        // SAFETY: opened by `create`, closed here alone. NULL after a test closed it itself.
        unsafe { pcap_close(self.0) };
        // Gone with the last switch.
        let _ = std::fs::remove_dir(folder());
    }
}

/// What a callback saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub number: u32,
    pub len: u32,
    pub caplen: u32,
    pub intact: bool,
    pub seconds: i64,
    pub fraction: i64,
}

impl Seen {
    /// # Safety
    /// `data` has `header.caplen` bytes.
    pub unsafe fn new(header: &pcap_pkthdr, data: *const u8) -> Seen {
        // SAFETY: by the caller's promise.
        let bytes = unsafe { std::slice::from_raw_parts(data, header.caplen as usize) };
        let number = bytes.get(14..18).map_or(u32::MAX, |n| u32::from_le_bytes(n.try_into().unwrap()));
        let intact = bytes == &frame(number, header.len as usize)[..bytes.len()];
        let (seconds, fraction) = (header.ts.tv_sec, header.ts.tv_usec);
        Seen { number, len: header.len, caplen: header.caplen, intact, seconds, fraction }
    }
}

/// A broadcast frame that tells its number and is filled with a pattern of it.
pub fn frame(number: u32, len: usize) -> Vec<u8> {
    let mut frame = vec![number as u8; len.max(18)];
    frame[..14].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
    frame[14..18].copy_from_slice(&number.to_le_bytes());
    frame.truncate(len);
    frame
}

/// A callback whose argument is a `Vec<Seen>`.
///
/// # Safety
/// As libpcap calls it.
pub unsafe extern "C-unwind" fn keep(seen: *mut u8, header: *const pcap_pkthdr, data: *const u8) {
    // SAFETY: `dispatch` passes the Vec, pcap the rest.
    unsafe { (*seen.cast::<Vec<Seen>>()).push(Seen::new(&*header, data)) };
}

pub fn numbers(seen: &[Seen]) -> Vec<u32> {
    assert!(seen.iter().all(|s| s.intact), "{seen:?}");
    seen.iter().map(|s| s.number).collect()
}
