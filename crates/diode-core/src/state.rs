//! The connector's state on the platform, as the peer keeps it, so that going back stays possible.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

/// Where the peer kept its watermark before it knew of a second source.
const LEGACY_KEY: &str = "last_run";

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

/// The state as the platform holds it.
///
/// ```
/// use diode_core::{ConnectorState, StateKey};
///
/// let mut state = ConnectorState::read(Some(r#"{"last_run": 5.5}"#));
/// assert_eq!(state.last_run(StateKey::Directory), Some(5.5));
/// state.set_last_run(StateKey::Directory, 7.0);
/// assert_eq!(state.to_text(), r#"{"last_run_directory":7.0}"#);
///
/// assert!(ConnectorState::read(Some("")).is_reset());
/// assert!(!ConnectorState::read(None).is_reset());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectorState(Form);

#[derive(Clone, Debug, PartialEq)]
enum Form {
    /// The empty text, which only a reset in the platform's interface leaves there.
    Reset,
    /// A JSON object, of which only our keys are ours.
    Members(Map<String, Value>),
}

impl Default for ConnectorState {
    /// No watermark, and nothing of anybody else's.
    fn default() -> Self {
        Self(Form::Members(Map::new()))
    }
}

impl ConnectorState {
    /// A state that was reset in the platform's interface, which nobody has followed yet.
    pub fn reset() -> Self {
        Self(Form::Reset)
    }

    /// Reads what the platform holds. An empty text is a reset; a connector that never handed in
    /// a state has none, and the peer's text for no state is `null`: these and anything foreign
    /// are an empty state.
    pub fn read(text: Option<&str>) -> Self {
        match text {
            Some("") => Self::reset(),
            Some(text) => match serde_json::from_str(text) {
                Ok(Value::Object(members)) => Self(Form::Members(members)),
                _ => Self::default(),
            },
            None => Self::default(),
        }
    }

    /// The state as the platform stores it. A reset that was not followed stays one there, too.
    #[expect(clippy::disallowed_methods, reason = "it goes to the platform")]
    pub fn to_text(&self) -> String {
        match &self.0 {
            Form::Reset => String::new(),
            Form::Members(members) => serde_json::to_string(members).unwrap_or_default(),
        }
    }

    /// Whether it was reset, and that has not been followed.
    pub fn is_reset(&self) -> bool {
        self.0 == Form::Reset
    }

    /// The time of a source's newest file that counts as imported, in seconds since the epoch.
    ///
    /// An old peer's only source was the directory, and its only key another one.
    pub fn last_run(&self, key: StateKey) -> Option<f64> {
        let number = |name: &str| self.members()?.get(name)?.as_f64();
        match key {
            StateKey::Directory => number(key.as_str()).or_else(|| number(LEGACY_KEY)),
            StateKey::S3 => number(key.as_str()),
        }
    }

    /// Sets that time; of a state that was reset, nothing is kept.
    pub fn set_last_run(&mut self, key: StateKey, seconds: f64) {
        let mut members = self.members().cloned().unwrap_or_default();
        if key == StateKey::Directory {
            members.remove(LEGACY_KEY);
        }
        members.insert(key.as_str().to_owned(), json!(seconds));
        self.0 = Form::Members(members);
    }

    /// Forgets the times that are later than `now`. Returns where they were, and what they were.
    pub fn forget_later_than(&mut self, now: DateTime<Utc>) -> Vec<(&'static str, f64)> {
        let Form::Members(members) = &mut self.0 else {
            return Vec::new();
        };
        let keys = [
            StateKey::Directory.as_str(),
            StateKey::S3.as_str(),
            LEGACY_KEY,
        ];
        let now = seconds(now);
        let time_of = |key: &'static str| Some((key, members.get(key)?.as_f64()?));
        let later = keys.into_iter().filter_map(time_of);
        let later: Vec<_> = later.filter(|(_, time)| *time > now).collect();
        for (key, _) in &later {
            members.remove(*key);
        }
        later
    }

