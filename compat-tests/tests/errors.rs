//! What can't be opened: the code and the text that a program gets, through pcap_activate and pcap_open_live alike.

use compat_tests::cable::Cable;
use compat_tests::cases::on_ours;
use compat_tests::{Program, Running, Sandbox, cc, user};
use nm_core::shm::switch_page::{SwitchHeader, SwitchPage, VERSION};
use std::mem::offset_of;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

/// A program that hangs is given up on: on a busy machine to open all ports of a switch takes half a minute.
const LIMIT: Duration = Duration::from_secs(120);
const NO_SUCH_DEVICE: i32 = -5;
const PERM_DENIED: i32 = -8;
const ERROR: i32 = -1;

/// What `open_port` says of ports that it can't open: activate's code and text, which open_live must repeat.
fn refusal(printed: &str, port: &str) -> (i32, String) {
    let after = |start: &str| {
        let start = format!("{port}: {start} ");
        printed.lines().find_map(|l| l.strip_prefix(&start)).unwrap_or_else(|| panic!("no {start:?} in {printed}"))
    };
    let (code, text) = after("activate").split_once(": ").expect("a code and a text");
    let live = after("open_live");
    let live = live.strip_prefix("NULL: ").unwrap_or_else(|| panic!("open_live gave a handle: {printed}"));
    // It names the device, may add the words for the code, and ends where the error buffer does.
    let why = text.strip_prefix(&format!("{port}: ")).unwrap_or(text);
    let beginning = why.get(..60).unwrap_or(why);
    assert!(
        live.starts_with(&format!("{port}: ")) && live.contains(beginning),
        "open_live says {live:?}, activate {text:?}"
    );
    (code.parse().expect("a number"), text.to_string())
}

/// Tries to open `port` in `sandbox`.
fn refused(sandbox: &Sandbox, port: &str) -> (i32, String) {
    let run = sandbox.ours(cc::program("open_port.c")).arg(port).finish_within(LIMIT).expect_success();
    refusal(&run.stdout, port)
}

/// A program that keeps ports open until its input ends.
fn keep_open(sandbox: &Sandbox, ports: &[&str]) -> Running {
    let mut running = sandbox.ours(cc::program("open_port.c")).args(ports).start();
    running.wait_for("done", LIMIT);
    running
}

#[test]
fn wrong_names_show_the_grammar() {
    let sandbox = Sandbox::new();
    let long = format!("vale0:{}", "x".repeat(64));
    for (grammar, names) in [
        ("valeX:PORT", &["vale0:", "vale0:a b", "vale0:a:b", "vale0:../up", "vale../x:a", &long][..]),
        ("/t or /r", &["vale0:a/x", "vale0:a/t/r"]),
        ("netmap:IF", &["netmap:"]),
        ("no netmap kernel module", &["netmap:vale0:a"]),
        ("{N", &["netmap:x{"]),
        ("vhost:/path", &["vhost:"]),
    ] {
        for name in names {
            let (code, text) = refused(&sandbox, name);
            assert_eq!(code, NO_SUCH_DEVICE, "{name}: {text}");
            // A name that is too long is shown in part.
            let beginning = name.get(..40).unwrap_or(name);
            assert!(text.starts_with(beginning) && text.contains(grammar), "{name}: {text}");
        }
    }
    sandbox.assert_clean();
}

#[test]
fn a_switch_of_somebody_else() {
    if !user::is_root() {
        compat_tests::process::skipped("only root can be somebody else");
        return;
    }
    let sandbox = Sandbox::new();
    let mut keeper = keep_open(&sandbox, &["vale0:a"]);
    let program = sandbox.ours_for_everybody(cc::program("open_port.c"));
    // The test program too must be there for everybody.
    let copy = sandbox.file("open_port");
    std::fs::copy(cc::program("open_port.c"), &copy).expect("a copy of the program");
    let run = user::as_plain_user(program.program(&copy).arg("vale0:b")).finish_within(LIMIT).expect_success();
    let (code, text) = refusal(&run.stdout, "vale0:b");
    assert_eq!(code, PERM_DENIED, "{text}");
    assert!(text.contains("permission") && text.contains("vale0"), "{text}");
    keeper.close_input();
    keeper.finish_within(LIMIT).expect_success();
    sandbox.assert_clean();
}

#[test]
fn one_port_for_two_programs() {
    let sandbox = Sandbox::new();
    let mut keeper = keep_open(&sandbox, &["vale0:a"]);
    let (code, text) = refused(&sandbox, "vale0:a");
    assert_eq!(code, ERROR, "{text}");
    assert!(text.starts_with("vale0:a: port is in use"), "{text}");
    keeper.close_input();
    keeper.finish_within(LIMIT).expect_success();
    // Then it is free.
    keep_open(&sandbox, &["vale0:a"]).close_input();
}

