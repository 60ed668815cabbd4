//! The one door to the system's libpcap, which serves what is not ours: cards, and savefiles to be read.
//!
//! It is opened on first need, once, and stays. `RTLD_DEEPBIND` makes its inner calls its own: without it they
//! would come back to our functions of the same names. What callers free (`pcap_freealldevs`, `pcap_free_datalinks`, …)
//! is copied on the way out into memory of the process's own `malloc`, which the deep binding may have bypassed.

mod find;

use crate::abi::*;
use crate::handle::ForeignHandle as P;
use libc::{FILE, c_char, c_int, c_uchar, c_uint, c_void, size_t, timeval};
use libloading::os::unix::Library;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub(crate) use find::in_main_program;

/// Declares the functions that are used from the system's library, and their look-up by name.
macro_rules! functions {
    ($($name:ident: fn($($argument:ty),* $(,)?) $(-> $result:ty)?;)*) => {
        functions!(@ $($name: unsafe extern "C" fn($($argument),*) $(-> $result)?;)*
            pcap_loop: unsafe extern "C-unwind" fn(*mut P, c_int, Option<pcap_handler>, *mut c_uchar) -> c_int;
            pcap_dispatch: unsafe extern "C-unwind" fn(*mut P, c_int, Option<pcap_handler>, *mut c_uchar) -> c_int;
            pcap_next: unsafe extern "C-unwind" fn(*mut P, *mut pcap_pkthdr) -> *const c_uchar;
            pcap_next_ex: unsafe extern "C-unwind" fn(*mut P, *mut *mut pcap_pkthdr, *mut *const c_uchar) -> c_int;
            pcap_inject: unsafe extern "C-unwind" fn(*mut P, *const c_void, size_t) -> c_int;
            pcap_sendpacket: unsafe extern "C-unwind" fn(*mut P, *const c_uchar, c_int) -> c_int;
        );
    };
    (@ $($name:ident: $type:ty;)*) => {
        /// The system's library, opened.
        pub(crate) struct System {
            $(pub(crate) $name: $type,)*
            path: PathBuf,
            _library: Library,
        }

        impl System {
            /// Looks all functions up.
            ///
            /// # Safety
            /// `library` is a libpcap: its functions have these types.
            unsafe fn resolve(library: Library, path: &Path) -> Result<System, String> {
                Ok(System {
                    $($name: {
                        let name = concat!(stringify!($name), "\0");
                        // SAFETY: the caller promises a libpcap, whose header declares this type.
                        *unsafe { library.get::<$type>(name.as_bytes()) }
                            .map_err(|_| format!("{} has no {}", path.display(), stringify!($name)))?
                    },)*
                    path: path.to_path_buf(),
                    _library: library,
                })
            }
        }
    };
}

functions! {
    pcap_init: fn(c_uint, *mut c_char) -> c_int;
    pcap_lookupdev: fn(*mut c_char) -> *mut c_char;
    pcap_lookupnet: fn(*const c_char, *mut c_uint, *mut c_uint, *mut c_char) -> c_int;
    pcap_findalldevs: fn(*mut *mut pcap_if, *mut c_char) -> c_int;
    pcap_freealldevs: fn(*mut pcap_if);
    pcap_create: fn(*const c_char, *mut c_char) -> *mut P;
    pcap_open_live: fn(*const c_char, c_int, c_int, c_int, *mut c_char) -> *mut P;
    pcap_set_snaplen: fn(*mut P, c_int) -> c_int;
    pcap_set_promisc: fn(*mut P, c_int) -> c_int;
    pcap_can_set_rfmon: fn(*mut P) -> c_int;
    pcap_set_rfmon: fn(*mut P, c_int) -> c_int;
    pcap_set_timeout: fn(*mut P, c_int) -> c_int;
    pcap_set_tstamp_type: fn(*mut P, c_int) -> c_int;
    pcap_set_immediate_mode: fn(*mut P, c_int) -> c_int;
    pcap_set_buffer_size: fn(*mut P, c_int) -> c_int;
    pcap_set_tstamp_precision: fn(*mut P, c_int) -> c_int;
    pcap_get_tstamp_precision: fn(*mut P) -> c_int;
    pcap_set_protocol_linux: fn(*mut P, c_int) -> c_int;
    pcap_activate: fn(*mut P) -> c_int;
    pcap_close: fn(*mut P);
    pcap_list_tstamp_types: fn(*mut P, *mut *mut c_int) -> c_int;
    pcap_free_tstamp_types: fn(*mut c_int);
    pcap_breakloop: fn(*mut P);
    pcap_stats: fn(*mut P, *mut pcap_stat) -> c_int;
    pcap_setfilter: fn(*mut P, *mut bpf_program) -> c_int;
    pcap_setdirection: fn(*mut P, c_int) -> c_int;
    pcap_getnonblock: fn(*mut P, *mut c_char) -> c_int;
    pcap_setnonblock: fn(*mut P, c_int, *mut c_char) -> c_int;
    pcap_geterr: fn(*mut P) -> *mut c_char;
    pcap_perror: fn(*mut P, *const c_char);
    pcap_datalink: fn(*mut P) -> c_int;
    pcap_datalink_ext: fn(*mut P) -> c_int;
    pcap_list_datalinks: fn(*mut P, *mut *mut c_int) -> c_int;
    pcap_free_datalinks: fn(*mut c_int);
    pcap_set_datalink: fn(*mut P, c_int) -> c_int;
    pcap_snapshot: fn(*mut P) -> c_int;
    pcap_is_swapped: fn(*mut P) -> c_int;
    pcap_major_version: fn(*mut P) -> c_int;
    pcap_minor_version: fn(*mut P) -> c_int;
    pcap_bufsize: fn(*mut P) -> c_int;
    pcap_file: fn(*mut P) -> *mut FILE;
    pcap_fileno: fn(*mut P) -> c_int;
    pcap_get_selectable_fd: fn(*mut P) -> c_int;
    pcap_get_required_select_timeout: fn(*mut P) -> *const timeval;
    pcap_lib_version: fn() -> *const c_char;
}

// SAFETY: function pointers, a path and a handle of dlopen: all may be used from any thread.
unsafe impl Send for System {}
// SAFETY: as above; nothing of it changes after `resolve`.
unsafe impl Sync for System {}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "System({})", self.path.display())
    }
}

/// The system's library.
///
/// # Errors
/// Where it was looked for, and why nothing there would do: a text for an error buffer.
pub(crate) fn get() -> Result<&'static System, &'static str> {
    static DOOR: OnceLock<Result<System, String>> = OnceLock::new();
    match DOOR.get_or_init(find::open) {
        Ok(system) => Ok(system),
        Err(text) => Err(text),
    }
}

#[cfg(test)]
mod tests {
    use crate::error::text_at;

    #[test]
    fn the_systems_library_opens_and_is_not_ours() {
        let system = super::get().expect("Debian's libpcap0.8 is installed where tests run");
        // SAFETY: it gives a static string.
        let version = unsafe { text_at((system.pcap_lib_version)()) };
        assert!(version.starts_with("libpcap version 1."), "{version}");
        assert!(!version.contains("libpcap-netmap"), "{version}");
    }
}
