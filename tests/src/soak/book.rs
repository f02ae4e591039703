//! What was written, what has arrived of it, and what is wrong in the end.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use super::feed::{Content, Place, Sheet, origin_of};
use super::ledger::Digest as Fingerprint;
use super::options::AfterImport;
use super::shelves::Shelves;

/// Every file of a soak.
#[derive(Debug, Default)]
pub(super) struct Book(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    by_number: BTreeMap<u32, Page>,
    /// How many files have objects to come.
    open: usize,
    arrivals: usize,
    strangers: usize,
}

#[derive(Debug)]
struct Page {
    name: String,
    /// The id of the connector that it is from.
    connector: &'static str,
    content: Content,
    place: Place,
    /// Whether another file took its name, so that it may have arrived or not.
    replaced: bool,
    digest: Fingerprint,
    /// How often each object arrived.
    counts: Vec<u32>,
    missing: usize,
    /// Whether the program's ledger says that it was delivered.
    delivered: bool,
    /// The number of the first connection by which something of it was sent.
    first: Option<usize>,
    /// The faults that met it written and not delivered: of each, the number of the last connection
    /// before it.
    hits: Vec<usize>,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) files: usize,
    /// Objects that have to arrive.
    pub(super) objects: usize,
    pub(super) arrivals: usize,
    pub(super) lost: usize,
    /// Objects that arrived more than once.
    pub(super) repeated: usize,
    /// How many times a file was sent again, in full or in part.
    pub(super) resent: usize,
    /// How many of these times a fault excuses.
    pub(super) excused: usize,
}

impl Book {
    /// Takes note of a file that is about to be written.
    pub(super) fn open(&self, sheet: &Sheet, text: &str) {
        self.enter(sheet, text, false);
    }

    /// The same for one that another will replace, whether it has been imported by then or not.
    pub(super) fn open_replaced(&self, sheet: &Sheet, name: String, text: &str) {
        self.enter(sheet, text, true);
        if let Some(page) = self.lock().by_number.get_mut(&sheet.number) {
            page.name = name;
        }
    }

    fn enter(&self, sheet: &Sheet, text: &str, replaced: bool) {
        let objects = match sheet.content {
            Content::Good | Content::Partial => sheet.objects as usize,
            Content::CutOff | Content::Unsendable | Content::Foreign => 0,
        };
        let page = Page {
            name: sheet.name(),
            connector: sheet.source.id,
            content: sheet.content,
            place: sheet.place,
            replaced,
            digest: Sha256::digest(text).into(),
            counts: vec![0; objects],
            missing: objects,
            delivered: false,
            first: None,
            hits: Vec::new(),
        };
        let mut pages = self.lock();
        pages.open += usize::from(page.is_open());
        pages.by_number.insert(sheet.number, page);
    }

    /// An object has arrived. One that the broker says it has handed out before counts only where
    /// that was not heard.
    pub(super) fn arrived(&self, id: &str, redelivered: bool) {
        let mut pages = self.lock();
        let pages = &mut *pages;
        pages.arrivals += 1;
        let origin = origin_of(id);
        let page = origin.and_then(|(file, _)| pages.by_number.get_mut(&file));
        let Some((page, count)) = page.and_then(|page| {
            let object = origin?.1;
            (object < page.counts.len()).then_some((page, object))
        }) else {
            pages.strangers += 1;
            return;
        };
        let was_open = page.is_open();
        let count = &mut page.counts[count];
        if *count == 0 {
            page.missing -= 1;
        }
        if *count == 0 || !redelivered {
            *count += 1;
        }
        pages.open -= usize::from(was_open && !page.is_open());
    }

    /// The program's ledger says that the files with these digests were delivered: nothing excuses
    /// sending them again from now on.
    pub(super) fn delivered(&self, digests: &HashSet<Fingerprint>) {
        let mut pages = self.lock();
        let mut names = HashSet::new();
        for page in pages.by_number.values_mut() {
            page.delivered |= digests.contains(&page.digest);
            if page.delivered && !page.replaced {
                names.insert(page.name.clone());
            }
        }
        // The ledger has one row for a name. Where it is about the file that replaced another, the
        // pass that had the other is over.
        for page in pages.by_number.values_mut() {
            page.delivered |= page.replaced && names.contains(&page.name);
        }
    }

