//! Failures on the way to the platform, and how far each reaches: pure.

use std::error::Error;

use opencti_client::{ApiError, Capability, DeliveryError, DeliveryErrorKind, ErrorClass};

use crate::pressure::QueueFull;
use crate::report::Interruption;
use crate::{Code, LedgerError};

/// Transient failures of that many source connectors in a row end a pass: it is not about them.
const ENOUGH: usize = 2;

/// Why a file could not be delivered for now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The platform's API.
    #[error(transparent)]
    Platform(#[from] ApiError),
    /// The queue.
    #[error(transparent)]
    Queue(#[from] DeliveryError),
    /// The source connector's queue is full.
    #[error(transparent)]
    Full(#[from] QueueFull),
}

/// How far a failure reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// This source connector's files wait; the others' go on.
    Connector,
    /// No file can be delivered now.
    Everything(Interruption),
}

impl Trouble {
    /// The code with which the file waits.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Platform(_) => Code::Platform,
            Self::Queue(error) if error.kind == DeliveryErrorKind::Full => Code::QueueFull,
            Self::Queue(_) => Code::Queue,
            Self::Full(_) => Code::QueueFull,
        }
    }

    /// Whether something failed, rather than having to wait its turn.
    pub(crate) fn is_failure(&self) -> bool {
        self.code() != Code::QueueFull
    }

    /// How far it reaches, when `before` other source connectors have failed just before.
    pub(crate) fn reach(&self, before: usize) -> Reach {
        let connector_or = |interruption| {
            if before + 1 >= ENOUGH {
                Reach::Everything(interruption)
            } else {
                Reach::Connector
            }
        };
        match self {
            Self::Platform(error) => match error.class() {
                ErrorClass::Credentials => Reach::Everything(Interruption::Credentials),
                ErrorClass::Forbidden => forbidden(error.capability()),
                ErrorClass::Transient => connector_or(Interruption::Platform),
                ErrorClass::Contract | ErrorClass::WorkGone => Reach::Connector,
            },
            Self::Queue(error) => match error.kind {
                DeliveryErrorKind::Stopped => Reach::Everything(Interruption::Stopped),
                DeliveryErrorKind::Denied | DeliveryErrorKind::Unavailable => {
                    Reach::Everything(Interruption::Broker)
                }
                DeliveryErrorKind::Unroutable
                | DeliveryErrorKind::Contract
                | DeliveryErrorKind::Full => Reach::Connector,
            },
            Self::Full(_) => Reach::Connector,
        }
    }
}

/// Without some capabilities only what one file asks for cannot be done.
fn forbidden(lacking: Option<Capability>) -> Reach {
    match lacking {
        Some(Capability::Workbench | Capability::Knowledge | Capability::Modules) => {
            Reach::Connector
        }
        Some(Capability::ConnectorApi | Capability::AskImport) | None => {
            Reach::Everything(Interruption::Credentials)
        }
    }
}

/// What ends a pass at once.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fatal {
    /// Without the ledger nothing may leave its place.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// An error with its causes, on one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(class: ErrorClass) -> Trouble {
        Trouble::Platform(ApiError::new("workAdd", class, "no"))
    }

    fn lack(capability: Capability) -> Trouble {
        let error = ApiError::new("workAdd", ErrorClass::Forbidden, "no");
        Trouble::Platform(error.for_lack_of(capability))
    }

    fn queue(kind: DeliveryErrorKind) -> Trouble {
        Trouble::Queue(DeliveryError {
            kind,
            confirmed: 0,
            doubtful: 0,
            message: "no".into(),
            source: None,
        })
    }

    #[test]
    fn a_full_queue_is_its_connector_s_matter_and_no_failure() {
        for full in [
            Trouble::Full(QueueFull::default()),
            queue(DeliveryErrorKind::Full),
        ] {
            assert_eq!(full.reach(5), Reach::Connector);
            assert_eq!(full.code(), Code::QueueFull);
            assert!(!full.is_failure());
        }
        assert!(api(ErrorClass::Transient).is_failure());
    }

    #[test]
    fn a_failure_reaches_as_far_as_its_cause() {
        use Interruption::{Broker, Credentials, Platform, Stopped};
        use Reach::{Connector, Everything};
        for (trouble, before, expect) in [
            (api(ErrorClass::Transient), 0, Connector),
            (api(ErrorClass::Transient), 1, Everything(Platform)),
            (api(ErrorClass::Contract), 5, Connector),
            (api(ErrorClass::WorkGone), 5, Connector),
            (api(ErrorClass::Credentials), 0, Everything(Credentials)),
            (api(ErrorClass::Forbidden), 0, Everything(Credentials)),
            (lack(Capability::AskImport), 0, Everything(Credentials)),
            (lack(Capability::ConnectorApi), 0, Everything(Credentials)),
            (lack(Capability::Knowledge), 5, Connector),
            (lack(Capability::Modules), 5, Connector),
            (queue(DeliveryErrorKind::Unroutable), 5, Connector),
            (queue(DeliveryErrorKind::Contract), 5, Connector),
            (queue(DeliveryErrorKind::Unavailable), 0, Everything(Broker)),
            (queue(DeliveryErrorKind::Denied), 0, Everything(Broker)),
            (queue(DeliveryErrorKind::Stopped), 0, Everything(Stopped)),
        ] {
            assert_eq!(trouble.reach(before), expect, "{trouble:?} {before}");
        }
    }

    #[test]
    fn a_chain_repeats_nothing() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] std::io::Error);
        let error = Outer(std::io::Error::other("inner"));
        assert_eq!(chain(&error), "outer: inner");
    }
}