#[test]
fn port_255() {
    let sandbox = Sandbox::new();
    let names: Vec<String> = (0..255).map(|i| format!("vale0:p{i}")).collect();
    let run = sandbox.ours(cc::program("open_port.c")).args(&names).finish_within(LIMIT).expect_success();
    let open = run.stdout.lines().filter(|line| line.ends_with("activate 0: open")).count();
    assert_eq!(open, 254, "{}", run.stdout);
    let (code, text) = refusal(&run.stdout, "vale0:p254");
    assert_eq!(code, ERROR, "{text}");
    assert!(text.contains("254 ports"), "{text}");
    sandbox.assert_clean();
}

#[test]
fn another_version() {
    let sandbox = Sandbox::new();
    let mut keeper = keep_open(&sandbox, &["vale0:a"]);
    let switch = std::fs::OpenOptions::new().write(true).open(sandbox.switches().join("vale0/switch"));
    let switch = switch.expect("the switch's file");
    let at = (offset_of!(SwitchPage, header) + offset_of!(SwitchHeader, version)) as u64;
    switch.write_all_at(&4711u32.to_ne_bytes(), at).expect("another version");
    let (code, text) = refused(&sandbox, "vale0:b");
    assert_eq!(code, ERROR, "{text}");
    let expected = format!("layout version 4711, this library has {VERSION}:");
    assert!(text.starts_with("vale0: ") && text.contains(&expected), "{text}");
    switch.write_all_at(&VERSION.to_ne_bytes(), at).expect("the version as it was");
    keeper.close_input();
    keeper.finish_within(LIMIT).expect_success();
    sandbox.assert_clean();
}

#[test]
fn a_switch_of_garbage() {
    let sandbox = Sandbox::new();
    let folder = sandbox.switches().join("vale0");
    std::fs::create_dir(&folder).expect("a folder");
    for garbage in [vec![b'x'; 10], vec![0xff; 1 << 20]] {
        std::fs::write(folder.join("switch"), garbage).expect("a file of garbage");
        let (code, text) = refused(&sandbox, "vale0:a");
        assert_eq!(code, ERROR, "{text}");
        assert!(text.contains("vale0/switch") && text.contains("vale-ctl destroy"), "{text}");
    }
}

#[test]
fn a_folder_that_is_not_there() {
    let sandbox = Sandbox::new();
    let program = sandbox.ours(cc::program("open_port.c")).env("VALE_DIR", "/nonexistent/switches").arg("vale0:a");
    let (code, text) = refusal(&program.finish_within(LIMIT).expect_success().stdout, "vale0:a");
    assert_eq!(code, ERROR, "{text}");
    assert!(text.contains("/nonexistent/switches") && text.contains("No such file or directory"), "{text}");
}

/// Opens a port where only `size` (as mount writes it) of memory is left.
fn open_within(sandbox: &Sandbox, size: &str) -> Option<(i32, String)> {
    let mount = format!("mount -t tmpfs -o size={size} tmpfs \"$VALE_DIR\" && exec \"$@\"");
    let program = sandbox.ours(cc::program("open_port.c")).arg("vale0:a");
    let run = program.behind("unshare", &["-m", "sh", "-c", &mount, "sh"]).finish_within(LIMIT);
    assert!(run.signal.is_none() && run.success(), "{size}: {run:#?}");
    if run.stdout.starts_with("vale0:a: activate 0: open") { None } else { Some(refusal(&run.stdout, "vale0:a")) }
}

#[test]
fn a_full_dev_shm() {
    if !user::is_root() {
        compat_tests::process::skipped("only root can mount a small file system");
        return;
    }
    let sandbox = Sandbox::new();
    for size in ["4k", "16k", "64k", "128k", "512k", "1m", "2m"] {
        let (code, text) = open_within(&sandbox, size).unwrap_or_else(|| panic!("{size} was enough"));
        assert_eq!(code, ERROR, "{size}: {text}");
        assert!(text.contains("no memory") && text.contains(&*sandbox.switches().to_string_lossy()), "{size}: {text}");
    }
    assert_eq!(open_within(&sandbox, "64m"), None);
}

/// As libpcap does, these mean the most that it takes.
#[test]
fn snap_length_0_and_int_max() {
    let most = |asked: i64| format!("set_snaplen({asked}) 0, activate 0, snapshot 262144\nloop 0, faults 0\n");
    let expected: String = [0, -1, 0x7fff_ffff, 262_145, 262_144].map(most).concat();
    let printed = on_ours("properties.c", "snaplen_limits");
    assert!(printed.starts_with(&expected), "{printed}");
}

/// Who only listens is told so when it sends.
#[test]
fn listeners_and_monitors_do_not_send() {
    let sandbox = Sandbox::new();
    let mut keeper = keep_open(&sandbox, &["vale0:a"]);
    for port in ["vale0:*", "vale0:a/t", "vale0:a/r"] {
        let run = sandbox.ours(cc::program("stream_out.c")).args([port, "1", "0", "1"]).finish_within(LIMIT);
        assert_eq!(run.code, Some(5), "{run:#?}");
        let expected = format!("inject of frame 0: -1: send: {port}: a listener or monitor sends no frames");
        assert_eq!(run.stdout.lines().last(), Some(&*expected));
    }
    keeper.close_input();
    keeper.finish_within(LIMIT).expect_success();
    sandbox.assert_clean();
}