    /// An object has been sent by the connection with this number, whether it arrives or not.
    pub(super) fn sent(&self, id: &str, connection: usize) {
        let file = origin_of(id).map(|(file, _)| file);
        let mut pages = self.lock();
        if let Some(page) = file.and_then(|file| pages.by_number.get_mut(&file)) {
            let first = page.first.get_or_insert(connection);
            *first = connection.min(*first);
        }
    }

    /// A fault has met what was written and is not known as delivered, or that of one connector;
    /// `connection` is the last one that may have been there before it.
    pub(super) fn hit(&self, connector: Option<&str>, connection: usize) {
        for page in self.lock().by_number.values_mut() {
            let met = connector.is_none_or(|connector| connector == page.connector);
            if met && !page.delivered {
                page.hits.push(connection);
            }
        }
    }

    /// How many files have objects to come.
    pub(super) fn open_files(&self) -> usize {
        self.lock().open
    }

    /// How many messages have arrived.
    pub(super) fn arrivals(&self) -> usize {
        self.lock().arrivals
    }

    pub(super) fn counts(&self) -> Counts {
        let pages = self.lock();
        let mut counts = Counts {
            files: pages.by_number.len(),
            arrivals: pages.arrivals,
            ..Counts::default()
        };
        for page in pages.by_number.values() {
            if !page.replaced {
                counts.objects += page.counts.len();
                counts.lost += page.missing;
            }
            counts.repeated += page.counts.iter().filter(|count| **count > 1).count();
            let resent = page.resent();
            counts.resent += resent as usize;
            counts.excused += resent.min(page.excuses()) as usize;
        }
        counts
    }

    /// What is not as it has to be when everything is over, file by file.
    pub(super) fn problems(&self, shelves: &Shelves, after_import: AfterImport) -> Vec<String> {
        let pages = self.lock();
        let mut problems: Vec<String> = pages
            .by_number
            .values()
            .filter(|page| !page.replaced)
            .filter_map(|page| {
                let problem = page.problem(shelves, after_import)?;
                Some(format!("{} ({:?}): {problem}", page.name, page.content))
            })
            .collect();
        if pages.strangers > 0 {
            problems.push(format!("{} objects that no file has", pages.strangers));
        }
        problems
    }

