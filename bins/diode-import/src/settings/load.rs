//! Loads the settings: lays the sources over each other, reads each setting, reports all problems.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use diode_core::ConnectorPolicy;
use stix_bundle::{ContentPolicy, Limits, Profile, TypePattern};

use super::applicants::{Applicants, applicants};
use super::forms;
use super::layers::Layers;
use super::metrics::metrics;
use super::model::{Connector, ContentRules, DiodeImport, Sending, Settings};
use super::problem::Refusal;
use super::reader::{Reader, range};
use super::s3;
use super::setting::Setting;
use super::sources::sources;
use super::state_path::default_state_path;
use super::table;
use super::transport::{mq, opencti};
use super::unknown::idle_variables;

/// What settings are made from. Nothing else is read.
pub(crate) struct Inputs<'a> {
    /// The environment's variables.
    pub(crate) environment: BTreeMap<String, String>,
    /// The path of the config.yml and its content, where there is one.
    pub(crate) config: Option<(PathBuf, String)>,
    /// Reads a file that a `_FILE` variable names.
    pub(crate) read: &'a dyn Fn(&Path) -> io::Result<String>,
}

/// What was loaded, and what to warn of.
#[derive(Clone, Debug)]
pub(crate) struct Loaded<T> {
    /// The settings.
    pub(crate) value: T,
    /// What looks like a mistake, a line each.
    pub(crate) warnings: Vec<String>,
}

impl Settings {
    /// Loads all settings.
    ///
    /// # Errors
    /// [`Refusal`], with all that is wrong.
    pub(crate) fn load(inputs: &Inputs<'_>) -> Result<Loaded<Self>, Refusal> {
        let mut reader = reader(inputs);
        reader.warnings.extend(idle_variables(&inputs.environment));
        reader.warn_of_quotes();
        let opencti = opencti(&mut reader);
        let connector = connector(&mut reader);
        let diode_import = diode_import(&mut reader, &inputs.environment);
        let mq = mq(&mut reader);
        if let (Some(connector), Some(diode_import)) = (&connector, &diode_import) {
            refuse_in_part(&mut reader, connector, diode_import);
            warn_of_unserved(&mut reader, connector);
        }
        let settings = match (opencti, connector, diode_import) {
            (Some(opencti), Some(connector), Some(diode_import)) => Some(Self {
                opencti,
                connector,
                diode_import,
                mq,
            }),
            _ => None,
        };
        conclude(reader, settings)
    }
}

/// Loads the rules for the content of files alone, whatever else is missing or wrong.
///
/// # Errors
/// [`Refusal`], with all that is wrong with these, or with the files that settings are in.
pub(crate) fn load_content_rules(inputs: &Inputs<'_>) -> Result<Loaded<ContentRules>, Refusal> {
    let mut reader = reader(inputs);
    let rules = content_rules(&mut reader);
    conclude(reader, rules)
}

/// Loads the path of the ledger's folder alone, whatever else is missing or wrong.
///
/// # Errors
/// [`Refusal`], with all that is wrong with it, or with the files that settings are in.
pub(crate) fn load_state_path(inputs: &Inputs<'_>) -> Result<Loaded<PathBuf>, Refusal> {
    let mut reader = reader(inputs);
    let path = state_path(&mut reader, &inputs.environment);
    conclude(reader, path)
}

/// A reader of what was given, and of the defaults.
pub(super) fn reader(inputs: &Inputs<'_>) -> Reader {
    let mut layers = Layers::new();
    if let Some((path, content)) = &inputs.config {
        layers.add_config_file(path, content);
    }
    layers.add_environment(&inputs.environment, inputs.read);
    Reader::new(layers)
}

fn conclude<T>(reader: Reader, value: Option<T>) -> Result<Loaded<T>, Refusal> {
    let Reader {
        problems, warnings, ..
    } = reader;
    match value {
        Some(value) if problems.is_empty() => Ok(Loaded { value, warnings }),
        _ => Err(Refusal { problems, warnings }),
    }
}

// Each of these reads all its settings before it looks whether one failed, so that no problem hides
// another.

