//! What the account of our token must be allowed to do.

use crate::PlatformVersion;
use crate::features::Feature;

/// A capability of the platform's roles that one of our operations needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Capability {
    /// To be a connector: all that importing needs on platforms from 6.0.9 on.
    ConnectorApi,
    /// To open works, on platforms before 6.0.9.
    AskImport,
    /// To make drafts.
    Knowledge,
    /// To put files into the workbench.
    Workbench,
    /// To look at works and queues. Importing does without.
    Modules,
}

impl Capability {
    /// The capability that an operation of ours needs; `None` where any account may do it.
    pub(crate) fn of(operation: &str, version: Option<PlatformVersion>) -> Option<Self> {
        match operation {
            "registerConnector" | "pingConnector" | "stixBundlePush" => Some(Self::ConnectorApi),
            "workAdd" | "addExpectations" | "reportExpectation" | "toProcessed"
            | "addDraftContext" => Some(if Feature::WorksOfConnectors.is_in(version) {
                Self::ConnectorApi
            } else {
                Self::AskImport
            }),
            "draftWorkspaceAdd" => Some(Self::Knowledge),
            "uploadPending" => Some(Self::Workbench),
            "work" | "isWorkAlive" | "connector" => Some(Self::Modules),
            _ => None,
        }
    }

    /// The platform's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConnectorApi => "CONNECTORAPI",
            Self::AskImport | Self::Workbench => "KNOWLEDGE_KNASKIMPORT",
            Self::Knowledge => "KNOWLEDGE",
            Self::Modules => "MODULES",
        }
    }

    /// What does not work without it, for an operator.
    pub fn consequence(self) -> &'static str {
        match self {
            Self::ConnectorApi => "nothing can be imported",
            Self::AskImport => "nothing can be imported into a platform before 6.0.9",
            Self::Knowledge => "files that are to be validated in a draft wait",
            Self::Workbench => "files that are to be validated in the workbench wait",
            Self::Modules => "works and queues cannot be looked at; importing goes on",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Capability::{AskImport, ConnectorApi, Knowledge, Modules, Workbench};

    #[test]
    fn operations_need_what_the_platform_says() {
        check("about", "6.9.28", None);
        check("me", "6.9.28", None);
        check("registerConnector", "6.0.0", Some(ConnectorApi));
        check("pingConnector", "6.0.0", Some(ConnectorApi));
        check("stixBundlePush", "6.2.6", Some(ConnectorApi));
        check("workAdd", "6.0.8", Some(AskImport));
        check("workAdd", "6.0.9", Some(ConnectorApi));
        check("toProcessed", "6.0.8", Some(AskImport));
        check("toProcessed", "7.260318.0", Some(ConnectorApi));
        // Such a token registered, so what it lacks is what an old platform wants besides.
        check("addExpectations", "next", Some(AskImport));
        check("draftWorkspaceAdd", "6.6.0", Some(Knowledge));
        check("uploadPending", "6.0.0", Some(Workbench));
        check("isWorkAlive", "6.8.7", Some(Modules));
    }

    fn check(operation: &str, version: &str, expect: Option<Capability>) {
        let found = Capability::of(operation, PlatformVersion::parse(version));
        assert_eq!(found, expect, "{operation} {version}");
    }
}
