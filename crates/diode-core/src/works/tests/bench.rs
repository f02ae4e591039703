//! A platform that counts as the real one does, and workers that throw away what is late.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use opencti_client::{
    Account, ApiError, Applicant, BundlePush, ConnectorType, DraftId, ErrorClass, KnownConnector,
    PendingFile, Ping, Platform, PlatformVersion, QueueDetails, Registered, Registration,
    S3Connection, WorkEnd, WorkId, WorkProgress, WorkStatus,
};

use super::super::{Occasion, OpenWorks, Room, Share, Shortfall, Upcoming, Works, WorksError};
use crate::Ledger;

pub(super) const CONNECTOR: &str = "c";

/// A work as the platform has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    pub(super) expected: i64,
    pub(super) processed: i64,
    pub(super) complete: bool,
    pub(super) deleted: bool,
    /// Whether its key is gone: it is there, and its messages are dropped.
    pub(super) keyless: bool,
    pub(super) errors: Vec<String>,
    pub(super) messages: Vec<String>,
}

impl Counted {
    pub(super) fn complete_if(&mut self, condition: bool) {
        self.complete |= condition;
    }

    /// Whether workers import what belongs to it.
    fn is_alive(&self) -> bool {
        !self.complete && !self.deleted && !self.keyless
    }
}

/// Which call fails, and whether the platform does all the same what it was asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) call: usize,
    pub(super) done: bool,
}

/// Whether works can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reading {
    #[default]
    Allowed,
    /// Our token may not.
    Forbidden,
    /// The platform answers nothing.
    Away,
}

#[derive(Default)]
pub(super) struct World {
    pub(super) works: Vec<Counted>,
    /// The work that was last reported for.
    pub(super) last_reported: Option<usize>,
    /// The works that queued messages belong to.
    pub(super) queue: VecDeque<usize>,
    /// Messages that workers threw away.
    pub(super) lost: usize,
    pub(super) calls: Vec<String>,
    pub(super) fault: Option<Fault>,
    pub(super) reading: Reading,
    /// Whether workers process all that is queued just before a work hears of more.
    pub(super) quick: bool,
    /// How often what is asked of works, whether they are alive, and of queues, is answered oddly.
    pub(super) odd_works: usize,
    pub(super) odd_lives: usize,
    pub(super) odd_queues: usize,
    /// The class of odd answers.
    pub(super) odd_class: Option<ErrorClass>,
    /// What happens just before it is asked whether a work is alive.
    pub(super) before_alive: Option<fn(&mut World)>,
    /// The work that cannot be finished, and why.
    pub(super) unfinishable: Option<(usize, ErrorClass)>,
    /// Whether the broker still tells of an empty queue.
    pub(super) is_late: bool,
}

impl World {
    pub(super) fn index(work: &WorkId) -> usize {
        work.0.strip_prefix("work-").unwrap().parse().unwrap()
    }

    pub(super) fn work(&mut self, work: &WorkId) -> &mut Counted {
        &mut self.works[Self::index(work)]
    }

    /// Lets the workers process so many messages. They throw away what belongs to a work that is
    /// complete, or deleted.
    pub(super) fn process(&mut self, messages: usize) {
        for _ in 0..messages {
            let Some(index) = self.queue.pop_front() else {
                return;
            };
            let work = &mut self.works[index];
            if !work.is_alive() {
                self.lost += 1;
                continue;
            }
            work.processed += 1;
            work.complete_if(work.processed == work.expected);
            self.last_reported = Some(index);
        }
    }

    /// A minute of the connector manager: it ends what is older than the work last reported for.
    pub(super) fn end_old_works(&mut self) {
        let older = self.last_reported.unwrap_or(0);
        for work in self.works.iter_mut().take(older) {
            work.keyless |= !work.complete;
            work.complete = true;
        }
    }

    /// Carries out a call, unless it is the one to fail.
    pub(super) fn call<T>(
        &mut self,
        name: String,
        effect: impl FnOnce(&mut Self) -> T,
    ) -> Result<T, ApiError> {
        let fault = self.fault.filter(|fault| fault.call == self.calls.len());
        self.calls.push(name);
        if fault.is_some_and(|fault| !fault.done) {
            return Err(transient());
        }
        let result = effect(self);
        fault.map_or(Ok(result), |_| Err(transient()))
    }

    /// Answers oddly as long as the number says so that `left` is.
    fn oddly(&mut self, left: fn(&mut Self) -> &mut usize) -> Result<(), ApiError> {
        if *left(self) == 0 {
            return Ok(());
        }
        *left(self) -= 1;
        let class = self.odd_class.unwrap_or(ErrorClass::Contract);
        Err(ApiError::new("call", class, "makes no sense"))
    }

