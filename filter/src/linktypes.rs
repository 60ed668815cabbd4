//! The link types' names and descriptions.

mod table;

use std::ffi::CStr;
use table::LINKTYPES;

/// Name without `DLT_`, and description, terminated as C has them.
fn of(linktype: i32) -> Option<(&'static CStr, &'static CStr)> {
    let linktype = u16::try_from(linktype).ok()?;
    let row = LINKTYPES.binary_search_by_key(&linktype, |row| row.0).ok()?;
    LINKTYPES.get(row).map(|row| (row.1, row.2))
}

/// The name of a link type: `EN10MB`.
pub fn name(linktype: i32) -> Option<&'static CStr> {
    of(linktype).map(|(name, _)| name)
}

/// A link type in words: `Ethernet`.
pub fn description(linktype: i32) -> Option<&'static CStr> {
    of(linktype).map(|(_, description)| description)
}

/// A link type in words, or `DLT` and its number, for error texts.
pub fn description_or_dlt(linktype: i32) -> String {
    description(linktype).map_or_else(|| format!("DLT {linktype}"), |text| text.to_string_lossy().into_owned())
}

/// The link type of a name in any case.
pub fn by_name(name: &[u8]) -> Option<i32> {
    LINKTYPES.iter().find(|row| row.1.to_bytes().eq_ignore_ascii_case(name)).map(|row| row.0.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_rising_order() {
        assert!(LINKTYPES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn an_unknown_linktype_has_its_number() {
        assert_eq!((name(1), description(1)), (Some(c"EN10MB"), Some(c"Ethernet")));
        assert_eq!(description_or_dlt(-1), "DLT -1");
        assert_eq!(name(65_537), None);
        assert_eq!((by_name(b"en10mb"), by_name(b"DLT_EN10MB"), by_name(b"")), (Some(1), None, None));
    }
}
