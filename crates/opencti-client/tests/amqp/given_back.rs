//! Messages that the broker gives back, where lapin cannot tell which, or loses, and slow lines.

use std::time::Duration;

use opencti_client::{
    AmqpOptions, AmqpQueue, Cargo, Delivery, DeliveryError, DeliveryErrorKind, Queue, Route,
    Shipment,
};
use tokio_util::sync::CancellationToken;

use crate::parts::{Numbered, header};
use crate::scripted::{Answer, Scripted};

/// How many files there are, of one message each.
const FILES: usize = 10;

#[tokio::test]
async fn a_message_that_is_given_back_fails_its_whole_shipment() {
    // Which of them lapin tells is by chance.
    for _ in 0..5 {
        let broker = Scripted::start(FILES as u64, Answer::GivesFirstBack, Duration::ZERO).await;
        broker.answer();
        let outcomes = send(&broker, &CancellationToken::new()).await;
        assert_all(&outcomes, DeliveryErrorKind::Unroutable);
    }
}

#[tokio::test]
async fn a_message_that_is_given_back_after_a_stop_fails_its_whole_shipment() {
    for _ in 0..5 {
        let broker = Scripted::start(FILES as u64, Answer::GivesFirstBack, Duration::ZERO).await;
        let stop = CancellationToken::new();
        let stopping = async {
            broker.all_there().await;
            stop.cancel();
            // Nothing but the answers is waited for by then.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            broker.answer();
        };
        let (outcomes, ()) = tokio::join!(send(&broker, &stop), stopping);
        assert_all(&outcomes, DeliveryErrorKind::Unroutable);
    }
}

#[tokio::test]
async fn a_queue_that_is_gone_after_the_last_confirm_fails_its_whole_shipment() {
    let broker = Scripted::start(FILES as u64, Answer::LosesQueue, Duration::ZERO).await;
    broker.answer();
    let outcomes = send(&broker, &CancellationToken::new()).await;
    assert_all(&outcomes, DeliveryErrorKind::Unroutable);
    let error = outcomes[0].as_ref().unwrap_err();
    assert!(error.message.contains("NOT_FOUND - no queue"), "{error}");
}

#[tokio::test]
async fn what_is_confirmed_is_not_delivered_where_nobody_says_that_the_queue_is_there() {
    let broker = Scripted::start(FILES as u64, Answer::HidesQueue, Duration::ZERO).await;
    broker.answer();
    let options = AmqpOptions {
        stop_grace: Duration::from_millis(100),
        ..AmqpOptions::default()
    };
    let stop = CancellationToken::new();
    let mut sending = std::pin::pin!(send_with(&broker, options, &stop));
    let outcomes = tokio::select! {
        outcomes = &mut sending => outcomes,
        () = broker.asked_for_queue() => {
            stop.cancel();
            sending.await
        }
    };
    assert_all(&outcomes, DeliveryErrorKind::Stopped);

    let broker = Scripted::start(FILES as u64, Answer::HidesQueue, Duration::ZERO).await;
    broker.answer();
    let options = AmqpOptions {
        confirm_timeout: Duration::from_millis(500),
        retry_budget: Duration::ZERO,
        ..AmqpOptions::default()
    };
    let outcomes = send_with(&broker, options, &CancellationToken::new()).await;
    assert_all(&outcomes, DeliveryErrorKind::Unavailable);
}

#[tokio::test]
async fn a_large_message_may_take_its_time_on_a_slow_line() {
    // 4 MiB in frames of 32 KiB: two seconds in which the broker says nothing.
    let parts = Numbered {
        large: Some((0, 3 << 20)),
        ..Numbered::new(1)
    };
    let broker = Scripted::start(1, Answer::Takes, Duration::from_millis(15)).await;
    broker.answer();
    let options = AmqpOptions {
        confirm_timeout: Duration::from_millis(500),
        retry_budget: Duration::ZERO,
        ..AmqpOptions::default()
    };
    let queue = AmqpQueue::new(broker.address(), options);
    let outcomes = deliver(&queue, &[parts], &CancellationToken::new()).await;
    assert_eq!(outcomes[0].as_ref().unwrap().confirmed, 1);
}

async fn send(broker: &Scripted, stop: &CancellationToken) -> Vec<Result<Delivery, DeliveryError>> {
    send_with(broker, AmqpOptions::default(), stop).await
}

async fn send_with(
    broker: &Scripted,
    options: AmqpOptions,
    stop: &CancellationToken,
) -> Vec<Result<Delivery, DeliveryError>> {
    let queue = AmqpQueue::new(broker.address(), options);
    let files: Vec<Numbered> = (0..FILES).map(|_| Numbered::new(1)).collect();
    deliver(&queue, &files, stop).await
}

async fn deliver(
    queue: &AmqpQueue,
    files: &[Numbered],
    stop: &CancellationToken,
) -> Vec<Result<Delivery, DeliveryError>> {
    let header = header();
    let cargo = |parts| Cargo {
        header: &header,
        parts,
    };
    let files: Vec<Cargo<'_>> = files.iter().map(|parts| cargo(parts)).collect();
    let shipment = Shipment {
        connector_id: "test",
        route: &Route {
            exchange: "e".to_owned(),
            routing_key: "r".to_owned(),
            queue: "q".to_owned(),
        },
        files: &files,
    };
    queue.deliver(&shipment, stop).await
}

fn assert_all(outcomes: &[Result<Delivery, DeliveryError>], kind: DeliveryErrorKind) {
    assert_eq!(outcomes.len(), FILES);
    for outcome in outcomes {
        assert_eq!(outcome.as_ref().unwrap_err().kind, kind);
    }
}