    pub(super) fn readable(&self) -> Result<(), ApiError> {
        match self.reading {
            Reading::Allowed => Ok(()),
            Reading::Forbidden => Err(ApiError::new("work", ErrorClass::Forbidden, "made to fail")),
            Reading::Away => Err(transient()),
        }
    }
}

pub(super) fn transient() -> ApiError {
    ApiError::new("call", ErrorClass::Transient, "made to fail")
}

#[derive(Default)]
pub(super) struct Counting(pub(super) Mutex<World>);

impl Counting {
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl Platform for Counting {
    async fn version(&self) -> Result<Option<PlatformVersion>, ApiError> {
        if self.world().reading == Reading::Away {
            return Err(transient());
        }
        Ok(None)
    }

    async fn register_connector(&self, _: &Registration) -> Result<Registered, ApiError> {
        unreachable!("works do not register")
    }

    async fn ping_connector(&self, _: &Ping<'_>) -> Result<Option<String>, ApiError> {
        unreachable!("works do not ping")
    }

    async fn platform_storage(&self, _: &Registration) -> Result<Option<S3Connection>, ApiError> {
        unreachable!("works do not ask for it")
    }

    async fn add_work(&self, _: &str, name: &str) -> Result<WorkId, ApiError> {
        self.world().call(format!("open {name}"), |world| {
            world.works.push(Counted::default());
            WorkId(format!("work-{}", world.works.len() - 1))
        })
    }

    async fn add_expectations(&self, work: &WorkId, count: i32) -> Result<(), ApiError> {
        let is_gone = self.world().call(format!("expect {count}"), |world| {
            if world.quick {
                world.process(usize::MAX);
            }
            let work = world.work(work);
            work.expected += i64::from(count);
            work.deleted || work.keyless
        })?;
        if is_gone {
            return Err(ApiError::new("call", ErrorClass::WorkGone, "not alive"));
        }
        Ok(())
    }

    async fn report_expectation(&self, work: &WorkId, error: Option<&str>) -> Result<(), ApiError> {
        self.world().call("report".into(), |world| {
            world.last_reported = Some(World::index(work));
            let work = world.work(work);
            work.processed += 1;
            work.errors.extend(error.map(str::to_owned));
            work.complete_if(work.processed == work.expected);
        })
    }

    async fn finish_work(&self, work: &WorkId, text: &str, end: WorkEnd) -> Result<(), ApiError> {
        let mut world = self.world();
        if let Some((index, class)) = world.unfinishable
            && index == World::index(work)
        {
            return Err(ApiError::new("toProcessed", class, "made to fail"));
        }
        world.call("finish".into(), |world| {
            let work = world.work(work);
            match end {
                WorkEnd::Sent => work.messages.push(text.to_owned()),
                WorkEnd::InError => work.errors.push(text.to_owned()),
            }
            work.complete_if(work.processed == work.expected || work.expected == 0);
        })
    }

    async fn add_draft(&self, _: &str) -> Result<DraftId, ApiError> {
        unreachable!("works make no drafts")
    }

    async fn add_draft_context(&self, _: &WorkId, _: &DraftId) -> Result<(), ApiError> {
        unreachable!("works make no drafts")
    }

    async fn upload_pending(&self, _: &PendingFile) -> Result<(), ApiError> {
        unreachable!("works upload nothing")
    }

    async fn push_bundle(&self, _: BundlePush<'_>) -> Result<(), ApiError> {
        unreachable!("works send nothing")
    }

    async fn work(&self, work: &WorkId) -> Result<Option<WorkProgress>, ApiError> {
        let mut world = self.world();
        world.readable()?;
        world.oddly(|world| &mut world.odd_works)?;
        world.call("look".into(), |world| {
            let work = world.work(work);
            (!work.deleted).then_some(WorkProgress {
                status: if work.complete {
                    WorkStatus::Complete
                } else {
                    WorkStatus::Progress
                },
                expected: work.expected,
                processed: work.processed,
            })
        })
    }

    async fn is_work_alive(&self, work: &WorkId) -> Result<Option<bool>, ApiError> {
        let mut world = self.world();
        world.readable()?;
        if let Some(happens) = world.before_alive.take() {
            happens(&mut world);
        }
        world.oddly(|world| &mut world.odd_lives)?;
        world.call("alive".into(), |world| Some(world.work(work).is_alive()))
    }

    async fn queue_details(&self, _: &str) -> Result<Option<QueueDetails>, ApiError> {
        let mut world = self.world();
        world.readable()?;
        world.oddly(|world| &mut world.odd_queues)?;
        world.call("queue".into(), |world| {
            Some(QueueDetails {
                messages: if world.is_late {
                    0
                } else {
                    u64::try_from(world.queue.len()).unwrap()
                },
                bytes: 0,
            })
        })
    }

    async fn connectors(&self) -> Result<Vec<KnownConnector>, ApiError> {
        Ok(Vec::new())
    }

    async fn me(&self) -> Result<Account, ApiError> {
        unreachable!("works do not ask for it")
    }

    async fn applicant(&self, _: &str) -> Result<Applicant, ApiError> {
        unreachable!("works do not ask for it")
    }
}

/// A platform, a ledger, a clock, and works as a newly started program has them.
pub(super) struct Bench {
    pub(super) platform: Arc<Counting>,
    pub(super) state: tempfile::TempDir,
    pub(super) now: Arc<Mutex<DateTime<Utc>>>,
    /// The time that only goes on.
    pub(super) own_time: Arc<Mutex<Instant>>,
    pub(super) works: OpenWorks,
}

impl Bench {
    pub(super) fn new() -> Self {
        let platform = Arc::new(Counting::default());
        let state = tempfile::tempdir().unwrap();
        let now = Arc::new(Mutex::new(
            DateTime::from_timestamp(1_767_225_600, 0).unwrap(),
        ));
        let own_time = Arc::new(Mutex::new(Instant::now()));
        let works = works(&platform, &state, &now, &own_time);
        Self {
            platform,
            state,
            now,
            own_time,
            works,
        }
    }

