//! Finding our own library, and not the system's of the same name.

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

/// The first library of ours in `folders` under the name `soname`, else under another name: any will do, because
/// functions are found by their names in whatever was loaded first.
pub fn find(folders: &[PathBuf], soname: &str) -> Option<PathBuf> {
    let names = [soname, DEBIAN, COMMON, "libpcap.so"];
    let candidates = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.filter_map(|path| path.canonicalize().ok()).find(|path| is_ours(path))
}

fn is_ours(path: &Path) -> bool {
    std::fs::read(path)
        .is_ok_and(|bytes| bytes.starts_with(b"\x7fELF") && bytes.windows(MARK.len()).any(|window| window == MARK))
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
        std::fs::write(theirs.join(DEBIAN), b"\x7fELF libpcap version 1.10.3").unwrap();
        std::fs::write(theirs.join("libpcap.so"), b"libpcap-netmap, but no library").unwrap();
        let folders = [theirs, ours.clone()];
        assert_eq!(find(&folders, COMMON), None);

        std::fs::write(ours.join(DEBIAN), b"\x7fELF 1.10.3 (libpcap-netmap 0.1)").unwrap();
        let debian = ours.canonicalize().unwrap().join(DEBIAN);
        assert_eq!(find(&folders, DEBIAN), Some(debian.clone()));
        assert_eq!(find(&folders, COMMON), Some(debian));
        std::fs::write(ours.join(COMMON), b"\x7fELF 1.10.3 (libpcap-netmap 0.1)").unwrap();
        assert!(find(&folders, COMMON).unwrap().ends_with(COMMON));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
