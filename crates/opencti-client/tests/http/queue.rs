//! The queue behind the API.

use std::sync::Arc;
use std::time::Duration;

use opencti_client::{
    ApiOptions, ApiQueue, Cargo, Client, ClientConfig, Delivery, DeliveryError, DeliveryErrorKind,
    DraftId, Drafts, Expectations, MessageHeader, Parts, PlatformVersion, Queue, RetryPolicy,
    Route, Secret, Shipment, WorkId,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::server::{Reply, Server};

#[tokio::test]
async fn parts_go_together_into_their_work_from_6_5_7_on() {
    for version in ["6.5.7", "7.260309.0-lts.2", ""] {
        let server = Server::start([pushed()]).await;
        let queue = queue(&server, version, usize::MAX);
        let parts = Three::default();
        let delivery = deliver(&queue, &parts, &header()).await.unwrap();
        assert_eq!(
            delivery,
            Delivery {
                confirmed: 3,
                bundles: 1,
                doubtful: 0,
                refused: Vec::new()
            }
        );
        let variables = json!({ "connectorId": "c1", "bundle": "[012]", "work_id": "work_1" });
        assert_eq!(asked(&server), [variables]);
        let by_workers = Expectations {
            told: 0,
            added_by_workers: 3,
        };
        assert_eq!(queue.expectations(&parts, 0), by_workers);
        assert_eq!(queue.expectations(&parts, 3), Expectations::default());
    }
}

#[tokio::test]
async fn older_platforms_open_a_work_of_their_own_and_split_nothing_before_6_3() {
    let push = |bundle: &str| json!({ "connectorId": "c1", "bundle": bundle });
    for (version, pushes) in [
        (
            "6.2.6",
            vec![push("part 0"), push("part 1"), push("part 2")],
        ),
        ("6.3.0", vec![push("[012]")]),
        ("6.5.6", vec![push("[012]")]),
    ] {
        let server = Server::start([pushed()]).await;
        let queue = queue(&server, version, usize::MAX);
        let parts = Three::default();
        let delivery = deliver(&queue, &parts, &header()).await.unwrap();
        assert_eq!(delivery.bundles, pushes.len(), "{version}");
        assert_eq!(asked(&server), pushes, "{version}");
        assert_eq!(queue.expectations(&parts, 0), Expectations::default());
    }
    let server = Server::start([pushed()]).await;
    let error = queue(&server, "6.2.5", usize::MAX)
        .prepare()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("6.2.6"), "{error}");
}

#[tokio::test]
async fn parts_that_share_no_push_are_counted_by_the_sender() {
    let server = Server::start([pushed()]).await;
    let parts = Three::default();
    let queue = queue(&server, "6.9.0", ALONE);
    let told = |told| Expectations {
        told,
        added_by_workers: 0,
    };
    assert_eq!(queue.expectations(&parts, 0), told(3));
    assert_eq!(queue.expectations(&parts, 2), told(1));
    deliver(&queue, &parts, &header()).await.unwrap();
    let bundles: Vec<Value> = asked(&server).iter().map(|a| a["bundle"].clone()).collect();
    assert_eq!(bundles, ["part 0", "part 1", "part 2"]);
}

#[tokio::test]
async fn a_part_that_no_request_can_carry_is_refused() {
    let server = Server::start([pushed()]).await;
    let parts = Three {
        large: Some(1),
        ..Three::default()
    };
    let queue = queue(&server, "6.9.0", AROUND + 100);
    let delivery = deliver(&queue, &parts, &header()).await.unwrap();
    assert_eq!(delivery.confirmed, 2);
    assert_eq!(delivery.refused[0].index, 1);
    assert_eq!(asked(&server)[0]["bundle"], "[02]");
    let expected = Expectations {
        told: 1,
        added_by_workers: 2,
    };
    assert_eq!(queue.expectations(&parts, 0), expected);
}

