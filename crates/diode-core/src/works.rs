//! Works: what the platform shows of an import's progress.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use opencti_client::{ApiError, Platform, Refused, Registration, WorkEnd, WorkId};

/// The platform keeps no more errors of one work.
const MAX_REPORTED: usize = 100;

/// How works are opened and closed.
///
/// What is told keeps to the rule that the expectations of a work, less those given back, are the
/// messages sent for it: that is when the platform shows it as complete.
#[async_trait]
pub trait Works: Send + Sync {
    /// The work that a file's messages belong to, expecting that many of them.
    ///
    /// # Errors
    /// [`ApiError`]
    async fn open(
        &self,
        connector: &Registration,
        modified: DateTime<Utc>,
        messages: usize,
    ) -> Result<WorkId, ApiError>;

    /// Every message of the file was sent, but for those the broker refused.
    ///
    /// # Errors
    /// [`ApiError`]; the messages are delivered all the same.
    async fn sent(&self, work: &WorkId, refused: &[Refused]) -> Result<(), ApiError>;

    /// Sending broke off, with that many messages unsent.
    ///
    /// # Errors
    /// [`ApiError`]
    async fn broken_off(&self, work: &WorkId, unsent: usize, why: &str) -> Result<(), ApiError>;
}

/// One work for each file.
pub struct WorkPerFile {
    platform: Arc<dyn Platform>,
}

impl WorkPerFile {
    /// Works on that platform.
    pub fn new(platform: Arc<dyn Platform>) -> Self {
        Self { platform }
    }
}

#[async_trait]
impl Works for WorkPerFile {
    async fn open(
        &self,
        connector: &Registration,
        modified: DateTime<Utc>,
        messages: usize,
    ) -> Result<WorkId, ApiError> {
        let name = work_name(&connector.name, modified);
        let work = self.platform.add_work(&connector.id, &name).await?;
        self.platform
            .add_expectations(&work, expectations(messages))
            .await?;
        Ok(work)
    }

    async fn sent(&self, work: &WorkId, refused: &[Refused]) -> Result<(), ApiError> {
        for message in refused.iter().take(MAX_REPORTED) {
            self.platform
                .report_expectation(work, Some(&message.reason))
                .await?;
        }
        let unreported = refused.len().saturating_sub(MAX_REPORTED);
        if unreported > 0 {
            self.platform
                .add_expectations(work, -expectations(unreported))
                .await?;
        }
        let (message, end) = if refused.is_empty() {
            ("Connector successfully run".to_owned(), WorkEnd::Sent)
        } else {
            let message = format!("{} objects were refused by the broker", refused.len());
            (message, WorkEnd::InError)
        };
        self.platform.finish_work(work, &message, end).await
    }

    async fn broken_off(&self, work: &WorkId, unsent: usize, why: &str) -> Result<(), ApiError> {
        if unsent > 0 {
            self.platform
                .add_expectations(work, -expectations(unsent))
                .await?;
        }
        let message = format!("Interrupted, {unsent} messages unsent: {why}");
        self.platform
            .finish_work(work, &message, WorkEnd::InError)
            .await
    }
}

/// The peer's name for a work: `NAME run @ TIME`, the file's time in C's `ctime` form, in UTC.
pub fn work_name(connector_name: &str, modified: DateTime<Utc>) -> String {
    format!(
        "{connector_name} run @ {}",
        modified.format("%a %b %e %H:%M:%S %Y")
    )
}

/// GraphQL's `Int` has 32 bits; the limit on objects lies far below.
fn expectations(messages: usize) -> i32 {
    i32::try_from(messages).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_works_as_the_peer_does() {
        let time = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        assert_eq!(
            work_name("Feed", time),
            "Feed run @ Thu Jan  1 00:00:00 2026"
        );
    }
}
