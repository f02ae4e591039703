//! One process at a time on a folder of a bucket.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bundle_source::{S3Config, S3Error, S3Holder, S3Lease, S3LeaseTimes, S3Source, S3Standing};
use http::Method;
use tokio::time::{Instant, timeout};

use crate::bucket::{Bucket, cause, listed};
use crate::proxy::{Fault, Proxy};

const KEY: &str = "in/.diode-import-lease";

/// Long enough for a busy machine, short enough to wait for.
const TIMES: S3LeaseTimes = S3LeaseTimes {
    renew_every: Duration::from_millis(400),
    valid_for: Duration::from_secs(2),
    take_over_after: Duration::from_secs(3),
};

/// How long something may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a store answers that overlooks a condition.
const OVERLOOKED: &str =
    "HTTP/1.1 200 OK\r\netag: \"another\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

fn lease(source: &S3Source, instance: &str) -> S3Lease {
    lease_with(source, instance, TIMES)
}

fn lease_with(source: &S3Source, instance: &str, times: S3LeaseTimes) -> S3Lease {
    let holder = S3Holder {
        instance: instance.into(),
        host: format!("host-of-{instance}"),
        since: "2026-01-01T00:00:00Z".into(),
    };
    S3Lease::new(source, holder, times)
}

async fn take(lease: &S3Lease) -> S3Standing {
    lease.take().await.unwrap()
}

fn behind(host: &str, is_alive: bool) -> S3Standing {
    S3Standing::StandingBy {
        host: host.into(),
        is_alive,
    }
}

/// Waits until a lease stands so.
async fn becomes(lease: &S3Lease, expect: S3Standing) {
    let reached = async {
        loop {
            let standing = take(lease).await;
            if standing == expect {
                return;
            }
            lease.changed(&standing).await;
        }
    };
    let reached = timeout(PATIENCE, reached).await;
    assert!(reached.is_ok(), "not {expect:?} within {PATIENCE:?}");
}

async fn is_lost(lease: &S3Lease) {
    let lost = timeout(PATIENCE, lease.changed(&S3Standing::Ours)).await;
    assert!(lost.is_ok(), "not lost within {PATIENCE:?}");
}

/// A source whose requests go through a proxy.
async fn through(
    bucket: &Bucket,
    plan: impl Fn(&str, usize) -> Fault + Send + Sync + 'static,
) -> (Proxy, S3Source) {
    let store = bucket.store.socket_addrs(|| None).unwrap()[0];
    let proxy = Proxy::start(store, plan).await;
    let source = S3Source::new(&S3Config {
        endpoint: Some(format!("http://{}", proxy.address)),
        ..bucket.config("in")
    });
    (proxy, source.unwrap())
}

#[tokio::test]
async fn one_has_it_and_the_other_gets_it_when_it_is_given_back() {
    let bucket = Bucket::new().await;
    let source = bucket.source("in");
    // Whoever waits for as long as that fails the test.
    let times = S3LeaseTimes {
        take_over_after: 2 * PATIENCE,
        ..TIMES
    };
    let first = lease_with(&source, "a", times);
    let second = lease_with(&source, "b", times);
    assert_eq!(take(&first).await, S3Standing::Ours);
    assert_eq!(bucket.keys().await, [KEY]);
    assert_eq!(listed(&source).await, [""; 0]);
    assert_eq!(take(&second).await, behind("host-of-a", false));
    becomes(&second, behind("host-of-a", true)).await;
    assert_eq!(take(&first).await, S3Standing::Ours);
    first.give_back().await;
    becomes(&second, S3Standing::Ours).await;
    assert_eq!(take(&first).await, behind("host-of-b", false));
    second.give_back().await;
    first.give_back().await;
    assert_eq!(bucket.keys().await, [""; 0]);
}

#[tokio::test]
async fn the_lease_of_who_died_is_taken_over_when_it_has_not_changed_for_long_enough() {
    let bucket = Bucket::new().await;
    let source = bucket.source("in");
    let first = lease(&source, "a");
    assert_eq!(take(&first).await, S3Standing::Ours);
    drop(first);
    let second = lease(&source, "b");
    let seen = Instant::now();
    assert_eq!(take(&second).await, behind("host-of-a", false));
    becomes(&second, S3Standing::Ours).await;
    assert!(seen.elapsed() >= TIMES.take_over_after);
}

#[tokio::test]
async fn our_own_is_taken_over_at_once() {
    let bucket = Bucket::new().await;
    let source = bucket.source("in");
    let first = lease(&source, "a");
    assert_eq!(take(&first).await, S3Standing::Ours);
    let second = lease(&source, "a");
    assert_eq!(take(&second).await, S3Standing::Ours);
    // Were it still there, it would notice.
    is_lost(&first).await;
}

#[tokio::test]
async fn who_was_replaced_notices_and_stands_by() {
    let bucket = Bucket::new().await;
    let source = bucket.source("in");
    let lease = lease(&source, "a");
    assert_eq!(take(&lease).await, S3Standing::Ours);
    bucket.put(KEY, b"process of another\nhost there\n").await;
    is_lost(&lease).await;
    assert_eq!(take(&lease).await, behind("there", false));
    lease.give_back().await;
    assert_eq!(bucket.keys().await, [KEY], "it is another's");
}

