//! What tells one version of a file from the next.

use chrono::{DateTime, Utc};
use rustix::fs::Stat;

use crate::{Entry, Location};

/// A file's identity as the file system tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    size: u64,
    modified: Moment,
    /// The time of the inode's last change, which nobody can set: it gives away a file that was
    /// rewritten in place and had its modification time put back.
    changed: Moment,
}

/// Seconds since 1970 and the nanoseconds after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    seconds: i64,
    nanoseconds: u32,
}

impl Stamp {
    /// The stamp of the file that `stat` describes.
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: Moment {
                seconds: stat.st_mtime,
                nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
            },
            changed: Moment {
                seconds: stat.st_ctime,
                nanoseconds: u32::try_from(stat.st_ctime_nsec).unwrap_or(0),
            },
        }
    }

    /// The file's size in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Whether the file's modification time is one that a date can tell.
    pub(super) fn is_dated(&self) -> bool {
        self.modified.date().is_some()
    }

    /// The entry of the file at `location`.
    pub(super) fn entry(&self, location: Location) -> Entry {
        Entry {
            location,
            size: self.size,
            modified: self.modified.to_utc(),
            etag: Some(self.etag()),
        }
    }

    /// Whether both are of the same file with the same content, one perhaps after it was renamed.
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        // Renaming a file changes its inode, and so the time of that change, which does not count.
        Self {
            changed: other.changed,
            ..*self
        } == *other
    }

    fn etag(&self) -> String {
        let Self {
            inode,
            size,
            modified,
            changed,
        } = self;
        format!(
            "{inode:x}-{size:x}-{}.{:09}-{}.{:09}",
            modified.seconds, modified.nanoseconds, changed.seconds, changed.nanoseconds
        )
    }
}

impl Moment {
    /// The moment as a date, or the nearest one that there is: a file may claim any time.
    fn to_utc(self) -> DateTime<Utc> {
        self.date().unwrap_or(if self.seconds < 0 {
            DateTime::<Utc>::MIN_UTC
        } else {
            DateTime::<Utc>::MAX_UTC
        })
    }

    fn date(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(self.seconds, self.nanoseconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        inode: 0x2a,
        size: 16,
        modified: Moment {
            seconds: 1_767_225_600,
            nanoseconds: 5,
        },
        changed: Moment {
            seconds: 1_767_225_601,
            nanoseconds: 6,
        },
    };

    #[test]
    fn entry_tells_all() {
        let entry = STAMP.entry(Location::new("01.json"));
        assert_eq!(entry.size, 16);
        assert_eq!(
            entry.modified.to_rfc3339(),
            "2026-01-01T00:00:00.000000005+00:00"
        );
        let etag = "2a-10-1767225600.000000005-1767225601.000000006";
        assert_eq!(entry.etag.as_deref(), Some(etag));
    }

    #[test]
    fn every_difference_is_another_etag_and_only_renaming_the_same_file() {
        let later = Moment {
            seconds: STAMP.changed.seconds,
            nanoseconds: 7,
        };
        let check = |other: Stamp, same_file: bool| {
            assert_ne!(other.etag(), STAMP.etag(), "{other:?}");
            assert_eq!(other.is_same_file(&STAMP), same_file, "{other:?}");
        };
        check(Stamp { inode: 43, ..STAMP }, false);
        check(Stamp { size: 17, ..STAMP }, false);
        check(
            Stamp {
                modified: later,
                ..STAMP
            },
            false,
        );
        check(
            Stamp {
                changed: later,
                ..STAMP
            },
            true,
        );
    }

    #[test]
    fn any_time_is_a_date() {
        let check = |seconds, expect: DateTime<Utc>, is_dated| {
            let stamp = Stamp {
                modified: Moment {
                    seconds,
                    nanoseconds: 0,
                },
                ..STAMP
            };
            assert_eq!(stamp.modified.to_utc(), expect, "{seconds}");
            assert_eq!(stamp.is_dated(), is_dated, "{seconds}");
        };
        let (first, last) = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
        let last_second = DateTime::from_timestamp(last.timestamp(), 0).unwrap();
        check(0, DateTime::UNIX_EPOCH, true);
        check(-1, DateTime::from_timestamp(-1, 0).unwrap(), true);
        check(last.timestamp(), last_second, true);
        check(last.timestamp() + 1, last, false);
        check(i64::MAX, last, false);
        check(first.timestamp(), first, true);
        check(first.timestamp() - 1, first, false);
        check(i64::MIN, first, false);
    }
}
