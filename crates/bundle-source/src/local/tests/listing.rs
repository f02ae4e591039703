//! What a listing shows, and what a source refuses to be made of.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Impostor, Place, in_time, set_modified};
use crate::listing::Room;
use crate::local::listing::{Odd, list};
use crate::{LocalSource, Source, Wanted};

fn oddities(place: &Place) -> Vec<(OsString, Odd)> {
    let listing = list(&place.folder(), &Wanted::all(), Room::default()).unwrap();
    listing.oddities.into_named()
}

#[tokio::test]
async fn impostors_are_left_alone_and_told() {
    for impostor in Impostor::ALL {
        let place = Place::new();
        let inside = place.put("01.json", b"{}");
        let outside = place.elsewhere("secret.json");
        fs::write(&outside, b"secret").unwrap();
        impostor.put(&place.path("x.json"), &inside, &outside);
        assert_eq!(in_time(place.listed()).await, ["01.json"], "{impostor:?}");
        let expect = match impostor {
            Impostor::Directory | Impostor::Fifo | Impostor::Socket => Odd::NotAFile,
            _ => Odd::Link,
        };
        assert_eq!(
            oddities(&place),
            [("x.json".into(), expect)],
            "{impostor:?}"
        );
        assert!(
            place.path("x.json").symlink_metadata().is_ok(),
            "{impostor:?} must stay"
        );
    }
}

#[tokio::test]
async fn names_that_cannot_be_told_are_left_alone_and_told() {
    let names: [&[u8]; 4] = [b"caf\xe9.json", b"01\n.json", b"\x1b[2J.json", b"\xff.json"];
    for name in names {
        let place = Place::new();
        place.put("01.json", b"{}");
        let name = OsStr::from_bytes(name);
        place.put(name, b"{}");
        assert_eq!(place.listed().await, ["01.json"], "{name:?}");
        assert_eq!(oddities(&place), [(name.to_owned(), Odd::Name)]);
        assert!(place.path(name).exists(), "{name:?} must stay");
    }
}

#[tokio::test]
async fn files_of_the_same_time_are_ordered_by_name() {
    let place = Place::new();
    for name in ["c.json", "a.json", "b.json"] {
        set_modified(&place.put(name, b"{}"), 1_767_225_600);
    }
    set_modified(&place.put("d.json", b"{}"), 1_767_225_599);
    assert_eq!(
        place.listed().await,
        ["d.json", "a.json", "b.json", "c.json"]
    );
}

#[tokio::test]
async fn what_is_no_folder_is_an_error() {
    let check = async |folder: PathBuf, transient: bool| {
        let source = LocalSource::new(&folder, None).unwrap();
        let error = source.list_all().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot list {}", folder.display())
        );
        assert_eq!(error.transient, transient, "{error:?}");
    };
    let place = Place::new();
    check(place.path("missing"), true).await;
    check(place.put("file", b""), false).await;
    symlink("loop", place.path("loop")).unwrap();
    check(place.path("loop"), false).await;
}

#[tokio::test]
async fn a_folder_that_comes_later_is_listed() {
    let place = Place::new();
    let folder = place.path("later");
    let source = LocalSource::new(&folder, None).unwrap();
    assert!(source.list_all().await.is_err());
    fs::create_dir(&folder).unwrap();
    assert!(source.list_all().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_link_to_the_folder_is_the_operators_to_make() {
    let place = Place::new();
    place.put("01.json", b"{}");
    symlink(place.path(""), place.elsewhere("link")).unwrap();
    let source = LocalSource::new(place.elsewhere("link"), None).unwrap();
    assert_eq!(source.list_all().await.unwrap().len(), 1);
}

#[test]
fn names_of_sources() {
    let check = |folder: &str, expect: &str| {
        let source = LocalSource::new(folder, None).unwrap();
        assert_eq!(source.name(), format!("directory:{expect}"));
    };
    let here = std::env::current_dir().unwrap();
    check("/var/diode", "/var/diode");
    check("/var//diode/./", "/var/diode");
    check("/var/../diode", "/var/../diode");
    check("/", "/");
    check("diode", here.join("diode").to_str().unwrap());
    check(".", here.to_str().unwrap());
}

#[test]
fn unusable_paths_are_refused() {
    let check = |folder: &[u8], rejected: Option<&[u8]>, expect: &str| {
        let path = |bytes| PathBuf::from(OsStr::from_bytes(bytes));
        let error = LocalSource::new(path(folder), rejected.map(path)).unwrap_err();
        assert_eq!(error.to_string(), expect);
        assert!(!error.transient);
    };
    check(b"", None, "cannot use  as a folder");
    check(b"/a\nb", None, "cannot use /a\\nb as a folder");
    check(b"/caf\xe9", None, "cannot use /caf\u{fffd} as a folder");
    check(b"/a", Some(b"/b\0"), "cannot use /b\\0 as a folder");
    check(
        b"/a",
        Some(b"/a/"),
        "cannot use /a as the folder for rejected files",
    );
}

/// So many that a listing with a quadratic step in it would take minutes.
#[tokio::test]
async fn many_files_list_fast() {
    let place = Place::new();
    for number in 0..20_000 {
        place.put(format!("{number}.json"), b"");
    }
    let start = Instant::now();
    assert_eq!(place.listed().await.len(), 20_000);
    assert!(
        start.elapsed() < Duration::from_mins(1),
        "{:?}",
        start.elapsed()
    );
}
