//! The netmap module's driver on a module of the tests' own ([`fake`]), whose memory lies as the kernel's does.

mod fake;
mod hostile;
mod reading;
mod requests;
mod sending;
