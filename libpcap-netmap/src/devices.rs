//! The device list, and what was once asked of single devices.

use crate::abi::*;
use crate::chosen;
use crate::error::{Errbuf, text_at};
use crate::guard;
use crate::system::{self, System};
use libc::{c_char, c_int, c_uint, sockaddr};
use nm_core::PortKind;
use nm_core::name::PortName;
use std::ffi::CString;

/// Flags of every port of a switch.
const PORT_FLAGS: c_uint = PCAP_IF_UP | PCAP_IF_RUNNING | PCAP_IF_CONNECTION_STATUS_NOT_APPLICABLE;

/// A list being built, first to last. All of it is from C's `malloc`, so that `pcap_freealldevs` of either library
/// frees it.
struct List {
    first: *mut pcap_if,
    last: *mut pcap_if,
}

impl List {
    fn new() -> List {
        List { first: std::ptr::null_mut(), last: std::ptr::null_mut() }
    }

    /// Appends a device. False when there is no memory.
    fn push(&mut self, name: *const c_char, description: *const c_char, flags: c_uint) -> bool {
        // SAFETY: calloc and strdup give memory or NULL; the strings are terminated; `last` is the list's own.
        unsafe {
            let device = libc::calloc(1, size_of::<pcap_if>()).cast::<pcap_if>();
            if device.is_null() {
                return false;
            }
            let described = !description.is_null();
            (*device).name = libc::strdup(name);
            (*device).description = if described { libc::strdup(description) } else { std::ptr::null_mut() };
            (*device).flags = flags;
            if self.last.is_null() {
                self.first = device;
            } else {
                (*self.last).next = device;
            }
            self.last = device;
            !(*device).name.is_null() && (*device).description.is_null() != described
        }
    }

    /// Copies the addresses of `from` to the last device. False when there is no memory.
    ///
    /// # Safety
    /// `from` is a list of libpcap's, or NULL.
    unsafe fn push_addresses(&mut self, mut from: *const pcap_addr) -> bool {
        // SAFETY: the caller's promise for `from`; the rest is the list's own memory.
        unsafe {
            let mut place = &raw mut (*self.last).addresses;
            while !from.is_null() {
                let address = libc::calloc(1, size_of::<pcap_addr>()).cast::<pcap_addr>();
                if address.is_null() {
                    return false;
                }
                *place = address;
                for (to, from) in [
                    (&raw mut (*address).addr, (*from).addr),
                    (&raw mut (*address).netmask, (*from).netmask),
                    (&raw mut (*address).broadaddr, (*from).broadaddr),
                    (&raw mut (*address).dstaddr, (*from).dstaddr),
                ] {
                    *to = copy_address(from);
                    if (*to).is_null() != from.is_null() {
                        return false;
                    }
                }
                place = &raw mut (*address).next;
                from = (*from).next;
            }
        }
        true
    }
}

/// # Safety
/// `from` is NULL or an address as libpcap makes them: as long as its family has it.
unsafe fn copy_address(from: *const sockaddr) -> *mut sockaddr {
    if from.is_null() {
        return std::ptr::null_mut();
    }
    // SAFETY: by the caller's promise.
    unsafe {
        let len = match i32::from((*from).sa_family) {
            libc::AF_INET => size_of::<libc::sockaddr_in>(),
            libc::AF_INET6 => size_of::<libc::sockaddr_in6>(),
            libc::AF_PACKET => size_of::<libc::sockaddr_ll>(),
            _ => size_of::<sockaddr>(),
        };
        let copy = libc::malloc(len).cast::<sockaddr>();
        if !copy.is_null() {
            copy.cast::<u8>().copy_from_nonoverlapping(from.cast(), len);
        }
        copy
    }
}