#[tokio::test]
async fn the_applicant_goes_as_a_header() {
    let server = Server::start([pushed()]).await;
    let header = MessageHeader {
        applicant_id: Some("user-1".to_owned()),
        ..header()
    };
    let queue = queue(&server, "", usize::MAX);
    deliver(&queue, &Three::default(), &header).await.unwrap();
    let headers = server.asked().remove(0).headers;
    assert_eq!(headers["opencti-applicant-id"], "user-1");

    let server =
        Server::start([error("You are not allowed to do this.", "FORBIDDEN_ACCESS")]).await;
    let queue = self::queue(&server, "", usize::MAX);
    let error = deliver(&queue, &Three::default(), &header)
        .await
        .unwrap_err();
    assert_eq!(error.kind, DeliveryErrorKind::Contract);
    assert!(error.to_string().contains("behalf of user-1"), "{error}");
}

#[tokio::test]
async fn errors_keep_their_kind_and_count() {
    let unavailable = Reply::Answer(502, String::new());
    check(
        unavailable,
        DeliveryErrorKind::Unavailable,
        "did not take a push of 1 objects",
    )
    .await;
    let invalid = error("Invalid bundle", "UNSUPPORTED_ERROR");
    check(
        invalid,
        DeliveryErrorKind::Contract,
        "did not take a push of 1 objects",
    )
    .await;
    let refused = error("You are not allowed to do this.", "FORBIDDEN_ACCESS");
    check(
        refused,
        DeliveryErrorKind::Denied,
        "did not take a push of 1 objects",
    )
    .await;
    let dead = error("Work is no longer alive", "WORK_NOT_ALIVE");
    check(
        dead,
        DeliveryErrorKind::Unroutable,
        "did not take a push of 1 objects",
    )
    .await;
}

#[tokio::test]
async fn a_connector_that_is_gone_fails_what_was_taken_before() {
    let dead = error("Work is no longer alive", "WORK_NOT_ALIVE");
    let server = Server::start([pushed(), dead]).await;
    let queue = queue(&server, "6.9.0", usize::MAX);
    let (header, parts) = (header(), Three::default());
    let file = Cargo {
        header: &header,
        parts: &parts,
    };
    let shipment = Shipment {
        connector_id: "c1",
        route: &Route {
            exchange: String::new(),
            routing_key: String::new(),
            queue: String::new(),
        },
        files: &[file; 3],
    };
    let outcomes = queue.deliver(&shipment, &parts.stop).await;
    let errors = outcomes.into_iter().map(Result::unwrap_err);
    let confirmed: Vec<usize> = errors
        .inspect(|error| assert_eq!(error.kind, DeliveryErrorKind::Unroutable))
        .map(|error| error.confirmed)
        .collect();
    assert_eq!(confirmed, [3, 0, 0]);
    assert_eq!(asked(&server).len(), 2);
}

#[tokio::test]
async fn a_draft_is_refused_before_anything_is_sent() {
    let server = Server::start([pushed()]).await;
    let header = MessageHeader {
        draft_id: Some(DraftId("draft_1".to_owned())),
        ..header()
    };
    let queue = queue(&server, "6.9.0", usize::MAX);
    let error = deliver(&queue, &Three::default(), &header)
        .await
        .unwrap_err();
    assert_eq!(error.kind, DeliveryErrorKind::Contract);
    assert_eq!(queue.drafts(), Drafts::NotCarried);
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_stop_ends_between_two_parts() {
    let server = Server::start([pushed()]).await;
    let parts = Three {
        stops: true,
        ..Three::default()
    };
    let queue = queue(&server, "6.9.0", ALONE);
    let error = deliver(&queue, &parts, &header()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.confirmed),
        (DeliveryErrorKind::Stopped, 2)
    );
    assert_eq!(server.asked().len(), 2);
}

async fn check(second: Reply, kind: DeliveryErrorKind, text: &str) {
    let server = Server::start([pushed(), second]).await;
    let queue = queue(&server, "6.9.0", ALONE);
    let error = deliver(&queue, &Three::default(), &header())
        .await
        .unwrap_err();
    assert_eq!((error.kind, error.confirmed), (kind, 1), "{error}");
    assert!(error.to_string().contains(text), "{error}");
}

