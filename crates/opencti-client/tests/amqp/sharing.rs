//! Shipments that share a connection, one after the other.

use std::time::Duration;

use opencti_client::{AmqpOptions, AmqpQueue, DeliveryErrorKind, Queue};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::broker::{self, Mailbox};
use crate::parts::Numbered;
use crate::proxy::Proxy;
use crate::{at_port, check, deliver, send};

#[tokio::test]
async fn a_shipment_that_is_dropped_takes_its_connection_along() {
    let (full, mailbox) = (Mailbox::refusing_beyond(0).await, Mailbox::new().await);
    let target = broker::address();
    let proxy = Proxy::start((target.host, target.port), 0, 0).await;
    let queue = AmqpQueue::new(at_port(proxy.port), AmqpOptions::default());
    let parts = Numbered::new(10);
    tokio::select! {
        first = send(&queue, &full, &parts) => panic!("{first:?}"),
        () = stalled(&queue) => {}
    }
    assert_eq!(proxy.accepted(), 1);
    send(&queue, &mailbox, &parts).await.unwrap();
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
async fn a_stop_ends_the_wait_for_another_shipment() {
    let (full, mailbox) = (Mailbox::refusing_beyond(0).await, Mailbox::new().await);
    let options = AmqpOptions {
        full_after: Duration::from_mins(10),
        ..AmqpOptions::default()
    };
    let queue = AmqpQueue::new(broker::address(), options);
    let parts = Numbered::new(10);
    let stop = CancellationToken::new();
    let second = async {
        stalled(&queue).await;
        let stopping = async {
            // The other is waited for by now.
            tokio::task::yield_now().await;
            stop.cancel();
        };
        tokio::join!(deliver(&queue, &mailbox, &parts, &stop), stopping).0
    };
    // The first gives up long after the second is to be told to stop.
    tokio::select! {
        first = send(&queue, &full, &parts) => panic!("{first:?}"),
        second = second => {
            check(&second.unwrap_err(), DeliveryErrorKind::Stopped, "asked to stop");
        }
    }
}

/// Waits until a shipment is under way, and its messages are refused.
async fn stalled(queue: &AmqpQueue) {
    let stalling = async {
        while !queue.is_stalled() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_mins(5), stalling).await.unwrap();
}
