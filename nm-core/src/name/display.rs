//! Names as text: what the parser takes back.

use super::parse::FLAGS;
use super::{NameError, NetmapName, NetmapRings, PortName, ValeName, ValePort};
use std::fmt;

/// Bytes of an error's text, so that it fits libpcap's error buffer with its NUL.
pub(super) const ERROR_MAX: usize = 255;
/// Bytes of what was typed that an error repeats.
const ECHO_MAX: usize = 64;

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PortName::Plain(name) => f.write_str(name),
            PortName::Vale(name) => name.fmt(f),
            PortName::Netmap(name) => name.fmt(f),
            PortName::Vhost(path) => write!(f, "vhost:{}", path.display()),
        }
    }
}

impl fmt::Display for ValeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.switch, self.port)
    }
}

impl fmt::Display for ValePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValePort::Port(name) => f.write_str(name),
            ValePort::Listener => f.write_str("*"),
            ValePort::MonitorTx(name) => write!(f, "{name}/t"),
            ValePort::MonitorRx(name) => write!(f, "{name}/r"),
        }
    }
}

impl fmt::Display for NetmapName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "netmap:{}{}", self.ifname, self.rings)?;
        if self.flags != 0 {
            f.write_str("/")?;
        }
        for (letter, _) in FLAGS.iter().filter(|(_, bit)| self.flags & bit != 0) {
            write!(f, "{letter}")?;
        }
        if self.memory != 0 {
            write!(f, "@{}", self.memory)?;
        }
        Ok(())
    }
}

impl fmt::Display for NetmapRings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetmapRings::All => Ok(()),
            NetmapRings::Host => f.write_str("^"),
            NetmapRings::OneHost(ring) => write!(f, "^{ring}"),
            NetmapRings::AllAndHost => f.write_str("*"),
            NetmapRings::One(ring) => write!(f, "-{ring}"),
            NetmapRings::PipeMaster(pipe) => write!(f, "{{{pipe}"),
            NetmapRings::PipeSlave(pipe) => write!(f, "}}{pipe}"),
        }
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.name.len() <= ECHO_MAX {
            format!("{}: {}", self.name, self.why)
        } else {
            format!("{}...: {}", cut(&self.name, ECHO_MAX), self.why)
        };
        let line: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        f.write_str(cut(&line, ERROR_MAX))
    }
}

/// At most `max` bytes of `text`, cut between characters.
fn cut(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
