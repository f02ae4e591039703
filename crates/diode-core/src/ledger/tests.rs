use opencti_client::WorkId;

use super::*;
use crate::{Hold, OpenWork};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn entry(name: &str, size: u64) -> Entry {
    Entry {
        location: Location::new(name),
        size,
        modified: DateTime::from_timestamp_nanos(1_767_225_600_123_456_789),
        etag: Some("etag".into()),
    }
}

fn open() -> (tempfile::TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("state")).unwrap();
    (folder, ledger)
}

/// What is known is borrowed from all that is, which lives on for as long as the test.
fn only(ledger: &Ledger) -> Known<'static> {
    let known = Box::leak(Box::new(ledger.known("s").unwrap()));
    assert_eq!(known.len(), 1);
    known.iter().next().unwrap()
}

#[test]
fn remembers_across_a_restart() {
    let (folder, ledger) = open();
    let record = Record {
        fingerprint: Some(Fingerprint::of(b"abc")),
        code: Some(Code::Partial),
        ..Record::default()
    };
    let file = entry("a.json", 3);
    ledger
        .record("s", &file, Outcome::Partial, &record, at(9))
        .unwrap();
    drop(ledger);
    let ledger = Ledger::open(&folder.path().join("state")).unwrap();
    let known = only(&ledger);
    assert!(known.is(&file));
    assert_eq!(known.fingerprint, Some(Fingerprint::of(b"abc")));
    assert_eq!(
        (known.outcome, known.code),
        (Outcome::Partial, Some(Code::Partial))
    );
    assert_eq!((known.seen_since, known.decided_at), (at(9), at(9)));
    assert!(ledger.known("other").unwrap().is_empty());
}

/// SHA-256 of "abc", as the standard's own example has it.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn a_fingerprint_is_kept_as_text_and_what_is_none_as_that_of_no_content() {
    let (_folder, ledger) = open();
    let record = Record {
        fingerprint: Some(Fingerprint::of(b"abc")),
        ..Record::default()
    };
    let file = entry("a.json", 3);
    ledger
        .record("s", &file, Outcome::Imported, &record, at(9))
        .unwrap();
    let kept: String = ledger
        .lock()
        .unwrap()
        .query_row("SELECT fingerprint FROM files", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, ABC);
    let (too_long, capitals) = (format!("{ABC}0"), ABC.to_uppercase());
    for (text, expect) in [
        (Some(ABC), Some(Fingerprint::of(b"abc"))),
        (Some("abc"), None),
        (Some(&too_long), None),
        (Some(&capitals), None),
        (Some(""), None),
        (None, None),
    ] {
        ledger
            .lock()
            .unwrap()
            .execute("UPDATE files SET fingerprint = ?1", [text])
            .unwrap();
        let known = only(&ledger);
        assert_eq!(known.fingerprint, expect, "{text:?}");
        assert!(known.is(&file), "{text:?}");
    }
}

#[test]
fn seen_since_moves_only_with_the_file_or_a_clock_set_back() {
    let (_folder, ledger) = open();
    let record = Record::default();
    for (size, now, expect) in [
        (3, 10, 10),
        (3, 20, 10),
        (4, 30, 30),
        (4, 40, 30),
        (4, 25, 25),
        (4, 35, 25),
    ] {
        let file = entry("a.json", size);
        ledger
            .record("s", &file, Outcome::Waiting, &record, at(now))
            .unwrap();
        assert_eq!(only(&ledger).seen_since, at(expect));
        assert_eq!(only(&ledger).decided_at, at(now));
    }
}

#[test]
fn a_name_that_comes_again_is_a_new_file() {
    let (_folder, ledger) = open();
    let file = entry("a.json", 3);
    let record = Record {
        reason: Some(b"{}"),
        ..Record::default()
    };
    ledger
        .record("s", &file, Outcome::Rejected, &record, at(1))
        .unwrap();
    assert_eq!(
        ledger.reason("s", &file.location).unwrap().as_deref(),
        Some(&b"{}"[..])
    );
    ledger
        .left("s", &file.location, Some("rejected/a.json"), at(2))
        .unwrap();
    assert!(ledger.known("s").unwrap().is_empty());
    assert_eq!(ledger.reason("s", &file.location).unwrap(), None);
    ledger
        .record("s", &file, Outcome::Imported, &Record::default(), at(3))
        .unwrap();
    assert_eq!(only(&ledger).outcome, Outcome::Imported);
    let aside = ledger.set_aside_before("s", at(2)).unwrap();
    assert_eq!(aside.len(), 1);
    assert_eq!(aside[0].moved_to, "rejected/a.json");
    assert!(ledger.set_aside_before("s", at(1)).unwrap().is_empty());
    ledger.discarded(aside[0].id).unwrap();
    assert!(ledger.set_aside_before("s", at(9)).unwrap().is_empty());
}

