//! The operations, derived from their documents under `graphql/`.

use graphql_client::GraphQLQuery;

use self::register_connector::ConnectorType as WireType;
use crate::ConnectorType;

/// An operation as it is sent.
///
/// The name is what an operator reads in errors: the field of the API, or of `workEdit`.
pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) repeat: Repeat,
}

/// Whether an operation may be sent again when nobody knows whether the platform has seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Doing it twice is as good as once.
    Harmless,
    /// Doing it twice would count, or create, twice, or hide what the first time was told.
    OnlyIfUnseen,
}

pub(super) const ABOUT: Operation = harmless("about");
pub(super) const REGISTER_CONNECTOR: Operation = harmless("registerConnector");
/// The first one after a reset clears the sign of it, and is told; a second one stores what it says.
pub(super) const PING_CONNECTOR: Operation = once("pingConnector");
pub(super) const WORK_ADD: Operation = once("workAdd");
pub(super) const ADD_EXPECTATIONS: Operation = once("addExpectations");
pub(super) const REPORT_EXPECTATION: Operation = once("reportExpectation");
pub(super) const TO_PROCESSED: Operation = harmless("toProcessed");
pub(super) const ADD_DRAFT_CONTEXT: Operation = harmless("addDraftContext");
pub(super) const DRAFT_WORKSPACE_ADD: Operation = once("draftWorkspaceAdd");
pub(super) const UPLOAD_PENDING: Operation = once("uploadPending");
pub(super) const STIX_BUNDLE_PUSH: Operation = once("stixBundlePush");
pub(super) const WORK: Operation = harmless("work");
pub(super) const IS_WORK_ALIVE: Operation = harmless("isWorkAlive");
pub(super) const QUEUE_DETAILS: Operation = harmless("connector");
pub(super) const CONNECTORS: Operation = harmless("connectors");
pub(super) const ME: Operation = harmless("me");

const fn harmless(name: &'static str) -> Operation {
    Operation {
        name,
        repeat: Repeat::Harmless,
    }
}

const fn once(name: &'static str) -> Operation {
    Operation {
        name,
        repeat: Repeat::OnlyIfUnseen,
    }
}

/// A point in time, as RFC 3339 writes it.
type DateTime = String;

/// Derives an operation from its document.
macro_rules! operation {
    ($name:ident, $document:tt) => {
        #[derive(GraphQLQuery)]
        #[graphql(schema_path = "graphql/schema.graphql", query_path = $document)]
        pub(super) struct $name;
    };
}

operation!(About, "graphql/about.graphql");
operation!(PingConnector, "graphql/ping_connector.graphql");
operation!(
    PingConnectorWithInfo,
    "graphql/ping_connector_with_info.graphql"
);
operation!(Connectors, "graphql/connectors.graphql");
operation!(WorkAdd, "graphql/work_add.graphql");
operation!(AddExpectations, "graphql/add_expectations.graphql");
operation!(ReportExpectation, "graphql/report_expectation.graphql");
operation!(ToProcessed, "graphql/to_processed.graphql");
operation!(AddDraftContext, "graphql/add_draft_context.graphql");
operation!(DraftWorkspaceAdd, "graphql/draft_workspace_add.graphql");
/// A file in a request of several parts: null among the variables.
type Upload = ();

operation!(UploadPending, "graphql/upload_pending.graphql");
operation!(StixBundlePush, "graphql/stix_bundle_push.graphql");
operation!(
    StixBundlePushToWork,
    "graphql/stix_bundle_push_to_work.graphql"
);
operation!(Work, "graphql/work.graphql");
operation!(IsWorkAlive, "graphql/is_work_alive.graphql");
operation!(QueueDetails, "graphql/queue_details.graphql");
operation!(Me, "graphql/me.graphql");

// A key that a platform does not know is refused even where it says nothing, so none is written.
#[derive(GraphQLQuery)]
#[graphql(
    schema_path = "graphql/schema.graphql",
    query_path = "graphql/register_connector.graphql",
    skip_serializing_none
)]
pub(super) struct RegisterConnector;

/// The same registration, with another question.
#[derive(GraphQLQuery)]
#[graphql(
    schema_path = "graphql/schema.graphql",
    query_path = "graphql/platform_storage.graphql",
    variable_types("super::register_connector::RegisterConnectorInput")
)]
pub(super) struct PlatformStorage;

impl From<ConnectorType> for WireType {
    fn from(kind: ConnectorType) -> Self {
        match kind {
            ConnectorType::ExternalImport => Self::EXTERNAL_IMPORT,
            ConnectorType::InternalImportFile => Self::INTERNAL_IMPORT_FILE,
            ConnectorType::InternalEnrichment => Self::INTERNAL_ENRICHMENT,
            ConnectorType::InternalAnalysis => Self::INTERNAL_ANALYSIS,
            ConnectorType::InternalExportFile => Self::INTERNAL_EXPORT_FILE,
            ConnectorType::Stream => Self::STREAM,
        }
    }
}
