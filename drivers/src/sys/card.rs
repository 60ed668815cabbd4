//! What an interface's card tells: how many queues it has, its driver, its clock.

use super::check;
use super::interface::Request;
use std::io;
use std::os::fd::AsRawFd;

/// `struct ethtool_channels`.
#[repr(C)]
#[derive(Default)]
struct Channels {
    command: u32,
    max: [u32; 4],
    rx: u32,
    tx: u32,
    other: u32,
    combined: u32,
}

const ETHTOOL_GCHANNELS: u32 = 0x3c;

/// The receive queues of an interface: 1 where its driver does not tell.
pub fn receive_queues(name: &str) -> u32 {
    let Ok(socket) = super::interface::control_socket() else { return 1 };
    let mut channels = Channels { command: ETHTOOL_GCHANNELS, ..Channels::default() };
    let Some(mut request) = Request::named(name) else { return 1 };
    request.0.ifr_ifru.ifru_data = (&raw mut channels).cast();
    // The struct lives until the call is over, and nobody uses the pointer later.
    if request.call(&socket, libc::SIOCETHTOOL).is_ok() {
        return (channels.rx + channels.combined).max(1);
    }
    sysfs_queues(name).unwrap_or(1)
}

/// The driver of an interface, by its own name; `None` where it does not tell.
pub fn driver(name: &str) -> Option<String> {
    const ETHTOOL_GDRVINFO: u32 = 0x3;
    /// `struct ethtool_drvinfo`: a command, then the driver's name in 32 bytes, and more.
    #[repr(C)]
    struct Info {
        command: u32,
        driver: [u8; 32],
        rest: [u8; 160],
    }
    const _: () = assert!(size_of::<Info>() == 196);
    let socket = super::interface::control_socket().ok()?;
    let mut info = Info { command: ETHTOOL_GDRVINFO, driver: [0; 32], rest: [0; 160] };
    let mut request = Request::named(name)?;
    request.0.ifr_ifru.ifru_data = (&raw mut info).cast();
    // The struct lives until the call is over, and nobody uses the pointer later.
    request.call(&socket, libc::SIOCETHTOOL).ok()?;
    let text: Vec<u8> = info.driver.iter().copied().take_while(|byte| *byte != 0).collect();
    (!text.is_empty()).then(|| String::from_utf8_lossy(&text).into_owned())
}

/// Whether the card takes VLAN tags out of the frames that it receives (`rxvlan`); false where it does not tell.
pub fn takes_out_tags(name: &str) -> bool {
    const ETHTOOL_GFLAGS: u32 = 0x25;
    const ETH_FLAG_RXVLAN: u32 = 1 << 8;
    /// `struct ethtool_value`: a command, and the answer.
    #[repr(C)]
    struct Value {
        command: u32,
        data: u32,
    }
    let Ok(socket) = super::interface::control_socket() else { return false };
    let mut value = Value { command: ETHTOOL_GFLAGS, data: 0 };
    let Some(mut request) = Request::named(name) else { return false };
    request.0.ifr_ifru.ifru_data = (&raw mut value).cast();
    // The struct lives until the call is over, and nobody uses the pointer later.
    request.call(&socket, libc::SIOCETHTOOL).is_ok() && value.data & ETH_FLAG_RXVLAN != 0
}

/// Whether frames that an interface receives may have their VLAN tags beside them when the network stack gets them: a card takes them
/// out, or another interface's frames come here, whose tags the kernel has taken out on their way (a bridge, macvlan, bond, or a
/// cable's other end).
pub fn tags_beside(name: &str, ifindex: u32) -> bool {
    takes_out_tags(name) || matches!(super::netlink::kind(ifindex), Ok(Some(_)))
}

/// What sysfs tells; it may be another namespace's, where an interface of the same name has another number.
fn sysfs_queues(name: &str) -> Option<u32> {
    let folder = std::path::Path::new("/sys/class/net").join(name);
    let number: u32 = std::fs::read_to_string(folder.join("ifindex")).ok()?.trim().parse().ok()?;
    if super::interface::Interface::find(name).ok()?.index != number {
        return None;
    }
    let entries = std::fs::read_dir(folder.join("queues")).ok()?;
    let count = entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with("rx-")).count();
    (count > 0).then_some(count as u32)
}

/// What an interface can tell about the times of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StampInfo {
    /// `SOF_TIMESTAMPING_*`.
    pub kinds: u32,
    /// `1 << HWTSTAMP_FILTER_*`, for received frames.
    pub filters: u32,
    /// The card's clock: N of `/dev/ptpN`.
    pub clock: Option<u32>,
}

impl StampInfo {
    /// The host stamps received frames (`SOF_TIMESTAMPING_SOFTWARE`).
    pub fn software(self) -> bool {
        self.kinds & 1 << 4 != 0
    }

    /// The card's stamps are told as they are (`SOF_TIMESTAMPING_RAW_HARDWARE`).
    pub fn raw_hardware(self) -> bool {
        self.kinds & 1 << 6 != 0
    }