fn connector(reader: &mut Reader) -> Option<Connector> {
    let id = reader.required(&table::CONNECTOR_ID, forms::uuid);
    let name = reader.required(&table::CONNECTOR_NAME, forms::connector_name);
    let connector_type = reader.required(&table::CONNECTOR_TYPE, forms::connector_type);
    let scope = reader.required(&table::CONNECTOR_SCOPE, forms::list);
    let log_level = reader.required(&table::CONNECTOR_LOG_LEVEL, forms::log_level);
    let run_and_terminate = reader.required(&table::CONNECTOR_RUN_AND_TERMINATE, forms::boolean);
    let period = reader.required(&table::CONNECTOR_DURATION_PERIOD, forms::duration);
    let queue_protocol = reader.required(&table::CONNECTOR_QUEUE_PROTOCOL, forms::queue_protocol);
    let queue_threshold = queue_threshold(reader);
    let send_to_queue = reader.required(&table::CONNECTOR_SEND_TO_QUEUE, forms::sending);
    let validate = reader.required(&table::CONNECTOR_VALIDATE_BEFORE_IMPORT, forms::unsaid);
    let metrics = metrics(reader);
    Some(Connector {
        id: id?,
        name: name?,
        connector_type: connector_type?,
        scope: scope?,
        log_level: log_level?,
        run_and_terminate: run_and_terminate? || period? == Duration::ZERO,
        duration_period: period?,
        queue_protocol: queue_protocol?,
        queue_threshold: queue_threshold?,
        send_to_queue: send_to_queue?,
        validate_before_import: validate?,
        metrics,
    })
}

fn diode_import(
    reader: &mut Reader,
    environment: &BTreeMap<String, String>,
) -> Option<DiodeImport> {
    let sources = sources(reader);
    let delete_after_import =
        reader.required(&table::DIODE_IMPORT_DELETE_AFTER_IMPORT, forms::boolean);
    let Applicants {
        mappings,
        own,
        stand_in,
    } = applicants(reader);
    let state_path = state_path(reader, environment);
    let settle = reader.number(&table::DIODE_IMPORT_SETTLE_SECONDS);
    let rejected_retention = reader.days(&table::DIODE_IMPORT_REJECTED_RETENTION);
    let skip_known = reader.number::<u32>(&table::DIODE_IMPORT_SKIP_KNOWN_HOURS);
    let content = content_rules(reader);
    let connectors = connector_policy(reader);
    let max_in_flight_bytes = reader.number(&table::DIODE_IMPORT_MAX_IN_FLIGHT_BYTES);
    let mode = &table::DIODE_IMPORT_VALIDATION_MODE;
    let validation_mode = reader.required(mode, forms::validation_mode);
    let api_body_bytes = reader.number(&table::DIODE_IMPORT_API_BODY_BYTES);
    Some(DiodeImport {
        directory: sources.directory,
        s3: sources.s3,
        delete_after_import: delete_after_import?,
        applicant_mappings: mappings,
        own_applicant_mappings: own,
        stand_in: stand_in?,
        state_path: state_path?,
        settle: Duration::from_secs(settle?),
        rejected_path: sources.rejected_path,
        content: content?,
        connectors: connectors?,
        rejected_retention_days: Some(rejected_retention?).filter(|days| *days > 0),
        skip_known_hours: Some(skip_known?).filter(|hours| *hours > 0),
        max_in_flight_bytes: max_in_flight_bytes?,
        validation_mode: validation_mode?,
        api_body_bytes: api_body_bytes?,
    })
}

/// A rehearsal does not ask the platform for what is not set of the bucket: that would register us.
fn refuse_in_part(reader: &mut Reader, connector: &Connector, diode_import: &DiodeImport) {
    let missing = match (connector.send_to_queue, &diode_import.s3) {
        (Sending::Rehearsal, Some(s3)) => s3::missing(s3),
        _ => Vec::new(),
    };
    for setting in missing {
        let instead = "write it, since a rehearsal does not ask the platform for it";
        reader.missing(setting, instead);
    }
}

fn warn_of_unserved(reader: &mut Reader, connector: &Connector) {
    if connector.send_to_queue == Sending::Rehearsal && connector.metrics.is_some() {
        reader.warn(
            "CONNECTOR_SEND_TO_QUEUE is false, so CONNECTOR_EXPOSE_METRICS has no effect: a rehearsal \
             serves no metrics",
        );
    }
}

