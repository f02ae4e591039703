//! Exact lines, written with a clock that stands still.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use tracing::subscriber::with_default;
use tracing::{debug, error, info, info_span, trace, warn};
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

fn clock() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_767_225_600_000_007).unwrap()
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct Failure(&'static str, Option<Box<Failure>>);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.1.as_deref().map(|cause| cause as _)
    }
}

fn logged(style: Style, act: fn()) -> String {
    logged_by("Diode Import", style, act)
}

/// What is logged in the name of a connector.
pub(crate) fn logged_by(name: &str, style: Style, act: impl FnOnce()) -> String {
    let buffer = Buffer::default();
    let written = buffer.clone();
    let layer = LogLayer::new(name, style, clock, move || buffer.clone());
    with_default(tracing_subscriber::registry().with(layer), act);
    let bytes = written.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn act_on_values() {
    let failure = Failure(
        "cannot list",
        Some(Box::new(Failure("no such directory", None))),
    );
    let failure = &failure as &(dyn std::error::Error + 'static);
    info!("ready");
    info!(
        file = "a b.json",
        messages = 3,
        late = -1_i64,
        ratio = 0.5,
        kept = true,
        "imported"
    );
    warn!(error = failure, file = %"a.json", kind = ?Style::Text, "waiting");
}

fn act_on_levels() {
    trace!("t");
    debug!("d");
    info!("i");
    warn!("w");
    error!("e");
}

fn act_in_spans() {
    let outer = info_span!("pass", source = "directory", file = tracing::field::Empty);
    let _outer = outer.enter();
    outer.record("file", "a.json");
    let inner = info_span!("file", work = "w-1");
    let _inner = inner.enter();
    info!(work = "w-2", "sent");
}

fn act_with_hostile_names() {
    info!(
        file = "a\nb\u{1b}[31m\u{202e}\"",
        "found \"x\"\r\nERROR forged: \u{7}\u{2028}"
    );
}

#[test]
fn json_lines_have_the_names_of_pycti_and_values_of_their_types() {
    insta::assert_snapshot!(logged(Style::Json, act_on_values), @r#"
    {"timestamp":"2026-01-01T00:00:00.000007Z","level":"INFO","name":"Diode Import","message":"ready"}
    {"timestamp":"2026-01-01T00:00:00.000007Z","level":"INFO","name":"Diode Import","message":"imported","attributes":{"file":"a b.json","messages":3,"late":-1,"ratio":0.5,"kept":true}}
    {"timestamp":"2026-01-01T00:00:00.000007Z","level":"WARNING","name":"Diode Import","message":"waiting","attributes":{"error":"cannot list: no such directory","file":"a.json","kind":"Text"}}
    "#);
}

#[test]
fn text_lines_are_for_reading() {
    insta::assert_snapshot!(logged(Style::Text, act_on_values), @r#"
    2026-01-01T00:00:00.000007Z INFO    Diode Import: ready
    2026-01-01T00:00:00.000007Z INFO    Diode Import: imported file="a b.json" messages=3 late=-1 ratio=0.5 kept=true
    2026-01-01T00:00:00.000007Z WARNING Diode Import: waiting error="cannot list: no such directory" file=a.json kind=Text
    "#);
}

#[test]
fn levels_are_named_as_python_names_them() {
    insta::assert_snapshot!(logged(Style::Text, act_on_levels), @r#"
    2026-01-01T00:00:00.000007Z TRACE   Diode Import: t
    2026-01-01T00:00:00.000007Z DEBUG   Diode Import: d
    2026-01-01T00:00:00.000007Z INFO    Diode Import: i
    2026-01-01T00:00:00.000007Z WARNING Diode Import: w
    2026-01-01T00:00:00.000007Z ERROR   Diode Import: e
    "#);
}

#[test]
fn the_fields_of_spans_come_first_and_the_innermost_value_counts() {
    insta::assert_snapshot!(logged(Style::Json, act_in_spans), @r#"{"timestamp":"2026-01-01T00:00:00.000007Z","level":"INFO","name":"Diode Import","message":"sent","attributes":{"source":"directory","file":"a.json","work":"w-2"}}"#);
}

#[test]
fn a_hostile_name_cannot_forge_a_line() {
    for style in [Style::Json, Style::Text] {
        let text = logged(style, act_with_hostile_names);
        assert_eq!(text.matches(['\n', '\r']).count(), 1, "{text}");
        assert!(!text.trim_end().contains(char::is_control), "{text:?}");
    }
    insta::assert_snapshot!(logged(Style::Text, act_with_hostile_names), @r#"2026-01-01T00:00:00.000007Z INFO    Diode Import: found "x"\r\nERROR forged: \u{7}\u{2028} file="a\nb\u{1b}[31m\u{202e}\"""#);
}
