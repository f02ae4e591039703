//! The settings as the program uses them: checked, typed and complete.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use diode_core::{ConnectorPolicy, StandIn, Unsaid, UserMapping, ValidationMode};
use opencti_client::{ConnectorType, HttpProxy, Secret, TlsOptions};
use stix_bundle::{ContentPolicy, Limits, Profile};
use url::Url;

use super::s3::S3Settings;

/// All settings. Only [`Settings::load`] builds them.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The platform.
    pub(crate) opencti: OpenCti,
    /// This connector.
    pub(crate) connector: Connector,
    /// What is imported, and how.
    pub(crate) diode_import: DiodeImport,
    /// What overrules the broker's address that the platform tells.
    pub(crate) mq: Mq,
}

/// Section `opencti`.
#[derive(Clone, Debug)]
pub(crate) struct OpenCti {
    /// The platform's address, as given: with or without a base path and a slash at its end, without
    /// `/graphql`.
    pub(crate) url: Url,
    /// The bearer token.
    pub(crate) token: Secret,
    /// How the platform's certificate is verified.
    pub(crate) tls: TlsOptions,
    /// Headers that go with every request, by name.
    pub(crate) headers: Vec<(String, Secret)>,
    /// The proxy that the platform is reached through, if any.
    pub(crate) proxy: Option<HttpProxy>,
    /// JSON lines instead of text.
    pub(crate) json_logging: bool,
}

/// Section `connector`.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_field_names,
    reason = "config.yml calls the field `type`, a keyword"
)]
pub(crate) struct Connector {
    /// This connector's id.
    pub(crate) id: String,
    /// Its name, at least two characters.
    pub(crate) name: String,
    /// Its type.
    pub(crate) connector_type: ConnectorType,
    /// Its scope.
    pub(crate) scope: Vec<String>,
    /// The least severe level that is logged.
    pub(crate) log_level: LogLevel,
    /// One pass, then exit.
    pub(crate) run_and_terminate: bool,
    /// From the start of one pass to the start of the next; not zero unless there is only one.
    pub(crate) duration_period: Duration,
    /// How bundles reach the workers.
    pub(crate) queue_protocol: QueueProtocol,
    /// How full a source connector's queue may be, in megabytes of 1,000,000 bytes.
    pub(crate) queue_threshold: u64,
    /// Whether they are sent at all.
    pub(crate) send_to_queue: Sending,
    /// What becomes of imports whose envelope does not say whether they are validated first.
    pub(crate) validate_before_import: Unsaid,
    /// The metrics that are served, if they are.
    pub(crate) metrics: Option<MetricsSettings>,
}

/// Metrics that are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MetricsSettings {
    /// The address of this machine, which may stand for all.
    pub(crate) address: IpAddr,
    /// The TCP port.
    pub(crate) port: u16,
    /// What all their names begin with, without the underscore that follows it.
    pub(crate) prefix: Option<String>,
}

/// The least severe level that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogLevel {
    /// Everything that this program says.
    Trace,
    /// What helps to understand a single file's way.
    Debug,
    /// What was done.
    Info,
    /// What should not be.
    Warn,
    /// What failed.
    Error,
}

/// How bundles reach the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueProtocol {
    /// One object at a time, over the broker.
    Amqp,
    /// In as few pieces as may be, over the platform's API.
    Api,
}

/// Whether bundles are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// They are.
    ForReal,
    /// It is only said what would be sent.
    Rehearsal,
}

/// What the content of files is judged by, wherever they come from.
#[derive(Clone, Debug)]
pub(crate) struct ContentRules {
    /// Limits on what comes from the other side.
    pub(crate) limits: Limits,
    /// What objects must not be or carry.
    pub(crate) policy: ContentPolicy,
}

impl ContentRules {
    /// Which objects are sent.
    pub(crate) fn profile(&self) -> Profile {
        Profile::opencti().with_content_policy(self.policy.clone())
    }
}

/// Section `diode_import`.
#[derive(Clone, Debug)]
pub(crate) struct DiodeImport {
    /// The directory that files are imported from, if they are.
    pub(crate) directory: Option<DirectorySettings>,
    /// The bucket that files are imported from, if they are.
    pub(crate) s3: Option<S3Settings>,
    /// Imported files are deleted, not kept.
    pub(crate) delete_after_import: bool,
    /// Users of the other platform, and who they are on this one, by id.
    pub(crate) applicant_mappings: UserMapping,
    /// The same for single connectors, by their ids.
    pub(crate) own_applicant_mappings: BTreeMap<String, UserMapping>,
    /// Who stands in for those that are not mapped.
    pub(crate) stand_in: StandIn,
    /// The directory of the ledger.
    pub(crate) state_path: PathBuf,
    /// How long a file that cannot be parsed must be unchanged before it is rejected.
    pub(crate) settle: Duration,
    /// The directory for rejected files; `None`: `rejected` in the directory they come from.
    pub(crate) rejected_path: Option<PathBuf>,
    /// What the content of files is judged by.
    pub(crate) content: ContentRules,
    /// Which source connectors may be registered.
    pub(crate) connectors: ConnectorPolicy,
    /// After how many days rejected files are deleted; `None`: never.
    pub(crate) rejected_retention_days: Option<u32>,
    /// For how many hours imported content is not sent again; `None`: it is each time.
    pub(crate) skip_known_hours: Option<u32>,
    /// How many bytes of files may be in memory.
    pub(crate) max_in_flight_bytes: u64,
    /// Who decides whether imports are validated first.
    pub(crate) validation_mode: ValidationMode,
    /// The largest request body that the platform takes, in bytes.
    pub(crate) api_body_bytes: usize,
}

/// Section `mq`: each part on its own overrules what the platform tells of the broker. What is said
/// of TLS holds for every broker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mq {
    /// The broker's host.
    pub(crate) host: Option<String>,
    /// Its port.
    pub(crate) port: Option<u16>,
    /// The virtual host.
    pub(crate) vhost: Option<String>,
    /// TLS to the broker.
    pub(crate) use_ssl: Option<bool>,
    /// The user.
    pub(crate) user: Option<String>,
    /// The user's password.
    pub(crate) password: Option<Secret>,
    /// How its certificate is verified and who we are, where TLS is spoken.
    pub(crate) tls: TlsOptions,
}

/// A directory that files are imported from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DirectorySettings {
    /// The directory.
    pub(crate) path: PathBuf,
    /// After how many days kept files are deleted; `None`: never.
    pub(crate) retention_days: Option<u32>,
    /// Files are imported as soon as they arrive.
    pub(crate) watch: bool,
}
