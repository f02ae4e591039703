//! One event as one line.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use tracing::Level;

use super::fields::{Attributes, Fields};

/// What a line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// A JSON object with the field names of pycti's logs.
    Json,
    /// Text, in which control characters are escaped: a name from the other side cannot forge a line.
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
    pub(super) fn render(&self, style: Style) -> String {
        let mut line = match style {
            Style::Json => self.json(),
            Style::Text => self.text(),
        };
        line.push('\n');
        line
    }

    fn json(&self) -> String {
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
        // Texts, numbers and booleans always serialize; an error would still be told.
        serde_json::to_string(&line).unwrap_or_else(|error| error.to_string())
    }

    fn text(&self) -> String {
        let mut line = format!("{} {:<7} ", self.timestamp(), level_name(self.level));
        push_escaped(&mut line, self.name);
        line.push_str(": ");
        push_escaped(&mut line, &self.fields.message);
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

/// A text in which no character can end a line or change how the rest of it is shown.
pub(crate) fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    push_escaped(&mut line, text);
    line
}

/// Appends a text of which no character can end the line or change how the rest of it is shown.
pub(super) fn push_escaped(line: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '"' | '\'' => line.push(character),
            other => line.extend(other.escape_debug()),
        }
    }
}

fn text_value(value: &Value) -> String {
    match value {
        Value::String(text) if is_word(text) => text.clone(),
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

fn is_word(text: &str) -> bool {
    let fits = |character: char| character.is_ascii_alphanumeric() || "-_./:@+".contains(character);
    !text.is_empty() && text.chars().all(fits)
}
