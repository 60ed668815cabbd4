//! `vale-ctl`: what switches there are, what they carry, and how they behave.

use lexopt::prelude::*;
use nix::unistd::Group;
use nm_core::PortError;
use nm_core::name::{NetmapName, NetmapRings, PortName, ValeName};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};
use tools::attach::Attached;
use tools::cli::{self, Error, value};
use tools::probe_view;
use tools::stop::Stop;
use tools::switch_view::{self, Numbers, Reading, flow, parse_flow};
use tools::terminal::Screen;
use tools::units::{parse_count, parse_seconds};

const HELP: &str = "\
vale-ctl shows and sets up VALE switches. Ports need no setting up: a program that
opens vale0:a makes the switch and the port, and both go with their last program.

usage: vale-ctl [COMMAND] [options]

  list                   switches, their ports and who has them (also -l, or nothing)
  show [SWITCH]          traffic, rates and drops by cause of each port
  top [SWITCH]           the same, live; q or ^C ends
  create SWITCH          a switch that stays without ports (also -n SWITCH)
  destroy SWITCH         removes a switch without open ports (also -r SWITCH)
  set-flow SWITCH FLOW   what a sender does when a receiver is full:
                         wait=MS: wait, up to MS milliseconds without progress
                         wait: the same with 10    drop: drop at once, as netmap
  probe CARD             which drivers netmap:CARD could have, what each costs, which
                         one it gets (NETMAP_DRIVER counts)
  attach SWITCH:CARD     moves frames between a card's rings and port CARD of the
                         switch, until ^C or detach (also -a SWITCH:CARD)
  attach-host SWITCH:CARD  the same, and between the card's host and port CARD-host,
                         so that the host stays connected (also -h SWITCH:CARD)
  detach SWITCH:CARD     ends it: the host has its card back (also -d SWITCH:CARD)

options:
  --interval SECONDS     show, top: between two readings (1); 0: show counters only
  --exact                show, top: whole numbers instead of 12.35M
  --count N              top: end after N pages
  --mode MODE            create: of the switch's folder, octal (0700, with --group 0770)
  --group NAME           create: the group that may use the switch, by name or number
  --background           attach: comes back when the card is attached
  -h, --help             this text

Columns of show: FULL, STALL and LONG are frames dropped because the ring was full,
because its reader stands still, because they don't fit; FILTER were refused by the
reader's filter, BAD made no sense. RING is slots filled of all, MEM bytes of memory.

A card's rings take its frames from the host, where AF_XDP or the netmap module serves it;
a packet socket (NETMAP_DRIVER=packet, or where nothing else is) leaves them to it.

examples:
  vale-ctl show vale0
  vale-ctl create vale7 --group wireshark
  vale-ctl set-flow vale0 drop
  vale-ctl -h vale0:eth0 --background
";

enum Command {
    List,
    Show(Option<String>),
    Top(Option<String>),
    Create(String),
    Destroy(String),
    SetFlow(String, vale::Flow),
    Probe(String),
    Attach(Attached),
    Detach(Attached),
    Help,
}

struct Options {
    command: Command,
    interval: Duration,
    numbers: Numbers,
    count: Option<u64>,
    mode: Option<u32>,
    group: Option<u32>,
    background: bool,
}

fn main() -> ExitCode {
    cli::run("vale-ctl", || run(parse(lexopt::Parser::from_env())?))
}

fn run(options: Options) -> Result<(), Error> {
    match &options.command {
        Command::Help => cli::out(HELP),
        Command::List => list(),
        Command::Show(switch) => show(switch.as_deref(), &options),
        Command::Top(switch) => top(switch.as_deref(), &options),
        Command::Create(switch) => {
            let mode = options.mode.unwrap_or(if options.group.is_some() { 0o770 } else { 0o700 });
            Ok(vale::create(switch, mode, options.group)?)
        }
        Command::Destroy(switch) => Ok(vale::destroy(switch)?),
        Command::SetFlow(switch, flow) => Ok(vale::set_flow(switch, *flow)?),
        Command::Probe(card) => probe(card),
        Command::Attach(card) if options.background => card.attach_in_background(),
        Command::Attach(card) => card.attach(),
        Command::Detach(card) => card.detach(),
    }
}

