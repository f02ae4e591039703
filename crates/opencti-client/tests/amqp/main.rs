//! The queue against a real RabbitMQ, which `DIODE_TEST_AMQP` names.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy does not see that helpers of a test are part of it"
)]

mod broker;
mod files;
mod given_back;
mod parts;
mod proxy;
mod scripted;
mod sharing;
mod tls;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use opencti_client::{
    AmqpOptions, AmqpQueue, BrokerAddress, Cargo, Delivery, DeliveryError, DeliveryErrorKind,
    Parts, Queue, Secret, Shipment, encode_message,
};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::broker::Mailbox;
use crate::parts::{Numbered, content, header};
use crate::proxy::Proxy;

#[tokio::test]
async fn five_thousand_messages_arrive_once_and_in_order() {
    let mailbox = Mailbox::new().await;
    let queue = AmqpQueue::new(broker::address(), AmqpOptions::default());
    let delivery = send(&queue, &mailbox, &Numbered::new(5000)).await.unwrap();
    assert_eq!(delivery.confirmed, 5000);
    assert_eq!(delivery.refused, []);
    for index in 0..5000 {
        let message = mailbox.take().await.unwrap();
        assert_eq!(message.index(), index);
        assert_eq!(message.content(), content(index));
        let encoding = message.properties.content_encoding().as_ref().unwrap();
        assert_eq!(encoding.as_str(), "utf-8");
        assert_eq!(message.properties.delivery_mode(), &Some(2));
        assert_eq!(message.properties.content_type(), &None);
    }
    assert!(mailbox.take().await.is_none());
}

#[tokio::test]
async fn an_empty_shipment_is_delivered_without_a_broker() {
    let mailbox = Mailbox::new().await;
    let queue = AmqpQueue::new(nobody(), AmqpOptions::default());
    let delivery = send(&queue, &mailbox, &Numbered::new(0)).await.unwrap();
    assert_eq!(delivery, Delivery::default());
}

#[tokio::test]
async fn a_message_without_a_queue_behind_it_is_unroutable() {
    let mailbox = Mailbox::unbound().await;
    let queue = AmqpQueue::new(broker::address(), AmqpOptions::default());
    let error = send(&queue, &mailbox, &Numbered::new(2000))
        .await
        .unwrap_err();
    check(&error, DeliveryErrorKind::Unroutable, "NO_ROUTE");
    assert_eq!(error.confirmed, 0);
    // The same connection's remains must not disturb the next shipment.
    let mailbox = Mailbox::new().await;
    send(&queue, &mailbox, &Numbered::new(10)).await.unwrap();
    assert_eq!(mailbox.drain().await, indices(10));
}

#[tokio::test]
async fn a_missing_exchange_is_unroutable() {
    let mut mailbox = Mailbox::new().await;
    mailbox.route.exchange = "diode-test-nowhere".to_owned();
    let queue = AmqpQueue::new(broker::address(), AmqpOptions::default());
    let error = send(&queue, &mailbox, &Numbered::new(10))
        .await
        .unwrap_err();
    check(&error, DeliveryErrorKind::Unroutable, "NOT_FOUND");
    mailbox.route.exchange = "x".repeat(256);
    let error = send(&queue, &mailbox, &Numbered::new(10))
        .await
        .unwrap_err();
    check(
        &error,
        DeliveryErrorKind::Unroutable,
        "longer than 255 bytes",
    );
}

