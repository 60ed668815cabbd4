//! Capture files read by our library and by the system's, held against each other through the C interface alone.
//!
//! [`specimens`] gathers files: the corpus, those that programs have written ([`programs`]), those that the crate pcap-file writes
//! ([`foreign`]), and those that [`made`] makes up, valid or nearly so. [`mutate`] spoils them. [`reading`] reads one in some
//! way through a library ([`library`]) and tells all that a program could see, which [`compare`] holds against each other.
//! What differs and is meant to is in [`known`]; [`tally`] counts.

pub mod compare;
pub mod foreign;
pub mod known;
pub mod library;
pub mod made;
pub mod mutate;
pub mod programs;
pub mod reading;
pub mod specimens;
pub mod tally;
