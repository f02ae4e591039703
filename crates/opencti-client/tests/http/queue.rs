//! The queue behind the API.

use std::sync::Arc;
use std::time::Duration;

use opencti_client::{
    ApiQueue, Client, ClientConfig, Delivery, DeliveryError, DeliveryErrorKind, DraftId,
    MessageHeader, Parts, Queue, RetryPolicy, Route, Secret, Shipment, WorkId,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::server::{Reply, Server};

#[tokio::test]
async fn each_part_is_pushed_to_its_work_in_order() {
    let server = Server::start([pushed()]).await;
    let delivery = deliver(&server, &Three::default(), &header())
        .await
        .unwrap();
    assert_eq!(
        delivery,
        Delivery {
            confirmed: 3,
            doubtful: 0,
            refused: Vec::new()
        }
    );
    let asked: Vec<Value> = server
        .asked()
        .into_iter()
        .map(|asked| asked.body["variables"].clone())
        .collect();
    let part = |bundle: &str| json!({ "connectorId": "c1", "bundle": bundle, "work_id": "work_1" });
    assert_eq!(asked, [part("part 0"), part("part 1"), part("part 2")]);
}

#[tokio::test]
async fn errors_keep_their_kind_and_count() {
    let unavailable = Reply::Answer(502, String::new());
    check(
        unavailable,
        DeliveryErrorKind::Unavailable,
        "did not take part 2",
    )
    .await;
    let invalid = error("Invalid bundle", "UNSUPPORTED_ERROR");
    check(invalid, DeliveryErrorKind::Contract, "did not take part 2").await;
    let refused = error("You are not allowed to do this.", "FORBIDDEN_ACCESS");
    check(refused, DeliveryErrorKind::Denied, "did not take part 2").await;
    let dead = error("Work is no longer alive", "WORK_NOT_ALIVE");
    check(dead, DeliveryErrorKind::Unroutable, "did not take part 2").await;
}

#[tokio::test]
async fn a_draft_is_refused_before_anything_is_sent() {
    let server = Server::start([pushed()]).await;
    let header = MessageHeader {
        draft_id: Some(DraftId("draft_1".to_owned())),
        ..header()
    };
    let error = deliver(&server, &Three::default(), &header)
        .await
        .unwrap_err();
    assert_eq!(error.kind, DeliveryErrorKind::Contract);
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_stop_ends_between_two_parts() {
    let server = Server::start([pushed()]).await;
    let parts = Three {
        stops: true,
        ..Three::default()
    };
    let error = deliver(&server, &parts, &header()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.confirmed),
        (DeliveryErrorKind::Stopped, 2)
    );
    assert_eq!(server.asked().len(), 2);
}

async fn check(second: Reply, kind: DeliveryErrorKind, text: &str) {
    let server = Server::start([pushed(), second]).await;
    let error = deliver(&server, &Three::default(), &header())
        .await
        .unwrap_err();
    assert_eq!((error.kind, error.confirmed), (kind, 1), "{error}");
    assert!(error.to_string().contains(text), "{error}");
}

async fn deliver(
    server: &Server,
    parts: &Three,
    header: &MessageHeader,
) -> Result<Delivery, DeliveryError> {
    let mut config = ClientConfig::new(&server.url, Secret::new("a token"));
    config.retry = RetryPolicy {
        attempts: 1,
        base: Duration::ZERO,
        cap: Duration::ZERO,
    };
    let queue = ApiQueue::new(Arc::new(Client::new(config).unwrap()));
    queue.prepare().await.unwrap();
    let route = Route {
        exchange: String::new(),
        routing_key: String::new(),
    };
    let shipment = Shipment {
        connector_id: "c1",
        route: &route,
        header,
        parts,
    };
    queue.deliver(&shipment, &parts.stop).await
}

/// Three parts; may ask to stop while the second is written.
#[derive(Default)]
struct Three {
    stop: CancellationToken,
    stops: bool,
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
