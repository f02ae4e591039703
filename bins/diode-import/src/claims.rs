//! One process at a time: a second one stands by until the first ends.

use std::io::ErrorKind;
use std::time::Duration;

use diode_core::{Claim, ClaimError, Claimed, chain};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::settings::Settings;

/// How often who stands by looks whether it may take over.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often who stands by says so.
const SAY_EVERY: Duration = Duration::from_mins(5);

/// How the wait for our claims ended.
#[derive(Debug)]
pub(crate) enum Turn {
    /// They are ours, for as long as this is kept.
    Ours(Vec<Claim>),
    /// Another process has one of them, and we are not to wait.
    Taken,
    /// We were asked to stop while we waited.
    Stopped,
}

/// Claims the ledger and the folder. A single pass does not wait for another process to end, a
/// daemon does.
pub(crate) async fn our_turn(settings: &Settings, stop: &CancellationToken) -> Turn {
    let wanted = wanted(settings);
    let mut said = None;
    loop {
        let error = match take(&wanted) {
            Ok(claims) => {
                if said.is_some() {
                    tracing::info!("the other diode-import has ended: taking over");
                }
                return Turn::Ours(claims);
            }
            Err(error) => error,
        };
        if settings.connector.run_and_terminate {
            tracing::error!("{}; nothing was done", chain(&error));
            return Turn::Taken;
        }
        if said.is_none_or(|said: Instant| said.elapsed() >= SAY_EVERY) {
            tracing::warn!("{}; standing by until it ends", chain(&error));
            said = Some(Instant::now());
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => return Turn::Stopped,
        }
    }
}

fn wanted(settings: &Settings) -> Vec<Claimed> {
    let import = &settings.diode_import;
    let ledger = Claimed::Ledger(import.state_path.clone());
    let folder = import.directory.as_ref();
    let folder = folder.map(|directory| Claimed::Folder(directory.path.clone()));
    std::iter::once(ledger).chain(folder).collect()
}

/// Takes all claims or none, so that two processes with some in common never wait for each other.
///
/// What cannot be locked is gone without: a file system that has no locks must not keep us from
/// importing, and what is missing is told when it is used.
fn take(wanted: &[Claimed]) -> Result<Vec<Claim>, ClaimError> {
    let mut claims = Vec::new();
    for what in wanted {
        match Claim::take(what) {
            Ok(claim) => claims.push(claim),
            Err(error @ ClaimError::Taken { .. }) => return Err(error),
            Err(ClaimError::Unlockable { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(
                error = chain(&error),
                "a second diode-import would not be noticed here"
            ),
        }
    }
    Ok(claims)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::*;

    /// Nobody else tests locks, or starts a process: that has all our files open until it runs a program of
    /// its own, and keeps what is locked.
    pub(crate) fn exclusive() -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[test]
    fn all_claims_are_taken_or_none() {
        let _exclusive = exclusive();
        let folder = tempfile::tempdir().unwrap();
        let ledger = |name: &str| Claimed::Ledger(folder.path().join(name));
        let inbox = Claimed::Folder(folder.path().to_owned());
        let first = take(&[ledger("a"), inbox.clone()]).unwrap();
        assert_eq!(first.len(), 2);
        let error = take(&[ledger("b"), inbox.clone()]).unwrap_err();
        assert!(matches!(error, ClaimError::Taken { .. }), "{error}");
        assert_eq!(take(&[ledger("b")]).unwrap().len(), 1, "b was let go");
        drop(first);
        assert_eq!(take(&[ledger("b"), inbox]).unwrap().len(), 2);
    }

    #[test]
    fn what_is_missing_is_gone_without() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Claimed::Folder(folder.path().join("missing"));
        let ledger = Claimed::Ledger(folder.path().join("state"));
        assert_eq!(take(&[ledger, missing]).unwrap().len(), 1);
    }
}
