//! Names after `-i`: the grammar of port names.
//!
//! | name | what it is |
//! |---|---|
//! | `SWITCH:PORT` | port of a switch; `SWITCH` begins with `vale` |
//! | `SWITCH:*` | listener of a switch |
//! | `SWITCH:PORT/t`, `/r` | monitor of what a port transmits, receives |
//! | `netmap:IF` | all rings of a card |
//! | `netmap:IF^`, `IF^N` | the host rings, one of them |
//! | `netmap:IF*` | the card's and the host's rings |
//! | `netmap:IF-N` | one ring of a card |
//! | `netmap:X{N`, `X}N` | the two ends of pipe `N` |
//! | `netmap:SWITCH:PORT` | port of a switch of the netmap kernel module's; the rings and pipes of it as of a card |
//! | any of these and `/FLAGS` | `x` exclusive, `t` `r` monitor, `z` without a copy, `R` `T` one direction's rings |
//! | any of these and `@N` | in the kernel module's memory of this number |
//! | `vhost:/PATH` | a vhost-user socket |
//! | anything else | an interface, as libpcap knows it |
//!
//! Switches and ports: letters, digits, `_`, `.` and `-`, 31 bytes at most; a port begins with none of `.` and `-`.
//! So a name is always a file's name, and never one with a meaning of its own. `-N` at the end of `netmap:IF-N` is a
//! ring, as in netmap(4), even where an interface is called so; `netmap:br-lan` is an interface.
//!
//! Followed: netmap(4).

mod display;
mod parse;
#[cfg(test)]
mod tests;

/// The most bytes of a switch's or a port's name.
pub const VALE_NAME_MAX: usize = 31;

/// What a user typed, understood. Printing it gives the name back.
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
    /// What follows `/`, as bits of `nr_flags`: [`NR_EXCLUSIVE`](crate::abi::NR_EXCLUSIVE) `x`,
    /// [`NR_MONITOR_TX`](crate::abi::NR_MONITOR_TX) `t`, [`NR_MONITOR_RX`](crate::abi::NR_MONITOR_RX) `r`,
    /// [`NR_ZCOPY_MON`](crate::abi::NR_ZCOPY_MON) `z`, [`NR_RX_RINGS_ONLY`](crate::abi::NR_RX_RINGS_ONLY) `R`,
    /// [`NR_TX_RINGS_ONLY`](crate::abi::NR_TX_RINGS_ONLY) `T`.
    pub flags: u64,
    /// What follows `@`: the number of one of the netmap module's memories; 0: whichever it chooses.
    pub memory: u16,
}

/// Which rings of a card, as in netmap(4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NetmapRings {
    /// All hardware rings.
    All,
    /// `^`: the host rings.
    Host,
    /// `^2`: one host ring.
    OneHost(u16),
    /// `*`: hardware and host rings.
    AllAndHost,
    /// `-2`: one ring.
    One(u16),
    /// `{1`: the master end of pipe 1.
    PipeMaster(u32),
    /// `}1`: the slave end of pipe 1.
    PipeSlave(u32),
}

/// A malformed name. Its text is one line of at most 255 bytes that shows the grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameError {
    /// What was typed.
    pub name: String,
    /// What is wrong with it, and the grammar.
    pub why: String,
}

impl std::error::Error for NameError {}

impl PortName {
    /// Parses what a user typed after `-i`.
    ///
    /// ```
    /// use nm_core::name::{PortName, ValePort};
    /// let Ok(PortName::Vale(name)) = PortName::parse("vale0:a/t") else { panic!() };
    /// assert_eq!(name.switch, "vale0");
    /// assert_eq!(name.port, ValePort::MonitorTx("a".into()));
    /// ```
    ///
    /// # Errors
    /// [`NameError`] for a name that begins like one of ours and does not follow the grammar. A name that begins
    /// like none of ours is [`PortName::Plain`]; so is `vale0`, which has no colon.
    pub fn parse(text: &str) -> Result<PortName, NameError> {
        parse::port(text)
    }
}

impl ValeName {
    /// Parses the name of a switch's port, where nothing else will do.
    ///
    /// # Errors
    /// [`NameError`] for any other name.
    pub fn parse(text: &str) -> Result<ValeName, NameError> {
        parse::vale(text)
    }

    /// Whether `switch` may be a switch's name.
    ///
    /// # Errors
    /// [`NameError`] when not.
    pub fn check_switch(switch: &str) -> Result<(), NameError> {
        parse::switch(switch)
    }
}

impl NetmapName {
    /// An end of a pipe, and no card's rings.
    pub fn is_pipe(&self) -> bool {
        matches!(self.rings, NetmapRings::PipeMaster(_) | NetmapRings::PipeSlave(_))
    }
}

impl ValePort {
    /// The port that is opened or watched; `None` for a listener.
    pub fn name(&self) -> Option<&str> {
        match self {
            ValePort::Port(name) | ValePort::MonitorTx(name) | ValePort::MonitorRx(name) => Some(name),
            ValePort::Listener => None,
        }
    }

    /// A listener or monitor: it sends nothing.
    pub fn is_read_only(&self) -> bool {
        !matches!(self, ValePort::Port(_))
    }
}
