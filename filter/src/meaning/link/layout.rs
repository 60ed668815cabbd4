//! Where each link type has its headers: a table.

use super::dlt;

/// Offsets in bytes; [`NONE`] where libpcap knows of no such place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The link-layer header, from the packet's first byte (behind what is variable).
    pub(crate) link: u32,
    /// The type field, from the packet's first byte.
    pub(crate) linktype: u32,
    /// The link-layer payload, likewise.
    pub(crate) payload: u32,
    /// The network header, from the payload.
    pub(crate) nl: u32,
    /// The network header behind LLC without SNAP, from the payload.
    pub(crate) nl_nosnap: u32,
    /// The MTP2 length indicator, from the packet's first byte.
    pub(crate) ss7: u32,
}

/// No such place. It takes part in sums as -1, as in libpcap: the sum of an absent payload and an absent network header is -2.
pub(crate) const NONE: u32 = u32::MAX;

/// The layout of a link type; `None`: filters cannot be had for it.
pub(crate) fn layout(linktype: i32) -> Option<Layout> {
    let row = ROWS.iter().find(|row| row.0.contains(&linktype));
    if let Some(&(_, [link, linktype, payload, nl, nl_nosnap, ss7])) = row {
        return Some(Layout { link, linktype, payload, nl, nl_nosnap, ss7 });
    }
    let raw = matches!(linktype, dlt::EN3MB | dlt::AX25 | dlt::PRONET | dlt::CHAOS | dlt::REDBACK_SMARTEDGE)
        || dlt::MATCHING.contains(&linktype);
    raw.then_some(Layout { link: 0, linktype: NONE, payload: NONE, nl: NONE, nl_nosnap: NONE, ss7: NONE })
}

/// Link types, and their link, linktype, payload, nl, nl_nosnap, ss7.
#[rustfmt::skip]
const ROWS: &[(&[i32], [u32; 6])] = &[
    (&[dlt::NULL, dlt::LOOP],                           [0, 0, 4, 0, 0, NONE]),
    (&[dlt::EN10MB],                                    [0, 12, 14, 0, 3, NONE]),
    (&[dlt::NETANALYZER],                               [4, 16, 18, 0, 3, NONE]),
    (&[dlt::NETANALYZER_TRANSPARENT],                   [12, 24, 26, 0, 3, NONE]),
    (&[dlt::IEEE802],                                   [0, 14, 14, 8, 3, NONE]),
    (&[dlt::FDDI],                                      [0, 13, 13, 8, 3, NONE]),
    (&[dlt::IP_OVER_FC],                                [0, 16, 16, 8, 3, NONE]),
    (&[dlt::ATM_RFC1483, dlt::ATM_CLIP],                [0, 0, 0, 8, 3, NONE]),
    (&[dlt::SUNATM],                                    [0, 4, 4, 8, 3, NONE]),
    (&[dlt::IEEE802_11, dlt::PRISM_HEADER, dlt::IEEE802_11_RADIO_AVS, dlt::IEEE802_11_RADIO, dlt::PPI],
                                                        [0, 24, 0, 8, 3, NONE]),
    (&[dlt::ARCNET],                                    [0, 2, 6, 0, 0, NONE]),
    (&[dlt::ARCNET_LINUX],                              [0, 4, 8, 0, 0, NONE]),
    (&[dlt::SLIP],                                      [0, NONE, 16, 0, 0, NONE]),
    (&[dlt::SLIP_BSDOS],                                [0, NONE, 24, 0, 0, NONE]),
    (&[dlt::PPP, dlt::PPP_PPPD, dlt::PPP_SERIAL, dlt::C_HDLC, dlt::HDLC],
                                                        [0, 2, 4, 0, 0, NONE]),
    (&[dlt::PPP_ETHER],                                 [0, 6, 8, 0, 0, NONE]),
    (&[dlt::PPP_BSDOS],                                 [0, 5, 24, 0, 0, NONE]),
    (&[dlt::RAW, dlt::IPV4, dlt::IPV6, dlt::LTALK, dlt::FRELAY],
                                                        [0, NONE, 0, 0, 0, NONE]),
    (&[dlt::MFR],                                       [0, NONE, 0, 4, 0, NONE]),
    (&[dlt::ENC],                                       [0, 0, 12, 0, 0, NONE]),
    (&[dlt::PFLOG],                                     [0, 0, 0, 0, 0, NONE]),
    (&[dlt::PFSYNC],                                    [0, NONE, 4, 0, 0, NONE]),
    (&[dlt::LINUX_SLL],                                 [0, 14, 16, 0, 0, NONE]),
    (&[dlt::LINUX_SLL2],                                [0, 0, 20, 0, 0, NONE]),
    (&[dlt::IPNET],                                     [0, 1, 24, 0, NONE, NONE]),
    (&[dlt::APPLE_IP_OVER_IEEE1394],                    [0, 16, 18, 0, 0, NONE]),
    (&[dlt::SYMANTEC_FIREWALL],                         [0, 6, 44, 0, 0, NONE]),
    (&[dlt::JUNIPER_MFR, dlt::JUNIPER_MLFR, dlt::JUNIPER_MLPPP, dlt::JUNIPER_PPP, dlt::JUNIPER_CHDLC, dlt::JUNIPER_FRELAY],
                                                        [0, 4, 4, 0, NONE, NONE]),
    (&[dlt::JUNIPER_ATM1],                              [0, 4, 4, 0, 10, NONE]),
    (&[dlt::JUNIPER_ATM2],                              [0, 8, 8, 0, 10, NONE]),
    (&[dlt::JUNIPER_PPPOE, dlt::JUNIPER_ETHER],         [0, 16, 14, 18, 21, NONE]),
    (&[dlt::JUNIPER_PPPOE_ATM],                         [0, 4, 6, 0, NONE, NONE]),
    (&[dlt::JUNIPER_GGSN],                              [0, 6, 12, 0, NONE, NONE]),
    (&[dlt::JUNIPER_MONITOR],                           [0, 12, 12, 0, NONE, NONE]),
    (&[dlt::JUNIPER_ES],                                [0, 6, NONE, NONE, NONE, NONE]),
    (&[dlt::JUNIPER_SERVICES],                          [0, 12, NONE, NONE, NONE, NONE]),
    (&[dlt::JUNIPER_VP, dlt::JUNIPER_ST],               [0, 18, NONE, NONE, NONE, NONE]),
    (&[dlt::JUNIPER_ISM, dlt::JUNIPER_VS, dlt::JUNIPER_SRX_E2E, dlt::JUNIPER_FIBRECHANNEL, dlt::JUNIPER_ATM_CEMIC],
                                                        [0, 8, NONE, NONE, NONE, NONE]),
    (&[dlt::MTP2],                                      [0, NONE, NONE, NONE, NONE, 2]),
    (&[dlt::MTP2_WITH_PHDR],                            [0, NONE, NONE, NONE, NONE, 6]),
    (&[dlt::ERF],                                       [0, NONE, NONE, NONE, NONE, 22]),
];
