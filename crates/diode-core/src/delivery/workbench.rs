//! Putting an import into the platform's workbench, as one file that a person validates there.

use bytes::Bytes;
use opencti_client::{ApiError, Delivery, ErrorClass, PendingFile, WorkId};

use super::parts::SplitParts;
use super::{Arrived, Consignment, Courier, Undelivered};
use crate::examine::Import;
use crate::fingerprint::Fingerprint;
use crate::trouble::chain;
use crate::works::{Room, Upcoming};

/// How much of a content's fingerprint tells it from others in the same work.
const DISTINCT: usize = 12;

impl Courier {
    /// Uploads an import. Neither broker nor workers take part in it, so that there is nothing for
    /// a work to expect.
    pub(super) async fn put_into_workbench(
        &self,
        consignment: &Consignment<'_>,
    ) -> Result<Arrived, Undelivered> {
        let Consignment {
            import, modified, ..
        } = *consignment;
        let connector = &import.envelope.connector;
        self.route(connector).await?;
        let file = Upcoming {
            connector,
            modified,
            messages: 0,
            added_by_workers: 0,
            room: Room::Shared,
        };
        let share = self.begin(&file).await?;
        let file = pending(import, &share.work);
        match self.platform.upload_pending(&file).await {
            Ok(()) => Ok(Arrived {
                share,
                delivery: Delivery {
                    bundles: 1,
                    ..Delivery::default()
                },
            }),
            Err(error) => {
                let undelivered = not_uploaded(error);
                self.give_back(&share, 0, &undelivered).await;
                Err(undelivered)
            }
        }
    }
}

/// An upload that failed. The platform takes none where it does not let us upload, or does not know
/// how; else it refuses this one, which may be too large for it, or for a proxy before it.
fn not_uploaded(error: ApiError) -> Undelivered {
    match error.class() {
        ErrorClass::Forbidden => Undelivered::Unavailable(chain(&error)),
        ErrorClass::Contract if error.is_not_known() => Undelivered::Unavailable(chain(&error)),
        ErrorClass::Contract => Undelivered::Unfit(chain(&error)),
        _ => error.into(),
    }
}

/// The file. Another one of its name would replace it, and a work can have many.
fn pending(import: &Import<'_>, work: &WorkId) -> PendingFile {
    let content = content(import);
    let mark = Fingerprint::of(&content).to_string();
    PendingFile {
        name: format!("{work}-{}.json", &mark[..DISTINCT]),
        content,
    }
}

/// The bundle as it came; without its broken objects where it has such, for one of them would
/// make the platform refuse the whole file once it is validated. Just so where it is no JSON for the
/// platform, or would be split there into something else.
fn content(import: &Import<'_>) -> Bytes {
    if import.may_go_as_it_came() {
        Bytes::copy_from_slice(import.envelope.bundle.as_str().as_bytes())
    } else {
        SplitParts::of(import).whole().into()
    }
}
