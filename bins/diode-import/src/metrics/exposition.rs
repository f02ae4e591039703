//! The metrics as text: their names, types and labels.
//!
//! Labels hold names of sources, which the settings give, and our own stable names, never anything of a
//! file: so their number is bounded, whatever is sent to us.

use std::fmt;

use chrono::{DateTime, Utc};
use diode_core::Interruption;
use diode_core::terminal::guard_page;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;

use super::counts::{Counts, SourceCounts};

/// The format of [`Snapshot::text`].
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the program is at, by pycti's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No pass is under way.
    Idle,
    /// A pass is.
    Running,
    /// We were told to stop, and no pass is under way any more.
    Stopped,
}

impl State {
    const ALL: [Self; 3] = [Self::Idle, Self::Running, Self::Stopped];

    fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Running => "running",
            Self::Stopped => "stopped",
        }
    }
}

/// All that is told in one answer.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// What all names begin with.
    pub(super) prefix: Option<String>,
    pub(super) counts: Counts,
    pub(super) state: State,
    /// Errors that were logged.
    pub(super) errors: usize,
}

impl Snapshot {
    /// The text, in the format that [`CONTENT_TYPE`] names.
    ///
    /// # Errors
    /// None that is known of: it is written into memory.
    pub(super) fn text(mut self) -> Result<String, fmt::Error> {
        // The names of sources are paths. The format escapes line breaks, and a reader of it knows no escapes
        // like ours: what else is not safe is escaped before it is written.
        let sources = std::mem::take(&mut self.counts.sources).into_iter();
        let safe = |(source, of): (String, _)| (guard_page(&source).into_owned(), of);
        self.counts.sources = sources.map(safe).collect();
        let mut registry = match &self.prefix {
            Some(prefix) => Registry::with_prefix(prefix),
            None => Registry::default(),
        };
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }

    /// The label that pycti's library gives a metric of states: the metric's full name.
    fn state_label(&self) -> String {
        match &self.prefix {
            Some(prefix) => format!("{prefix}_{STATE}"),
            None => STATE.to_owned(),
        }
    }
}

const STATE: &str = "state";

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page {
            encoder,
            counts: &self.counts,
        };
        page.like_pycti(self)?;
        page.files()?;
        page.passes()?;
        page.build()
    }
}

struct Page<'c, 'e> {
    encoder: DescriptorEncoder<'e>,
    counts: &'c Counts,
}

/// A moment as Prometheus has it, in whole seconds.
fn seconds(at: DateTime<Utc>) -> ConstGauge {
    ConstGauge::new(at.timestamp())
}

impl Page<'_, '_> {
    /// Metrics that pycti has under the same names.
    fn like_pycti(&mut self, snapshot: &Snapshot) -> fmt::Result {
        let Counts {
            bundles,
            objects,
            runs,
            pings,
            failed_pings,
            client_errors,
            ..
        } = *self.counts;
        self.count(
            "bundles_sent",
            "Bundles handed over to the platform, of files that were delivered.",
            bundles,
        )?;
        self.count("records_sent", "Objects in these bundles.", objects)?;
        self.count("runs", "Passes over a source that were begun.", runs)?;
        self.count("ping_api", "Signs of life that the platform took.", pings)?;
        self.count(
            "ping_api_errors",
            "Signs of life that the platform did not take.",
            failed_pings,
        )?;
        self.count("errors", "Errors in the log.", snapshot.errors)?;
        self.count("client_errors", "Files that were set aside.", client_errors)?;
        let label = snapshot.state_label();
        let states = State::ALL.map(|state| {
            let is_so = i64::from(state == snapshot.state);
            ([(label.as_str(), state.as_str())], ConstGauge::new(is_so))
        });
        self.family(STATE, "What the connector is at: 1 for what holds.", states)
    }

