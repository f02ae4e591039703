//! What is told of a folder while it changes.

use std::time::Duration;

use futures::FutureExt as _;

use super::*;
use crate::{LocalWatch, Watch as _};

async fn watched(place: &Place) -> LocalWatch {
    let watch = place.source.watch();
    watch.attend().await.unwrap();
    watch
}

/// Nothing has been told once a file that is told of has arrived after it.
async fn told_only_of_what_follows(place: &Place, watch: &LocalWatch) {
    // Events come in order: what comes first would have been told by then.
    let told = tokio::time::timeout(Duration::from_millis(200), watch.arrival()).await;
    assert!(told.is_err(), "told of what is no arrival");
    place.put("marker.json", b"{}");
    in_time(watch.arrival()).await;
}

#[tokio::test]
async fn files_written_and_moved_in_are_told() {
    let place = Place::new();
    let watch = watched(&place).await;
    place.put("a.json", b"{}");
    in_time(watch.arrival()).await;
    watch.attend().await.unwrap();
    fs::write(place.elsewhere("b"), b"{}").unwrap();
    fs::rename(place.elsewhere("b"), place.path("b.json")).unwrap();
    in_time(watch.arrival()).await;
}

#[tokio::test]
async fn what_we_do_ourselves_is_not_told() {
    let place = Place::new();
    let (first, second) = (
        place.entry("a.json", b"{").await,
        place.entry("b.json", b"{").await,
    );
    let watch = watched(&place).await;
    place.source.read(&first, 10).await.unwrap();
    place.source.remove(&first).await.unwrap();
    place.source.set_aside(&second, b"{}").await.unwrap();
    told_only_of_what_follows(&place, &watch).await;
}

#[tokio::test]
async fn what_arrived_before_a_listing_is_not_told_again() {
    let place = Place::new();
    let watch = watched(&place).await;
    for number in 0..100 {
        place.put(format!("{number}.json"), b"{}");
    }
    in_time(watch.arrival()).await;
    // The kernel's events are read in order, so that the marker's comes last.
    let settled = async {
        loop {
            watch.attend().await.unwrap();
            if tokio::time::timeout(Duration::from_millis(50), watch.arrival())
                .await
                .is_err()
            {
                break;
            }
        }
    };
    in_time(settled).await;
    assert!(watch.arrival().now_or_never().is_none());
}

#[tokio::test]
async fn a_folder_that_is_missing_or_replaced_is_watched_again() {
    let place = Place::new();
    let watch = watched(&place).await;
    let away = place.elsewhere("away");
    fs::rename(place.path(""), &away).unwrap();
    let error = watch.attend().await.unwrap_err();
    assert!(error.to_string().starts_with("cannot watch "), "{error}");
    assert!(error.transient && !error.read_only, "{error:?}");
    fs::create_dir(place.path("")).unwrap();
    watch.attend().await.unwrap();
    place.put("a.json", b"{}");
    in_time(watch.arrival()).await;
    // Another folder takes its place between two calls, and the one before is not listened to.
    fs::rename(place.path(""), place.elsewhere("other")).unwrap();
    fs::rename(&away, place.path("")).unwrap();
    watch.attend().await.unwrap();
    fs::write(place.elsewhere("other").join("b.json"), b"{}").unwrap();
    told_only_of_what_follows(&place, &watch).await;
}
