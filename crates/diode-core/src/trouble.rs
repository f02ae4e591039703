//! Failures on the way to the platform, and how far each reaches: pure.

use std::error::Error;

use opencti_client::{ApiError, Capability, DeliveryError, DeliveryErrorKind, ErrorClass};

use crate::pressure::QueueFull;
use crate::report::Interruption;
use crate::{Code, LedgerError};

/// After transient failures of that many source connectors in a row we ask whether it is about them.
const ENOUGH: usize = 2;

/// The operation by which a connector is registered.
const REGISTRATION: &str = "registerConnector";

/// The platform's code for what others are at work on, for some seconds.
const LOCKED: &str = "LOCK_ERROR";

/// Why a file could not be delivered for now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The platform's API.
    #[error(transparent)]
    Platform(#[from] ApiError),
    /// The way to the queues, before anything was sent into one.
    #[error(transparent)]
    Broker(DeliveryError),
    /// The queue, while messages were sent into it.
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

/// What there is to say of how far a failure reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// So far.
    Known(Reach),
    /// That depends on [whether this is there](Reach::by).
    Ask(Suspect),
}

/// What may be away where sending fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suspect {
    /// The platform.
    Platform,
    /// The broker, or the platform that stands for it.
    Broker,
}

impl Reach {
    /// How far a failure reaches that made us ask whether the suspect is there, by the answer.
    pub(crate) fn by(answer: &Result<(), Trouble>) -> Self {
        match answer {
            Err(Trouble::Platform(error)) => match error.class() {
                ErrorClass::Credentials => Self::Everything(Interruption::Credentials),
                ErrorClass::Transient => Self::Everything(Interruption::Platform),
                // It is there.
                ErrorClass::Forbidden | ErrorClass::Contract | ErrorClass::WorkGone => {
                    Self::Connector
                }
            },
            Err(Trouble::Broker(error) | Trouble::Queue(error)) => Self::of_way(error.kind),
            Ok(()) | Err(Trouble::Full(_)) => Self::Connector,
        }
    }

    /// How far it reaches that the queues cannot be got to.
    fn of_way(kind: DeliveryErrorKind) -> Self {
        match kind {
            DeliveryErrorKind::Stopped => Self::Everything(Interruption::Stopped),
            DeliveryErrorKind::Denied | DeliveryErrorKind::Unavailable => {
                Self::Everything(Interruption::Broker)
            }
            DeliveryErrorKind::Unroutable
            | DeliveryErrorKind::Full
            | DeliveryErrorKind::Contract => Self::Connector,
        }
    }
}

