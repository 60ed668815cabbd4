//! The same calls made to ours and to the system's library, in one process: what they return and write is compared.

mod api;
mod compiling;
mod dead;
mod names;
mod offline;
mod running;
