//! What a connector asks of the platform, as a trait, and the values that pass.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Account, ApiError, Applicant, BrokerAddress, Ping, PlatformVersion, QueueDetails, Route,
    Secret, WorkProgress,
};

/// The kinds of connector that the platform knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectorType {
    /// `EXTERNAL_IMPORT`
    ExternalImport,
    /// `INTERNAL_IMPORT_FILE`
    InternalImportFile,
    /// `INTERNAL_ENRICHMENT`
    InternalEnrichment,
    /// `INTERNAL_ANALYSIS`, known to platforms from 6.1.12 on
    InternalAnalysis,
    /// `INTERNAL_EXPORT_FILE`
    InternalExportFile,
    /// `STREAM`
    Stream,
}

/// A name that is none of the platform's connector types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown connector type {0:?}")]
pub struct UnknownConnectorType(pub String);

impl ConnectorType {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::ExternalImport,
        Self::InternalImportFile,
        Self::InternalEnrichment,
        Self::InternalAnalysis,
        Self::InternalExportFile,
        Self::Stream,
    ];

    /// The platform's name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExternalImport => "EXTERNAL_IMPORT",
            Self::InternalImportFile => "INTERNAL_IMPORT_FILE",
            Self::InternalEnrichment => "INTERNAL_ENRICHMENT",
            Self::InternalAnalysis => "INTERNAL_ANALYSIS",
            Self::InternalExportFile => "INTERNAL_EXPORT_FILE",
            Self::Stream => "STREAM",
        }
    }
}

impl fmt::Display for ConnectorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ConnectorType {
    type Err = UnknownConnectorType;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or_else(|| UnknownConnectorType(name.to_owned()))
    }
}

/// A connector as it is registered. `auto` is always told as false: a connector that nobody runs
/// must not attract jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The connector's id, a UUID in practice.
    pub id: String,
    /// Its name, at least two characters on platforms from 6.9.0 on.
    pub name: String,
    /// Its kind.
    pub connector_type: ConnectorType,
    /// What it handles; may be empty.
    pub scope: Vec<String>,
}

/// A connector that is registered on the platform, as the platform tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownConnector {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its type, which may be one that [`ConnectorType`] does not have; `None` where it has none.
    pub connector_type: Option<String>,
}

/// What the platform answers to a registration.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The connector's state as the platform keeps it: absent, empty, or a JSON text.
    pub state: Option<String>,
    /// Where the connector's messages go.
    pub route: Route,
    /// The broker they go through.
    pub broker: BrokerAddress,
}

/// The platform's own S3 storage, with the keys to it.
#[derive(Clone, Debug)]
pub struct S3Connection {
    /// A host, without scheme and port.
    pub endpoint: String,
    /// Its port.
    pub port: u16,
    /// Whether it speaks TLS.
    pub use_ssl: bool,
    /// The bucket.
    pub bucket_name: String,
    /// The bucket's region.
    pub bucket_region: String,
    /// The id of the key.
    pub access_key: Secret,
    /// The key.
    pub secret_key: Secret,
}

/// The id of a work.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WorkId(pub String);

impl fmt::Display for WorkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a draft workspace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DraftId(pub String);

/// How a work ended on the sender's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkEnd {
    /// Everything that was to be sent is sent.
    Sent,
    /// It was not; the message says why.
    InError,
}

/// A bundle that the platform is to queue for a connector. `Debug` shows how long the bundle is, and
/// nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct BundlePush<'a> {
    /// The connector whose queue it goes to.
    pub connector_id: &'a str,
    /// The work that its objects belong to; `None` lets the platform open one of its own, which is
    /// all that platforms before 6.5.7 can do.
    pub work: Option<&'a WorkId>,
    /// The account in whose name it is imported; `None`, or a token without the bypass capability:
    /// the token's own.
    pub applicant_id: Option<&'a str>,
    /// The bundle, as JSON.
    pub bundle: String,
}

impl fmt::Debug for BundlePush<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BundlePush")
            .field("connector_id", &self.connector_id)
            .field("work", &self.work)
            .field("applicant_id", &self.applicant_id)
            .field("bundle", &format_args!("{} bytes", self.bundle.len()))
            .finish()
    }
}

/// A file for the workbench. `Debug` shows how long its content is, and nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct PendingFile {
    /// Its name there, such as `work_1.json`.
    pub name: String,
    /// Its content: a bundle, as JSON.
    pub content: Bytes,
}

impl fmt::Debug for PendingFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingFile")
            .field("name", &self.name)
            .field("content", &format_args!("{} bytes", self.content.len()))
            .finish()
    }
}

/// The platform's API, as far as an importing connector needs it.
///
/// An implementation retries by itself what is idempotent or was surely not sent; what comes out
/// as [`ErrorClass::Transient`](crate::ErrorClass::Transient) has been tried often enough for now.
#[async_trait]
pub trait Platform: Send + Sync {
    /// The platform's version (`about`); `None` where it answers but not with a readable version.
    ///
    /// # Errors
    /// [`ApiError`]
    async fn version(&self) -> Result<Option<PlatformVersion>, ApiError>;

    /// Registers a connector, or registers it again.
    ///
    /// # Errors
    /// [`ApiError`]
    async fn register_connector(&self, registration: &Registration)
    -> Result<Registered, ApiError>;

