//! What the tools share. Each tool is one file in `bin/`: it reads its options and calls what lies here.
//!
//! Command line and output: [`cli`], [`units`], [`table`], [`terminal`]. Time and signals: [`stop`], [`pace`].
//! Ports: [`ports`] (rings where the name is a switch's, libpcap's calls otherwise), [`pcap`], [`frame`].
//! Between two ports: [`pump`] (bridge, vale-ctl's attached cards), [`checksum`], [`segments`].
//! One tool's insides: [`switch_view`], [`probe_view`], [`attach`] (vale-ctl), [`pktgen`] (pkt-gen), [`replay`] (nmreplay), [`preload`] (nm-run).

pub mod attach;
pub mod checksum;
pub mod cli;
pub mod frame;
pub mod pace;
pub mod pcap;
pub mod pktgen;
pub mod ports;
pub mod preload;
pub mod probe_view;
pub mod pump;
pub mod replay;
pub mod segments;
pub mod stop;
pub mod switch_view;
pub mod table;
pub mod terminal;
pub mod units;
