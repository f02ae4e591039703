//! Setting aside: names, failures, links, another file system.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::{Impostor, Place, in_time, names_in, set_modified};
use crate::local::folder::Folder;
use crate::local::reading::{Found, find};
use crate::local::set_aside::{Move, Rejection, move_by_copy, set_aside_version};
use crate::local::stamp::Stamp;
use crate::{Entry, LocalSource, Source};

#[tokio::test]
async fn the_file_and_its_reason_and_nothing_else() {
    let place = Place::new();
    let entry = place.entry("01.json", b"[1]").await;
    set_modified(&place.path("01.json"), 1_767_225_600);
    assert_eq!(place.source.set_aside(&entry, b"{}").await.unwrap(), None);
    let entry = place
        .source
        .list_all()
        .await
        .unwrap()
        .entries()
        .next()
        .unwrap();
    let path = place
        .source
        .set_aside(&entry, b"{\"code\": 1}")
        .await
        .unwrap();
    assert_eq!(path.as_deref(), place.path("rejected/01.json").to_str());
    assert_eq!(place.names(""), ["rejected"]);
    assert_eq!(place.names("rejected"), ["01.json", "01.json.reason.json"]);
    let modified = fs::metadata(place.path("rejected/01.json"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(modified, entry.modified.into());
}

#[tokio::test]
async fn taken_names_are_numbered() {
    let check = async |taken: &[&str], expect: &str| {
        let place = Place::new();
        fs::create_dir(place.path("rejected")).unwrap();
        for name in taken {
            place.put(Path::new("rejected").join(name), b"taken");
        }
        let entry = place.entry("01.json", b"[1]").await;
        let path = place
            .source
            .set_aside(&entry, b"{}")
            .await
            .unwrap()
            .unwrap();
        let expected = place.path("rejected").join(expect);
        assert_eq!(Path::new(&path), expected, "{taken:?}");
        assert_eq!(fs::read(&expected).unwrap(), b"[1]");
        assert_eq!(fs::read(format!("{path}.reason.json")).unwrap(), b"{}");
        assert_eq!(place.names("rejected").len(), taken.len() + 2, "{taken:?}");
        for name in taken {
            assert_eq!(
                fs::read(place.path("rejected").join(name)).unwrap(),
                b"taken"
            );
        }
    };
    check(&[], "01.json").await;
    check(&["01.json"], "01.1.json").await;
    check(&["01.json.reason.json"], "01.1.json").await;
    check(
        &["01.json", "01.1.json.reason.json", "01.2.json"],
        "01.3.json",
    )
    .await;
}

#[tokio::test]
async fn a_reason_left_by_a_killed_process_is_not_in_the_way() {
    let check = async |left: &[u8], expect: &str| {
        let place = Place::new();
        fs::create_dir(place.path("rejected")).unwrap();
        place.put("rejected/01.json.reason.json", left);
        let entry = place.entry("01.json", b"[1]").await;
        let path = place.source.set_aside(&entry, b"{\"code\": 1}").await;
        let expected = place.path("rejected").join(expect);
        assert_eq!(path.unwrap().as_deref(), expected.to_str());
    };
    check(b"{\"code\": 1}", "01.json").await;
    check(b"{\"code\": 2}", "01.1.json").await;
    check(b"{\"code\": 1} ", "01.1.json").await;
    check(b"", "01.1.json").await;
}

#[tokio::test]
async fn the_longest_names_have_their_reason_too() {
    for name in [
        format!("{}.json", "a".repeat(250)),
        format!("{}.json", "é".repeat(125)),
    ] {
        let place = Place::new();
        for content in [b"[1]", b"[2]"] {
            let entry = place.entry(&name, content).await;
            let path = place
                .source
                .set_aside(&entry, b"{}")
                .await
                .unwrap()
                .unwrap();
            assert_eq!(fs::read(&path).unwrap(), content);
            assert_eq!(fs::read(format!("{path}.reason.json")).unwrap(), b"{}");
        }
        assert_eq!(place.listed().await, [""; 0]);
        assert_eq!(place.names("rejected").len(), 4);
    }
}

#[tokio::test]
async fn an_impostor_is_not_set_aside() {
    for impostor in Impostor::ALL {
        let place = Place::new();
        let entry = place.entry("x.json", b"{}").await;
        let inside = place.put("01.json", b"{}");
        fs::remove_file(place.path("x.json")).unwrap();
        impostor.put(
            &place.path("x.json"),
            &inside,
            &place.elsewhere("secret.json"),
        );
        let path = in_time(place.source.set_aside(&entry, b"{}"))
            .await
            .unwrap();
        assert_eq!(path, None, "{impostor:?}");
        assert_eq!(
            place.names(""),
            ["01.json", "rejected", "x.json"],
            "{impostor:?}"
        );
        assert_eq!(place.names("rejected"), [""; 0], "{impostor:?}");
    }
}

/// Where nobody may write, not even root: a rejected folder that cannot be one.
#[tokio::test]
async fn a_file_stays_where_it_cannot_be_set_aside() {
    let check = async |what: &str, prepare: &dyn Fn(&Place)| {
        let place = Place::new();
        let entry = place.entry("01.json", b"[1]").await;
        prepare(&place);
        let error = place.source.set_aside(&entry, b"{}").await.unwrap_err();
        let expect = format!("cannot set aside {}", place.path("01.json").display());
        assert_eq!(error.to_string(), expect, "{what}");
        assert!(!error.transient, "{what}: {error:?}");
        assert!(
            place.source.list_all().await.unwrap().entries().eq([entry]),
            "{what}"
        );
        assert_eq!(names_in(&place.elsewhere("")), [""; 0], "{what}");
    };
    check("a file", &|place| drop(place.put("rejected", b""))).await;
    check("a link out of the folder", &|place| {
        symlink(place.elsewhere(""), place.path("rejected")).unwrap();
    })
    .await;
    check("a link to the folder itself", &|place| {
        symlink(place.path(""), place.path("rejected")).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_rejected_folder_that_turns_out_to_be_the_folder_is_refused() {
    let place = Place::new();
    symlink(place.path(""), place.elsewhere("rejected")).unwrap();
    let rejected = Some(place.elsewhere("rejected"));
    let source = LocalSource::new(place.path(""), rejected).unwrap();
    let entry = place.entry("01.json", b"[1]").await;
    assert!(!source.set_aside(&entry, b"{}").await.unwrap_err().transient);
    let path = place.elsewhere("rejected/01.json");
    source.discard(path.to_str().unwrap()).await.unwrap_err();
    assert_eq!(place.names(""), ["01.json"]);
}

#[tokio::test]
async fn a_reason_does_not_outlive_a_move_that_fails() {
    let place = Place::new();
    let entry = place.entry("01.json", b"[1]").await;
    let (folder, rejected) = (place.folder(), rejected_folder(&place));
    let stamp = stamp_of(&folder, &entry);
    // A directory's own name in itself cannot be moved by anybody, root included.
    let rejection = Rejection {
        folder: &folder,
        name: ".",
        stamp: &stamp,
        rejected: &rejected,
    };
    let error = set_aside_version(&rejection, b"{}").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    assert_eq!(place.names("rejected"), [""; 0]);
}

/// A file that takes the name, or goes, between the look at it and the move.
#[tokio::test]
async fn a_file_replaced_at_the_last_moment_is_given_back() {
    let check = async |what: &str, touch: &dyn Fn(&Place), left: &[&str]| {
        let place = Place::new();
        let entry = place.entry("01.json", b"[1]").await;
        let (folder, rejected) = (place.folder(), rejected_folder(&place));
        let stamp = stamp_of(&folder, &entry);
        touch(&place);
        let rejection = Rejection {
            folder: &folder,
            name: "01.json",
            stamp: &stamp,
            rejected: &rejected,
        };
        assert_eq!(
            set_aside_version(&rejection, b"{}").unwrap(),
            None,
            "{what}"
        );
        assert_eq!(place.names(""), left, "{what}");
        assert_eq!(place.names("rejected"), [""; 0], "{what}");
    };
    let gone = |place: &Place| fs::remove_file(place.path("01.json")).unwrap();
    check("gone", &gone, &["rejected"]).await;
    let replaced = |place: &Place| {
        let other = place.put("01.json.tmp", b"[2]");
        fs::rename(other, place.path("01.json")).unwrap();
    };
    check("replaced", &replaced, &["01.json", "rejected"]).await;
    let link = |place: &Place| {
        gone(place);
        symlink(place.elsewhere("x"), place.path("01.json")).unwrap();
    };
    check("a link", &link, &["01.json", "rejected"]).await;
}

#[tokio::test]
async fn another_file_system_gets_a_copy() {
    let place = Place::new();
    let entry = private_entry(&place).await;
    let rejected = rejected_folder(&place);
    assert_eq!(copy(&place, &rejected, &entry, "01.json"), Move::Done);
    let path = place.path("rejected/01.json");
    assert_eq!(fs::read(&path).unwrap(), b"[1]");
    let metadata = fs::metadata(path).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
    assert_eq!(metadata.modified().unwrap(), entry.modified.into());
    assert_eq!(place.names(""), ["rejected"]);
    assert_eq!(place.names("rejected"), ["01.json"]);
}

#[tokio::test]
async fn a_copy_overwrites_nothing() {
    let place = Place::new();
    let entry = private_entry(&place).await;
    let rejected = rejected_folder(&place);
    place.put("rejected/01.json", b"taken");
    assert_eq!(copy(&place, &rejected, &entry, "01.json"), Move::Taken);
    assert_eq!(fs::read(place.path("rejected/01.json")).unwrap(), b"taken");
    assert_eq!(place.names("rejected"), ["01.json"]);
    assert!(place.source.list_all().await.unwrap().entries().eq([entry]));
}

#[tokio::test]
async fn a_file_that_changed_is_not_copied() {
    let place = Place::new();
    let entry = private_entry(&place).await;
    let rejected = rejected_folder(&place);
    let (folder, stamp) = (place.folder(), stamp_of(&place.folder(), &entry));
    place.put("01.json", b"[1, 2]");
    let rejection = Rejection {
        folder: &folder,
        name: "01.json",
        stamp: &stamp,
        rejected: &rejected,
    };
    assert_eq!(move_by_copy(&rejection, "01.json").unwrap(), Move::Changed);
    assert_eq!(fs::read(place.path("01.json")).unwrap(), b"[1, 2]");
    assert_eq!(place.names("rejected"), [""; 0]);
}

#[tokio::test]
async fn what_is_discarded_is_a_name_not_where_it_leads() {
    let place = Place::new();
    let entry = place.entry("01.json", b"[1]").await;
    let path = place
        .source
        .set_aside(&entry, b"{}")
        .await
        .unwrap()
        .unwrap();
    fs::write(place.elsewhere("secret.json"), b"secret").unwrap();
    fs::remove_file(&path).unwrap();
    symlink(place.elsewhere("secret.json"), &path).unwrap();
    place.source.discard(&path).await.unwrap();
    assert_eq!(place.names("rejected"), [""; 0]);
    assert!(place.elsewhere("secret.json").exists());
}

#[tokio::test]
async fn a_rejected_folder_that_was_removed_or_swapped_has_nothing_to_discard() {
    let place = Place::new();
    let entry = place.entry("01.json", b"[1]").await;
    let path = place
        .source
        .set_aside(&entry, b"{}")
        .await
        .unwrap()
        .unwrap();
    fs::remove_dir_all(place.path("rejected")).unwrap();
    place.source.discard(&path).await.unwrap();
    fs::write(place.elsewhere("01.json"), b"secret").unwrap();
    symlink(place.elsewhere(""), place.path("rejected")).unwrap();
    place.source.discard(&path).await.unwrap_err();
    assert!(place.elsewhere("01.json").exists());
}

/// Renaming without the system's help to replace nothing.
#[test]
fn a_rename_over_a_reservation_overwrites_nothing() {
    let place = Place::new();
    place.put("01.json", b"[1]");
    place.put("02.json", b"[2]");
    let folder = place.folder();
    let check = |name: &str, new_name: &str, expect: Result<(), ErrorKind>| {
        let renamed = folder.rename_over_reservation(name, &folder, new_name);
        assert_eq!(
            renamed.map_err(|error| error.kind()),
            expect,
            "{name} to {new_name}"
        );
    };
    check("01.json", "02.json", Err(ErrorKind::AlreadyExists));
    check("missing.json", "03.json", Err(ErrorKind::NotFound));
    check("01.json", "03.json", Ok(()));
    assert_eq!(place.names(""), ["02.json", "03.json"]);
    assert_eq!(fs::read(place.path("02.json")).unwrap(), b"[2]");
    assert_eq!(fs::read(place.path("03.json")).unwrap(), b"[1]");
}

async fn private_entry(place: &Place) -> Entry {
    let path = place.put("01.json", b"[1]");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    set_modified(&path, 1_767_225_600);
    place
        .source
        .list_all()
        .await
        .unwrap()
        .entries()
        .next()
        .unwrap()
}

fn rejected_folder(place: &Place) -> Folder {
    Folder::open_or_create(&place.path("rejected")).unwrap()
}

fn copy(place: &Place, rejected: &Folder, entry: &Entry, target: &str) -> Move {
    let folder = place.folder();
    let stamp = stamp_of(&folder, entry);
    let rejection = Rejection {
        folder: &folder,
        name: "01.json",
        stamp: &stamp,
        rejected,
    };
    move_by_copy(&rejection, target).unwrap()
}

fn stamp_of(folder: &Folder, entry: &Entry) -> Stamp {
    match find(folder, entry).unwrap() {
        Found::Same(_, stamp) => stamp,
        other => panic!("{other:?}"),
    }
}
