//! What the compatibility tests stand on. The tests themselves are in `tests/`, their C programs in `c/`.
//!
//! A test starts real programs with our library preloaded, on the ports of a switch in a folder of its own
//! ([`sandbox`]), bounded in time and ended with the test ([`process`]). [`cc`] compiles the C programs once, [`cases`] runs those that have cases. [`frames`]
//! makes the traffic and [`savefile`] writes and reads it as programs do. [`veth`] runs the same C programs against
//! the system's libpcap on a pair of interfaces in a network namespace of their own; [`cable`] joins two such hosts; [`hidden`] runs programs where that
//! library is not to be found. [`filters`] compiles and runs generated filters in both libraries, [`savefiles`] reads capture files,
//! whole and spoilt, with both; [`files`] runs C programs that read and write them, [`jobs`] real ones.
//!
//! | variable | meaning |
//! |---|---|
//! | `PCAP_NETMAP_DIST` | the folder with `libpcap.so.0.8`; else `dist` in the workspace |
//! | `COMPAT_KILLS` | how many processes `kill.rs` kills (100) |
//! | `COMPAT_GARBAGE_SECONDS` | how long `garbage.rs` writes garbage (10) |
//! | `COMPAT_SEED` | the seed of both; else the clock, printed |
//! | `FILTER_EXPRESSIONS` | how many filters `filters.rs` generates (10,000) |
//! | `FILTER_SEED` | their seed (1) |
//! | `SAVEFILE_MUTATIONS` | how many spoilt capture files `savefiles.rs` reads (20,000) |
//! | `SAVEFILE_SEED` | their seed (1) |
//! | `FILTER_CORPUS` | the captures that they run on; else `../shared/corpus` beside the workspace |

pub mod cable;
pub mod cases;
pub mod cc;
pub mod dist;
pub mod files;
pub mod filters;
pub mod frames;
pub mod hidden;
pub mod jobs;
pub mod process;
pub mod random;
pub mod sandbox;
pub mod savefile;
pub mod savefiles;
pub mod user;
pub mod veth;

pub use process::{Finished, Program, Running};
pub use sandbox::Sandbox;
