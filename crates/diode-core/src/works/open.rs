//! One open work for each source connector: opening it, and telling it of files.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use opencti_client::{ApiError, ErrorClass, Platform, WorkEnd, WorkId};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::spawn_blocking;

use super::contract::{Occasion, Room, Share, Shortfall, Upcoming, Works, WorksError};
use super::decide::{Hold, Life, OpenWork, is_imported};
use super::name::work_name;
use super::sight::{Look, Memory, Sight, is_for_good, look};
use crate::rules::OwnTime;
use crate::trouble::chain;
use crate::{Clock, Ledger, LedgerError};

/// How many errors of one work are told one by one: what workers report, the platform keeps as far.
const MAX_TOLD: usize = 100;

/// Works of which each source connector has at most one that is open, across passes and runs. Where
/// our token may not read works, there is one for each pass and connector.
pub struct OpenWorks {
    pub(super) platform: Arc<dyn Platform>,
    pub(super) ledger: Arc<Ledger>,
    clock: Clock,
    own_time: OwnTime,
    pub(super) memory: Mutex<Memory>,
}

impl fmt::Debug for OpenWorks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenWorks").finish_non_exhaustive()
    }
}

#[async_trait]
impl Works for OpenWorks {
    async fn begin(&self, file: &Upcoming<'_>) -> Result<Share, WorksError> {
        let mut memory = self.memory().await;
        let work = match file.room {
            Room::Shared => self.join(&mut memory, file).await?,
            Room::Alone => self.open_apart(&memory, file).await?,
        };
        memory.starts(
            &file.connector.id,
            file.messages,
            file.added_by_workers,
            self.own_now(),
        );
        Ok(Share {
            connector_id: file.connector.id.clone(),
            work,
            room: file.room,
            added_by_workers: file.added_by_workers,
        })
    }

    async fn is_alive(&self, share: &Share) -> Result<bool, WorksError> {
        let mut memory = self.memory().await;
        let alive = self.ask_whether_alive(&mut memory, &share.work).await?;
        let progress = match alive {
            Some(false) => self.platform.work(&share.work).await.ok().flatten(),
            Some(true) | None => None,
        };
        if is_imported(alive, progress) {
            return Ok(true);
        }
        memory.ends(&share.connector_id, self.own_now());
        memory.doubts(&share.connector_id);
        let known = self.ledger.open_work(&share.connector_id)?;
        let known = known.filter(|work| work.work == share.work);
        let earlier = known.as_ref().map_or(0, |work| self.files_of(work));
        tracing::warn!(
            connector_id = share.connector_id,
            work = %share.work,
            earlier_files = earlier,
            "the work was deleted or ended on the platform while messages were sent for it. The \
             workers drop those, so they are sent again for another work. What still waited of \
             earlier files is dropped, too: if objects are missing, bring the files back to import \
             them again; diode-import history --json lists them"
        );
        if let Some(work) = known {
            self.forget(&work, "it is not alive")?;
        }
        Ok(false)
    }

    async fn sent(&self, share: &Share, shortfall: &Shortfall) -> Result<(), WorksError> {
        let mut memory = self.memory().await;
        memory.ends(&share.connector_id, self.own_now());
        let surplus = (shortfall.doubtful == 0).then_some(shortfall.refused);
        memory.falls_short(&share.connector_id, surplus);
        let change = count(shortfall.doubtful) - count(shortfall.refused);
        self.change_expectations(&share.work, change).await?;
        let before = match share.room {
            Room::Shared => self.note_unsent(share, shortfall.errors.len())?,
            Room::Alone => 0,
        };
        let left = MAX_TOLD.saturating_sub(before);
        for error in shortfall.errors.iter().take(left) {
            self.platform
                .finish_work(&share.work, error, WorkEnd::InError)
                .await?;
        }
        if share.room == Room::Alone && share.added_by_workers == 0 {
            self.finish(&share.work, shortfall.errors.len()).await?;
        }
        Ok(())
    }

