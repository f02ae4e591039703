//! Writing the files, in the ways in which files arrive.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::book::Book;
use super::feed::{Feed, Place, Sheet, Way};
use super::random::Random;
use super::shelves::PREFIX;
use super::stand::Inbox;

/// So many files wait for the program at most: it always has something to do, and is not buried.
const BACKLOG: usize = 40;

/// Between two pieces of a file, in milliseconds; far less than the program's settle time.
const PAUSE: std::ops::Range<u32> = 5..200;

/// Writes files until told to stop, and finishes those begun.
///
/// # Errors
/// If the folder cannot be written to.
pub(super) async fn write(
    mut feed: Feed,
    mut random: Random,
    inbox: Inbox,
    book: Arc<Book>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut begun = JoinSet::new();
    while !stop.is_cancelled() {
        if book.open_files() >= BACKLOG {
            sleep(Duration::from_millis(20)).await;
            continue;
        }
        let pauses = [0; 3].map(|_| random.millis(PAUSE));
        begun.spawn(put(feed.next(), pauses, inbox.clone(), Arc::clone(&book)));
        while let Some(done) = begun.try_join_next() {
            done??;
        }
        sleep(random.millis(0..20)).await;
    }
    while let Some(done) = begun.join_next().await {
        done??;
    }
    Ok(())
}

async fn put(
    sheet: Sheet,
    pauses: [Duration; 3],
    inbox: Inbox,
    book: Arc<Book>,
) -> anyhow::Result<()> {
    let name = sheet.name();
    let path = inbox.folder.join(&name);
    let text = sheet.text();
    if let (Place::Bucket, Some(bucket)) = (sheet.place, &inbox.bucket) {
        book.open(&sheet, &text);
        bucket.put(&format!("{PREFIX}{name}"), text).await;
        return Ok(());
    }
    if let Some(earlier) = sheet.earlier() {
        let text = earlier.text();
        book.open_replaced(&earlier, name.clone(), &text);
        rename_into_place(&path, &text)?;
        sleep(pauses.iter().sum()).await;
    }
    book.open(&sheet, &text);
    let written = match sheet.way {
        Way::Rename | Way::Replace(_) => rename_into_place(&path, &text),
        Way::Append => piece_by_piece(&path, &text, 0, pauses).await,
        Way::InPlace => piece_by_piece(&path, &text, text.len() as u64, pauses).await,
    };
    written.with_context(|| format!("cannot write {name}"))
}

fn rename_into_place(path: &Path, text: &str) -> std::io::Result<()> {
    let unfinished = path.with_extension("json.tmp");
    fs::write(&unfinished, text)?;
    fs::rename(unfinished, path)
}

/// Writes a file that has `length` zeros at first, in as many pieces as there are pauses.
async fn piece_by_piece(
    path: &Path,
    text: &str,
    length: u64,
    pauses: [Duration; 3],
) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.set_len(length)?;
    file.seek(SeekFrom::Start(0))?;
    let piece = text.len().div_ceil(pauses.len()).max(1);
    for (piece, pause) in text.as_bytes().chunks(piece).zip(pauses) {
        file.write_all(piece)?;
        sleep(pause).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::feed::{Content, SOURCES};
    use super::*;

    #[tokio::test]
    async fn every_way_ends_with_the_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        for (number, way) in [
            (1, Way::Rename),
            (2, Way::Append),
            (3, Way::InPlace),
            (4, Way::Replace(5)),
        ] {
            let sheet = Sheet {
                number,
                source: SOURCES[0],
                content: Content::Good,
                place: Place::Directory,
                way,
                objects: 3,
            };
            let book = Arc::new(Book::default());
            let inbox = Inbox {
                folder: folder.path().to_owned(),
                bucket: None,
            };
            put(sheet.clone(), [Duration::ZERO; 3], inbox, book)
                .await
                .unwrap();
            let path = folder.path().join(sheet.name());
            assert_eq!(fs::read_to_string(path).unwrap(), sheet.text(), "{way:?}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
    }
}
