//! Both libraries behind the same functions.

use libloading::os::unix::Library;
use pcap::abi::*;
use pcap::pcap_t;
use std::ffi::{CStr, c_char, c_int, c_uchar, c_uint, c_void};
use std::sync::OnceLock;

macro_rules! api {
    ($($name:ident: $abi:literal fn($($argument:ty),* $(,)?) $(-> $result:ty)?;)*) => {
        /// A library's functions.
        pub struct Api {
            $(pub $name: unsafe extern $abi fn($($argument),*) $(-> $result)?,)*
        }

        impl Api {
            fn ours() -> Api {
                Api { $($name: pcap::$name,)* }
            }

            fn theirs(library: &'static Library) -> Api {
                Api { $($name: {
                    // SAFETY: libpcap's function of this name has this type.
                    *unsafe { library.get(concat!(stringify!($name), "\0").as_bytes()) }.expect(stringify!($name))
                },)* }
            }
        }
    };
}

api! {
    bpf_filter: "C" fn(*const bpf_insn, *const c_uchar, c_uint, c_uint) -> c_uint;
    bpf_image: "C" fn(*const bpf_insn, c_int) -> *mut c_char;
    bpf_validate: "C" fn(*const bpf_insn, c_int) -> c_int;
    pcap_activate: "C" fn(*mut pcap_t) -> c_int;
    pcap_breakloop: "C" fn(*mut pcap_t);
    pcap_bufsize: "C" fn(*mut pcap_t) -> c_int;
    pcap_can_set_rfmon: "C" fn(*mut pcap_t) -> c_int;
    pcap_close: "C" fn(*mut pcap_t);
    pcap_compile: "C" fn(*mut pcap_t, *mut bpf_program, *const c_char, c_int, c_uint) -> c_int;
    pcap_compile_nopcap: "C" fn(c_int, c_int, *mut bpf_program, *const c_char, c_int, c_uint) -> c_int;
    pcap_create: "C" fn(*const c_char, *mut c_char) -> *mut pcap_t;
    pcap_datalink: "C" fn(*mut pcap_t) -> c_int;
    pcap_datalink_ext: "C" fn(*mut pcap_t) -> c_int;
    pcap_datalink_name_to_val: "C" fn(*const c_char) -> c_int;
    pcap_datalink_val_to_description: "C" fn(c_int) -> *const c_char;
    pcap_datalink_val_to_description_or_dlt: "C" fn(c_int) -> *const c_char;
    pcap_datalink_val_to_name: "C" fn(c_int) -> *const c_char;
    pcap_dispatch: "C-unwind" fn(*mut pcap_t, c_int, Option<pcap_handler>, *mut c_uchar) -> c_int;
    pcap_dump: "C-unwind" fn(*mut c_uchar, *const pcap_pkthdr, *const c_uchar);
    pcap_dump_close: "C" fn(*mut pcap_dumper_t);
    pcap_dump_open: "C" fn(*mut pcap_t, *const c_char) -> *mut pcap_dumper_t;
    pcap_ether_aton: "C" fn(*const c_char) -> *mut c_uchar;
    pcap_ether_hostton: "C" fn(*const c_char) -> *mut c_uchar;
    pcap_fileno: "C" fn(*mut pcap_t) -> c_int;
    pcap_fopen_offline: "C" fn(*mut libc::FILE, *mut c_char) -> *mut pcap_t;
    pcap_get_selectable_fd: "C" fn(*mut pcap_t) -> c_int;
    pcap_open_offline_with_tstamp_precision: "C" fn(*const c_char, c_uint, *mut c_char) -> *mut pcap_t;
    pcap_file: "C" fn(*mut pcap_t) -> *mut libc::FILE;
    pcap_free_datalinks: "C" fn(*mut c_int);
    pcap_free_tstamp_types: "C" fn(*mut c_int);
    pcap_freecode: "C" fn(*mut bpf_program);
    pcap_get_required_select_timeout: "C" fn(*mut pcap_t) -> *const libc::timeval;
    pcap_get_tstamp_precision: "C" fn(*mut pcap_t) -> c_int;
    pcap_geterr: "C" fn(*mut pcap_t) -> *mut c_char;
    pcap_getnonblock: "C" fn(*mut pcap_t, *mut c_char) -> c_int;
    pcap_inject: "C-unwind" fn(*mut pcap_t, *const c_void, usize) -> c_int;
    pcap_is_swapped: "C" fn(*mut pcap_t) -> c_int;
    pcap_list_datalinks: "C" fn(*mut pcap_t, *mut *mut c_int) -> c_int;
    pcap_list_tstamp_types: "C" fn(*mut pcap_t, *mut *mut c_int) -> c_int;
    pcap_loop: "C-unwind" fn(*mut pcap_t, c_int, Option<pcap_handler>, *mut c_uchar) -> c_int;
    pcap_major_version: "C" fn(*mut pcap_t) -> c_int;
    pcap_minor_version: "C" fn(*mut pcap_t) -> c_int;
    pcap_nametoaddr: "C" fn(*const c_char) -> *mut *mut c_uint;
    pcap_nametoaddrinfo: "C" fn(*const c_char) -> *mut libc::addrinfo;
    pcap_nametoeproto: "C" fn(*const c_char) -> c_int;
    pcap_nametollc: "C" fn(*const c_char) -> c_int;
    pcap_nametonetaddr: "C" fn(*const c_char) -> c_uint;
    pcap_nametoport: "C" fn(*const c_char, *mut c_int, *mut c_int) -> c_int;
    pcap_nametoportrange: "C" fn(*const c_char, *mut c_int, *mut c_int, *mut c_int) -> c_int;
    pcap_nametoproto: "C" fn(*const c_char) -> c_int;
    pcap_next: "C-unwind" fn(*mut pcap_t, *mut pcap_pkthdr) -> *const c_uchar;
    pcap_next_etherent: "C" fn(*mut libc::FILE) -> *mut pcap_etherent;
    pcap_next_ex: "C-unwind" fn(*mut pcap_t, *mut *mut pcap_pkthdr, *mut *const c_uchar) -> c_int;
    pcap_offline_filter: "C" fn(*const bpf_program, *const pcap_pkthdr, *const c_uchar) -> c_int;
    pcap_open_dead: "C" fn(c_int, c_int) -> *mut pcap_t;
    pcap_open_dead_with_tstamp_precision: "C" fn(c_int, c_int, c_uint) -> *mut pcap_t;
    pcap_open_offline: "C" fn(*const c_char, *mut c_char) -> *mut pcap_t;
    pcap_sendpacket: "C-unwind" fn(*mut pcap_t, *const c_uchar, c_int) -> c_int;
    pcap_set_buffer_size: "C" fn(*mut pcap_t, c_int) -> c_int;
    pcap_set_datalink: "C" fn(*mut pcap_t, c_int) -> c_int;
    pcap_set_immediate_mode: "C" fn(*mut pcap_t, c_int) -> c_int;
    pcap_set_promisc: "C" fn(*mut pcap_t, c_int) -> c_int;
    pcap_set_protocol_linux: "C" fn(*mut pcap_t, c_int) -> c_int;
    pcap_set_rfmon: "C" fn(*mut pcap_t, c_int) -> c_int;
    pcap_set_snaplen: "C" fn(*mut pcap_t, c_int) -> c_int;
    pcap_set_timeout: "C" fn(*mut pcap_t, c_int) -> c_int;
    pcap_set_tstamp_precision: "C" fn(*mut pcap_t, c_int) -> c_int;
    pcap_set_tstamp_type: "C" fn(*mut pcap_t, c_int) -> c_int;
    pcap_setdirection: "C" fn(*mut pcap_t, c_int) -> c_int;
    pcap_setfilter: "C" fn(*mut pcap_t, *mut bpf_program) -> c_int;
    pcap_setnonblock: "C" fn(*mut pcap_t, c_int, *mut c_char) -> c_int;
    pcap_snapshot: "C" fn(*mut pcap_t) -> c_int;
    pcap_stats: "C" fn(*mut pcap_t, *mut pcap_stat) -> c_int;
    pcap_tstamp_type_name_to_val: "C" fn(*const c_char) -> c_int;
    pcap_tstamp_type_val_to_description: "C" fn(c_int) -> *const c_char;
    pcap_tstamp_type_val_to_name: "C" fn(c_int) -> *const c_char;
}

pub fn ours() -> &'static Api {
    static OURS: OnceLock<Api> = OnceLock::new();
    OURS.get_or_init(Api::ours)
}

/// Debian's libpcap0.8 is installed where tests run.
pub fn theirs() -> &'static Api {
    static THEIRS: OnceLock<(Api, &'static Library)> = OnceLock::new();
    let theirs = THEIRS.get_or_init(|| {
        const FLAGS: c_int = libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_DEEPBIND;
        // SAFETY: libpcap's constructors are harmless.
        let library = unsafe { Library::open(Some("libpcap.so.0.8"), FLAGS) }.expect("the system's libpcap");
        let library = Box::leak(Box::new(library));
        (Api::theirs(library), library)
    });
    &theirs.0
}

/// Runs `body` on both; what it gives must be the same.
#[track_caller]
pub fn same<T: PartialEq + std::fmt::Debug>(body: impl Fn(&Api) -> T) {
    assert_eq!(body(ours()), body(theirs()), "left is ours, right is the system's");
}

/// C's string as Rust's; `None` for NULL.
///
/// # Safety
/// `text` is NULL or terminated.
pub unsafe fn text(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: by the caller's promise.
    Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}
