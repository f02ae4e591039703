//! Faults that are laid into the double's operations.

use std::collections::HashMap;
use std::ops::{Bound, RangeBounds};
use std::time::Duration;

/// What goes wrong in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The platform answers with one of its own errors, and does nothing.
    Error {
        /// Its code, such as `LOCK_ERROR`.
        code: String,
        /// Its message.
        message: String,
    },
    /// Something before the platform answers with this status and text.
    Http {
        /// The HTTP status.
        status: u16,
        /// The whole body.
        body: String,
    },
    /// The answer comes later by so much.
    Delay(Duration),
    /// The connection is cut before the platform does anything.
    Cut,
    /// The platform does what it was asked, but the connection is cut instead of an answer.
    CutAfterwards,
    /// The platform does what it was asked, and never answers.
    HangAfterwards,
    /// The push queues of all connectors are deleted before the call is carried out.
    LoseQueues,
    /// All works are deleted before the call is carried out.
    DeleteWorks,
}

impl Fault {
    /// An error of the platform, in short.
    pub fn error(code: &str) -> Self {
        Self::Error {
            code: code.to_owned(),
            message: format!("{code} (injected)"),
        }
    }

    /// An answer of something before the platform, in short.
    pub fn http(status: u16) -> Self {
        Self::Http {
            status,
            body: "<html>injected</html>".to_owned(),
        }
    }
}

/// Which calls of which operation fail, and how.
#[derive(Debug, Default)]
pub(super) struct Faults {
    seen: HashMap<String, usize>,
    planned: Vec<Planned>,
    everywhere: Option<Fault>,
}

#[derive(Debug)]
struct Planned {
    operation: String,
    which: (Bound<usize>, Bound<usize>),
    fault: Fault,
}

impl Faults {
    /// Lays a fault into the calls of `operation` whose number, counted from 1 since the double
    /// was started, is in `which`.
    pub(super) fn plan(&mut self, operation: &str, which: impl RangeBounds<usize>, fault: Fault) {
        self.planned.push(Planned {
            operation: operation.to_owned(),
            which: (which.start_bound().cloned(), which.end_bound().cloned()),
            fault,
        });
    }

    /// Lays a fault into every call, until another or none is laid.
    pub(super) fn everywhere(&mut self, fault: Option<Fault>) {
        self.everywhere = fault;
    }

    /// Counts a call, and tells what goes wrong in it.
    pub(super) fn next(&mut self, operation: &str) -> Option<Fault> {
        let count = self.seen.entry(operation.to_owned()).or_default();
        *count += 1;
        let planned = self
            .planned
            .iter()
            .find(|planned| planned.operation == operation && planned.which.contains(count))
            .map(|planned| &planned.fault);
        self.everywhere.as_ref().or(planned).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_hit_the_calls_they_were_laid_into() {
        let mut faults = Faults::default();
        faults.plan("workAdd", 2..=3, Fault::Cut);
        faults.plan("about", 2.., Fault::CutAfterwards);
        let hits = |faults: &mut Faults, operation| -> Vec<Option<Fault>> {
            (0..4).map(|_| faults.next(operation)).collect()
        };
        assert_eq!(
            hits(&mut faults, "workAdd"),
            [None, Some(Fault::Cut), Some(Fault::Cut), None]
        );
        assert_eq!(hits(&mut faults, "about")[0], None);
        assert_eq!(hits(&mut faults, "about")[3], Some(Fault::CutAfterwards));
        assert_eq!(hits(&mut faults, "pingConnector"), [None, None, None, None]);
        faults.everywhere(Some(Fault::Cut));
        assert_eq!(hits(&mut faults, "about")[0], Some(Fault::Cut));
        faults.everywhere(None);
        assert_eq!(hits(&mut faults, "about")[0], Some(Fault::CutAfterwards));
    }
}
