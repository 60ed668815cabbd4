//! vale-ctl from a user's side.

mod common;

use common::{Folder, LIMIT, row};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::tcgetattr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::Instant;

const VALE_CTL: &str = env!("CARGO_BIN_EXE_vale-ctl");
const PKT_GEN: &str = env!("CARGO_BIN_EXE_pkt-gen");

#[test]
fn a_switch_is_made_set_up_listed_and_removed() {
    let folder = Folder::new();
    assert!(folder.run(VALE_CTL, "").ok().stdout.starts_with("no switches"));

    folder.run(VALE_CTL, "create vale7 --mode 0750").ok();
    assert_eq!(std::fs::metadata(folder.path("vale7")).unwrap().mode() & 0o777, 0o750);
    folder.run(VALE_CTL, "create vale7").refused(1, "vale7");
    let list = folder.run(VALE_CTL, "list").ok().stdout;
    assert_eq!(row(&list, "vale7")[1..5], ["0", "wait=10", "0", "yes"]);

    folder.run(VALE_CTL, "set-flow vale7 drop").ok();
    assert_eq!(row(&folder.run(VALE_CTL, "-l").ok().stdout, "vale7")[2], "drop");
    folder.run(VALE_CTL, "set-flow vale7 wait=250").ok();
    assert_eq!(row(&folder.run(VALE_CTL, "-l").ok().stdout, "vale7")[2], "wait=250");

    folder.run(VALE_CTL, "destroy vale7").ok();
    folder.run(VALE_CTL, "-r vale7").refused(1, "vale-ctl: vale7: No such switch or port exists");
    folder.run(VALE_CTL, "set-flow vale7 drop").refused(1, "vale7: No such switch or port exists");
    folder.run(VALE_CTL, "-n vale8").ok();
    folder.run(VALE_CTL, "-r vale8").ok();
    assert!(!folder.path("vale8").exists());
}

#[test]
fn an_open_port_is_shown_with_its_rates_and_keeps_its_switch() {
    let folder = Folder::new();
    let receiver = folder.start(PKT_GEN, "-i vale0:b -f rx");
    folder.await_port("vale0:b");
    let sender = folder.start(PKT_GEN, "-i vale0:a -f tx -R 2000 -l 100");
    folder.await_port("vale0:a");

    let list = folder.run(VALE_CTL, "list").ok().stdout;
    assert_eq!(row(&list, "vale0:a")[1..4], ["port".to_string(), sender.pid().to_string(), "pkt-gen".into()]);
    folder.run(VALE_CTL, "destroy vale0").refused(1, "vale0");

    let show = folder.run(VALE_CTL, "show vale0 --exact --interval 0.5").ok().stdout;
    let (a, b) = (row(&show, "vale0:a"), row(&show, "vale0:b"));
    assert_eq!(b[2], receiver.pid().to_string());
    let number = |cell: &String| cell.parse::<u64>().unwrap_or_else(|_| panic!("{show}"));
    let [received, received_bytes, received_rate] = [&b[3], &b[4], &b[5]].map(number);
    assert!(received > 0 && received_bytes == received * 100, "{show}");
    // A machine that is busy lets a sender fall behind and catch up: only the order of magnitude is sure.
    assert!((200..20_000).contains(&received_rate), "{show}");
    assert!(number(&a[7]) > 0 && number(&a[9]) > 0, "{show}");

    let without_rates = folder.run(VALE_CTL, "show --interval 0").ok().stdout;
    assert_eq!(row(&without_rates, "vale0:b")[5..7], ["-", "-"]);
    folder.run(VALE_CTL, "show vale1").refused(1, "vale1: No such switch or port exists");

    sender.interrupt();
    receiver.interrupt();
    sender.finish().ok();
    receiver.finish().ok();
    assert!(folder.run(VALE_CTL, "").ok().stdout.starts_with("no switches"));
}

#[test]
fn top_without_a_terminal_is_one_plain_table() {
    let folder = Folder::new();
    let receiver = folder.start(PKT_GEN, "-i vale0:b -f rx");
    folder.await_port("vale0:b");
    let top = folder.run(VALE_CTL, "top --interval 0.1").ok().stdout;
    assert!(top.starts_with("PORT ") && !top.contains('\x1b'), "{top}");
    assert_eq!(row(&top, "vale0:b")[1], "port");
    assert_eq!(folder.run(VALE_CTL, "top --interval 0.1 --count 2").ok().stdout.matches("PORT ").count(), 2);
    receiver.interrupt();
    receiver.finish().ok();
}

