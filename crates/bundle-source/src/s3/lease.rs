//! A lease on a folder of a bucket: one process at a time, kept by an object that is put on conditions.

mod object;
mod turn;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use self::object::{LeaseObject, Only, Probed, Put};
pub use self::turn::S3Holder;
use self::turn::{Hold, Note, Step, Watch};
use super::error::{S3Error, failed};
use super::source::S3Source;
use crate::SourceError;

/// How long giving a lease back may take.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(3);

/// How often a lease is tried for that others take and give back meanwhile.
const ATTEMPTS: usize = 3;

/// The times of a lease. A lease is over for its holder before anybody takes it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct S3LeaseTimes {
    /// How often a lease is renewed; who stands by looks twice as often.
    pub renew_every: Duration,
    /// How long a holder counts on a lease that it could not renew.
    pub valid_for: Duration,
    /// How long a lease must not have changed until another takes it over.
    pub take_over_after: Duration,
}

impl Default for S3LeaseTimes {
    /// 10 s, 30 s, 45 s.
    fn default() -> Self {
        Self {
            renew_every: Duration::from_secs(10),
            valid_for: Duration::from_secs(30),
            take_over_after: Duration::from_secs(45),
        }
    }
}

/// How we stand with a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum S3Standing {
    /// It is ours.
    Ours,
    /// There is none: the store does not keep to conditions, or does not let us put the object. That
    /// was said in the log.
    Without,
    /// Another has it.
    StandingBy {
        /// The machine that the other runs on.
        host: String,
        /// Whether it was seen to renew it.
        is_alive: bool,
    },
    /// Not known: nobody has looked yet, or a lease was lost.
    Unknown,
}

/// A lease on the folder that a source lists, for one process at a time.
///
/// It is an object in that folder, named `.diode-import-lease`, which no source lists. Who holds it
/// renews it; who does not watches it, and takes it over when it has gone, or has not changed for long
/// by the watcher's own clock. Both put it on the condition that it is as they saw it, so one of them
/// fails. Whether the store keeps to such conditions is tried before anybody counts on them.
#[derive(Debug)]
pub struct S3Lease {
    inner: Arc<Inner>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Inner {
    /// The source's name, for messages.
    source: String,
    object: LeaseObject,
    holder: S3Holder,
    /// A random id of ours: who has our instance may be another process.
    process: String,
    times: S3LeaseTimes,
    standing: watch::Sender<S3Standing>,
    /// Set once the store was seen to keep to conditions.
    keeps_conditions: OnceLock<()>,
    watch: Mutex<Watch>,
    hold: Mutex<Option<Hold>>,
}

impl S3Lease {
    /// A lease on the folder of `source`. Nothing is asked of the store yet.
    pub fn new(source: &S3Source, holder: S3Holder, times: S3LeaseTimes) -> Self {
        let (client, key) = source.lease_object();
        let inner = Inner {
            source: crate::Source::name(source).to_owned(),
            object: LeaseObject::new(client, key),
            holder,
            process: format!("{:032x}", rand::random::<u128>()),
            times,
            standing: watch::Sender::new(S3Standing::Unknown),
            keeps_conditions: OnceLock::new(),
            watch: Mutex::default(),
            hold: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
            keeper: Mutex::default(),
        }
    }

    /// How we stand with it. Where that is not known, the store is asked, and the lease taken if it can
    /// be; from then on it is renewed, or watched and taken, in the background.
    ///
    /// # Errors
    /// [`SourceError`] whose cause is an [`S3Error`]: the store cannot be asked.
    pub async fn take(&self) -> Result<S3Standing, SourceError> {
        let standing = self.inner.standing.borrow().clone();
        if standing != S3Standing::Unknown {
            return Ok(standing);
        }
        let standing = self.inner.look().await;
        let standing = standing.map_err(|error| failed("list", &self.inner.source, error))?;
        self.inner.standing.send_replace(standing.clone());
        if standing != S3Standing::Without {
            let inner = Arc::clone(&self.inner);
            let keeper = tokio::spawn(async move { inner.keep().await });
            *lock(&self.keeper) = Some(keeper);
        }
        Ok(standing)
    }

    /// Returns when we stand otherwise than `standing`.
    pub async fn changed(&self, standing: &S3Standing) {
        let mut now = self.inner.standing.subscribe();
        // The sender is ours, and outlives this.
        drop(now.wait_for(|now| now != standing).await);
    }

    /// Gives it back, so that another need not wait. What cannot be given back is taken over in time.
    pub async fn give_back(&self) {
        if let Some(keeper) = lock(&self.keeper).take() {
            keeper.abort();
        }
        self.inner.standing.send_replace(S3Standing::Unknown);
        match timeout(GIVE_BACK_WITHIN, self.inner.give_back()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(
                source = self.inner.source,
                %error,
                "the lease is not given back: it is taken over after a while"
            ),
            Err(_) => tracing::warn!(
                source = self.inner.source,
                "the lease is not given back in time: it is taken over after a while"
            ),
        }
    }
}

impl Drop for S3Lease {
    fn drop(&mut self) {
        if let Some(keeper) = lock(&self.keeper).take() {
            keeper.abort();
        }
    }
}

impl Inner {
    /// Takes the lease, if it can be taken now.
    async fn look(&self) -> Result<S3Standing, S3Error> {
        match self.try_to_take().await {
            Err(error @ (S3Error::NotPermitted(_) | S3Error::Refused(_))) => {
                tracing::warn!(
                    source = self.source,
                    key = self.object.key,
                    %error,
                    "a second diode-import would not be noticed here: the lease cannot be put; \
                     permit s3:PutObject and s3:DeleteObject for its key"
                );
                Ok(S3Standing::Without)
            }
            other => other,
        }
    }

