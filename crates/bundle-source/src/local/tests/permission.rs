//! What is not permitted: of one file, or of all. For most of it these tests must be root's, who
//! becomes somebody else for a moment.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::thread;

use rustix::thread::{Uid, set_thread_res_uid};
use tokio::runtime::Builder;

use super::{Place, set_modified};
use crate::{Entry, LocalSource, Removal, Source, SourceError};

const NOBODY: u32 = 65_534;

/// Lets `work` be done by a user who owns nothing. Threads that it starts are that user's, too.
fn as_nobody<T: Send>(work: impl AsyncFnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let nobody = Uid::from_raw(NOBODY);
            set_thread_res_uid(nobody, nobody, nobody).expect("these tests must be root's");
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(work())
        });
        thread.join().unwrap()
    })
}

fn mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A folder as `/tmp` is: all may write, and nobody may take away what is another's. The oldest of
/// its files is root's, the others are nobody's.
fn sticky() -> Place {
    let place = Place::new();
    mode(place.root.path(), 0o755);
    mode(place.path(""), 0o1777);
    for (number, name) in (1..).zip(["01.json", "02.json", "03.json"]) {
        let path = place.put(name, b"{}");
        set_modified(&path, number);
        if number > 1 {
            chown(path, Some(NOBODY), None).unwrap();
        }
    }
    place
}

async fn entries(source: &LocalSource) -> Vec<Entry> {
    source.list_all().await.unwrap().entries().collect()
}

fn refused<T: std::fmt::Debug>(result: Result<T, SourceError>) -> SourceError {
    let error = result.unwrap_err();
    assert!(!error.transient, "{error:?}");
    error
}

#[test]
fn a_file_that_may_not_be_removed_keeps_no_other_from_it() {
    let place = sticky();
    let source = &place.source;
    let removals = as_nobody(async || source.remove_all(&entries(source).await).await);
    let [first, others @ ..] = &*removals else {
        panic!("{removals:?}");
    };
    assert!(!first.as_ref().unwrap_err().read_only, "{first:?}");
    for removal in others {
        assert_eq!(*removal.as_ref().unwrap(), Removal::Removed);
    }
    assert_eq!(others.len(), 2);
    assert_eq!(place.names(""), ["01.json"]);
}

#[test]
fn a_file_that_may_be_removed_later_is() {
    let place = sticky();
    let source = &place.source;
    let remove = || as_nobody(async || source.remove(&entries(source).await[0]).await);
    refused(remove());
    refused(remove());
    chown(place.path("01.json"), Some(NOBODY), None).unwrap();
    assert_eq!(remove().unwrap(), Removal::Removed);
}

#[test]
fn a_file_that_may_not_be_set_aside_keeps_no_other_from_it() {
    let place = sticky();
    let source = &place.source;
    as_nobody(async || {
        let entries = entries(source).await;
        let error = refused(source.set_aside(&entries[0], b"{}").await);
        assert!(!error.read_only, "{error:?}");
        source.set_aside(&entries[1], b"{}").await.unwrap().unwrap();
    });
    assert_eq!(place.names(""), ["01.json", "03.json", "rejected"]);
    assert_eq!(place.names("rejected"), ["02.json", "02.json.reason.json"]);
}

#[test]
fn a_folder_that_may_not_be_written_to_permits_reading_only() {
    let place = sticky();
    mode(place.path(""), 0o755);
    let source = &place.source;
    as_nobody(async || {
        let entries = entries(source).await;
        let removals = source.remove_all(&entries).await;
        assert_eq!(removals.len(), 1, "no other is tried: {removals:?}");
        for removal in removals {
            assert!(refused(removal).read_only);
        }
        assert!(refused(source.set_aside(&entries[1], b"{}").await).read_only);
    });
    assert_eq!(place.names("").len(), 3);
}

#[test]
fn where_rejected_files_may_not_be_kept_none_is_set_aside() {
    let closed = |place: &Place, mode_of_it| {
        fs::create_dir(place.path("rejected")).unwrap();
        mode(place.path("rejected"), mode_of_it);
    };
    for mode_of_it in [0o755, 0o700] {
        let place = sticky();
        closed(&place, mode_of_it);
        let source = &place.source;
        as_nobody(async || {
            let entries = entries(source).await;
            assert!(refused(source.set_aside(&entries[1], b"{}").await).read_only);
            let removal = source.remove(&entries[1]).await.unwrap();
            assert_eq!(removal, Removal::Removed);
        });
    }
}

#[tokio::test]
async fn a_folder_for_rejected_files_that_is_none_is_named() {
    let check = async |prepare: &dyn Fn(&Place), why: &str| {
        let place = Place::new();
        let entry = place.entry("01.json", b"[1]").await;
        prepare(&place);
        let error = refused(place.source.set_aside(&entry, b"{}").await);
        let said = error.source.to_string();
        let expect = format!("{}: {why}", place.path("rejected").display());
        assert!(said.starts_with(&expect), "{said}");
    };
    check(
        &|place| symlink(place.elsewhere(""), place.path("rejected")).unwrap(),
        "it is a link, and none is followed here; DIODE_IMPORT_REJECTED_PATH can name another folder",
    )
    .await;
    check(&|place| drop(place.put("rejected", b"")), "Not a directory").await;
}