/// A plain name that nobody has gets the system library's answer.
#[test]
fn a_card_that_is_not_there() {
    let sandbox = Sandbox::new();
    let ours = sandbox.ours(cc::program("open_port.c")).arg("nosuchcard0").finish_within(LIMIT).expect_success();
    let theirs = compat_tests::Program::new(cc::program("open_port.c")).arg("nosuchcard0").finish_within(LIMIT);
    assert_eq!(ours.stdout, theirs.expect_success().stdout);
    assert!(ours.stdout.starts_with("nosuchcard0: activate -"), "{}", ours.stdout);
    assert!(Path::new("/sys/class/net/nosuchcard0").symlink_metadata().is_err());
}

/// `program` without these capabilities, whatever the user is.
fn without(capabilities: &str, program: Program) -> Program {
    let set = capabilities.split(',').map(|name| format!("-{name}")).collect::<Vec<_>>().join(",");
    program.behind("setpriv", &["--bounding-set", &set, "--inh-caps", &set])
}

/// What a card's drivers lack: which it is, and the code that programs look at.
#[test]
fn what_a_card_takes_is_named() {
    let Some(cable) = Cable::lay() else { return };
    let sandbox = Sandbox::new();
    let open = |driver: &str| sandbox.ours(cc::program("open_port.c")).env("NETMAP_DRIVER", driver).arg("netmap:va");
    let refusing = |call: &str, errno: i32, program: Program| {
        program.behind(&cc::program("refusing.c").display().to_string(), &[call, &errno.to_string()])
    };
    // As much locked memory as a port takes, and the right to lock more.
    let memory = ["--memlock=65536", "setpriv", "--bounding-set", "-ipc_lock,-sys_resource"];
    let all = "CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF may be required";
    let bpf = "CAP_BPF and CAP_NET_ADMIN may be required";
    let sandboxed = "CAP_BPF and CAP_NET_ADMIN are there, but a user namespace, a seccomp filter or a security module";
    let cases = [
        (without("net_raw", open("")), PERM_DENIED, all),
        (without("net_raw", open("xdp")), PERM_DENIED, all),
        (without("net_raw", open("packet")), PERM_DENIED, "CAP_NET_RAW may be required"),
        (without("net_admin,sys_admin", open("xdp")), PERM_DENIED, bpf),
        (without("bpf,sys_admin", open("xdp")), PERM_DENIED, bpf),
        (refusing("bpf", libc::EPERM, open("xdp")), PERM_DENIED, sandboxed),
        (refusing("bpf", libc::ENOSYS, open("xdp")), ERROR, "this kernel has no bpf(2), or a sandbox hides it"),
        (refusing("xdp", libc::EAFNOSUPPORT, open("xdp")), ERROR, "CONFIG_XDP_SOCKETS"),
        (open("xdp").behind("prlimit", &memory), ERROR, "64 KiB are allowed (ulimit -l, RLIMIT_MEMLOCK)"),
        (open("xdp").behind("prlimit", &["--nofile=6"]), ERROR, "Too many open files"),
    ];
    for (program, expected, words) in cases {
        let run = cable.near(program).finish_within(LIMIT).expect_success();
        let (code, text) = refusal(&run.stdout, "netmap:va");
        assert_eq!(code, expected, "{text}");
        assert!(text.starts_with("netmap:va: ") && text.contains(words), "{words}: {text}");
    }
    // Where the choice is left to us, a packet socket does.
    for program in [
        without("net_admin,sys_admin", open("")),
        without("bpf,sys_admin", open("")),
        refusing("bpf", libc::EPERM, open("")),
        refusing("bpf", libc::ENOSYS, open("")),
        refusing("xdp", libc::EAFNOSUPPORT, open("")),
        open("").behind("prlimit", &memory),
    ] {
        let run = cable.near(program).finish_within(LIMIT).expect_success();
        assert!(run.stdout.starts_with("netmap:va: activate 0: open"), "{}", run.stdout);
    }
}

/// As the system's library says it of the plain card.
#[test]
fn a_card_that_disappears_while_somebody_reads() {
    let sandbox = Sandbox::new();
    for (driver, device) in [("packet", "va"), ("packet", "netmap:va"), ("xdp", "netmap:va")] {
        let Some(cable) = Cable::lay() else { return };
        let program = sandbox.ours(cc::program("sleeper.c")).env("NETMAP_DRIVER", driver).arg(device);
        let mut reader = cable.near(program).start();
        reader.wait_for("open", LIMIT);
        cable.near(Program::new("ip").args(["link", "del", "va"])).finish_within(LIMIT).expect_success();
        let run = reader.finish_within(LIMIT).expect_success();
        assert_eq!(run.stdout, "open\nnext_ex -1, The interface disappeared\n", "{driver} {device}");
    }
}
