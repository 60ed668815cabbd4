//! Names for numbers: offsets into headers, and values found there.

/// The number that `word` names.
pub(super) fn constant(word: &[u8]) -> Option<u32> {
    let found = CONSTANTS.binary_search_by(|(name, _)| name.as_bytes().cmp(word)).ok()?;
    Some(CONSTANTS[found].1)
}

/// Sorted by name.
static CONSTANTS: &[(&str, u32)] = &[
    ("icmp-echo", 8),
    ("icmp-echoreply", 0),
    ("icmp-ireq", 15),
    ("icmp-ireqreply", 16),
    ("icmp-maskreply", 18),
    ("icmp-maskreq", 17),
    ("icmp-paramprob", 12),
    ("icmp-redirect", 5),
    ("icmp-routeradvert", 9),
    ("icmp-routersolicit", 10),
    ("icmp-sourcequench", 4),
    ("icmp-timxceed", 11),
    ("icmp-tstamp", 13),
    ("icmp-tstampreply", 14),
    ("icmp-unreach", 3),
    ("icmp6-certpathadvert", 149),
    ("icmp6-certpathsolicit", 148),
    ("icmp6-destinationunreach", 1),
    ("icmp6-echo", 128),
    ("icmp6-echoreply", 129),
    ("icmp6-homeagentdiscoveryreply", 145),
    ("icmp6-homeagentdiscoveryrequest", 144),
    ("icmp6-ineighbordiscoveryadvert", 142),
    ("icmp6-ineighbordiscoverysolicit", 141),
    ("icmp6-mobileprefixadvert", 147),
    ("icmp6-mobileprefixsolicit", 146),
    ("icmp6-multicastlistenerdone", 132),
    ("icmp6-multicastlistenerquery", 130),
    ("icmp6-multicastlistenerreportv1", 131),
    ("icmp6-multicastlistenerreportv2", 143),
    ("icmp6-multicastrouteradvert", 151),
    ("icmp6-multicastroutersolicit", 152),
    ("icmp6-multicastrouterterm", 153),
    ("icmp6-neighboradvert", 136),
    ("icmp6-neighborsolicit", 135),
    ("icmp6-nodeinformationquery", 139),
    ("icmp6-nodeinformationresponse", 140),
    ("icmp6-packettoobig", 2),
    ("icmp6-parameterproblem", 4),
    ("icmp6-redirect", 137),
    ("icmp6-routeradvert", 134),
    ("icmp6-routerrenum", 138),
    ("icmp6-routersolicit", 133),
    ("icmp6-timeexceeded", 3),
    ("icmp6code", 1),
    ("icmp6type", 0),
    ("icmpcode", 1),
    ("icmptype", 0),
    ("tcp-ack", 0x10),
    ("tcp-cwr", 0x80),
    ("tcp-ece", 0x40),
    ("tcp-fin", 0x01),
    ("tcp-push", 0x08),
    ("tcp-rst", 0x04),
    ("tcp-syn", 0x02),
    ("tcp-urg", 0x20),
    ("tcpflags", 13),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_sorted_and_each_is_found() {
        assert!(CONSTANTS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(CONSTANTS.iter().all(|(name, number)| constant(name.as_bytes()) == Some(*number)));
    }
}
