//! Whether a program that we start would ignore `LD_PRELOAD`.
//!
//! The loader ignores it when the kernel says *secure execution* (AT_SECURE, getauxval(3), ld.so(8)), which it
//! does when the new process has rights that its real user has not. Found by trying, on Linux 6.18:
//!
//! | file | real root runs it | a plain user runs it |
//! |---|---|---|
//! | set-user-id to somebody | secure unless to root | secure unless to that user |
//! | set-group-id, executable by the group | secure unless to one's own group | the same |
//! | set-group-id, not executable by the group | not secure | not secure |
//! | capabilities with the effective flag | not secure | secure |
//! | permitted capabilities | not secure | secure, as far as the bounding set lets them through |
//! | inheritable capabilities only | not secure | secure only if the user has some of them inheritable |
//!
//! `no_new_privs` and a file system mounted nosuid switch the set-id bits off; nosuid also the capabilities.

use rustix::fs::StatVfsMountFlags;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const CAPABILITY_ATTRIBUTE: &str = "security.capability";
const REVISION_MASK: u32 = 0xff00_0000;
const REVISION_2: u32 = 0x0200_0000;
const EFFECTIVE: u32 = 1;

/// Why `LD_PRELOAD` would be ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The program is set-user-id.
    SetUser,
    /// The program is set-group-id.
    SetGroup,
    /// The program has file capabilities.
    Capabilities,
    /// The caller's effective ids are not its real ones.
    Caller,
}

impl Why {
    /// `it is set-user-id`
    pub fn clause(self) -> &'static str {
        match self {
            Why::SetUser => "it is set-user-id",
            Why::SetGroup => "it is set-group-id",
            Why::Capabilities => "it has file capabilities",
            Why::Caller => "your effective user or group is not your real one",
        }
    }
}

/// Who runs it.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Real and effective user.
    pub users: (u32, u32),
    /// Real and effective group.
    pub groups: (u32, u32),
    /// Capabilities that stay over an execve where the file lets them.
    pub inheritable: u64,
    /// Capabilities that an execve can give at most.
    pub bounding: u64,
    /// Has given up gaining rights.
    pub no_new_privs: bool,
}

impl Caller {
    /// This process.
    pub fn current() -> Caller {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        // Without /proc: nothing inheritable, everything in bounds, as it is for nearly everybody.
        let set = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        };
        Caller {
            users: (rustix::process::getuid().as_raw(), rustix::process::geteuid().as_raw()),
            groups: (rustix::process::getgid().as_raw(), rustix::process::getegid().as_raw()),
            inheritable: set("CapInh:").unwrap_or(0),
            bounding: set("CapBnd:").unwrap_or(u64::MAX),
            no_new_privs: rustix::thread::no_new_privs().unwrap_or(false),
        }
    }
}

/// What a file gives who runs it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rights {
    /// Its owner, if set-user-id.
    pub user: Option<u32>,
    /// Its group, if set-group-id.
    pub group: Option<u32>,
    /// Its capabilities.
    pub capabilities: Option<Capabilities>,
}

/// File capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The new process has them in effect at once.
    pub effective: bool,
    /// Given.
    pub permitted: u64,
    /// Given to who has them inheritable.
    pub inheritable: u64,
}

impl Rights {
    /// Those of a program's file. A file that can't be looked at gives none.
    pub fn of(path: &Path) -> Rights {
        let Ok(file) = std::fs::metadata(path) else { return Rights::default() };
        if rustix::fs::statvfs(path).is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::NOSUID)) {
            return Rights::default();
        }
        let has = |bits| file.mode() & bits == bits;
        let mut attribute = [0; 64];
        let len = rustix::fs::getxattr(path, CAPABILITY_ATTRIBUTE, &mut attribute[..]).unwrap_or(0);
        Rights {
            user: has(0o4000).then(|| file.uid()),
            group: has(0o2010).then(|| file.gid()),
            capabilities: parse_capabilities(&attribute[..len]),
        }
    }
}