#[tokio::test]
async fn a_full_queue_is_waited_for_until_all_is_delivered() {
    let mailbox = Mailbox::refusing_beyond(20).await;
    let options = AmqpOptions {
        pause: Duration::from_millis(10),
        max_pause: Duration::from_millis(50),
        ..AmqpOptions::default()
    };
    let queue = AmqpQueue::new(broker::address(), options);
    let worker = async {
        let mut taken = BTreeSet::new();
        let deadline = Instant::now() + Duration::from_mins(5);
        while taken.len() < 500 && Instant::now() < deadline {
            match mailbox.take().await {
                Some(message) => assert!(taken.insert(message.index()), "delivered twice"),
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
        taken
    };
    let parts = Numbered::new(500);
    let (delivery, taken) = tokio::join!(send(&queue, &mailbox, &parts), worker);
    assert_eq!(delivery.unwrap().confirmed, 500);
    assert_eq!(taken, indices(500).into_iter().collect());
}

#[tokio::test]
async fn a_queue_that_takes_nothing_is_full() {
    let mailbox = Mailbox::refusing_beyond(0).await;
    let options = AmqpOptions {
        pause: Duration::from_millis(10),
        full_after: Duration::from_millis(300),
        ..AmqpOptions::default()
    };
    let queue = AmqpQueue::new(broker::address(), options);
    let start = Instant::now();
    let error = send(&queue, &mailbox, &Numbered::new(100))
        .await
        .unwrap_err();
    check(&error, DeliveryErrorKind::Full, "the queue is full");
    assert_eq!(error.confirmed, 0);
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert!(!queue.is_stalled(), "nothing waits any more");
}

#[tokio::test]
async fn a_full_queue_that_nobody_empties_is_waited_for_until_a_stop() {
    let mailbox = Mailbox::refusing_beyond(20).await;
    let queue = AmqpQueue::new(broker::address(), AmqpOptions::default());
    let stop = CancellationToken::new();
    let stopper = async {
        while mailbox.len().await < 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let deadline = Instant::now() + Duration::from_mins(5);
        while !queue.is_stalled() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let was_stalled = queue.is_stalled();
        stop.cancel();
        was_stalled
    };
    let parts = Numbered::new(100);
    let (error, was_stalled) = tokio::join!(deliver(&queue, &mailbox, &parts, &stop), stopper);
    assert!(was_stalled, "it is told that the broker refuses messages");
    assert!(!queue.is_stalled(), "nothing waits any more");
    let error = error.unwrap_err();
    check(&error, DeliveryErrorKind::Stopped, "asked to stop");
    assert_eq!(error.confirmed, 20);
    assert_eq!(mailbox.drain().await, indices(20));
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_and_the_rest_delivered() {
    let mailbox = Mailbox::new().await;
    let queue = AmqpQueue::new(broker::address(), AmqpOptions::default());
    let parts = Numbered {
        large: Some((7, 17 << 20)),
        ..Numbered::new(50)
    };
    let delivery = send(&queue, &mailbox, &parts).await.unwrap();
    assert_eq!(delivery.confirmed, 49);
    assert_eq!(delivery.refused.len(), 1);
    assert_eq!(delivery.refused[0].index, 7);
    let mut content = Vec::new();
    parts.write(7, &mut content);
    let mut message = Vec::new();
    encode_message(&header(), 8, &content, &mut message);
    assert_eq!(
        delivery.refused[0].reason,
        format!(
            "its {} bytes make a message of {}, and the broker takes 16777216 at most; the broker's \
             administrator can allow more with max_message_size in rabbitmq.conf, then hand the file \
             in again",
            content.len(),
            message.len()
        )
    );
    let delivered: BTreeSet<usize> = mailbox.drain().await.into_iter().collect();
    let expect = indices(50).into_iter().filter(|index| *index != 7);
    assert_eq!(delivered, expect.collect());
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_loses_nothing() {
    let mailbox = Mailbox::new().await;
    let target = broker::address();
    let proxy = Proxy::start((target.host, target.port), 3, 200_000).await;
    let queue = AmqpQueue::new(at_port(proxy.port), AmqpOptions::default());
    let delivery = send(&queue, &mailbox, &Numbered::new(3000)).await.unwrap();
    assert_eq!(delivery.confirmed, 3000);
    assert_eq!(proxy.accepted(), 4);
    let delivered = mailbox.drain().await;
    assert_eq!(first_arrivals(&delivered), indices(3000));
}

#[tokio::test]
async fn a_connection_that_broke_while_idle_is_made_again() {
    let mailbox = Mailbox::new().await;
    let target = broker::address();
    let proxy = Proxy::start((target.host, target.port), 0, 0).await;
    let queue = AmqpQueue::new(at_port(proxy.port), AmqpOptions::default());
    queue.prepare().await.unwrap();
    send(&queue, &mailbox, &Numbered::new(10)).await.unwrap();
    send(&queue, &mailbox, &Numbered::new(10)).await.unwrap();
    assert_eq!(proxy.accepted(), 1, "the connection is kept");
    proxy.cut();
    queue.prepare().await.unwrap();
    send(&queue, &mailbox, &Numbered::new(10)).await.unwrap();
    assert_eq!(proxy.accepted(), 2);
    assert_eq!(mailbox.drain().await.len(), 30);
}

#[tokio::test]
async fn who_connects_ahead_of_time_needs_not_connect_later() {
    let mailbox = Mailbox::new().await;
    let target = broker::address();
    let proxy = Proxy::start((target.host, target.port), 0, 0).await;
    let queue = AmqpQueue::new(at_port(proxy.port), AmqpOptions::default());
    queue.approach().await;
    assert_eq!(proxy.accepted(), 1);
    queue.approach().await;
    queue.prepare().await.unwrap();
    send(&queue, &mailbox, &Numbered::new(10)).await.unwrap();
    assert_eq!(proxy.accepted(), 1);
    assert_eq!(mailbox.drain().await, indices(10));
}

#[tokio::test]
async fn a_failure_ahead_of_time_is_told_when_it_matters() {
    let queue = AmqpQueue::new(nobody(), impatient());
    queue.approach().await;
    let error = queue.prepare().await.unwrap_err();
    check(&error, DeliveryErrorKind::Unavailable, "cannot be reached");
    queue.set_address(broker::address());
    queue.prepare().await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_or_virtual_host_is_denied() {
    let password = BrokerAddress {
        password: Secret::new("wrong-password"),
        ..broker::address()
    };
    let vhost = BrokerAddress {
        vhost: "nowhere".to_owned(),
        ..broker::address()
    };
    for address in [password, vhost] {
        let queue = AmqpQueue::new(address, AmqpOptions::default());
        let mailbox = Mailbox::new().await;
        let error = send(&queue, &mailbox, &Numbered::new(10))
            .await
            .unwrap_err();
        check(&error, DeliveryErrorKind::Denied, "refuses user \"guest\"");
        let error = queue.prepare().await.unwrap_err();
        check(&error, DeliveryErrorKind::Denied, "refuses user \"guest\"");
        assert!(!chain(&error).contains("wrong-password"));
    }
}

#[tokio::test]
async fn a_missing_permission_is_denied_at_once_and_what_follows_goes_on() {
    let queue = AmqpQueue::new(broker::address(), AmqpOptions::default());
    let forbidden = Mailbox::forbidden().await;
    let error = send(&queue, &forbidden, &Numbered::new(10))
        .await
        .unwrap_err();
    check(&error, DeliveryErrorKind::Denied, "refuses user \"guest\"");
    assert_eq!(error.confirmed, 0);
    let mailbox = Mailbox::new().await;
    send(&queue, &mailbox, &Numbered::new(10)).await.unwrap();
    assert_eq!(mailbox.drain().await, indices(10));
    assert!(forbidden.drain().await.is_empty());
}

#[tokio::test]
async fn nobody_listening_is_unavailable_within_the_budget() {
    let mailbox = Mailbox::new().await;
    let queue = AmqpQueue::new(nobody(), impatient());
    let start = Instant::now();
    let error = send(&queue, &mailbox, &Numbered::new(10))
        .await
        .unwrap_err();
    check(&error, DeliveryErrorKind::Unavailable, "cannot be reached");
    assert!(start.elapsed() >= Duration::from_secs(1));
    // Well below the budget that there is where nothing else is said.
    assert!(start.elapsed() < AmqpOptions::default().retry_budget);
    let error = queue.prepare().await.unwrap_err();
    check(&error, DeliveryErrorKind::Unavailable, "cannot be reached");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_unavailable_and_hung_up_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let queue = AmqpQueue::new(at_port(listener.local_addr().unwrap().port()), impatient());
    let (error, heard) = tokio::join!(queue.prepare(), async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        let reading = socket.read_to_end(&mut heard);
        // It ends when the client hangs up.
        tokio::time::timeout(Duration::from_mins(5), reading)
            .await
            .unwrap()
            .unwrap();
        heard
    });
    check(
        &error.unwrap_err(),
        DeliveryErrorKind::Unavailable,
        "cannot be reached",
    );
    assert_eq!(heard, b"AMQP\x00\x00\x09\x01");
}

#[tokio::test]
async fn another_address_is_used_from_the_next_shipment_on() {
    let mailbox = Mailbox::new().await;
    let queue = AmqpQueue::new(nobody(), impatient());
    send(&queue, &mailbox, &Numbered::new(10))
        .await
        .unwrap_err();
    queue.set_address(broker::address());
    queue.prepare().await.unwrap();
    send(&queue, &mailbox, &Numbered::new(10)).await.unwrap();
    queue.set_address(nobody());
    send(&queue, &mailbox, &Numbered::new(10))
        .await
        .unwrap_err();
    assert_eq!(mailbox.drain().await, indices(10));
}

#[tokio::test]
async fn a_stop_sends_nothing_more_and_counts_what_was_confirmed() {
    let mailbox = Mailbox::new().await;
    let queue = AmqpQueue::new(broker::address(), AmqpOptions::default());
    let stop = CancellationToken::new();
    let parts = Numbered {
        stop_at: Some((500, stop.clone())),
        ..Numbered::new(5000)
    };
    let error = deliver(&queue, &mailbox, &parts, &stop).await.unwrap_err();
    check(&error, DeliveryErrorKind::Stopped, "asked to stop");
    let delivered = mailbox.drain().await;
    assert!(
        (500..=501).contains(&delivered.len()),
        "{}",
        delivered.len()
    );
    assert!(error.confirmed <= delivered.len());
    assert!(error.confirmed >= 500, "{}", error.confirmed);
    assert_eq!(delivered, indices(delivered.len()));
}

async fn send(
    queue: &AmqpQueue,
    mailbox: &Mailbox,
    parts: &Numbered,
) -> Result<Delivery, DeliveryError> {
    deliver(queue, mailbox, parts, &CancellationToken::new()).await
}

async fn deliver(
    queue: &AmqpQueue,
    mailbox: &Mailbox,
    parts: &Numbered,
    stop: &CancellationToken,
) -> Result<Delivery, DeliveryError> {
    let header = header();
    let file = Cargo {
        header: &header,
        parts,
    };
    let mut outcomes = deliver_all(queue, mailbox, &[file], stop).await;
    assert_eq!(outcomes.len(), 1);
    outcomes.remove(0)
}

async fn deliver_all(
    queue: &AmqpQueue,
    mailbox: &Mailbox,
    files: &[Cargo<'_>],
    stop: &CancellationToken,
) -> Vec<Result<Delivery, DeliveryError>> {
    let shipment = Shipment {
        connector_id: "test",
        route: &mailbox.route,
        files,
    };
    queue.deliver(&shipment, stop).await
}

fn check(error: &DeliveryError, kind: DeliveryErrorKind, text: &str) {
    assert_eq!(error.kind, kind, "{}", chain(error));
    assert!(chain(error).contains(text), "{}", chain(error));
}

fn chain(error: &DeliveryError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn indices(count: usize) -> Vec<usize> {
    (0..count).collect()
}

/// The messages without those that arrived before.
fn first_arrivals(indices: &[usize]) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    indices
        .iter()
        .copied()
        .filter(|index| seen.insert(*index))
        .collect()
}

fn at_port(port: u16) -> BrokerAddress {
    BrokerAddress {
        host: "127.0.0.1".to_owned(),
        port,
        ..broker::address()
    }
}

/// An address where nobody listens: port 1 is reserved.
fn nobody() -> BrokerAddress {
    at_port(1)
}

fn impatient() -> AmqpOptions {
    AmqpOptions {
        connect_timeout: Duration::from_secs(1),
        retry_budget: Duration::from_secs(1),
        ..AmqpOptions::default()
    }
}
