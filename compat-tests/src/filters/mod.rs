//! Filters in our library and in the system's, held against each other through the C interface alone.
//!
//! [`grammar`] writes expressions, [`edits`] spoils some of them, [`case`] puts the rest of a compilation beside each
//! from the same seed. [`compare`] compiles it in both libraries ([`library`]), and runs the four programs on frames:
//! captured ones ([`corpus`]), those that [`guide`] leads down a program's branches, spoilt and cut ones
//! ([`spoil`]). What differs is looked up in [`known`], made small by [`shrink`], and counted by [`tally`].
//!
//! The oracle is the system's *unoptimized* program. Where its optimized one says something else, that is its fault, and counted.

pub mod case;
pub mod compare;
pub mod corpus;
pub mod edits;
pub mod grammar;
pub mod guide;
pub mod hostile;
pub mod known;
pub mod library;
pub mod link_types;
pub mod listing;
pub mod qualified;
pub mod shrink;
pub mod spoil;
pub mod tally;
pub mod vocabulary;