/// The system's devices, then the live ports of the switches and a listener for each switch, then the names of `$PCAP_NETMAP` that
/// are neither. A card stands there once, by its plain name: opening its rings takes its frames from the host, and nobody
/// should come by that in picking one of a list.
///
/// # Safety
/// `errbuf` is NULL or has `PCAP_ERRBUF_SIZE` writable bytes.
unsafe fn find(list: &mut List, errbuf: *mut c_char) -> bool {
    let no_memory = |done: bool| {
        if !done {
            // SAFETY: by the caller's promise.
            unsafe { Errbuf::write(errbuf, format_args!("Cannot allocate memory for the device list")) };
        }
        done
    };
    if let Ok(system) = system::get() {
        let mut theirs = std::ptr::null_mut();
        // SAFETY: the caller's promise for `errbuf`; what was found is copied before it is freed.
        unsafe {
            if (system.pcap_findalldevs)(&mut theirs, errbuf) < 0 {
                return false;
            }
            let copied = copy(list, theirs);
            (system.pcap_freealldevs)(theirs);
            if !no_memory(copied) {
                return false;
            }
        }
    }
    // Switches that can't be looked at are no reason to hide the other devices.
    let switches = vale::switches().unwrap_or_default();
    let asked_for = chosen::always_listed();
    for switch in &switches {
        let live = switch.ports.iter().filter(|port| port.kind == PortKind::Port).map(|port| &port.name);
        for name in live.filter(|name| !asked_for.iter().any(|(asked, _)| asked == *name)) {
            let what =
                if switch.pipe { "End of a pipe".into() } else { format!("Port of VALE switch {}", switch.name) };
            if !no_memory(push_port(list, name, &what)) {
                return false;
            }
        }
        if switch.pipe {
            continue;
        }
        let what = format!("All frames that cross VALE switch {}", switch.name);
        if !no_memory(push_port(list, &format!("{}:*", switch.name), &what)) {
            return false;
        }
    }
    let system = list.first;
    // SAFETY: the list is ours, and grows at its end.
    asked_for.iter().all(|(name, port)| no_memory(unsafe { push_asked_for(list, name, port, system) }))
}

/// Lists a name of `$PCAP_NETMAP` that is not there anyway. A card's rings have the card's addresses, and are left out where
/// there is no such card. False when there is no memory.
///
/// # Safety
/// `theirs` is the system's list, or NULL.
unsafe fn push_asked_for(list: &mut List, name: &str, port: &PortName, theirs: *const pcap_if) -> bool {
    let rings = match port {
        PortName::Netmap(rings) if !rings.is_pipe() => rings,
        PortName::Netmap(_) => return push_port(list, name, "End of a pipe, made on first use"),
        _ => return push_port(list, name, "Port of a VALE switch, made on first use"),
    };
    let mut card = theirs;
    // SAFETY: by the caller's promise.
    unsafe {
        while !card.is_null() && text_at((*card).name) != rings.ifname {
            card = (*card).next;
        }
        if card.is_null() {
            return true;
        }
        let names = (CString::new(name), CString::new(format!("Rings of {}, taken from the host", rings.ifname)));
        let (Ok(name), Ok(description)) = names else { return true };
        list.push(name.as_ptr(), description.as_ptr(), (*card).flags) && list.push_addresses((*card).addresses)
    }
}

fn push_port(list: &mut List, name: &str, description: &str) -> bool {
    match (CString::new(name), CString::new(description)) {
        (Ok(name), Ok(description)) => list.push(name.as_ptr(), description.as_ptr(), PORT_FLAGS),
        _ => true,
    }
}

/// # Safety
/// `device` is a list of libpcap's, or NULL.
unsafe fn copy(list: &mut List, mut device: *const pcap_if) -> bool {
    // SAFETY: by the caller's promise.
    unsafe {
        while !device.is_null() {
            if !list.push((*device).name, (*device).description, (*device).flags)
                || !list.push_addresses((*device).addresses)
            {
                return false;
            }
            device = (*device).next;
        }
    }
    true
}

/// The devices that can be opened, in a list that [`pcap_freealldevs`] frees: 0, or `PCAP_ERROR`.
///
/// # Safety
/// `devices` may be written; `errbuf` is NULL or has `PCAP_ERRBUF_SIZE` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_findalldevs(devices: *mut *mut pcap_if, errbuf: *mut c_char) -> c_int {
    if devices.is_null() {
        return PCAP_ERROR;
    }
    // SAFETY: by the caller's promise; the list is ours until it is given away.
    unsafe {
        guard::errbuf(errbuf, PCAP_ERROR, || {
            guard::silence();
            *devices = std::ptr::null_mut();
            let mut list = List::new();
            if !find(&mut list, errbuf) {
                pcap_freealldevs(list.first);
                return PCAP_ERROR;
            }
            *devices = list.first;
            0
        })
    }
}

/// Frees what [`pcap_findalldevs`] gave.
///
/// # Safety
/// `device` came from there, or is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_freealldevs(mut device: *mut pcap_if) {
    // SAFETY: every pointer is from malloc, by the caller's promise; free takes NULL.
    unsafe {
        while !device.is_null() {
            let mut address = (*device).addresses;
            while !address.is_null() {
                let next = (*address).next;
                libc::free((*address).addr.cast());
                libc::free((*address).netmask.cast());
                libc::free((*address).broadaddr.cast());
                libc::free((*address).dstaddr.cast());
                libc::free(address.cast());
                address = next;
            }
            let next = (*device).next;
            libc::free((*device).name.cast());
            libc::free((*device).description.cast());
            libc::free(device.cast());
            device = next;
        }
    }
}

