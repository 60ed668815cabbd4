//! `/FLAGS` of a card's name without the netmap module: which of them our own drivers honour, and words for the others.
//!
//! | | AF_XDP | host rings | AF_PACKET |
//! |---|---|---|---|
//! | `x` exclusive | the host gets nothing of the port's queues: what the filter refuses ends there. (Nobody else has the rings, with `x` or without) | always so | refused: a packet socket shares the card with everybody |
//! | `R` the receive rings alone | the port sends nothing | the same | the same |
//! | `T` the transmit rings alone | refused: whatever takes the card's rings takes what they receive | refused | refused |
//! | `@N` in a memory of the module's | refused: it has none | refused | refused |
//! | `t`, `r`, `z` monitors of somebody's rings | refused: nobody but the module can reach them | refused | refused |

use nm_core::abi::{NR_EXCLUSIVE, NR_MONITOR_RX, NR_MONITOR_TX, NR_RX_RINGS_ONLY, NR_TX_RINGS_ONLY};
use nm_core::name::NetmapName;
use nm_core::{Port, PortError, PortTx, TxRing};

/// Refuses flags that the driver can't honour; `shares` says why it is never exclusive, where it isn't.
///
/// # Errors
/// [`PortError::Unsupported`], with the flag.
pub fn check(name: &NetmapName, shares: Option<&'static str>) -> Result<(), PortError> {
    let has = |flags| name.flags & flags != 0;
    let why = match shares {
        _ if name.memory != 0 => Some("@N chooses a memory of the netmap module's, and no module is there"),
        _ if has(NR_MONITOR_TX | NR_MONITOR_RX) => {
            Some("/t, /r and /z watch another program's rings, which only the netmap module can")
        }
        _ if has(NR_TX_RINGS_ONLY) => {
            Some("/T leaves the receive rings to the host, which only the netmap module can (leave it out to send)")
        }
        Some(why) if has(NR_EXCLUSIVE) => Some(why),
        _ if has(!(NR_EXCLUSIVE | NR_RX_RINGS_ONLY)) => Some("these /FLAGS need the netmap module"),
        _ => None,
    };
    why.map_or(Ok(()), |why| Err(PortError::Unsupported { port: name.to_string(), why }))
}

/// The port as its name wants it: `/R` sends nothing.
pub fn honour(name: &NetmapName, port: Port) -> Port {
    if name.flags & NR_RX_RINGS_ONLY == 0 {
        return port;
    }
    Port { tx: Box::new(Silent { port: name.to_string() }), ..port }
}

/// Sends nothing.
struct Silent {
    port: String,
}

impl PortTx for Silent {
    fn inject(&mut self, _frame: &[u8], _nonblocking: bool) -> Result<(), PortError> {
        Err(PortError::ReadOnly { port: self.port.clone() })
    }

    fn ring(&mut self) -> Result<&mut TxRing, PortError> {
        Err(PortError::ReadOnly { port: self.port.clone() })
    }

    fn txsync(&mut self, _nonblocking: bool) -> Result<u32, PortError> {
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nm_core::name::PortName;

    fn refusal(text: &str, shares: Option<&'static str>) -> Option<String> {
        let Ok(PortName::Netmap(name)) = PortName::parse(text) else { panic!("{text}") };
        check(&name, shares).err().map(|error| error.to_string())
    }

    #[test]
    fn each_flag_is_honoured_or_refused_by_its_name() {
        for (flags, exclusive, shared) in [
            ("", None, None),
            ("/x", None, Some("/x shares")),
            ("/R", None, None),
            ("/xR", None, Some("/x shares")),
            ("/T", Some("/T "), Some("/T ")),
            ("/t", Some("/t, "), Some("/t, ")),
            ("/r", Some("/r "), Some("/r ")),
            ("/rz", Some("/z "), Some("/z ")),
            ("/xt", Some("/t, "), Some("/t, ")),
            ("@3", Some("@N "), Some("@N ")),
        ] {
            let name = format!("netmap:eth0{flags}");
            for (shares, expected) in [(None, exclusive), (Some("/x shares"), shared)] {
                match (refusal(&name, shares), expected) {
                    (None, None) => {}
                    (Some(text), Some(part)) => assert!(text.contains(part) && text.contains(&name), "{text}"),
                    (got, _) => panic!("{name}: {got:?}, expected {expected:?}"),
                }
            }
        }
    }
}
