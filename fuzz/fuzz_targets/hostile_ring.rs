//! [`fuzz::hostile_ring`], driven by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::hostile_ring(data));
