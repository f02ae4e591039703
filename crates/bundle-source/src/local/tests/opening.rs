//! Opening the very file that was listed, through the store or without it.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::poll;
use rustix::io::Errno;

use super::{Impostor, Place, in_time};
use crate::local::opening::Opener;
use crate::local::reading::{Held, Unread, hold, read_held, read_held_with};
use crate::{Entry, LocalSource, Source};

const PATIENCE: Duration = Duration::from_secs(20);

impl Place {
    fn hold(&self, entry: &Entry) -> Held {
        hold(self.folder(), entry, 100).unwrap()
    }

    /// An opener that finds what is put at [`number`](Self::number), not what is held.
    fn misled_opener(&self, patience: Duration) -> Opener {
        Opener::with_numbers_in(&self.elsewhere(""), patience)
    }

    fn number(&self, held: &Held) -> PathBuf {
        self.elsewhere(&held.handle().as_raw_fd().to_string())
    }
}

fn opener_without_proc() -> Opener {
    Opener::with_numbers_in("/nothing/is/here".as_ref(), PATIENCE)
}

/// Opens a held file and reads it; tells whether it was the store that opened it.
async fn read(opener: Opener, held: Held) -> Result<(bool, Bytes), Unread> {
    let reading = blocking::unblock(move || {
        let file = opener.open(&held)?;
        Ok((file.is_some(), held.read(file)?))
    });
    in_time(reading).await
}

#[tokio::test]
async fn the_store_opens_files_of_any_name() {
    let longest = format!("{}.json", "é".repeat(125));
    for name in [
        "01.json",
        "a#1.json",
        "50%.json",
        "%2e%2e%2f.json",
        "~.json",
        "a\\b{c}[d]|*?.json",
        "-.json",
        " .json",
        "c:.json",
        "tête à tête.json",
        &longest,
    ] {
        let place = Place::new();
        let entry = place.entry(name, b"[1]").await;
        let held = place.hold(&entry);
        let (by_store, content) = read(Opener::new(), held).await.unwrap();
        assert!(by_store, "{name}");
        assert_eq!(content, "[1]", "{name}");
        assert_eq!(place.source.read(&entry, 100).await.unwrap(), "[1]");
    }
}

/// The folder is replaced, so that all of its names lead to impostors, but the file is untouched.
#[tokio::test]
async fn a_held_file_is_read_whatever_its_path_leads_to() {
    for impostor in Impostor::ALL {
        for opener in [Opener::new(), opener_without_proc()] {
            let place = Place::new();
            let entry = place.entry("x.json", b"[1]").await;
            let held = place.hold(&entry);
            fs::rename(place.path(""), place.elsewhere("old")).unwrap();
            fs::create_dir(place.path("")).unwrap();
            let inside = place.put("01.json", b"[2]");
            let outside = place.elsewhere("secret.json");
            fs::write(&outside, b"[3]").unwrap();
            impostor.put(&place.path("x.json"), &inside, &outside);
            let (_, content) = read(opener, held).await.unwrap();
            assert_eq!(content, "[1]", "{impostor:?}");
        }
    }
}

#[tokio::test]
async fn without_proc_a_file_is_opened_by_its_name() {
    let place = Place::new();
    let entry = place.entry("x.json", b"[1]").await;
    let held = place.hold(&entry);
    let (by_store, content) = read(opener_without_proc(), held).await.unwrap();
    assert!(!by_store);
    assert_eq!(content, "[1]");
}

#[tokio::test]
async fn without_proc_an_impostor_is_not_read_and_does_not_hang() {
    for impostor in Impostor::ALL {
        let place = Place::new();
        let entry = place.entry("x.json", b"[1]").await;
        let held = place.hold(&entry);
        let inside = place.path("01.json");
        fs::rename(place.path("x.json"), &inside).unwrap();
        let outside = place.elsewhere("secret.json");
        fs::write(&outside, b"[3]").unwrap();
        impostor.put(&place.path("x.json"), &inside, &outside);
        let reading = tokio::task::spawn_blocking(move || held.read(None));
        let read = in_time(reading).await.unwrap();
        assert!(
            matches!(read, Err(Unread::Changed)),
            "{impostor:?}: {read:?}"
        );
    }
}

