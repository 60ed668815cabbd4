//! What the module is asked, byte for byte, and what its answers become.

use crate::fake::{BUFS, FIRST_FREE, Fake, name};
use drivers::netmap::{Options, PortFacts, facts, open_on};
use nm_core::PortError;
use nm_core::abi;
use std::collections::HashMap;
use std::io::Write;

const FACTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/facts/netmap-abi.tsv");

/// Offset and size of the fields, as the facts about `net/netmap.h` have them; `None`, said aloud, where they are not.
fn fields() -> Option<HashMap<String, (usize, usize)>> {
    let Ok(facts) = std::fs::read_to_string(FACTS) else {
        writeln!(std::io::stdout().lock(), "\nskipped: no facts about netmap's ABI at {FACTS}").ok();
        return None;
    };
    let fields = facts.lines().filter_map(|line| {
        let words: Vec<&str> = line.split('\t').collect();
        let ["field", owner, field, offset, size] = words[..] else { return None };
        Some((format!("{owner}.{field}"), (offset.parse().ok()?, size.parse().ok()?)))
    });
    Some(fields.collect())
}

/// A struct's bytes: zero, but for these fields.
fn bytes(fields: &HashMap<String, (usize, usize)>, len: usize, values: &[(&str, u64)]) -> Vec<u8> {
    let mut bytes = vec![0; len];
    for (field, value) in values {
        let (offset, size) = fields[*field];
        bytes[offset..offset + size].copy_from_slice(&value.to_le_bytes()[..size]);
    }
    bytes
}

#[test]
fn every_name_form_is_the_request_of_netmap_h() {
    let Some(fields) = fields() else { return };
    let flags = abi::NR_NO_TX_POLL;
    for (text, module_name, mode, ring, flags) in [
        ("netmap:eth0", "eth0", 1, 0, flags),
        ("netmap:eth0-2", "eth0", 4, 2, flags),
        ("netmap:eth0^", "eth0", 2, 0, flags),
        ("netmap:eth0^0", "eth0", 8, 0, flags),
        ("netmap:eth0*", "eth0", 3, 0, flags),
        ("netmap:x{1", "x{1", 1, 0, flags),
        ("netmap:x}4294967295", "x}4294967295", 1, 0, flags),
        ("netmap:vale0:a", "vale0:a", 1, 0, flags),
        ("netmap:vale0:a{3", "vale0:a{3", 1, 0, flags),
        ("netmap:eth0/x", "eth0", 1, 0, flags | 0x800),
        ("netmap:eth0/t", "eth0", 1, 0, flags | 0x100),
        ("netmap:eth0-1/rz", "eth0", 4, 1, flags | 0x200 | 0x400),
        ("netmap:eth0/R", "eth0", 1, 0, flags | 0x2000),
        ("netmap:eth0/xT", "eth0", 1, 0, flags | 0x800 | 0x4000),
        ("netmap:eth0-1/x@7", "eth0", 4, 1, flags | 0x800),
        ("netmap:x{2@65535", "x{2", 1, 0, flags),
    ] {
        let memory = text.split_once('@').map_or(0, |(_, number)| number.parse().expect("a number"));
        let fake = Fake::new();
        drop(fake.open(text));
        let state = fake.state();
        let [(header, body)] = &state.requests[..] else { panic!("{text}: {} requests", state.requests.len()) };
        let mut expected = bytes(&fields, 88, &[("nmreq_header.nr_version", 14), ("nmreq_header.nr_reqtype", 1)]);
        let at = fields["nmreq_header.nr_name"].0;
        expected[at..at + module_name.len()].copy_from_slice(module_name.as_bytes());
        assert_eq!(header, &expected, "{text}");
        let expected = bytes(
            &fields,
            56,
            &[
                ("nmreq_register.nr_mode", mode),
                ("nmreq_register.nr_ringid", ring),
                ("nmreq_register.nr_mem_id", memory),
                ("nmreq_register.nr_flags", flags),
            ],
        );
        assert_eq!(body, &expected, "{text}");
    }
}

#[test]
fn buffers_without_a_slot_are_asked_for_and_as_many_as_there_are_are_told() {
    let Some(fields) = fields() else { return };
    // Who sends nothing has no use for them.
    for (text, wanted, asked, given) in [
        ("netmap:eth0", 50, 50, 50),
        ("netmap:x{1", 1, 1, 1),
        ("netmap:eth0^", 4_000_000_000, 4_000_000_000, BUFS - FIRST_FREE),
        ("netmap:eth0/R", 50, 0, 0),
        ("netmap:eth0/t", 50, 0, 0),
    ] {
        let fake = Fake::new();
        let port = fake.open_with(text, wanted);
        assert_eq!(port.control.extra_bufs(), given, "{text}");
        assert_eq!(port.control.stats().malformed, 0, "{text}");
        let state = fake.state();
        let mode = if text.ends_with('^') { 2 } else { 1 };
        let flags = abi::NR_NO_TX_POLL | name(text).flags;
        let expected = bytes(
            &fields,
            56,
            &[
                ("nmreq_register.nr_mode", mode),
                ("nmreq_register.nr_extra_bufs", asked),
                ("nmreq_register.nr_flags", flags),
            ],
        );
        assert_eq!(state.requests[0].1, expected, "{text}");
    }
}

#[test]
fn facts_of_a_port_are_asked_without_binding_it() {
    let Some(fields) = fields() else { return };
    let fake = Fake::new();
    let told = facts(&fake, &name("netmap:eth0")).unwrap();
    assert_eq!(told, PortFacts { memory: crate::fake::MEMORY as u64, tx: (2, 1024), rx: (3, 512), host: (1, 1) });
    let (header, body) = &fake.state().requests[0];
    assert_eq!(
        header[..4],
        bytes(&fields, 88, &[("nmreq_header.nr_version", 14), ("nmreq_header.nr_reqtype", 2)])[..4]
    );
    assert_eq!(body, &[0; 32]);
}

#[test]
fn refusals_have_their_words() {
    let refused = |errno, version, text| {
        let fake = Fake::new();
        (fake.state().refuse, fake.state().version) = (Some(errno), version);
        open_on(fake, &name(text), &Options::default()).err().expect("refused")
    };
    assert!(matches!(refused(6, None, "netmap:eth9"), PortError::NoDevice { .. }));
    assert!(matches!(refused(16, None, "netmap:eth0/x"), PortError::InUse { .. }));
    assert!(matches!(refused(1, None, "netmap:eth0"), PortError::Denied { .. }));
    assert!(refused(12, None, "netmap:eth0").to_string().contains("no memory left"));
    let old = refused(22, Some(13), "netmap:eth0").to_string();
    assert!(old.contains("has API 13, and this library 14"), "{old}");
    assert!(refused(22, None, "netmap:eth0").to_string().contains("Invalid argument"));
}

#[test]
fn a_ring_that_does_not_exist_is_no_device() {
    for text in ["netmap:eth0-3", "netmap:eth0^1"] {
        assert!(
            matches!(open_on(Fake::new(), &name(text), &Options::default()), Err(PortError::NoDevice { .. })),
            "{text}"
        );
    }
}
