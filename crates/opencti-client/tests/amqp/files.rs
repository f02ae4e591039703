//! Several files in one shipment.

use std::time::Duration;

use opencti_client::{
    AmqpOptions, AmqpQueue, Cargo, DeliveryErrorKind, MessageHeader, Parts, WorkId,
};
use tokio_util::sync::CancellationToken;

use crate::broker::{self, Mailbox};
use crate::parts::{Numbered, header};
use crate::proxy::Proxy;
use crate::{at_port, deliver_all, indices};

/// Above the broker's limit on a message.
const TOO_LARGE: usize = 13 << 20;

fn headers(count: usize) -> Vec<MessageHeader> {
    let named = |number| MessageHeader {
        work_id: WorkId(format!("work_{number}")),
        ..header()
    };
    (0..count).map(named).collect()
}

fn cargoes<'a>(headers: &'a [MessageHeader], files: &'a [Numbered]) -> Vec<Cargo<'a>> {
    let cargo = |(header, parts): (&'a MessageHeader, &'a Numbered)| Cargo { header, parts };
    headers.iter().zip(files).map(cargo).collect()
}

/// The messages in the queue: each one's work, and its index in its file.
async fn arrived(mailbox: &Mailbox) -> Vec<(String, usize)> {
    let mut arrived = Vec::new();
    while let Some(message) = mailbox.take().await {
        let work = message.body["work_id"].as_str().unwrap().to_owned();
        arrived.push((work, message.index()));
    }
    arrived
}

#[tokio::test]
async fn files_go_one_after_another_each_under_its_own_header() {
    let mailbox = Mailbox::new().await;
    let queue = AmqpQueue::new(broker::address(), AmqpOptions::default());
    let files = [Numbered::new(3), Numbered::new(1), Numbered::new(2000)];
    let headers = headers(3);
    let never = CancellationToken::new();
    let outcomes = deliver_all(&queue, &mailbox, &cargoes(&headers, &files), &never).await;
    let confirmed: Vec<usize> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().unwrap().confirmed)
        .collect();
    assert_eq!(confirmed, [3, 1, 2000]);
    let expected: Vec<(String, usize)> = files
        .iter()
        .enumerate()
        .flat_map(|(file, parts)| {
            let of_file = move |index| (format!("work_{file}"), index);
            indices(parts.count()).into_iter().map(of_file)
        })
        .collect();
    assert_eq!(arrived(&mailbox).await, expected);
}

#[tokio::test]
async fn a_message_that_is_too_large_is_a_matter_of_its_file_alone() {
    let mailbox = Mailbox::new().await;
    let queue = AmqpQueue::new(broker::address(), AmqpOptions::default());
    let mut files = [Numbered::new(5), Numbered::new(3), Numbered::new(5)];
    files[1].large = Some((1, TOO_LARGE));
    let headers = headers(3);
    let never = CancellationToken::new();
    let outcomes = deliver_all(&queue, &mailbox, &cargoes(&headers, &files), &never).await;
    let refused: Vec<(usize, Vec<usize>)> = outcomes
        .iter()
        .map(|outcome| {
            let delivery = outcome.as_ref().unwrap();
            let refused = delivery.refused.iter().map(|refused| refused.index);
            (delivery.confirmed, refused.collect())
        })
        .collect();
    assert_eq!(refused, [(5, vec![]), (2, vec![1]), (5, vec![])]);
    let mut arrived = arrived(&mailbox).await;
    arrived.sort();
    arrived.dedup();
    assert_eq!(arrived.len(), 12, "{arrived:?}");
}

#[tokio::test]
async fn what_is_behind_a_file_that_was_not_handed_over_was_not_either() {
    let mailbox = Mailbox::new().await;
    let queue = AmqpQueue::new(broker::address(), AmqpOptions::default());
    let stop = CancellationToken::new();
    let mut files = [Numbered::new(4), Numbered::new(4), Numbered::new(4)];
    files[1].stop_at = Some((2, stop.clone()));
    let headers = headers(3);
    let outcomes = deliver_all(&queue, &mailbox, &cargoes(&headers, &files), &stop).await;
    assert_eq!(outcomes[0].as_ref().unwrap().confirmed, 4);
    for (outcome, sent) in outcomes[1..].iter().zip([2..=3, 0..=0]) {
        let error = outcome.as_ref().unwrap_err();
        assert_eq!(error.kind, DeliveryErrorKind::Stopped);
        assert!(sent.contains(&error.confirmed), "{error}");
    }
}

#[tokio::test]
async fn a_confirmed_file_has_failed_where_the_broker_goes_away_before_its_queue_is_found() {
    let mailbox = Mailbox::new().await;
    let target = broker::address();
    // No connection lives long enough for the second file.
    let proxy = Proxy::start((target.host, target.port), usize::MAX, 20_000).await;
    let options = AmqpOptions {
        window_messages: 1,
        retry_budget: Duration::ZERO,
        ..AmqpOptions::default()
    };
    let queue = AmqpQueue::new(at_port(proxy.port), options);
    let mut files = [Numbered::new(1), Numbered::new(1)];
    files[1].large = Some((0, 100_000));
    let headers = headers(2);
    let never = CancellationToken::new();
    let outcomes = deliver_all(&queue, &mailbox, &cargoes(&headers, &files), &never).await;
    let errors: Vec<_> = outcomes.into_iter().map(Result::unwrap_err).collect();
    assert_eq!(errors[0].confirmed, 1);
    for error in errors {
        assert_eq!(error.kind, DeliveryErrorKind::Unavailable, "{error}");
    }
    assert_eq!(arrived(&mailbox).await, [("work_0".to_owned(), 0)]);
}
