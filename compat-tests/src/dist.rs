//! Where the library under test lies.

use std::path::{Path, PathBuf};

/// The folder of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

/// Our `libpcap.so.0.8`.
///
/// # Panics
/// When it has not been built.
pub fn library() -> PathBuf {
    let folder = std::env::var_os("PCAP_NETMAP_DIST").map_or_else(|| workspace().join("dist"), PathBuf::from);
    let library = folder.join("libpcap.so.0.8");
    assert!(library.is_file(), "{} is missing: `cargo xtask build` makes it", library.display());
    library.canonicalize().expect("the library's path")
}
