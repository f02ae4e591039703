use chrono::TimeDelta;
use diode_core::{LeftOut, Sent, TakenOut, Way};
use opencti_client::ErrorClass;

use super::*;

const SOURCE: &str = "directory:/in";

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn file(outcome: Outcome, code: Option<Code>) -> FileReport {
    FileReport {
        file: "a.json".to_owned(),
        modified: at(1),
        outcome,
        code,
        message: None,
        way: Way::default(),
        messages: 0,
        sent: Sent::default(),
        not_sent: Vec::new(),
        denied: std::collections::BTreeMap::new(),
        taken_out: TakenOut::default(),
        ids_of_other_types: 0,
        unmapped: None,
    }
}

fn waiting(code: Code) -> FileReport {
    file(Outcome::Waiting, Some(code))
}

fn cut_short(by: Interruption) -> PassReport {
    let mut report = PassReport::new(SOURCE);
    report.interruption = Some(by);
    report
}

/// A pass that finds these files, and ends so.
fn pass(counts: &mut Counts, files: &[FileReport], report: &PassReport) {
    counts.pass_began(SOURCE, at(10));
    for file in files {
        counts.file(SOURCE, file, at(11));
    }
    counts.pass_ended(report, at(12));
}

#[test]
fn files_are_counted_by_what_became_of_them() {
    let mut counts = Counts::default();
    let broken = file(Outcome::Rejected, Some(Code::InvalidJson));
    let partial = FileReport {
        sent: Sent {
            bundles: 2,
            objects: 5,
        },
        not_sent: vec![
            LeftOut {
                code: "no-id",
                object_type: Some("x".to_owned()),
                count: 3,
            },
            LeftOut {
                code: "no-id",
                object_type: None,
                count: 4,
            },
        ],
        ..file(Outcome::Partial, Some(Code::Partial))
    };
    let imported = FileReport {
        sent: Sent {
            bundles: 1,
            objects: 1,
        },
        ..file(Outcome::Imported, None)
    };
    let foreign = file(Outcome::Ignored, Some(Code::NotAnEnvelope));
    let files = [
        broken.clone(),
        partial,
        imported,
        foreign,
        waiting(Code::Queue),
    ];
    pass(&mut counts, &files, &PassReport::new(SOURCE));
    pass(&mut counts, &[broken], &PassReport::new(SOURCE));
    let of = &counts.sources[SOURCE];
    let expect = [
        (("ignored", "not-an-envelope"), 1),
        (("imported", ""), 1),
        (("partial", "partial"), 1),
        (("rejected", "invalid-json"), 2),
    ];
    assert_eq!(of.files, expect.into());
    assert_eq!(of.objects_not_sent, 7);
    assert_eq!((counts.bundles, counts.objects), (3, 6));
    assert_eq!((counts.runs, counts.client_errors), (2, 3));
}

#[test]
fn what_waits_is_as_the_last_pass_found_it() {
    let mut counts = Counts::default();
    let mut report = PassReport::new(SOURCE);
    report.oldest_waiting = Some(at(5));
    let files = [
        waiting(Code::Platform),
        waiting(Code::Platform),
        waiting(Code::QueueFull),
    ];
    pass(&mut counts, &files, &report);
    let found = |counts: &Counts| {
        let of = &counts.sources[SOURCE];
        let waiting: Vec<_> = of.waiting.clone().into_iter().collect();
        (waiting, of.oldest_waiting.map(|at| at.timestamp()))
    };
    let all = (vec![("platform", 2), ("queue-full", 1)], Some(5));
    assert_eq!(found(&counts), all);
    // Until the next one is over.
    counts.pass_began(SOURCE, at(20));
    counts.file(SOURCE, &waiting(Code::QueueFull), at(21));
    assert_eq!(found(&counts), all);
    report.oldest_waiting = Some(at(7));
    counts.pass_ended(&report, at(22));
    assert_eq!(found(&counts), (vec![("queue-full", 1)], Some(7)));
    pass(&mut counts, &[], &PassReport::new(SOURCE));
    assert_eq!(found(&counts), (vec![], None));
}

#[test]
fn a_pass_that_could_not_look_at_all_files_changes_nothing_of_what_waits() {
    for (by, expect) in [
        (Interruption::Source, 1),
        (Interruption::Lease, 1),
        (Interruption::Ledger, 1),
        (Interruption::Platform, 0),
        (Interruption::Broker, 0),
        (Interruption::Credentials, 0),
        (Interruption::Stopped, 0),
    ] {
        let mut counts = Counts::default();
        let mut report = PassReport::new(SOURCE);
        report.oldest_waiting = Some(at(5));
        pass(&mut counts, &[waiting(Code::Platform)], &report);
        pass(&mut counts, &[], &cut_short(by));
        let of = &counts.sources[SOURCE];
        assert_eq!(of.waiting.len(), expect, "{by:?}");
        assert_eq!(of.oldest_waiting.is_some(), expect == 1, "{by:?}");
        assert_eq!(of.last_pass.unwrap().interruption, Some(by));
    }
}