fn queue_threshold(reader: &mut Reader) -> Option<u64> {
    let setting = &table::CONNECTOR_QUEUE_THRESHOLD;
    let (min, max) = range(setting);
    let threshold = reader.required(setting, |value| forms::rounded_up(value, min, max))?;
    if threshold == 0 {
        reader.warn(format!(
            "{} is 0, and no queue is emptier than that: files wait wherever the platform tells how \
             full queues are",
            setting.env
        ));
    }
    Some(threshold)
}

fn state_path(reader: &mut Reader, environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let setting = &table::DIODE_IMPORT_STATE_PATH;
    if reader.is_given(setting) {
        return reader.optional(setting, forms::path);
    }
    let path = default_state_path(environment);
    if path.is_none() {
        let instead = "write the path of a directory that outlives the process, since neither \
                       STATE_DIRECTORY, XDG_STATE_HOME nor HOME names one";
        reader.missing(setting, instead);
    }
    path
}

fn content_rules(reader: &mut Reader) -> Option<ContentRules> {
    let limits = limits(reader);
    let operations = &table::DIODE_IMPORT_ALLOW_OPERATIONS;
    let policy = match reader.find(operations) {
        Some(_) => reader.optional(operations, forms::operations),
        None => Some(ContentPolicy::default()),
    };
    let allows_update = reader.required(&table::DIODE_IMPORT_ALLOW_UPDATE, forms::boolean);
    let denied = types(reader, &table::DIODE_IMPORT_DENIED_TYPES);
    let allowed = types(reader, &table::DIODE_IMPORT_ALLOWED_TYPES);
    let policy = policy?.denying_types(denied?).allowing_types(allowed?);
    Some(ContentRules {
        limits: limits?,
        policy: if allows_update? {
            policy
        } else {
            policy.denying_update()
        },
    })
}

/// The types that a setting names; none where it is not given.
fn types(reader: &mut Reader, setting: &Setting) -> Option<Vec<TypePattern>> {
    if !reader.is_given(setting) {
        return Some(Vec::new());
    }
    let types = reader.optional(setting, forms::types)?;
    let profile = Profile::opencti();
    for pattern in &types {
        if !profile.types().any(|name| pattern.matches(name)) {
            reader.warn(format!(
                "{} names {:?}, and the platform has no such type; types are written as in `type`, \
                 such as case-incident",
                setting.env,
                pattern.to_string()
            ));
        }
    }
    Some(types)
}

fn connector_policy(reader: &mut Reader) -> Option<ConnectorPolicy> {
    let list = &table::DIODE_IMPORT_ALLOWED_CONNECTORS;
    let allowed = match reader.find(list) {
        Some(_) => reader.optional(list, forms::connector_ids).map(Some),
        None => Some(None),
    };
    let unlisted = &table::DIODE_IMPORT_UNLISTED_CONNECTORS;
    let unlisted = reader.required(unlisted, forms::unlisted);
    let max_new = reader.number(&table::DIODE_IMPORT_MAX_NEW_CONNECTORS);
    let overwrite = &table::DIODE_IMPORT_OVERWRITE_CONNECTORS;
    let type_conflict = reader.required(overwrite, forms::type_conflict);
    Some(ConnectorPolicy {
        allowed: allowed?,
        unlisted: unlisted?,
        max_new: max_new?,
        type_conflict: type_conflict?,
    })
}

fn limits(reader: &mut Reader) -> Option<Limits> {
    let max_bytes = reader.number(&table::DIODE_IMPORT_MAX_FILE_BYTES);
    let max_objects = reader.number(&table::DIODE_IMPORT_MAX_OBJECTS);
    let max_depth = reader.number(&table::DIODE_IMPORT_MAX_DEPTH);
    let max_refs = reader.number(&table::DIODE_IMPORT_MAX_REFS);
    let max_refs = max_refs?;
    Some(Limits {
        max_bytes: max_bytes?,
        max_objects: max_objects?,
        max_depth: max_depth?,
        max_refs,
        // What one object may have, all may have together.
        max_all_refs: Limits::default().max_all_refs.max(max_refs),
    })
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
