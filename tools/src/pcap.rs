//! libpcap's calls as the tools use them: the only place here that speaks C.
//!
//! Rules that the SAFETY comments cite:
//! 1. A [`Handle`]'s pointer is what `pcap_create` or `pcap_open_offline…` gave, not NULL, closed once, by `Drop`.
//! 2. A handle has one owner and its calls take `&mut self`: no two calls on it at once.
//! 3. What the library points to (a frame, an error text) is used or copied before the handle's next call.

use pcap::abi::{PCAP_D_IN, PCAP_ERRBUF_SIZE, PCAP_TSTAMP_PRECISION_NANO};
use pcap::{
    pcap_activate, pcap_close, pcap_create, pcap_datalink, pcap_datalink_val_to_name, pcap_get_selectable_fd,
    pcap_geterr, pcap_inject, pcap_next_ex, pcap_open_offline_with_tstamp_precision, pcap_set_immediate_mode,
    pcap_set_promisc, pcap_set_snaplen, pcap_set_timeout, pcap_setdirection, pcap_setnonblock, pcap_statustostr,
    pcap_t,
};
use std::ffi::{CStr, CString, c_char, c_int};
use std::fmt;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

/// What libpcap said, with what it was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PcapError {
    /// The port or file.
    pub name: String,
    /// libpcap's text.
    pub text: String,
}

impl fmt::Display for PcapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.starts_with(&self.name) {
            f.write_str(&self.text)
        } else {
            write!(f, "{}: {}", self.name, self.text)
        }
    }
}

impl std::error::Error for PcapError {}

/// How a live port is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// To send; what arrives is not looked at.
    Send,
    /// To receive what arrives, not what the host sends itself. Reading never blocks: see [`Handle::wait_fd`].
    Receive {
        /// Frames are handed out at once rather than in blocks: quicker for one, dearer for many.
        immediate: bool,
    },
}

/// One frame, valid until the handle's next call.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its bytes, as far as they were captured.
    pub bytes: &'a [u8],
    /// Bytes it had on the wire.
    pub wire_len: u32,
    /// Nanoseconds since 1970 (files; live ports: microseconds times 1,000).
    pub time_ns: i64,
}

/// What a read gave.
#[derive(Clone, Copy, Debug)]
pub enum Read<'a> {
    /// A frame.
    Frame(Frame<'a>),
    /// Nothing there now.
    Nothing,
    /// The file's end.
    End,
}

/// An open `pcap_t`.
pub struct Handle {
    pcap: NonNull<pcap_t>,
    name: String,
    /// Nanoseconds in a unit of the time stamps' fraction.
    fraction_ns: i64,
}

// SAFETY: libpcap's handles are bound to no thread; rule 2 keeps two calls from meeting.
unsafe impl Send for Handle {}

impl Handle {
    /// Opens any port that libpcap serves.
    ///
    /// # Errors
    /// [`PcapError`] with libpcap's text.
    pub fn open(name: &str, purpose: Use) -> Result<Handle, PcapError> {
        let mut errors = ErrorBuffer::new();
        let source = c_name(name)?;
        // SAFETY: a NUL-terminated name and PCAP_ERRBUF_SIZE bytes for the text.
        let pcap = unsafe { pcap_create(source.as_ptr(), errors.as_mut_ptr()) };
        let pcap = NonNull::new(pcap).ok_or_else(|| errors.error(name))?;
        let mut handle = Handle { pcap, name: name.to_string(), fraction_ns: 1_000 };
        let p = pcap.as_ptr();
        let receive = matches!(purpose, Use::Receive { .. });
        let immediate = matches!(purpose, Use::Receive { immediate: true });
        // SAFETY: rule 1, not yet activated. Before activation these calls can't fail but for that.
        unsafe {
            pcap_set_snaplen(p, if receive { 65_535 } else { 64 });
            pcap_set_promisc(p, receive.into());
            pcap_set_timeout(p, 10);
            pcap_set_immediate_mode(p, immediate.into());
        }
        // SAFETY: rule 1.
        let status = unsafe { pcap_activate(p) };
        if status < 0 {
            return Err(handle.error(status));
        }
        if receive {
            // SAFETY: rule 1 and PCAP_ERRBUF_SIZE bytes for the text.
            if unsafe { pcap_setnonblock(p, 1, errors.as_mut_ptr()) } < 0 {
                return Err(errors.error(name));
            }
            // A port that can't tell directions hands out all.
            // SAFETY: rule 1.
            unsafe { pcap_setdirection(p, PCAP_D_IN) };
        }
        Ok(handle)
    }

