//! Link types, time stamp types, hosts, services, protocols, Ethernet addresses.

use crate::api::{Api, ours, same, text, theirs};
use std::ffi::{CStr, CString, c_char, c_int};

const NULL: *const c_char = std::ptr::null();

#[test]
fn link_types() {
    for linktype in (-3..1000).chain([c_int::MIN, 65_535, 65_536, 65_537, c_int::MAX]) {
        // SAFETY: any number; static texts or NULL.
        same(|api| unsafe {
            let name = text((api.pcap_datalink_val_to_name)(linktype));
            let number = name.clone().map(|name| {
                [name.clone(), name.to_lowercase(), format!("DLT_{name}"), format!("{name} ")]
                    .map(|name| (api.pcap_datalink_name_to_val)(CString::new(name).unwrap().as_ptr()))
            });
            let description = text((api.pcap_datalink_val_to_description)(linktype));
            (name, number, description, text((api.pcap_datalink_val_to_description_or_dlt)(linktype)))
        });
    }
    // SAFETY: terminated.
    same(|api| unsafe { (api.pcap_datalink_name_to_val)(c"".as_ptr()) });
    // SAFETY: ours takes NULL, where libpcap reads through it.
    assert_eq!(unsafe { (ours().pcap_datalink_name_to_val)(NULL) }, -1);
}

#[test]
fn time_stamp_types() {
    for number in -3..20 {
        // SAFETY: any number; static texts or NULL.
        same(|api| unsafe {
            let name = text((api.pcap_tstamp_type_val_to_name)(number));
            let back = name.clone().map(|name| {
                [name.clone(), name.to_uppercase(), format!("{name}x")]
                    .map(|name| (api.pcap_tstamp_type_name_to_val)(CString::new(name).unwrap().as_ptr()))
            });
            (name, back, text((api.pcap_tstamp_type_val_to_description)(number)))
        });
    }
    // SAFETY: ours takes NULL.
    assert_eq!(unsafe { (ours().pcap_tstamp_type_name_to_val)(NULL) }, -1);
}

/// The addresses of `pcap_nametoaddr`.
fn addresses(api: &Api, name: &CStr) -> Option<Vec<u32>> {
    // SAFETY: a terminated name; the list ends with NULL. No other test of this program looks up in this way.
    unsafe {
        let mut list = (api.pcap_nametoaddr)(name.as_ptr());
        if list.is_null() {
            return None;
        }
        let mut all = Vec::new();
        while !(*list).is_null() {
            all.push(**list);
            list = list.add(1);
        }
        Some(all)
    }
}

#[test]
fn hosts() {
    for name in [c"localhost", c"1.2.3.4", c"127.1", c"no such host", c"nosuch.invalid", c"", c"::1"] {
        same(|api| addresses(api, name));
        // Addresses of both versions, by the same names.
        same(|api| {
            // SAFETY: a terminated name; the list ends with NULL and is freed once.
            unsafe {
                let first = (api.pcap_nametoaddrinfo)(name.as_ptr());
                let (mut all, mut next) = (Vec::new(), first);
                while let Some(answer) = next.as_ref() {
                    let bytes = std::slice::from_raw_parts(answer.ai_addr.cast::<u8>(), answer.ai_addrlen as usize);
                    all.push((answer.ai_family, answer.ai_socktype, answer.ai_protocol, bytes.to_vec()));
                    next = answer.ai_next;
                }
                if !first.is_null() {
                    libc::freeaddrinfo(first);
                }
                all
            }
        });
    }
    // SAFETY: NULL is allowed.
    unsafe {
        assert!((ours().pcap_nametoaddr)(NULL).is_null());
        assert!((ours().pcap_nametoaddrinfo)(NULL).is_null());
    }
}

#[test]
fn networks_and_protocols() {
    let names = [
        "loopback",
        "link-local",
        "default",
        "127",
        "10.0.0.0",
        "nosuch",
        "",
        "ip",
        "icmp",
        "tcp",
        "TCP",
        "udp",
        "ipv6",
        "ipv6-icmp",
        "sctp",
        "6",
        "ospf",
        "arp",
        "rarp",
        "ip6",
        "aarp",
        "atalk",
        "decnet",
        "lat",
        "loopback",
        "mopdl",
        "moprc",
        "sca",
        "iso",
        "stp",
        "ipx",
        "netbeui",
        "ISO",
        "pup",
    ];
    for name in names {
        let name = CString::new(name).unwrap();
        // SAFETY: a terminated name.
        same(|api| unsafe {
            (
                (api.pcap_nametonetaddr)(name.as_ptr()),
                (api.pcap_nametoproto)(name.as_ptr()),
                (api.pcap_nametoeproto)(name.as_ptr()),
                (api.pcap_nametollc)(name.as_ptr()),
            )
        });
    }
    // SAFETY: ours takes NULL.
    unsafe {
        assert_eq!((ours().pcap_nametonetaddr)(NULL), 0);
        assert_eq!((ours().pcap_nametoproto)(NULL), -1);
        assert_eq!((ours().pcap_nametoeproto)(NULL), -1);
        assert_eq!((ours().pcap_nametollc)(NULL), -1);
    }
}