    async fn broken_off(&self, share: &Share, unsent: i64, why: &str) -> Result<(), WorksError> {
        let mut memory = self.memory().await;
        memory.ends(&share.connector_id, self.own_now());
        memory.doubts(&share.connector_id);
        memory.falls_short(&share.connector_id, None);
        let change = i32::try_from(unsent.saturating_neg()).unwrap_or(i32::MAX);
        self.change_expectations(&share.work, change).await?;
        if share.room == Room::Alone {
            let unsent = unsent.max(0);
            let message = format!("Interrupted, {unsent} messages unsent: {why}");
            self.platform
                .finish_work(&share.work, &message, WorkEnd::InError)
                .await?;
        }
        Ok(())
    }

    async fn settle(&self, occasion: Occasion) {
        let mut memory = self.memory().await;
        self.settle_all(&mut memory, occasion).await;
    }
}

impl OpenWorks {
    /// The works on `platform`, as `ledger` has them.
    pub fn new(platform: Arc<dyn Platform>, ledger: Arc<Ledger>, clock: Clock) -> Self {
        Self::by(platform, ledger, clock, Arc::new(Instant::now))
    }

    pub(super) fn by(
        platform: Arc<dyn Platform>,
        ledger: Arc<Ledger>,
        clock: Clock,
        own_time: OwnTime,
    ) -> Self {
        let memory = Memory::new(own_time(), clock());
        Self {
            platform,
            ledger,
            clock,
            own_time,
            memory: Mutex::new(memory),
        }
    }

    /// Lets a file's messages be counted by the connector's open work.
    async fn join(&self, memory: &mut Memory, file: &Upcoming<'_>) -> Result<WorkId, WorksError> {
        let work = match self.usable(memory, &file.connector.id).await? {
            Some(work) => work,
            None => self.open(memory, file).await?,
        };
        let told = self
            .change_expectations(&work.work, count(file.messages))
            .await;
        match told {
            Ok(()) => Ok(work.work),
            Err(error) if error.class() == ErrorClass::WorkGone => {
                self.lay_down(&work, Life::Gone)?;
                let work = self.open(memory, file).await?.work;
                self.change_expectations(&work, count(file.messages))
                    .await?;
                Ok(work)
            }
            Err(error) => {
                memory.doubts(&file.connector.id);
                Err(error.into())
            }
        }
    }

    /// The open work of a connector, if messages may still be sent for it. Where the platform does
    /// not tell, nothing waits for that: another is opened.
    async fn usable(
        &self,
        memory: &mut Memory,
        connector_id: &str,
    ) -> Result<Option<OpenWork>, WorksError> {
        let Some(work) = self.ledger.open_work(connector_id)? else {
            return Ok(None);
        };
        if work.hold == Hold::Held && memory.is_sure_of(connector_id, self.own_now()) {
            return Ok(Some(work));
        }
        match (self.look(memory, &work).await?, work.hold) {
            (Look::Seen(Life::Open(_)) | Look::Unseen, Hold::Held) => Ok(Some(work)),
            (Look::Seen(Life::Open(counts)), hold) => {
                if self.close_if_done(memory, &work, counts).await? {
                    return Ok(None);
                }
                match hold {
                    Hold::GivenBack => self.hold_again(memory, work).await,
                    Hold::Held | Hold::Left => self.keep_held(memory, work).map(Some),
                }
            }
            (Look::Unseen, Hold::Left) => self.keep_held(memory, work).map(Some),
            (Look::Unseen, Hold::GivenBack) => {
                self.forget(&work, "whether it is done cannot be seen")?;
                Ok(None)
            }
            (Look::Odd, _) => {
                self.leave_unseen(memory, &work).await?;
                Ok(None)
            }
            (Look::Seen(life @ (Life::Ended(_) | Life::Gone)), _) => {
                self.lay_down(&work, life)?;
                Ok(None)
            }
        }
    }

    /// Leaves a work that the platform does not tell of, so that another can be opened.
    async fn leave_unseen(&self, memory: &Memory, work: &OpenWork) -> Result<(), WorksError> {
        if let Err(error) = self.retire(memory, work).await {
            Self::tell_failure(work, &error);
            self.forget(work, "the platform does not answer for it")?;
        }
        Ok(())
    }

