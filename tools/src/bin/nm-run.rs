//! `nm-run PROGRAM …`: runs a program with our libpcap in place of the system's.

use lexopt::prelude::*;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use tools::cli::{self, Error, warn};
use tools::preload::library;
use tools::preload::program::{self, Elf, Kind, NOT_FOUND, NOT_RUNNABLE, Step};
use tools::preload::secure::{Caller, Rights, Why, ignored};

const TOOL: &str = "nm-run";

const HELP: &str = "\
nm-run runs a program, unchanged, with libpcap-netmap in place of the system's libpcap.

usage: nm-run [options] PROGRAM [ARGUMENTS]

  --library FILE   preload this library rather than the one found
  --show           say what would be preloaded, and run nothing
  --help           this text

The library is looked for beside nm-run, in ../lib and ../dist, then in
/usr/local/lib and /usr/lib, there also in folders named libpcap-netmap. It is put in
front of LD_PRELOAD, and the program takes nm-run's place as the same process.

Debian's programs ask for libpcap.so.0.8, others for libpcap.so.1. The library is there
under both names, and the one that the program asks for is preloaded. One is enough:
functions are found by name in what was loaded first, so that a plugin that brings in
the other name calls ours as well.

Programs that gain rights when they are run ignore LD_PRELOAD: set-user-id ones,
set-group-id ones, and for all but root those with file capabilities (often dumpcap).
nm-run refuses them and says what to do. VALE ports need no rights: run a copy, which
has none.

Exit status: the program's own; 125: refused; 126: can't be run; 127: not found.

examples:
  nm-run tcpdump -i vale0:a
  nm-run bittwist -i vale0:b capture.pcap
  sudo nm-run tcpdump -i netmap:eth0        (not: nm-run sudo tcpdump)
";

/// Exit status for what nm-run itself refuses, as env(1) and nohup(1) have it.
const REFUSED: u8 = 125;

/// Programs that run others and take LD_PRELOAD from them.
const CHANGES_USER: [&str; 6] = ["sudo", "doas", "su", "pkexec", "runuser", "sudoedit"];
/// Programs that leave capturing to another one.
const CAPTURES_THROUGH: [(&str, &str); 2] = [("tshark", "dumpcap"), ("wireshark", "dumpcap")];

struct Options {
    library: Option<PathBuf>,
    show: bool,
    program: OsString,
    arguments: Vec<OsString>,
}

fn main() -> ExitCode {
    cli::run(TOOL, || match parse(lexopt::Parser::from_env())? {
        None => cli::out(HELP),
        Some(options) => run(options),
    })
}