/// Result, port and protocol.
fn port(api: &Api, name: &str) -> (c_int, c_int, c_int) {
    let (name, mut port, mut protocol) = (CString::new(name).unwrap(), -7, -7);
    // SAFETY: a terminated name, two places.
    let found = unsafe { (api.pcap_nametoport)(name.as_ptr(), &mut port, &mut protocol) };
    (found, port, protocol)
}

fn port_range(api: &Api, name: &str) -> (c_int, c_int, c_int, c_int) {
    let (name, mut first, mut last, mut protocol) = (CString::new(name).unwrap(), -7, -7, -7);
    // SAFETY: a terminated name, three places.
    let found = unsafe { (api.pcap_nametoportrange)(name.as_ptr(), &mut first, &mut last, &mut protocol) };
    if found == 1 { (1, first, last, protocol) } else { (found, 0, 0, 0) }
}

#[test]
fn services() {
    for name in
        ["80", "http", "domain", "ssh", "syslog", "tftp", "nosuch", "", "65536", "-1", " 80", "80 ", "0x50", "HTTP"]
    {
        same(|api| port(api, name));
    }
    for name in [
        "80-90",
        "90-80",
        "http-https",
        "ssh-90",
        "syslog-ssh",
        "ftp-data",
        "70000-80000",
        "80",
        "nosuch-90",
        "80-nosuch",
    ] {
        same(|api| port_range(api, name));
    }
}

/// As in libpcap 1.11: 1.10 reads `%d-%d` and looks no further.
#[test]
fn a_range_of_ports_is_read_whole() {
    for name in ["80-90x", "-5--3", "80-", "-", "-80"] {
        assert_eq!(port_range(theirs(), name).0, 1, "{name}: the system's");
        assert_eq!(port_range(ours(), name).0, 0, "{name}: ours");
    }
}

/// The address in memory that is freed here.
fn six(address: *mut u8) -> Option<[u8; 6]> {
    if address.is_null() {
        return None;
    }
    // SAFETY: not NULL: six bytes from malloc, freed once.
    unsafe {
        let bytes = *address.cast::<[u8; 6]>();
        libc::free(address.cast());
        Some(bytes)
    }
}

#[test]
fn ethernet_addresses() {
    for name in
        ["0:1:2:3:4:5", "00:11:22:aa:BB:ff", "00.11.22.33.44.55", "0-1-2-3-4-5", "0011.2233.4455", "001122334455"]
    {
        let name = CString::new(name).unwrap();
        // SAFETY: a terminated text.
        same(|api| six(unsafe { (api.pcap_ether_aton)(name.as_ptr()) }));
    }
    for name in ["localhost", "no such host", ""] {
        let name = CString::new(name).unwrap();
        // SAFETY: a terminated name.
        same(|api| six(unsafe { (api.pcap_ether_hostton)(name.as_ptr()) }));
    }
    // SAFETY: ours takes NULL.
    unsafe {
        assert!((ours().pcap_ether_aton)(NULL).is_null());
        assert!((ours().pcap_ether_hostton)(NULL).is_null());
    }
}

/// The entries of a file that holds `text`.
fn entries(api: &Api, text: &[u8]) -> Vec<([u8; 6], Vec<c_char>)> {
    let mut all = Vec::new();
    // SAFETY: a stream on memory that is only read, closed once; an entry is good until the next call.
    unsafe {
        let file = libc::fmemopen(text.as_ptr().cast_mut().cast(), text.len(), c"r".as_ptr());
        assert!(!file.is_null());
        while let Some(entry) = (api.pcap_next_etherent)(file).as_ref() {
            all.push((entry.addr, entry.name.to_vec()));
        }
        libc::fclose(file);
    }
    all
}

#[test]
fn files_of_ethernet_addresses() {
    let long = format!("1:2:3:4:5:6 {}\n1:2:3:4:5:6 next\n", "n".repeat(1000));
    for len in [120, 121, 122, 123] {
        let cut = format!("1:2:3:4:5:6 {}\n7:8:9:a:b:c next\n", "n".repeat(len));
        same(|api| entries(api, cut.as_bytes()));
    }
    for text in [
        "0:1:2:3:4:5 one\nAA:bb:CC:dd:ee:ff\ttwo # comment\n# nothing\n\n   0:0:0:0:0:1   three four\n",
        "1:2 short\n1:2:3:4:5:6\n7 rest\n1:2:3:4:5:6:7 seven\n123:4:5:6:7:8 three digits\n1:2:3:4:5: open\n",
        "1:2:3:4:5:6 last",
        "1:2:3:4:5:6 last\n",
        "1:2:3:4:5:6 #none\n1:2:3:4:5:6#\nzz zz\n:1:2 x\n1:g:3:4:5:6 g\n1:2:3:4:5:G G\n",
        "\r\n1:2:3:4:5:6\rname\r\n\x0b1:2:3:4:5:6 \x0bv\n",
        long.as_str(),
    ] {
        same(|api| entries(api, text.as_bytes()));
    }
    // Lines of what such lines are made of.
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..2000 {
        let pieces: Vec<u8> = (0..1 + random(60)).map(|_| b"0123:::::: \t\r\n\n#abcfAFgz.-\xff"[random(27)]).collect();
        same(|api| entries(api, &pieces));
    }
    // SAFETY: ours takes NULL.
    assert!(unsafe { (ours().pcap_next_etherent)(std::ptr::null_mut()) }.is_null());
}
