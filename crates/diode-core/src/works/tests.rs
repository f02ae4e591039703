//! Works against a platform that counts as the real one does, and workers that throw away what
//! belongs to a work that is complete.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use opencti_client::{
    Account, ApiError, Applicant, BundlePush, ConnectorType, DraftId, ErrorClass, PendingFile,
    Ping, Platform, PlatformVersion, QueueDetails, Registered, Registration, S3Connection, WorkEnd,
    WorkId, WorkProgress, WorkStatus,
};

use super::{Occasion, OpenWorks, Room, Share, Shortfall, Upcoming, Works, WorksError};
use crate::Ledger;

const CONNECTOR: &str = "c";

/// A work as the platform has it.
#[derive(Clone, Debug, Default)]
struct Counted {
    expected: i64,
    processed: i64,
    complete: bool,
    deleted: bool,
    errors: Vec<String>,
    messages: Vec<String>,
}

impl Counted {
    fn complete_if(&mut self, condition: bool) {
        self.complete |= condition;
    }
}

/// Which call fails, and whether the platform does all the same what it was asked.
#[derive(Clone, Copy, Debug)]
struct Fault {
    call: usize,
    done: bool,
}

#[derive(Default)]
struct World {
    works: Vec<Counted>,
    /// The works that queued messages belong to.
    queue: VecDeque<usize>,
    /// Messages that workers threw away.
    lost: usize,
    calls: Vec<String>,
    fault: Option<Fault>,
    /// Whether our token may not read works.
    blind: bool,
    /// Whether workers process all that is queued just before a work hears of more.
    quick: bool,
}

impl World {
    fn index(work: &WorkId) -> usize {
        work.0.strip_prefix("work-").unwrap().parse().unwrap()
    }

    fn work(&mut self, work: &WorkId) -> &mut Counted {
        &mut self.works[Self::index(work)]
    }

    /// Lets the workers process so many messages. They throw away what belongs to a work that is
    /// complete, or deleted.
    fn process(&mut self, messages: usize) {
        for _ in 0..messages {
            let Some(index) = self.queue.pop_front() else {
                return;
            };
            let work = &mut self.works[index];
            if work.complete || work.deleted {
                self.lost += 1;
                continue;
            }
            work.processed += 1;
            work.complete_if(work.processed == work.expected);
        }
    }