    /// Keeps a work open that was given back. It may be complete before it hears of that.
    async fn hold_again(
        &self,
        memory: &mut Memory,
        work: OpenWork,
    ) -> Result<Option<OpenWork>, WorksError> {
        match self.change_expectations(&work.work, 1).await {
            Err(error) if error.class() == ErrorClass::WorkGone => {
                self.lay_down(&work, Life::Gone)?;
                return Ok(None);
            }
            told => told?,
        }
        if let Look::Seen(Life::Ended(_) | Life::Gone) = self.look(memory, &work).await? {
            self.forget(&work, "it was completed")?;
            return Ok(None);
        }
        memory.taken_back(&work.connector_id, self.own_now());
        self.keep_held(memory, work).map(Some)
    }

    fn keep_held(&self, memory: &mut Memory, work: OpenWork) -> Result<OpenWork, WorksError> {
        let work = OpenWork {
            hold: Hold::Held,
            used_at: self.now(),
            ..work
        };
        self.note_held(memory, &work)?;
        Ok(work)
    }

    /// Remembers a work that the platform was told we hold. The disk is written while messages are
    /// sent already: should the machine fail before, the work expects one thing too much, which is put
    /// right, or is one that nobody closes.
    fn note_held(&self, memory: &mut Memory, work: &OpenWork) -> Result<(), LedgerError> {
        self.ledger.hold_work(work)?;
        let ledger = Arc::clone(&self.ledger);
        memory.syncing = Some(spawn_blocking(move || ledger.sync()));
        Ok(())
    }

    /// Opens a work, held, and remembers it.
    async fn open(&self, memory: &mut Memory, file: &Upcoming<'_>) -> Result<OpenWork, WorksError> {
        let id = self.add_work(file).await?;
        self.change_expectations(&id, 1).await?;
        let work = OpenWork {
            connector_id: file.connector.id.clone(),
            connector_name: file.connector.name.clone(),
            work: id,
            hold: Hold::Held,
            unsent: 0,
            used_at: self.now(),
        };
        self.note_held(memory, &work)?;
        tracing::info!(
            connector = work.connector_name,
            connector_id = work.connector_id,
            work = %work.work,
            "work opened"
        );
        memory.opened(&work.connector_id, self.own_now());
        memory.saw(&work.connector_id, self.own_now());
        self.learn_sight(memory, &work).await;
        Ok(work)
    }

    /// Finds out whether our token may read works. Nothing hangs on it yet, so a platform that does
    /// not answer is asked another time.
    async fn learn_sight(&self, memory: &mut Memory, work: &OpenWork) {
        if matches!(memory.sight, Sight::Unknown | Sight::Odd)
            && let Err(error) = self.look(memory, work).await
        {
            tracing::debug!(work = %work.work, error = chain(&error), "a work cannot be read");
        }
    }

    /// Opens a work for one file alone. The connector's open work ends before: it is the earlier
    /// one, and once workers report for this one, the platform ends it by force.
    async fn open_apart(&self, memory: &Memory, file: &Upcoming<'_>) -> Result<WorkId, WorksError> {
        if let Some(work) = self.ledger.open_work(&file.connector.id)? {
            self.leave_unseen(memory, &work).await?;
        }
        let work = self.add_work(file).await?;
        self.change_expectations(&work, count(file.messages))
            .await?;
        Ok(work)
    }

    async fn add_work(&self, file: &Upcoming<'_>) -> Result<WorkId, ApiError> {
        let name = work_name(&file.connector.name, file.modified);
        self.platform.add_work(&file.connector.id, &name).await
    }

    /// Remembers that objects were not sent. Returns how many there were before.
    fn note_unsent(&self, share: &Share, objects: usize) -> Result<usize, WorksError> {
        let work = self.ledger.open_work(&share.connector_id)?;
        let Some(work) = work.filter(|work| work.work == share.work) else {
            return Ok(0);
        };
        let before = work.unsent;
        if objects > 0 {
            self.ledger.keep_work(&OpenWork {
                unsent: before.saturating_add(objects),
                ..work
            })?;
        }
        Ok(before)
    }