#[test]
fn top_gives_the_terminal_back() {
    let folder = Folder::new();
    folder.run(VALE_CTL, "create vale3").ok();
    for key in [b"q", b"\x03"] {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let terminal = File::options().read(true).write(true).open(name).unwrap();
        let before = format!("{:?}", tcgetattr(&terminal).unwrap());

        let mut command = Command::new(VALE_CTL);
        command.args(["top", "--interval", "0.1"]).env("VALE_DIR", folder.path(""));
        command.stdin(terminal.try_clone().unwrap()).stdout(terminal.try_clone().unwrap());
        let mut child = command.spawn().unwrap();
        let mut master = File::from(master);
        let mut seen = String::new();
        read_until(&mut master, &mut seen, "vale3 (wait=10)");
        assert!(seen.starts_with("\x1b[?1049h\x1b[?25l"), "{seen:?}");
        assert_ne!(format!("{:?}", tcgetattr(&terminal).unwrap()), before);
        master.write_all(key).unwrap();
        read_until(&mut master, &mut seen, "\x1b[?25h\x1b[?1049l");

        let end = Instant::now() + LIMIT;
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(Instant::now() < end, "top does not end"),
            }
        };
        assert!(status.success(), "{status}");
        assert_eq!(format!("{:?}", tcgetattr(&terminal).unwrap()), before);
    }
}

fn read_until(master: &mut File, seen: &mut String, what: &str) {
    let end = Instant::now() + LIMIT;
    while !seen.contains(what) {
        let mut fds = [PollFd::new(master, PollFlags::IN)];
        let left = end.saturating_duration_since(Instant::now());
        poll(&mut fds, Some(&left.try_into().unwrap())).unwrap();
        assert!(Instant::now() < end, "no {what:?} in {seen:?}");
        let mut page = [0; 4096];
        let n = master.read(&mut page).unwrap();
        seen.push_str(&String::from_utf8_lossy(&page[..n]));
    }
}

#[test]
fn what_is_not_served_says_what_to_do() {
    let folder = Folder::new();
    for command in ["-a", "-h", "attach", "attach-host"] {
        folder.run(VALE_CTL, &format!("{command} vale0:no-such-card")).refused(1, "No such device exists");
        folder.run(VALE_CTL, &format!("{command} eth0")).refused(2, "there is no ':'");
        folder.run(VALE_CTL, &format!("{command} vale0:*")).refused(2, "is not SWITCH:CARD");
    }
    folder.run(VALE_CTL, "attach vale0:no-such-card --background").refused(1, "vale0:no-such-card is not attached");
    folder.run(VALE_CTL, "-d vale0:eth0").refused(1, "vale0:eth0: No such switch or port exists");
    folder.run(VALE_CTL, "detach").refused(2, "detach takes one SWITCH:CARD");
    folder.run(VALE_CTL, "list --background").refused(2, "--background goes with attach");
    assert!(folder.run(VALE_CTL, "-h").ok().stdout.starts_with("vale-ctl shows"));
    folder.run(VALE_CTL, "-n vale0:a").refused(2, "-n vale0:a: is a port; it is made when a program opens it");
    folder.run(VALE_CTL, "create vale0 --mode 077").refused(2, "not an octal mode");
    folder.run(VALE_CTL, "create vale0 --group no-such-group-here").refused(2, "no such group");
    folder.run(VALE_CTL, "show --mode 0700").refused(2, "--mode and --group go with create");
    folder.run(VALE_CTL, "create").refused(2, "create takes one SWITCH");
    folder.run(VALE_CTL, "frobnicate").refused(2, "no command \"frobnicate\"");
    for name in ["notvale", "vale0/../../x", "../vale0"] {
        folder.run(VALE_CTL, &format!("create {name}")).refused(2, "a switch is vale, vale0, vale-lab");
        folder.run(VALE_CTL, &format!("-r {name}")).refused(2, "a switch is vale, vale0, vale-lab");
    }
}