#[tokio::test]
async fn another_file_than_the_held_one_is_not_read() {
    let place = Place::new();
    let entry = place.entry("x.json", b"[1]").await;
    let held = place.hold(&entry);
    fs::copy(place.path("x.json"), place.number(&held)).unwrap();
    let read = read(place.misled_opener(PATIENCE), held).await;
    assert!(matches!(read, Err(Unread::Changed)), "{read:?}");
}

/// A number leads to a regular file; a FIFO stands for one whose opening takes long.
#[tokio::test]
async fn an_opening_that_takes_long_is_given_up() {
    let place = Place::new();
    let entry = place.entry("x.json", b"[1]").await;
    let held = place.hold(&entry);
    let fifo = place.number(&held);
    Impostor::Fifo.put(&fifo, &fifo, &fifo);
    let opener = Arc::new(place.misled_opener(Duration::from_millis(10)));
    match in_time(read_held(&opener, move || Ok(held))).await {
        Err(Unread::Failed(error)) => assert_eq!(error.kind(), ErrorKind::TimedOut),
        other => panic!("{other:?}"),
    }
    // Its thread would keep this test from ending.
    let writer = tokio::task::spawn_blocking(|| OpenOptions::new().write(true).open(fifo));
    in_time(writer).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_reading_that_takes_long_is_waited_for() {
    let place = Place::new();
    let entry = place.entry("x.json", b"[1]").await;
    let held = place.hold(&entry);
    let opener = Arc::new(Opener::new());
    let (says_so, is_open) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let slow = move |held: &Held, file| {
        says_so.send(()).unwrap();
        may_go_on.recv().unwrap();
        held.read(file)
    };
    tokio::time::pause();
    let mut reading = pin!(read_held_with(&opener, move || Ok(held), slow));
    assert!(poll!(&mut reading).is_pending());
    is_open.recv_timeout(PATIENCE).unwrap();
    tokio::time::advance(2 * opener.patience()).await;
    assert!(poll!(&mut reading).is_pending(), "it is given up");
    go_on.send(()).unwrap();
    tokio::time::resume();
    assert_eq!(in_time(reading).await.unwrap(), "[1]");
}

#[tokio::test]
async fn an_error_of_the_store_tells_its_cause() {
    let check = async |impostor: Impostor, expect: Errno| {
        let place = Place::new();
        let entry = place.entry("x.json", b"[1]").await;
        let held = place.hold(&entry);
        let number = place.number(&held);
        impostor.put(&number, &number, &number);
        match read(place.misled_opener(PATIENCE), held).await {
            Err(Unread::Failed(error)) => {
                assert_eq!(Errno::from_io_error(&error), Some(expect), "{error:?}");
            }
            other => panic!("{other:?}"),
        }
    };
    check(Impostor::LinkToNothing, Errno::NOENT).await;
    check(Impostor::LinkToItself, Errno::LOOP).await;
    check(Impostor::Socket, Errno::NXIO).await;
}

/// In memory, for that file system takes any time.
#[tokio::test]
async fn a_file_whose_time_is_no_date_is_read() {
    let far = SystemTime::UNIX_EPOCH + Duration::from_hours(2_500_000_000);
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = folder.path().join("x.json");
    fs::write(&path, b"[1]").unwrap();
    File::open(&path).unwrap().set_modified(far).unwrap();
    assert_eq!(path.metadata().unwrap().modified().unwrap(), far);
    let source = LocalSource::new(folder.path(), None).unwrap();
    let entry = source.list_all().await.unwrap().entries().next().unwrap();
    assert_eq!(source.read(&entry, 100).await.unwrap(), "[1]");
}
