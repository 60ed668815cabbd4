//! Fuzz targets: functions of some bytes that panic when something is wrong.
//!
//! libFuzzer drives them from `fuzz_targets/`, and `cargo test` with a bounded number of random inputs.

mod filter_program;
mod filter_text;
mod hostile_ring;
mod offload;
mod port_name;
#[path = "../../nm-core/tests/rings/region.rs"]
mod region;
mod savefile_bytes;
mod savefile_calls;

pub use filter_program::filter_program;
pub use filter_text::filter_text;
pub use hostile_ring::hostile_ring;
pub use offload::offload;
pub use port_name::port_name;
pub use savefile_bytes::savefile_bytes;
pub use savefile_calls::savefile_calls;
