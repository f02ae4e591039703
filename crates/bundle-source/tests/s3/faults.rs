//! Faults on the way between source and store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bundle_source::{
    ReadError, Removal, S3Config, S3Error, S3Patience, S3Source, Source, SourceError,
};

use crate::bucket::{Bucket, entry, listed};
use crate::proxy::{Fault, Proxy};

const RETRIES: u32 = 4;

/// A bucket with one file, and a source that reaches it through a proxy.
struct Setup {
    bucket: Bucket,
    proxy: Proxy,
    source: S3Source,
}

impl Setup {
    async fn new(
        content: &[u8],
        plan: impl Fn(&str, usize) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let bucket = Bucket::new().await;
        bucket.put("in/01.json", content).await;
        let store = bucket.store.socket_addrs(|| None).unwrap()[0];
        let proxy = Proxy::start(store, plan).await;
        let source = S3Source::new(&S3Config {
            endpoint: Some(format!("http://{}", proxy.address)),
            patience: S3Patience {
                retries: RETRIES,
                idle: Duration::from_secs(2),
                ..S3Patience::default()
            },
            ..bucket.config("in")
        });
        Self {
            source: source.unwrap(),
            bucket,
            proxy,
        }
    }
}

/// A plan that spoils the first so many requests of a method, but not listings.
fn spoil(
    method: &'static str,
    first: usize,
    fault: Fault,
) -> impl Fn(&str, usize) -> Fault + Send + Sync + 'static {
    move |line, before| {
        // A listing comes first where there is one.
        let before = before - usize::from(method == "GET" && before > 0);
        if line.starts_with(method) && !line.contains("list-type") && before < first {
            fault
        } else {
            Fault::None
        }
    }
}

fn content() -> Vec<u8> {
    (0..200_000_u32).flat_map(u32::to_le_bytes).collect()
}

#[tokio::test]
async fn a_body_that_breaks_off_is_read_on() {
    let content = content();
    let plan = spoil("GET", 2, Fault::CutAfter(300_000));
    let setup = Setup::new(&content, plan).await;
    let found = entry(&setup.source, "01.json").await;
    assert_eq!(setup.source.read(&found, u64::MAX).await.unwrap(), content);
    assert_eq!(setup.proxy.count("GET"), 1 + 3);
}

