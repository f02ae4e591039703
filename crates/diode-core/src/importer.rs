//! A pass over a source: each file read, judged, delivered, recorded and cleaned up, in that order.

mod admission;
mod aside;
mod batch;
mod convoy;
mod failures;
pub(crate) mod file;
mod held;
mod inherit;
mod leaving;
mod registering;
mod steady;
#[cfg(test)]
mod tests;
mod turn;
mod waits;
mod walk;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bundle_source::{Entry, Source};
use chrono::{DateTime, SecondsFormat, Utc};
use opencti_client::{Platform, PlatformVersion, Queue, Registration};
use tokio_util::sync::CancellationToken;

use self::admission::Admissions;
use self::aside::Permission;
use self::held::Held;
use self::leaving::Leaving;
use self::steady::Steady;
use self::waits::Waits;
use crate::connectors::Connectors;
use crate::delivery::Courier;
use crate::examine::LeftOut;
use crate::head_start::HeadStart;
use crate::lease::Lease;
use crate::observer::{Nobody, Observer};
use crate::pressure::Backpressure;
use crate::read_ahead::ReadAhead;
use crate::reader::Reader;
use crate::reminder::Reminder;
use crate::report::{FileReport, Interruption, PassReport};
use crate::state::StateKey;
use crate::trouble::{Fatal, Judgement, Reach, Trouble, chain};
use crate::validation::Way;
use crate::works::Works;
use crate::{Clock, Code, Company, Ledger, LedgerError, Outcome, Rules, StandIn, terminal};

/// How much of files is in memory at most, where nothing else is said.
const MAX_IN_FLIGHT_BYTES: u64 = 64 << 20;

/// How long a file that is read waits for the next ones to be read, to be delivered with them.
const GATHERING: Duration = Duration::from_millis(50);

/// How many kinds of objects that were not sent a line names.
const SHOWN_KINDS: usize = 20;

/// What an [`Importer`] is made of.
pub struct Parts {
    /// Where the files are.
    pub source: Arc<dyn Source>,
    /// Where in the connector's state the source's watermark is kept.
    pub state_key: StateKey,
    /// The platform's API.
    pub platform: Arc<dyn Platform>,
    /// The way to its workers.
    pub queue: Arc<dyn Queue>,
    /// The source connectors, as far as they are registered.
    pub connectors: Arc<Connectors>,
    /// How works are kept.
    pub works: Arc<dyn Works>,
    /// What is known of files.
    pub ledger: Arc<Ledger>,
    /// The time.
    pub clock: Clock,
    /// When to stop.
    pub stop: CancellationToken,
}

/// Imports the files of one source.
pub struct Importer {
    source: Arc<dyn Source>,
    state_key: StateKey,
    ledger: Arc<Ledger>,
    clock: Clock,
    stop: CancellationToken,
    lease: Option<Arc<dyn Lease>>,
    observer: Arc<dyn Observer>,
    /// Cancelled when we are to stop, or the source is not ours any more.
    turn: CancellationToken,
    courier: Courier,
    rules: Rules,
    max_in_flight_bytes: u64,
    gathering: Duration,
    /// How many new files a look at the source shows at most.
    most_new: usize,
    company: Company,
    head_start: Option<HeadStart>,
    removing: Permission,
    setting_aside: Permission,
    waits: Arc<Waits>,
    steady: Steady,
    /// That no file can be delivered.
    away: Mutex<Reminder>,
    /// Connectors whose files the last pass did not send, as the settings for connectors say.
    not_admitted: Mutex<HashMap<String, Registration>>,
}

impl fmt::Debug for Importer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Importer")
            .field("source", &self.source)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// What a pass carries from file to file.
#[derive(Debug, Default)]
struct Course {
    held: Arc<Held>,
    /// Ways of validation that this platform does not let us take, and why.
    closed: HashMap<Way, String>,
    /// Connectors that failed for now in a row.
    failures: usize,
    admissions: Admissions,
    /// Imported files that are to be deleted once the ledger is flushed.
    leaving: Leaving,
    report: PassReport,
}

