//! `cargo xtask build`: the library under both SONAMEs, and the tools.

use crate::Failure;
use crate::workspace::{cargo, dist, root, run, target_dir};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Debian's programs ask for the first name, everybody else's for the second.
const SONAMES: [&str; 2] = ["libpcap.so.0.8", "libpcap.so.1"];

/// The programs of the `tools` crate.
pub const TOOLS: [&str; 5] = ["vale-ctl", "pkt-gen", "bridge", "nmreplay", "nm-run"];

/// Fills `dist/` and checks what the libraries export.
///
/// # Errors
/// When something does not compile, or a library does not export what it must.
pub fn all() -> Result<(), Failure> {
    let release = target_dir()?.join("release");
    fs::create_dir_all(dist())?;
    run(cargo().args(["build", "--release", "--package", "tools", "--bins"]))?;
    for tool in TOOLS {
        place(&release.join(tool), tool)?;
    }
    for soname in SONAMES {
        let link_arg = format!("link-arg=-Wl,-soname,{soname}");
        run(cargo()
            .args(["rustc", "--release", "--package", "libpcap-netmap", "--lib", "--crate-type", "cdylib"])
            .args(["--", "-C", &link_arg]))?;
        place(&release.join("libpcap.so"), soname)?;
    }
    run(&mut Command::new(root().join("ci/symbols")))?;
    println!("dist: {}, {}", SONAMES.join(", "), TOOLS.join(", "));
    Ok(())
}

/// Copies a result to `dist/name`, by renaming: who runs the old file keeps it.
fn place(from: &Path, name: &str) -> Result<(), Failure> {
    let aside = dist().join(format!(".{name}.{}", std::process::id()));
    fs::copy(from, &aside).map_err(|e| format!("{}: {e}", from.display()))?;
    fs::rename(&aside, dist().join(name))?;
    Ok(())
}
