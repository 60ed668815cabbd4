//! Names after `-i`: the grammar of port names.

use std::fmt;

/// What a user typed, understood.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PortName {
    /// `eth0`, `any`: an interface of the system, captured as libpcap does.
    Plain(String),
    /// `vale0:a`, `vale0:*`, `vale0:a/t`, `vale0:a/r`.
    Vale(ValeName),
    /// `netmap:eth0`, with what follows in netmap(4).
    Netmap(NetmapName),
    /// `vhost:/path`.
    Vhost(std::path::PathBuf),
}

/// A port of a switch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ValeName {
    /// The switch, `vale0`.
    pub switch: String,
    /// Which port of it.
    pub port: ValePort,
}

/// Which port of a switch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ValePort {
    /// `vale0:a`
    Port(String),
    /// `vale0:*`
    Listener,
    /// `vale0:a/t`
    MonitorTx(String),
    /// `vale0:a/r`
    MonitorRx(String),
}

/// A card's rings, or a pipe.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NetmapName {
    /// The interface, or the pipe's name.
    pub ifname: String,
    /// Which rings.
    pub rings: NetmapRings,
}

/// Which rings of a card, as in netmap(4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NetmapRings {
    /// All hardware rings.
    All,
    /// `^`: the host rings.
    Host,
    /// `*`: hardware and host rings.
    AllAndHost,
    /// `-2`: one ring.
    One(u16),
    /// `{1`: the master end of pipe 1.
    PipeMaster(u32),
    /// `}1`: the slave end of pipe 1.
    PipeSlave(u32),
}

/// A malformed name; its text shows the grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameError {
    /// What was typed.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.why)
    }
}

impl std::error::Error for NameError {}

impl PortName {
    /// Parses what a user typed after `-i`.
    ///
    /// # Errors
    /// [`NameError`] for a name that begins like one of ours and does not follow the grammar. A name that begins
    /// like none of ours is [`PortName::Plain`].
    pub fn parse(text: &str) -> Result<PortName, NameError> {
        let Some((switch, port)) = text.split_once(':').filter(|(s, _)| s.starts_with("vale")) else {
            return Ok(PortName::Plain(text.to_string()));
        };
        let port = match port.split_once('/') {
            None if port == "*" => ValePort::Listener,
            None => ValePort::Port(port.to_string()),
            Some((p, "t")) => ValePort::MonitorTx(p.to_string()),
            Some((p, "r")) => ValePort::MonitorRx(p.to_string()),
            Some(_) => return Err(NameError { name: text.to_string(), why: "bad suffix".into() }),
        };
        Ok(PortName::Vale(ValeName { switch: switch.to_string(), port }))
    }
}