/// `struct vfs_cap_data` of linux/capability.h. The kernel shows revision 3, with a root user of its own, only
/// outside of the user namespace where it counts.
fn parse_capabilities(attribute: &[u8]) -> Option<Capabilities> {
    let mut words = attribute.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    let magic = words.next().filter(|magic| magic & REVISION_MASK == REVISION_2)?;
    let mut next = || words.next().map(u64::from);
    let [permitted, inheritable, permitted_high, inheritable_high] = [next()?, next()?, next()?, next()?];
    Some(Capabilities {
        effective: magic & EFFECTIVE != 0,
        permitted: permitted | permitted_high << 32,
        inheritable: inheritable | inheritable_high << 32,
    })
}

/// Why `LD_PRELOAD` would be ignored, if it would.
pub fn ignored(caller: &Caller, file: &Rights) -> Option<Why> {
    let gains = |id: Option<u32>| id.filter(|_| !caller.no_new_privs);
    let (user, group) = (gains(file.user), gains(file.group));
    if user.unwrap_or(caller.users.1) != caller.users.0 {
        return Some(if user.is_some() { Why::SetUser } else { Why::Caller });
    }
    if group.unwrap_or(caller.groups.1) != caller.groups.0 {
        return Some(if group.is_some() { Why::SetGroup } else { Why::Caller });
    }
    let capabilities = file.capabilities.filter(|_| caller.users.0 != 0)?;
    let given = capabilities.permitted & caller.bounding | capabilities.inheritable & caller.inheritable;
    (capabilities.effective || given != 0).then_some(Why::Capabilities)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NET_RAW: u64 = 1 << 13;

    fn caller(user: u32) -> Caller {
        let ids = (user, user);
        Caller { users: ids, groups: ids, inheritable: 0, bounding: u64::MAX, no_new_privs: false }
    }

    fn capabilities(effective: bool, permitted: u64, inheritable: u64) -> Rights {
        Rights { capabilities: Some(Capabilities { effective, permitted, inheritable }), ..Rights::default() }
    }

    #[test]
    fn the_attribute_is_read_as_setcap_writes_it() {
        let raw_ep = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        let expected = Capabilities { effective: true, permitted: NET_RAW | 1 << 32, inheritable: 0 };
        assert_eq!(parse_capabilities(&raw_ep), Some(expected));
        assert_eq!(parse_capabilities(&raw_ep[..19]), None);
        assert_eq!(parse_capabilities(&[]), None);
        let other_namespace = [1, 0, 0, 3, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0];
        assert_eq!(parse_capabilities(&other_namespace), None);
    }

    #[test]
    fn inheritable_capabilities_count_for_who_has_them() {
        let file = capabilities(false, 0, NET_RAW);
        assert_eq!(ignored(&caller(1000), &file), None);
        let holder = Caller { inheritable: NET_RAW, ..caller(1000) };
        assert_eq!(ignored(&holder, &file), Some(Why::Capabilities));
        let bounded = Caller { bounding: !NET_RAW, ..caller(1000) };
        assert_eq!(ignored(&bounded, &capabilities(false, NET_RAW, 0)), None);
    }

    #[test]
    fn no_new_privs_switches_set_id_off_but_not_capabilities() {
        let careful = Caller { no_new_privs: true, ..caller(1000) };
        let file = Rights { user: Some(0), group: Some(0), ..capabilities(true, NET_RAW, 0) };
        assert_eq!(ignored(&careful, &file), Some(Why::Capabilities));
        assert_eq!(ignored(&caller(1000), &file), Some(Why::SetUser));
    }

    #[test]
    fn a_caller_with_borrowed_rights_is_told_so() {
        let borrowed = Caller { users: (1000, 0), ..caller(1000) };
        assert_eq!(ignored(&borrowed, &Rights::default()), Some(Why::Caller));
    }
}
