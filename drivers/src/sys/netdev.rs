//! What an interface's driver can do with XDP, by the kernel's own account (Linux 6.3): generic netlink's family `netdev`.

use super::netlink::{attribute, exchange, u16_at, u32_at};
use std::io;

const NLMSG_ERROR: u16 = 2;
/// The family that knows the others.
const CONTROLLER: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;
const NETDEV_A_DEV_XDP_RX_METADATA_FEATURES: u16 = 5;

/// Bytes of `struct nlmsghdr`, and of `struct genlmsghdr`.
const HEADER: usize = 16;
const COMMAND: usize = 4;

/// What a driver can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XdpFeatures {
    hooks: u64,
    /// What it tells programs beside a frame.
    beside: u64,
}

impl XdpFeatures {
    /// Programs run in the driver (`NETDEV_XDP_ACT_BASIC`).
    pub fn native(self) -> bool {
        self.hooks & 1 != 0
    }

    /// Frames go to sockets and other interfaces from there (`NETDEV_XDP_ACT_REDIRECT`).
    pub fn redirects(self) -> bool {
        self.hooks & 2 != 0
    }

    /// The card writes into a socket's buffers and reads them (`NETDEV_XDP_ACT_XSK_ZEROCOPY`).
    pub fn zero_copy(self) -> bool {
        self.hooks & 8 != 0
    }

    /// Programs are told when the card received a frame (`NETDEV_XDP_RX_METADATA_TIMESTAMP`, Linux 6.8).
    pub fn receive_times(self) -> bool {
        self.beside & 1 != 0
    }

    /// Programs are told the VLAN tag that the card took out (`NETDEV_XDP_RX_METADATA_VLAN_TAG`, Linux 6.8).
    pub fn vlan_tags(self) -> bool {
        self.beside & 4 != 0
    }
}

/// The features of an interface. `None` where the kernel does not tell: before Linux 6.3.
///
/// # Errors
/// `ENODEV` when there is no such interface, and what else the kernel says.
pub fn xdp_features(ifindex: u32) -> io::Result<Option<XdpFeatures>> {
    let family = request(CONTROLLER, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, b"netdev\0");
    let family = match read(&exchange(libc::NETLINK_GENERIC, &family)?) {
        Ok(attributes) => attribute(attributes, CTRL_ATTR_FAMILY_ID).and_then(|value| u16_at(value, 0)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => None,
        Err(error) => return Err(error),
    };
    let Some(family) = family else { return Ok(None) };
    let device = request(family, NETDEV_CMD_DEV_GET, NETDEV_A_DEV_IFINDEX, &ifindex.to_ne_bytes());
    let answer = exchange(libc::NETLINK_GENERIC, &device)?;
    let attributes = read(&answer)?;
    let word = |kind| attribute(attributes, kind)?.first_chunk().copied().map(u64::from_ne_bytes);
    // Older kernels tell of nothing beside frames.
    let beside = word(NETDEV_A_DEV_XDP_RX_METADATA_FEATURES).unwrap_or(0);
    Ok(word(NETDEV_A_DEV_XDP_FEATURES).map(|hooks| XdpFeatures { hooks, beside }))
}

/// A request with one attribute.
fn request(family: u16, command: u8, kind: u16, value: &[u8]) -> Vec<u8> {
    const NLM_F_REQUEST: u16 = 1;
    let attribute = 4 + value.len();
    let len = HEADER + COMMAND + attribute.next_multiple_of(4);
    let mut bytes = Vec::with_capacity(len);
    bytes.extend((len as u32).to_ne_bytes());
    bytes.extend(family.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST.to_ne_bytes());
    bytes.extend([0; 8]); // sequence and port
    bytes.extend([command, 1, 0, 0]);
    bytes.extend((attribute as u16).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(len, 0);
    bytes
}

/// The attributes of an answer.
fn read(answer: &[u8]) -> io::Result<&[u8]> {
    let garbled = || io::Error::from(io::ErrorKind::InvalidData);
    if u16_at(answer, 4).ok_or_else(garbled)? == NLMSG_ERROR {
        let error = u32_at(answer, HEADER).ok_or_else(garbled)? as i32;
        return Err(io::Error::from_raw_os_error(error.wrapping_neg()));
    }
    // Whatever follows the message is not its own.
    let len = u32_at(answer, 0).ok_or_else(garbled)? as usize;
    answer.get(HEADER + COMMAND..len.min(answer.len())).ok_or_else(garbled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_laid_out_as_netlink_wants_it() {
        let bytes = request(16, 3, 2, b"netdev\0");
        assert_eq!(bytes.len(), 32);
        assert_eq!(u32_at(&bytes, 0), Some(32));
        assert_eq!(&bytes[16..24], &[3, 1, 0, 0, 11, 0, 2, 0]);
        assert_eq!(attribute(&bytes[20..], 2), Some(&b"netdev\0"[..]));
    }

    #[test]
    fn errors_and_garbage_are_errors() {
        let mut error = vec![0; 36];
        error[..4].copy_from_slice(&36_u32.to_ne_bytes());
        error[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        error[16..20].copy_from_slice(&(-libc::ENOENT).to_ne_bytes());
        assert_eq!(read(&error).expect_err("an error").raw_os_error(), Some(libc::ENOENT));
        for bytes in [&[][..], &[0; 3], &[0; 17], &[255; 19]] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn the_loopback_interface_has_no_native_xdp() {
        // Number 1 in every namespace.
        if let Ok(Some(features)) = xdp_features(1) {
            assert!(!features.native() && !features.zero_copy(), "{features:?}");
        }
        if let Ok(Some(features)) = xdp_features(0x7fff_fff0) {
            panic!("an interface that does not exist has {features:?}");
        }
    }
}
