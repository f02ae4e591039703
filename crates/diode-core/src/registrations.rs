//! Registrations that the platform fails at: when each is tried again. Pure.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use opencti_client::Registration;

/// How long the first pause is between two attempts at one connector; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_mins(1);

/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// How much time passes after a failure before any connector is tried again that failed before. Each
/// failure costs the platform something: some versions keep a connection to the broker open for it.
const BETWEEN_FAILURES: Duration = Duration::from_mins(1);

/// The connectors whose last registration failed for them alone.
#[derive(Debug, Default)]
pub(crate) struct FailedRegistrations {
    connectors: HashMap<String, Failed>,
    /// When the last registration failed.
    last: Option<Instant>,
}

#[derive(Debug)]
struct Failed {
    connector: Registration,
    why: String,
    pause: Duration,
    /// From when on it may be tried again.
    due: Instant,
}

impl FailedRegistrations {
    /// Takes note of a registration that failed, and why.
    pub(crate) fn failed(&mut self, connector: &Registration, why: &str, now: Instant) {
        let before = self.connectors.get(&connector.id);
        let pause = before.map_or(FIRST_PAUSE, |before| {
            (before.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE)
        });
        let failed = Failed {
            connector: connector.clone(),
            why: why.to_owned(),
            pause,
            due: now + pause,
        };
        self.connectors.insert(connector.id.clone(), failed);
        self.last = Some(now);
    }

    /// A connector was registered. If it had failed before, the platform may have recovered as a whole:
    /// the others may be tried at once.
    pub(crate) fn registered(&mut self, connector_id: &str, now: Instant) {
        if self.connectors.remove(connector_id).is_none() {
            return;
        }
        self.last = None;
        for failed in self.connectors.values_mut() {
            failed.due = failed.due.min(now);
        }
    }

    /// The connectors that failed, with the reasons.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let failed = self.connectors.iter();
        failed.map(|(id, failed)| (id.as_str(), failed.why.as_str()))
    }

    /// The connector to be tried now, among those that are wanted: the one that has been due for the
    /// longest time.
    pub(crate) fn due(
        &self,
        is_wanted: impl Fn(&str) -> bool,
        now: Instant,
    ) -> Option<Registration> {
        let is_early = |last| now.saturating_duration_since(last) < BETWEEN_FAILURES;
        if self.last.is_some_and(is_early) {
            return None;
        }
        let failed = self.connectors.values();
        failed
            .filter(|failed| failed.due <= now && is_wanted(&failed.connector.id))
            .min_by_key(|failed| (failed.due, failed.pause))
            .map(|failed| failed.connector.clone())
    }
}

#[cfg(test)]
mod tests {
    use opencti_client::ConnectorType;

    use super::*;

    fn connector(id: &str) -> Registration {
        Registration {
            id: id.to_owned(),
            name: id.to_owned(),
            connector_type: ConnectorType::ExternalImport,
            scope: Vec::new(),
        }
    }

    fn minutes(minutes: u64) -> Duration {
        Duration::from_mins(minutes)
    }

    #[test]
    fn pauses_grow_up_to_an_hour() {
        let mut failed = FailedRegistrations::default();
        let mut now = Instant::now();
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            failed.failed(&connector("a"), "no", now);
            let early = now + minutes(pause).saturating_sub(Duration::from_millis(1));
            assert_eq!(failed.due(|_| true, early), None, "{pause}");
            now += minutes(pause);
            assert_eq!(failed.due(|_| true, now), Some(connector("a")), "{pause}");
        }
        failed.registered("a", now);
        assert_eq!(failed.all().count(), 0);
        failed.failed(&connector("a"), "no", now);
        let again = failed.due(|_| true, now + minutes(1));
        assert_eq!(again, Some(connector("a")), "it begins anew");
    }

    #[test]
    fn one_is_tried_a_minute_however_many_failed() {
        let mut failed = FailedRegistrations::default();
        let mut now = Instant::now();
        let ids: Vec<String> = (0..30).map(|number| number.to_string()).collect();
        for id in &ids {
            failed.failed(&connector(id), "no", now);
        }
        let mut tried = Vec::new();
        for _ in 0..30 * 60 {
            now += Duration::from_secs(1);
            if let Some(due) = failed.due(|_| true, now) {
                failed.failed(&due, "no", now);
                tried.push(due.id);
            }
        }
        assert_eq!(tried.len(), 30);
        tried.sort_by_key(|id| id.parse::<u32>().unwrap());
        assert_eq!(tried, ids, "each once");
    }

    #[test]
    fn one_without_files_is_not_tried() {
        let mut failed = FailedRegistrations::default();
        let now = Instant::now();
        failed.failed(&connector("a"), "no", now);
        failed.failed(&connector("b"), "no", now);
        let due = failed.due(|id| id == "b", now + minutes(1));
        assert_eq!(due, Some(connector("b")));
        assert_eq!(failed.due(|_| false, now + minutes(1)), None);
    }

    #[test]
    fn one_that_recovers_lets_the_others_be_tried_at_once() {
        let mut failed = FailedRegistrations::default();
        let now = Instant::now();
        for id in ["a", "b"] {
            for _ in 0..5 {
                failed.failed(&connector(id), "no", now);
            }
        }
        failed.registered("c", now);
        assert_eq!(failed.due(|_| true, now), None, "it had not failed");
        failed.registered("a", now);
        assert_eq!(failed.due(|_| true, now), Some(connector("b")));
        failed.failed(&connector("b"), "no", now);
        assert_eq!(failed.due(|_| true, now + minutes(1)), None);
    }
}
