//! Options of a created handle: `pcap_set_*`, and the time stamp types.

use crate::abi::*;
use crate::dead;
use crate::guard;
use crate::handle::{self, Handle, Live, Options, Source};
use drivers::Stamping;
use libc::c_int;
use nm_core::name::{NetmapRings, PortName};

/// Sets an option on a handle of ours, or passes the call to the system's library.
macro_rules! option {
    ($p:ident, $value:ident, $function:ident, $set:expr) => {
        // SAFETY: by the promise of the exported function's caller.
        match unsafe { handle::source($p) } {
            None => PCAP_ERROR,
            // SAFETY: passed on.
            Some(Source::System(s)) => unsafe { (s.library.$function)(s.p, $value) },
            Some(Source::Live(live)) => guard::live(live, PCAP_ERROR, || match live.options() {
                Ok(mut options) => $set(&mut *options, $value),
                Err(code) => code,
            }),
            Some(Source::Offline(offline)) => offline.already_activated(),
            Some(Source::Dead(dead)) => dead.already_activated(),
        }
    };
}

/// Bytes of a frame that are handed out at most; not positive, or more than there are: all.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_set_snaplen(p: *mut Handle, snaplen: c_int) -> c_int {
    option!(p, snaplen, pcap_set_snaplen, |options: &mut Options, snaplen| {
        options.snaplen = snaplen;
        0
    })
}

/// Promiscuous mode of a card; a switch's port sees all that the switch sends it, in either mode.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_set_promisc(p: *mut Handle, promisc: c_int) -> c_int {
    option!(p, promisc, pcap_set_promisc, |options: &mut Options, promisc| {
        options.promiscuous = promisc != 0;
        0
    })
}

/// Monitor mode, which no port of ours has: activation refuses it.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_set_rfmon(p: *mut Handle, rfmon: c_int) -> c_int {
    option!(p, rfmon, pcap_set_rfmon, |options: &mut Options, rfmon| {
        options.rfmon = rfmon != 0;
        0
    })
}

/// The read timeout, milliseconds; 0: none. A negative one means non-blocking mode.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_set_timeout(p: *mut Handle, timeout_ms: c_int) -> c_int {
    option!(p, timeout_ms, pcap_set_timeout, |options: &mut Options, timeout_ms| {
        options.timeout_ms = timeout_ms;
        0
    })
}

/// Whether frames are handed out as they come, not in batches.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_set_immediate_mode(p: *mut Handle, immediate: c_int) -> c_int {
    option!(p, immediate, pcap_set_immediate_mode, |options: &mut Options, immediate| {
        options.immediate = immediate != 0;
        0
    })
}

/// Bytes of the receive buffer. What is not positive is ignored.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_set_buffer_size(p: *mut Handle, bytes: c_int) -> c_int {
    option!(p, bytes, pcap_set_buffer_size, |options: &mut Options, bytes| {
        if bytes > 0 {
            options.buffer_size = bytes;
        }
        0
    })
}

/// Microseconds or nanoseconds in the headers of frames.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_set_tstamp_precision(p: *mut Handle, precision: c_int) -> c_int {
    option!(p, precision, pcap_set_tstamp_precision, |options: &mut Options, precision| match precision {
        PCAP_TSTAMP_PRECISION_MICRO | PCAP_TSTAMP_PRECISION_NANO => {
            options.precision = precision;
            0
        }
        _ => PCAP_ERROR_TSTAMP_PRECISION_NOTSUP,
    })
}

/// Where time stamps come from: one of [`pcap_list_tstamp_types`]. What is not among them is a warning, and changes nothing.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_set_tstamp_type(p: *mut Handle, tstamp_type: c_int) -> c_int {
    // SAFETY: by the caller's promise.
    let offered = match unsafe { handle::source(p) } {
        // The card is asked when somebody wants to know.
        Some(Source::Live(live)) if tstamp_type != PCAP_TSTAMP_HOST => guard::live(live, Vec::new(), || offered(live)),
        _ => vec![Stamping::Host],
    };
    option!(p, tstamp_type, pcap_set_tstamp_type, |options: &mut Options, tstamp_type| {
        match offered.into_iter().find(|stamping| number(*stamping) == tstamp_type) {
            Some(stamping) => {
                options.stamping = stamping;
                0
            }
            None => PCAP_WARNING_TSTAMP_TYPE_NOTSUP,
        }
    })
}

/// The time stamp types of a handle's port, in libpcap's order.
fn offered(live: &Live) -> Vec<Stamping> {
    let card = match &live.name {
        Ok(PortName::Netmap(name)) => {
            matches!(name.rings, NetmapRings::All | NetmapRings::One(_) | NetmapRings::AllAndHost).then_some(name)
        }
        _ => None,
    };
    let offered =
        card.and_then(|name| Some(drivers::probe::stampings(name, &drivers::Options::from_environment().ok()?)));
    offered.filter(|offered| !offered.is_empty()).unwrap_or(vec![Stamping::Host])
}

