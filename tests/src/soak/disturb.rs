//! The faults: which come, and how they are made.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::process::Command;
use tokio::time::sleep;

use super::book::Book;
use super::collector::Collector;
use super::feed::SOURCES;
use super::options::Goal;
use super::random::Random;
use super::stand::Stand;
use super::store::Fault as StoreFault;
use crate::platform::Fault as PlatformFault;

/// How much time the program has between two faults, in milliseconds.
const PEACE: std::ops::Range<u32> = 20..1_500;

/// How long a fault lasts that does, in milliseconds.
const LASTING: std::ops::Range<u32> = 100..1_500;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Disturbance {
    /// The program is killed, and started again.
    Kill,
    /// It is asked to stop, and started again.
    Stop,
    /// Its connection to the broker is cut.
    Cut,
    /// The broker cannot be reached for a while.
    BrokerDown,
    /// The broker blocks it for a while, as for want of memory.
    BrokerBlocked,
    /// The broker closes its connections.
    ConnectionsClosed,
    /// The broker itself is stopped and started.
    BrokerRestarted,
    /// The broker raises its alarm for want of memory.
    MemoryAlarm,
    /// The user may do nothing on the virtual host for a while.
    PermissionsLost,
    /// A connector's queue is deleted.
    QueueDeleted,
    /// The store refuses, cuts off, loses or delays its answers for a while.
    Store(StoreTrouble),
    /// The platform answers with errors, or not at all, for a while.
    Platform(PlatformTrouble),
}

/// What is wrong with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StoreTrouble {
    Refuses,
    CutsBodies,
    LosesAnswers,
    Slow,
}

/// What is wrong with the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PlatformTrouble {
    Database,
    BadGateway,
    TooMany,
    Slow,
    Cut,
    CutAfterwards,
    TokenRevoked,
}

impl Disturbance {
    /// Its name in the summary.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kills",
            Self::Stop => "stops",
            Self::Cut => "connection cut",
            Self::BrokerDown => "broker down",
            Self::BrokerBlocked => "broker blocked",
            Self::ConnectionsClosed => "connections closed",
            Self::BrokerRestarted => "broker restarted",
            Self::MemoryAlarm => "memory alarm",
            Self::PermissionsLost => "permissions lost",
            Self::QueueDeleted => "queue deleted",
            Self::Store(trouble) => match trouble {
                StoreTrouble::Refuses => "store 503",
                StoreTrouble::CutsBodies => "store cuts bodies",
                StoreTrouble::LosesAnswers => "store loses answers",
                StoreTrouble::Slow => "store slow",
            },
            Self::Platform(trouble) => match trouble {
                PlatformTrouble::Database => "platform database error",
                PlatformTrouble::BadGateway => "platform 502",
                PlatformTrouble::TooMany => "platform 429",
                PlatformTrouble::Slow => "platform slow",
                PlatformTrouble::Cut => "platform cut",
                PlatformTrouble::CutAfterwards => "platform cut afterwards",
                PlatformTrouble::TokenRevoked => "token revoked",
            },
        }
    }

    /// Whether sending breaks off, so that each file that is under way may be sent once more, in full
    /// or in part: over a new connection, with its queue declared again, or with a later pass.
    fn breaks_off(self) -> bool {
        match self {
            Self::Kill
            | Self::Stop
            | Self::Cut
            | Self::ConnectionsClosed
            | Self::BrokerDown
            | Self::BrokerRestarted
            | Self::PermissionsLost
            | Self::QueueDeleted => true,
            Self::BrokerBlocked | Self::MemoryAlarm | Self::Store(_) | Self::Platform(_) => false,
        }
    }
}

impl StoreTrouble {
    fn fault(self) -> StoreFault {
        match self {
            Self::Refuses => StoreFault::Refused(503, "SlowDown"),
            Self::CutsBodies => StoreFault::CutAfter(100),
            Self::LosesAnswers => StoreFault::AnswerLost,
            Self::Slow => StoreFault::Delayed(Duration::from_millis(400)),
        }
    }
}

impl PlatformTrouble {
    fn fault(self) -> PlatformFault {
        match self {
            Self::Database => PlatformFault::error("DATABASE_ERROR"),
            Self::BadGateway => PlatformFault::http(502),
            Self::TooMany => PlatformFault::http(429),
            Self::Slow => PlatformFault::Delay(Duration::from_millis(700)),
            Self::Cut => PlatformFault::Cut,
            Self::CutAfterwards => PlatformFault::CutAfterwards,
            Self::TokenRevoked => PlatformFault::error("AUTH_REQUIRED"),
        }
    }
}

/// What happened, and how often.
pub(super) type Tally = BTreeMap<Disturbance, usize>;

/// Makes faults at random.
pub(super) struct Disturber<'a> {
    pub(super) random: Random,
    pub(super) stand: &'a mut Stand,
    pub(super) collector: &'a Collector,
    pub(super) book: &'a Book,
    pub(super) rabbitmqctl: Option<&'a Path>,
}