#[test]
fn a_set_aside_file_is_not_discarded_for_an_older_one_of_its_name() {
    let (_folder, ledger) = open();
    for (size, now) in [(3, 1), (4, 100)] {
        let file = entry("a.json", size);
        ledger
            .record("s", &file, Outcome::Rejected, &Record::default(), at(now))
            .unwrap();
        ledger
            .left("s", &file.location, Some("rejected/a.json"), at(now))
            .unwrap();
    }
    assert_eq!(ledger.set_aside_before("s", at(99)).unwrap(), []);
    assert_eq!(ledger.set_aside_before("s", at(100)).unwrap().len(), 1);
}

#[test]
fn notes_files_that_went_missing() {
    let (_folder, ledger) = open();
    let file = entry("a.json", 3);
    ledger
        .record("s", &file, Outcome::Imported, &Record::default(), at(1))
        .unwrap();
    let id = only(&ledger).id;
    ledger.seen([(id, true), (id + 1, true)], at(2)).unwrap();
    assert!(only(&ledger).missed);
    ledger.seen([(id, false)], at(3)).unwrap();
    assert!(!only(&ledger).missed);
    let anew = Entry { size: 9, ..file };
    ledger.recognise(id, &anew).unwrap();
    assert!(only(&ledger).is(&anew));
}

#[test]
fn forgets_what_was_decided_about_files_in_their_place() {
    let (_folder, ledger) = open();
    let record = Record::default();
    for (name, outcome) in [
        ("imported", Outcome::Imported),
        ("ignored", Outcome::Ignored),
        ("rejected", Outcome::Rejected),
        ("waiting", Outcome::Waiting),
        ("aside", Outcome::Rejected),
    ] {
        let file = entry(name, 3);
        ledger.record("s", &file, outcome, &record, at(1)).unwrap();
        ledger.record("t", &file, outcome, &record, at(1)).unwrap();
    }
    let aside = Location::new("aside");
    ledger.left("s", &aside, Some("aside"), at(2)).unwrap();
    assert_eq!(ledger.forget("s", at(3)).unwrap(), 3);
    assert_eq!(only(&ledger).file.location, "waiting");
    assert_eq!(ledger.set_aside_before("s", at(9)).unwrap().len(), 1);
    assert_eq!(ledger.known("t").unwrap().len(), 5);
    assert_eq!(ledger.forget("s", at(4)).unwrap(), 0);
}

#[test]
fn a_source_is_taken_over_once() {
    let (_folder, ledger) = open();
    assert!(!ledger.is_taken_over("s").unwrap());
    let imported = [(entry("a.json", 3), Fingerprint::of(b"abc"))];
    ledger.take_over("s", &imported, at(5)).unwrap();
    assert!(ledger.is_taken_over("s").unwrap());
    assert!(!ledger.is_taken_over("other").unwrap());
    let row = only(&ledger);
    assert_eq!(row.fingerprint, Some(Fingerprint::of(b"abc")));
    assert_eq!(
        (row.outcome, row.code, row.decided_at),
        (Outcome::Imported, Some(Code::ImportedBefore), at(5))
    );
}

#[test]
fn sources_of_an_older_ledger_are_ours_already() {
    let folder = tempfile::tempdir().unwrap();
    let connection = Connection::open(folder.path().join(FILE_NAME)).unwrap();
    schema::migrate(&connection, 0, 1).unwrap();
    connection
        .execute(
            "INSERT INTO files (source, location, size, modified_ns, outcome, seen_since_ms,
                                decided_at_ms)
             VALUES ('s', 'a.json', 1, 2, 'imported', 3, 4)",
            [],
        )
        .unwrap();
    drop(connection);
    let ledger = Ledger::open(folder.path()).unwrap();
    assert!(ledger.is_taken_over("s").unwrap());
    assert_eq!(only(&ledger).outcome, Outcome::Imported);
}

