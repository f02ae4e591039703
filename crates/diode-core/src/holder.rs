//! Who holds a lock, as far as the kernel tells us: for messages alone, nothing is decided by it.

use std::fmt;
use std::fs::{self, File};
use std::os::fd::AsRawFd as _;

/// The name under which the kernel shows this program's processes.
const OUR_NAME: &str = "diode-import";

/// A process that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockHolder {
    /// The id of the process that took the lock, as it is seen from here. It may have ended: whoever has the
    /// locked file open by inheritance keeps it locked.
    pub pid: u32,
    /// The name of the program that it runs, which it can choose itself; `None`: it cannot be seen.
    pub program: Option<String>,
    /// In whose name it runs; `None`: that cannot be seen.
    pub user: Option<LocalUser>,
}

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalUser {
    /// Its number.
    pub uid: u32,
    /// Its name, where `/etc/passwd` has one.
    pub name: Option<String>,
}

impl LockHolder {
    /// The process that holds a `flock` lock on a file.
    ///
    /// `None`: it cannot be seen, as where it runs in another container, or `/proc` is closed to us.
    /// Nothing is waited for, and no file is read but those of `/proc`, and `/etc/passwd`.
    pub(crate) fn of(file: &File) -> Option<Self> {
        let read = |path: String| fs::read_to_string(path).ok();
        let about = read(format!("/proc/self/fdinfo/{}", file.as_raw_fd()))?;
        let place = place(&about, &read("/proc/self/mountinfo".into())?)?;
        let pid = holder(&read("/proc/locks".into())?, &place)?;
        let name = read(format!("/proc/{pid}/comm"));
        let uid = read(format!("/proc/{pid}/status")).and_then(|status| effective_uid(&status));
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        Some(Self {
            pid,
            program: name.map(|name| name.trim_end_matches('\n').to_owned()),
            user: uid.map(|uid| LocalUser {
                uid,
                name: name_of(uid, &users),
            }),
        })
    }

    /// Whether it may be one of ours, going by its name.
    pub(crate) fn may_be_ours(&self) -> bool {
        self.program.as_ref().is_none_or(|name| name == OUR_NAME)
    }
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        if let Some(name) = &self.program {
            write!(f, " ({name:?})")?;
        }
        match &self.user {
            None if self.program.is_none() => write!(
                f,
                ", which cannot be seen: it may have ended, and left the locked file to another"
            ),
            None => write!(f, " of a user that cannot be seen"),
            Some(LocalUser { uid, name: None }) => write!(f, " of user {uid}"),
            Some(LocalUser {
                uid,
                name: Some(name),
            }) => write!(f, " of user {name:?} ({uid})"),
        }
    }
}

/// Where the kernel's list of locks has an open file, `MAJOR:MINOR:INODE`, from what it tells of the open
/// file and of the mounts. What `stat` tells of the device differs from that on some file systems.
fn place(about: &str, mounts: &str) -> Option<String> {
    let field = |key: &str| {
        let mut lines = about.lines();
        lines.find_map(|line| line.strip_prefix(key)).map(str::trim)
    };
    let (mount, inode) = (field("mnt_id:")?, field("ino:")?);
    let mut mounts = mounts.lines().map(str::split_ascii_whitespace);
    let device = mounts.find_map(|mut fields| {
        let is_it = fields.next() == Some(mount);
        is_it.then(|| fields.nth(1)).flatten()
    })?;
    let (major, minor) = device.split_once(':')?;
    let (major, minor) = (major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?);
    Some(format!("{major:02x}:{minor:02x}:{inode}"))
}

/// The process that has locked a file, in the form of `/proc/locks`. Who waits for a lock has `->` in its
/// line, and does not count.
fn holder(locks: &str, place: &str) -> Option<u32> {
    locks.lines().find_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        match fields[..] {
            [_, "FLOCK", _, _, pid, at, ..] if at == place => pid.parse().ok(),
            _ => None,
        }
    })
}

