//! Reading, from outside: files made by hand, the corpus, and whatever chance makes of them.

#![allow(clippy::print_stdout, reason = "what is skipped is skipped aloud")]

mod build;
mod compressed;
mod corpus;
mod mutations;
mod pcap;
mod pcapng;
mod read;
