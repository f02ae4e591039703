//! Claims: one process at a time on one ledger and one folder.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::holder::LockHolder;
use crate::private::{create_private_folder, open_private_file};

/// The file in the state folder that stands for the ledger. It is only ever locked.
const LOCK_FILE: &str = "ledger.lock";

/// What was claimed, for as long as this value lives. A process that dies, however it does, lets go
/// of its claims.
#[derive(Debug)]
pub struct Claim {
    what: Claimed,
    _locked: File,
}

/// What can be claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The ledger in this state folder.
    Ledger(PathBuf),
    /// The files in this folder. Nothing is written there: the folder itself is locked.
    Folder(PathBuf),
}

impl Claimed {
    /// The place, for messages.
    pub fn place(&self) -> &Path {
        match self {
            Self::Ledger(path) | Self::Folder(path) => path,
        }
    }
}

/// Why something was not claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another process has it.
    #[error("{}", taken(place, holder.as_ref()))]
    Taken {
        /// The place.
        place: PathBuf,
        /// That process, where it can be seen from here.
        holder: Option<LockHolder>,
    },
    /// It cannot be opened or locked: the folder is missing, or its file system has no locks.
    #[error("cannot lock {}", place.display())]
    Unlockable {
        /// The place.
        place: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl Claim {
    /// What was claimed.
    pub fn what(&self) -> &Claimed {
        &self.what
    }

    /// Claims something, if no other process has it now.
    ///
    /// The lock is the kernel's own (`flock`): it holds between processes of one machine, whatever
    /// containers they are in.
    ///
    /// ```
    /// use diode_core::{Claim, ClaimError, Claimed};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let inbox = Claimed::Folder(folder.path().to_owned());
    /// let claim = Claim::take(&inbox)?;
    /// assert!(matches!(Claim::take(&inbox), Err(ClaimError::Taken { .. })));
    /// drop(claim);
    /// assert!(Claim::take(&inbox).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ClaimError`]
    pub fn take(what: &Claimed) -> Result<Self, ClaimError> {
        let unlockable = |source| ClaimError::Unlockable {
            place: what.place().to_owned(),
            source,
        };
        let file = open(what).map_err(unlockable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self {
                what: what.clone(),
                _locked: file,
            }),
            Err(TryLockError::WouldBlock) => Err(ClaimError::Taken {
                place: what.place().to_owned(),
                holder: LockHolder::of(&file),
            }),
            Err(TryLockError::Error(source)) => Err(unlockable(source)),
        }
    }
}

fn taken(place: &Path, holder: Option<&LockHolder>) -> String {
    let place = place.display();
    match holder {
        Some(holder) if holder.may_be_ours() => {
            format!("another diode-import is at work on {place}: {holder}")
        }
        Some(holder) => format!("another program has locked {place}: {holder}"),
        None => format!(
            "another diode-import is at work on {place}; its process cannot be seen from here, as where \
             it runs in another container"
        ),
    }
}

fn open(what: &Claimed) -> io::Result<File> {
    match what {
        Claimed::Ledger(folder) => {
            create_private_folder(folder)?;
            open_private_file(&folder.join(LOCK_FILE))
        }
        Claimed::Folder(folder) => File::open(folder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_claim_at_a_time_on_each_thing() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Claimed::Ledger(folder.path().join("state"));
        let inbox = Claimed::Folder(folder.path().to_owned());
        for what in [&ledger, &inbox] {
            let first = Claim::take(what).unwrap();
            let error = Claim::take(what).unwrap_err();
            assert!(matches!(error, ClaimError::Taken { .. }), "{error}");
            let told = error.to_string();
            assert!(
                told.contains(&format!("process {}", std::process::id())),
                "{told}"
            );
            drop(first);
            Claim::take(what).unwrap();
        }
        let entries = std::fs::read_dir(folder.path()).unwrap();
        assert_eq!(entries.count(), 1, "only the state folder is written to");
    }

    #[test]
    fn what_is_not_there_cannot_be_locked() {
        let folder = tempfile::tempdir().unwrap();
        let error = Claim::take(&Claimed::Folder(folder.path().join("missing"))).unwrap_err();
        assert!(matches!(error, ClaimError::Unlockable { .. }), "{error}");
    }
}
