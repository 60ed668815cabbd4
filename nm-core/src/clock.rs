//! Time for frames.
