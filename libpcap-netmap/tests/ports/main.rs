//! VALE ports through libpcap's functions, as a C program calls them.

mod callbacks;
mod handles;
mod reading;
mod states;