#[tokio::test]
async fn what_cannot_be_renewed_is_over_before_another_takes_it() {
    let bucket = Bucket::new().await;
    let is_away = Arc::new(AtomicBool::new(false));
    let away = Arc::clone(&is_away);
    let (_proxy, source) = through(&bucket, move |_, _| {
        if away.load(Ordering::SeqCst) {
            Fault::Refused(503, "SlowDown")
        } else {
            Fault::None
        }
    })
    .await;
    let (first, second) = (lease(&source, "a"), lease(&bucket.source("in"), "b"));
    assert_eq!(take(&first).await, S3Standing::Ours);
    is_away.store(true, Ordering::SeqCst);
    assert_eq!(take(&second).await, behind("host-of-a", false));
    is_lost(&first).await;
    let standing = take(&second).await;
    assert!(
        matches!(standing, S3Standing::StandingBy { .. }),
        "{standing:?}"
    );
    becomes(&second, S3Standing::Ours).await;
    is_away.store(false, Ordering::SeqCst);
    assert_eq!(take(&first).await, behind("host-of-b", false));
}

#[tokio::test]
async fn what_could_not_be_renewed_for_a_while_is_taken_again() {
    let bucket = Bucket::new().await;
    let is_away = Arc::new(AtomicBool::new(false));
    let away = Arc::clone(&is_away);
    let (_proxy, source) = through(&bucket, move |_, _| {
        if away.load(Ordering::SeqCst) {
            Fault::Refused(503, "SlowDown")
        } else {
            Fault::None
        }
    })
    .await;
    let lease = lease(&source, "a");
    assert_eq!(take(&lease).await, S3Standing::Ours);
    is_away.store(true, Ordering::SeqCst);
    is_lost(&lease).await;
    let error = lease.take().await.unwrap_err();
    assert!(
        matches!(cause(&error), S3Error::Unavailable(_)),
        "{error:?}"
    );
    is_away.store(false, Ordering::SeqCst);
    assert_eq!(take(&lease).await, S3Standing::Ours);
}

/// Each fifth answer to a request that puts is lost: of the lease, of the probes, of renewals.
#[tokio::test]
async fn lost_answers_lose_no_lease() {
    let bucket = Bucket::new().await;
    let (proxy, source) = through(&bucket, |line, before| {
        if line.starts_with("PUT") && before % 5 == 0 {
            Fault::AnswerLost
        } else {
            Fault::None
        }
    })
    .await;
    let lease = lease(&source, "a");
    assert_eq!(take(&lease).await, S3Standing::Ours);
    let renewed = timeout(PATIENCE, async {
        while proxy.count("PUT") < 20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    tokio::select! {
        renewed = renewed => renewed.unwrap(),
        () = lease.changed(&S3Standing::Ours) => panic!("it was lost"),
    }
}

#[tokio::test]
async fn a_store_that_overlooks_conditions_is_noticed() {
    for overlooked in [1, 2] {
        let bucket = Bucket::new().await;
        let (_proxy, source) = through(&bucket, move |line, before| {
            if line.starts_with("PUT") && before >= overlooked {
                Fault::Answered(OVERLOOKED)
            } else {
                Fault::None
            }
        })
        .await;
        let lease = lease(&source, "a");
        assert_eq!(take(&lease).await, S3Standing::Without, "{overlooked}");
        assert_eq!(bucket.keys().await, [""; 0], "{overlooked}");
        assert_eq!(take(&lease).await, S3Standing::Without);
    }
}

#[tokio::test]
async fn a_store_that_knows_no_conditions_is_gone_without() {
    let bucket = Bucket::new().await;
    let (_proxy, source) = through(&bucket, |line, _| {
        if line.starts_with("PUT") {
            Fault::Refused(501, "NotImplemented")
        } else {
            Fault::None
        }
    })
    .await;
    assert_eq!(take(&lease(&source, "a")).await, S3Standing::Without);
}

#[tokio::test]
async fn a_bucket_that_is_read_only_is_gone_without() {
    let bucket = Bucket::new().await;
    let name = &bucket.name;
    let policy = format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Deny", "Principal": "*",
        "Action": "s3:PutObject", "Resource": "arn:aws:s3:::{name}/*"}}]}}"#
    );
    let policy = policy.as_bytes();
    bucket.send(Method::PUT, "", "policy", &[], policy).await;
    let source = bucket.source("in");
    assert_eq!(take(&lease(&source, "a")).await, S3Standing::Without);
}

#[tokio::test]
async fn a_store_that_cannot_be_asked_is_told() {
    let bucket = Bucket::named("that-is-not-there");
    let error = lease(&bucket.source("in"), "a").take().await.unwrap_err();
    assert!(matches!(cause(&error), S3Error::NoBucket), "{error:?}");
}
