//! The netmap module's driver on a module of the tests' own ([`fake`]), whose memory lies as the kernel's does.

mod extra;
mod fake;
mod forwarding;
mod hostile;
mod reading;
mod requests;
mod sending;