    fn members(&self) -> Option<&Map<String, Value>> {
        match &self.0 {
            Form::Reset => None,
            Form::Members(members) => Some(members),
        }
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
        self.lock().clone()
    }

    /// Replaces the state, if it is still `before`.
    pub fn replace(&self, before: &ConnectorState, after: ConnectorState) {
        let mut state = self.lock();
        if *state == *before {
            *state = after;
        }
    }

    /// Notes that the state was reset, whatever it is now.
    pub fn reset(&self) {
        *self.lock() = ConnectorState::reset();
    }

    fn lock(&self) -> MutexGuard<'_, ConnectorState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The watermark after a pass: the newest imported time, yet below every file that still waits. A time
/// later than `now` does not count: with it as the watermark, files of now would be taken for imported.
///
/// The peer skips every file that is no newer than its watermark, so one that is too high would
/// make it lose files after a return to it; one that is too low costs it a second import at worst.
pub fn watermark(
    before: Option<f64>,
    imported: impl IntoIterator<Item = DateTime<Utc>>,
    waiting: impl IntoIterator<Item = DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<f64> {
    let imported = imported.into_iter().map(seconds).chain(before);
    let now = seconds(now);
    let newest = imported.filter(|time| *time <= now).reduce(f64::max)?;
    let oldest_waiting = waiting.into_iter().map(seconds).reduce(f64::min);
    Some(oldest_waiting.map_or(newest, |oldest| newest.min(oldest.next_down())))
}

/// Whether the peer, with that watermark, takes a file of that time for one it has imported.
pub fn peer_skips(watermark: f64, modified: DateTime<Utc>) -> bool {
    watermark >= seconds(modified)
}

/// A file's time as the peer has it: what Python's `os.path.getmtime` makes of the nanoseconds, to
/// the last bit, for the peer compares without any tolerance.
fn seconds(time: DateTime<Utc>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact for any file's time")]
    let whole = time.timestamp() as f64;
    whole + 1e-9 * f64::from(time.timestamp_subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(milliseconds).unwrap()
    }

    #[test]
    fn reads_whatever_the_platform_holds() {
        let both = r#"{"last_run": 5, "last_run_directory": 7, "last_run_s3": 9.5}"#;
        for (text, directory, s3) in [
            (None, None, None),
            (Some(""), None, None),
            (Some("null"), None, None),
            (Some("\"null\""), None, None),
            (Some("[1]"), None, None),
            (Some("{"), None, None),
            (Some(r#"{"last_run_directory": "x"}"#), None, None),
            (
                Some(r#"{"last_run_directory": null, "last_run": 5}"#),
                Some(5.0),
                None,
            ),
            (
                Some(r#"{"last_run": 1767225600.5}"#),
                Some(1_767_225_600.5),
                None,
            ),
            (Some(r#"{"last_run_s3": 0}"#), None, Some(0.0)),
            (Some(both), Some(7.0), Some(9.5)),
        ] {
            let state = ConnectorState::read(text);
            assert_eq!(state.last_run(StateKey::Directory), directory, "{text:?}");
            assert_eq!(state.last_run(StateKey::S3), s3, "{text:?}");
            assert_eq!(state.is_reset(), text == Some(""), "{text:?}");
        }
    }

    #[test]
    fn writes_what_the_peer_would() {
        let directory = StateKey::Directory;
        for (text, key, expect) in [
            ("", directory, r#"{"last_run_directory":7.25}"#),
            ("null", directory, r#"{"last_run_directory":7.25}"#),
            (
                r#"{"last_run":5}"#,
                directory,
                r#"{"last_run_directory":7.25}"#,
            ),
            // The directory's pass, which comes first, still has to find its watermark.
            (
                r#"{"last_run":5}"#,
                StateKey::S3,
                r#"{"last_run":5,"last_run_s3":7.25}"#,
            ),
            (
                r#"{"other":[1]}"#,
                StateKey::S3,
                r#"{"last_run_s3":7.25,"other":[1]}"#,
            ),
        ] {
            let mut state = ConnectorState::read(Some(text));
            state.set_last_run(key, 7.25);
            assert_eq!(state.to_text(), expect, "{text:?}");
        }
        assert_eq!(ConnectorState::default().to_text(), "{}");
        assert_eq!(ConnectorState::reset().to_text(), "");
    }

    #[test]
    fn times_are_the_peer_s_to_the_last_bit() {
        for (nanoseconds, expect) in [
            (1_767_225_600_000_000_000, "1767225600.0"),
            (1_767_225_600_123_456_789, "1767225600.1234567"),
            (1_767_225_601_999_999_999, "1767225602.0"),
            (-500_000_000, "-0.5"),
        ] {
            let time = DateTime::from_timestamp_nanos(nanoseconds);
            let mut state = ConnectorState::default();
            state.set_last_run(StateKey::S3, seconds(time));
            let text = state.to_text();
            assert_eq!(text, format!("{{\"last_run_s3\":{expect}}}"));
            let back = ConnectorState::read(Some(&text)).last_run(StateKey::S3);
            assert!(peer_skips(back.unwrap(), time), "{text}");
        }
    }

    #[test]
    fn watermark_stays_below_what_waits() {
        let oldest = |milliseconds: i64| seconds(at(milliseconds)).next_down();
        for (before, imported, waiting, expect) in [
            (None, vec![], vec![], None),
            (None, vec![], vec![5], None),
            (Some(10), vec![], vec![], Some(0.01)),
            (Some(10), vec![7, 20], vec![], Some(0.02)),
            (Some(10), vec![20], vec![30], Some(0.02)),
            (Some(10), vec![20], vec![15, 30], Some(oldest(15))),
            (Some(10), vec![], vec![3], Some(oldest(3))),
            (Some(10), vec![20], vec![20], Some(oldest(20))),
            (Some(10), vec![1000, 1001], vec![], Some(1.0)),
            (Some(1001), vec![20], vec![], Some(0.02)),
            (Some(1001), vec![1001], vec![], None),
            (None, vec![20], vec![1001], Some(0.02)),
        ] {
            let got = watermark(
                before.map(at).map(seconds),
                imported.iter().copied().map(at),
                waiting.iter().copied().map(at),
                at(1000),
            );
            assert_eq!(got, expect, "{before:?} {imported:?} {waiting:?}");
            for waiting in waiting {
                assert!(got.is_none_or(|mark| !peer_skips(mark, at(waiting))));
            }
        }
    }

    #[test]
    fn times_later_than_now_are_forgotten() {
        let text = r#"{"last_run":3.0,"last_run_directory":2.0,"last_run_s3":2.5,"other":9.0}"#;
        let mut state = ConnectorState::read(Some(text));
        let later = state.forget_later_than(at(2000));
        assert_eq!(later, [("last_run_s3", 2.5), ("last_run", 3.0)]);
        let expect = r#"{"last_run_directory":2.0,"other":9.0}"#;
        assert_eq!(state.to_text(), expect);
        assert_eq!(state.forget_later_than(at(2000)), []);
        assert_eq!(state.last_run(StateKey::Directory), Some(2.0));
        let mut reset = ConnectorState::reset();
        assert_eq!(reset.forget_later_than(at(0)), []);
        assert!(reset.is_reset());
    }

    #[test]
    fn a_reset_in_between_is_not_overwritten() {
        let shared = SharedState::new(ConnectorState::read(Some(r#"{"last_run_directory": 1}"#)));
        let before = shared.get();
        let mut after = before.clone();
        after.set_last_run(StateKey::Directory, 9.0);
        shared.reset();
        shared.replace(&before, after);
        assert!(shared.get().is_reset());
    }
}