fn parse(mut args: lexopt::Parser) -> Result<Options, Error> {
    let mut words = Vec::new();
    let mut by_flag = None;
    let (mut interval, mut numbers, mut count) = (Duration::from_secs(1), Numbers::Short, None);
    let (mut mode, mut group, mut background) = (None, None, false);
    while let Some(arg) = args.next()? {
        let command = match arg {
            Short('l') => Command::List,
            Short('n') => Command::Create(value(&mut args, "-n", switch_name)?),
            Short('r') => Command::Destroy(value(&mut args, "-r", switch_name)?),
            Short('a') => Command::Attach(value(&mut args, "-a", |card| Attached::parse(card, false))?),
            Short('d') => Command::Detach(value(&mut args, "-d", |card| Attached::parse(card, false))?),
            // netmap's -h takes an interface; alone it asks for help, as everywhere.
            Short('h') => match args.optional_value().or_else(|| args.value().ok()) {
                Some(card) => Command::Attach(host(&card.string()?)?),
                None => Command::Help,
            },
            Long("background") => {
                background = true;
                continue;
            }
            Long("help") => Command::Help,
            Long("interval") => {
                interval = value(&mut args, "--interval", parse_seconds)?;
                continue;
            }
            Long("exact") => {
                numbers = Numbers::Exact;
                continue;
            }
            Long("count") => {
                count = Some(value(&mut args, "--count", parse_count)?);
                continue;
            }
            Long("mode") => {
                mode = Some(value(&mut args, "--mode", parse_mode)?);
                continue;
            }
            Long("group") => {
                group = Some(value(&mut args, "--group", parse_group)?);
                continue;
            }
            Value(word) => {
                words.push(word.string()?);
                continue;
            }
            other => return Err(other.unexpected().into()),
        };
        if by_flag.replace(command).is_some() {
            return Err(Error::Usage("one thing at a time".into()));
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let command = match (by_flag, words.as_slice()) {
        (Some(command), []) => command,
        (Some(_), [word, ..]) => return Err(Error::Usage(format!("unexpected argument {word:?}"))),
        (None, words) => parse_command(words)?,
    };
    if (mode.is_some() || group.is_some()) && !matches!(command, Command::Create(_)) {
        return Err(Error::Usage("--mode and --group go with create".into()));
    }
    if background && !matches!(command, Command::Attach(_)) {
        return Err(Error::Usage("--background goes with attach".into()));
    }
    Ok(Options { command, interval, numbers, count, mode, group, background })
}

fn parse_command(words: &[&str]) -> Result<Command, Error> {
    let switch = |name: &str| switch_name(name).map_err(|why| Error::Usage(format!("{name}: {why}")));
    match words {
        [] | ["list"] => Ok(Command::List),
        ["help"] => Ok(Command::Help),
        ["show"] => Ok(Command::Show(None)),
        ["show", name] => Ok(Command::Show(Some(switch(name)?))),
        ["top"] => Ok(Command::Top(None)),
        ["top", name] => Ok(Command::Top(Some(switch(name)?))),
        ["create", name] => Ok(Command::Create(switch(name)?)),
        ["destroy", name] => Ok(Command::Destroy(switch(name)?)),
        ["set-flow", name, text] => {
            let flow = parse_flow(text).map_err(|why| Error::Usage(format!("set-flow {text}: {why}")))?;
            Ok(Command::SetFlow(switch(name)?, flow))
        }
        ["probe", name] => Ok(Command::Probe(card_name(name)?)),
        ["probe", ..] => Err(Error::Usage("probe takes one CARD".into())),
        ["attach", name] => Ok(Command::Attach(card(name)?)),
        ["attach-host", name] => Ok(Command::Attach(host(name)?)),
        ["detach", name] => Ok(Command::Detach(card(name)?)),
        [command @ ("attach" | "attach-host" | "detach"), ..] => {
            Err(Error::Usage(format!("{command} takes one SWITCH:CARD")))
        }
        [command @ ("create" | "destroy"), ..] => Err(Error::Usage(format!("{command} takes one SWITCH"))),
        ["set-flow", ..] => Err(Error::Usage("set-flow takes a SWITCH and wait, wait=MS or drop".into())),
        [command @ ("list" | "show" | "top"), ..] => Err(Error::Usage(format!("too many arguments to {command}"))),
        [other, ..] => Err(Error::Usage(format!("no command {other:?}"))),
    }
}

fn card(name: &str) -> Result<Attached, Error> {
    Attached::parse(name, false).map_err(|why| Error::Usage(format!("{name}: {why}")))
}

fn host(name: &str) -> Result<Attached, Error> {
    Attached::parse(name, true).map_err(|why| Error::Usage(format!("{name}: {why}")))
}

fn switch_name(name: &str) -> Result<String, String> {
    match name.split_once(':') {
        Some((switch, _)) => Err(format!("is a port; it is made when a program opens it. The switch is {switch}")),
        None => ValeName::check_switch(name).map(|()| name.to_string()).map_err(|e| e.why),
    }
}

/// `eth0`, or `netmap:eth0` with what may follow.
fn card_name(name: &str) -> Result<String, Error> {
    match PortName::parse(name).map_err(PortError::from)? {
        PortName::Plain(card) => Ok(card),
        PortName::Netmap(rings) if !rings.is_pipe() => Ok(rings.ifname),
        _ => Err(Error::Usage(format!("{name}: not a card"))),
    }
}

fn parse_mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 && mode & 0o700 == 0o700 => Ok(mode),
        _ => Err("not an octal mode that leaves the owner all rights (0700 to 0777)".into()),
    }
}