#[test]
fn a_pass_is_timed_and_what_it_left_is_kept_until_the_next() {
    let mut counts = Counts::default();
    let mut report = cut_short(Interruption::Broker);
    (report.untried, report.removed) = (7, 2);
    counts.pass_began(SOURCE, at(10));
    assert!(counts.is_running());
    counts.pass_ended(&report, at(10) + TimeDelta::milliseconds(1500));
    assert!(!counts.is_running());
    let of = &counts.sources[SOURCE];
    let last = of.last_pass.unwrap();
    assert_eq!(last.took, Duration::from_millis(1500));
    assert_eq!((of.untried, of.removed), (7, 2));
    report.untried = 0;
    report.interruption = None;
    counts.pass_began(SOURCE, at(20));
    // The clock was set back.
    counts.pass_ended(&report, at(15));
    let of = &counts.sources[SOURCE];
    let last = of.last_pass.unwrap();
    assert_eq!((last.ended, last.took), (at(15), Duration::ZERO));
    assert_eq!((of.untried, of.removed), (0, 4));
    assert_eq!(last.interruption, None);
}

#[test]
fn it_is_told_when_a_file_was_imported_last_and_that_none_was_yet() {
    let mut counts = Counts::default();
    for (outcome, expect) in [
        (Outcome::Rejected, None),
        (Outcome::Waiting, None),
        (Outcome::Partial, Some(at(11))),
        (Outcome::Imported, Some(at(11))),
    ] {
        let mut counts = Counts::default();
        pass(
            &mut counts,
            &[file(outcome, None)],
            &PassReport::new(SOURCE),
        );
        assert_eq!(counts.sources[SOURCE].last_import, expect, "{outcome}");
    }
    counts.pass_began(SOURCE, at(10));
    let none = [(("imported", ""), 0), (("partial", "partial"), 0)].into();
    assert_eq!(counts.sources[SOURCE].files, none);
}

#[test]
fn sources_are_counted_apart() {
    let mut counts = Counts::default();
    pass(
        &mut counts,
        &[file(Outcome::Imported, None)],
        &PassReport::new(SOURCE),
    );
    counts.pass_began("s3:in", at(20));
    assert!(counts.is_running());
    counts.pass_ended(&PassReport::new("s3:in"), at(21));
    assert_eq!(counts.sources.len(), 2);
    assert_eq!(counts.sources[SOURCE].last_pass.unwrap().ended, at(12));
    assert_eq!(counts.sources["s3:in"].last_import, None);
    assert_eq!(counts.runs, 2);
}

#[test]
fn signs_of_life_are_counted_by_whether_they_were_taken() {
    let mut counts = Counts::default();
    let error = ApiError::new("ping", ErrorClass::Transient, "away");
    for result in [Ok(()), Err(&error), Ok(()), Ok(())] {
        counts.sign_of_life(result);
    }
    assert_eq!((counts.pings, counts.failed_pings), (3, 1));
}

#[test]
fn objects_that_were_refused_are_counted_by_code_from_none_on() {
    let mut counts = Counts::default();
    pass(&mut counts, &[], &PassReport::new(SOURCE));
    let none = [("command", 0), ("denied-type", 0), ("internal-type", 0)];
    assert_eq!(counts.sources[SOURCE].denied, none.into());
    let refused = FileReport {
        denied: [("command", 3)].into(),
        ..file(Outcome::Rejected, Some(Code::NothingToImport))
    };
    let files = [refused.clone(), refused];
    pass(&mut counts, &files, &PassReport::new(SOURCE));
    let some = [("command", 6), ("denied-type", 0), ("internal-type", 0)];
    assert_eq!(counts.sources[SOURCE].denied, some.into());
}

#[test]
fn ids_of_other_types_are_counted() {
    let mut counts = Counts::default();
    let delivered = FileReport {
        ids_of_other_types: 2,
        ..file(Outcome::Imported, None)
    };
    let files = [delivered.clone(), delivered];
    pass(&mut counts, &files, &PassReport::new(SOURCE));
    assert_eq!(counts.sources[SOURCE].ids_of_other_types, 4);
}
