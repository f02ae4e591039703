//! From an I/O error to a [`SourceError`].

use std::io::{self, ErrorKind};

use crate::SourceError;

/// What went wrong, and with how much.
#[derive(Debug)]
pub(super) struct Trouble {
    error: io::Error,
    /// Whether it is with every change of the kind, and not with this file alone.
    is_of_all: bool,
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self {
            error,
            is_of_all: false,
        }
    }
}

impl Trouble {
    /// The trouble of changing a file, in folders of which `may_write` tells whether all of them may
    /// be written to as far as they themselves go.
    ///
    /// What the system does not permit for one file it may permit for the next: in a folder with a
    /// sticky bit what is another user's stays, and so does what was made immutable.
    pub(super) fn of_change(error: io::Error, may_write: impl FnOnce() -> bool) -> Self {
        let is_of_all = match error.kind() {
            ErrorKind::ReadOnlyFilesystem => true,
            ErrorKind::PermissionDenied => !may_write(),
            _ => false,
        };
        Self { error, is_of_all }
    }

    /// The trouble of opening a folder that is needed for every file.
    pub(super) fn of_folder(error: io::Error) -> Self {
        Self::of_change(error, || false)
    }
}

/// The error of `action` on `place`.
pub(super) fn failed(
    action: &'static str,
    place: impl Into<String>,
    trouble: impl Into<Trouble>,
) -> SourceError {
    let Trouble { error, is_of_all } = trouble.into();
    SourceError {
        action,
        place: place.into(),
        transient: is_transient(&error),
        read_only: is_of_all,
        source: Box::new(error),
    }
}

/// Whether the cause may pass by itself.
///
/// What is missing may be mounted later, a full disk may be emptied, a server may come back; what
/// is forbidden, read-only or of the wrong kind stays so until somebody acts.
fn is_transient(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::InvalidInput
            | ErrorKind::InvalidFilename
            | ErrorKind::Unsupported
    ) && error.raw_os_error() != Some(rustix::io::Errno::LOOP.raw_os_error())
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn what_may_pass_is_transient() {
        let check = |kind: ErrorKind, expect: bool| {
            assert_eq!(is_transient(&kind.into()), expect, "{kind:?}");
        };
        check(ErrorKind::NotFound, true);
        check(ErrorKind::StorageFull, true);
        check(ErrorKind::TimedOut, true);
        check(ErrorKind::StaleNetworkFileHandle, true);
        check(ErrorKind::PermissionDenied, false);
        check(ErrorKind::ReadOnlyFilesystem, false);
        check(ErrorKind::NotADirectory, false);
        check(ErrorKind::InvalidInput, false);
        assert!(!is_transient(&Errno::LOOP.into()), "ELOOP");
    }

    #[test]
    fn only_what_is_the_matter_with_all_makes_a_place_read_only() {
        let check = |errno: Errno, may_write: bool, expect: bool| {
            let trouble = Trouble::of_change(errno.into(), || may_write);
            assert_eq!(
                failed("remove", "", trouble).read_only,
                expect,
                "{errno:?} {may_write}"
            );
        };
        check(Errno::ROFS, true, true);
        check(Errno::ACCESS, false, true);
        check(Errno::ACCESS, true, false);
        check(Errno::PERM, true, false);
        // As in a folder that was made immutable itself.
        check(Errno::PERM, false, true);
        check(Errno::BUSY, false, false);
        check(Errno::NOENT, false, false);
        assert!(!failed("list", "", io::Error::from(Errno::ACCESS)).read_only);
    }
}
