//! Whatever is set: it is taken, or refused with what is wrong, and no secret is in what is said.

#![no_main]
#![allow(dead_code, unused_imports, missing_docs)]

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;

#[path = "../../bins/diode-import/src/settings/mod.rs"]
mod settings;

use settings::{Inputs, Settings};

/// It is in every input, where secrets are.
const SECRET: &str = "k2-9f1d-secret";

/// Variables that the input may set, one a line: the number of the name, and the value.
const NAMES: [&str; 16] = [
    "OPENCTI_URL",
    "CONNECTOR_ID",
    "CONNECTOR_NAME",
    "CONNECTOR_SCOPE",
    "CONNECTOR_DURATION_PERIOD",
    "CONNECTOR_LOG_LEVEL",
    "CONNECTOR_RUN_AND_TERMINATE",
    "DIODE_IMPORT_APPLICANT_MAPPINGS",
    "DIODE_IMPORT_GET_FROM_DIRECTORY_PATH",
    "DIODE_IMPORT_DELETE_AFTER_IMPORT",
    "DIODE_IMPORT_MAX_FILE_BYTES",
    "DIODE_IMPORT_ALLOW_OPERATIONS",
    "DIODE_IMPORT_S3_ENDPOINT",
    "OPENCTI_SSL_VERIFY",
    "OPENCTI_CUSTOM_HEADERS",
    "MQ_PORT",
];

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    // Who writes the secret where no secret belongs is told of it.
    if text.contains(SECRET) {
        return;
    }
    // The variables come first; what follows an empty line is a config.yml.
    let (variables, config) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut environment = BTreeMap::from([
        ("OPENCTI_TOKEN".to_owned(), SECRET.to_owned()),
        ("MQ_PASS".to_owned(), SECRET.to_owned()),
    ]);
    for line in variables.lines() {
        let Some((number, value)) = line.split_once(' ') else {
            continue;
        };
        let number: usize = number.parse().unwrap_or_default();
        environment.insert(NAMES[number % NAMES.len()].to_owned(), value.to_owned());
    }
    let inputs = Inputs {
        environment,
        config: Some((PathBuf::from("config.yml"), config.to_owned())),
        read: &|_| Err(io::ErrorKind::NotFound.into()),
    };
    let said = match Settings::load(&inputs) {
        Ok(loaded) => loaded.warnings.join("\n"),
        Err(refusal) => {
            assert!(!refusal.problems.is_empty(), "refused for no reason");
            refusal.to_string()
        }
    };
    assert!(!said.contains(SECRET), "a secret is said: {said}");
    let rows = settings::overview(&inputs);
    assert!(!format!("{rows:?}").contains(SECRET), "a secret is shown");
});
