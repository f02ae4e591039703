//! Removing only what was listed.

use std::fs;

use super::{Impostor, Place, in_time};
use crate::local::reading::{Found, find};
use crate::local::removal::remove_version;
use crate::{Removal, Source};

#[tokio::test]
async fn an_impostor_is_not_removed() {
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
        let removal = in_time(place.source.remove(&entry)).await.unwrap();
        assert_eq!(removal, Removal::Replaced, "{impostor:?}");
        assert_eq!(place.names(""), ["01.json", "x.json"], "{impostor:?}");
    }
}

#[tokio::test]
async fn nothing_is_left_of_a_removed_file() {
    let place = Place::new();
    let entry = place.entry("01.json", b"{}").await;
    assert_eq!(place.source.remove(&entry).await.unwrap(), Removal::Removed);
    assert_eq!(place.names(""), [""; 0]);
}

/// A file that takes the name between the look at it and the removal is given back.
#[tokio::test]
async fn a_file_replaced_at_the_last_moment_is_given_back() {
    let place = Place::new();
    let entry = place.entry("01.json", b"[1]").await;
    let folder = place.folder();
    let Found::Same(name, stamp) = find(&folder, &entry).unwrap() else {
        panic!("it is there");
    };
    fs::rename(place.put("02.json.tmp", b"[2]"), place.path("01.json")).unwrap();
    assert_eq!(
        remove_version(&folder, name, &stamp).unwrap(),
        Removal::Replaced
    );
    assert_eq!(fs::read(place.path("01.json")).unwrap(), b"[2]");
    assert_eq!(place.names(""), ["01.json"]);
}

#[tokio::test]
async fn a_file_gone_at_the_last_moment_is_gone() {
    let place = Place::new();
    let entry = place.entry("01.json", b"[1]").await;
    let folder = place.folder();
    let Found::Same(name, stamp) = find(&folder, &entry).unwrap() else {
        panic!("it is there");
    };
    fs::remove_file(place.path("01.json")).unwrap();
    assert_eq!(
        remove_version(&folder, name, &stamp).unwrap(),
        Removal::AlreadyGone
    );
}

#[test]
fn a_file_is_given_back_beside_a_newer_one() {
    let place = Place::new();
    place.put("01.json", b"[2]");
    place.put("01.1.json", b"[3]");
    place.put(".taken", b"[1]");
    let folder = place.folder();
    super::super::removal::give_back(&folder, ".taken", &folder, "01.json").unwrap();
    assert_eq!(place.names(""), ["01.1.json", "01.2.json", "01.json"]);
    assert_eq!(fs::read(place.path("01.2.json")).unwrap(), b"[1]");
}

/// A name in the way stands for a leftover of a crash.
#[tokio::test]
async fn leftovers_are_neither_listed_nor_in_the_way() {
    let place = Place::new();
    let leftovers: Vec<_> = (0..500).map(|n| format!(".diode-import-{n}.tmp")).collect();
    for leftover in &leftovers {
        place.put(leftover, b"left");
    }
    let entry = place.entry("01.json", b"{}").await;
    assert_eq!(place.listed().await, ["01.json"]);
    assert_eq!(place.source.remove(&entry).await.unwrap(), Removal::Removed);
    assert_eq!(place.names("").len(), leftovers.len());
    for leftover in leftovers {
        assert_eq!(fs::read(place.path(leftover)).unwrap(), b"left");
    }
}

/// As after a process that died between the hidden name and the removal.
#[tokio::test]
async fn what_was_half_removed_comes_back_with_the_first_listing() {
    let place = Place::new();
    let folder = place.folder();
    place.put("01.json", b"[1]");
    folder.hide("01.json").unwrap();
    place.put("01.json", b"[2]");
    folder.hide("01.json").unwrap();
    place.put("02.json", b"[3]");
    folder.hide("02.json").unwrap();
    place.put("02.json", b"[4]");
    let mut listed = place.listed().await;
    listed.sort();
    assert_eq!(listed, ["01.1.json", "01.json", "02.1.json", "02.json"]);
    assert_eq!(place.names(""), listed);
    let contents = listed
        .iter()
        .map(|name| fs::read(place.path(name)).unwrap());
    let mut contents: Vec<_> = contents.collect();
    contents.sort();
    assert_eq!(contents, [b"[1]", b"[2]", b"[3]", b"[4]"]);

    // Later listings run beside removals of this process, and leave those alone.
    let held = folder.hide("01.json").unwrap();
    assert_eq!(place.listed().await.len(), 3);
    assert!(place.path(held).exists());
}
