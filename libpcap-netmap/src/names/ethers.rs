//! Ethernet addresses: as text, by the name of their host, and as the lines of a file like ethers(5).

use crate::abi::pcap_etherent;
use crate::resolve::{self, ETHER};
use libc::{FILE, c_char, c_uchar};
use std::cell::UnsafeCell;
use std::ffi::CStr;

/// An Ethernet address in memory that the caller frees with `free`; NULL when there is no memory, or no address.
fn give(address: Option<[u8; ETHER]>) -> *mut c_uchar {
    let Some(address) = address else { return std::ptr::null_mut() };
    // SAFETY: malloc gives memory for the copy, or NULL.
    unsafe {
        let copy = libc::malloc(ETHER).cast::<c_uchar>();
        if !copy.is_null() {
            copy.copy_from_nonoverlapping(address.as_ptr(), ETHER);
        }
        copy
    }
}

fn hex(text: &[u8]) -> Option<u8> {
    text.iter().try_fold(0, |byte: u8, &c| Some((byte << 4) | char::from(c).to_digit(16)? as u8))
}

/// An address in one of the forms of pcap-filter(7): six groups of one or two digits with `:`, `.` or `-` between
/// them, three groups of four with `.`, or twelve digits.
fn address(text: &[u8]) -> Option<[u8; ETHER]> {
    let mut bytes = [0; ETHER];
    let pairs = match text.len() {
        12 if text.iter().all(u8::is_ascii_hexdigit) => Some(text.to_vec()),
        14 if text[4] == b'.' && text[9] == b'.' => Some([&text[..4], &text[5..9], &text[10..]].concat()),
        _ => None,
    };
    if let Some(pairs) = pairs {
        for (byte, pair) in bytes.iter_mut().zip(pairs.chunks(2)) {
            *byte = hex(pair)?;
        }
        return Some(bytes);
    }
    let separator = *text.iter().find(|c| b":.-".contains(c))?;
    let mut groups = text.split(|&c| c == separator);
    for byte in &mut bytes {
        *byte = hex(groups.next().filter(|group| matches!(group.len(), 1 | 2))?)?;
    }
    if groups.next().is_none() { Some(bytes) } else { None }
}

/// An Ethernet address from text, in memory that the caller frees; NULL when it is none, as in libpcap 1.11.
///
/// # Safety
/// `text` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_ether_aton(text: *const c_char) -> *mut c_uchar {
    if text.is_null() {
        return std::ptr::null_mut();
    }
    // SAFETY: by the caller's promise.
    give(address(unsafe { CStr::from_ptr(text) }.to_bytes()))
}

/// A host's Ethernet address by ethers(5), in memory that the caller frees; NULL when it has none.
///
/// # Safety
/// `name` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_ether_hostton(name: *const c_char) -> *mut c_uchar {
    if name.is_null() {
        return std::ptr::null_mut();
    }
    // SAFETY: by the caller's promise.
    give(resolve::ether(unsafe { CStr::from_ptr(name) }))
}

/// A digit's value; of what is no digit, what libpcap makes of it.
fn digit(c: u8) -> u8 {
    match c {
        b'0'..=b'9' => c - b'0',
        b'a'..=b'f' => c - b'a' + 10,
        _ => c.wrapping_sub(b'A').wrapping_add(10),
    }
}

/// The next character that is no blank.
fn skip_blanks(next: &mut impl FnMut() -> Option<u8>) -> Option<u8> {
    loop {
        match next()? {
            b' ' | b'\t' | b'\r' => {}
            c => return Some(c),
        }
    }
}

fn skip_line(next: &mut impl FnMut() -> Option<u8>) -> Option<()> {
    while next()? != b'\n' {}
    Some(())
}

