//! The connector's state on the platform, as the peer keeps it, so that going back stays possible.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

/// Where in the connector's state a source's watermark is kept: the peer has one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateKey {
    /// `last_run_directory`
    Directory,
    /// `last_run_s3`
    S3,
}

impl StateKey {
    /// The member's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Directory => "last_run_directory",
            Self::S3 => "last_run_s3",
        }
    }
}

/// The state as the platform holds it: a JSON object, of which only our keys are ours.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnectorState(Map<String, Value>);

impl ConnectorState {
    /// Reads what the platform holds; nothing, an empty text, `null` or anything foreign is an
    /// empty state.
    pub fn read(text: Option<&str>) -> Self {
        let value = text.and_then(|text| serde_json::from_str(text).ok());
        match value {
            Some(Value::Object(members)) => Self(members),
            _ => Self::default(),
        }
    }

    /// The state as the platform stores it.
    pub fn to_text(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    /// The time of a source's newest file that counts as imported, in seconds since the epoch.
    pub fn last_run(&self, key: StateKey) -> Option<f64> {
        self.0.get(key.as_str()).and_then(Value::as_f64)
    }

    /// Sets that time.
    pub fn set_last_run(&mut self, key: StateKey, time: DateTime<Utc>) {
        self.0.insert(key.as_str().to_owned(), json!(seconds(time)));
    }
}

/// The state that a pass works with and the heartbeat hands in.
#[derive(Clone, Debug, Default)]
pub struct SharedState(Arc<Mutex<ConnectorState>>);

impl SharedState {
    /// Shares a state.
    pub fn new(state: ConnectorState) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// The state now.
    pub fn get(&self) -> ConnectorState {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Replaces the state, if it is still `before`.
    pub fn replace(&self, before: &ConnectorState, after: ConnectorState) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *state == *before {
            *state = after;
        }
    }
}

/// The watermark after a pass: the newest imported time, yet below every file that still waits.
///
/// The peer skips every file that is older than its watermark, so one that is too high would make
/// it lose files after a return to it; one that is too low costs it a second import at worst.
pub fn watermark(
    before: Option<DateTime<Utc>>,
    imported: impl IntoIterator<Item = DateTime<Utc>>,
    waiting: impl IntoIterator<Item = DateTime<Utc>>,
) -> Option<DateTime<Utc>> {
    let newest = imported.into_iter().chain(before).max()?;
    let bound = waiting
        .into_iter()
        .min()
        .map(|oldest| oldest - TimeDelta::milliseconds(1));
    Some(bound.map_or(newest, |bound| newest.min(bound)))
}

/// A time from the seconds that a state holds.
pub(crate) fn time(seconds: f64) -> Option<DateTime<Utc>> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates far outside of any file's time"
    )]
    DateTime::from_timestamp_micros((seconds * 1e6) as i64)
}

fn seconds(time: DateTime<Utc>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact for centuries around now")]
    let microseconds = time.timestamp_micros() as f64;
    microseconds / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(milliseconds).unwrap()
    }

    #[test]
    fn reads_whatever_the_platform_holds() {
        for (text, expect) in [
            (None, None),
            (Some(""), None),
            (Some("null"), None),
            (Some("\"null\""), None),
            (Some("[1]"), None),
            (
                Some("{\"last_run_directory\": 1767225600.5}"),
                Some(1_767_225_600.5),
            ),
            (Some("{\"last_run_directory\": \"x\"}"), None),
        ] {
            let got = ConnectorState::read(text).last_run(StateKey::Directory);
            assert_eq!(got, expect, "{text:?}");
        }
    }

    #[test]
    fn keeps_what_is_not_ours() {
        let mut state = ConnectorState::read(Some("{\"other\": 5}"));
        state.set_last_run(StateKey::Directory, at(1500));
        state.set_last_run(StateKey::S3, at(2000));
        let value: Value = serde_json::from_str(&state.to_text()).unwrap();
        assert_eq!(
            value,
            json!({"other": 5, "last_run_directory": 1.5, "last_run_s3": 2.0})
        );
        assert_eq!(time(1.5), Some(at(1500)));
    }

    #[test]
    fn watermark_stays_below_what_waits() {
        for (before, imported, waiting, expect) in [
            (None, vec![], vec![], None),
            (None, vec![], vec![5], None),
            (Some(10), vec![], vec![], Some(10)),
            (Some(10), vec![7, 20], vec![], Some(20)),
            (Some(10), vec![20], vec![30], Some(20)),
            (Some(10), vec![20], vec![15, 30], Some(14)),
            (Some(10), vec![], vec![3], Some(2)),
        ] {
            let got = watermark(
                before.map(at),
                imported.iter().copied().map(at),
                waiting.iter().copied().map(at),
            );
            assert_eq!(got, expect.map(at), "{before:?} {imported:?} {waiting:?}");
        }
    }

    #[test]
    fn a_reset_in_between_is_not_overwritten() {
        let shared = SharedState::new(ConnectorState::read(Some("{\"last_run_directory\": 1}")));
        let before = shared.get();
        let mut after = before.clone();
        after.set_last_run(StateKey::Directory, at(9000));
        shared.replace(&before, ConnectorState::default());
        shared.replace(&before, after);
        assert_eq!(shared.get(), ConnectorState::default());
    }
}
