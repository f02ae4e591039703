//! The fields of an event or a span, as JSON values.

use std::error::Error;
use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use tracing::field::{Field, Visit};

/// The field that holds an event's text.
const MESSAGE: &str = "message";

/// Fields in the order in which they were recorded, each name once, and the message apart from them.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub(super) message: String,
    pub(super) attributes: Vec<(&'static str, Value)>,
}

impl Fields {
    /// Adds those of a span that encloses what comes after.
    pub(super) fn extend(&mut self, outer: &Self) {
        for (name, value) in &outer.attributes {
            self.set(name, value.clone());
        }
    }

    fn set(&mut self, name: &'static str, value: Value) {
        match self.attributes.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.attributes.push((name, value)),
        }
    }

    fn set_text(&mut self, field: &Field, text: String) {
        if field.name() == MESSAGE {
            self.message = text;
        } else {
            self.set(field.name(), text.into());
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set_text(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.set_text(field, chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set_text(field, format!("{value:?}"));
    }
}

/// An error and its causes.
fn chain(error: &(dyn Error + 'static)) -> String {
    let causes: Vec<_> = std::iter::successors(Some(error), |&error| error.source())
        .map(ToString::to_string)
        .collect();
    causes.join(": ")
}

/// Attributes as a JSON object.
pub(super) struct Attributes<'a>(pub(super) &'a [(&'static str, Value)]);

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