/// In whose name a process acts, in the form of `/proc/PID/status`.
fn effective_uid(status: &str) -> Option<u32> {
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    uids.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn name_of(uid: u32, users: &str) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "21 1 254:0 / / rw - ext4 /dev/vda rw\n\
                          27 21 0:50 / /data rw - btrfs /dev/vdb rw\n";
    const LOCKS: &str = "1: POSIX  ADVISORY  WRITE 5 00:32:77 0 EOF\n\
                         2: -> FLOCK  ADVISORY  WRITE 6 00:32:77 0 EOF\n\
                         3: FLOCK  ADVISORY  WRITE 8 fe:00:77 0 EOF\n\
                         4: FLOCK  ADVISORY  WRITE 7 00:32:77 0 EOF\n";

    #[test]
    fn a_file_is_found_in_the_list_of_locks() {
        let about = |mount: &str| format!("pos:\t0\nflags:\t02\nmnt_id:\t{mount}\nino:\t77\n");
        for (mount, at, pid) in [
            ("27", Some("00:32:77"), Some(7)),
            ("21", Some("fe:00:77"), Some(8)),
            ("2", None, None),
        ] {
            let place = place(&about(mount), MOUNTS);
            assert_eq!(place.as_deref(), at, "{mount}");
            let found = place.and_then(|place| holder(LOCKS, &place));
            assert_eq!(found, pid, "{mount}");
        }
        assert_eq!(place("pos:\t0\nmnt_id:\t27\n", MOUNTS), None);
        assert_eq!(holder(LOCKS, "00:32:7"), None);
        for nonsense in [
            "",
            "\n\n",
            "1: FLOCK",
            "1: FLOCK ADVISORY WRITE x 00:32:77 0 EOF",
        ] {
            assert_eq!(holder(nonsense, "00:32:77"), None, "{nonsense}");
        }
    }

    #[test]
    fn its_user_is_the_one_that_it_acts_for() {
        let status = "Name:\tdiode-import\nUid:\t1000\t1001\t1002\t1003\nGid:\t1\t1\t1\t1\n";
        assert_eq!(effective_uid(status), Some(1001));
        assert_eq!(effective_uid("Name:\tx\n"), None);
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\nfeed:x:1001:1001::/:/bin/sh\n";
        assert_eq!(name_of(1001, users).as_deref(), Some("feed"));
        assert_eq!(name_of(7, users), None);
    }

    #[test]
    fn it_is_told_as_far_as_it_is_known() {
        let user = |name: Option<&str>| {
            let name = name.map(str::to_owned);
            Some(LocalUser { uid: 1001, name })
        };
        let told = |program: Option<&str>, user| {
            let program = program.map(str::to_owned);
            let holder = LockHolder {
                pid: 7,
                program,
                user,
            };
            (holder.to_string(), holder.may_be_ours())
        };
        let expect = r#"process 7 ("diode-import") of user "feed" (1001)"#;
        let found = told(Some(OUR_NAME), user(Some("feed")));
        assert_eq!(found, (expect.to_owned(), true));
        let expect = r#"process 7 ("a\nb\u{1b}") of user 1001"#;
        let found = told(Some("a\nb\u{1b}"), user(None));
        assert_eq!(found, (expect.to_owned(), false));
        let expect = r#"process 7 ("diode-import") of a user that cannot be seen"#;
        assert_eq!(told(Some(OUR_NAME), None).0, expect);
        let expect = "process 7, which cannot be seen: it may have ended, and left the locked file to another";
        assert_eq!(told(None, None), (expect.to_owned(), true));
    }

    #[test]
    fn who_holds_a_lock_is_seen_and_whoever_let_go_is_not() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("file")] {
            if !path.exists() {
                fs::write(&path, "").unwrap();
            }
            let (ours, other) = (File::open(&path).unwrap(), File::open(&path).unwrap());
            assert_eq!(LockHolder::of(&other), None);
            ours.lock().unwrap();
            let holder = LockHolder::of(&other).unwrap();
            assert_eq!(holder.pid, std::process::id());
            assert!(holder.program.is_some() && holder.user.is_some());
            drop(ours);
            assert_eq!(LockHolder::of(&other), None);
        }
    }
}
