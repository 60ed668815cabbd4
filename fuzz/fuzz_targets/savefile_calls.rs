//! [`fuzz::savefile_calls`], driven by libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::savefile_calls(data));
