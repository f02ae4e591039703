//! A bucket's lease: one process at a time, and what the log says of it.

use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fs, io};

use async_trait::async_trait;
use bundle_source::{S3Holder, S3Lease, S3LeaseTimes, S3Source, S3Standing, Source as _};
use chrono::{SecondsFormat, Utc};
use diode_core::terminal::escape;
use diode_core::{Claim, Claimed, Lease, NotOurs, chain, open_private_file};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::bucket::named;
use crate::settings::Settings;

/// The file in the state folder with the id that the processes on one ledger have in common.
const INSTANCE_FILE: &str = "instance";

/// How often who stands by says so.
const SAY_EVERY: Duration = Duration::from_mins(5);

/// Who we are, for other processes on the same bucket. Only one process at a time has the ledger, so
/// that a lease in its name is one that an earlier process left.
pub(crate) fn holder(settings: &Settings, claims: &[Claim]) -> S3Holder {
    let is_ledger = |claim: &Claim| matches!(claim.what(), Claimed::Ledger(_));
    let instance = if claims.iter().any(is_ledger) {
        instance(&settings.diode_import.state_path)
    } else {
        Uuid::new_v4()
    };
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    S3Holder {
        instance: instance.to_string(),
        host: escape(host.trim()).into_owned(),
        since: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
    }
}

fn instance(state_path: &Path) -> Uuid {
    let path = state_path.join(INSTANCE_FILE);
    match read_or_make(&path) {
        Ok(instance) => instance,
        Err(error) => {
            tracing::warn!(
                path = %path.display(),
                error = chain(&error),
                "who we are cannot be kept: after a crash, our own lease on a bucket is waited for"
            );
            Uuid::new_v4()
        }
    }
}

fn read_or_make(path: &Path) -> io::Result<Uuid> {
    match fs::read_to_string(path) {
        Ok(text) => {
            if let Ok(instance) = text.trim().parse() {
                return Ok(instance);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let instance = Uuid::new_v4();
    let mut file = open_private_file(path)?;
    file.set_len(0)?;
    writeln!(file, "{instance}")?;
    Ok(instance)
}

/// Whether to wait for another process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// From pass to pass.
    Endless,
    /// Only until it is seen that it still is at work.
    UntilSeen,
}

/// The lease on a bucket.
#[derive(Debug)]
pub(crate) struct BucketLease {
    source: String,
    lease: Arc<S3Lease>,
    waiting: Waiting,
    stop: CancellationToken,
    course: Mutex<Course>,
}

/// What goes on from pass to pass.
#[derive(Debug, Default)]
struct Course {
    /// Cancelled when the lease that we have is lost.
    turn: Option<CancellationToken>,
    /// When we last said that we stand by.
    said: Option<Instant>,
}

impl BucketLease {
    /// The lease on `bucket`; nothing is asked of the store yet.
    pub(crate) fn new(
        bucket: &S3Source,
        holder: S3Holder,
        waiting: Waiting,
        stop: CancellationToken,
    ) -> Self {
        Self {
            source: bucket.name().to_owned(),
            lease: Arc::new(S3Lease::new(bucket, holder, S3LeaseTimes::default())),
            waiting,
            stop,
            course: Mutex::default(),
        }
    }

    /// The same token for as long as the lease is ours.
    fn ours(&self) -> CancellationToken {
        let mut course = self.course.lock().unwrap_or_else(PoisonError::into_inner);
        if course.said.take().is_some() {
            let source = self.source.as_str();
            tracing::info!(source, "the other diode-import has ended: taking over");
        }
        if let Some(turn) = course.turn.as_ref().filter(|turn| !turn.is_cancelled()) {
            return turn.clone();
        }
        let turn = self.stop.child_token();
        let (lease, ends) = (Arc::clone(&self.lease), turn.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = lease.changed(&S3Standing::Ours) => ends.cancel(),
                () = ends.cancelled() => {}
            }
        });
        course.turn.insert(turn).clone()
    }

    fn stand_by(&self, host: &str) -> NotOurs {
        let mut course = self.course.lock().unwrap_or_else(PoisonError::into_inner);
        let source = self.source.as_str();
        if self.waiting == Waiting::UntilSeen {
            tracing::error!(
                source,
                host,
                "another diode-import is at work on this bucket; nothing was done there"
            );
        } else if course.said.is_none_or(|said| said.elapsed() >= SAY_EVERY) {
            tracing::warn!(
                source,
                host,
                "another diode-import is at work on this bucket; standing by until it ends"
            );
            course.said = Some(Instant::now());
        }
        NotOurs::Taken
    }
}

#[async_trait]
impl Lease for BucketLease {
    async fn take(&self) -> Result<CancellationToken, NotOurs> {
        loop {
            let standing = self.lease.take().await.map_err(named)?;
            match &standing {
                S3Standing::Ours => return Ok(self.ours()),
                S3Standing::Without => return Ok(self.stop.clone()),
                S3Standing::StandingBy {
                    host,
                    is_alive: false,
                } if self.waiting == Waiting::UntilSeen => {
                    let source = self.source.as_str();
                    tracing::info!(
                        source,
                        host,
                        "another diode-import was at work on this bucket; seeing whether it still is"
                    );
                    self.lease.changed(&standing).await;
                }
                S3Standing::StandingBy { host, .. } => return Err(self.stand_by(host)),
                S3Standing::Unknown => return Err(self.stand_by("unknown")),
            }
        }
    }

    async fn give_back(&self) {
        self.lease.give_back().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_the_same_for_all_processes_on_a_state() {
        let folder = tempfile::tempdir().unwrap();
        let first = instance(folder.path());
        assert_eq!(instance(folder.path()), first);
        fs::write(folder.path().join(INSTANCE_FILE), "damaged").unwrap();
        let second = instance(folder.path());
        assert_ne!(second, first);
        assert_eq!(instance(folder.path()), second);
    }
}
