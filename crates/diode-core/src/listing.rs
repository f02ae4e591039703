//! Listing a source, for a pass or a rehearsal of one.

use std::time::Duration;

use bundle_source::{Listing, Source, SourceError, Wanted};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::report::Interruption;
use crate::trouble::chain;

/// How long a listing may go on when we are to stop: it tells how many files were not tried.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// Lists a source, unless that fails, which is said, or takes long when we are to stop.
pub(crate) async fn list(
    source: &dyn Source,
    wanted: &Wanted,
    stop: &CancellationToken,
) -> Result<Listing, Interruption> {
    let stopped = async {
        stop.cancelled().await;
        sleep(LAST_LOOK).await;
    };
    tokio::select! {
        listing = source.list(wanted) => listing.map_err(|error| {
            not_listed(source.name(), &error);
            Interruption::Source
        }),
        () = stopped => Err(Interruption::Stopped),
    }
}

/// Says why a source cannot be listed.
pub(crate) fn not_listed(source: &str, error: &SourceError) {
    tracing::error!(source, error = chain(error), "the files cannot be listed");
}
