//! Takes events from `tracing` and writes their lines.

use std::io::Write as _;

use chrono::{DateTime, Utc};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::fields::Fields;
use super::line::{Line, Style};

/// Writes each event as one line, with the fields of the spans around it.
pub(super) struct LogLayer<W> {
    name: String,
    style: Style,
    clock: fn() -> DateTime<Utc>,
    writer: W,
}

impl<W> LogLayer<W> {
    /// A layer that writes to `writer` in the name of `name`.
    pub(super) fn new(
        name: impl Into<String>,
        style: Style,
        clock: fn() -> DateTime<Utc>,
        writer: W,
    ) -> Self {
        Self {
            name: name.into(),
            style,
            clock,
            writer,
        }
    }
}

impl<S, W> Layer<S> for LogLayer<W>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(tracing_subscriber::registry::Scope::from_root)
        {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.extend(outer);
            }
        }
        event.record(&mut fields);
        let metadata = event.metadata();
        let level = *metadata.level();
        let line = Line {
            at: (self.clock)(),
            level,
            name: &self.name,
            fields: &fields,
        };
        // There is nowhere to tell that the log cannot be written.
        let _ = self
            .writer
            .make_writer_for(metadata)
            .write_all(&line.render(self.style));
    }
}

#[cfg(test)]
#[path = "layer_tests.rs"]
pub(super) mod tests;
