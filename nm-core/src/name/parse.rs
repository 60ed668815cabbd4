//! Text to names. Each kind of name has its function, and its grammar in one line for who mistyped it.

use super::{NameError, NetmapName, NetmapRings, PortName, VALE_NAME_MAX, ValeName, ValePort};
use crate::abi;
use std::path::PathBuf;
use std::str::FromStr;

pub(super) const VALE_GRAMMAR: &str = "a VALE port is valeX:PORT, valeX:* (listener), valeX:PORT/t or /r (monitor of \
                                       what it sends, receives); letters, digits, _ . - in X and PORT";
pub(super) const SWITCH_GRAMMAR: &str = "a switch is vale, vale0, vale-lab, ...: vale, then letters, digits, _ . -";
pub(super) const NETMAP_GRAMMAR: &str = "netmap's names are netmap:IF, then nothing, ^ ^N * -N {N or }N (host rings, \
                                         one, all, one ring, pipe ends), then maybe /xtrzRT, @N";
pub(super) const VHOST_GRAMMAR: &str = "a vhost-user port is vhost:/path/of/the/socket";

/// Bytes of an interface's name: the system's IFNAMSIZ less its NUL.
const IFNAME_MAX: usize = libc::IFNAMSIZ - 1;
/// Bytes of a socket's path: `sun_path` less its NUL.
const SOCKET_PATH_MAX: usize = 107;

/// netmap(4)'s letters after `/`, and their bits in `nr_flags`.
pub(super) const FLAGS: [(char, u64); 6] = [
    ('x', abi::NR_EXCLUSIVE),
    ('t', abi::NR_MONITOR_TX),
    ('r', abi::NR_MONITOR_RX),
    ('z', abi::NR_ZCOPY_MON),
    ('R', abi::NR_RX_RINGS_ONLY),
    ('T', abi::NR_TX_RINGS_ONLY),
];

pub(super) fn port(text: &str) -> Result<PortName, NameError> {
    if let Some(rest) = text.strip_prefix("netmap:") {
        return netmap(rest).map(PortName::Netmap).map_err(|wrong| error(text, &wrong, NETMAP_GRAMMAR));
    }
    if let Some(path) = text.strip_prefix("vhost:") {
        return vhost(path).map(PortName::Vhost).map_err(|wrong| error(text, &wrong, VHOST_GRAMMAR));
    }
    if text.starts_with(abi::NM_BDG_NAME) && text.contains(':') {
        return vale(text).map(PortName::Vale);
    }
    Ok(PortName::Plain(text.to_string()))
}

pub(super) fn vale(text: &str) -> Result<ValeName, NameError> {
    switch_and_port(text).map_err(|wrong| error(text, &wrong, VALE_GRAMMAR))
}

pub(super) fn switch(text: &str) -> Result<(), NameError> {
    check_switch(text).map_err(|wrong| error(text, &wrong, SWITCH_GRAMMAR))
}

fn error(name: &str, wrong: &str, grammar: &str) -> NameError {
    NameError { name: name.to_string(), why: format!("{wrong}; {grammar}") }
}

fn switch_and_port(text: &str) -> Result<ValeName, String> {
    let (switch, rest) = text.split_once(':').ok_or("there is no ':'")?;
    check_switch(switch)?;
    let port = match rest.split_once('/') {
        None if rest == "*" => ValePort::Listener,
        None => ValePort::Port(checked_port(rest)?),
        Some((port, "t")) => ValePort::MonitorTx(checked_port(port)?),
        Some((port, "r")) => ValePort::MonitorRx(checked_port(port)?),
        Some(_) => return Err("only t or r may follow '/'".into()),
    };
    Ok(ValeName { switch: switch.to_string(), port })
}

fn check_switch(name: &str) -> Result<(), String> {
    if !name.starts_with(abi::NM_BDG_NAME) {
        return Err("the switch's name does not begin with vale".into());
    }
    check_vale_part("switch", name)
}

fn checked_port(name: &str) -> Result<String, String> {
    check_vale_part("port", name)?;
    if name.starts_with(['.', '-']) {
        return Err("the port's name begins with '.' or '-'".into());
    }
    Ok(name.to_string())
}

fn check_vale_part(part: &str, name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err(format!("the {part}'s name is missing"));
    }
    if let Some(c) = name.chars().find(|c| !c.is_ascii_alphanumeric() && !"_.-".contains(*c)) {
        return Err(format!("{c:?} in the {part}'s name"));
    }
    if name.len() > VALE_NAME_MAX {
        return Err(format!("the {part}'s name is longer than {VALE_NAME_MAX} bytes"));
    }
    Ok(())
}