fn number(stamping: Stamping) -> c_int {
    match stamping {
        Stamping::Host => PCAP_TSTAMP_HOST,
        Stamping::Card => PCAP_TSTAMP_ADAPTER,
        Stamping::CardUnsynced => PCAP_TSTAMP_ADAPTER_UNSYNCED,
    }
}

/// The protocol of Linux's packet socket, which ports of ours don't have.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_set_protocol_linux(p: *mut Handle, protocol: c_int) -> c_int {
    option!(p, protocol, pcap_set_protocol_linux, |_: &mut Options, _| 0)
}

/// Whether monitor mode can be set: 0 for ports of ours.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_can_set_rfmon(p: *mut Handle) -> c_int {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => PCAP_ERROR,
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe { (s.library.pcap_can_set_rfmon)(s.p) },
        Some(Source::Live(_) | Source::Offline(_)) => 0,
        Some(Source::Dead(dead)) => dead.refuse(dead::NO_RFMON),
    }
}

/// Microseconds or nanoseconds, as set.
///
/// # Safety
/// `p` is NULL or an open handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_get_tstamp_precision(p: *mut Handle) -> c_int {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        None => PCAP_ERROR,
        // SAFETY: passed on.
        Some(Source::System(s)) => unsafe { (s.library.pcap_get_tstamp_precision)(s.p) },
        Some(Source::Live(live)) => guard::live(live, PCAP_ERROR, || live.options_anyway().precision),
        Some(Source::Offline(offline)) => offline.precision(),
        Some(Source::Dead(dead)) => dead.precision,
    }
}

/// The time stamp types of the device, in a list that [`pcap_free_tstamp_types`] frees; returns how many.
///
/// # Safety
/// `p` is NULL or an open handle; `list` may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_list_tstamp_types(p: *mut Handle, list: *mut *mut c_int) -> c_int {
    // SAFETY: by the caller's promise.
    match unsafe { handle::source(p) } {
        _ if list.is_null() => PCAP_ERROR,
        None => PCAP_ERROR,
        // SAFETY: passed on; the system's list is freed by the system.
        Some(Source::System(s)) => unsafe {
            let mut theirs = std::ptr::null_mut();
            let count = (s.library.pcap_list_tstamp_types)(s.p, &mut theirs);
            copy_list(list, theirs, count, s.library.pcap_free_tstamp_types)
        },
        // SAFETY: not NULL, the caller's.
        Some(Source::Live(live)) => unsafe {
            let numbers: Vec<c_int> = guard::live(live, Vec::new(), || offered(live)).into_iter().map(number).collect();
            if numbers.is_empty() { PCAP_ERROR } else { give_list(list, &numbers) }
        },
        // SAFETY: as above.
        Some(Source::Offline(_) | Source::Dead(_)) => unsafe { give_list(list, &[PCAP_TSTAMP_HOST]) },
    }
}

/// Frees what [`pcap_list_tstamp_types`] gave.
///
/// # Safety
/// `list` came from there, or is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_free_tstamp_types(list: *mut c_int) {
    // SAFETY: from malloc; NULL is allowed.
    unsafe { libc::free(list.cast()) };
}

/// Puts `numbers` into a list from `malloc`; returns how many.
///
/// # Safety
/// `list` may be written.
pub(crate) unsafe fn give_list(list: *mut *mut c_int, numbers: &[c_int]) -> c_int {
    // SAFETY: malloc takes any size; the copy is of as many numbers as there is place for.
    unsafe {
        let copy = libc::malloc(size_of_val(numbers).max(1)).cast::<c_int>();
        if copy.is_null() {
            return PCAP_ERROR;
        }
        copy.copy_from_nonoverlapping(numbers.as_ptr(), numbers.len());
        *list = copy;
    }
    numbers.len() as c_int
}

/// Copies the system's list into one of ours and frees it; a `count` that is no count is passed on.
///
/// # Safety
/// `list` may be written; `theirs` has `count` numbers, when that is positive, and `free` frees it.
pub(crate) unsafe fn copy_list(
    list: *mut *mut c_int,
    theirs: *mut c_int,
    count: c_int,
    free: unsafe extern "C" fn(*mut c_int),
) -> c_int {
    if count <= 0 || theirs.is_null() {
        // SAFETY: by the caller's promise.
        unsafe { *list = std::ptr::null_mut() };
        return count;
    }
    // SAFETY: by the caller's promise.
    unsafe {
        let count = give_list(list, std::slice::from_raw_parts(theirs, count as usize));
        free(theirs);
        count
    }
}