/// A ledger of an earlier version with one file of each outcome in it, where it was and set aside.
fn older(version: i64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let connection = Connection::open(folder.path().join(FILE_NAME)).unwrap();
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .unwrap();
    schema::migrate(&connection, 0, version).unwrap();
    let rows =
        "INSERT INTO files (source, location, size, modified_ns, fingerprint, outcome, reason,
                                   applicant_id, seen_since_ms, decided_at_ms, gone_at_ms, moved_to)
                VALUES ('s', 'a.json', 1, 2, ?1, 'imported', NULL, 'there', 3, 4, NULL, NULL),
                       ('s', 'b.json', 1, 2, ?1, 'rejected', x'7B7D', NULL, 3, 5, 6, 'rejected/b')";
    connection.execute(rows, [ABC]).unwrap();
    folder
}

#[test]
fn a_ledger_of_every_earlier_version_is_opened_with_all_that_is_in_it() {
    for version in 1..schema::VERSION {
        let folder = older(version);
        let ledger = Ledger::open(folder.path()).unwrap();
        assert_eq!(only(&ledger).file.location, "a.json", "{version}");
        let aside = ledger.set_aside_before("s", at(9)).unwrap();
        assert_eq!(aside[0].moved_to, "rejected/b", "{version}");
        let same = ledger.same_content(Fingerprint::of(b"abc")).unwrap();
        assert_eq!(same.unwrap().file, "a.json", "{version}");
        let record = Record {
            user_id: Some("here"),
            ..Record::default()
        };
        ledger
            .record("s", &entry("c.json", 3), Outcome::Imported, &record, at(9))
            .unwrap();
        let history = History::open(folder.path()).unwrap();
        let users: Vec<_> = history.entries(9).unwrap();
        let users: Vec<_> = users.iter().map(|entry| entry.user_id.as_deref()).collect();
        assert_eq!(users, [Some("here"), None, None], "{version}");
    }
}

#[test]
fn a_ledger_of_an_earlier_version_is_looked_at_as_it_is() {
    for version in 3..schema::VERSION {
        let folder = older(version);
        let history = History::open(folder.path()).unwrap();
        let entries = history.entries(9).unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[1].applicant_id.as_deref(), Some("there"));
        let ledger = Ledger::look(folder.path()).unwrap().unwrap();
        assert_eq!(ledger.known("s").unwrap().len(), 1);
        let same = ledger.same_content(Fingerprint::of(b"abc")).unwrap();
        assert_eq!(same.is_some(), version > 3, "nothing says so before");
    }
}

#[test]
fn content_is_known_by_what_was_imported_whole_and_by_us() {
    let (_folder, ledger) = open();
    let abc = Fingerprint::of(b"abc");
    let record = |name: &str, outcome, code, now| {
        let record = Record {
            fingerprint: Some(abc),
            code,
            user_id: Some("here"),
            ..Record::default()
        };
        let file = entry(name, 3);
        ledger
            .record("s", &file, outcome, &record, at(now))
            .unwrap();
    };
    let known = |content: &[u8]| {
        let same = ledger.same_content(Fingerprint::of(content)).unwrap();
        same.map(|same| (same.file, same.imported_at, same.user_id))
    };
    ledger.take_over("s", &[], at(0)).unwrap();
    record("partial", Outcome::Partial, Some(Code::Partial), 1);
    record("before", Outcome::Imported, Some(Code::ImportedBefore), 2);
    record("skipped", Outcome::Imported, Some(Code::AlreadyImported), 3);
    assert_eq!(known(b"abc"), None);
    record("newer", Outcome::Imported, None, 5);
    record("older", Outcome::Imported, None, 4);
    let here = Some("here".to_owned());
    assert_eq!(
        known(b"abc"),
        Some(("newer".to_owned(), at(5), here.clone()))
    );
    assert_eq!(known(b"abd"), None);
    ledger
        .left("s", &Location::new("newer"), None, at(6))
        .unwrap();
    assert!(
        known(b"abc").is_some(),
        "a deleted file was imported all the same"
    );
    ledger.forget("other", at(7)).unwrap();
    assert!(known(b"abc").is_some(), "that was another source");
    ledger.forget("s", at(7)).unwrap();
    assert_eq!(known(b"abc"), None);
    record("again", Outcome::Imported, None, 8);
    assert_eq!(known(b"abc"), Some(("again".to_owned(), at(8), here)));
}