fn netmap(rest: &str) -> Result<NetmapName, String> {
    let (rest, memory) = memory(rest)?;
    let (rest, flags) = match rest.split_once('/') {
        Some((rest, letters)) => (rest, flag_bits(letters)?),
        None => (rest, 0),
    };
    let (ifname, rings) = ifname_and_rings(rest)?;
    check_ifname(ifname)?;
    Ok(NetmapName { ifname: ifname.to_string(), rings, flags, memory })
}

/// The memory's number behind `@`, and the name without it. libnetmap's own options, which begin as this does, are none of netmap(4)'s.
fn memory(text: &str) -> Result<(&str, u16), String> {
    let Some((rest, number)) = text.split_once('@') else { return Ok((text, 0)) };
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    match number[..digits].parse() {
        Ok(number) if digits == text.len() - rest.len() - 1 => Ok((rest, number)),
        _ => Err("'@' wants a memory's number".into()),
    }
}

fn flag_bits(letters: &str) -> Result<u64, String> {
    let mut bits = 0;
    for letter in letters.chars() {
        let known = FLAGS.iter().find(|(l, _)| *l == letter);
        bits |= known.ok_or_else(|| format!("{letter:?} after '/'"))?.1;
    }
    let both = |a, b| bits & a != 0 && bits & b != 0;
    if bits == 0 {
        return Err("nothing after '/'".into());
    }
    if both(abi::NR_RX_RINGS_ONLY, abi::NR_TX_RINGS_ONLY) {
        return Err("R and T exclude one another".into());
    }
    if bits & abi::NR_ZCOPY_MON != 0 && bits & (abi::NR_MONITOR_TX | abi::NR_MONITOR_RX) == 0 {
        return Err("z means nothing without t or r".into());
    }
    Ok(bits)
}

fn ifname_and_rings(text: &str) -> Result<(&str, NetmapRings), String> {
    if let Some((ifname, pipe)) = text.split_once('{') {
        return Ok((ifname, NetmapRings::PipeMaster(number(pipe, '{')?)));
    }
    if let Some((ifname, pipe)) = text.split_once('}') {
        return Ok((ifname, NetmapRings::PipeSlave(number(pipe, '}')?)));
    }
    if let Some(ifname) = text.strip_suffix('^') {
        return Ok((ifname, NetmapRings::Host));
    }
    if let Some((ifname, ring)) = text.split_once('^') {
        return Ok((ifname, NetmapRings::OneHost(number(ring, '^')?)));
    }
    if let Some(ifname) = text.strip_suffix('*') {
        return Ok((ifname, NetmapRings::AllAndHost));
    }
    match text.rsplit_once('-') {
        Some((ifname, ring)) if ring.bytes().all(|b| b.is_ascii_digit()) => {
            Ok((ifname, NetmapRings::One(number(ring, '-')?)))
        }
        _ => Ok((text, NetmapRings::All)),
    }
}

fn number<N: FromStr>(digits: &str, after: char) -> Result<N, String> {
    let wrong = || format!("no number, or too large a one, after '{after}'");
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    digits.parse().map_err(|_| wrong())
}

fn check_ifname(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the interface's name is missing".into());
    }
    if name.starts_with(abi::NM_BDG_NAME) && name.contains(':') {
        // A port of a switch of the kernel module's.
        return switch_and_port(name).map(drop);
    }
    if let Some(c) = name.chars().find(|c| c.is_control() || c.is_whitespace() || ":@^*{}".contains(*c)) {
        return Err(format!("{c:?} in the interface's name"));
    }
    if name.len() > IFNAME_MAX {
        return Err(format!("the interface's name is longer than {IFNAME_MAX} bytes"));
    }
    if name == "." || name == ".." {
        return Err("no interface has this name".into());
    }
    Ok(())
}

fn vhost(path: &str) -> Result<PathBuf, String> {
    if !path.starts_with('/') || path.ends_with('/') {
        return Err("no path of a socket, from '/' on".into());
    }
    if path.contains('\0') {
        return Err("a NUL in the path".into());
    }
    if path.len() > SOCKET_PATH_MAX {
        return Err(format!("the path is longer than {SOCKET_PATH_MAX} bytes"));
    }
    Ok(PathBuf::from(path))
}
