//! Files and folders that no other user of this machine may look into.

use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// What the user that we run as may do with a folder of ours: all.
const FOLDER: u32 = 0o700;

/// What the user that we run as may do with a file of ours.
const FILE: u32 = 0o600;

/// The bits of a mode that are about others than the owner.
const OTHERS: u32 = 0o077;

/// The bit of a folder in which nobody may touch the files of others, such as `/tmp`.
const STICKY: u32 = 0o1000;

/// Makes a folder that is missing, and those above it. One that is there stays as it is.
///
/// # Errors
/// Those of making a folder.
pub fn create_private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER)
        .create(folder)
}

/// Opens a file for writing, and makes it where it is missing. Its content stays. Where others may look
/// into it, they may not from then on, as far as we can change that.
///
/// # Errors
/// Those of opening a file.
pub fn open_private_file(path: &Path) -> io::Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(FILE)
        .open(path)?;
    if file.metadata()?.permissions().mode() & OTHERS != 0 {
        // It may belong to somebody else, as where a state folder is shared; then it is for them to say.
        drop(file.set_permissions(Permissions::from_mode(FILE)));
    }
    Ok(file)
}

/// The mode of a folder that others may look into; `None`: they may not, or it is one in which each user's
/// files are safe from others.
///
/// # Errors
/// Those of looking at the folder.
pub fn open_to_others(folder: &Path) -> io::Result<Option<u32>> {
    let mode = folder.metadata()?.permissions().mode() & 0o7777;
    Ok(Some(mode).filter(|mode| mode & OTHERS != 0 && mode & STICKY == 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Claim, Claimed, Ledger};

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn all_that_is_kept_is_our_user_s_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("state");
        let _claim = Claim::take(&Claimed::Ledger(folder.clone())).unwrap();
        let _ledger = Ledger::open(&folder).unwrap();
        assert_eq!(mode(&folder), FOLDER);
        let entries = std::fs::read_dir(&folder).unwrap();
        let names: Vec<_> = entries
            .map(|entry| {
                let path = entry.unwrap().path();
                assert_eq!(mode(&path), FILE, "{}", path.display());
                path
            })
            .collect();
        assert!(names.len() >= 3, "ledger, its log, and the lock: {names:?}");
        assert_eq!(open_to_others(&folder).unwrap(), None);
    }

    #[test]
    fn files_that_others_may_look_into_are_closed_and_folders_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ledger.sqlite3");
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        drop(Ledger::open(folder.path()).unwrap());
        assert_eq!(mode(&file), FILE);
        for (given, expect) in [
            (0o700, None),
            (0o755, Some(0o755)),
            (0o770, Some(0o770)),
            (0o1777, None),
        ] {
            let permissions = Permissions::from_mode(given);
            std::fs::set_permissions(folder.path(), permissions).unwrap();
            assert_eq!(open_to_others(folder.path()).unwrap(), expect, "{given:o}");
        }
    }
}
