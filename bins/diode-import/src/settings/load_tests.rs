//! Whole configurations, and what is said about bad ones.

#[path = "metrics_tests.rs"]
mod metrics;

use std::io::ErrorKind;

use diode_core::{StandIn, TypeConflict, Unlisted};
use opencti_client::Trust;

use super::*;
use crate::settings::model::DirectorySettings;
use crate::settings::{LogLevel, QueueProtocol};

/// The least that has to be given.
const LEAST: &[(&str, &str)] = &[
    ("OPENCTI_URL", "https://opencti.example.com"),
    ("OPENCTI_TOKEN", "the-token"),
    ("CONNECTOR_ID", "6f2b1f6e-8d2c-4a4e-9c43-0f4f2c6f9b11"),
    ("DIODE_IMPORT_GET_FROM_DIRECTORY_PATH", "/in"),
    ("STATE_DIRECTORY", "/state"),
];

fn read(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("/run/token") => Ok("token-of-a-file\n".to_owned()),
        Some("/run/empty") => Ok("\n".to_owned()),
        _ => Err(ErrorKind::NotFound.into()),
    }
}

fn inputs(variables: &[&[(&str, &str)]], config: Option<&str>) -> Inputs<'static> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Inputs {
        environment: variables.iter().copied().flatten().map(owned).collect(),
        config: config.map(|content| ("config.yml".into(), content.to_owned())),
        read: &read,
    }
}

fn load(more: &[(&str, &str)], config: Option<&str>) -> Loaded<Settings> {
    Settings::load(&inputs(&[LEAST, more], config)).unwrap()
}