/// With 400,000 rows, anything else would be noticed with each file.
#[test]
fn content_is_found_by_the_index_alone() {
    let (_folder, ledger) = open();
    let connection = ledger.lock().unwrap();
    let plan = format!("EXPLAIN QUERY PLAN {}", schema::SAME_CONTENT);
    let mut statement = connection.prepare(&plan).unwrap();
    let steps = statement.query_map([ABC], |row| row.get::<_, String>(3));
    let steps: Vec<String> = steps.unwrap().map(Result::unwrap).collect();
    let steps = steps.join("\n");
    assert!(
        steps.contains("SEARCH files USING INDEX files_content"),
        "{steps}"
    );
    assert!(
        !steps.contains("SCAN") && !steps.contains("B-TREE"),
        "{steps}"
    );
}

#[test]
fn what_was_taken_away_from_where_it_was_set_aside_is_gone() {
    let (_folder, ledger) = open();
    for name in ["a", "b", "c"] {
        let file = entry(name, 3);
        let record = Record {
            reason: Some(b"{}"),
            ..Record::default()
        };
        ledger
            .record("s", &file, Outcome::Rejected, &record, at(1))
            .unwrap();
        let moved_to = format!("rejected/{name}");
        ledger
            .left("s", &file.location, Some(&moved_to), at(2))
            .unwrap();
    }
    let there = ["rejected/b", "rejected/other"].into();
    assert_eq!(ledger.keep_set_aside("other", &there).unwrap(), 0);
    assert_eq!(ledger.keep_set_aside("s", &there).unwrap(), 2);
    let left = ledger.set_aside_before("s", at(9)).unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].moved_to, "rejected/b");
    assert_eq!(ledger.prune("s", at(9), at(9)).unwrap(), 2);
}

#[test]
fn when_it_was_told_what_was_set_aside_outlives_a_restart() {
    let (folder, ledger) = open();
    assert_eq!(ledger.set_aside_told("s").unwrap(), None);
    ledger.take_over("s", &[], at(1)).unwrap();
    assert_eq!(ledger.set_aside_told("s").unwrap(), None);
    ledger.tell_set_aside("s", at(2)).unwrap();
    drop(ledger);
    let ledger = Ledger::open(&folder.path().join("state")).unwrap();
    assert_eq!(ledger.set_aside_told("s").unwrap(), Some(at(2)));
    assert_eq!(ledger.set_aside_told("other").unwrap(), None);
}

#[test]
fn refuses_what_it_does_not_understand() {
    let (folder, ledger) = open();
    ledger
        .lock()
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    drop(ledger);
    let state = folder.path().join("state");
    let error = Ledger::open(&state).unwrap_err();
    assert!(
        matches!(error, LedgerError::Newer { found: 99, .. }),
        "{error}"
    );
    std::fs::write(state.join(FILE_NAME), "no database").unwrap();
    let error = Ledger::open(&state).unwrap_err();
    assert!(matches!(error, LedgerError::Open { .. }), "{error}");
    let error = Ledger::open(&state.join(FILE_NAME).join("below")).unwrap_err();
    assert!(matches!(error, LedgerError::Folder { .. }), "{error}");
}

#[test]
fn what_is_gone_is_forgotten_after_a_while() {
    let (_folder, ledger) = open();
    let record = |name: &str, now| {
        let file = entry(name, 3);
        ledger
            .record("s", &file, Outcome::Imported, &Record::default(), at(now))
            .unwrap();
        file.location
    };
    let deleted = record("deleted", 1);
    ledger.left("s", &deleted, None, at(2)).unwrap();
    let aside = record("set aside", 1);
    ledger.left("s", &aside, Some("rejected/a"), at(2)).unwrap();
    // Decided long before it went missing.
    let missed = record("missed", 1);
    let kept = record("in place", 1);
    let row = |file: &Location| ledger.known("s").unwrap().get(file.as_str()).unwrap().id;
    let seen = [(row(&missed), true), (row(&kept), false)];
    ledger.seen(seen, at(3)).unwrap();
    for (before, expect) in [(2, 0), (3, 1), (4, 1), (99, 0)] {
        let pruned = ledger.prune("s", at(before), at(100)).unwrap();
        assert_eq!(pruned, expect, "{before}");
    }
    assert_eq!(only(&ledger).file.location, kept.as_str());
    assert_eq!(ledger.set_aside_before("s", at(9)).unwrap().len(), 1);
}

