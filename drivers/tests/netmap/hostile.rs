//! A module whose memory holds anything: an error, or frames that are lost and counted, never a look outside.

use crate::fake::{BUFS, Fake, INTERFACE, MEMORY, SLOTS, frame, name};
use drivers::netmap::{Options, open_on};
use nm_core::PortError;
use nm_core::abi::{netmap_if, netmap_ring};
use nm_core::sync::Ordering;
use std::mem::offset_of;
use std::time::Duration;

#[test]
fn memory_that_is_no_netmaps_is_refused() {
    let ring = Fake::ring(Fake::rx(0));
    let places = INTERFACE + offset_of!(netmap_if, ring_ofs);
    type Spoil<'a> = &'a dyn Fn(&Fake);
    let spoilt: [(&str, Spoil); 10] = [
        ("ring counts", &|f| f.word(INTERFACE + offset_of!(netmap_if, ni_tx_rings)).store(u32::MAX, Ordering::Relaxed)),
        ("more rings than memory", &|f| {
            f.word(INTERFACE + offset_of!(netmap_if, ni_rx_rings)).store(1000, Ordering::Relaxed)
        }),
        ("a ring before the region", &|f| f.long(places + 8 * Fake::rx(0)).store(-0x1000i64 as u64, Ordering::Relaxed)),
        ("a ring at no address", &|f| f.long(places + 8 * Fake::rx(0)).store(i64::MIN as u64, Ordering::Relaxed)),
        ("a ring beyond the region", &|f| f.long(places + 8 * Fake::rx(0)).store(MEMORY as u64, Ordering::Relaxed)),
        ("a ring on an odd address", &|f| f.long(places + 8 * Fake::rx(0)).store(0x1001, Ordering::Relaxed)),
        ("slots beyond the region", &|f| {
            f.word(ring + offset_of!(netmap_ring, num_slots)).store(1 << 20, Ordering::Relaxed)
        }),
        ("buffers of no size", &|f| f.word(ring + offset_of!(netmap_ring, nr_buf_size)).store(0, Ordering::Relaxed)),
        ("buffers before the region", &|f| f.long(ring).store(-0x100000i64 as u64, Ordering::Relaxed)),
        ("a head outside the ring", &|f| f.word(ring + offset_of!(netmap_ring, head)).store(SLOTS, Ordering::Relaxed)),
    ];
    for (what, spoil) in spoilt {
        let fake = Fake::new();
        spoil(&fake);
        let error =
            open_on(fake, &name("netmap:eth0"), &Options::default()).err().unwrap_or_else(|| panic!("{what}: opened"));
        assert!(matches!(error, PortError::Corrupt { .. }), "{what}: {error}");
    }
    for offset in [MEMORY as u64 - 8, MEMORY as u64, u64::MAX, INTERFACE as u64 + 1] {
        let fake = Fake::new();
        fake.state().offset = Some(offset);
        assert!(open_on(fake, &name("netmap:eth0"), &Options::default()).is_err(), "{offset:#x}");
    }
}

#[test]
fn frames_that_begin_inside_their_buffers_are_refused_in_words() {
    for ring in [Fake::rx(2), 0] {
        let fake = Fake::new();
        let mask = Fake::ring(ring) + offset_of!(netmap_ring, offset_mask);
        fake.long(mask).store(0xff, Ordering::Relaxed);
        let error = open_on(fake, &name("netmap:eth0"), &Options::default()).err().expect("opened");
        let busy = |source: &std::io::Error| source.raw_os_error() == Some(libc::EBUSY);
        assert!(
            matches!(&error, PortError::Io { what, source } if what.contains("OFFSETS") && busy(source)),
            "{error}"
        );
    }
}

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as u32 % n
    }
}

#[test]
fn garbage_in_rings_and_slots_costs_frames_and_is_counted() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let fake = Fake::new();
    let mut port = fake.open("netmap:eth0*");
    let mut bytes = vec![0; 70_000];
    for round in 0..20_000u32 {
        let ring = random.below(7) as usize;
        match random.below(6) {
            0 => fake.field(ring, offset_of!(netmap_ring, tail)).store(random.below(SLOTS + 3), Ordering::Relaxed),
            1 => fake.field(ring, offset_of!(netmap_ring, tail)).store(random.below(u32::MAX), Ordering::Relaxed),
            2 => {
                let (slot, buffer) = (random.below(SLOTS), random.below(BUFS + 50));
                fake.set_slot(ring, slot, buffer, random.below(3000) as u16, random.below(65_536) as u16);
            }
            3 => fake.set_slot(ring, random.below(SLOTS), u32::MAX - random.below(9), 60, 0),
            4 => fake.field(ring, offset_of!(netmap_ring, head)).store(random.below(SLOTS + 3), Ordering::Relaxed),
            _ => {
                // Whatever comes, it is bytes of the region.
                let _ = port.rx.wait(1, Some(Duration::ZERO)).unwrap();
                while let Some((len, _)) = port.rx.ring().next_frame_into(&mut bytes) {
                    assert!(len as usize <= bytes.len());
                }
                port.rx.ring().release();
                port.rx.settle_fd();
                let _ = port.tx.inject(&frame(0, round, 60), true);
            }
        }
    }
    assert!(port.control.stats().malformed > 100, "{:?}", port.control.stats());
}