impl Importer {
    /// An importer on a platform of that version.
    pub fn new(parts: Parts, rules: Rules, version: Option<PlatformVersion>) -> Self {
        let courier = Courier {
            connectors: parts.connectors,
            platform: parts.platform,
            queue: parts.queue,
            works: parts.works,
            version,
            pressure: None,
            validation: rules.validation,
            stop: parts.stop.clone(),
        };
        Self {
            source: parts.source,
            state_key: parts.state_key,
            ledger: parts.ledger,
            clock: parts.clock,
            turn: parts.stop.clone(),
            stop: parts.stop,
            lease: None,
            observer: Arc::new(Nobody),
            courier,
            rules,
            max_in_flight_bytes: MAX_IN_FLIGHT_BYTES,
            gathering: GATHERING,
            most_new: walk::MOST_NEW,
            company: Company::Ours,
            head_start: None,
            removing: Permission::default(),
            setting_aside: Permission::default(),
            waits: Arc::default(),
            steady: Steady::default(),
            away: Mutex::default(),
            not_admitted: Mutex::default(),
        }
    }

    /// The same, with room for so many bytes of files in memory: that of the file being imported,
    /// and of those behind it that are read meanwhile. A larger file is read alone.
    #[must_use]
    pub fn with_max_in_flight_bytes(self, max_in_flight_bytes: u64) -> Self {
        Self {
            max_in_flight_bytes,
            ..self
        }
    }

    /// The same, for a source with files of that company.
    #[must_use]
    pub fn with_company(self, company: Company) -> Self {
        Self { company, ..self }
    }

    /// The same, whose first pass takes over what was begun to be read.
    #[must_use]
    pub fn with_head_start(self, head_start: HeadStart) -> Self {
        Self {
            head_start: Some(head_start),
            ..self
        }
    }

    /// The same, which waits for queues that are full.
    #[must_use]
    pub fn with_backpressure(mut self, pressure: Arc<Backpressure>) -> Self {
        self.courier.pressure = Some(pressure);
        self
    }

