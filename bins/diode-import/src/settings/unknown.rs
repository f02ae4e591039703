//! Names that no setting has, and the names that were probably meant.

use std::collections::BTreeMap;

use super::forms;
use super::table::{self, ALL};

/// The prefix of the variables that are ours alone: an unknown one is a mistake.
const PREFIX: &str = "DIODE_IMPORT_";

/// Settings of pycti that nothing here stands for: they are about connectors that enrich, stream, answer
/// a platform's calls or write files.
const NOT_OURS: [&str; 27] = [
    "CONNECTOR_AUTO",
    "CONNECTOR_AUTO_CREATE_SERVICE_ACCOUNT",
    "CONNECTOR_AUTO_CREATE_SERVICE_ACCOUNT_CONFIDENCE_LEVEL",
    "CONNECTOR_AUTO_UPDATE",
    "CONNECTOR_ENRICHMENT_RESOLUTION",
    "CONNECTOR_LISTEN_PROTOCOL",
    "CONNECTOR_LISTEN_PROTOCOL_API_PATH",
    "CONNECTOR_LISTEN_PROTOCOL_API_PORT",
    "CONNECTOR_LISTEN_PROTOCOL_API_SSL",
    "CONNECTOR_LISTEN_PROTOCOL_API_URI",
    "CONNECTOR_LIVE_STREAM_ID",
    "CONNECTOR_LIVE_STREAM_LISTEN_DELETE",
    "CONNECTOR_LIVE_STREAM_NO_DEPENDENCIES",
    "CONNECTOR_LIVE_STREAM_RECOVER_ISO_DATE",
    "CONNECTOR_LIVE_STREAM_START_TIMESTAMP",
    "CONNECTOR_LIVE_STREAM_WITH_INFERENCES",
    "CONNECTOR_ONLY_CONTEXTUAL",
    "CONNECTOR_SEND_TO_DIRECTORY",
    "CONNECTOR_SEND_TO_DIRECTORY_PATH",
    "CONNECTOR_SEND_TO_DIRECTORY_RETENTION",
    "CONNECTOR_SEND_TO_S3",
    "CONNECTOR_SEND_TO_S3_BUCKET",
    "CONNECTOR_SEND_TO_S3_FOLDER",
    "CONNECTOR_SEND_TO_S3_RETENTION",
    "OPENCTI_MISSING_REF_RETRY_EXPONENTIAL",
    "OPENCTI_MISSING_REF_RETRY_FACTOR",
    "OPENCTI_MISSING_REF_RETRY_INITIAL_DELAY",
];

/// Where names begin that this program shares with pycti, and with the platform's own containers: one
/// that is not known here may be another program's, and is warned of only where it is all but a known
/// one.
const SHARED_PREFIXES: [&str; 4] = ["CONNECTOR_", "OPENCTI_", "MQ_", "S3_"];

/// Variables of the platform's compose files, and of older pycti, that could be taken for a mistyped
/// setting.
const OTHERS: [&str; 15] = [
    "CONNECTOR_CONFIDENCE_LEVEL",
    "CONNECTOR_RUN_EVERY",
    "CONNECTOR_UPDATE_EXISTING_DATA",
    "OPENCTI_ADMIN_EMAIL",
    "OPENCTI_ADMIN_PASSWORD",
    "OPENCTI_ADMIN_TOKEN",
    "OPENCTI_BASE_URL",
    "OPENCTI_ENCRYPTION_KEY",
    "OPENCTI_EXTERNAL_SCHEME",
    "OPENCTI_HEALTHCHECK_ACCESS_KEY",
    "OPENCTI_HOST",
    "OPENCTI_PORT",
    "S3_BUCKET",
    "S3_BUCKET_NAME",
    "S3_USE_AWS_ROLE",
];

/// Names authorities to Python's HTTP library.
const REQUESTS_CA_BUNDLE: &str = "REQUESTS_CA_BUNDLE";

/// How alike two names must be, from 0 to 1, for one to be suggested for the other.
const ALIKE: f64 = 0.6;

