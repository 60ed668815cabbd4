//! libpcap over netmap rings.