    /// The platform's own storage, which it tells a connector that it registers; `None` where the
    /// platform does not tell it, which it does from 6.9.10 on.
    ///
    /// It is a registration of its own, so the connector is registered (again) when this succeeds.
    /// [`register_connector`](Self::register_connector) does not ask for it, because a platform
    /// that is let into its storage without keys fails the whole answer.
    ///
    /// # Errors
    /// [`ApiError`]
    async fn platform_storage(
        &self,
        registration: &Registration,
    ) -> Result<Option<S3Connection>, ApiError>;

    /// Says that a connector is alive, and hands in its state. Returns the state that the platform
    /// holds afterwards: another one if it was reset meanwhile.
    ///
    /// # Errors
    /// [`ApiError`]
    async fn ping_connector(&self, ping: &Ping<'_>) -> Result<Option<String>, ApiError>;

    /// Opens a work of a connector (`workAdd`).
    ///
    /// # Errors
    /// [`ApiError`]
    async fn add_work(&self, connector_id: &str, name: &str) -> Result<WorkId, ApiError>;

    /// Adds to the number of messages that a work expects; a negative number gives back.
    ///
    /// From 6.8.7 on the platform's workers drop the messages of a work that is not alive: one that a
    /// user deleted, that the platform ended, or that Redis lost. So where the platform tells that,
    /// announcing messages for such a work fails. It may stop being alive afterwards; ask
    /// [`is_work_alive`](Self::is_work_alive) once the last message is confirmed.
    ///
    /// # Errors
    /// [`ApiError`]; of the class [`WorkGone`](crate::ErrorClass::WorkGone) where the work is not
    /// alive.
    async fn add_expectations(&self, work: &WorkId, count: i32) -> Result<(), ApiError>;

    /// Reports one expectation as processed, or as failed with `error` (`reportExpectation`).
    ///
    /// # Errors
    /// [`ApiError`]
    async fn report_expectation(&self, work: &WorkId, error: Option<&str>) -> Result<(), ApiError>;

    /// Says that the sender is done with a work (`toProcessed`).
    ///
    /// # Errors
    /// [`ApiError`]
    async fn finish_work(&self, work: &WorkId, message: &str, end: WorkEnd)
    -> Result<(), ApiError>;

    /// Creates a draft workspace (platform 6.4.0 and newer).
    ///
    /// # Errors
    /// [`ApiError`]
    async fn add_draft(&self, name: &str) -> Result<DraftId, ApiError>;

    /// Ties a work to a draft (platform 6.5.0 and newer).
    ///
    /// # Errors
    /// [`ApiError`]
    async fn add_draft_context(&self, work: &WorkId, draft: &DraftId) -> Result<(), ApiError>;

    /// Puts a file into the workbench, where a person validates it (`uploadPending`).
    ///
    /// # Errors
    /// [`ApiError`]; of the class [`Forbidden`](crate::ErrorClass::Forbidden) where our account
    /// lacks the capability `KNOWLEDGE_KNASKIMPORT`.
    async fn upload_pending(&self, file: &PendingFile) -> Result<(), ApiError>;

    /// Hands a bundle to the platform, which queues it (`stixBundlePush`, platform 6.2.6 and
    /// newer).
    ///
    /// # Errors
    /// [`ApiError`]
    async fn push_bundle(&self, push: BundlePush<'_>) -> Result<(), ApiError>;

    /// How far a work is; `None` where the platform knows it no longer.
    ///
    /// # Errors
    /// [`ApiError`]; of the class [`Forbidden`](crate::ErrorClass::Forbidden) where our account
    /// lacks the capability `MODULES`, which sending does not need.
    async fn work(&self, work: &WorkId) -> Result<Option<WorkProgress>, ApiError>;

    /// Whether the workers still import what belongs to a work; `None` where the platform cannot
    /// be asked, which it can from 6.8.7 on. Before, workers import it in any case.
    ///
    /// To about 7.2604 a work that was told to be finished, and is, counts as not alive, too.
    ///
    /// # Errors
    /// [`ApiError`]; of the class [`Forbidden`](crate::ErrorClass::Forbidden) where our account
    /// lacks the capability `MODULES`, on platforms from 6.8.7 to 6.9.18: later ones tell it to
    /// every account.
    async fn is_work_alive(&self, work: &WorkId) -> Result<Option<bool>, ApiError>;

    /// What lies in a connector's push queue; `None` where the platform does not know the
    /// connector, or cannot be asked, which it can from 6.1.12 on.
    ///
    /// # Errors
    /// [`ApiError`]; of the class [`Forbidden`](crate::ErrorClass::Forbidden) as for
    /// [`work`](Self::work).
    async fn queue_details(&self, connector_id: &str) -> Result<Option<QueueDetails>, ApiError>;

    /// All connectors that are registered on the platform, whoever registered them.
    ///
    /// # Errors
    /// [`ApiError`]; of the class [`Forbidden`](crate::ErrorClass::Forbidden) where our account
    /// lacks the capability `MODULES`, which sending does not need.
    async fn connectors(&self) -> Result<Vec<KnownConnector>, ApiError>;

    /// The account that our token is of.
    ///
    /// # Errors
    /// [`ApiError`]
    async fn me(&self) -> Result<Account, ApiError>;

    /// Whether there is a user with that id, so that messages can name it as their applicant.
    ///
    /// # Errors
    /// [`ApiError`]
    async fn applicant(&self, user_id: &str) -> Result<Applicant, ApiError>;
}
