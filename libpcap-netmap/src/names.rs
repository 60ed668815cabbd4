//! Names and numbers, by the files of `names/`: link types, time stamp types, hosts and networks, services and
//! protocols, Ethernet addresses. Here: the library's own name and version.

mod ethers;
mod hosts;
mod linktypes;
mod services;
mod tstamp_types;

use libc::c_char;

pub use ethers::{pcap_ether_aton, pcap_ether_hostton, pcap_next_etherent};
pub use hosts::{pcap_nametoaddr, pcap_nametoaddrinfo, pcap_nametonetaddr};
pub(crate) use linktypes::linktype_or_dlt;
pub use linktypes::{
    pcap_datalink_name_to_val, pcap_datalink_val_to_description, pcap_datalink_val_to_description_or_dlt,
    pcap_datalink_val_to_name,
};
pub use services::{
    eproto_db, pcap_nametoeproto, pcap_nametollc, pcap_nametoport, pcap_nametoportrange, pcap_nametoproto,
};
pub use tstamp_types::{
    pcap_tstamp_type_name_to_val, pcap_tstamp_type_val_to_description, pcap_tstamp_type_val_to_name,
};

const VERSION: &str = concat!("libpcap version 1.10.3 (libpcap-netmap ", env!("CARGO_PKG_VERSION"), ")\0");

/// The version of libpcap's interface that is served, and of this library in parentheses.
#[unsafe(no_mangle)]
pub extern "C" fn pcap_lib_version() -> *const c_char {
    VERSION.as_ptr().cast()
}

/// The version of libpcap's interface, as old programs read it.
#[unsafe(no_mangle)]
pub static pcap_version: [u8; 7] = *b"1.10.3\0";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::text_at;

    #[test]
    fn the_version_is_what_programs_parse() {
        // SAFETY: a static string.
        let version = unsafe { text_at(pcap_lib_version()) };
        assert_eq!(version, format!("libpcap version 1.10.3 (libpcap-netmap {})", env!("CARGO_PKG_VERSION")));
    }
}
