//! What `vale-ctl` asks: the switches and their ports, and their settings.

use crate::member::{full_name, memory_of, stats_of};
use crate::registry::{Switch, entry_kind, entry_name};
use crate::{Flow, PortView, SwitchView, pipe, place, table};
use nm_core::ring::filled;
use nm_core::shm::layout::Layout;
use nm_core::sync::Ordering;
use nm_core::{PortError, sys};
use std::io::{self, ErrorKind};
use std::path::Path;

/// All switches that this user may see, by name. Dead ports are reaped on the way, and switches that nobody uses.
///
/// # Errors
/// [`PortError::Io`] when the folder of switches can't be read; none there is an empty list.
pub fn switches() -> Result<Vec<SwitchView>, PortError> {
    let base = place::base();
    let entries = match std::fs::read_dir(&base) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(place::refused(&base, e)),
    };
    let mut names: Vec<String> = entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
    names.retain(|n| n.starts_with("vale") || pipe::is_pipe(n));
    names.sort();
    // One that can't be read (another user's, garbage) does not hide the others.
    Ok(names.iter().filter_map(|n| Switch::open(n).ok()).filter_map(|s| view(&s)).collect())
}

fn view(switch: &Switch) -> Option<SwitchView> {
    if let Ok(registry) = switch.change() {
        registry.reap();
        registry.remove_if_idle();
    }
    let header = &switch.page.header;
    // ORDER: Relaxed, all of these: settings.
    let persistent = header.persistent.load(Ordering::Relaxed) != 0;
    let ports: Vec<PortView> = switch.taken().filter_map(|(index, _)| port_view(switch, index)).collect();
    if ports.is_empty() && !persistent {
        return None;
    }
    Some(SwitchView {
        name: switch.name.clone(),
        path: switch.path.clone(),
        pipe: pipe::is_pipe(&switch.name),
        persistent,
        flow: match header.flow_ms.load(Ordering::Relaxed) {
            0 => Flow::Drop,
            ms => Flow::WaitMs(ms.min(crate::MAX_FLOW_MS)),
        },
        learned: table::known(&switch.page.table, table::age_of(sys::realtime_ns())),
        ports,
    })
}

fn port_view(switch: &Switch, index: usize) -> Option<PortView> {
    let entry = &switch.page.ports[index];
    let kind = entry_kind(entry);
    let page = switch.port_page(index)?;
    // ORDER: Relaxed, all of these: for people who look.
    let layout = Layout::new(page.id.rx_slots.load(Ordering::Relaxed), page.id.tx_slots.load(Ordering::Relaxed))?;
    let (head, tail) = (page.drain.head.load(Ordering::Relaxed), page.fill.peek().tail());
    let filled = filled(layout.rx_slots, head, tail).unwrap_or(layout.rx_slots);
    Some(PortView {
        name: full_name(&switch.name, kind, &entry_name(entry)),
        kind,
        index: index as u32,
        pid: entry.pid.load(Ordering::Relaxed),
        stats: stats_of(&page),
        rx_slots: layout.rx_slots,
        rx_filled: filled,
        sleeping: page.sleep.armed.load(Ordering::Relaxed) != 0,
        stalled: page.space.stalled.load(Ordering::Relaxed) == head.wrapping_add(1),
        memory: memory_of(&page, &layout),
        other_end: page.id.other_end(),
    })
}

/// Makes a switch that stays without ports. `mode` is that of its folder (0o700, or 0o770 for a group).
///
/// # Errors
/// [`PortError`]; [`PortError::InUse`] when it exists.
pub fn create(switch: &str, mode: u32, gid: Option<u32>) -> Result<(), PortError> {
    let exists = Switch::open(switch);
    match exists {
        Err(PortError::NotFound { .. }) => {}
        Err(e) => return Err(e),
        Ok(s) => {
            // Left behind by owners that died: nobody's.
            let registry = s.change()?;
            registry.reap();
            // ORDER: Relaxed; a setting.
            let persistent = s.page.header.persistent.load(Ordering::Relaxed) != 0;
            if persistent || s.taken().next().is_some() {
                let source = io::Error::from(ErrorKind::AlreadyExists);
                return Err(PortError::Io { what: format!("{switch}: the switch exists"), source });
            }
        }
    }
    let s = Switch::open_or_make(switch)?;
    let registry = s.change()?;
    // ORDER: Relaxed; a setting.
    s.page.header.persistent.store(1, Ordering::Relaxed);
    set_access(&s.path, mode, gid).map_err(|e| {
        registry.remove_switch();
        place::refused(&s.path, e)
    })
}

fn set_access(path: &Path, mode: u32, gid: Option<u32>) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if let Some(gid) = gid {
        sys::set_group(path, gid)?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o777))
}

/// Removes a switch, also one whose files make no sense.
///
/// # Errors
/// [`PortError::InUse`] while it has live ports, [`PortError::NotFound`].
pub fn destroy(switch: &str) -> Result<(), PortError> {
    let s = match Switch::open(switch) {
        Ok(s) => s,
        Err(PortError::Corrupt { .. } | PortError::Version { .. }) => {
            return crate::registry::remove_unreadable(switch);
        }
        Err(e) => return Err(e),
    };
    let registry = s.change()?;
    registry.reap();
    if let Some((_, entry)) = s.taken().next() {
        return Err(PortError::InUse { port: full_name(switch, entry_kind(entry), &entry_name(entry)) });
    }
    registry.remove_switch();
    Ok(())
}

/// Sets what senders do when a receiver is full.
///
/// # Errors
/// [`PortError::NotFound`], [`PortError::Permission`].
pub fn set_flow(switch: &str, flow: Flow) -> Result<(), PortError> {
    let s = Switch::open(switch)?;
    let ms = match flow {
        Flow::Drop => 0,
        Flow::WaitMs(ms) => ms.clamp(1, crate::MAX_FLOW_MS),
    };
    // ORDER: Relaxed; a setting.
    s.page.header.flow_ms.store(ms, Ordering::Relaxed);
    Ok(())
}
