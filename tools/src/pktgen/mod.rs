//! pkt-gen's insides: what it was asked ([`options`]), its four functions ([`send`], [`receive`], [`ping`]), and how
//! it tells what it did ([`meter`], [`histogram`]).

pub mod histogram;
pub mod meter;
pub mod options;
pub mod ping;
pub mod receive;
pub mod send;
