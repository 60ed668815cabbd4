//! The layout of `net/netmap.h` and `net/netmap_legacy.h`, API 14, exactly.