    /// The same, which tells an observer of its passes and of what becomes of files in them.
    #[must_use]
    pub fn with_observer(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer, ..self }
    }

    /// The time, by the clock that we were given.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// Our own time, which only goes on.
    pub(crate) fn own_now(&self) -> Instant {
        self.steady.now()
    }

    /// That no file can be delivered.
    fn away(&self) -> MutexGuard<'_, Reminder> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connectors whose files the last pass did not send, as the settings for connectors say.
    fn not_admitted(&self) -> MutexGuard<'_, HashMap<String, Registration>> {
        let not_admitted = self.not_admitted.lock();
        not_admitted.unwrap_or_else(PoisonError::into_inner)
    }

    /// The source's name, for logs and for the ledger.
    pub fn source(&self) -> &str {
        self.source.name()
    }

    /// Where in the connector's state the source's watermark is kept.
    pub fn state_key(&self) -> StateKey {
        self.state_key
    }

    /// Who stands in for users whom no mapping names.
    pub(crate) fn stand_in(&self) -> &StandIn {
        self.rules.applicants.stand_in()
    }

    /// How many files are in their place although they were imported.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn kept_files(&self) -> Result<usize, LedgerError> {
        let known = self.ledger.known(self.source.name())?;
        let kept = known.iter().filter(|row| row.outcome == Outcome::Imported);
        Ok(kept.count())
    }

    /// Forgets what became of the files that are in their place, so that the next pass imports
    /// them again. Returns how many there were.
    ///
    /// # Errors
    /// [`LedgerError::Access`]
    pub fn forget(&self) -> Result<usize, LedgerError> {
        self.ledger.forget(self.source.name(), (self.clock)())
    }

    /// Goes over all files once. What happened is in the log, line by line, and in the report.
    ///
    /// `watermark` is the source's in the connector's state. It counts only in the first pass of
    /// all, for what the peer has imported before us.
    pub async fn pass(&mut self, watermark: Option<f64>) -> PassReport {
        self.observer.pass_began(self.source.name());
        let report = self.go_over_all(watermark).await;
        self.observer.pass_ended(&report);
        report
    }

    async fn go_over_all(&mut self, watermark: Option<f64>) -> PassReport {
        self.removing.ask_again();
        self.setting_aside.ask_again();
        let mut course = Course {
            report: PassReport::new(self.source.name()),
            ..Course::default()
        };
        if let Err(interruption) = self.our_turn().await {
            course.report.interruption = Some(interruption);
            return course.report;
        }
        self.hold_unregistered(&course);
        let walked = match self.hold_not_admitted(&mut course).await {
            Ok(()) => self.walk(watermark, &mut course).await,
            Err(fatal) => Err(fatal),
        };
        self.tell_of_not_admitted(&mut course);
        self.register_again(&mut course).await;
        if let Err(fatal) = walked {
            tracing::error!(
                error = chain(&fatal),
                "nothing is imported without the ledger"
            );
            course.report.interruption = Some(Interruption::Ledger);
            self.replace_if_damaged(&fatal);
        }
        let interruption = course.report.interruption;
        course.report.interruption = interruption.map(|it| self.cause_of(it));
        course.report
    }

    /// A ledger that turns out to be damaged is kept, and the next pass goes on with a new one.
    fn replace_if_damaged(&self, fatal: &Fatal) {
        let Fatal::Ledger(error) = fatal;
        if !error.is_damage() {
            return;
        }
        match self.ledger.replace((self.clock)()) {
            Ok(kept) => tracing::error!(
                kept = %kept.display(),
                "the damaged ledger was put aside, and a new one begun: what is still in its place \
                 may be imported once more"
            ),
            Err(error) => tracing::error!(
                error = chain(&error),
                "the damaged ledger cannot be put aside"
            ),
        }
    }

    fn read_ahead<'a>(&self, to_read: impl Iterator<Item = Entry> + Send + 'a) -> ReadAhead<'a> {
        ReadAhead::new(self.reader(), self.max_in_flight_bytes, to_read)
    }

    fn reader(&self) -> Reader {
        let (source, clock) = (Arc::clone(&self.source), Arc::clone(&self.clock));
        self.rules.reader(source, clock)
    }

    /// Counts in what became of a file.
    fn count(&self, file: &FileReport, course: &mut Course) {
        course.report.add(file);
        if let Outcome::Imported | Outcome::Partial | Outcome::Rejected = file.outcome {
            course.report.is_done(file.modified, self.now());
        }
        self.observer.file(self.source.name(), file);
    }

    /// How far a connector's trouble reaches.
    async fn reach_of(&self, trouble: &Trouble, course: &Course) -> Reach {
        let suspect = match trouble.reach(course.failures) {
            Judgement::Known(reach) => return reach,
            Judgement::Ask(suspect) => suspect,
        };
        let answer = self.courier.ask(suspect).await;
        let reach = Reach::by(&answer);
        if let (Err(trouble), Reach::Everything(_)) = (&answer, reach)
            && !trouble.is_stop()
            && self.away().is_due(self.own_now())
        {
            tracing::warn!(
                error = chain(trouble),
                "no file can be delivered now: the pass ends"
            );
        }
        reach
    }
}

impl Course {
    /// Takes note of a connector's trouble: its files are held, and the pass ends if it is not
    /// about that connector alone.
    fn hold(&mut self, connector_id: &str, trouble: &Trouble, reach: Reach) {
        if let Reach::Everything(interruption) = reach {
            self.report.interruption = Some(interruption);
        }
        self.failures += usize::from(trouble.is_transient());
        let (code, why) = (trouble.code(), file::behind(trouble));
        self.held.hold(connector_id, code, why);
    }
}

