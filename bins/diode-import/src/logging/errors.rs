//! Counts the lines of the log that tell of an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// How many errors were logged so far. What an error is, a filter before it says. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct ErrorCount(Arc<AtomicUsize>);

impl ErrorCount {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S: Subscriber> Layer<S> for ErrorCount {
    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
