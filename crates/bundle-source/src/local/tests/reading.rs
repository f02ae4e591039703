//! Reading only what was listed.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use super::{Impostor, Place, in_time, set_modified};
use crate::local::reading::{Found, Unread, find, open, read_unchanged};
use crate::local::stamp::Stamp;
use crate::{Location, ReadError, Source};

#[tokio::test]
async fn an_impostor_is_not_read_and_does_not_hang() {
    for impostor in Impostor::ALL {
        let place = Place::new();
        let entry = place.entry("x.json", b"secret").await;
        let inside = place.put("01.json", b"secret");
        let outside = place.elsewhere("secret.json");
        fs::write(&outside, b"secret").unwrap();
        fs::remove_file(place.path("x.json")).unwrap();
        impostor.put(&place.path("x.json"), &inside, &outside);
        let read = in_time(place.source.read(&entry, 100)).await;
        assert!(
            matches!(read, Err(ReadError::Changed { .. })),
            "{impostor:?}: {read:?}"
        );
    }
}

/// The same, for one that takes the place between the look at the name and its opening.
#[tokio::test]
async fn an_impostor_is_not_opened_and_does_not_hang() {
    for impostor in Impostor::ALL {
        let place = Place::new();
        let entry = place.entry("x.json", b"secret").await;
        let folder = place.folder();
        let Found::Same(name, stamp) = find(&folder, &entry).unwrap() else {
            panic!("it is there");
        };
        let inside = place.path("01.json");
        fs::rename(place.path("x.json"), &inside).unwrap();
        impostor.put(
            &place.path("x.json"),
            &inside,
            &place.elsewhere("secret.json"),
        );
        let name = name.to_owned();
        let opening = tokio::task::spawn_blocking(move || open(&folder, &name, &stamp));
        assert!(
            in_time(opening).await.unwrap().unwrap().is_none(),
            "{impostor:?}"
        );
    }
}

/// Even an entry with the impostor's own size, times and inode does not make it a file.
#[tokio::test]
async fn an_impostor_has_no_entry() {
    for impostor in Impostor::ALL {
        let place = Place::new();
        let inside = place.put("01.json", b"secret");
        impostor.put(
            &place.path("x.json"),
            &inside,
            &place.elsewhere("secret.json"),
        );
        let stat = place.folder().stat("x.json".as_ref()).unwrap().unwrap();
        let entry = Stamp::of(&stat).entry(Location::new("x.json"));
        let read = in_time(place.source.read(&entry, u64::MAX)).await;
        assert!(
            matches!(read, Err(ReadError::Changed { .. })),
            "{impostor:?}: {read:?}"
        );
    }
}

#[test]
fn a_link_is_not_opened() {
    let place = Place::new();
    let inside = place.put("01.json", b"{}");
    std::os::unix::fs::symlink(inside, place.path("x.json")).unwrap();
    assert!(place.folder().open_file("01.json").is_ok());
    assert!(place.folder().open_file("x.json").is_err());
}

#[tokio::test]
async fn a_file_touched_since_the_listing_is_not_read() {
    let check = async |what: &str, touch: &dyn Fn(&Path)| {
        let place = Place::new();
        let entry = place.entry("01.json", b"[1]").await;
        touch(&place.path("01.json"));
        let read = place.source.read(&entry, 100).await;
        assert!(
            matches!(read, Err(ReadError::Changed { .. })),
            "{what}: {read:?}"
        );
        assert!(place.path("01.json").exists());
    };
    check("appended to", &|path| append(path, b" ")).await;
    check("truncated", &|path| fs::write(path, b"").unwrap()).await;
    check("another time", &|path| set_modified(path, 1_767_225_600)).await;
    check("rewritten with its time put back", &|path| {
        let modified = path.metadata().unwrap().modified().unwrap();
        wait_for_another_time(path);
        fs::write(path, b"[2]").unwrap();
        File::open(path).unwrap().set_modified(modified).unwrap();
    })
    .await;
    check("replaced by one of the same size and time", &|path| {
        let modified = path.metadata().unwrap().modified().unwrap();
        let other = path.with_extension("tmp");
        fs::write(&other, b"[2]").unwrap();
        File::open(&other).unwrap().set_modified(modified).unwrap();
        fs::rename(&other, path).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_file_touched_while_it_is_read_has_changed() {
    let check = async |what: &str, touch: &dyn Fn(&Path)| {
        let place = Place::new();
        let entry = place.entry("01.json", b"[1]").await;
        let folder = place.folder();
        let Found::Same(name, stamp) = find(&folder, &entry).unwrap() else {
            panic!("it is there");
        };
        let file = open(&folder, name, &stamp).unwrap().unwrap();
        touch(&place.path("01.json"));
        let read = read_unchanged(&file, &stamp);
        assert!(matches!(read, Err(Unread::Changed)), "{what}: {read:?}");
    };
    check("growing", &|path| append(path, b", 2]")).await;
    check("shrinking", &|path| fs::write(path, b"[").unwrap()).await;
    check("rewritten", &|path| {
        wait_for_another_time(path);
        fs::write(path, b"[2]").unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_missing_folder_is_not_a_missing_file() {
    let place = Place::new();
    let entry = place.entry("01.json", b"{}").await;
    fs::rename(place.path(""), place.elsewhere("in")).unwrap();
    match place.source.read(&entry, 100).await {
        Err(ReadError::Failed(error)) => assert!(error.transient, "{error:?}"),
        other => panic!("{other:?}"),
    }
    let error = place.source.remove(&entry).await.unwrap_err();
    assert!(error.transient, "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("cannot remove {}", place.path("01.json").display())
    );
    assert!(
        place
            .source
            .set_aside(&entry, b"{}")
            .await
            .unwrap_err()
            .transient
    );
}

fn append(path: &Path, content: &[u8]) {
    OpenOptions::new()
        .append(true)
        .open(path)
        .unwrap()
        .write_all(content)
        .unwrap();
}

/// Waits until the file system's clock, which may be a coarse one, has moved on.
fn wait_for_another_time(path: &Path) {
    let probe = path.with_extension("probe");
    let then = path.metadata().unwrap().modified().unwrap();
    loop {
        fs::write(&probe, b"").unwrap();
        if probe.metadata().unwrap().modified().unwrap() > then {
            return;
        }
    }
}
