//! Source connectors with a file that waits: those behind it wait, too, to keep their order.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Code;

/// The connectors that are held in a pass, and why. Who is held is so until its end.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<HashMap<String, (Code, String)>>);

impl Held {
    /// Holds a connector's files, which wait with this code and for this reason.
    pub(super) fn hold(&self, connector_id: &str, code: Code, why: String) {
        self.lock().insert(connector_id.to_owned(), (code, why));
    }

    /// Whether a connector is held.
    pub(super) fn holds(&self, connector_id: &str) -> bool {
        self.lock().contains_key(connector_id)
    }

    /// With what code, and why.
    pub(super) fn why(&self, connector_id: &str) -> Option<(Code, String)> {
        self.lock().get(connector_id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Code, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