    /// Opens a capture file, time stamps in nanoseconds; `-` is standard input.
    ///
    /// # Errors
    /// [`PcapError`] with libpcap's text.
    pub fn open_file(path: &str) -> Result<Handle, PcapError> {
        let mut errors = ErrorBuffer::new();
        let name = c_name(path)?;
        // SAFETY: a NUL-terminated name and PCAP_ERRBUF_SIZE bytes for the text.
        let pcap = unsafe {
            pcap_open_offline_with_tstamp_precision(
                name.as_ptr(),
                PCAP_TSTAMP_PRECISION_NANO as u32,
                errors.as_mut_ptr(),
            )
        };
        let pcap = NonNull::new(pcap).ok_or_else(|| errors.error(path))?;
        Ok(Handle { pcap, name: path.to_string(), fraction_ns: 1 })
    }

    /// The next frame.
    ///
    /// # Errors
    /// [`PcapError`] with libpcap's text.
    pub fn read(&mut self) -> Result<Read<'_>, PcapError> {
        let mut header = std::ptr::null_mut();
        let mut data = std::ptr::null();
        // SAFETY: rules 1 and 2; both pointers are ours to be written.
        match unsafe { pcap_next_ex(self.pcap.as_ptr(), &mut header, &mut data) } {
            1 => {
                // SAFETY: pcap_next_ex gave 1, so both point to a frame with `caplen` bytes, valid by rule 3: the
                // frame borrows self mutably.
                let (header, bytes) =
                    unsafe { (&*header, std::slice::from_raw_parts(data, (*header).caplen as usize)) };
                let time_ns = header.ts.tv_sec.saturating_mul(1_000_000_000);
                let time_ns = time_ns.saturating_add(header.ts.tv_usec.saturating_mul(self.fraction_ns));
                Ok(Read::Frame(Frame { bytes, wire_len: header.len, time_ns }))
            }
            0 => Ok(Read::Nothing),
            -2 => Ok(Read::End),
            status => Err(self.error(status)),
        }
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// [`PcapError`] with libpcap's text.
    pub fn send(&mut self, frame: &[u8]) -> Result<(), PcapError> {
        // SAFETY: rules 1 and 2; `frame` is `frame.len()` readable bytes.
        let sent = unsafe { pcap_inject(self.pcap.as_ptr(), frame.as_ptr().cast(), frame.len()) };
        if sent < 0 { Err(self.error(-1)) } else { Ok(()) }
    }

    /// A descriptor that is readable when [`Handle::read`] has something; `None` where there is no such thing.
    pub fn wait_fd(&mut self) -> Option<BorrowedFd<'_>> {
        // SAFETY: rules 1 and 2.
        let fd = unsafe { pcap_get_selectable_fd(self.pcap.as_ptr()) };
        // SAFETY: the descriptor is the handle's, open as long as the handle, which is borrowed.
        (fd >= 0).then(|| unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// The link type: 1 is Ethernet.
    pub fn link_type(&mut self) -> i32 {
        // SAFETY: rules 1 and 2.
        unsafe { pcap_datalink(self.pcap.as_ptr()) }
    }

    /// libpcap's text for what went wrong last, or for `status` when it left none.
    fn error(&mut self, status: c_int) -> PcapError {
        // SAFETY: rules 1 and 3; the text is NUL-terminated.
        let text = unsafe { copy_text(pcap_geterr(self.pcap.as_ptr())) };
        let text = match text.is_empty() {
            false => text,
            // SAFETY: any number has a text, NUL-terminated, copied at once.
            true => unsafe { copy_text(pcap_statustostr(status)) },
        };
        PcapError { name: self.name.clone(), text }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: rule 1.
        unsafe { pcap_close(self.pcap.as_ptr()) }
    }
}

/// A link type's name, `EN10MB`, or its number where it has none.
pub fn link_name(link: i32) -> String {
    let name = pcap_datalink_val_to_name(link);
    // SAFETY: not NULL, so a constant, NUL-terminated text.
    if name.is_null() { format!("link type {link}") } else { unsafe { copy_text(name) } }
}

struct ErrorBuffer([c_char; PCAP_ERRBUF_SIZE]);

impl ErrorBuffer {
    fn new() -> ErrorBuffer {
        ErrorBuffer([0; PCAP_ERRBUF_SIZE])
    }

    fn as_mut_ptr(&mut self) -> *mut c_char {
        self.0.as_mut_ptr()
    }

    fn error(&self, name: &str) -> PcapError {
        let text: Vec<u8> = self.0.iter().take_while(|c| **c != 0).map(|c| *c as u8).collect();
        PcapError { name: name.to_string(), text: String::from_utf8_lossy(&text).into_owned() }
    }
}

/// # Safety
/// `text` is NUL-terminated.
unsafe fn copy_text(text: *const c_char) -> String {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

fn c_name(name: &str) -> Result<CString, PcapError> {
    CString::new(name).map_err(|_| PcapError { name: name.into(), text: "a NUL character in the name".into() })
}