    /// Carries out a call, unless it is the one to fail.
    fn call<T>(
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

    fn readable(&self) -> Result<(), ApiError> {
        if self.blind {
            return Err(ApiError::new("work", ErrorClass::Forbidden, "made to fail"));
        }
        Ok(())
    }
}

fn transient() -> ApiError {
    ApiError::new("call", ErrorClass::Transient, "made to fail")
}

#[derive(Default)]
struct Counting(Mutex<World>);

impl Counting {
    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl Platform for Counting {
    async fn version(&self) -> Result<Option<PlatformVersion>, ApiError> {
        unreachable!("works do not ask for it")
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
        self.world().call(format!("expect {count}"), |world| {
            if world.quick {
                world.process(usize::MAX);
            }
            world.work(work).expected += i64::from(count);
        })
    }

    async fn report_expectation(&self, work: &WorkId, error: Option<&str>) -> Result<(), ApiError> {
        self.world().call("report".into(), |world| {
            let work = world.work(work);
            work.processed += 1;
            work.errors.extend(error.map(str::to_owned));
            work.complete_if(work.processed == work.expected);
        })
    }

    async fn finish_work(&self, work: &WorkId, text: &str, _: WorkEnd) -> Result<(), ApiError> {
        self.world().call("finish".into(), |world| {
            let work = world.work(work);
            work.messages.push(text.to_owned());
            work.complete_if(work.processed >= work.expected);
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
        world.call("alive".into(), |world| {
            let work = world.work(work);
            Some(!work.deleted && !work.complete)
        })
    }

    async fn queue_details(&self, _: &str) -> Result<Option<QueueDetails>, ApiError> {
        let mut world = self.world();
        world.readable()?;
        world.call("queue".into(), |world| {
            Some(QueueDetails {
                messages: u64::try_from(world.queue.len()).unwrap(),
                bytes: 0,
            })
        })
    }

    async fn me(&self) -> Result<Account, ApiError> {
        unreachable!("works do not ask for it")
    }

    async fn applicant(&self, _: &str) -> Result<Applicant, ApiError> {
        unreachable!("works do not ask for it")
    }
}

/// A platform, a ledger, a clock, and works as a newly started program has them.
struct Bench {
    platform: Arc<Counting>,
    state: tempfile::TempDir,
    now: Arc<Mutex<DateTime<Utc>>>,
    works: OpenWorks,
}

impl Bench {
    fn new() -> Self {
        let platform = Arc::new(Counting::default());
        let state = tempfile::tempdir().unwrap();
        let now = Arc::new(Mutex::new(
            DateTime::from_timestamp(1_767_225_600, 0).unwrap(),
        ));
        let works = works(&platform, &state, &now);
        Self {
            platform,
            state,
            now,
            works,
        }
    }

    /// What a kill and a new start do.
    fn restart(&mut self) {
        self.works = works(&self.platform, &self.state, &self.now);
    }

    fn later(&self, seconds: i64) {
        *self.now.lock().unwrap() += TimeDelta::seconds(seconds);
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.platform.world()
    }

    async fn begin(&self, messages: usize) -> Result<Share, WorksError> {
        self.begin_in(Room::Shared, messages, 0).await
    }

    async fn begin_in(
        &self,
        room: Room,
        messages: usize,
        added_by_workers: usize,
    ) -> Result<Share, WorksError> {
        let connector = Registration {
            id: CONNECTOR.into(),
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
    fn queue(&self, share: &Share, messages: usize) {
        let index = World::index(&share.work);
        self.world()
            .queue
            .extend(std::iter::repeat_n(index, messages));
    }

    /// Sends a file of so many messages. Returns the work that counts them.
    async fn send(&self, messages: usize) -> usize {
        let share = self.begin(messages).await.unwrap();
        self.queue(&share, messages);
        self.works
            .sent(&share, &Shortfall::default())
            .await
            .unwrap();
        World::index(&share.work)
    }

    /// Lets the workers process so many messages.
    fn process(&self, messages: usize) {
        self.world().process(messages);
    }

    async fn settle(&self, occasion: Occasion) {
        self.works.settle(occasion).await;
    }

    fn counts(&self, index: usize) -> (i64, i64, bool) {
        let world = self.world();
        let work = &world.works[index];
        (work.expected, work.processed, work.complete)
    }

    fn opened(&self) -> usize {
        self.world().works.len()
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.world().calls)
    }
}

fn works(
    platform: &Arc<Counting>,
    state: &tempfile::TempDir,
    now: &Arc<Mutex<DateTime<Utc>>>,
) -> OpenWorks {
    let now = Arc::clone(now);
    OpenWorks::new(
        Arc::clone(platform) as _,
        Arc::new(Ledger::open(state.path()).unwrap()),
        Arc::new(move || *now.lock().unwrap()),
    )
}

#[tokio::test]
async fn a_stream_of_files_has_one_work_that_is_never_complete_in_between() {
    let bench = Bench::new();
    for round in 1..=5 {
        assert_eq!(bench.send(2).await, 0);
        bench.process(2);
        bench.settle(Occasion::PassEnd).await;
        assert_eq!(bench.counts(0), (1 + 2 * round, 2 * round, false));
        bench.later(20);
    }
    assert_eq!(bench.opened(), 1);
}

#[tokio::test]
async fn a_work_is_closed_once_its_messages_are_processed_and_the_next_file_opens_another() {
    let bench = Bench::new();
    bench.send(3).await;
    bench.process(2);
    bench.later(60);
    bench.settle(Occasion::Heartbeat).await;
    assert_eq!(bench.counts(0), (4, 2, false));
    bench.process(1);
    bench.later(30);
    bench.settle(Occasion::Heartbeat).await;
    assert_eq!(bench.counts(0), (4, 4, true));
    assert_eq!(
        bench.world().works[0].messages,
        ["Connector successfully run"]
    );
    assert_eq!(bench.send(1).await, 1);
}

#[tokio::test]
async fn small_files_cost_one_call_each() {
    let bench = Bench::new();
    bench.send(1).await;
    bench.calls();
    for _ in 0..3 {
        bench.send(1).await;
        bench.settle(Occasion::PassEnd).await;
    }
    assert_eq!(bench.calls(), ["expect 1"; 3]);
}

#[tokio::test]
async fn who_leaves_lets_the_work_complete_alone_and_the_next_run_joins_it_until_then() {
    let mut bench = Bench::new();
    bench.send(3).await;
    bench.process(1);
    bench.settle(Occasion::Leaving).await;
    assert_eq!(bench.counts(0), (4, 2, false));

    bench.restart();
    assert_eq!(bench.send(2).await, 0);
    assert_eq!(bench.counts(0), (7, 2, false));
    bench.settle(Occasion::Leaving).await;
    bench.process(4);
    assert_eq!(bench.counts(0), (7, 7, true));

    bench.restart();
    assert_eq!(bench.send(1).await, 1);
    assert_eq!(bench.world().lost, 0);
}

#[tokio::test]
async fn a_work_that_is_completed_just_before_it_is_joined_is_left() {
    let mut bench = Bench::new();
    bench.send(1).await;
    bench.settle(Occasion::Leaving).await;
    bench.restart();
    bench.world().quick = true;
    assert_eq!(bench.send(1).await, 1);
    bench.process(1);
    assert_eq!(bench.world().lost, 0);
}

#[tokio::test]
async fn killed_between_telling_and_sending_what_was_told_for_nothing_is_given_back() {
    for sent in 0..=3 {
        let mut bench = Bench::new();
        let share = bench.begin(3).await.unwrap();
        bench.queue(&share, sent);
        bench.restart();
        assert_eq!(bench.send(3).await, 0, "in the same work");
        bench.process(sent + 2);
        bench.later(60);
        bench.settle(Occasion::PassEnd).await;
        assert!(!bench.counts(0).2, "a message is left");
        bench.process(1);
        bench.later(60);
        bench.settle(Occasion::PassEnd).await;
        let processed = i64::try_from(sent + 3 + 1).unwrap();
        assert_eq!(bench.counts(0), (processed, processed, true));
        assert_eq!(bench.world().lost, 0);
    }
}

#[tokio::test]
async fn messages_that_arrived_twice_do_not_complete_a_work_too_early() {
    let bench = Bench::new();
    let share = bench.begin(3).await.unwrap();
    bench.queue(&share, 5);
    let shortfall = Shortfall {
        doubtful: 4,
        ..Shortfall::default()
    };
    bench.works.sent(&share, &shortfall).await.unwrap();
    bench.process(5);
    bench.later(60);
    bench.settle(Occasion::PassEnd).await;
    assert_eq!(bench.counts(0), (6, 6, true));
    assert_eq!(bench.world().lost, 0);
}

#[tokio::test]
async fn a_file_under_way_for_long_is_not_taken_for_one_that_never_came() {
    let bench = Bench::new();
    let share = bench.begin(3).await.unwrap();
    bench.later(3600);
    bench.settle(Occasion::Heartbeat).await;
    assert_eq!(bench.counts(0), (4, 0, false));
    bench.works.broken_off(&share, 2, "stop").await.unwrap();
    assert_eq!(bench.counts(0), (2, 0, false));
}

#[tokio::test]
async fn a_work_that_a_user_deleted_is_noticed_before_more_is_sent_for_it() {
    for (age, noticed) in [(59, false), (60, true)] {
        let bench = Bench::new();
        bench.send(1).await;
        bench.process(1);
        bench.world().works[0].deleted = true;
        bench.later(age);
        assert_eq!(bench.send(1).await == 1, noticed, "{age}");
    }
    let bench = Bench::new();
    let share = bench.begin(1).await.unwrap();
    bench.world().works[0].deleted = true;
    bench
        .works
        .broken_off(&share, 1, "queue gone")
        .await
        .unwrap();
    assert_eq!(bench.send(1).await, 1, "a failure makes us look at once");
}

#[tokio::test]
async fn a_work_that_was_ended_by_others_is_left() {
    let bench = Bench::new();
    bench.send(2).await;
    bench.world().works[0].complete = true;
    bench.later(60);
    bench.settle(Occasion::PassEnd).await;
    assert_eq!(bench.send(1).await, 1);
    assert_eq!(bench.counts(0), (3, 0, true), "nothing more was told of it");
}

#[tokio::test]
async fn whose_token_may_not_read_works_has_one_for_each_pass_and_reports_nothing() {
    let mut bench = Bench::new();
    bench.world().blind = true;
    for pass in 0..2 {
        assert_eq!(bench.send(2).await, pass);
        assert_eq!(bench.send(1).await, pass);
        bench.settle(Occasion::Heartbeat).await;
        assert_eq!(bench.counts(pass), (4, 0, false));
        bench.settle(Occasion::PassEnd).await;
        assert_eq!(bench.counts(pass), (3, 0, false));
    }
    let share = bench.begin(2).await.unwrap();
    let shortfall = Shortfall {
        refused: 1,
        errors: vec!["too large".into()],
        ..Shortfall::default()
    };
    bench.works.sent(&share, &shortfall).await.unwrap();
    bench.settle(Occasion::PassEnd).await;
    assert_eq!(bench.counts(2), (1, 0, false));
    assert_eq!(bench.world().works[2].messages, ["1 object was not sent"]);
    assert!(!bench.calls().contains(&"report".to_owned()));

    // Killed in a pass, the next run goes on with its work: no other may end it by force.
    bench.begin(1).await.unwrap();
    bench.restart();
    assert_eq!(bench.send(1).await, 3);
}

#[tokio::test]
async fn objects_that_were_not_sent_are_errors_of_the_work_and_change_no_balance() {
    let bench = Bench::new();
    let share = bench.begin(4).await.unwrap();
    bench.queue(&share, 3);
    let shortfall = Shortfall {
        refused: 1,
        errors: vec!["broken".into(), "too large".into()],
        ..Shortfall::default()
    };
    bench.works.sent(&share, &shortfall).await.unwrap();
    assert_eq!(bench.counts(0), (1 + 3 + 2, 2, false));
    assert_eq!(bench.world().works[0].errors, ["broken", "too large"]);

    let share = bench.begin(0).await.unwrap();
    let shortfall = Shortfall {
        refused: 0,
        errors: vec!["more".into(); 200],
        ..Shortfall::default()
    };
    bench.works.sent(&share, &shortfall).await.unwrap();
    assert_eq!(bench.world().works[0].errors.len(), 100);
    bench.process(3);
    bench.later(60);
    bench.settle(Occasion::PassEnd).await;
    assert_eq!(bench.counts(0), (104, 104, true));
    assert_eq!(
        bench.world().works[0].messages,
        ["202 objects were not sent"]
    );
}

#[tokio::test]
async fn a_file_for_a_draft_has_a_work_of_its_own_and_the_open_one_ends_before() {
    let bench = Bench::new();
    bench.send(2).await;
    bench.calls();
    let share = bench.begin_in(Room::Alone, 3, 0).await.unwrap();
    bench
        .works
        .sent(&share, &Shortfall::default())
        .await
        .unwrap();
    let name = "open Feed run @ Thu Jan  1 00:00:00 2026";
    assert_eq!(
        bench.calls(),
        ["expect -1", "finish", name, "expect 3", "finish"]
    );
    bench.process(2);
    assert_eq!(bench.counts(0), (2, 2, true));
    assert_eq!(bench.send(1).await, 2);
}

#[tokio::test]
async fn what_workers_have_yet_to_count_keeps_a_work_open() {
    let mut bench = Bench::new();
    let share = bench.begin_in(Room::Shared, 0, 5).await.unwrap();
    bench.queue(&share, 1);
    bench
        .works
        .sent(&share, &Shortfall::default())
        .await
        .unwrap();
    bench.later(60);
    bench.settle(Occasion::PassEnd).await;
    bench.settle(Occasion::Leaving).await;
    assert_eq!(bench.counts(0), (1, 0, false));
    bench.restart();
    bench.settle(Occasion::Leaving).await;
    assert_eq!(bench.counts(0), (1, 0, false));
    // The worker takes the message apart: it tells of five, and puts them into the queue.
    bench.restart();
    {
        let mut world = bench.world();
        world.works[0].expected += 5;
        world.queue = std::iter::repeat_n(0, 5).collect();
    }
    bench.process(5);
    bench.later(60);
    bench.settle(Occasion::PassEnd).await;
    assert_eq!(bench.counts(0), (6, 6, true));
    assert_eq!(bench.world().lost, 0);
}

/// Two files, workers in between, an end, and a new start with another file. Stops at the first
/// failure, as a kill would.
async fn script(bench: &mut Bench) -> Result<(), WorksError> {
    for (messages, processed) in [(2, 1), (1, 2)] {
        let share = bench.begin(messages).await?;
        bench.queue(&share, messages);
        let shortfall = Shortfall {
            errors: vec!["broken".into()],
            ..Shortfall::default()
        };
        bench.works.sent(&share, &shortfall).await?;
        bench.process(processed);
        bench.later(45);
        bench.settle(Occasion::PassEnd).await;
    }
    let share = bench.begin(1).await?;
    bench.queue(&share, 1);
    bench.works.sent(&share, &Shortfall::default()).await?;
    bench.settle(Occasion::Leaving).await;
    bench.restart();
    let share = bench.begin(2).await?;
    bench.queue(&share, 2);
    bench.works.sent(&share, &Shortfall::default()).await
}

/// At every call, once before and once after the platform has done what it was asked.
#[tokio::test]
async fn whatever_call_fails_nothing_is_thrown_away_and_every_work_gets_done() {
    let mut bench = Bench::new();
    script(&mut bench).await.unwrap();
    let calls = bench.world().calls.len();
    assert!(calls > 20, "{calls}");
    for (call, done) in (0..calls).flat_map(|call| [(call, false), (call, true)]) {
        let mut bench = Bench::new();
        bench.world().fault = Some(Fault { call, done });
        let _ = script(&mut bench).await;
        bench.restart();
        bench.send(2).await;
        for _ in 0..4 {
            bench.process(usize::MAX);
            bench.later(60);
            bench.settle(Occasion::PassEnd).await;
        }
        let world = bench.world();
        assert_eq!(world.lost, 0, "{call} {done}: {:?}", world.calls);
        let used = world.works.iter().filter(|work| work.processed > 0);
        for work in used {
            assert!(work.complete, "{call} {done}: {work:?}\n{:?}", world.calls);
        }
    }
}