/// Warnings about variables that are given in vain.
pub(super) fn idle_variables(environment: &BTreeMap<String, String>) -> Vec<String> {
    let mut warnings = unknown_variables(environment);
    warnings.extend(mistyped_variables(environment));
    let is_given = |name: &str| {
        let value = environment.get(name).map_or("", |value| value.trim());
        // What is turned off need not be told that it has no effect.
        !value.is_empty() && forms::boolean(&value.into()) != Ok(false)
    };
    let not_ours = NOT_OURS.into_iter().filter(|name| is_given(name));
    warnings.extend(
        not_ours.map(|name| format!("{name} is a setting of pycti that has no effect here")),
    );
    if is_given(REQUESTS_CA_BUNDLE) {
        warnings.push(format!(
            "{REQUESTS_CA_BUNDLE} has no effect here; name the authorities in {}",
            table::HTTPS_CA_CERTIFICATES.env
        ));
    }
    warnings
}

/// Warnings about variables that begin like ours and are none.
fn unknown_variables(environment: &BTreeMap<String, String>) -> Vec<String> {
    environment
        .keys()
        .filter_map(|name| Some((name, name.strip_prefix(PREFIX)?)))
        .filter(|(name, rest)| !is_variable(name) && !is_of_kubernetes(rest))
        .map(|(name, rest)| {
            let known = ALL
                .iter()
                .filter_map(|setting| setting.env.strip_prefix(PREFIX));
            let hint = hint(nearest(rest, known).map(|rest| format!("{PREFIX}{rest}")));
            format!("{name:?} in the environment is not a setting and is ignored{hint}")
        })
        .collect()
}

/// Warnings about variables whose names are all but that of a setting which others have, too.
fn mistyped_variables(environment: &BTreeMap<String, String>) -> Vec<String> {
    environment
        .keys()
        .filter(|name| !name.to_uppercase().starts_with(PREFIX))
        .filter_map(|name| Some((name, meant_by(name)?)))
        .map(|(name, meant)| {
            format!(
                "{name:?} in the environment is not a setting and is ignored; did you mean {meant}?"
            )
        })
        .collect()
}

/// The shared setting that a variable of another name was probably meant to be.
fn meant_by(name: &str) -> Option<String> {
    if is_variable(name) || is_other_name(name) {
        return None;
    }
    let written = name.to_uppercase();
    let (base, ending) = match written.strip_suffix("_FILE") {
        Some(base) => (base, "_FILE"),
        None => (written.as_str(), ""),
    };
    let shared = |name: &&str| {
        SHARED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    let settings = ALL.iter().map(|setting| setting.env).filter(shared);
    let known = settings.chain(NOT_OURS).chain(OTHERS);
    let near = known.filter_map(|known| Some((mistakes(base, known)?, known)));
    let (_, meant) = near.min_by_key(|(mistakes, _)| *mistakes)?;
    let is_ours = ALL.iter().any(|setting| setting.env == meant);
    is_ours.then(|| format!("{meant}{ending}"))
}

/// How many letters of a name are wrong, where it is all but the known one: few for its length, or
/// the known one is the beginning of its last word, as in `MQ_PASSWORD`.
fn mistakes(name: &str, known: &str) -> Option<usize> {
    let longer = name.strip_prefix(known).filter(|rest| !rest.is_empty());
    if longer.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphabetic())) {
        return Some(1);
    }
    let prefix = SHARED_PREFIXES
        .iter()
        .find(|prefix| known.starts_with(*prefix) && name.starts_with(*prefix));
    let allowed = match prefix {
        Some(prefix) if known.len() - prefix.len() > SHORT => 2,
        Some(_) => 1,
        None if known.len() > LONG => 1,
        None => return None,
    };
    let mistakes = strsim::damerau_levenshtein(name, known);
    (mistakes <= allowed).then_some(mistakes)
}

/// A name of so many letters behind its prefix may be another one with two letters changed.
const SHORT: usize = 4;

/// Only of a longer name one letter of the prefix may be wrong.
const LONG: usize = 8;

/// Whether a setting has a second name, which this is.
fn is_other_name(name: &str) -> bool {
    ALL.iter().any(|setting| setting.old_env == Some(name))
}

/// Whether Kubernetes sets a variable for a service that is called `diode-import`.
fn is_of_kubernetes(rest: &str) -> bool {
    ["SERVICE_HOST", "SERVICE_PORT", "PORT"].contains(&rest)
        || rest.starts_with("SERVICE_PORT_")
        || rest.starts_with("PORT_")
}

fn is_variable(name: &str) -> bool {
    let base = name.strip_suffix("_FILE").unwrap_or(name);
    ALL.iter()
        .any(|setting| setting.env == name || setting.env == base)
}