/// The variables of what was asked.
fn asked(server: &Server) -> Vec<Value> {
    let asked = server.asked().into_iter();
    asked.map(|asked| asked.body["variables"].clone()).collect()
}

/// What a request's body is given beyond the bundle.
const AROUND: usize = 16 * 1024;

/// A body with room for one part, and not for two.
const ALONE: usize = AROUND + "[0]".len() + 1;

fn queue(server: &Server, version: &str, max_body_bytes: usize) -> ApiQueue {
    let mut config = ClientConfig::new(&server.url, Secret::new("a token"));
    config.retry = RetryPolicy {
        attempts: 1,
        base: Duration::ZERO,
        cap: Duration::ZERO,
    };
    let options = ApiOptions {
        version: PlatformVersion::parse(version),
        max_body_bytes,
        ..ApiOptions::default()
    };
    ApiQueue::new(Arc::new(Client::new(config).unwrap()), options)
}

#[tokio::test]
async fn files_behind_one_that_the_platform_refuses_are_not_pushed() {
    let refuse = |file: usize| {
        let replies = (0..3).map(move |number| {
            if number == file {
                error("no", "FUNCTIONAL_ERROR")
            } else {
                pushed()
            }
        });
        replies.collect::<Vec<_>>()
    };
    for (fails, pushes, expect) in [(0, 1, [false; 3]), (1, 2, [true, false, false])] {
        let server = Server::start(refuse(fails)).await;
        let queue = queue(&server, "6.5.7", usize::MAX);
        let parts = Three::default();
        let header = header();
        let file = Cargo {
            header: &header,
            parts: &parts,
        };
        let route = Route {
            exchange: String::new(),
            routing_key: String::new(),
            queue: String::new(),
        };
        let shipment = Shipment {
            connector_id: "c1",
            route: &route,
            files: &[file; 3],
        };
        let outcomes = queue.deliver(&shipment, &parts.stop).await;
        let handed_over: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
        assert_eq!(handed_over, expect);
        assert_eq!(asked(&server).len(), pushes);
    }
}

async fn deliver(
    queue: &ApiQueue,
    parts: &Three,
    header: &MessageHeader,
) -> Result<Delivery, DeliveryError> {
    queue.prepare().await.unwrap();
    let route = Route {
        exchange: String::new(),
        routing_key: String::new(),
        queue: String::new(),
    };
    let shipment = Shipment {
        connector_id: "c1",
        route: &route,
        files: &[Cargo { header, parts }],
    };
    queue.deliver(&shipment, &parts.stop).await.remove(0)
}

/// Three parts; may ask to stop while the second is written.
#[derive(Default)]
struct Three {
    stop: CancellationToken,
    stops: bool,
    large: Option<usize>,
}

impl Parts for Three {
    fn count(&self) -> usize {
        3
    }

    fn write(&self, index: usize, out: &mut Vec<u8>) {
        if self.stops && index == 1 {
            self.stop.cancel();
        }
        out.extend_from_slice(format!("part {index}").as_bytes());
    }

    fn write_together(&self, indexes: &[usize], out: &mut Vec<u8>) {
        out.push(b'[');
        for index in indexes {
            out.extend_from_slice(index.to_string().as_bytes());
            if self.large == Some(*index) {
                out.extend_from_slice(&[b'x'; 100]);
            }
        }
        out.push(b']');
    }

    fn level(&self, _: usize) -> u64 {
        1
    }
}

fn header() -> MessageHeader {
    MessageHeader {
        applicant_id: None,
        update: true,
        draft_id: None,
        work_id: WorkId("work_1".to_owned()),
    }
}

fn pushed() -> Reply {
    Reply::Answer(
        200,
        json!({ "data": { "stixBundlePush": true } }).to_string(),
    )
}

fn error(message: &str, code: &str) -> Reply {
    let error = json!({ "message": message, "extensions": { "code": code }, "name": code });
    Reply::Answer(200, json!({ "errors": [error], "data": null }).to_string())
}
