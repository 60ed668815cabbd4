//! Pipes: `netmap:x{1` and `netmap:x}1` without the kernel module.
//!
//! A pipe is a switch of two ports, in a folder beside the others' whose name no switch can have, so that nobody else joins
//! it. On a switch of two, every frame goes to the other port: there is nothing to learn, and a frame's addresses
//! don't matter.
//!
//! Unlike netmap's, this pipe holds nothing for an end that is not open: frames sent then are lost, as on a switch.

use nm_core::PortError;
use nm_core::abi::NR_EXCLUSIVE;
use nm_core::name::{NetmapName, NetmapRings, ValeName, ValePort};

/// Begins the folder of a pipe: `pipe:x:1`.
const PREFIX: &str = "pipe:";

/// The port that an end of a pipe is; `None` for a name that is no pipe's.
///
/// # Errors
/// [`PortError::Unsupported`] for flags but `x`, which an end always is, and for a memory of the module's.
pub fn port_of(name: &NetmapName) -> Option<Result<ValeName, PortError>> {
    let (end, pipe) = match name.rings {
        NetmapRings::PipeMaster(pipe) => ('{', pipe),
        NetmapRings::PipeSlave(pipe) => ('}', pipe),
        _ => return None,
    };
    if name.flags & !NR_EXCLUSIVE != 0 {
        let why =
            "a pipe's ends carry frames both ways, and nobody watches them: /t /r /z /R /T need the netmap module";
        return Some(Err(PortError::Unsupported { port: name.to_string(), why }));
    }
    if name.memory != 0 {
        let why = "@N chooses a memory of the netmap module's, and no module is there";
        return Some(Err(PortError::Unsupported { port: name.to_string(), why }));
    }
    // '/' ends a name's rings, so it is in no interface's name; the grammar leaves nothing else that a folder can't have.
    let switch = format!("{PREFIX}{}:{pipe}", name.ifname);
    Some(Ok(ValeName { switch, port: ValePort::Port(format!("{end}{pipe}")) }))
}

/// The folder is a pipe's.
pub fn is_pipe(switch: &str) -> bool {
    switch.starts_with(PREFIX) && !switch.contains('/')
}

/// Refuses what is neither a switch's name nor a pipe's.
///
/// # Errors
/// [`PortError::Name`].
pub fn check(switch: &str) -> Result<(), PortError> {
    if is_pipe(switch) { Ok(()) } else { Ok(ValeName::check_switch(switch)?) }
}

/// The name of a pipe's end as typed; `None` when the switch is no pipe.
pub fn full_name(switch: &str, port: &str) -> Option<String> {
    let (ifname, _) = switch.strip_prefix(PREFIX)?.rsplit_once(':')?;
    Some(format!("netmap:{ifname}{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nm_core::name::PortName;

    fn netmap(text: &str) -> NetmapName {
        match PortName::parse(text) {
            Ok(PortName::Netmap(name)) => name,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_ends_are_ports_of_one_switch_and_keep_their_names() {
        for text in ["netmap:x{1", "netmap:x}1", "netmap:eth0.5{4294967295", "netmap:a-b+c}0"] {
            let port = port_of(&netmap(text)).unwrap().unwrap();
            assert!(check(&port.switch).is_ok());
            let short = port.port.name().unwrap();
            assert_eq!(full_name(&port.switch, short).as_deref(), Some(text));
        }
        let switch = |text| port_of(&netmap(text)).unwrap().unwrap().switch;
        assert_eq!(switch("netmap:x{1"), switch("netmap:x}1"));
        assert_ne!(switch("netmap:x{1"), switch("netmap:x{2"));
        assert_eq!(
            port_of(&netmap("netmap:x{1/x")).unwrap().unwrap(),
            port_of(&netmap("netmap:x{1")).unwrap().unwrap()
        );
    }

    #[test]
    fn what_is_no_pipe() {
        assert!(port_of(&netmap("netmap:eth0")).is_none());
        for flags in ["/t", "/r", "/rz", "/R", "/T", "/xt", "@1"] {
            let refused = port_of(&netmap(&format!("netmap:x{{1{flags}")));
            assert!(matches!(refused, Some(Err(PortError::Unsupported { .. }))), "{flags}");
        }
        for bad in ["pipe:../x:1", "eth0", "pipe", ""] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert_eq!(full_name("vale0", "a"), None);
    }
}
