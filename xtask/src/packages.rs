//! What the distribution has to supply: found, installed where we may, or named.

use crate::Failure;
use crate::workspace::is_root;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file that must be there, and the Debian package that brings it.
pub struct Need {
    /// A program's name, or a file's path when it begins with `/`.
    pub file: &'static str,
    /// The package.
    pub package: &'static str,
}

/// A [`Need`], shortly.
pub const fn need(file: &'static str, package: &'static str) -> Need {
    Need { file, package }
}

/// Where a program lies: `PATH`, and the administrator's folders, which a plain user's `PATH` lacks.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn missing(needs: &[Need]) -> Vec<&'static str> {
    let there = |n: &Need| if n.file.starts_with('/') { Path::new(n.file).exists() } else { find(n.file).is_some() };
    let mut packages: Vec<_> = needs.iter().filter(|n| !there(n)).map(|n| n.package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// Installs what `needs` lacks, as root or where sudo asks no password, and says so.
/// Returns the packages that are still missing, having said what to install.
///
/// # Errors
/// When the package manager can't be started.
pub fn provide(needs: &[Need]) -> Result<Vec<&'static str>, Failure> {
    let lacking = missing(needs);
    if lacking.is_empty() {
        return Ok(lacking);
    }
    let list = lacking.join(" ");
    if find("apt-get").is_none() {
        println!("missing: {list} (the names of Debian's packages; install what brings them here)");
        return Ok(lacking);
    }
    let root = is_root();
    let sudo = !root && find("sudo").is_some() && quiet(Command::new("sudo").args(["-n", "true"]));
    if !root && !sudo {
        println!("missing: {list} (sudo apt-get install {list})");
        return Ok(lacking);
    }
    println!("installing from the distribution: {list}");
    let apt = |words: &[&str]| {
        let mut command = Command::new(if sudo { "sudo" } else { "env" });
        if sudo {
            command.args(["-n", "env"]);
        }
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120"]).args(words);
        command.stdout(Stdio::null()).status()
    };
    let install = [&["install", "-y", "--no-install-recommends"], &lacking[..]].concat();
    if !apt(&install)?.success() {
        println!("updating the list of packages first");
        if apt(&["update"])?.success() {
            apt(&install)?;
        }
    }
    let still = missing(needs);
    if !still.is_empty() {
        println!("could not be installed: {}", still.join(" "));
    }
    Ok(still)
}

/// Whether `command` succeeds; what it says is thrown away.
pub fn quiet(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}