impl Disturber<'_> {
    /// Makes faults until the goal is reached; all are over then.
    ///
    /// # Errors
    /// If the program ends of itself, does not stop when asked to, or cannot be started; or if the
    /// broker does not obey.
    pub(super) async fn disturb(mut self, goal: Goal) -> anyhow::Result<Tally> {
        let began = Instant::now();
        let mut tally = Tally::new();
        let killed = |tally: &Tally| tally.get(&Disturbance::Kill).copied().unwrap_or(0);
        while began.elapsed() < goal.time || killed(&tally) < goal.kills as usize {
            sleep(self.random.millis(PEACE)).await;
            self.stand.check_alive()?;
            let disturbance = self.choose();
            if self.make(disturbance).await? {
                *tally.entry(disturbance).or_default() += 1;
            }
        }
        Ok(tally)
    }

    fn choose(&mut self) -> Disturbance {
        use Disturbance as D;
        use PlatformTrouble as P;
        use StoreTrouble as S;
        let stored = u32::from(self.stand.has_bucket());
        let own = u32::from(self.rabbitmqctl.is_some());
        let choices = [
            (60, D::Kill),
            (6, D::Stop),
            (6, D::Cut),
            (4, D::BrokerDown),
            (3, D::BrokerBlocked),
            (3 * own, D::ConnectionsClosed),
            (own, D::BrokerRestarted),
            (own, D::MemoryAlarm),
            (own, D::PermissionsLost),
            (6, D::QueueDeleted),
            (3 * stored, D::Store(S::Refuses)),
            (3 * stored, D::Store(S::CutsBodies)),
            (3 * stored, D::Store(S::LosesAnswers)),
            (3 * stored, D::Store(S::Slow)),
            (2, D::Platform(P::Database)),
            (2, D::Platform(P::BadGateway)),
            (2, D::Platform(P::TooMany)),
            (2, D::Platform(P::Slow)),
            (2, D::Platform(P::Cut)),
            (2, D::Platform(P::CutAfterwards)),
            (2, D::Platform(P::TokenRevoked)),
        ];
        self.random.weighted(&choices).unwrap_or(D::Kill)
    }

    /// Makes a fault, ends it, and notes which files it met. Tells whether it took place.
    async fn make(&mut self, disturbance: Disturbance) -> anyhow::Result<bool> {
        let lasting = self.random.millis(LASTING);
        let mut connector = None;
        self.note_delivered()?;
        match disturbance {
            Disturbance::Kill => {
                self.stand.kill().await?;
                self.note_delivered()?;
                self.stand.start()?;
            }
            Disturbance::Stop => {
                self.stand.stop().await?;
                self.note_delivered()?;
                self.stand.start()?;
            }
            Disturbance::Cut => self.stand.proxy.cut(),
            Disturbance::BrokerDown => {
                self.stand.proxy.go_down();
                sleep(lasting).await;
                self.stand.proxy.come_up();
            }
            Disturbance::BrokerBlocked => {
                self.stand.proxy.block();
                sleep(lasting).await;
                self.stand.proxy.unblock();
            }
            Disturbance::ConnectionsClosed => {
                self.control(&["close_all_connections", "soak"]).await?;
            }
            Disturbance::BrokerRestarted => {
                self.control(&["stop_app"]).await?;
                self.control(&["start_app"]).await?;
            }
            Disturbance::MemoryAlarm => {
                self.control(&["set_vm_memory_high_watermark", "absolute", "1MB"])
                    .await?;
                sleep(lasting).await;
                self.control(&["set_vm_memory_high_watermark", "0.4"])
                    .await?;
            }
            Disturbance::PermissionsLost => {
                self.control(&["clear_permissions", "guest"]).await?;
                sleep(lasting).await;
                self.control(&["set_permissions", "guest", ".*", ".*", ".*"])
                    .await?;
            }
            Disturbance::QueueDeleted => {
                let index = self.random.number(0..SOURCES.len() as u32) as usize;
                if !self.collector.delete_queue(index).await {
                    return Ok(false);
                }
                connector = Some(SOURCES[index].id);
            }
            Disturbance::Store(trouble) => {
                self.stand.treat_requests(trouble.fault());
                sleep(lasting).await;
                self.stand.treat_requests(StoreFault::None);
            }
            Disturbance::Platform(trouble) => {
                self.stand.platform.break_down(trouble.fault());
                sleep(lasting).await;
                self.stand.platform.recover();
            }
        }
        if disturbance.breaks_off() {
            self.book.hit(connector, self.stand.proxy.connections());
        }
        Ok(true)
    }

    /// A fault does not meet what the ledger has as delivered before it or, where the program ends, then.
    fn note_delivered(&self) -> anyhow::Result<()> {
        self.book.delivered(&self.stand.delivered()?);
        Ok(())
    }

    async fn control(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let command = self.rabbitmqctl.context("the broker is not ours")?;
        let output = Command::new(command)
            .args(arguments)
            .output()
            .await
            .context("cannot run rabbitmqctl")?;
        anyhow::ensure!(
            output.status.success(),
            "rabbitmqctl {arguments:?} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}