    /// What a kill and a new start do.
    pub(super) fn restart(&mut self) {
        self.works = works(&self.platform, &self.state, &self.now, &self.own_time);
    }

    /// Lets time pass.
    pub(super) fn later(&self, seconds: u32) {
        self.set_clock_by(i64::from(seconds));
        *self.own_time.lock().unwrap() += Duration::from_secs(seconds.into());
    }

    /// Sets the clock on or back, while no time passes.
    pub(super) fn set_clock_by(&self, seconds: i64) {
        *self.now.lock().unwrap() += TimeDelta::seconds(seconds);
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.platform.world()
    }

    pub(super) async fn begin(&self, messages: usize) -> Result<Share, WorksError> {
        self.begin_in(Room::Shared, messages, 0).await
    }

    pub(super) async fn begin_in(
        &self,
        room: Room,
        messages: usize,
        added_by_workers: usize,
    ) -> Result<Share, WorksError> {
        self.begin_of(CONNECTOR, room, messages, added_by_workers)
            .await
    }

    pub(super) async fn begin_of(
        &self,
        connector_id: &str,
        room: Room,
        messages: usize,
        added_by_workers: usize,
    ) -> Result<Share, WorksError> {
        let connector = Registration {
            id: connector_id.into(),
            name: "Feed".into(),
            connector_type: ConnectorType::ExternalImport,
            scope: Vec::new(),
        };
        let file = Upcoming {
            connector: &connector,
            modified: DateTime::from_timestamp(1_767_225_600, 0).unwrap(),
            messages,
            added_by_workers,
            room,
        };
        self.works.begin(&file).await
    }

    /// Puts messages into the queue.
    pub(super) fn queue(&self, share: &Share, messages: usize) {
        let index = World::index(&share.work);
        self.world()
            .queue
            .extend(std::iter::repeat_n(index, messages));
    }

    /// Sends a file of so many messages, again as long as its work does not outlive that. Returns the
    /// work that counts them.
    pub(super) async fn send(&self, messages: usize) -> usize {
        self.send_in(Room::Shared, messages).await
    }

    pub(super) async fn send_in(&self, room: Room, messages: usize) -> usize {
        loop {
            let share = self.begin_in(room, messages, 0).await.unwrap();
            self.queue(&share, messages);
            if !self.works.is_alive(&share).await.unwrap() {
                continue;
            }
            self.works
                .sent(&share, &Shortfall::default())
                .await
                .unwrap();
            return World::index(&share.work);
        }
    }

    /// Lets the workers process so many messages.
    pub(super) fn process(&self, messages: usize) {
        self.world().process(messages);
    }

    pub(super) async fn settle(&self, occasion: Occasion) {
        self.works.settle(occasion).await;
    }

    pub(super) fn counts(&self, index: usize) -> (i64, i64, bool) {
        let world = self.world();
        let work = &world.works[index];
        (work.expected, work.processed, work.complete)
    }

    pub(super) fn opened(&self) -> usize {
        self.world().works.len()
    }

    pub(super) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.world().calls)
    }
}

pub(super) fn works(
    platform: &Arc<Counting>,
    state: &tempfile::TempDir,
    now: &Arc<Mutex<DateTime<Utc>>>,
    own_time: &Arc<Mutex<Instant>>,
) -> OpenWorks {
    let (now, own_time) = (Arc::clone(now), Arc::clone(own_time));
    OpenWorks::by(
        Arc::clone(platform) as _,
        Arc::new(Ledger::open(state.path()).unwrap()),
        Arc::new(move || *now.lock().unwrap()),
        Arc::new(move || *own_time.lock().unwrap()),
    )
}
