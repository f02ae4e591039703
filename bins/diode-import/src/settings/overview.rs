//! What is in force, setting by setting, as an operator may see it.

use figment::value::Value;
use opencti_client::Pem;

use super::forms;
use super::load::{Inputs, reader};
use super::network;
use super::place::Place;
use super::reader::plain;
use super::setting::{Fallback, Kind, Secrecy, Setting};
use super::state_path::default_state_path;
use super::table::{self, ALL};

/// What stands for a secret.
const REDACTED: &str = "[redacted]";

/// A setting in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its environment variable.
    pub(crate) name: &'static str,
    /// Its key in config.yml.
    pub(crate) key: Option<&'static str>,
    /// Its value; `None`: nobody gave one, and there is no default.
    pub(crate) value: Option<String>,
    /// Where the value came from; `None`: see `otherwise`.
    pub(crate) from: Option<Place>,
    /// What holds where nobody gave a value, in words.
    pub(crate) otherwise: Option<&'static str>,
}

/// Every setting with its value, in the order of the documentation, whether they can be used or
/// not. No secret is in it.
pub(crate) fn overview(inputs: &Inputs<'_>) -> Vec<Row> {
    let reader = reader(inputs);
    let rows = ALL.iter().map(|setting| {
        let (value, from) = reader.find(setting).unzip();
        Row {
            name: setting.env,
            key: setting.key,
            value: value
                .map(|value| shown(setting, &value))
                .or_else(|| derived(setting, inputs)),
            otherwise: match setting.fallback {
                Fallback::Derived(words) if from.is_none() => Some(words),
                _ => None,
            },
            from,
        }
    });
    rows.collect()
}

fn derived(setting: &Setting, inputs: &Inputs<'_>) -> Option<String> {
    if setting.env != table::DIODE_IMPORT_STATE_PATH.env {
        return None;
    }
    let path = default_state_path(&inputs.environment)?;
    Some(path.display().to_string())
}

fn shown(setting: &Setting, value: &Value) -> String {
    match (setting.kind, setting.secrecy) {
        (Kind::Pem, secrecy) => shown_pem(secrecy, value),
        // These two may carry a password, which a good one is shown without.
        (Kind::Proxy, _) => network::proxy(value).map_or_else(redacted, |proxy| proxy.to_string()),
        (Kind::Url, _) => forms::url(value).map_or_else(redacted, String::from),
        (_, Secrecy::Secret) => REDACTED.to_owned(),
        (Kind::Host, _) => forms::without_user(&in_one_line(value)),
        _ => in_one_line(value),
    }
}

fn redacted<E>(_: E) -> String {
    REDACTED.to_owned()
}

/// The path of a PEM file. Where a key is meant, what names no file may be the key itself.
fn shown_pem(secrecy: Secrecy, value: &Value) -> String {
    match network::pem(value) {
        Ok(Pem::File(path)) if secrecy == Secrecy::Open || path.exists() => {
            path.display().to_string()
        }
        Ok(Pem::Text(_)) => "[PEM text]".to_owned(),
        _ => REDACTED.to_owned(),
    }
}

/// A value as it would be written in the environment.
fn in_one_line(value: &Value) -> String {
    match value {
        Value::Array(_, items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        Value::Dict(_, pairs) => {
            let pairs = pairs
                .iter()
                .map(|(source, target)| format!("{source}:{}", plain(target)));
            pairs.collect::<Vec<_>>().join(",")
        }
        _ => plain(value),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io;
    use std::path::Path;

    use super::*;

    fn rows(variables: &[(&str, &str)], config: &str) -> Vec<Row> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        overview(&Inputs {
            environment: variables.iter().map(owned).collect::<BTreeMap<_, _>>(),
            config: Some(("config.yml".into(), config.to_owned())),
            read: &|_: &Path| -> io::Result<String> { Ok("from-a-file\n".to_owned()) },
        })
    }

    #[test]
    fn each_value_is_told_with_its_place() {
        let rows = rows(
            &[
                ("CONNECTOR_NAME", " From environment "),
                ("CONNECTOR_ID_FILE", "/run/id"),
                ("QUEUE_PROTOCOL", "api"),
                ("STATE_DIRECTORY", "/state"),
            ],
            "connector: {scope: [a, b]}\ndiode_import: {applicant_mappings: {a: b, c: d}}",
        );
        let check = |name: &str, expect: (Option<&str>, Option<Place>, Option<&str>)| {
            let row = rows.iter().find(|row| row.name == name).unwrap();
            let found = (row.value.as_deref(), row.from.clone(), row.otherwise);
            assert_eq!(found, expect, "{name}");
        };
        let config = || Some(Place::Config("config.yml".to_owned()));
        check(
            "CONNECTOR_NAME",
            (Some("From environment"), Some(Place::Environment), None),
        );
        let file = Place::File("CONNECTOR_ID_FILE".to_owned());
        check("CONNECTOR_ID", (Some("from-a-file"), Some(file), None));
        let old = Place::OtherVariable("QUEUE_PROTOCOL");
        check("CONNECTOR_QUEUE_PROTOCOL", (Some("api"), Some(old), None));
        check("CONNECTOR_SCOPE", (Some("a,b"), config(), None));
        let mappings = (Some("a:b,c:d"), config(), None);
        check("DIODE_IMPORT_APPLICANT_MAPPINGS", mappings);
        check(
            "CONNECTOR_TYPE",
            (Some("EXTERNAL_IMPORT"), Some(Place::Defaults), None),
        );
        check("MQ_HOST", (None, None, Some("from the registration")));
        check("OPENCTI_TOKEN", (None, None, None));
        let state = rows
            .iter()
            .find(|row| row.name == "DIODE_IMPORT_STATE_PATH");
        assert_eq!(state.unwrap().value.as_deref(), Some("/state"));
        assert_eq!(rows.len(), ALL.len());
    }

    #[test]
    fn no_secret_is_in_it() {
        let variables: Vec<_> = ALL
            .iter()
            .filter(|setting| !setting.may_be_shown())
            .map(|setting| (setting.env, "http://hunter2:hunter2@host/"))
            .chain([
                ("MQ_USE_SSL_CA", "-----BEGIN hunter2"),
                ("MQ_HOST", "amqp://hunter2:hunter@2@mq"),
                ("S3_ENDPOINT", "hunter2@store:9000"),
            ])
            .collect();
        let rows = rows(&variables, "");
        assert!(!format!("{rows:?}").contains("hunter2"), "{rows:?}");
        let value = |name| {
            rows.iter()
                .find(|row| row.name == name)
                .unwrap()
                .value
                .clone()
        };
        assert_eq!(value("HTTPS_PROXY").as_deref(), Some("host:80"));
        assert_eq!(value("OPENCTI_TOKEN").as_deref(), Some("[redacted]"));
        assert_eq!(value("OPENCTI_URL").as_deref(), Some("[redacted]"));
        assert_eq!(value("MQ_HOST").as_deref(), Some("amqp://[redacted]@mq"));
        assert_eq!(
            value("S3_ENDPOINT").as_deref(),
            Some("[redacted]@store:9000")
        );
        assert_eq!(value("MQ_USE_SSL_CA").as_deref(), Some("[PEM text]"));
    }
}