    /// What the platform says of a work.
    ///
    /// # Errors
    /// [`ApiError`] where it does not answer other questions, either.
    pub(super) async fn look(
        &self,
        memory: &mut Memory,
        work: &OpenWork,
    ) -> Result<Look, ApiError> {
        if !memory.may_look(self.own_now()) {
            return Ok(Look::Unseen);
        }
        let life = match look(&*self.platform, &work.work).await {
            Ok(life) => life,
            Err(error) => {
                let error = self.of_this_question(error).await?;
                if !memory.looks_odd(self.own_now()) {
                    return Ok(Look::Unseen);
                }
                tracing::warn!(
                    connector_id = work.connector_id,
                    work = %work.work,
                    error = chain(&error),
                    "the platform does not tell how far works are: until it does, files go into \
                     other ones"
                );
                return Ok(Look::Odd);
            }
        };
        match life {
            Some(Life::Open(_)) => memory.saw(&work.connector_id, self.own_now()),
            Some(Life::Ended(_) | Life::Gone) => memory.doubts(&work.connector_id),
            None => tracing::info!(
                "this token may not read works, or the platform is too old: each pass opens works \
                 of its own"
            ),
        }
        memory.sight = life.map_or(Sight::Blind, |_| Sight::Clear);
        Ok(life.map_or(Look::Unseen, Look::Seen))
    }

    /// Whether a work is alive; `None` where that cannot be asked. A platform that answers other
    /// questions, but not this one, is not waited for.
    async fn ask_whether_alive(
        &self,
        memory: &mut Memory,
        work: &WorkId,
    ) -> Result<Option<bool>, ApiError> {
        let error = match self.platform.is_work_alive(work).await {
            Ok(alive) => return Ok(alive),
            Err(error) if is_for_good(&error) => return Ok(None),
            Err(error) => self.of_this_question(error).await?,
        };
        if memory.lives_are_odd() {
            tracing::warn!(
                work = %work,
                error = chain(&error),
                "the platform does not tell whether a work is alive: should one be deleted while \
                 messages wait for it, that is not noticed"
            );
        }
        Ok(None)
    }

    /// An error that is about the question that was asked: the platform answers others.
    ///
    /// # Errors
    /// [`ApiError`] where it does not, or does not accept us.
    async fn of_this_question(&self, error: ApiError) -> Result<ApiError, ApiError> {
        match error.class() {
            ErrorClass::Credentials => Err(error),
            ErrorClass::Transient if self.platform.version().await.is_err() => Err(error),
            _ => Ok(error),
        }
    }

    /// Tells a work of more messages, or of fewer.
    pub(super) async fn change_expectations(
        &self,
        work: &WorkId,
        change: i32,
    ) -> Result<(), ApiError> {
        if change == 0 {
            return Ok(());
        }
        self.platform.add_expectations(work, change).await
    }

    /// Says that nothing more is sent for a work.
    pub(super) async fn finish(&self, work: &WorkId, unsent: usize) -> Result<(), ApiError> {
        let (message, end) = match unsent {
            0 => ("Connector successfully run".to_owned(), WorkEnd::Sent),
            1 => ("1 object was not sent".to_owned(), WorkEnd::InError),
            more => (format!("{more} objects were not sent"), WorkEnd::InError),
        };
        self.platform.finish_work(work, &message, end).await
    }

    /// Forgets a work that takes no more messages.
    pub(super) fn forget(&self, work: &OpenWork, why: &str) -> Result<(), WorksError> {
        self.ledger.forget_work(&work.connector_id)?;
        tracing::info!(
            connector = work.connector_name,
            connector_id = work.connector_id,
            work = %work.work,
            reason = why,
            "work left"
        );
        Ok(())
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    pub(super) fn own_now(&self) -> Instant {
        (self.own_time)()
    }

    /// What is remembered. A work that is held is on disk before anything else is done with it than
    /// sending its messages. Where it could not be written, neither can what became of its files.
    async fn memory(&self) -> MutexGuard<'_, Memory> {
        let mut memory = self.memory.lock().await;
        if let Some(syncing) = memory.syncing.take() {
            let _ = syncing.await;
        }
        memory
    }

    /// Says where a work went that fails, in the log alone.
    pub(super) fn tell_failure(work: &OpenWork, error: &WorksError) {
        tracing::warn!(
            connector = work.connector_name,
            connector_id = work.connector_id,
            work = %work.work,
            error = chain(error),
            "a work cannot be looked at or closed for now"
        );
    }
}

/// GraphQL's `Int` has 32 bits; the limit on objects lies far below.
fn count(messages: usize) -> i32 {
    i32::try_from(messages).unwrap_or(i32::MAX)
}
