//! What a program to be run really is: found in PATH, scripts followed to their interpreters, ELF files read.

use crate::cli::Error;
use crate::preload::library;
use elf::ElfBytes;
use elf::abi::{DT_NEEDED, DT_SONAME, DT_STRSZ, DT_STRTAB, PT_INTERP, PT_LOAD};
use elf::endian::AnyEndian;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Exit status when the program is not there, as the shell's.
pub const NOT_FOUND: u8 = 127;
/// Exit status when the program can't be run, as the shell's.
pub const NOT_RUNNABLE: u8 = 126;
/// Interpreters of interpreters that the kernel follows.
const MAX_SCRIPTS: usize = 5;

/// One file on the way to the process.
#[derive(Debug)]
pub struct Step {
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
}

/// What a file is.
#[derive(Debug)]
pub enum Kind {
    /// Runs the next step.
    Script,
    /// A program.
    Elf(Elf),
    /// May be run, but not read.
    Unreadable,
}

/// What nm-run has to know of an ELF file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Elf {
    /// The loader that it asks for; `None`: it is statically linked.
    pub loader: Option<String>,
    /// The name under which it is asked for (DT_SONAME), if it is a library.
    pub name: Option<String>,
    /// The libraries that it asks for.
    pub needed: Vec<String>,
    /// Class, byte order and machine as they stand in the file: what a library must have in common with it.
    pub machine: (u8, u8, u16),
}

impl Elf {
    /// The name of libpcap that fits this program.
    pub fn wanted_libpcap(&self) -> &'static str {
        if self.needed.iter().any(|name| name == library::COMMON) { library::COMMON } else { library::DEBIAN }
    }
}

/// Finds a program as a shell does: by its path, or in `search` (the value of PATH).
///
/// # Errors
/// [`Error::Status`] with [`NOT_FOUND`] or [`NOT_RUNNABLE`].
pub fn find(name: &OsStr, search: &OsStr) -> Result<PathBuf, Error> {
    let shown = Path::new(name).display();
    if name.as_bytes().contains(&b'/') {
        let path = PathBuf::from(name);
        return match runnable(&path) {
            _ if !path.exists() => Err(Error::Status(NOT_FOUND, format!("{shown}: no such file"))),
            true => Ok(path),
            false => Err(Error::Status(NOT_RUNNABLE, format!("{shown}: not a file that you may run"))),
        };
    }
    std::env::split_paths(search)
        .map(|folder| folder.join(name))
        .find(|path| runnable(path))
        .ok_or_else(|| Error::Status(NOT_FOUND, format!("{shown}: no such program in PATH")))
}

fn runnable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// Follows a program to what the kernel runs in the end; `env` in a script's first line is followed too.
///
/// # Errors
/// As [`find`], for an interpreter; [`Error::Status`] with [`NOT_RUNNABLE`] for scripts that never end.
pub fn follow(path: PathBuf, search: &OsStr) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    let mut next = path;
    while steps.len() <= MAX_SCRIPTS {
        let kind = read(&next);
        let path = next;
        let Kind::Script = kind else {
            steps.push(Step { path, kind });
            return Ok(steps);
        };
        let mut words = first_line(&path);
        next = match words.next() {
            // A text without a first line that names an interpreter is the shell's.
            None => "/bin/sh".into(),
            Some(env) if Path::new(&env).file_name() == Some(OsStr::new("env")) => {
                let program = words.find(|word| !word.starts_with('-') && !word.contains('='));
                find(OsStr::new(&program.unwrap_or(env)), search)?
            }
            Some(interpreter) => find(OsStr::new(&interpreter), search)?,
        };
        steps.push(Step { path, kind });
    }
    Err(Error::Status(NOT_RUNNABLE, format!("{}: too many scripts that run scripts", steps[0].path.display())))
}

/// The words after `#!`; none when there is no such line.
fn first_line(path: &Path) -> impl Iterator<Item = String> + use<> {
    let mut start = Vec::new();
    // An unreadable script can't be run either: as good as an empty one here.
    let _ = std::fs::File::open(path).and_then(|file| file.take(256).read_to_end(&mut start));
    let line = start.strip_prefix(b"#!").unwrap_or_default();
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    String::from_utf8_lossy(line).split_whitespace().map(String::from).collect::<Vec<_>>().into_iter()
}

