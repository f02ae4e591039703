//! From an I/O error to a [`SourceError`].

use std::io::{self, ErrorKind};

use crate::SourceError;

/// The error of `action` on `place`.
pub(super) fn failed(
    action: &'static str,
    place: impl Into<String>,
    source: io::Error,
) -> SourceError {
    SourceError {
        action,
        place: place.into(),
        transient: is_transient(&source),
        read_only: is_read_only(action, &source),
        source: Box::new(source),
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

/// Whether it is a change that was not permitted.
fn is_read_only(action: &str, error: &io::Error) -> bool {
    !matches!(action, "use" | "list" | "read" | "watch")
        && matches!(
            error.kind(),
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
        )
}

#[cfg(test)]
mod tests {
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
        assert!(!is_transient(&rustix::io::Errno::LOOP.into()), "ELOOP");
    }

    #[test]
    fn only_a_change_that_is_not_permitted_makes_a_place_read_only() {
        let check = |action, kind: ErrorKind, expect: bool| {
            assert_eq!(
                failed(action, "", kind.into()).read_only,
                expect,
                "{action} {kind:?}"
            );
        };
        check("remove", ErrorKind::PermissionDenied, true);
        check("set aside", ErrorKind::ReadOnlyFilesystem, true);
        check("remove", ErrorKind::NotFound, false);
        check("read", ErrorKind::PermissionDenied, false);
        check("list", ErrorKind::PermissionDenied, false);
    }
}
