//! Names after `-i`.

use nm_core::name::{PortName, ValeName};

/// A name parses to something that prints and parses to itself, or to an error of one line. What parses as a port of a
/// switch makes file names without a meaning of their own.
pub fn port_name(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match PortName::parse(&text) {
        Ok(name) => {
            assert_eq!(PortName::parse(&name.to_string()).as_ref(), Ok(&name));
            if let PortName::Vale(vale) = &name {
                let parts = [Some(vale.switch.as_str()), vale.port.name()];
                assert!(parts.into_iter().flatten().all(is_a_file_name), "{vale:?}");
            }
        }
        Err(error) => assert_one_line(&error.to_string()),
    }
    for error in [ValeName::parse(&text).err(), ValeName::check_switch(&text).err()].into_iter().flatten() {
        assert_one_line(&error.to_string());
    }
}

fn is_a_file_name(part: &str) -> bool {
    !part.is_empty() && part.len() <= 31 && !part.starts_with(['.', '-']) && !part.contains(['/', '\0'])
}

fn assert_one_line(error: &str) {
    // PCAP_ERRBUF_SIZE, with its NUL.
    assert!(error.len() < 256 && !error.chars().any(char::is_control), "{error:?}");
}