    /// The files that were sent again more often than faults met them under way.
    pub(super) fn unexcused(&self) -> Vec<String> {
        let pages = self.lock();
        let unexcused = pages
            .by_number
            .values()
            .filter(|page| page.resent() > page.excuses());
        unexcused
            .map(|page| {
                format!(
                    "{} ({:?}{}): sent again {} times, but met under way by {} faults",
                    page.name,
                    page.content,
                    if page.replaced { ", replaced" } else { "" },
                    page.resent(),
                    page.excuses()
                )
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Page {
    fn is_open(&self) -> bool {
        self.missing > 0 && !self.replaced
    }

    /// How many times it was sent again, in full or in part.
    fn resent(&self) -> u32 {
        let most = self.counts.iter().copied().max().unwrap_or(0);
        most.saturating_sub(1)
    }

    /// How many times it may have been: once for each fault that met it when something of it had been
    /// sent. What was sent just before a fault may pass the proxy after it, but by an old connection.
    fn excuses(&self) -> u32 {
        let first = self.first.unwrap_or(usize::MAX);
        let met = self.hits.iter().filter(|connection| **connection >= first);
        met.map(|_| 1).sum()
    }

    fn problem(&self, shelves: &Shelves, after_import: AfterImport) -> Option<String> {
        if self.missing > 0 {
            return Some(format!(
                "{} of {} objects are lost",
                self.missing,
                self.counts.len()
            ));
        }
        let here = self.look(shelves, &self.name);
        match (self.content, after_import) {
            (Content::Good, AfterImport::Delete) => {
                (here != Look::Absent).then(|| "it was not deleted".to_owned())
            }
            (Content::Good, AfterImport::Keep) | (Content::Foreign, _) => {
                (here != Look::Same).then(|| format!("it has to be there unchanged, but: {here:?}"))
            }
            (Content::Partial | Content::CutOff | Content::Unsendable, _) => {
                self.not_set_aside(shelves)
            }
        }
    }

    fn not_set_aside(&self, shelves: &Shelves) -> Option<String> {
        let rejected = format!("rejected/{}", self.name);
        if self.look(shelves, &self.name) != Look::Absent {
            return Some("it was not moved away".to_owned());
        }
        if self.look(shelves, &rejected) != Look::Same {
            return Some("it is not in the folder for rejected files as it was".to_owned());
        }
        let reason = shelves.look(self.place, &format!("{rejected}.reason.json"));
        let told = reason.is_some_and(|reason| reason.has_code);
        (!told).then(|| "no reason is beside it".to_owned())
    }

    fn look(&self, shelves: &Shelves, name: &str) -> Look {
        match shelves.look(self.place, name) {
            Some(file) if file.digest == self.digest => Look::Same,
            Some(_) => Look::Changed,
            None => Look::Absent,
        }
    }
}

/// How a file looks in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Absent,
    Same,
    Changed,
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::feed::{SOURCES, Way};
    use super::*;

    fn sheet(number: u32, content: Content, objects: u32) -> Sheet {
        Sheet {
            number,
            source: SOURCES[0],
            content,
            place: Place::Directory,
            way: Way::Rename,
            objects,
        }
    }

    fn id(file: u32, object: u32) -> String {
        format!("malware--{file:08}-0000-4000-8000-{object:012}")
    }

    #[test]
    fn arrivals_are_counted_per_object() {
        let book = Book::default();
        book.open(&sheet(1, Content::Good, 2), "one");
        assert_eq!(book.open_files(), 1);
        book.arrived(&id(1, 0), false);
        book.arrived(&id(1, 0), true);
        assert_eq!((book.counts().lost, book.counts().repeated), (1, 0));
        book.arrived(&id(1, 1), true);
        book.arrived(&id(1, 1), false);
        assert_eq!(book.open_files(), 0);
        let counts = book.counts();
        assert_eq!((counts.lost, counts.repeated, counts.resent), (0, 1, 1));
    }

    #[test]
    fn a_file_may_be_sent_again_as_often_as_faults_met_it_under_way() {
        let book = Book::default();
        let expect = |unexcused: &[&str], resent, excused| {
            let told = book.unexcused();
            assert_eq!(told.len(), unexcused.len(), "{told:?}");
            for (told, name) in told.iter().zip(unexcused) {
                assert!(told.contains(name), "{told}");
            }
            let counts = book.counts();
            assert_eq!((counts.resent, counts.excused), (resent, excused));
        };
        // A fault that a file is not there for is no excuse; nor one before it is sent.
        book.hit(None, 1);
        book.open(&sheet(1, Content::Good, 1), "one");
        let other = Sheet {
            source: SOURCES[1],
            ..sheet(2, Content::Partial, 2)
        };
        book.open(&other, "two");
        book.hit(None, 1);
        let sent = |file, connection| {
            book.sent(&id(file, 0), connection);
            book.arrived(&id(file, 0), false);
        };
        sent(1, 2);
        sent(2, 2);
        expect(&[], 0, 0);
        sent(1, 2);
        expect(&["feed-000001.json"], 1, 0);
        book.hit(None, 2);
        expect(&[], 1, 1);
        sent(2, 3);
        expect(&[], 2, 2);
        sent(1, 3);
        expect(&["feed-000001.json"], 3, 2);
        book.hit(Some(SOURCES[0].id), 3);
        expect(&[], 3, 3);
        sent(2, 3);
        expect(&["feed-000002.json"], 4, 3);
        // What is known as delivered stays so, whatever becomes of its row.
        book.delivered(&HashSet::from([Sha256::digest("one").into()]));
        book.delivered(&HashSet::new());
        book.hit(None, 3);
        expect(&[], 4, 4);
        sent(1, 3);
        expect(&["feed-000001.json"], 5, 4);
    }

    #[test]
    fn what_passes_after_a_fault_by_an_old_connection_was_sent_before_it() {
        let book = Book::default();
        book.open(&sheet(1, Content::Good, 1), "one");
        book.hit(None, 1);
        for connection in [2, 1] {
            book.sent(&id(1, 0), connection);
            book.arrived(&id(1, 0), false);
        }
        assert!(book.unexcused().is_empty());
    }

    #[test]
    fn a_replaced_file_is_over_with_the_one_that_replaced_it() {
        let book = Book::default();
        let replaced = |number, text| {
            let name = format!("feed-{:06}.json", number + 1);
            book.open_replaced(&sheet(number, Content::Good, 1), name, text);
        };
        let twice = |file, excused| {
            book.sent(&id(file, 0), 1);
            book.arrived(&id(file, 0), false);
            book.arrived(&id(file, 0), false);
            assert_eq!(book.counts().excused, excused);
        };
        replaced(1, "one");
        book.open(&sheet(2, Content::Good, 1), "two");
        book.delivered(&HashSet::from([Sha256::digest("two").into()]));
        book.hit(None, 1);
        twice(1, 0);
        let told = book.unexcused();
        assert!(told[0].contains("feed-000002.json (Good, replaced)"));

        replaced(3, "three");
        book.open(&sheet(4, Content::Good, 1), "four");
        book.delivered(&HashSet::from([Sha256::digest("three").into()]));
        book.hit(None, 1);
        twice(3, 0);
        twice(4, 1);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let check = |content, after_import, expect: &[&str]| {
            let book = Book::default();
            book.open(&sheet(1, content, 0), "one");
            let problems = book.problems(&Shelves::of_folder(folder.path()), after_import);
            assert_eq!(problems.len(), expect.len(), "{problems:?}");
            for (problem, expect) in problems.iter().zip(expect) {
                assert!(problem.contains(expect), "{problems:?}");
            }
        };
        check(Content::Good, AfterImport::Delete, &[]);
        check(Content::Good, AfterImport::Keep, &["Absent"]);
        check(Content::Foreign, AfterImport::Delete, &["Absent"]);
        check(Content::CutOff, AfterImport::Delete, &["is not in the"]);
        let path = folder.path().join("feed-000001.json");
        fs::write(&path, "two").unwrap();
        check(Content::Good, AfterImport::Delete, &["not deleted"]);
        check(Content::Good, AfterImport::Keep, &["Changed"]);
        check(Content::Unsendable, AfterImport::Keep, &["not moved"]);
        fs::write(&path, "one").unwrap();
        check(Content::Good, AfterImport::Keep, &[]);
        fs::create_dir(folder.path().join("rejected")).unwrap();
        fs::rename(&path, folder.path().join("rejected/feed-000001.json")).unwrap();
        check(Content::Unsendable, AfterImport::Keep, &["no reason"]);
        let reason = folder.path().join("rejected/feed-000001.json.reason.json");
        fs::write(reason, r#"{"code":"x"}"#).unwrap();
        check(Content::Unsendable, AfterImport::Keep, &[]);

        let book = Book::default();
        book.open(&sheet(1, Content::Good, 1), "one");
        book.open_replaced(&sheet(2, Content::Good, 1), "x.json".to_owned(), "two");
        book.arrived("malware--nonsense", false);
        let problems = book.problems(&Shelves::of_folder(folder.path()), AfterImport::Delete);
        assert!(problems[0].contains("1 of 1 objects are lost"));
        assert!(problems[1].contains("1 objects that no file has"));
        assert_eq!((problems.len(), book.counts().lost), (2, 1));
    }
}
