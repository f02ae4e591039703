//! One event as one line.

use std::borrow::Cow;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use diode_core::terminal::{self, Layout};
use serde::Serialize;
use serde_json::Value;
use tracing::Level;

use super::fields::{Attributes, Fields};

/// What a line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// A JSON object with the field names of pycti's logs.
    Json,
    /// Text, in which what is not safe is escaped: a name from the other side cannot forge a line.
    Text,
}

/// What a line is made from.
pub(super) struct Line<'a> {
    pub(super) at: DateTime<Utc>,
    pub(super) level: Level,
    pub(super) name: &'a str,
    pub(super) fields: &'a Fields,
}

impl Line<'_> {
    /// The line, with its end.
    pub(super) fn render(&self, style: Style) -> Vec<u8> {
        let mut line = match style {
            Style::Json => self.json(),
            Style::Text => self.text().into_bytes(),
        };
        line.push(b'\n');
        line
    }

    fn json(&self) -> Vec<u8> {
        let Fields {
            message,
            attributes,
        } = self.fields;
        let line = JsonLine {
            timestamp: self.timestamp(),
            level: level_name(self.level),
            name: self.name,
            message,
            attributes: (!attributes.is_empty()).then_some(Attributes(attributes)),
        };
        let mut json = Vec::new();
        // Texts, numbers and booleans always serialize, and memory takes them.
        let _ = terminal::write_json(&mut json, &line, Layout::Line);
        json
    }

    fn text(&self) -> String {
        let mut line = format!("{} {:<7} ", self.timestamp(), level_name(self.level));
        line.push_str(&terminal::escape(self.name));
        line.push_str(": ");
        line.push_str(&terminal::escape(&self.fields.message));
        for (name, value) in &self.fields.attributes {
            // Writing to a string cannot fail.
            let _ = write!(line, " {name}={}", text_value(value));
        }
        line
    }

    fn timestamp(&self) -> String {
        self.at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
    }
}

#[derive(Serialize)]
struct JsonLine<'a> {
    timestamp: String,
    level: &'static str,
    name: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Attributes<'a>>,
}

/// The level as Python's logging names it.
fn level_name(level: Level) -> &'static str {
    match level {
        Level::TRACE => "TRACE",
        Level::DEBUG => "DEBUG",
        Level::INFO => "INFO",
        Level::WARN => "WARNING",
        Level::ERROR => "ERROR",
    }
}

fn text_value(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => terminal::word(text),
        other => other.to_string().into(),
    }
}
