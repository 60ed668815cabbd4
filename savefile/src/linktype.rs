//! Link types in files, `LINKTYPE_`, and on handles, `DLT_`.
