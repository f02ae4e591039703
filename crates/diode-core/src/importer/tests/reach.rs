//! How far a failure reaches: what concerns one connector, or one file, holds up no other.

use std::time::Duration;

use opencti_client::{DeliveryErrorKind, ErrorClass};

use super::bench::{Bench, QueueFault, envelope, identity};
use crate::report::Interruption;
use crate::trouble::{Reach, Suspect};
use crate::{Importer, Outcome, ValidationMode};

/// A file of each of these connectors, the first one's the oldest.
fn files_of(bench: &Bench, connectors: &[&str]) {
    for (age, connector) in (1..).zip(connectors.iter().rev()) {
        let content = envelope(connector, &[identity(connector)]);
        bench.put(&format!("{connector}.json"), &content, age * 10);
    }
}

async fn passes(importer: &mut Importer, times: usize) {
    for _ in 0..times {
        let report = importer.pass(None).await;
        assert_eq!((report.interruption, report.untried), (None, 0));
    }
}

#[tokio::test]
async fn a_queue_that_confirms_nothing_holds_its_connector_alone() {
    let bench = Bench::new();
    files_of(&bench, &["a", "b", "c"]);
    let mut importer = bench.importer();
    for published in [&["publish b 1", "publish c 1"][..], &[]] {
        bench.queue_fault(QueueFault::Fail(DeliveryErrorKind::Unavailable, 0));
        let report = importer.pass(None).await;
        assert_eq!((report.interruption, report.untried), (None, 0));
        assert_eq!((report.count(Outcome::Waiting), report.undelivered), (1, 1));
        assert_eq!(bench.published(), published);
    }
    passes(&mut importer, 1).await;
    assert_eq!(bench.published(), ["publish a 1"]);
}

