//! Whose clock the times of frames are of: pcap_set_tstamp_type(3PCAP)'s `host`, `adapter` and `adapter_unsynced`.
//!
//! | asked for | a frame's time | of a frame that the card did not stamp |
//! |---|---|---|
//! | `host` | the host's | |
//! | `adapter` | the card's, put on the system's clock | the host's |
//! | `adapter_unsynced` | the card's, as it is | the host's |
//!
//! libpcap leaves `adapter` to the kernel (`SOF_TIMESTAMPING_SYS_HARDWARE`), which converts nothing since Linux 3.17, so that it offers it
//! nowhere. Here it is converted, by the card's clock device: one clock for several cards is what it is asked for.
//!
//! The card is told to stamp all frames, as libpcap tells it (`SIOCSHWTSTAMP`), and not told to stop: another capture may count on it.
//! Other than libpcap, we leave what it does with frames that are sent as it was: a PTP daemon may count on that.
//!
//! **Not tested on a card**: no card here has a clock. Programs, metadata and conversion are, on cables; see `tests/card/stamps.rs`.

use crate::af_xdp::Mode;
use crate::bpf::btf::Function;
use crate::choice::Way;
use crate::sys::card::{CardClock, StampInfo, stamp_all_frames, stamp_info};
use crate::sys::interface::Interface;
use crate::sys::netdev::xdp_features;
use nm_core::PortError;
use nm_core::name::NetmapName;
use std::sync::Arc;

/// Whose clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stamping {
    /// The host's.
    #[default]
    Host,
    /// The card's, put on the system's clock.
    Card,
    /// The card's, as it is.
    CardUnsynced,
}

/// How a port's reader has the times that the card told.
#[derive(Clone, Debug)]
pub enum CardTimes {
    /// As they are.
    Unsynced,
    /// Put on the system's clock, by what this one shows.
    Synced(Arc<CardClock>),
}

/// What may be asked of a card whose frames come this way, in libpcap's order; empty where there is no choice but the host's clock, as
/// libpcap has it: also where a card stamps the frames of some protocol alone.
pub fn offered(ifname: &str, ifindex: u32, way: Way) -> Vec<Stamping> {
    match stamp_info(ifname) {
        Ok(info) if is_told(ifindex, way) => choice(info, |number| CardClock::open(number).is_ok()),
        _ => Vec::new(),
    }
}

/// Whether there is a choice at all, by whatever way the frames come: most cards stamp none, or not all.
pub(crate) fn may_choose(ifname: &str) -> bool {
    stamp_info(ifname).is_ok_and(has_raw)
}

fn has_raw(info: StampInfo) -> bool {
    info.all_frames() && info.raw_hardware()
}

fn choice(info: StampInfo, has_clock: impl Fn(u32) -> bool) -> Vec<Stamping> {
    let raw = has_raw(info);
    let kinds = [
        (Stamping::Host, info.all_frames() && info.software()),
        (Stamping::Card, raw && info.clock.is_some_and(has_clock)),
        (Stamping::CardUnsynced, raw),
    ];
    kinds.into_iter().filter(|kind| kind.1).map(|kind| kind.0).collect()
}

/// Whether a card's stamps come this way.
fn is_told(ifindex: u32, way: Way) -> bool {
    match way {
        Way::Packet => true,
        Way::Xdp(Mode::ZeroCopy | Mode::Native) => {
            matches!(xdp_features(ifindex), Ok(Some(f)) if f.receive_times())
                && Function::ReceiveTime.number().is_some()
        }
        // Programs of the network stack can't ask; the module's slots have the time of the sync.
        Way::Xdp(Mode::Generic) | Way::Module => false,
    }
}

/// Makes a card stamp its frames. `None`: they will have the host's times, since that was asked for, or the card can't.
///
/// # Errors
/// [`PortError::Denied`] in libpcap's words, [`PortError::Io`].
pub(crate) fn begin(name: &NetmapName, way: Way, asked: Stamping) -> Result<Option<CardTimes>, PortError> {
    if asked == Stamping::Host {
        return Ok(None);
    }
    let ifname = &name.ifname;
    // What is wrong with the name its driver says.
    if !Interface::find(ifname).is_ok_and(|card| is_told(card.index, way)) {
        return Ok(None);
    }
    let times = match asked {
        Stamping::CardUnsynced => CardTimes::Unsynced,
        _ => match stamp_info(ifname).ok().and_then(|info| CardClock::open(info.clock?).ok()) {
            Some(clock) => CardTimes::Synced(Arc::new(clock)),
            None => return Ok(None),
        },
    };
    match stamp_all_frames(ifname) {
        Ok(()) => Ok(Some(times)),
        Err(source) => match source.raw_os_error() {
            Some(libc::EOPNOTSUPP | libc::ERANGE) => Ok(None),
            Some(libc::EPERM) => {
                let what = "Attempt to set hardware timestamp failed - CAP_NET_ADMIN may be required".into();
                Err(PortError::Denied { port: name.to_string(), what, source })
            }
            _ => Err(PortError::Io { what: format!("{name}: SIOCSHWTSTAMP"), source }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `SOF_TIMESTAMPING_*` of a card with a clock: transmit, receive and raw hardware stamps, and the host's.
    const ALL_KINDS: u32 = 0x5f;
    const HOST: u32 = 0x18;

    #[test]
    fn a_card_that_stamps_all_frames_offers_its_clock_and_others_no_choice() {
        use Stamping::{Card, CardUnsynced, Host};
        let of = |kinds, filters, clock| choice(StampInfo { kinds, filters, clock }, |number| number == 0);
        assert_eq!(of(ALL_KINDS, 0b11, Some(0)), [Host, Card, CardUnsynced]);
        // A clock that can't be read, or none.
        assert_eq!(of(ALL_KINDS, 0b11, Some(1)), [Host, CardUnsynced]);
        assert_eq!(of(ALL_KINDS, 0b11, None), [Host, CardUnsynced]);
        // The frames of a protocol alone.
        assert_eq!(of(ALL_KINDS, 0b1000_0000_0000_0001, Some(0)), []);
        assert_eq!(of(HOST, 0b11, None), [Host]);
        assert_eq!(of(HOST, 0, None), []);
    }
}