    async fn try_to_take(&self) -> Result<S3Standing, S3Error> {
        let mut other = String::new();
        for _ in 0..ATTEMPTS {
            let found = self.object.look().await?;
            let now = Instant::now();
            let instance = &self.holder.instance;
            let after = self.times.take_over_after;
            let step = lock(&self.watch).step(found.as_ref(), instance, now, after);
            let put = match &step {
                Step::StandBy { host, is_alive } => {
                    return Ok(S3Standing::StandingBy {
                        host: host.clone(),
                        is_alive: *is_alive,
                    });
                }
                Step::Create => self.object.put(Only::IfNone, &self.note()).await?,
                Step::Replace(etag) => self.object.put(Only::If(etag), &self.note()).await?,
            };
            // Where it was refused, another was quicker, or the answer to our first attempt was lost.
            if let Put::Done(etag) = put
                && let Some(standing) = self.taken(Hold { etag, renewed: now }).await?
            {
                return Ok(standing);
            }
            other = found.map(|found| found.note.host).unwrap_or_default();
        }
        Ok(S3Standing::StandingBy {
            host: other,
            is_alive: true,
        })
    }

    /// The object is ours; it is a lease only where the store keeps to conditions. Nothing, where
    /// another has taken it meanwhile.
    async fn taken(&self, mut hold: Hold) -> Result<Option<S3Standing>, S3Error> {
        if self.keeps_conditions.get().is_none() {
            let process = &self.process;
            match self
                .object
                .probe(&hold.etag, process, || self.note())
                .await?
            {
                Probed::Keeps(etag) => hold.etag = etag,
                Probed::Overlooks => return Ok(Some(self.without_conditions(&hold).await)),
                Probed::Taken => return Ok(None),
            }
            self.keeps_conditions.get_or_init(|| ());
        }
        *lock(&self.hold) = Some(hold);
        Ok(Some(S3Standing::Ours))
    }

    async fn without_conditions(&self, hold: &Hold) -> S3Standing {
        tracing::warn!(
            source = self.source,
            "a second diode-import would not be noticed here: the store does not keep to the \
             conditions that an object is put on, so there can be no lease"
        );
        if let Err(error) = self.object.delete(&hold.etag).await {
            tracing::debug!(%error, "cannot delete what was to be a lease");
        }
        S3Standing::Without
    }

    /// Renews the lease, or waits for it, for as long as the store lets us know how we stand.
    async fn keep(&self) {
        loop {
            let ours = lock(&self.hold).clone();
            let standing = if let Some(hold) = ours {
                self.renewed_until_lost(hold).await
            } else {
                sleep(self.times.renew_every / 2).await;
                // The next one who asks gets the error, if there still is one.
                self.look().await.unwrap_or(S3Standing::Unknown)
            };
            let is_over = matches!(standing, S3Standing::Unknown | S3Standing::Without);
            self.standing.send_if_modified(|now| {
                let is_news = *now != standing;
                *now = standing;
                is_news
            });
            if is_over {
                return;
            }
        }
    }

    /// Renews a lease until it is lost.
    async fn renewed_until_lost(&self, mut hold: Hold) -> S3Standing {
        let mut pause = self.times.renew_every;
        loop {
            let renewal = async {
                sleep(pause).await;
                let started = Instant::now();
                let renewed = timeout(self.times.renew_every, self.renew(&hold.etag)).await;
                (started, renewed)
            };
            let (started, renewed) = tokio::select! {
                renewed = renewal => renewed,
                () = sleep_until(hold.renewed + self.times.valid_for) => {
                    return self.lost("it could not be renewed in time");
                }
            };
            match renewed {
                Ok(Ok(Some(etag))) => {
                    hold = Hold {
                        etag,
                        renewed: started,
                    };
                    *lock(&self.hold) = Some(hold.clone());
                    pause = self.times.renew_every;
                }
                Ok(Ok(None)) => return self.lost("another has taken it"),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "the lease cannot be renewed for now");
                    pause = self.times.renew_every / 10;
                }
                Err(_) => pause = Duration::ZERO,
            }
        }
    }

    /// Renews it once; its new etag, or nothing where it is not ours any more.
    async fn renew(&self, etag: &str) -> Result<Option<String>, S3Error> {
        let (process, note) = (&self.process, self.note());
        self.object.renew(etag, process, &note).await
    }

    fn lost(&self, why: &str) -> S3Standing {
        *lock(&self.hold) = None;
        tracing::warn!(
            source = self.source,
            why,
            "the lease on this bucket is lost: nothing more is sent from it until we have it again"
        );
        S3Standing::Unknown
    }

    async fn give_back(&self) -> Result<(), S3Error> {
        let held = lock(&self.hold).take();
        // Once it is over, another may have it, and not every store deletes on a condition.
        let is_valid = |hold: &Hold| hold.renewed.elapsed() < self.times.valid_for;
        if held.as_ref().is_none_or(|hold| !is_valid(hold)) {
            return Ok(());
        }
        // Its etag may be another one: of a renewal that was under way.
        match self.object.look().await? {
            Some(found) if found.note.process == self.process => {
                self.object.delete(&found.etag).await
            }
            _ => Ok(()),
        }
    }

    /// A text that was never there before.
    fn note(&self) -> String {
        Note::write(&self.holder, &self.process, rand::random())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
