//! Finding the system's libpcap by path: by its SONAME we would find ourselves.

use super::System;
use crate::error::text_at;
use libc::{c_char, c_void};
use libloading::os::unix::Library;
use std::collections::HashSet;
use std::env::consts::ARCH;
use std::ffi::CStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Names the system's library outright. Ignored in secure-execution mode.
const OVERRIDE: &str = "PCAP_NETMAP_SYSTEM";

/// What our own `pcap_lib_version` contains and nobody else's does.
const OUR_MARK: &str = "libpcap-netmap";

/// Opens the first library that is a libpcap and not ours.
pub(super) fn open() -> Result<System, String> {
    if under_sanitizer() {
        return Err(
            "the system's libpcap is needed for this, and a sanitizer's runtime forbids to load it apart".into()
        );
    }
    if let Some(path) = chosen() {
        return try_open(&path).map_err(|why| format!("{OVERRIDE}: {why}"));
    }
    let mut seen: HashSet<(u64, u64)> = own_file().into_iter().collect();
    let mut why_not = String::new();
    for directory in directories() {
        for path in candidates(&directory) {
            let Ok(file) = std::fs::metadata(&path) else { continue };
            if !seen.insert((file.dev(), file.ino())) {
                continue;
            }
            match try_open(&path) {
                Ok(system) => return Ok(system),
                Err(why) => why_not = format!("; {why}"),
            }
        }
    }
    Err(format!(
        "the system's libpcap is needed for this and was not found in {} and the like (install libpcap0.8 or libpcap, or set {OVERRIDE} to its path){why_not}",
        directories()[0].display()
    ))
}

/// Whether a sanitizer's runtime is in the process: it ends the process on RTLD_DEEPBIND.
fn under_sanitizer() -> bool {
    // SAFETY: dlsym takes any terminated name.
    let has = |name: &CStr| !unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }.is_null();
    has(c"__asan_init") || has(c"__tsan_init") || has(c"__msan_init")
}

fn chosen() -> Option<PathBuf> {
    // SAFETY: getauxval takes any number.
    let secure = unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
    std::env::var_os(OVERRIDE).filter(|path| !secure && !path.is_empty()).map(PathBuf::from)
}

fn directories() -> Vec<PathBuf> {
    let triplet = match ARCH {
        "x86" => "i386-linux-gnu".to_string(),
        "arm" => "arm-linux-gnueabihf".to_string(),
        arch => format!("{arch}-linux-gnu"),
    };
    let mut all = vec![Path::new("/usr/lib").join(&triplet), Path::new("/lib").join(&triplet)];
    all.extend(["/usr/lib64", "/lib64", "/usr/lib", "/lib", "/usr/local/lib"].map(PathBuf::from));
    all
}

/// `libpcap.so.1.10.3`, `libpcap.so.0.8.distrib`, …: the highest version first.
fn candidates(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"libpcap.so.")))
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found
}

fn try_open(path: &Path) -> Result<System, String> {
    const FLAGS: i32 = libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_DEEPBIND;
    // SAFETY: loading runs the library's constructors; libpcap and what it needs have harmless ones.
    let library = unsafe { Library::open(Some(path), FLAGS) }.map_err(|e| e.to_string())?;
    // SAFETY: the file is called libpcap, or the user named it: its functions are libpcap's.
    let system = unsafe { System::resolve(library, path) }?;
    // SAFETY: pcap_lib_version takes nothing and gives a static string.
    let version = unsafe { text_at((system.pcap_lib_version)()) };
    if version.contains(OUR_MARK) {
        return Err(format!("{} is libpcap-netmap itself", path.display()));
    }
    Ok(system)
}

/// Device and inode of the file that this code was loaded from.
fn own_file() -> Option<(u64, u64)> {
    let info = object_at(own_address())?;
    if info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: dladdr gives a NUL-terminated name.
    let file = std::fs::metadata(unsafe { text_at(info.dli_fname.cast::<c_char>()) }).ok()?;
    Some((file.dev(), file.ino()))
}

/// Whether this code is part of the main program (linked as a Rust library) and not of a shared library.
pub(crate) fn in_main_program() -> bool {
    // SAFETY: getauxval takes any number. The program headers lie in the main program's mapping.
    let headers = unsafe { libc::getauxval(libc::AT_PHDR) } as *const c_void;
    match (object_at(own_address()), object_at(headers)) {
        (Some(own), Some(main)) => own.dli_fbase == main.dli_fbase,
        _ => false,
    }
}

fn own_address() -> *const c_void {
    own_file as *const c_void
}

fn object_at(address: *const c_void) -> Option<libc::Dl_info> {
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: dladdr takes any address and fills `info` when it knows it.
    let known = unsafe { libc::dladdr(address, info.as_mut_ptr()) } != 0;
    // SAFETY: dladdr has filled it.
    known.then(|| unsafe { info.assume_init() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_a_main_program() {
        assert!(in_main_program());
    }

    #[test]
    fn candidates_have_the_librarys_name_and_the_highest_version_comes_first() {
        let directory = std::env::temp_dir().join(format!("pcap-find-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        for name in ["libpcap.so.0.8", "libpcap.so.1.10.3.distrib", "libpcap.a", "libpcapng.so.1"] {
            std::fs::write(directory.join(name), "").unwrap();
        }
        let names: Vec<_> =
            candidates(&directory).iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect();
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(names, ["libpcap.so.1.10.3.distrib", "libpcap.so.0.8"]);
    }

    #[test]
    fn what_is_no_library_is_refused_in_words() {
        let why = try_open(Path::new("/etc/hostname")).unwrap_err();
        assert!(why.contains("/etc/hostname"), "{why}");
    }
}