/// The name of the system's first device, in static memory; NULL with the text in `errbuf`.
///
/// # Safety
/// `errbuf` is NULL or has `PCAP_ERRBUF_SIZE` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_lookupdev(errbuf: *mut c_char) -> *mut c_char {
    // SAFETY: passed on.
    unsafe { with_system(errbuf, std::ptr::null_mut(), |s| (s.pcap_lookupdev)(errbuf)) }
}

/// The IPv4 network and mask of a device, in network byte order. A card's rings have those of the card. A port of a switch
/// is of no network: both are 0, as libpcap says of devices that are no interfaces of the host's (`any`, `dag0`); programs give up where
/// this fails.
///
/// # Safety
/// `device` is NULL or NUL-terminated; `net` and `mask` may be written; `errbuf` as in [`pcap_lookupdev`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_lookupnet(
    device: *const c_char,
    net: *mut c_uint,
    mask: *mut c_uint,
    errbuf: *mut c_char,
) -> c_int {
    // SAFETY: by the caller's promise.
    unsafe {
        guard::errbuf(errbuf, PCAP_ERROR, || {
            let name = text_at(device);
            match PortName::parse(&name) {
                Ok(PortName::Plain(_)) => {
                    with_system(errbuf, PCAP_ERROR, |s| (s.pcap_lookupnet)(device, net, mask, errbuf))
                }
                Ok(PortName::Netmap(rings)) if !rings.is_pipe() => {
                    // A name of the grammar has no NUL inside.
                    let card = CString::new(rings.ifname).unwrap_or_default();
                    with_system(errbuf, PCAP_ERROR, |s| (s.pcap_lookupnet)(card.as_ptr(), net, mask, errbuf))
                }
                Ok(_) => {
                    for place in [net, mask].into_iter().filter(|place| !place.is_null()) {
                        place.write(0);
                    }
                    0
                }
                Err(error) => {
                    Errbuf::write(errbuf, format_args!("{error}"));
                    PCAP_ERROR
                }
            }
        })
    }
}

/// Chooses the character encoding of strings, for the rest of the process.
///
/// # Safety
/// `errbuf` as in [`pcap_lookupdev`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_init(options: c_uint, errbuf: *mut c_char) -> c_int {
    // SAFETY: passed on.
    unsafe {
        match system::get() {
            Ok(system) => (system.pcap_init)(options, errbuf),
            // Every string of ours is ASCII or the caller's own, so either encoding is kept.
            Err(_) if options <= 1 => 0,
            Err(_) => {
                Errbuf::write(errbuf, format_args!("Unknown options specified"));
                PCAP_ERROR
            }
        }
    }
}

/// Calls the system's library; without it, says so in `errbuf` and gives `without`.
///
/// # Safety
/// `errbuf` as in [`pcap_lookupdev`].
unsafe fn with_system<T>(errbuf: *mut c_char, without: T, call: impl FnOnce(&'static System) -> T) -> T {
    match system::get() {
        Ok(system) => call(system),
        Err(why) => {
            // SAFETY: by the caller's promise.
            unsafe { Errbuf::write(errbuf, format_args!("{why}")) };
            without
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_keeps_order_addresses_and_descriptions() {
        // SAFETY: the lists are built here, of malloc's memory, and freed once.
        unsafe {
            let mut list = List::new();
            assert!(list.push(c"a".as_ptr(), std::ptr::null(), 1));
            assert!(list.push(c"b".as_ptr(), c"second".as_ptr(), 2));
            let mut v4: libc::sockaddr_in = std::mem::zeroed();
            v4.sin_family = libc::AF_INET as _;
            v4.sin_addr.s_addr = 0x0100_007f;
            let address = pcap_addr {
                next: std::ptr::null_mut(),
                addr: (&raw mut v4).cast(),
                netmask: std::ptr::null_mut(),
                broadaddr: std::ptr::null_mut(),
                dstaddr: std::ptr::null_mut(),
            };
            assert!(list.push_addresses(&address));
            let mut second = List::new();
            assert!(copy(&mut second, list.first));
            pcap_freealldevs(list.first);
            let b = (*second.first).next;
            assert_eq!(text_at((*second.first).name), "a");
            assert!((*second.first).description.is_null());
            assert_eq!((text_at((*b).name), text_at((*b).description)), ("b".into(), "second".into()));
            assert_eq!((*b).flags, 2);
            let copied = (*(*b).addresses).addr.cast::<libc::sockaddr_in>();
            assert_eq!((*copied).sin_addr.s_addr, 0x0100_007f);
            assert!((*(*b).addresses).netmask.is_null() && (*b).next.is_null());
            pcap_freealldevs(second.first);
        }
    }
}