#[test]
fn what_an_earlier_version_found_missing_is_forgotten_later() {
    let (folder, ledger) = open();
    let file = entry("a.json", 3);
    ledger
        .record("s", &file, Outcome::Imported, &Record::default(), at(1))
        .unwrap();
    ledger
        .lock()
        .unwrap()
        .execute("UPDATE files SET missed = 1", [])
        .unwrap();
    drop(ledger);
    let ledger = Ledger::open(&folder.path().join("state")).unwrap();
    assert!(only(&ledger).missed);
    for (before, now, expect) in [(50, 100, 0), (100, 150, 0), (101, 151, 1)] {
        let pruned = ledger.prune("s", at(before), at(now)).unwrap();
        assert_eq!(pruned, expect, "{before}");
    }
}

#[test]
fn light_writes_are_seen_at_once_and_no_others_become_light() {
    let (folder, ledger) = open();
    let synchronous = |ledger: &Ledger| -> i64 {
        ledger
            .lock()
            .unwrap()
            .pragma_query_value(None, "synchronous", |row| row.get(0))
            .unwrap()
    };
    let file = entry("a.json", 3);
    ledger
        .record("s", &file, Outcome::Imported, &Record::default(), at(1))
        .unwrap();
    assert_eq!(synchronous(&ledger), 2, "full");
    let other = Ledger::open(&folder.path().join("state")).unwrap();
    assert!(only(&other).is(&file));
    assert!(!other.is_flushed(), "who wrote it may have been killed");
    ledger.left("s", &file.location, None, at(2)).unwrap();
    assert_eq!(synchronous(&ledger), 2, "full");
    let work = OpenWork {
        connector_id: "c".into(),
        connector_name: "Feed".into(),
        work: WorkId("w".into()),
        hold: Hold::Held,
        unsent: 0,
        used_at: at(2),
    };
    ledger.hold_work(&work).unwrap();
    assert_eq!(synchronous(&ledger), 2, "full");
    assert_eq!(other.open_work("c").unwrap(), Some(work));
    ledger.sync().unwrap();
    assert!(!ledger.is_flushed(), "who flushes says so");
    ledger.flush().unwrap();
    assert!(ledger.is_flushed());
    assert!(other.known("s").unwrap().is_empty());
}

#[test]
fn new_connectors_count_for_a_day() {
    let (_folder, ledger) = open();
    let now = Utc::now();
    ledger.keep_connector("known", None).unwrap();
    ledger.keep_connector("a", Some(now)).unwrap();
    let day = chrono::TimeDelta::hours(24);
    let later = |time| ledger.new_connectors(now + time).unwrap();
    assert_eq!(later(chrono::TimeDelta::zero()), 1);
    assert_eq!(later(day - chrono::TimeDelta::minutes(1)), 1);
    assert_eq!(later(day), 0);
    assert_eq!(later(-chrono::TimeDelta::hours(1)), 1, "set back a little");
    assert_eq!(later(-day), 0, "set back from a wrong time");
    ledger.keep_connector("a", Some(now + day)).unwrap();
    assert_eq!(later(day), 0, "it was new before");
    assert!(ledger.has_connector("a").unwrap() && ledger.has_connector("known").unwrap());
    ledger.forget_connector("a").unwrap();
    assert!(!ledger.has_connector("a").unwrap());
}

#[test]
fn connectors_that_an_earlier_version_sent_for_are_known() {
    let folder = older(4);
    let connection = Connection::open(folder.path().join(FILE_NAME)).unwrap();
    connection
        .execute(
            "UPDATE files SET connector_id = location, work_id = 'w' WHERE location = 'a.json'",
            [],
        )
        .unwrap();
    connection
        .execute(
            "UPDATE files SET connector_id = location WHERE location = 'b.json'",
            [],
        )
        .unwrap();
    connection
        .execute(
            "INSERT INTO works VALUES ('c', 'Feed', 'w', 'held', 0, 4)",
            [],
        )
        .unwrap();
    drop(connection);
    let ledger = Ledger::open(folder.path()).unwrap();
    assert!(ledger.has_connector("a.json").unwrap());
    assert!(ledger.has_connector("c").unwrap(), "its work is open");
    assert!(
        !ledger.has_connector("b.json").unwrap(),
        "nothing was sent of it"
    );
    assert_eq!(ledger.new_connectors(Utc::now()).unwrap(), 0);
}