/// One line per file, at the level that its outcome deserves.
fn log(file: &FileReport, details: &file::Details<'_>) {
    let message = match (file.outcome, file.way) {
        (Outcome::Imported, _) if file.code == Some(Code::AlreadyImported) => "file not sent again",
        (Outcome::Imported, Way::Direct) if is_empty_run(file) => {
            "file imported: its bundle has no objects"
        }
        (Outcome::Imported, Way::Direct) => "file imported",
        (Outcome::Imported, Way::Draft) => "file put into a draft, where it awaits validation",
        (Outcome::Imported, Way::Workbench) => {
            "file put into the workbench, where it awaits validation"
        }
        (Outcome::Ignored, _) if file.code == Some(Code::NotAnEnvelope) => {
            "file ignored: it is left where it is"
        }
        (Outcome::Ignored, _) => {
            "file ignored: it cannot be understood, and may be somebody else's"
        }
        (Outcome::Waiting, _) => "file waits",
        (Outcome::Partial, _) => "file imported in part",
        (Outcome::Rejected, _) => "file rejected",
    };
    log_as(message, file, details);
}

/// Whether a file was imported of which there was nothing to send.
fn is_empty_run(file: &FileReport) -> bool {
    file.code.is_none() && file.messages == 0 && file.not_sent.is_empty()
}

/// The same in other words.
pub(crate) fn log_as(message: &str, file: &FileReport, details: &file::Details<'_>) {
    let not_sent = in_words(&file.not_sent);
    let imported_at = details
        .same
        .map(|same| same.imported_at.to_rfc3339_opts(SecondsFormat::Secs, true));
    let same_as = details.same.map(|same| same.file.as_str());
    let message = match (same_as, &imported_at) {
        (Some(same_as), Some(at)) => {
            format!("{message}: same content as {same_as}, imported at {at}")
        }
        _ => message.to_owned(),
    };
    let references = file.taken_out.references;
    let other_types = file.ids_of_other_types;
    let lost_references = file.taken_out.stripped_in_words();
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                file = file.file,
                outcome = file.outcome.as_str(),
                code = file.code.map(|code| code.as_str()),
                reason = file.message,
                connector = details.connector,
                connector_id = details.connector_id,
                applicant_id = details.applicant_id,
                work = details.work,
                moved_to = details.moved_to,
                way = (file.way != Way::Direct).then(|| file.way.as_str()),
                messages = file.messages,
                not_sent,
                same_as,
                imported_at,
                references_removed = (references > 0).then_some(references),
                lost_references,
                type_of_id = (other_types > 0).then_some(other_types),
                "{message}"
            )
        };
    }
    match file.outcome {
        Outcome::Imported if lost_references.is_some() || other_types > 0 => line!(warn),
        Outcome::Imported => line!(info),
        Outcome::Ignored if file.code == Some(Code::NotAnEnvelope) => line!(info),
        Outcome::Ignored | Outcome::Waiting => line!(warn),
        Outcome::Partial | Outcome::Rejected => line!(error),
    }
}

/// The first kinds of objects that were not sent, and how many more there are: a bundle can have as
/// many as it has objects.
fn in_words(not_sent: &[LeftOut]) -> Option<String> {
    let shown = not_sent.iter().take(SHOWN_KINDS).map(|left| {
        let object_type = left
            .object_type
            .as_deref()
            .map_or("-".into(), terminal::word);
        format!("{} {object_type} {}", left.code, left.count)
    });
    let more = not_sent.get(SHOWN_KINDS..).filter(|more| !more.is_empty());
    let more = more.map(|more| {
        let objects: usize = more.iter().map(|left| left.count).sum();
        format!("and {} more kinds {objects}", more.len())
    });
    let words: Vec<String> = shown.chain(more).collect();
    (!words.is_empty()).then(|| words.join(", "))
}
