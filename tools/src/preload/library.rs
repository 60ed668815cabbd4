//! Finding our own library, and not the system's of the same name.

use crate::preload::program::parse_elf;
use std::path::{Path, PathBuf};

/// The name under which Debian's programs ask for libpcap.
pub const DEBIAN: &str = "libpcap.so.0.8";
/// The name under which everybody else's do.
pub const COMMON: &str = "libpcap.so.1";

/// What our library has in it and the system's has not.
const MARK: &[u8] = b"libpcap-netmap";

/// Where the library may lie for a tool that lies in `tools`: beside it, then where it is installed.
pub fn folders(tools: &Path) -> Vec<PathBuf> {
    let multiarch = format!("lib/{}-linux-gnu", std::env::consts::ARCH);
    let mut folders = vec![tools.to_path_buf()];
    folders.extend(["../lib", "../dist", "../../dist"].map(|near| tools.join(near)));
    for prefix in [tools.join(".."), "/usr/local".into(), "/usr".into()] {
        for lib in ["lib", multiarch.as_str()] {
            folders.push(prefix.join(lib).join("libpcap-netmap"));
            folders.push(prefix.join(lib));
        }
    }
    folders
}

/// The first library of ours in `folders` under the name `soname`, else under the other name.
///
/// A file without a name of its own inside (DT_SONAME), as the compiler leaves it, won't do: the loader would not
/// take it for the library that the program asks for, and load the system's beside it.
pub fn find(folders: &[PathBuf], soname: &str) -> Option<PathBuf> {
    let names = [soname, DEBIAN, COMMON];
    let candidates = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.filter_map(|path| path.canonicalize().ok()).find(|path| is_ours(path))
}

fn is_ours(path: &Path) -> bool {
    let bytes = std::fs::read(path).unwrap_or_default();
    let name = parse_elf(&bytes).and_then(|elf| elf.name);
    name.is_some_and(|name| [DEBIAN, COMMON].contains(&name.as_str()))
        && bytes.windows(MARK.len()).any(|window| window == MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_library_is_never_taken_for_ours() {
        let folder = std::env::temp_dir().join(format!("nm-run-library-{}", std::process::id()));
        let [theirs, ours] = ["theirs", "ours"].map(|name| folder.join(name));
        for folder in [&theirs, &ours] {
            std::fs::create_dir_all(folder).unwrap();
        }
        let folders = [theirs.clone(), ours.clone()];
        let with_mark = |name: &str, bytes: &[u8]| std::fs::write(ours.join(name), [bytes, MARK].concat()).unwrap();
        std::fs::write(theirs.join(DEBIAN), library_named(DEBIAN)).unwrap();
        with_mark(DEBIAN, b"no library");
        with_mark(COMMON, &library_named("libother.so.1"));
        assert_eq!(find(&folders, DEBIAN), None);

        with_mark(DEBIAN, &library_named(DEBIAN));
        let debian = ours.canonicalize().unwrap().join(DEBIAN);
        assert_eq!(find(&folders, DEBIAN), Some(debian.clone()));
        assert_eq!(find(&folders, COMMON), Some(debian));
        with_mark(COMMON, &library_named(COMMON));
        assert!(find(&folders, COMMON).unwrap().ends_with(COMMON));
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// The least ELF file with a DT_SONAME: file header, one PT_LOAD over all, one PT_DYNAMIC, the names.
    fn library_named(name: &str) -> Vec<u8> {
        let names = format!("\0{name}\0");
        let (headers, dynamic) = (64 + 2 * 56, 4 * 16);
        let names_at = headers + dynamic;
        let all = (names_at + names.len()) as u64;
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        file.extend([3_u16, 62].iter().flat_map(|half| half.to_le_bytes()));
        file.extend(1_u32.to_le_bytes());
        file.extend([0, 64, 0_u64].iter().flat_map(|word| word.to_le_bytes()));
        file.extend(0_u32.to_le_bytes());
        file.extend([64_u16, 56, 2, 64, 0, 0].iter().flat_map(|half| half.to_le_bytes()));
        for (kind, at, len) in [(1_u32, 0, all), (2, headers as u64, dynamic as u64)] {
            file.extend([kind, 4].iter().flat_map(|word| word.to_le_bytes()));
            file.extend([at, at, at, len, len, 8].iter().flat_map(|word| word.to_le_bytes()));
        }
        // DT_STRTAB, DT_STRSZ, DT_SONAME, DT_NULL
        let entries = [5, names_at as u64, 10, names.len() as u64, 14, 1, 0, 0];
        file.extend(entries.iter().flat_map(|word| word.to_le_bytes()));
        file.extend(names.as_bytes());
        file
    }
}