#[tokio::test]
async fn a_body_that_always_breaks_off_is_for_the_next_pass() {
    let plan = spoil("GET", usize::MAX, Fault::CutAfter(1));
    let setup = Setup::new(&content(), plan).await;
    let found = entry(&setup.source, "01.json").await;
    match setup.source.read(&found, u64::MAX).await {
        Err(ReadError::Failed(SourceError {
            transient: true, ..
        })) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(setup.proxy.count("GET"), 1 + 1 + RETRIES as usize);
}

#[tokio::test]
async fn an_object_overwritten_while_it_was_read_has_changed() {
    let is_overwritten = Arc::new(AtomicBool::new(false));
    let may_go_on = Arc::clone(&is_overwritten);
    let plan = move |line: &str, before| match before {
        _ if line.contains("list-type") => Fault::None,
        1 => Fault::CutAfter(300_000),
        _ if may_go_on.load(Ordering::Relaxed) => Fault::None,
        _ => Fault::Refused(503, "SlowDown"),
    };
    let mut content = content();
    let setup = Setup::new(&content, plan).await;
    let found = entry(&setup.source, "01.json").await;
    content.reverse();
    let (read, ()) = tokio::join!(setup.source.read(&found, u64::MAX), async {
        while setup.proxy.count("GET") < 2 {
            tokio::task::yield_now().await;
        }
        setup.bucket.put("in/01.json", &content).await;
        is_overwritten.store(true, Ordering::Relaxed);
    });
    assert!(matches!(read, Err(ReadError::Changed { .. })), "{read:?}");
}

#[tokio::test]
async fn another_object_that_a_store_gives_all_the_same_has_changed() {
    let answer = "HTTP/1.1 200 OK\r\netag: \"another\"\r\ncontent-length: 3\r\n\
                  connection: close\r\n\r\n[2]";
    let setup = Setup::new(b"[1]", spoil("GET", 1, Fault::Answered(answer))).await;
    let found = entry(&setup.source, "01.json").await;
    let read = setup.source.read(&found, u64::MAX).await;
    assert!(matches!(read, Err(ReadError::Changed { .. })), "{read:?}");
}

#[tokio::test]
async fn a_busy_store_is_asked_again() {
    for fault in [
        Fault::Refused(503, "SlowDown"),
        Fault::Refused(500, "InternalError"),
        Fault::Refused(429, ""),
        Fault::AnswerLost,
    ] {
        let setup = Setup::new(b"[1]", move |_, before| match before {
            0 => fault,
            _ => Fault::None,
        })
        .await;
        let found = entry(&setup.source, "01.json").await;
        assert_eq!(setup.source.read(&found, 9).await.unwrap(), "[1]");
        let removal = setup.source.remove(&found).await.unwrap();
        // A deletion whose answer was lost was done.
        let expect = match fault {
            Fault::AnswerLost => Removal::AlreadyGone,
            _ => Removal::Removed,
        };
        assert_eq!(removal, expect, "{fault:?}");
        assert_eq!(setup.bucket.get("in/01.json").await, None);
    }
}

#[tokio::test]
async fn a_store_that_stays_busy_or_silent_is_for_the_next_pass() {
    let check = async |fault: Fault, expect: &str| {
        let setup = Setup::new(b"[1]", move |_, _| fault).await;
        let error = setup.source.list_all().await.unwrap_err();
        assert!(error.transient, "{error:?}");
        let cause: &S3Error = error.source.downcast_ref().unwrap();
        assert_eq!(cause.to_string(), expect);
        assert_eq!(setup.proxy.count("GET"), 1 + RETRIES as usize);
    };
    let busy = Fault::Refused(503, "SlowDown");
    check(busy, "the store answered 503 SlowDown").await;
    let broken = "the connection to the store broke";
    check(Fault::AnswerLost, broken).await;
    check(Fault::Delayed(Duration::from_hours(1)), broken).await;
}

#[tokio::test]
async fn what_will_not_pass_is_asked_once() {
    let setup = Setup::new(b"[1]", |_, _| Fault::Refused(301, "PermanentRedirect")).await;
    let error = setup.source.list_all().await.unwrap_err();
    assert!(!error.transient);
    let cause: &S3Error = error.source.downcast_ref().unwrap();
    assert_eq!(cause.to_string(), "the region is wrong");
    assert_eq!(setup.proxy.count("GET"), 1);
}

#[tokio::test]
async fn a_store_that_knows_no_conditions_is_served_without() {
    let plan = |line: &str, before| match line.split(' ').next() {
        Some("PUT" | "DELETE") if before == 0 => Fault::Refused(501, "NotImplemented"),
        _ => Fault::None,
    };
    let setup = Setup::new(b"[1]", plan).await;
    let found = entry(&setup.source, "01.json").await;
    let place = setup.source.set_aside(&found, b"{}").await.unwrap();
    assert_eq!(place.as_deref(), Some("in/rejected/01.json"));
    assert_moved(&setup).await;
}

#[tokio::test]
async fn a_slow_store_is_waited_for() {
    let setup = Setup::new(b"[1]", |_, _| Fault::Delayed(Duration::from_secs(1))).await;
    let found = entry(&setup.source, "01.json").await;
    assert_eq!(setup.source.read(&found, 9).await.unwrap(), "[1]");
    assert_eq!(setup.proxy.count("GET"), 2);
}

/// A store that keeps to a deletion's condition is found out by the first, and trusted with the others.
#[tokio::test]
async fn a_store_that_deletes_on_condition_is_asked_so() {
    let plan = |line: &str, before| match line.split(' ').next() {
        Some("DELETE") if before == 0 => Fault::Refused(412, "PreconditionFailed"),
        _ => Fault::None,
    };
    let setup = Setup::new(b"[1]", plan).await;
    setup.bucket.put("in/02.json", b"[2]").await;
    for (location, deletions) in [("01.json", 2), ("02.json", 3)] {
        let found = entry(&setup.source, location).await;
        let removal = setup.source.remove(&found).await.unwrap();
        assert_eq!(removal, Removal::Removed, "{location}");
        assert_eq!(setup.proxy.count("DELETE"), deletions, "{location}");
    }
    assert_eq!(setup.bucket.keys().await, [""; 0]);
}

#[tokio::test]
async fn what_a_store_does_not_delete_on_condition_was_replaced() {
    let plan = |line: &str, _| match line.split(' ').next() {
        Some("DELETE") => Fault::Refused(412, "PreconditionFailed"),
        _ => Fault::None,
    };
    let setup = Setup::new(b"[1]", plan).await;
    let found = entry(&setup.source, "01.json").await;
    let removal = setup.source.remove(&found).await.unwrap();
    assert_eq!(removal, Removal::Replaced);
    assert_eq!(setup.bucket.get("in/01.json").await.unwrap(), b"[1]");
}

/// A store that looks at no condition (the one of these tests, Ceph 16, does not) has deleted what was
/// to be deleted, by one request each time.
#[tokio::test]
async fn a_store_that_deletes_anyway_is_asked_once() {
    let setup = Setup::new(b"[1]", |_, _| Fault::None).await;
    setup.bucket.put("in/02.json", b"[2]").await;
    for (location, deletions) in [("01.json", 1), ("02.json", 2)] {
        let found = entry(&setup.source, location).await;
        let removal = setup.source.remove(&found).await.unwrap();
        assert_eq!(removal, Removal::Removed, "{location}");
        assert_eq!(setup.proxy.count("DELETE"), deletions, "{location}");
    }
}

/// As long as enough comes each time, a body may break off more often than it may be asked for in vain.
#[tokio::test]
async fn a_large_object_comes_in_many_pieces() {
    let content = vec![b' '; 12 << 20];
    let plan = spoil("GET", 11, Fault::CutAfter(1 << 20));
    let setup = Setup::new(&content, plan).await;
    let found = entry(&setup.source, "01.json").await;
    assert!(setup.source.read(&found, u64::MAX).await.unwrap() == content);
    assert!(setup.proxy.count("GET") > 1 + 1 + RETRIES as usize);
}

/// The deletion that was lost was done, and somebody has put another object since.
#[tokio::test]
async fn a_deletion_done_again_spares_a_newer_object() {
    let setup = Setup::new(b"[1]", spoil("DELETE", 1, Fault::AnswerLost)).await;
    let found = entry(&setup.source, "01.json").await;
    let (removal, ()) = tokio::join!(setup.source.remove(&found), async {
        while setup.bucket.get("in/01.json").await.is_some() {}
        setup.bucket.put("in/01.json", b"[2]").await;
    });
    assert_eq!(setup.bucket.get("in/01.json").await.unwrap(), b"[2]");
    assert!(matches!(
        removal.unwrap(),
        Removal::Replaced | Removal::AlreadyGone
    ));
}

/// Whatever request is lost, the move comes to its end and leaves one copy and one reason.
#[tokio::test]
async fn a_move_whose_answers_are_lost_leaves_no_second_copy() {
    for (method, first) in [
        ("PUT", 1),
        ("PUT", 2),
        ("PUT", 3),
        ("DELETE", 1),
        ("HEAD", 2),
    ] {
        let setup = Setup::new(b"[1]", spoil(method, first, Fault::AnswerLost)).await;
        let found = entry(&setup.source, "01.json").await;
        let place = setup.source.set_aside(&found, b"{}").await.unwrap();
        assert_eq!(
            place.as_deref(),
            Some("in/rejected/01.json"),
            "{method} {first}"
        );
        assert_moved(&setup).await;
    }
}

/// A process that dies after any request of a move, and another that tries again.
#[tokio::test]
async fn a_move_that_was_cut_short_goes_on_where_it_was() {
    for requests in 0..9 {
        let setup = Setup::new(b"[1]", |_, _| Fault::None).await;
        let found = entry(&setup.source, "01.json").await;
        let through = Setup::new_of(&setup, requests).await;
        let first = through.set_aside(&found, b"{}").await;
        let second = match &first {
            Ok(place) => place.clone(),
            Err(_) => setup.source.set_aside(&found, b"{}").await.unwrap(),
        };
        if let Some(place) = second {
            assert_eq!(place, "in/rejected/01.json", "{requests}");
        }
        assert_moved(&setup).await;
    }
}

impl Setup {
    /// A source of the same bucket that gets no further than so many requests.
    async fn new_of(setup: &Self, requests: usize) -> S3Source {
        let store = setup.proxy.address;
        let made = AtomicUsize::new(0);
        let proxy = Proxy::start(store, move |_, _| {
            if made.fetch_add(1, Ordering::Relaxed) < requests {
                Fault::None
            } else {
                Fault::Refused(503, "SlowDown")
            }
        })
        .await;
        S3Source::new(&S3Config {
            endpoint: Some(format!("http://{}", proxy.address)),
            patience: S3Patience {
                retries: 0,
                ..S3Patience::default()
            },
            ..setup.bucket.config("in")
        })
        .unwrap()
    }
}

async fn assert_moved(setup: &Setup) {
    assert_eq!(
        setup.bucket.keys().await,
        ["in/rejected/01.json", "in/rejected/01.json.reason.json"]
    );
    assert_eq!(
        setup.bucket.get("in/rejected/01.json").await.unwrap(),
        b"[1]"
    );
    assert_eq!(listed(&setup.source).await, [""; 0]);
}