/// Reads lines until one has an address and a name; `None` at the end of the file, which cuts a last line without
/// its newline off. A line whose address has fewer than six bytes keeps the rest of the address before it.
fn entry(next: &mut impl FnMut() -> Option<u8>) -> Option<pcap_etherent> {
    let mut entry = pcap_etherent { addr: [0; ETHER], name: [0; NAME] };
    loop {
        let mut c = skip_blanks(next)?;
        if c == b'\n' {
            continue;
        }
        if !c.is_ascii_hexdigit() {
            skip_line(next)?;
            continue;
        }
        for byte in &mut entry.addr {
            *byte = digit(c);
            c = next()?;
            if c.is_ascii_hexdigit() {
                *byte = (*byte << 4) | digit(c);
                c = next()?;
            }
            if c != b':' {
                break;
            }
            c = next()?;
        }
        if !matches!(c, b' ' | b'\t' | b'\r' | b'\n') {
            skip_line(next)?;
            continue;
        }
        c = skip_blanks(next)?;
        if c == b'\n' {
            continue;
        }
        if c == b'#' {
            skip_line(next)?;
            continue;
        }
        // The last byte stays 0.
        for place in entry.name.iter_mut().take(NAME - 1) {
            *place = c as c_char;
            c = next()?;
            if matches!(c, b' ' | b'\t' | b'\r' | b'\n') {
                break;
            }
        }
        if c != b'\n' {
            let _ = skip_line(next);
        }
        return Some(entry);
    }
}

/// Bytes of a name in [`pcap_etherent`].
const NAME: usize = 122;

/// The next entry of a file like ethers(5), in memory of this thread until its next call; NULL at the end.
///
/// # Safety
/// `file` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcap_next_etherent(file: *mut FILE) -> *mut pcap_etherent {
    thread_local!(static LAST: UnsafeCell<pcap_etherent> =
        const { UnsafeCell::new(pcap_etherent { addr: [0; ETHER], name: [0; NAME] }) });
    if file.is_null() {
        return std::ptr::null_mut();
    }
    // SAFETY: an open stream, by the caller's promise.
    let mut next = || match unsafe { libc::fgetc(file) } {
        libc::EOF => None,
        c => Some(c as u8),
    };
    let Some(entry) = entry(&mut next) else { return std::ptr::null_mut() };
    // SAFETY: this thread's own place; no reference to it exists.
    LAST.try_with(|last| unsafe {
        last.get().write(entry);
        last.get()
    })
    .unwrap_or(std::ptr::null_mut())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let expected = Some([0, 0x11, 0x22, 0xaa, 0xbb, 0xff]);
        for text in ["00:11:22:aa:BB:ff", "0-11-22-aa-bb-ff", "0.11.22.aa.bb.ff", "0011.22aa.bbff", "001122aabbff"] {
            assert_eq!(address(text.as_bytes()), expected, "{text}");
        }
        for text in [
            "",
            "0",
            "0:1:2:3:4",
            "0:1:2:3:4:5:6",
            "0:1-2:3:4:5",
            "0:1:2:3:4:555",
            "0:1:2:3:4:g",
            "00112.2aa.bbff",
            ":",
        ] {
            assert_eq!(address(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn entries_are_read() {
        let text = b"# comment\n\n 0:1:2:3:4:5\tone two\n1:2 #\nzz\n6:7 short\r\n8:9:a:b:c:d last".to_vec();
        let mut bytes = text.into_iter();
        let mut next = || bytes.next();
        let mut read =
            || entry(&mut next).map(|e| (e.addr, e.name.iter().take_while(|&&c| c != 0).map(|&c| c as u8).collect()));
        assert_eq!(read(), Some(([0, 1, 2, 3, 4, 5], b"one".to_vec())));
        assert_eq!(read(), Some(([6, 7, 0, 0, 0, 0], b"short".to_vec())));
        assert_eq!(read(), None);
    }

    #[test]
    fn an_overlong_name_is_cut() {
        let mut bytes = format!("1:2:3:4:5:6 {}\n7:8:9:a:b:c next\n", "n".repeat(1000)).into_bytes().into_iter();
        let mut next = || bytes.next();
        let first = entry(&mut next).unwrap();
        assert_eq!(first.name.iter().filter(|&&c| c == b'n' as c_char).count(), NAME - 1);
        assert_eq!(first.name[NAME - 1], 0);
        assert_eq!(entry(&mut next).unwrap().addr, [7, 8, 9, 10, 11, 12]);
    }
}
