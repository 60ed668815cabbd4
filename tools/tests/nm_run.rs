//! nm-run from a user's side, and what it says of secure execution beside what the kernel does.

mod common;

use common::{Ended, Folder, Running};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

const NM_RUN: &str = env!("CARGO_BIN_EXE_nm-run");
/// Any library will do to be preloaded.
const LIBRARY: &str = "--library /lib/x86_64-linux-gnu/libm.so.6";
const NOBODY: u32 = 65_534;

#[test]
#[cfg(target_arch = "x86_64")]
fn the_program_runs_with_the_library_in_front() {
    let folder = Folder::new();
    let mut command = Command::new(NM_RUN);
    command.args(LIBRARY.split(' ')).args(["cat", "/proc/self/maps", "/proc/self/environ"]);
    command.env("LD_PRELOAD", "libc.so.6");
    let ran = Running::start(command).finish().ok();
    let library = Path::new("/lib/x86_64-linux-gnu/libm.so.6").canonicalize().unwrap();
    let library = library.to_str().unwrap();
    assert!(ran.stdout.lines().any(|line| line.ends_with(library)), "{ran:?}");
    assert!(ran.stdout.contains(&format!("LD_PRELOAD={library}:libc.so.6\0")), "{ran:?}");

    // Through a script and env, and with the program's own exit status.
    let script = folder.path("script");
    std::fs::write(&script, "#!/usr/bin/env -S sh -e\nexit 42\n").unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let ran = folder.run(NM_RUN, &format!("{LIBRARY} {}", script.display()));
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(42), ""));
    let shown = folder.run(NM_RUN, &format!("{LIBRARY} --show true --ignored")).ok().stdout;
    assert!(shown.starts_with(&format!("LD_PRELOAD={library} /")) && shown.ends_with("/true\n"), "{shown}");
}

#[test]
fn refusals_have_their_reason_and_status() {
    let folder = Folder::new();
    folder.run(NM_RUN, "no-such-program").refused(127, "nm-run: no-such-program: no such program in PATH");
    folder.run(NM_RUN, "/etc/passwd").refused(126, "/etc/passwd: not a file that you may run");
    folder.run(NM_RUN, "").refused(2, "run which program?");
    folder.run(NM_RUN, "--library /no/such/lib true").refused(125, "/no/such/lib: No such file");
    folder.run(NM_RUN, "--library /etc/passwd true").refused(125, "/etc/passwd: not a library");

    let spaced = folder.path("lib with spaces.so");
    std::fs::copy("/bin/true", &spaced).unwrap();
    let mut command = Command::new(NM_RUN);
    command.arg("--library").arg(&spaced).arg("true");
    Running::start(command).finish().refused(125, "can't stand in LD_PRELOAD");

    let changer = folder.path("sudo");
    std::fs::copy("/bin/true", &changer).unwrap();
    folder.run(NM_RUN, changer.to_str().unwrap()).refused(125, "put nm-run behind it, as in 'sudo nm-run tcpdump'");

    let endless = folder.path("endless");
    std::fs::write(&endless, format!("#!{}\n", endless.display())).unwrap();
    std::fs::set_permissions(&endless, PermissionsExt::from_mode(0o755)).unwrap();
    folder.run(NM_RUN, endless.to_str().unwrap()).refused(126, "too many scripts that run scripts");
}

#[test]
fn a_static_program_gets_a_warning_and_runs() {
    let folder = Folder::new();
    let source = folder.path("static.rs");
    std::fs::write(&source, "fn main() { std::process::exit(7) }").unwrap();
    let program = folder.path("static");
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["-C", "target-feature=+crt-static", "-C", "relocation-model=static", "-o"]).arg(&program).arg(&source);
    Running::start(rustc).finish().ok();
    let ran = folder.run(NM_RUN, &format!("{LIBRARY} {}", program.display()));
    assert_eq!(ran.status, Some(7), "{ran:?}");
    assert!(ran.stderr.contains("static is statically linked and loads no library"), "{ran:?}");
}

/// nm-run refuses exactly where the kernel says secure execution, for root and for a plain user. The oracle: with
/// LD_SHOW_AUXV the loader tells AT_SECURE, and in secure execution it ignores that as it ignores LD_PRELOAD.
#[test]
fn nm_run_agrees_with_the_kernel_about_secure_execution() {
    if !rustix::process::getuid().is_root() {
        eprintln!("skipped: only root can make set-id programs");
        return;
    }
    // Not in /dev/shm, which is mounted nosuid: there nothing would be secure.
    let folder = std::env::temp_dir().join(format!("nm-run-secure-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
    let nm_run = folder.join("nm-run");
    std::fs::copy(NM_RUN, &nm_run).unwrap();
    let result = std::panic::catch_unwind(|| compare_with_kernel(&folder, &nm_run));
    std::fs::remove_dir_all(&folder).unwrap();
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

fn compare_with_kernel(folder: &Path, nm_run: &Path) {
    let raw = |flags: u8, permitted: u32, inheritable: u32| {
        let words = [0x0200_0000 | u32::from(flags), permitted, inheritable, 0, 0];
        words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>()
    };
    let net_raw = 1 << 13;
    let mut secure = Vec::new();
    for (name, owner, group, mode, capabilities) in [
        ("plain", 0, 0, 0o755, None),
        ("user-root", 0, 0, 0o4755, None),
        ("user-nobody", NOBODY, 0, 0o4755, None),
        ("group-root", 0, 0, 0o2755, None),
        ("group-nobody", 0, NOBODY, 0o2755, None),
        ("group-not-executable", 0, 1, 0o2745, None),
        ("caps-ep", 0, 0, 0o755, Some(raw(1, net_raw, 0))),
        ("caps-p", 0, 0, 0o755, Some(raw(0, net_raw, 0))),
        ("caps-i", 0, 0, 0o755, Some(raw(0, 0, net_raw))),
        ("caps-ei", 0, 0, 0o755, Some(raw(1, 0, net_raw))),
    ] {
        let program = folder.join(name);
        std::fs::copy("/bin/true", &program).unwrap();
        chown(&program, Some(owner), Some(group)).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(mode)).unwrap();
        if let Some(capabilities) = capabilities {
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(&program, "security.capability", &capabilities, flags).unwrap();
        }
        for user in [0, NOBODY] {
            // Set by env, so that no other program on the way shows its own.
            let oracle = as_user(user, "env".into(), &["LD_SHOW_AUXV=1", program.to_str().unwrap()]);
            let kernel_says = !Running::start(oracle).finish().ok().stdout.contains("AT_SECURE");
            let mut arguments: Vec<&str> = LIBRARY.split(' ').collect();
            arguments.push(program.to_str().unwrap());
            let ran: Ended = Running::start(as_user(user, nm_run.into(), &arguments)).finish();
            let we_say = ran.status == Some(125) && ran.stderr.contains("would ignore LD_PRELOAD");
            assert_eq!(we_say, kernel_says, "{name} run by user {user}: {ran:?}");
            assert!(we_say || ran.status == Some(0), "{name} run by user {user}: {ran:?}");
            secure.extend(kernel_says.then_some((name, user)));
        }
    }
    // The oracle told some apart.
    assert!(secure.contains(&("user-root", NOBODY)) && secure.contains(&("caps-ep", NOBODY)), "{secure:?}");
    assert!(secure.contains(&("user-nobody", 0)) && !secure.contains(&("caps-ep", 0)), "{secure:?}");
}

fn as_user(user: u32, program: PathBuf, arguments: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".into()]);
    command.arg(program).args(arguments);
    command
}
