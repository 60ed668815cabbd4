//! Handles without a device: `pcap_open_dead`. They compile filters, and say of what savefile a dumper writes.

use crate::abi::*;
use crate::error::{ACTIVATED, ErrorText};
use crate::handle::{Handle, Source};
use libc::{c_int, c_uint};

// What each call that needs a device says, in libpcap's words.
pub(crate) const NO_PACKETS: &str = "Packets aren't available from a pcap_open_dead pcap_t";
pub(crate) const NO_SENDING: &str = "Packets can't be sent on a pcap_open_dead pcap_t";
pub(crate) const NO_FILTER: &str = "A filter cannot be set on a pcap_open_dead pcap_t";
pub(crate) const NO_DIRECTION: &str = "The packet direction cannot be set on a pcap_open_dead pcap_t";
pub(crate) const NO_BLOCKING: &str = "A pcap_open_dead pcap_t does not have a non-blocking mode setting";
pub(crate) const NO_STATISTICS: &str = "Statistics aren't available from a pcap_open_dead pcap_t";
pub(crate) const NO_RFMON: &str = "Rfmon mode doesn't apply on a pcap_open_dead pcap_t";

/// What a dead handle knows: it never changes.
pub(crate) struct Dead {
    /// `DLT_*`, or any number.
    pub(crate) linktype: c_int,
    /// Bytes, as given.
    pub(crate) snaplen: c_int,
    /// `PCAP_TSTAMP_PRECISION_*`.
    pub(crate) precision: c_int,
    pub(crate) error: ErrorText,
}

impl Dead {
    /// Sets the error text to `why`.
    #[cold]
    pub(crate) fn refuse(&self, why: &str) -> c_int {
        self.error.set(format_args!("{why}"));
        PCAP_ERROR
    }

    /// An option was to be set, or the handle to be activated: it is active from the beginning.
    #[cold]
    pub(crate) fn already_activated(&self) -> c_int {
        self.refuse(ACTIVATED);
        PCAP_ERROR_ACTIVATED
    }
}

/// A handle without a device, for compiling filters and writing savefiles.
#[unsafe(no_mangle)]
pub extern "C" fn pcap_open_dead(linktype: c_int, snaplen: c_int) -> *mut Handle {
    pcap_open_dead_with_tstamp_precision(linktype, snaplen, PCAP_TSTAMP_PRECISION_MICRO as c_uint)
}

/// As [`pcap_open_dead`], with `PCAP_TSTAMP_PRECISION_*`; any other number means microseconds.
#[unsafe(no_mangle)]
pub extern "C" fn pcap_open_dead_with_tstamp_precision(
    linktype: c_int,
    snaplen: c_int,
    precision: c_uint,
) -> *mut Handle {
    let precision = match precision as c_int {
        PCAP_TSTAMP_PRECISION_NANO => PCAP_TSTAMP_PRECISION_NANO,
        _ => PCAP_TSTAMP_PRECISION_MICRO,
    };
    Handle::into_raw(Source::Dead(Dead { linktype, snaplen, precision, error: ErrorText::new() }))
}