fn parse(mut args: lexopt::Parser) -> Result<Option<Options>, Error> {
    let (mut library, mut show) = (None, false);
    while let Some(arg) = args.next()? {
        match arg {
            Long("library") => library = Some(PathBuf::from(args.value()?)),
            Long("show") => show = true,
            Short('h') | Long("help") => return Ok(None),
            Value(program) => {
                let arguments = args.raw_args()?.collect();
                return Ok(Some(Options { library, show, program, arguments }));
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Err(Error::Usage("run which program?".into()))
}

fn run(options: Options) -> Result<(), Error> {
    let search = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let path = program::find(&options.program, &search)?;
    let name = path.file_name().unwrap_or_default().to_os_string();
    let steps = program::follow(path.clone(), &search)?;
    refuse_who_would_not_listen(&name, &steps)?;

    let elf = steps.iter().find_map(|step| match &step.kind {
        Kind::Elf(elf) => Some(elf),
        _ => None,
    });
    let library = find_library(options.library, elf)?;
    refuse_other_machine(elf, &library)?;
    warn_of_static(&steps);
    warn_of_helper(&name, &search);

    let preload = in_front(library.as_os_str(), std::env::var_os("LD_PRELOAD").as_deref());
    if options.show {
        return cli::out(&format!("LD_PRELOAD={} {}\n", Path::new(&preload).display(), path.display()));
    }
    let error = Command::new(&path).arg0(&options.program).args(&options.arguments).env("LD_PRELOAD", preload).exec();
    let status = if error.kind() == std::io::ErrorKind::NotFound { NOT_FOUND } else { NOT_RUNNABLE };
    Err(Error::Status(status, format!("{}: {error}", path.display())))
}

fn refuse_who_would_not_listen(name: &OsStr, steps: &[Step]) -> Result<(), Error> {
    if CHANGES_USER.iter().any(|changer| name == *changer) {
        let name = Path::new(name).display();
        let text = format!("{name} does not pass LD_PRELOAD on: put nm-run behind it, as in '{name} nm-run tcpdump'");
        return Err(Error::Status(REFUSED, text));
    }
    let caller = Caller::current();
    // Set-id bits and capabilities of a script count for nothing; those of its interpreter do.
    let programs = steps.iter().filter(|step| !matches!(step.kind, Kind::Script));
    for Step { path, .. } in programs {
        if let Some(why) = ignored(&caller, &Rights::of(path)) {
            let shown = path.display();
            let remedy = match why {
                Why::Caller => "run nm-run with one identity".to_string(),
                _ => format!(
                    "run a copy, which gains nothing ('cp {shown} /tmp'; VALE ports need no rights), \
                     or install the library in libpcap's place"
                ),
            };
            let text = format!("{shown} would ignore LD_PRELOAD, because {}: {remedy}", why.clause());
            return Err(Error::Status(REFUSED, text));
        }
    }
    Ok(())
}

fn find_library(given: Option<PathBuf>, elf: Option<&Elf>) -> Result<PathBuf, Error> {
    let refused = |text| Error::Status(REFUSED, text);
    let library = match given {
        Some(path) => path.canonicalize().map_err(|e| refused(format!("{}: {e}", path.display())))?,
        None => {
            let soname = elf.map_or(library::DEBIAN, Elf::wanted_libpcap);
            let this = std::env::current_exe().map_err(|e| refused(format!("where nm-run lies: {e}")))?;
            let folders = library::folders(this.parent().unwrap_or(Path::new("/")));
            library::find(&folders, soname).ok_or_else(|| {
                refused(format!(
                    "no {soname} of libpcap-netmap beside {} nor in /usr/local/lib or /usr/lib: \
                     build it with 'cargo xtask build', or name it with --library FILE",
                    this.display()
                ))
            })?
        }
    };
    // ld.so(8): the list's separators have no escape.
    if library.as_os_str().as_bytes().iter().any(|byte| b": \t\n".contains(byte)) {
        let text = "a path with a space or colon can't stand in LD_PRELOAD: put the library elsewhere";
        return Err(refused(format!("{}: {text}", library.display())));
    }
    Ok(library)
}

/// The loader would skip the library with a line on standard error, and the program would run without it.
fn refuse_other_machine(elf: Option<&Elf>, library: &Path) -> Result<(), Error> {
    let shown = library.display();
    let bytes = std::fs::read(library).map_err(|e| Error::Status(REFUSED, format!("{shown}: {e}")))?;
    let ours = program::parse_elf(&bytes).ok_or_else(|| Error::Status(REFUSED, format!("{shown}: not a library")))?;
    match elf {
        Some(elf) if elf.machine != ours.machine => {
            let text = format!("the program is built for another machine (or word size) than {shown}");
            Err(Error::Status(REFUSED, text))
        }
        Some(Elf { loader: Some(loader), .. }) if loader.contains("musl") => {
            let text = format!("the program uses the C library musl, {shown} uses glibc: they don't go together");
            Err(Error::Status(REFUSED, text))
        }
        _ => Ok(()),
    }
}

fn warn_of_static(steps: &[Step]) {
    for step in steps {
        if matches!(&step.kind, Kind::Elf(elf) if elf.loader.is_none()) {
            let text = "is statically linked and loads no library; only dynamic programs that it starts will use ours";
            warn(TOOL, &format!("warning: {} {text}", step.path.display()));
        }
    }
}

fn warn_of_helper(name: &OsStr, search: &OsStr) {
    let Some((_, helper)) = CAPTURES_THROUGH.iter().find(|(program, _)| name == *program) else { return };
    let Ok(path) = program::find(OsStr::new(helper), search) else { return };
    if let Some(why) = ignored(&Caller::current(), &Rights::of(&path)) {
        warn(
            TOOL,
            &format!(
                "warning: {} captures through {}, which will ignore LD_PRELOAD, because {}; \
                 'nm-run' a copy of {helper} instead, or install the library in libpcap's place",
                Path::new(name).display(),
                path.display(),
                why.clause()
            ),
        );
    }
}

fn in_front(library: &OsStr, before: Option<&OsStr>) -> OsString {
    let mut list = library.to_os_string();
    if let Some(before) = before.filter(|before| !before.is_empty()) {
        list.push(":");
        list.push(before);
    }
    list
}
