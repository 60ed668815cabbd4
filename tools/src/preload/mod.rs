//! nm-run's insides: which library to preload ([`library`]), what the program really is ([`program`]), and whether it
//! would listen ([`secure`]).

pub mod library;
pub mod program;
pub mod secure;
