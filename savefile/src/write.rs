//! Writing capture files.