    /// The card stamps every frame that it receives (`HWTSTAMP_FILTER_ALL`), not those of a protocol alone.
    pub fn all_frames(self) -> bool {
        self.filters & 1 << HWTSTAMP_FILTER_ALL != 0
    }
}

const HWTSTAMP_FILTER_ALL: libc::c_int = 1;

/// Asks an interface about stamps (`ETHTOOL_GET_TS_INFO`).
///
/// # Errors
/// `ENODEV`, and `EOPNOTSUPP` or `EINVAL` of kernels and drivers that can't be asked.
pub fn stamp_info(name: &str) -> io::Result<StampInfo> {
    const ETHTOOL_GET_TS_INFO: u32 = 0x41;
    /// `struct ethtool_ts_info`.
    #[repr(C)]
    #[derive(Default)]
    struct Info {
        command: u32,
        kinds: u32,
        clock: i32,
        transmit: [u32; 4],
        filters: u32,
        reserved: [u32; 3],
    }
    const _: () = assert!(size_of::<Info>() == 44);
    let mut info = Info { command: ETHTOOL_GET_TS_INFO, ..Info::default() };
    let mut request = Request::named(name).ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))?;
    request.0.ifr_ifru.ifru_data = (&raw mut info).cast();
    // The struct lives until the call is over, and nobody uses the pointer later.
    request.call(&super::interface::control_socket()?, libc::SIOCETHTOOL)?;
    Ok(StampInfo { kinds: info.kinds, filters: info.filters, clock: u32::try_from(info.clock).ok() })
}

/// From now on the card stamps every frame that it receives (`SIOCSHWTSTAMP`). What it does with frames that are sent stays as it is.
///
/// # Errors
/// `EPERM` without `CAP_NET_ADMIN`, unless it does so already; `EOPNOTSUPP`, `ERANGE` where it can't.
pub fn stamp_all_frames(name: &str) -> io::Result<()> {
    const SIOCSHWTSTAMP: libc::c_ulong = 0x89b0;
    const SIOCGHWTSTAMP: libc::c_ulong = 0x89b1;
    /// `struct hwtstamp_config`.
    #[repr(C)]
    #[derive(Default)]
    struct Config {
        flags: libc::c_int,
        transmit: libc::c_int,
        receive: libc::c_int,
    }
    let socket = super::interface::control_socket()?;
    let mut config = Config::default();
    let mut request = Request::named(name).ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))?;
    request.0.ifr_ifru.ifru_data = (&raw mut config).cast();
    // The struct lives until the last call is over, and nobody uses the pointer later. A driver may not tell.
    if request.call(&socket, SIOCGHWTSTAMP).is_ok() && config.receive == HWTSTAMP_FILTER_ALL {
        return Ok(());
    }
    config.receive = HWTSTAMP_FILTER_ALL;
    request.0.ifr_ifru.ifru_data = (&raw mut config).cast();
    request.call(&socket, SIOCSHWTSTAMP)
}

/// A card's own clock: `/dev/ptpN`, closed when this is dropped.
#[derive(Debug)]
pub struct CardClock {
    clock: libc::clockid_t,
    _device: Option<std::fs::File>,
}

impl CardClock {
    /// The clock of this number.
    ///
    /// # Errors
    /// What open(2) says: `EACCES` for who may not read it.
    pub fn open(number: u32) -> io::Result<CardClock> {
        let device = std::fs::File::open(format!("/dev/ptp{number}"))?;
        // FD_TO_CLOCKID of linux/posix-timers.h: a descriptor as a clock.
        let clock = CardClock { clock: (!device.as_raw_fd()) << 3 | 3, _device: Some(device) };
        clock.now_ns().map(|_| clock)
    }

    /// The host's CLOCK_MONOTONIC in a card's place, where there is no card with a clock: for tests.
    pub fn monotonic() -> CardClock {
        CardClock { clock: libc::CLOCK_MONOTONIC, _device: None }
    }

    /// Its time, nanoseconds since its epoch.
    ///
    /// # Errors
    /// What clock_gettime(2) says: `ENODEV` when the card is gone.
    pub fn now_ns(&self) -> io::Result<u64> {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: rules 1 and 3.
        check(unsafe { libc::clock_gettime(self.clock, &mut time) }.into())?;
        Ok(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_tells_nothing_has_one_queue() {
        assert_eq!(receive_queues("lo"), 1);
        assert_eq!(receive_queues("no such name"), 1);
    }

    #[test]
    fn the_loopback_interface_has_no_tags() {
        let lo = super::super::interface::Interface::find("lo").expect("every namespace has one");
        assert!(!takes_out_tags("lo") && !tags_beside("lo", lo.index));
        assert!(!takes_out_tags("no such name"));
    }

    #[test]
    fn the_loopback_interface_stamps_nothing_itself() {
        let info = stamp_info("lo").expect("the kernel answers for it");
        assert!(info.software() && !info.raw_hardware() && !info.all_frames() && info.clock.is_none(), "{info:?}");
        assert_eq!(stamp_info("no such name").expect_err("none").raw_os_error(), Some(libc::ENODEV));
        assert!(stamp_all_frames("lo").is_err());
        assert!(CardClock::open(4_000_000_000).is_err());
    }
}
