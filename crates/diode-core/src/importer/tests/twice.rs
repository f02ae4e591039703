//! Messages that may have arrived twice, of files that are to be sent again.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use opencti_client::{
    Delivery, DeliveryError, DeliveryErrorKind, Drafts, Expectations, Parts, Queue, Shipment,
};
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, envelope, failure, identity};
use crate::doubles::one_for_each;

type Outcome = Result<Delivery, DeliveryError>;

/// A queue that says of each shipment what it was told to say; of those behind, that all is well.
struct Told(Mutex<Vec<Vec<Outcome>>>);

#[async_trait]
impl Queue for Told {
    async fn prepare(&self) -> Result<(), DeliveryError> {
        Ok(())
    }

    fn drafts(&self) -> Drafts {
        Drafts::Carried
    }

    fn is_stalled(&self) -> bool {
        false
    }

    fn expectations(&self, parts: &dyn Parts, confirmed: usize) -> Expectations {
        one_for_each(parts, confirmed)
    }

    async fn deliver(&self, shipment: &Shipment<'_>, _: &CancellationToken) -> Vec<Outcome> {
        let told = self.0.lock().unwrap().pop();
        told.unwrap_or_else(|| vec![Ok(handed_over(2, 0)); shipment.files.len()])
    }
}

fn handed_over(confirmed: usize, doubtful: usize) -> Delivery {
    Delivery {
        confirmed,
        bundles: confirmed,
        doubtful,
        refused: Vec::new(),
    }
}

fn failed(kind: DeliveryErrorKind, confirmed: usize, doubtful: usize) -> DeliveryError {
    DeliveryError {
        doubtful,
        ..failure(kind, confirmed)
    }
}

/// What is told of two files with two messages each which are sent together, after their four
/// messages were told of; a second shipment goes well.
async fn told_after(first: Outcome, second: Outcome) -> Vec<String> {
    let bench = Bench::new();
    for (name, age) in [("a.json", 60), ("b.json", 50)] {
        bench.put(name, &envelope("c", &[identity("a"), identity("b")]), age);
    }
    let mut importer = bench.importer();
    importer.courier.queue = Arc::new(Told(Mutex::new(vec![vec![first, second]])));
    importer.pass(None).await;
    let mut told = bench.diary();
    told.retain(|line| line.starts_with("expect"));
    assert_eq!(told[..2], ["expect 1", "expect 4"]);
    told.split_off(2)
}

#[tokio::test]
async fn what_may_have_arrived_twice_is_told_of_where_sending_broke_off() {
    use DeliveryErrorKind::{Unavailable, Unroutable};
    for (first, second, expect) in [
        (
            Err(failed(Unavailable, 1, 0)),
            Err(failed(Unavailable, 0, 0)),
            &["expect -3"][..],
        ),
        (
            Err(failed(Unavailable, 1, 1)),
            Err(failed(Unavailable, 0, 2)),
            &[],
        ),
        // All were sent again after a connection had broken, and most of them confirmed.
        (
            Err(failed(Unavailable, 1, 4)),
            Err(failed(Unavailable, 2, 1)),
            &["expect 4"],
        ),
        // The second was handed over, and goes again behind the first.
        (
            Err(failed(Unavailable, 0, 1)),
            Ok(handed_over(2, 3)),
            &["expect 2"],
        ),
        // The first was handed over for good: what is doubtful of it is told with the rest of it.
        (
            Ok(handed_over(2, 3)),
            Err(failed(Unavailable, 1, 0)),
            &["expect -1", "expect 3"],
        ),
        // Its queue is gone, and so it goes again with the second.
        (
            Err(failed(Unroutable, 2, 3)),
            Err(failed(Unroutable, 0, 0)),
            &["expect 1", "expect 4"],
        ),
    ] {
        let case = format!("{first:?} {second:?}");
        assert_eq!(told_after(first, second).await, expect, "{case}");
    }
}