fn parse_group(text: &str) -> Result<u32, String> {
    if let Ok(gid) = text.parse() {
        return Ok(gid);
    }
    match Group::from_name(text) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err("no such group".into()),
        Err(e) => Err(e.desc().into()),
    }
}

fn list() -> Result<(), Error> {
    let reading = Reading::take(None)?;
    let switches = switch_view::switches(&reading);
    if switches.is_empty() {
        return cli::out("no switches; a program that opens vale0:a makes one\n");
    }
    let owners = switch_view::owners(&reading);
    cli::out(&switches.text())?;
    if owners.is_empty() { Ok(()) } else { cli::out(&format!("\n{}", owners.text())) }
}

fn probe(card: &str) -> Result<(), Error> {
    let name = NetmapName { ifname: card.to_string(), rings: NetmapRings::All, flags: 0, memory: 0 };
    let found = drivers::probe::probe(&name, &drivers::Options::from_environment()?)?;
    cli::out(&probe_view::page(card, &found))
}

fn show(switch: Option<&str>, options: &Options) -> Result<(), Error> {
    let stop = Stop::on_signals()?;
    let mut before = None;
    if !options.interval.is_zero() {
        before = Some(Reading::take(switch)?);
        if stop.wait(Some(options.interval))? {
            return Ok(());
        }
    }
    let now = Reading::take(switch)?;
    cli::out(&switch_view::traffic(before.as_ref(), &now, options.numbers).text())
}

/// A page each interval: over and over on a terminal, else one page as plain text.
fn top(switch: Option<&str>, options: &Options) -> Result<(), Error> {
    let stop = Stop::on_signals()?;
    let interval = options.interval.max(Duration::from_millis(50));
    let screen = Screen::take();
    let pages = options.count.or(screen.is_none().then_some(1));
    let mut before = Reading::take(switch)?;
    if let Some(screen) = &screen {
        screen.show(&page(None, &before, options.numbers));
    }
    let mut shown = 0;
    while pages.is_none_or(|pages| shown < pages) {
        if pause(screen.as_ref(), interval, &stop)? {
            break;
        }
        let now = Reading::take(switch)?;
        match &screen {
            Some(screen) => screen.show(&page(Some(&before), &now, options.numbers)),
            None => cli::out(&switch_view::traffic(Some(&before), &now, options.numbers).text())?,
        }
        before = now;
        shown += 1;
    }
    Ok(())
}

fn page(before: Option<&Reading>, now: &Reading, numbers: Numbers) -> Vec<String> {
    let ports = now.switches.iter().map(|switch| switch.ports.len()).sum::<usize>();
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs() % 86_400;
    let (hours, minutes, seconds) = (clock / 3600, clock / 60 % 60, clock % 60);
    let switches: Vec<String> =
        now.switches.iter().map(|switch| format!("{} ({})", switch.name, flow(switch.flow))).collect();
    let mut lines = vec![
        format!("vale-ctl top, {hours:02}:{minutes:02}:{seconds:02} UTC, {ports} ports, q ends"),
        switches.join(", "),
        String::new(),
    ];
    lines.extend(switch_view::traffic(before, now, numbers).lines());
    lines
}

/// Waits for `interval`. True when a key or a signal says that it is enough.
fn pause(screen: Option<&Screen>, interval: Duration, stop: &Stop) -> Result<bool, Error> {
    if !screen.is_some_and(Screen::has_keys) {
        return stop.wait(Some(interval));
    }
    let end = std::time::Instant::now() + interval;
    loop {
        let left = end.saturating_duration_since(std::time::Instant::now());
        let stdin = std::io::stdin();
        let pressed = stop.wait_for(&[stdin.as_fd()], Some(left))?;
        if stop.requested() {
            return Ok(true);
        }
        if pressed != [true] {
            return Ok(false);
        }
        let mut keys = [0; 64];
        match rustix::io::read(&stdin, &mut keys) {
            // The terminal is gone, or q, Q, ^C, ^D.
            Ok(0) | Err(_) => return Ok(true),
            Ok(n) if keys[..n].iter().any(|key| matches!(key, b'q' | b'Q' | 3 | 4)) => return Ok(true),
            Ok(_) => {}
        }
    }
}