impl Trouble {
    /// The code with which the file waits.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Platform(_) => Code::Platform,
            Self::Queue(error) if error.kind == DeliveryErrorKind::Full => Code::QueueFull,
            Self::Broker(_) | Self::Queue(_) => Code::Queue,
            Self::Full(_) => Code::QueueFull,
        }
    }

    /// Whether it is no trouble at all: we were asked to stop.
    pub(crate) fn is_stop(&self) -> bool {
        match self {
            Self::Broker(error) | Self::Queue(error) => error.kind == DeliveryErrorKind::Stopped,
            Self::Platform(_) | Self::Full(_) => false,
        }
    }

    /// Whether it may be that the platform does not answer anybody.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Platform(error) => error.is_transient(),
            Self::Broker(error) | Self::Queue(error) => {
                error.kind == DeliveryErrorKind::Unavailable
            }
            Self::Full(_) => false,
        }
    }

    /// Whether the platform did not do what was asked to register a connector, which may be for that
    /// connector alone.
    pub(crate) fn is_failed_registration(&self) -> bool {
        let Self::Platform(error) = self else {
            return false;
        };
        error.operation() == REGISTRATION && error.is_transient() && error.code() != Some(LOCKED)
    }

    /// How far it reaches, when `before` other source connectors have failed for now just before.
    pub(crate) fn reach(&self, before: usize) -> Judgement {
        Judgement::Known(match self {
            Self::Platform(error) => match error.class() {
                ErrorClass::Credentials => Reach::Everything(Interruption::Credentials),
                ErrorClass::Forbidden => forbidden(error.capability()),
                ErrorClass::Transient
                    if before + 1 >= ENOUGH || error.operation() == REGISTRATION =>
                {
                    return Judgement::Ask(Suspect::Platform);
                }
                ErrorClass::Transient | ErrorClass::Contract | ErrorClass::WorkGone => {
                    Reach::Connector
                }
            },
            // This one queue may be what does not take messages.
            Self::Queue(error) if error.kind == DeliveryErrorKind::Unavailable => {
                return Judgement::Ask(Suspect::Broker);
            }
            Self::Broker(error) | Self::Queue(error) => Reach::of_way(error.kind),
            Self::Full(_) => Reach::Connector,
        })
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

    fn delivery(kind: DeliveryErrorKind) -> DeliveryError {
        DeliveryError {
            kind,
            confirmed: 0,
            doubtful: 0,
            message: "no".into(),
            source: None,
        }
    }

    fn queue(kind: DeliveryErrorKind) -> Trouble {
        Trouble::Queue(delivery(kind))
    }

    fn broker(kind: DeliveryErrorKind) -> Trouble {
        Trouble::Broker(delivery(kind))
    }

    #[test]
    fn a_full_queue_is_its_connector_s_matter_and_no_failure_for_now() {
        for full in [
            Trouble::Full(QueueFull::default()),
            queue(DeliveryErrorKind::Full),
        ] {
            assert_eq!(full.reach(5), Judgement::Known(Reach::Connector));
            assert_eq!(full.code(), Code::QueueFull);
            assert!(!full.is_transient());
        }
        assert!(!api(ErrorClass::Contract).is_transient());
        assert!(api(ErrorClass::Transient).is_transient());
        assert!(queue(DeliveryErrorKind::Unavailable).is_transient());
        assert!(!queue(DeliveryErrorKind::Unavailable).is_stop());
        assert!(queue(DeliveryErrorKind::Stopped).is_stop());
        assert!(broker(DeliveryErrorKind::Stopped).is_stop());
    }

    #[test]
    fn a_failure_reaches_as_far_as_its_cause() {
        use Interruption::{Broker, Credentials, Stopped};
        use Reach::{Connector, Everything};
        for (trouble, before, expect) in [
            (api(ErrorClass::Transient), 0, Connector),
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
            (queue(DeliveryErrorKind::Denied), 0, Everything(Broker)),
            (queue(DeliveryErrorKind::Stopped), 0, Everything(Stopped)),
            (broker(DeliveryErrorKind::Unroutable), 5, Connector),
            (broker(DeliveryErrorKind::Contract), 5, Connector),
            (
                broker(DeliveryErrorKind::Unavailable),
                0,
                Everything(Broker),
            ),
            (broker(DeliveryErrorKind::Denied), 0, Everything(Broker)),
            (broker(DeliveryErrorKind::Stopped), 0, Everything(Stopped)),
        ] {
            let judged = trouble.reach(before);
            assert_eq!(judged, Judgement::Known(expect), "{trouble:?} {before}");
        }
    }

    #[test]
    fn who_may_be_away_is_asked() {
        let trouble = queue(DeliveryErrorKind::Unavailable);
        assert_eq!(trouble.reach(0), Judgement::Ask(Suspect::Broker));
        let trouble = api(ErrorClass::Transient);
        assert_eq!(trouble.reach(1), Judgement::Ask(Suspect::Platform));
        // One that fails is remembered, so it is known whose fault it is.
        let error = ApiError::new("registerConnector", ErrorClass::Transient, "no");
        let trouble = Trouble::Platform(error);
        assert_eq!(trouble.reach(0), Judgement::Ask(Suspect::Platform));
    }

    #[test]
    fn a_registration_fails_unless_it_is_refused_or_somebody_else_is_at_work() {
        use ErrorClass::{Contract, Credentials, Forbidden, Transient};
        for (operation, class, code, expect) in [
            ("registerConnector", Transient, None, true),
            ("registerConnector", Transient, Some("DATABASE_ERROR"), true),
            ("registerConnector", Contract, None, false),
            ("registerConnector", Transient, Some("LOCK_ERROR"), false),
            ("registerConnector", Credentials, None, false),
            ("registerConnector", Forbidden, None, false),
            ("workAdd", Transient, None, false),
        ] {
            let error = ApiError::new(operation, class, "no");
            let error = match code {
                Some(code) => error.with_code(code),
                None => error,
            };
            let got = Trouble::Platform(error).is_failed_registration();
            assert_eq!(got, expect, "{operation} {class:?} {code:?}");
        }
        assert!(!queue(DeliveryErrorKind::Unavailable).is_failed_registration());
    }

    #[test]
    fn a_failure_is_its_connector_s_matter_where_the_others_are_there() {
        use Interruption::{Broker, Credentials, Platform, Stopped};
        use Reach::{Connector, Everything};
        for (answer, expect) in [
            (Ok(()), Connector),
            (Err(api(ErrorClass::Contract)), Connector),
            (Err(api(ErrorClass::Forbidden)), Connector),
            (Err(api(ErrorClass::WorkGone)), Connector),
            (Err(api(ErrorClass::Transient)), Everything(Platform)),
            (Err(api(ErrorClass::Credentials)), Everything(Credentials)),
            (
                Err(broker(DeliveryErrorKind::Unavailable)),
                Everything(Broker),
            ),
            (Err(broker(DeliveryErrorKind::Denied)), Everything(Broker)),
            (Err(broker(DeliveryErrorKind::Stopped)), Everything(Stopped)),
            (Err(broker(DeliveryErrorKind::Contract)), Connector),
        ] {
            assert_eq!(Reach::by(&answer), expect, "{answer:?}");
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
