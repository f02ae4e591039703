//! What can become of a file, and the stable codes that say why.

use std::fmt;
use std::str::FromStr;

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Every object that the platform takes was delivered.
    Imported,
    /// Delivered but for some objects, which are broken; the file was set aside.
    Partial,
    /// Nothing of it can be imported; the file was set aside.
    Rejected,
    /// It is JSON, but no envelope: somebody else's file, left where it is.
    Ignored,
    /// It stays where it is, and is tried again.
    Waiting,
}

impl Outcome {
    const ALL: [Self; 5] = [
        Self::Imported,
        Self::Partial,
        Self::Rejected,
        Self::Ignored,
        Self::Waiting,
    ];

    /// The stable name, as logs, reports and the ledger have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Partial => "partial",
            Self::Rejected => "rejected",
            Self::Ignored => "ignored",
            Self::Waiting => "waiting",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Outcome {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == name)
            .ok_or_else(|| name.to_owned())
    }
}

/// Why a file was not imported whole, or not by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The text is no JSON.
    InvalidJson,
    /// The bytes are no UTF-8.
    InvalidUtf8,
    /// More bytes than allowed.
    TooLarge,
    /// Values nested deeper than allowed.
    TooDeep,
    /// More objects than allowed.
    TooManyObjects,
    /// The envelope's `connector` is missing, or cannot be registered.
    InvalidConnector,
    /// The envelope's `bundle` is missing, or is no bundle.
    InvalidBundle,
    /// The bundle holds no object that could be sent.
    NothingToImport,
    /// Some objects were sent, others are broken.
    Partial,
    /// The file is no envelope.
    NotAnEnvelope,
    /// The file cannot be read, or not now.
    Unreadable,
    /// The platform did not answer, or refused for now.
    Platform,
    /// The broker did not take the messages, or not all of them.
    Queue,
    /// The envelope asks for validation, which this platform's version cannot do yet.
    ValidationUnavailable,
    /// Its applicant has no mapping, and the settings want one.
    UnmappedApplicant,
    /// The settings list the connectors whose files are imported, and its connector is not among them.
    ConnectorNotAllowed,
    /// Its connector is new, and the settings allow no more new ones for now.
    TooManyNewConnectors,
    /// Its connector exists on the platform with another type.
    ConnectorExists,
    /// The source connector's queue is too full for more.
    QueueFull,
    /// The peer imported it before us, as far as its watermark tells; we sent nothing.
    ImportedBefore,
    /// A file with the same content was imported not long ago; nothing was sent again.
    AlreadyImported,
}

impl Code {
    const ALL: [Self; 21] = [
        Self::InvalidJson,
        Self::InvalidUtf8,
        Self::TooLarge,
        Self::TooDeep,
        Self::TooManyObjects,
        Self::InvalidConnector,
        Self::InvalidBundle,
        Self::NothingToImport,
        Self::Partial,
        Self::NotAnEnvelope,
        Self::Unreadable,
        Self::Platform,
        Self::Queue,
        Self::ValidationUnavailable,
        Self::UnmappedApplicant,
        Self::ConnectorNotAllowed,
        Self::TooManyNewConnectors,
        Self::ConnectorExists,
        Self::QueueFull,
        Self::ImportedBefore,
        Self::AlreadyImported,
    ];

    /// The stable name, as logs, reports, reason files and the ledger have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid-json",
            Self::InvalidUtf8 => "invalid-utf8",
            Self::TooLarge => "too-large",
            Self::TooDeep => "too-deep",
            Self::TooManyObjects => "too-many-objects",
            Self::InvalidConnector => "invalid-connector",
            Self::InvalidBundle => "invalid-bundle",
            Self::NothingToImport => "nothing-to-import",
            Self::Partial => "partial",
            Self::NotAnEnvelope => "not-an-envelope",
            Self::Unreadable => "unreadable",
            Self::Platform => "platform",
            Self::Queue => "queue",
            Self::ValidationUnavailable => "validation-unavailable",
            Self::UnmappedApplicant => "unmapped-applicant",
            Self::ConnectorNotAllowed => "connector-not-allowed",
            Self::TooManyNewConnectors => "too-many-new-connectors",
            Self::ConnectorExists => "connector-exists",
            Self::QueueFull => "queue-full",
            Self::ImportedBefore => "imported-before",
            Self::AlreadyImported => "already-imported",
        }
    }

    /// Whether a file that is still being copied could look like this.
    pub fn may_be_unfinished(self) -> bool {
        self.is_of_the_bytes()
    }

    /// Whether a file that is no envelope could look like this: nothing says whose it is.
    pub fn may_be_anybodys(self) -> bool {
        self.is_of_the_bytes()
    }

    /// Whether the file was not even understood as JSON.
    fn is_of_the_bytes(self) -> bool {
        matches!(
            self,
            Self::InvalidJson | Self::InvalidUtf8 | Self::TooLarge | Self::TooDeep
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Code {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|code| code.as_str() == name)
            .ok_or_else(|| name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for outcome in Outcome::ALL {
            assert_eq!(outcome.as_str().parse(), Ok(outcome));
        }
        for code in Code::ALL {
            assert_eq!(code.as_str().parse(), Ok(code));
        }
        assert!("imported ".parse::<Outcome>().is_err());
        assert!("".parse::<Code>().is_err());
    }
}
