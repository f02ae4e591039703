//! Passes over a source that has a lease.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, envelope, identity};
use crate::doubles::Notes;
use crate::lease::{Lease, NotOurs};
use crate::report::Interruption;

/// A lease that is ours where there is a token.
#[derive(Debug, Default)]
struct GivenLease(Mutex<Option<CancellationToken>>);

#[async_trait]
impl Lease for GivenLease {
    async fn take(&self) -> Result<CancellationToken, NotOurs> {
        self.0.lock().unwrap().clone().ok_or(NotOurs::Taken)
    }

    async fn give_back(&self) {}
}

#[tokio::test]
async fn nothing_is_sent_while_the_source_is_not_ours() {
    let bench = Bench::new();
    bench.put("1.json", &envelope("c", &[identity("a")]), 60);
    bench.put("2.json", &envelope("c", &[identity("b")]), 50);
    let lease = Arc::new(GivenLease::default());
    let notes: Arc<Notes> = Arc::default();
    let importer = bench.importer().with_observer(notes.clone());
    let mut importer = importer.with_lease(lease.clone());
    let report = importer.pass(None).await;
    assert_eq!(report.interruption, Some(Interruption::Lease));
    assert!(!report.is_eventful(), "the lease has said it");
    let told = notes.take();
    assert!(
        told.len() == 2 && told[1].ends_with("ended lease"),
        "{told:?}"
    );

    let turn = CancellationToken::new();
    *lease.0.lock().unwrap() = Some(turn.clone());
    turn.cancel();
    let report = importer.pass(None).await;
    let lost = (report.interruption, report.untried);
    assert_eq!(lost, (Some(Interruption::Lease), 2));
    assert!(
        importer.courier.stop.is_cancelled(),
        "a file under way ends"
    );
    assert_eq!(bench.published(), [""; 0]);

    *lease.0.lock().unwrap() = Some(CancellationToken::new());
    let report = importer.pass(None).await;
    assert_eq!((report.interruption, report.messages), (None, 2));
    assert_eq!(bench.published().len(), 2);
}