#[tokio::test]
async fn sending_that_breaks_off_ends_the_pass_where_broker_or_platform_are_away() {
    for (broker, platform, expect) in [
        (None, None, None),
        (
            Some(DeliveryErrorKind::Unavailable),
            None,
            Some(Interruption::Broker),
        ),
        (
            Some(DeliveryErrorKind::Denied),
            None,
            Some(Interruption::Broker),
        ),
        (
            None,
            Some(ErrorClass::Transient),
            Some(Interruption::Platform),
        ),
        (
            None,
            Some(ErrorClass::Credentials),
            Some(Interruption::Credentials),
        ),
    ] {
        let bench = Bench::new();
        files_of(&bench, &["a", "b"]);
        bench.queue_fault(QueueFault::Fail(DeliveryErrorKind::Unavailable, 0));
        *bench.queue.ready_after_fault.lock().unwrap() = broker;
        if let Some(class) = platform {
            bench.fail("version", class, 1);
        }
        let report = bench.pass().await;
        assert_eq!(report.interruption, expect, "{broker:?} {platform:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_platform_that_does_not_answer_is_waited_for_half_a_minute() {
    let bench = Bench::new();
    *bench.platform.is_silent.lock().unwrap() = true;
    for suspect in [Suspect::Platform, Suspect::Broker] {
        let importer = bench.importer();
        let asked = tokio::time::timeout(Duration::from_secs(31), importer.courier.ask(suspect));
        let reach = Reach::by(&asked.await.unwrap());
        assert_eq!(reach, Reach::Everything(Interruption::Platform));
    }
    bench.stop.cancel();
    let answer = bench.importer().courier.ask(Suspect::Platform).await;
    let stopped = Reach::Everything(Interruption::Stopped);
    assert_eq!(Reach::by(&answer), stopped);
}

#[tokio::test]
async fn connectors_that_the_platform_chokes_on_hold_up_no_others() {
    for call in ["register", "work"] {
        let bench = Bench::new();
        files_of(&bench, &["a", "b", "c", "d"]);
        for connector in ["a", "b", "c"] {
            bench.fail(&format!("{call} {connector}"), ErrorClass::Transient, 2);
        }
        let mut importer = bench.importer();
        passes(&mut importer, 2).await;
        assert_eq!(bench.published(), ["publish d 1"], "{call}");
        // Of those that are not registered, one is tried a minute until one succeeds.
        for _ in 0..8 {
            bench.elapse(Duration::from_mins(1));
            passes(&mut importer, 1).await;
        }
        let rest = ["publish a 1", "publish b 1", "publish c 1"];
        assert_eq!(bench.published(), rest, "{call}");
    }
}

#[tokio::test]
async fn what_the_platform_refuses_says_nothing_of_whether_it_answers() {
    let bench = Bench::new();
    files_of(&bench, &["a", "b", "c"]);
    bench.fail("work a", ErrorClass::Contract, usize::MAX);
    bench.fail("work b", ErrorClass::Transient, 1);
    // It would not be asked.
    bench.fail("version", ErrorClass::Transient, usize::MAX);
    passes(&mut bench.importer(), 1).await;
    assert_eq!(bench.published(), ["publish c 1"]);
}

#[tokio::test]
async fn an_upload_that_is_refused_holds_up_no_other() {
    let mut bench = Bench::new();
    bench.validation.mode = ValidationMode::Workbench;
    files_of(&bench, &["a", "b", "c"]);
    let mut importer = bench.importer();
    for imported in [2, 0] {
        // Such as 413.
        bench.fail("upload", ErrorClass::Contract, 1);
        let report = importer.pass(None).await;
        assert_eq!(report.count(Outcome::Waiting), 1);
        assert_eq!(report.count(Outcome::Imported), imported);
    }
    passes(&mut importer, 1).await;
    assert_eq!(bench.platform.uploads.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_workbench_that_we_may_not_use_is_asked_once_in_a_pass() {
    for (class, code) in [
        (ErrorClass::Forbidden, None),
        (ErrorClass::Contract, Some("GRAPHQL_VALIDATION_FAILED")),
    ] {
        let mut bench = Bench::new();
        bench.validation.mode = ValidationMode::Workbench;
        files_of(&bench, &["a", "b", "c"]);
        match code {
            None => bench.fail("upload", class, 1),
            Some(code) => bench.refuse("upload", code, 1),
        }
        let report = bench.pass().await;
        assert_eq!(report.count(Outcome::Waiting), 3, "{class:?}");
        assert_eq!(bench.platform.uploads.lock().unwrap().len(), 0, "{class:?}");
    }
}

#[tokio::test]
async fn a_draft_that_no_work_can_be_tied_to_is_a_validation_that_is_refused() {
    for class in [ErrorClass::Forbidden, ErrorClass::Contract] {
        let mut bench = Bench::new();
        bench.version = Some(opencti_client::PlatformVersion::new(6, 6, 0));
        bench.fail("draft context", class, usize::MAX);
        let scope = r#""scope":"x""#;
        let asking = format!(r#"{scope},"validate_before_import":true"#);
        let content = envelope("a", &[identity("a")]).replace(scope, &asking);
        bench.put("1.json", &content, 60);
        bench.put("2.json", &envelope("a", &[identity("b")]), 50);
        bench.put("3.json", &envelope("c", &[identity("c")]), 40);
        let report = bench.pass().await;
        assert_eq!(
            (report.interruption, report.untried),
            (None, 0),
            "{class:?}"
        );
        let lots = (report.count(Outcome::Waiting), report.undelivered);
        assert_eq!(lots, (1, 0), "{class:?}");
        assert_eq!(
            bench.published(),
            ["publish a 1", "publish c 1"],
            "{class:?}"
        );
    }
}

#[tokio::test]
async fn only_the_platform_s_own_word_sets_the_files_of_a_connector_aside() {
    for (code, rejected) in [
        (Some("BAD_USER_INPUT"), 1),
        (Some("VALIDATION_ERROR"), 1),
        (Some("FUNCTIONAL_ERROR"), 1),
        // It does not know the request, whatever connector it is for.
        (Some("GRAPHQL_VALIDATION_FAILED"), 0),
        // A proxy said 400, 413 or 422, or something else answered.
        (None, 0),
    ] {
        let bench = Bench::new();
        files_of(&bench, &["a", "b"]);
        match code {
            Some(code) => bench.refuse("register a", code, 1),
            None => bench.fail("register a", ErrorClass::Contract, 1),
        }
        let mut importer = bench.importer();
        let report = importer.pass(None).await;
        assert_eq!(report.count(Outcome::Rejected), rejected, "{code:?}");
        assert_eq!(report.count(Outcome::Waiting), 1 - rejected, "{code:?}");
        assert_eq!(bench.published(), ["publish b 1"], "{code:?}");
        passes(&mut importer, 1).await;
        assert_eq!(bench.published().len(), 1 - rejected, "{code:?}");
    }
}