fn refuse(variables: &[&[(&str, &str)]], config: Option<&str>) -> String {
    let refusal = Settings::load(&inputs(variables, config)).unwrap_err();
    let problems = refusal
        .problems
        .iter()
        .map(|problem| format!("error: {problem}"));
    let warnings = refusal
        .warnings
        .iter()
        .map(|warning| format!("warning: {warning}"));
    problems.chain(warnings).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_defaults_are_those_of_the_table() {
    let Loaded {
        value: settings,
        warnings,
    } = load(&[], None);
    assert_eq!(warnings, [""; 0]);
    assert_eq!(settings.opencti.tls.trust, Trust::System);
    assert!(settings.opencti.json_logging);
    insta::assert_debug_snapshot!((settings.connector, settings.diode_import), @r#"
    (
        Connector {
            id: "6f2b1f6e-8d2c-4a4e-9c43-0f4f2c6f9b11",
            name: "Diode Import",
            connector_type: ExternalImport,
            scope: [
                "not-applicable",
            ],
            log_level: Info,
            run_and_terminate: false,
            duration_period: 60s,
            queue_protocol: Amqp,
            queue_threshold: 500,
            send_to_queue: ForReal,
            validate_before_import: ImportAtOnce,
            metrics: None,
        },
        DiodeImport {
            directory: Some(
                DirectorySettings {
                    path: "/in",
                    retention_days: Some(
                        7,
                    ),
                    watch: true,
                },
            ),
            s3: None,
            delete_after_import: true,
            applicant_mappings: {},
            own_applicant_mappings: {},
            stand_in: Worker,
            state_path: "/state",
            settle: 5s,
            rejected_path: None,
            content: ContentRules {
                limits: Limits {
                    max_bytes: 1073741824,
                    max_objects: 1000000,
                    max_depth: 128,
                    max_refs: 1000000,
                    max_all_refs: 10000000,
                },
                policy: ContentPolicy {
                    allowed: {},
                    denies_update: false,
                    denied_types: [],
                    allowed_types: [],
                },
            },
            connectors: ConnectorPolicy {
                allowed: None,
                unlisted: Wait,
                max_new: 100,
                type_conflict: Wait,
            },
            rejected_retention_days: None,
            skip_known_hours: None,
            max_in_flight_bytes: 67108864,
            validation_mode: Auto,
            api_body_bytes: 50000000,
        },
    )
    "#);
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
    let config = "connector: {name: From file, log_level: debug}";
    let settings = load(&[("CONNECTOR_NAME", "From environment")], Some(config)).value;
    assert_eq!(settings.connector.name, "From environment");
    assert_eq!(settings.connector.log_level, LogLevel::Debug);
    assert_eq!(settings.connector.scope, ["not-applicable"]);
}

#[test]
fn an_empty_value_counts_as_not_given() {
    let config = "{connector: {name: From file, type: '', scope: null}, mq: null}";
    let settings = load(
        &[("CONNECTOR_NAME", ""), ("CONNECTOR_LOG_LEVEL", " ")],
        Some(config),
    )
    .value;
    assert_eq!(settings.connector.name, "From file");
    assert_eq!(settings.connector.log_level, LogLevel::Info);
    assert_eq!(settings.connector.scope, ["not-applicable"]);
    load(&[], Some(""));
    load(&[], Some("# nothing\n"));
}

#[test]
fn a_file_alone_is_enough() {
    let config = "
opencti:
  url: http://localhost:8080/base/
  token: 'the-token'
  ssl_verify: no
connector:
  id: 7a1c9e52-0d3b-4c8f-8e21-6b5a4f3e2d1c
  scope: [a, b]
  run_and_terminate: yes
diode_import:
  get_from_directory_path: ./in
  get_from_directory_retention: '0'
  applicant_mappings:
    a: b
    c: d
  state_path: /state
  settle_seconds: 0
";
    let Loaded {
        value: settings,
        warnings,
    } = Settings::load(&inputs(&[], Some(config))).unwrap();
    assert_eq!(settings.opencti.url.as_str(), "http://localhost:8080/base/");
    assert_eq!(settings.opencti.token.expose(), "the-token");
    assert_eq!(settings.opencti.tls.trust, Trust::Anyone);
    assert_eq!(settings.connector.scope, ["a", "b"]);
    assert!(settings.connector.run_and_terminate);
    let directory = DirectorySettings {
        path: "./in".into(),
        retention_days: None,
        watch: true,
    };
    assert_eq!(settings.diode_import.directory, Some(directory));
    let mappings = [("a", "b"), ("c", "d")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(
        settings.diode_import.applicant_mappings,
        BTreeMap::from(mappings)
    );
    assert_eq!(settings.diode_import.settle, Duration::ZERO);
    insta::assert_snapshot!(warnings.join("\n"), @r#"
    OPENCTI_SSL_VERIFY is false: whoever is between this connector and the platform can read the token
    DIODE_IMPORT_APPLICANT_MAPPINGS has ids that are no UUIDs, as those of users are: "a", "b", "c", "d"
    "#);
}

#[test]
fn the_old_name_counts_where_the_new_one_is_not_given() {
    let protocol = |more: &[(&str, &str)]| load(more, None).value.connector.queue_protocol;
    let old = ("QUEUE_PROTOCOL", "api");
    let new = |value| ("CONNECTOR_QUEUE_PROTOCOL", value);
    assert_eq!(protocol(&[old]), QueueProtocol::Api);
    assert_eq!(protocol(&[old, new("api")]), QueueProtocol::Api);
    assert_eq!(protocol(&[old, new("")]), QueueProtocol::Api);
    insta::assert_snapshot!(refuse(&[LEAST, &[old, new("amqp")]], None), @"error: CONNECTOR_QUEUE_PROTOCOL and QUEUE_PROTOCOL are both given, with different values; keep one of them");
}

#[test]
fn a_value_can_be_in_a_file_of_its_own() {
    let token_file = ("OPENCTI_TOKEN_FILE", "/run/token");
    let settings = Settings::load(&inputs(
        &[LEAST, &[("OPENCTI_TOKEN", ""), token_file]],
        None,
    ));
    assert_eq!(
        settings.unwrap().value.opencti.token.expose(),
        "token-of-a-file"
    );
    insta::assert_snapshot!(refuse(&[LEAST, &[token_file]], None), @"error: OPENCTI_TOKEN and OPENCTI_TOKEN_FILE are both given; keep one of them");
    let empty = [("CONNECTOR_NAME_FILE", "/run/empty")];
    insta::assert_snapshot!(refuse(&[LEAST, &empty], None), @r#"error: CONNECTOR_NAME_FILE names "/run/empty", which is empty; write the value into it"#);
    let missing = [("CONNECTOR_NAME_FILE", "/nowhere")];
    insta::assert_snapshot!(refuse(&[LEAST, &missing], None), @r#"error: CONNECTOR_NAME_FILE names "/nowhere", which cannot be read (entity not found); name a file that this process can read"#);
}

#[test]
fn a_secret_in_place_of_its_file_s_path_is_not_repeated() {
    for (variable, secret) in [
        ("OPENCTI_CUSTOM_HEADERS_FILE", "X-Key: hunter2"),
        ("DIODE_IMPORT_S3_SECRET_KEY_FILE", "wJalr/hunter2"),
        ("HTTPS_PROXY_FILE", "http://me:hunter2@proxy"),
        ("MQ_USE_SSL_KEY_FILE", "-----BEGIN hunter2"),
    ] {
        let told = refuse(&[LEAST, &[(variable, secret)]], None);
        assert!(told.contains(variable), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    let path = [("MQ_PASS_FILE", "/run/secrets/mq")];
    insta::assert_snapshot!(refuse(&[LEAST, &path], None), @r#"error: MQ_PASS_FILE names "/run/secrets/mq", which cannot be read (entity not found); name a file that this process can read"#);
}

#[test]
fn a_password_in_an_address_is_not_repeated() {
    for name in ["MQ_HOST", "S3_ENDPOINT", "DIODE_IMPORT_S3_ENDPOINT"] {
        let given = [
            ("DIODE_IMPORT_GET_FROM_S3", "true"),
            (name, "http://me:hunter2@host"),
        ];
        let told = refuse(&[LEAST, &given], None);
        assert!(told.contains(r#""http://[redacted]@host""#), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn the_sample_s_broker_does_no_harm_once_it_is_no_comment() {
    let sample = include_str!("../../../../config.yml.sample");
    let (above, broker) = sample.split_once("\n# mq:\n").unwrap();
    let broker = broker.replace("\n# ", "\n").replacen("# ", "", 1);
    let config = format!("{above}\nmq:\n{broker}");
    let Loaded { value, warnings } = load(&[], Some(&config));
    assert_eq!(warnings, [""; 0], "{config}");
    assert!(value.mq.host.is_none() && value.mq.tls.identity.is_none());
    assert!(!broker.contains("\n# "), "{broker}");
}

#[test]
fn without_any_setting_all_that_is_missing_is_told() {
    insta::assert_snapshot!(refuse(&[], None), @r#"
    error: OPENCTI_URL (opencti.url) is not given; write an address such as https://opencti.example.com
    error: OPENCTI_TOKEN (opencti.token) is not given; write the API key of the connector's user
    error: CONNECTOR_ID (connector.id) is not given; write a UUID of its own, such as uuidgen prints
    error: DIODE_IMPORT_GET_FROM_DIRECTORY_PATH (diode_import.get_from_directory_path) is not given; write the path of the directory that the files arrive in
    error: DIODE_IMPORT_STATE_PATH (diode_import.state_path) is not given; write the path of a directory that outlives the process, since neither STATE_DIRECTORY, XDG_STATE_HOME nor HOME names one
    "#);
}

#[test]
fn all_problems_are_told_together_and_no_secret_is_repeated() {
    let variables = [
        ("OPENCTI_URL", "https://user:hunter2@opencti.example.com"),
        ("OPENCTI_TOKEN", "Bearer hunter2"),
        ("OPENCTI_SSL_VERIFY", "flase"),
        ("CONNECTOR_ID", "ChangeMe"),
        ("CONNECTOR_RUN_AND_TERMINATE", "maybe"),
        ("CONNECTOR_TYPE", "IMPORT"),
        ("DIODE_IMPORT_GET_FROM_DIRECTORY_PTH", "/in"),
        ("DIODE_IMPORT_APPLICANT_MAPPINGS", r#"{"a": "b"}"#),
        ("DIODE_IMPORT_MAX_DEPTH", "0"),
    ];
    let config = "
connector: {name: 7, log_level: loud, lgo_level: info}
diode_import: {get_from_directory_retention: 36501, settle_seconds: 1.5}
diode-import: {}
mq: rabbit
";
    let told = refuse(&[&variables, &[("HOME", "/home/diode")]], Some(config));
    assert!(!told.contains("hunter2"), "{told}");
    insta::assert_snapshot!(told, @r#"
    error: section mq in "config.yml" is not a mapping; write keys with values
    error: OPENCTI_URL (opencti.url), from the environment: the value contains a user or a password; give the token as OPENCTI_TOKEN instead
    error: OPENCTI_TOKEN (opencti.token), from the environment: the value contains a blank or a character outside ASCII; write the token alone, without Bearer in front of it
    error: OPENCTI_SSL_VERIFY (opencti.ssl_verify), from the environment: "flase" is neither a boolean nor a path; write true, false, or the path of a CA bundle with a slash in it
    error: CONNECTOR_ID (connector.id), from the environment: "ChangeMe" is still the placeholder of an example; write the real value
    error: CONNECTOR_NAME (connector.name), from "config.yml": 7 is read as a number or a boolean, not as text; put it in quotes
    error: CONNECTOR_TYPE (connector.type), from the environment: "IMPORT" is not a connector type; write one of EXTERNAL_IMPORT, INTERNAL_IMPORT_FILE, INTERNAL_ENRICHMENT, INTERNAL_ANALYSIS, INTERNAL_EXPORT_FILE, STREAM
    error: CONNECTOR_LOG_LEVEL (connector.log_level), from "config.yml": "loud" is not a log level; write one of trace, debug, info, warn, error
    error: CONNECTOR_RUN_AND_TERMINATE (connector.run_and_terminate), from the environment: "maybe" is not a boolean; write true or false
    error: DIODE_IMPORT_GET_FROM_DIRECTORY_RETENTION (diode_import.get_from_directory_retention), from "config.yml": 36501 is out of range; write a whole number from 0 to 36500, without a unit
    error: DIODE_IMPORT_GET_FROM_DIRECTORY_PATH (diode_import.get_from_directory_path) is not given; write the path of the directory that the files arrive in
    error: DIODE_IMPORT_APPLICANT_MAPPINGS (diode_import.applicant_mappings), from the environment: "{\"a\": \"b\"}" is JSON; write pairs of ids as source:target,connector/source:target
    error: DIODE_IMPORT_SETTLE_SECONDS (diode_import.settle_seconds), from "config.yml": 1.5 is not a whole number in range; write a whole number from 0 to 86400, without a unit
    error: DIODE_IMPORT_MAX_DEPTH (diode_import.max_depth), from the environment: "0" is out of range; write a whole number from 1 to 512, without a unit
    warning: "connector.lgo_level" in "config.yml" is not a setting and is ignored; did you mean connector.log_level?
    warning: section "diode-import" in "config.yml" is not known and is ignored; did you mean diode_import?
    warning: "DIODE_IMPORT_GET_FROM_DIRECTORY_PTH" in the environment is not a setting and is ignored; did you mean DIODE_IMPORT_GET_FROM_DIRECTORY_PATH?
    "#);
}

#[test]
fn a_broken_file_is_told_by_place_and_not_quoted() {
    let check = |config: &str, expected: &str| {
        let told = refuse(&[LEAST], Some(config));
        assert_eq!(told.lines().next(), Some(expected), "{config}");
        assert!(!told.contains("hunter2"), "{told}");
    };
    check(
        "opencti:\n  token: \"hunter2\n",
        r#"error: "config.yml" is not valid YAML (line 2, column 10): unclosed quote; correct it there"#,
    );
    check(
        "opencti:\n  token: hunter2\n  token: hunter2\n",
        r#"error: "config.yml" is not valid YAML (line 3, column 3): a key is there twice; correct it there"#,
    );
    check(
        "- hunter2\n",
        r#"error: "config.yml" is not a mapping of sections; write sections with keys"#,
    );
}

#[test]
fn what_may_be_where_nothing_could_be_read_is_not_said_to_be_missing() {
    let home = [("HOME", "/home/diode")];
    for config in ["opencti: {token: hunter2", "- a"] {
        let told = refuse(&[&home], Some(config));
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    let told = refuse(&[&home, &[("OPENCTI_TOKEN_FILE", "/nowhere")]], None);
    assert!(told.contains("OPENCTI_TOKEN_FILE names"), "{told}");
    assert!(!told.contains("OPENCTI_TOKEN ("), "{told}");
    assert!(
        told.contains("OPENCTI_URL (opencti.url) is not given"),
        "{told}"
    );
    let told = refuse(&[&home], Some("opencti: a"));
    assert!(!told.contains("OPENCTI_URL"), "{told}");
    assert!(
        told.contains("CONNECTOR_ID (connector.id) is not given"),
        "{told}"
    );
}

#[test]
fn why_a_file_is_no_yaml_quotes_nothing_of_it() {
    for config in [
        "hunter2: *hunter2",
        "hunter2: \"hunter2",
        "hunter2: {hunter2",
        "hunter2: [hunter2}",
        "hunter2: hunter2: hunter2",
        "hunter2: @hunter2",
        "hunter2\n\thunter2: -",
        "%hunter2\n---\n%hunter2",
        "hunter2: !hunter2!hunter2 a",
        "hunter2: 'a\n'hunter2",
        "hunter2: \"\\hunter2\"",
        "hunter2: a\n---\nhunter2: b",
        "opencti: !hunter2 a",
    ] {
        let told = refuse(&[LEAST], Some(config));
        assert!(!told.contains("hunter2"), "{config:?}: {told}");
    }
}

#[test]
fn the_policy_for_connectors_is_read_and_wrong_values_are_told() {
    let policy = |given: &[(&str, &str)]| load(given, None).value.diode_import.connectors;
    assert_eq!(policy(&[]), ConnectorPolicy::default());
    let unlisted = policy(&[("DIODE_IMPORT_ALLOWED_CONNECTORS", "")]);
    assert_eq!(unlisted, ConnectorPolicy::default(), "nothing is no list");
    let expect = ConnectorPolicy {
        allowed: Some(["a".to_owned(), "b.c".to_owned()].into()),
        unlisted: Unlisted::Reject,
        max_new: 0,
        type_conflict: TypeConflict::Overwrite,
    };
    let all = [
        ("DIODE_IMPORT_ALLOWED_CONNECTORS", "a, b.c"),
        ("DIODE_IMPORT_UNLISTED_CONNECTORS", "Reject"),
        ("DIODE_IMPORT_MAX_NEW_CONNECTORS", "0"),
        ("DIODE_IMPORT_OVERWRITE_CONNECTORS", "true"),
    ];
    assert_eq!(policy(&all), expect);
    for (setting, wrong, advice) in [
        (
            "DIODE_IMPORT_ALLOWED_CONNECTORS",
            ",",
            "leave the setting out",
        ),
        ("DIODE_IMPORT_ALLOWED_CONNECTORS", "a, My Feed", "write ids"),
        (
            "DIODE_IMPORT_UNLISTED_CONNECTORS",
            "drop",
            "write wait or reject",
        ),
        ("DIODE_IMPORT_MAX_NEW_CONNECTORS", "many", "write"),
        ("DIODE_IMPORT_OVERWRITE_CONNECTORS", "all", "write"),
    ] {
        let told = refuse(&[LEAST, &[(setting, wrong)]], None);
        assert!(told.contains(setting) && told.contains(advice), "{told}");
    }
}

#[test]
fn without_a_directory_no_path_is_needed() {
    let off = [
        ("DIODE_IMPORT_GET_FROM_DIRECTORY", "no"),
        ("DIODE_IMPORT_GET_FROM_DIRECTORY_PATH", ""),
        ("DIODE_IMPORT_GET_FROM_S3", "true"),
    ];
    assert_eq!(load(&off, None).value.diode_import.directory, None);
}

#[test]
fn operations_are_let_through_by_name_and_none_by_a_wrong_one() {
    let policy = |given: &[(&'static str, &'static str)]| {
        let loaded = load_content_rules(&inputs(&[given], None));
        loaded.map(|loaded| loaded.value.policy)
    };
    let none = stix_bundle::ContentPolicy::default();
    assert_eq!(policy(&[]).unwrap(), none);
    let two = [("DIODE_IMPORT_ALLOW_OPERATIONS", "delete, merge")];
    let expect = none.allowing("delete").allowing("merge");
    assert_eq!(policy(&two).unwrap(), expect);
    for wrong in ["Delete", "delete,all", "*"] {
        let refusal = policy(&[("DIODE_IMPORT_ALLOW_OPERATIONS", wrong)]).unwrap_err();
        let problems: Vec<String> = refusal.problems.iter().map(ToString::to_string).collect();
        let text = problems.join("\n");
        assert!(text.contains("no operation of the platform"), "{text}");
        assert!(
            text.contains("clear_access_restriction, delete, "),
            "{text}"
        );
    }
}

#[test]
fn limits_load_without_the_rest() {
    let given = [("DIODE_IMPORT_MAX_DEPTH", "5")];
    let limits = load_content_rules(&inputs(&[&given], None))
        .unwrap()
        .value
        .limits;
    assert_eq!((limits.max_depth, limits.max_bytes), (5, 1 << 30));
    for (most, in_all) in [("1000000", 10_000_000), ("20000000", 20_000_000)] {
        let given = [("DIODE_IMPORT_MAX_REFS", most)];
        let limits = load_content_rules(&inputs(&[&given], None))
            .unwrap()
            .value
            .limits;
        assert_eq!(limits.max_refs.to_string(), most);
        assert_eq!(
            limits.max_all_refs, in_all,
            "what one object may have, all may have"
        );
    }
    let wrong = [("DIODE_IMPORT_MAX_DEPTH", "deep")];
    assert_eq!(
        load_content_rules(&inputs(&[&wrong], None))
            .unwrap_err()
            .problems
            .len(),
        1
    );
}

#[test]
fn a_period_of_zero_is_a_single_pass() {
    for (period, expected) in [("PT0S", true), ("PT5M", false)] {
        let settings = load(&[("CONNECTOR_DURATION_PERIOD", period)], None).value;
        assert_eq!(settings.connector.run_and_terminate, expected, "{period}");
    }
}

#[test]
fn parts_of_the_broker_s_address_are_given_one_by_one() {
    let more = [
        ("MQ_HOST", "mq"),
        ("MQ_PORT", "5671"),
        ("MQ_USE_SSL", "yes"),
    ];
    let mq = load(&more, None).value.mq;
    assert_eq!(mq.host.as_deref(), Some("mq"));
    assert_eq!((mq.port, mq.use_ssl), (Some(5671), Some(true)));
    assert!(mq.vhost.is_none() && mq.user.is_none() && mq.password.is_none());
}

#[test]
fn applicants_that_are_no_ids_are_warned_of() {
    let uuid = "6f2b1f6e-8d2c-4a4e-9c43-0f4f2c6f9b11";
    let mappings = format!("{uuid}:{uuid}, alice:{uuid}, bob:alice");
    let more = [("DIODE_IMPORT_APPLICANT_MAPPINGS", mappings.as_str())];
    insta::assert_snapshot!(load(&more, None).warnings.join("\n"), @r#"DIODE_IMPORT_APPLICANT_MAPPINGS has ids that are no UUIDs, as those of users are: "alice", "bob""#);
}

#[test]
fn what_the_python_connector_goes_on_without_is_warned_of() {
    let uuid = "6f2b1f6e-8d2c-4a4e-9c43-0f4f2c6f9b11";
    let mappings = format!("{uuid}:{uuid},secret-id");
    let more = [
        ("DIODE_IMPORT_APPLICANT_MAPPINGS", mappings.as_str()),
        ("DIODE_IMPORT_GET_FROM_DIRECTORY_RETENTION", "-1"),
    ];
    let Loaded { value, warnings } = load(&more, None);
    let import = value.diode_import;
    assert_eq!(import.applicant_mappings.len(), 1);
    assert_eq!(import.directory.unwrap().retention_days, None);
    insta::assert_snapshot!(warnings.join("\n"), @"
    DIODE_IMPORT_GET_FROM_DIRECTORY_RETENTION is negative, so no file is deleted for its age; write 0 for that
    DIODE_IMPORT_APPLICANT_MAPPINGS has no colon in entry 2, which is ignored; write pairs of ids as source:target,connector/source:target
    ");
}

#[test]
fn a_mapping_that_helps_nobody_is_refused() {
    let uuid = "6f2b1f6e-8d2c-4a4e-9c43-0f4f2c6f9b11";
    let mapping = |text: &str| refuse(&[LEAST, &[("DIODE_IMPORT_APPLICANT_MAPPINGS", text)]], None);
    insta::assert_snapshot!(mapping("secret-id"), @r#"error: DIODE_IMPORT_APPLICANT_MAPPINGS (diode_import.applicant_mappings), from the environment: "secret-id" has no entry that can be used; write pairs of ids as source:target,connector/source:target"#);
    let half = format!("{uuid}:{uuid},a");
    let given = [
        ("DIODE_IMPORT_APPLICANT_MAPPINGS", half.as_str()),
        ("DIODE_IMPORT_REQUIRE_APPLICANT_MAPPING", "true"),
    ];
    let told = refuse(&[LEAST, &given], None);
    assert!(told.contains("has no colon in entry 2; write"), "{told}");
    let none = "diode_import: {applicant_mappings: {}}";
    assert_eq!(load(&[], Some(none)).warnings, [""; 0]);
}

#[test]
fn values_within_quotes_are_told_and_an_id_is_none_with_them() {
    let quoted = [
        ("CONNECTOR_ID", "\"7a1c9e52-0d3b-4c8f-8e21-6b5a4f3e2d1c\""),
        ("CONNECTOR_NAME", "\"Diode Import\""),
        ("OPENCTI_TOKEN", "\"hunter2\""),
        ("DIODE_IMPORT_GET_FROM_DIRECTORY_PATH", "\"/data/diode\""),
        ("MQ_HOST", "\"rabbitmq\""),
        ("MQ_PASS", "'hunter2'"),
    ];
    let told = refuse(
        &[LEAST, &quoted],
        Some("opencti: {custom_headers: \"'a:b'\"}"),
    );
    assert!(!told.contains("hunter2"), "{told}");
    insta::assert_snapshot!(told, @r#"
    error: CONNECTOR_ID (connector.id), from the environment: "\"7a1c9e52-0d3b-4c8f-8e21-6b5a4f3e2d1c\"" is not a UUID; make one with uuidgen, or with `cat /proc/sys/kernel/random/uuid`, and keep it
    warning: OPENCTI_TOKEN (opencti.token), from the environment, begins and ends with a quote, which is taken as part of the value; write it without the quotes
    warning: OPENCTI_CUSTOM_HEADERS (opencti.custom_headers), from "config.yml", begins and ends with a quote, which is taken as part of the value; write it without the quotes
    warning: CONNECTOR_ID (connector.id), from the environment, begins and ends with a quote, which is taken as part of the value; write it without the quotes
    warning: CONNECTOR_NAME (connector.name), from the environment, begins and ends with a quote, which is taken as part of the value; write it without the quotes
    warning: DIODE_IMPORT_GET_FROM_DIRECTORY_PATH (diode_import.get_from_directory_path), from the environment, begins and ends with a quote, which is taken as part of the value; write it without the quotes
    warning: MQ_HOST (mq.host), from the environment, begins and ends with a quote, which is taken as part of the value; write it without the quotes
    warning: MQ_PASS (mq.pass), from the environment, begins and ends with a quote, which is taken as part of the value; write it without the quotes
    "#);
    assert_eq!(
        load(&quoted[1..], None).warnings.len(),
        quoted.len() - 1,
        "each is told where nothing is refused, too"
    );
}

#[test]
fn rejected_files_and_known_content_have_times_of_their_own() {
    let set = [
        ("DIODE_IMPORT_REJECTED_RETENTION", "30"),
        ("DIODE_IMPORT_SKIP_KNOWN_HOURS", "24"),
    ];
    let import = load(&set, None).value.diode_import;
    assert_eq!(import.rejected_retention_days, Some(30));
    assert_eq!(import.skip_known_hours, Some(24));
    assert_eq!(import.directory.unwrap().retention_days, Some(7));
    let never = load(&[("DIODE_IMPORT_REJECTED_RETENTION", "-1")], None);
    assert_eq!(never.value.diode_import.rejected_retention_days, None);
    assert_eq!(never.warnings.len(), 1, "{:?}", never.warnings);
}

#[test]
fn somebody_or_nobody_stands_in_for_who_is_not_mapped() {
    let uuid = "6f2b1f6e-8d2c-4a4e-9c43-0f4f2c6f9b11";
    let user = |id: &str| StandIn::User(id.to_owned());
    for (default, required, expect, warnings) in [
        ("", "", StandIn::Worker, 0),
        ("", "no", StandIn::Worker, 0),
        ("", "true", StandIn::Nobody, 0),
        (uuid, "false", user(uuid), 0),
        (uuid, "true", user(uuid), 1),
        ("alice", "", user("alice"), 1),
    ] {
        let more = [
            ("DIODE_IMPORT_DEFAULT_APPLICANT", default),
            ("DIODE_IMPORT_REQUIRE_APPLICANT_MAPPING", required),
        ];
        let loaded = load(&more, None);
        assert_eq!(loaded.value.diode_import.stand_in, expect, "{more:?}");
        assert_eq!(loaded.warnings.len(), warnings, "{more:?}");
    }
}

#[test]
fn a_threshold_that_lets_nothing_through_is_warned_of() {
    for (threshold, expect) in [("0", 1), ("0.5", 0), ("1", 0), ("500.0", 0)] {
        let loaded = load(&[("CONNECTOR_QUEUE_THRESHOLD", threshold)], None);
        assert_eq!(loaded.warnings.len(), expect, "{threshold}");
    }
}

#[test]
fn a_bucket_s_settings_are_ours_or_else_pycti_s() {
    let Loaded { value, warnings } = load(
        &[
            ("DIODE_IMPORT_GET_FROM_S3", "true"),
            ("DIODE_IMPORT_S3_ENDPOINT", "ours"),
            ("S3_ENDPOINT", "pycti's"),
            ("S3_PORT", "9000"),
            ("S3_USE_SSL", "no"),
            ("S3_SECRET_KEY", "the-secret"),
        ],
        Some("diode_import:\n  s3_access_key: the-access\n  get_from_s3_retention: 0\n"),
    );
    assert_eq!(warnings, [""; 0]);
    let s3 = value.diode_import.s3.unwrap();
    assert_eq!(s3.endpoint.as_deref(), Some("ours"));
    assert_eq!((s3.port, s3.use_ssl), (Some(9000), Some(false)));
    assert_eq!(s3.access_key.as_ref().unwrap().expose(), "the-access");
    assert_eq!(s3.secret_key.as_ref().unwrap().expose(), "the-secret");
    assert_eq!((s3.bucket.as_deref(), s3.region.as_deref()), (None, None));
    assert_eq!((&*s3.folder, s3.retention_days), ("connectors", None));
    let shown = format!("{s3:?}");
    assert!(!shown.contains("the-"), "{shown}");
}

#[test]
fn a_bucket_s_settings_are_all_judged() {
    let wrong = [
        ("DIODE_IMPORT_GET_FROM_S3", "perhaps"),
        ("DIODE_IMPORT_S3_PORT", "9000"),
        ("S3_PORT", "many"),
        ("DIODE_IMPORT_S3_USE_SSL", "maybe"),
    ];
    let said = refuse(&[LEAST, &wrong], None);
    for name in [
        "DIODE_IMPORT_GET_FROM_S3 ",
        "S3_PORT",
        "DIODE_IMPORT_S3_USE_SSL",
    ] {
        assert!(said.contains(name), "{name} is not in {said}");
    }
}

#[test]
fn an_empty_folder_is_the_whole_bucket_and_is_told() {
    let on = ("DIODE_IMPORT_GET_FROM_S3", "true");
    let empty = ("DIODE_IMPORT_GET_FROM_S3_FOLDER", " ");
    let check = |given: &[(&str, &str)], config: Option<&str>, expect: &str| {
        let Loaded { value, warnings } = load(given, config);
        assert_eq!(value.diode_import.s3.unwrap().folder, expect);
        let is_told = warnings
            .iter()
            .any(|said| said.contains("the whole bucket"));
        assert_eq!(is_told, expect.is_empty(), "{warnings:?}");
    };
    check(&[on], None, "connectors");
    check(&[on, empty], None, "");
    check(&[on], Some("diode_import:\n  get_from_s3_folder: ''\n"), "");
    check(&[on], Some("diode_import:\n  get_from_s3_folder:\n"), "");
}

#[test]
fn keys_and_a_role_contradict_each_other() {
    let role = [
        ("DIODE_IMPORT_GET_FROM_S3", "true"),
        ("DIODE_IMPORT_S3_USE_AWS_ROLE", "true"),
    ];
    assert!(
        load(&role, None)
            .value
            .diode_import
            .s3
            .unwrap()
            .use_aws_role
    );
    for key in ["DIODE_IMPORT_S3_ACCESS_KEY", "S3_SECRET_KEY"] {
        let said = refuse(&[LEAST, &role, &[(key, "hush")]], None);
        assert!(
            said.contains(key) && said.contains("USE_AWS_ROLE"),
            "{said}"
        );
        assert!(!said.contains("hush"), "{said}");
    }
}

#[test]
fn types_and_updates_are_allowed_or_denied() {
    use stix_bundle::{ContentPolicy, TypePattern};

    let rules =
        |given: &[(&'static str, &'static str)]| load_content_rules(&inputs(&[given], None));
    let types = |texts: [&str; 2]| texts.map(|text| TypePattern::parse(text).unwrap());
    let given = [
        ("DIODE_IMPORT_ALLOW_UPDATE", "false"),
        ("DIODE_IMPORT_DENIED_TYPES", "task, case-*"),
        ("DIODE_IMPORT_ALLOWED_TYPES", "malware,vocabularies"),
    ];
    let loaded = rules(&given).unwrap();
    let expect = ContentPolicy::default()
        .denying_update()
        .denying_types(types(["task", "case-*"]))
        .allowing_types(types(["malware", "vocabularies"]));
    assert_eq!(loaded.value.policy, expect);
    let told = loaded.warnings.join("\n");
    assert!(
        told.contains("DIODE_IMPORT_ALLOWED_TYPES names \"vocabularies\"")
            && !told.contains("task\""),
        "{told}"
    );
    for name in ["DIODE_IMPORT_DENIED_TYPES", "DIODE_IMPORT_ALLOWED_TYPES"] {
        for wrong in ["*", "task,*-x", "a b", ","] {
            let refusal = rules(&[(name, wrong)]).unwrap_err();
            let problems: Vec<String> = refusal.problems.iter().map(ToString::to_string).collect();
            assert!(
                problems.join("\n").contains("write types such as"),
                "{problems:?}"
            );
        }
    }
}