/// A warning about a section of config.yml that is none of ours.
pub(super) fn unknown_section(section: &str, file: &str) -> String {
    let known = ALL.iter().map(|setting| setting.path().0);
    let hint = hint(nearest(section, known));
    format!("section {section:?} in {file} is not known and is ignored{hint}")
}

/// A warning about a key of config.yml that no setting has.
pub(super) fn unknown_key(section: &str, key: &str, file: &str) -> String {
    let known = ALL
        .iter()
        .map(|setting| setting.path())
        .filter(|path| path.0 == section);
    let hint = hint(nearest(key, known.map(|path| path.1)).map(|key| format!("{section}.{key}")));
    let name = format!("{section}.{key}");
    format!("{name:?} in {file} is not a setting and is ignored{hint}")
}

fn hint(nearest: Option<impl AsRef<str>>) -> String {
    nearest.map_or_else(String::new, |name| {
        format!("; did you mean {}?", name.as_ref())
    })
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (strsim::normalized_damerau_levenshtein(name, known), known))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_variable_is_told_with_the_nearest_name() {
        let check = |name: &str, expected: Option<&str>| {
            let environment = BTreeMap::from([(name.to_owned(), "x".to_owned())]);
            let warnings = unknown_variables(&environment);
            match expected {
                None => assert_eq!(warnings, [""; 0], "{name}"),
                Some(end) => assert!(warnings[0].ends_with(end), "{warnings:?}"),
            }
        };
        check("DIODE_IMPORT_STATE_PATH", None);
        check("DIODE_IMPORT_STATE_PATH_FILE", None);
        check("PATH", None);
        check(
            "DIODE_IMPORT_STATEPATH",
            Some("did you mean DIODE_IMPORT_STATE_PATH?"),
        );
        check(
            "DIODE_IMPORT_DELETE_AFTER",
            Some("did you mean DIODE_IMPORT_DELETE_AFTER_IMPORT?"),
        );
        check("DIODE_IMPORT_QQQQ", Some("is not a setting and is ignored"));
        for name in [
            "SERVICE_HOST",
            "SERVICE_PORT",
            "SERVICE_PORT_HTTP",
            "PORT",
            "PORT_80_TCP_ADDR",
        ] {
            check(&format!("DIODE_IMPORT_{name}"), None);
        }
    }

    #[test]
    fn a_mistyped_variable_that_others_share_is_told_with_the_name_that_was_meant() {
        for (name, meant) in [
            ("OPENCTI_TOKN", "OPENCTI_TOKEN"),
            ("OPENCTI_URI", "OPENCTI_URL"),
            ("opencti_url", "OPENCTI_URL"),
            ("OPENCTI_TOKN_FILE", "OPENCTI_TOKEN_FILE"),
            ("OPEN_CTI_TOKEN", "OPENCTI_TOKEN"),
            ("OPENCTI_SSL_VERFIY", "OPENCTI_SSL_VERIFY"),
            ("CONECTOR_ID", "CONNECTOR_ID"),
            ("CONNECTOR__ID", "CONNECTOR_ID"),
            ("CONNECTOR_LOGLEVEL", "CONNECTOR_LOG_LEVEL"),
            ("CONNECTOR_RUN_AND_TERMINAT", "CONNECTOR_RUN_AND_TERMINATE"),
            ("MQ_HOSTS", "MQ_HOST"),
            ("MQ_PASSWORD", "MQ_PASS"),
            ("MQ_USERNAME", "MQ_USER"),
            ("S3_ENDPIONT", "S3_ENDPOINT"),
        ] {
            assert_eq!(meant_by(name).as_deref(), Some(meant), "{name}");
        }
        let environment = BTreeMap::from([("OPENCTI_TOKN".to_owned(), "hunter2".to_owned())]);
        assert_eq!(
            idle_variables(&environment),
            [
                r#""OPENCTI_TOKN" in the environment is not a setting and is ignored; did you mean OPENCTI_TOKEN?"#
            ]
        );
    }

    /// What a container has from the platform's own `.env`, from Kubernetes and from its image.
    #[test]
    fn what_others_have_in_the_environment_is_not_taken_for_a_mistake() {
        for name in [
            "OPENCTI_ADMIN_EMAIL",
            "OPENCTI_ADMIN_PASSWORD",
            "OPENCTI_ADMIN_TOKEN",
            "OPENCTI_BASE_URL",
            "OPENCTI_ENCRYPTION_KEY",
            "OPENCTI_EXTERNAL_SCHEME",
            "OPENCTI_HEALTHCHECK_ACCESS_KEY",
            "OPENCTI_HOST",
            "OPENCTI_PORT",
            "OPENCTI_PORT_8080_TCP",
            "OPENCTI_SERVICE_HOST",
            "OPENCTI_MISSING_REF_RETRY_FACTOR",
            "CONNECTOR_ANALYSIS_ID",
            "CONNECTOR_DIODE_IMPORT_ID",
            "CONNECTOR_EXPORT_FILE_CSV_ID",
            "CONNECTOR_EXPORT_FILE_STIX_ID",
            "CONNECTOR_EXPORT_FILE_TXT_ID",
            "CONNECTOR_HISTORY_ID",
            "CONNECTOR_IMPORT_DOCUMENT_ID",
            "CONNECTOR_IMPORT_FILE_STIX_ID",
            "CONNECTOR_IMPORT_EXTERNAL_REFERENCE_ID",
            "CONNECTOR_IPINFO_ID",
            "CONNECTOR_MISP_ID",
            "CONNECTOR_MITRE_ID",
            "CONNECTOR_OPENCTI_ID",
            "CONNECTOR_CVE_ID",
            "CONNECTOR_CONFIDENCE_LEVEL",
            "CONNECTOR_UPDATE_EXISTING_DATA",
            "CONNECTOR_RUN_EVERY",
            "CONNECTOR_AUTO",
            "MINIO_ROOT_USER",
            "RABBITMQ_DEFAULT_USER",
            "RABBITMQ_DEFAULT_PASS",
            "ELASTIC_MEMORY_SIZE",
            "SMTP_HOSTNAME",
            "XTM_COMPOSER_ID",
            "COMPOSE_PROJECT_NAME",
            "S3_BUCKET",
            "S3_BUCKET_NAME",
            "S3_USE_AWS_ROLE",
            "MQ_SERVICE_HOST",
            "MQ_PORT_5672_TCP",
            "QUEUE_PROTOCOL",
            "http_proxy",
            "HTTPS_PROXY",
            "HOME",
            "PATH",
            "DIODE_IMPORT_STATEPATH",
            "diode_import_state_path",
            "CONNECTOR_NAME",
            "CONNECTOR_NAME_FILE",
        ] {
            assert_eq!(meant_by(name), None, "{name}");
        }
    }

    #[test]
    fn what_pycti_has_besides_is_told_where_it_is_given() {
        let told = |variables: &[(&str, &str)]| {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            idle_variables(&variables.iter().map(owned).collect())
        };
        insta::assert_snapshot!(told(&[
            ("CONNECTOR_AUTO_CREATE_SERVICE_ACCOUNT", "true"),
            ("CONNECTOR_SEND_TO_DIRECTORY_PATH", "/out"),
            ("REQUESTS_CA_BUNDLE", "/etc/ca.pem"),
        ]).join("\n"), @"
        CONNECTOR_AUTO_CREATE_SERVICE_ACCOUNT is a setting of pycti that has no effect here
        CONNECTOR_SEND_TO_DIRECTORY_PATH is a setting of pycti that has no effect here
        REQUESTS_CA_BUNDLE has no effect here; name the authorities in HTTPS_CA_CERTIFICATES
        ");
        let quiet = [
            ("CONNECTOR_AUTO", "false"),
            ("CONNECTOR_ONLY_CONTEXTUAL", ""),
            ("REQUESTS_CA_BUNDLE", " "),
            ("CONNECTOR_OF_ANOTHER", "x"),
        ];
        assert_eq!(told(&quiet), [""; 0]);
    }

    #[test]
    fn no_setting_is_said_to_have_no_effect() {
        assert!(ALL.iter().all(|setting| !NOT_OURS.contains(&setting.env)));
    }

    #[test]
    fn a_mistyped_key_is_told_with_the_nearest_one_of_its_section() {
        assert_eq!(
            unknown_key("opencti", "tokn", "config.yml"),
            r#""opencti.tokn" in config.yml is not a setting and is ignored; did you mean opencti.token?"#
        );
        assert_eq!(
            unknown_section("diode-import", "config.yml"),
            r#"section "diode-import" in config.yml is not known and is ignored; did you mean diode_import?"#
        );
    }
}