    fn files(&mut self) -> fmt::Result {
        let counts = self.counts;
        let files = counts.sources.iter().flat_map(|(source, of)| {
            of.files.iter().map(move |((outcome, code), files)| {
                let labels = [
                    ("source", source.as_str()),
                    ("outcome", outcome),
                    ("code", code),
                ];
                (labels, ConstCounter::new(*files))
            })
        });
        self.family("files", "Files that were decided on.", files)?;
        let waiting = counts.sources.iter().flat_map(|(source, of)| {
            of.waiting.iter().map(move |(code, files)| {
                let labels = [("source", source.as_str()), ("code", code)];
                (labels, ConstGauge::new(*files))
            })
        });
        self.family(
            "files_waiting",
            "Files that the last pass found to wait.",
            waiting,
        )?;
        self.of_sources(
            "files_untried",
            "Files that the last pass did not come to, as it was cut short.",
            |of| Some(ConstGauge::new(of.untried)),
        )?;
        self.of_sources(
            "oldest_waiting_timestamp_seconds",
            "The time of the oldest of these files.",
            |of| of.oldest_waiting.map(seconds),
        )?;
        self.of_sources(
            "files_removed",
            "Files that were deleted by a later pass than the one that decided on them.",
            |of| Some(ConstCounter::new(of.removed)),
        )?;
        self.of_sources(
            "objects_not_sent",
            "Objects of files that were decided on that were not sent.",
            |of| Some(ConstCounter::new(of.objects_not_sent)),
        )?;
        let denied = counts.sources.iter().flat_map(|(source, of)| {
            of.denied.iter().map(move |(code, objects)| {
                let labels = [("source", source.as_str()), ("code", code)];
                (labels, ConstCounter::new(*objects))
            })
        });
        self.family(
            "denied",
            "Objects that were refused: commands, and objects of types that are denied.",
            denied,
        )?;
        self.of_sources(
            "type_of_id",
            "Objects that were delivered whose id is of another type than they are.",
            |of| Some(ConstCounter::new(of.ids_of_other_types)),
        )?;
        self.of_sources(
            "last_import_timestamp_seconds",
            "When a file was imported last.",
            |of| of.last_import.map(seconds),
        )
    }

    fn passes(&mut self) -> fmt::Result {
        self.of_sources(
            "last_pass_timestamp_seconds",
            "When the last pass ended.",
            |of| of.last_pass.map(|pass| seconds(pass.ended)),
        )?;
        self.of_sources(
            "last_pass_duration_seconds",
            "How long the last pass took.",
            |of| {
                let took = of.last_pass.map(|pass| pass.took.as_secs_f64());
                took.map(ConstGauge::new)
            },
        )?;
        let interrupted = self.counts.sources.iter().filter_map(|(source, of)| {
            let by = of.last_pass?.interruption.map(Interruption::as_str)?;
            let labels = [("source", source.as_str()), ("by", by)];
            Some((labels, ConstGauge::new(1_i64)))
        });
        self.family(
            "last_pass_interrupted",
            "1 for what cut the last pass short.",
            interrupted,
        )
    }

    /// Not of the type that is meant for it: older readers do not know that.
    fn build(&mut self) -> fmt::Result {
        let labels = [("version", env!("CARGO_PKG_VERSION"))];
        let sample = (labels, ConstGauge::new(1_i64));
        self.family("build_info", "The version of the program.", [sample])
    }

    /// A counter without labels.
    fn count(&mut self, name: &str, help: &str, count: usize) -> fmt::Result {
        let counter = ConstCounter::new(count);
        let metric = self
            .encoder
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        counter.encode(metric)
    }

    /// A metric with one sample at most for each source.
    fn of_sources<M: EncodeMetric + TypedMetric>(
        &mut self,
        name: &str,
        help: &str,
        sample: impl Fn(&SourceCounts) -> Option<M>,
    ) -> fmt::Result {
        let samples = self
            .counts
            .sources
            .iter()
            .filter_map(|(source, of)| Some(([("source", source.as_str())], sample(of)?)));
        self.family(name, help, samples)
    }

    /// A metric with samples of several labels.
    fn family<L: EncodeLabelSet, M: EncodeMetric + TypedMetric>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, M)>,
    ) -> fmt::Result {
        let mut metric = self.encoder.encode_descriptor(name, help, None, M::TYPE)?;
        for (labels, sample) in samples {
            sample.encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