fn read(path: &Path) -> Kind {
    match std::fs::read(path) {
        Err(_) => Kind::Unreadable,
        Ok(bytes) => parse_elf(&bytes).map_or(Kind::Script, Kind::Elf),
    }
}

/// What a library or program asks for; `None` when the file is no ELF file.
pub fn parse_elf(bytes: &[u8]) -> Option<Elf> {
    let file = ElfBytes::<AnyEndian>::minimal_parse(bytes).ok()?;
    let machine = (*bytes.get(4)?, *bytes.get(5)?, file.ehdr.e_machine);
    let segments = file.segments()?;
    let loader = segments.iter().find(|segment| segment.p_type == PT_INTERP).map(|segment| {
        let name = file.segment_data(&segment).unwrap_or_default();
        String::from_utf8_lossy(name).trim_end_matches('\0').to_string()
    });
    let entries: Vec<_> = file.dynamic().ok().flatten().map(|table| table.iter().collect()).unwrap_or_default();
    let entry = |tag| entries.iter().find(|entry| entry.d_tag == tag).map(|entry| entry.d_val());
    let strings = entry(DT_STRTAB).zip(entry(DT_STRSZ)).and_then(|(address, size)| {
        let holder = segments.iter().find(|segment| {
            segment.p_type == PT_LOAD && address.checked_sub(segment.p_vaddr).is_some_and(|at| at < segment.p_filesz)
        })?;
        let start = holder.p_offset.checked_add(address - holder.p_vaddr)?;
        bytes.get(usize::try_from(start).ok()?..usize::try_from(start.checked_add(size)?).ok()?)
    });
    let name = |at: u64| {
        let name = strings?.get(usize::try_from(at).ok()?..)?;
        Some(String::from_utf8_lossy(name.split(|byte| *byte == 0).next()?).into_owned())
    };
    let needed = entries.iter().filter(|entry| entry.d_tag == DT_NEEDED).filter_map(|entry| name(entry.d_val()));
    let own_name = entry(DT_SONAME).and_then(name);
    Some(Elf { name: own_name, needed: needed.collect(), loader, machine })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_itself_is_a_dynamic_program() {
        let this = std::env::current_exe().unwrap();
        let steps = follow(this.clone(), OsStr::new("")).unwrap();
        let [Step { path, kind: Kind::Elf(elf) }] = &steps[..] else { panic!("{steps:?}") };
        assert_eq!(*path, this);
        assert!(elf.loader.as_ref().unwrap().contains("ld-"), "{elf:?}");
        assert!(elf.needed.iter().any(|name| name.starts_with("libc.so")), "{elf:?}");
        assert_eq!(elf.wanted_libpcap(), library::DEBIAN);
        let elf = Elf { needed: vec![library::COMMON.into()], ..Elf::default() };
        assert_eq!(elf.wanted_libpcap(), library::COMMON);
    }

    #[test]
    fn cut_and_damaged_programs_are_no_reason_to_panic() {
        let bytes = std::fs::read("/bin/true").unwrap();
        for len in (0..bytes.len()).step_by(97) {
            parse_elf(&bytes[..len]);
        }
        let mut damaged = bytes.clone();
        for at in 0..1024.min(bytes.len()) {
            damaged[at] = !damaged[at];
            parse_elf(&damaged);
            damaged[at] = bytes[at];
        }
        assert_eq!(parse_elf(b"#!/bin/sh\n"), None);
    }

    #[test]
    fn programs_that_are_not_there() {
        let status = |name: &str| match find(OsStr::new(name), OsStr::new("/bin:/usr/bin")) {
            Err(Error::Status(status, _)) => status,
            other => panic!("{other:?}"),
        };
        assert_eq!(status("no-such-program-anywhere"), NOT_FOUND);
        assert_eq!(status("/no/such/file"), NOT_FOUND);
        assert_eq!(status("/etc/passwd"), NOT_RUNNABLE);
        assert_eq!(status("/tmp/"), NOT_RUNNABLE);
        assert!(find(OsStr::new("sh"), OsStr::new("/nowhere:/bin")).is_ok());
    }
}
