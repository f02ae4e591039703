//! The table of settings.

use super::setting::{Kind, Origin, Setting};

/// Declares each setting as a static by the name of its environment variable, and [`ALL`] of them.
macro_rules! settings {
    ($($name:ident = $setting:expr;)*) => {
        $(pub(crate) static $name: Setting = $setting.named(stringify!($name));)*

        /// Every setting, in the order of the documentation.
        pub(crate) static ALL: &[&Setting] = &[$(&$name),*];
    };
}

const DAYS: Kind = Kind::Whole {
    unit: "days",
    min: 0,
    max: 36_500,
};
const PORT: Kind = Kind::Whole {
    unit: "TCP port",
    min: 1,
    max: 65_535,
};

settings! {
    OPENCTI_URL = Setting::peer("opencti.url", Kind::Url)
        .required("an address such as https://opencti.example.com")
        .help("The platform's address, with its base path if it has one.");
    OPENCTI_TOKEN = Setting::peer("opencti.token", Kind::Text)
        .required("the API key of the connector's user")
        .secret()
        .help("The token of the connector's user. Importing in the name of others needs a user with the bypass capability.");
    OPENCTI_SSL_VERIFY = Setting::peer("opencti.ssl_verify", Kind::BooleanOrPath)
        .default("true")
        .help("Whether the platform's certificate is verified, or a file of certificate authorities to verify it by. The Python connector's default is false.");
    OPENCTI_JSON_LOGGING = Setting::peer("opencti.json_logging", Kind::Boolean)
        .default("true")
        .help("Logs as JSON lines, or as text.");
    OPENCTI_CUSTOM_HEADERS = Setting::peer("opencti.custom_headers", Kind::Text)
        .secret()
        .help("`name:value;name:value`: headers sent with every request to the platform. They override the connector's own headers.");

    CONNECTOR_ID = Setting::peer("connector.id", Kind::Text)
        .required("a UUID of its own, such as uuidgen prints")
        .help("This connector's id, a UUID that no other connector has; `uuidgen` prints one.");
    CONNECTOR_NAME = Setting::peer("connector.name", Kind::Text)
        .default("Diode Import")
        .help("This connector's name, at least two characters.");
    CONNECTOR_TYPE = Setting::peer("connector.type", Kind::OneOf(CONNECTOR_TYPES))
        .default("EXTERNAL_IMPORT")
        .help("This connector's type.");
    CONNECTOR_SCOPE = Setting::peer("connector.scope", Kind::List)
        .default("not-applicable")
        .help("This connector's scope. It does not filter what is imported.");
    CONNECTOR_LOG_LEVEL = Setting::peer("connector.log_level", Kind::OneOf(LOG_LEVELS))
        .default("info")
        .help("The least severe level that is logged; `critical` is `error`. Libraries are logged from `warn` on.");
    CONNECTOR_RUN_AND_TERMINATE = Setting::peer("connector.run_and_terminate", Kind::Boolean)
        .default("false")
        .help("One pass over the sources, then exit.");
    CONNECTOR_DURATION_PERIOD = Setting::pycti("connector.duration_period", Kind::Duration)
        .default("PT1M")
        .help("Time from one pass to the next, in weeks, days, hours, minutes and seconds; zero is run_and_terminate. The Python connector ignores it.");
    CONNECTOR_QUEUE_PROTOCOL = Setting::pycti("connector.queue_protocol", Kind::OneOf(&["amqp", "api"]))
        .formerly("QUEUE_PROTOCOL")
        .default("amqp")
        .help("How bundles reach the workers: over the broker, or over the platform's API.");
    CONNECTOR_QUEUE_THRESHOLD = Setting::pycti("connector.queue_threshold", megabytes())
        .default("500")
        .help("When a source connector's queue holds this many MB (of 1,000,000 bytes) or more, its files wait; with 0 they always wait. Decimals are rounded up. Requires the MODULES capability and platform 6.1.12 or newer.");
    CONNECTOR_SEND_TO_QUEUE = Setting::pycti("connector.send_to_queue", Kind::Boolean)
        .default("true")
        .help("`false`: a rehearsal, which says what would be sent, and neither registers, sends, moves, deletes nor records anything.");
    CONNECTOR_VALIDATE_BEFORE_IMPORT = Setting::pycti("connector.validate_before_import", Kind::Boolean)
        .default("false")
        .help("Whether imports must be validated by a person, when the envelope does not say.");
    CONNECTOR_EXPOSE_METRICS = Setting::pycti("connector.expose_metrics", Kind::Boolean)
        .default("false")
        .help("Serves Prometheus metrics over HTTP, to whoever reaches the port at `DIODE_IMPORT_METRICS_ADDRESS`: those of [METRICS.md](METRICS.md).");
    CONNECTOR_METRICS_PORT = Setting::pycti("connector.metrics_port", PORT)
        .default("9095")
        .help("The port of the metrics. Where it is taken, importing goes on, and it is tried again each minute.");
    CONNECTOR_METRICS_NAMESPACE = Setting::pycti("connector.metrics_namespace", Kind::Text)
        .help("What the names of all metrics begin with, before an underscore: letters of ASCII, digits and underscores.");
    CONNECTOR_METRICS_SUBSYSTEM = Setting::pycti("connector.metrics_subsystem", Kind::Text)
        .help("What comes next in the names of all metrics, likewise.");

    DIODE_IMPORT_GET_FROM_DIRECTORY = Setting::peer("diode_import.get_from_directory", Kind::Boolean)
        .default("true")
        .help("Imports files from a directory. With get_from_s3 it is off, with a warning, where neither this nor the path is given.");
    DIODE_IMPORT_GET_FROM_DIRECTORY_PATH = Setting::peer("diode_import.get_from_directory_path", Kind::Path)
        .derived("required with get_from_directory")
        .help("The directory.");
    DIODE_IMPORT_GET_FROM_DIRECTORY_RETENTION = Setting::peer("diode_import.get_from_directory_retention", DAYS)
        .default("7")
        .help("After so many days, imported files that were kept are deleted; 0 (or a negative number): never. A file that was not imported is never deleted for this.");
    DIODE_IMPORT_GET_FROM_S3 = Setting::peer("diode_import.get_from_s3", Kind::Boolean)
        .default("false")
        .help("Imports files from an S3 bucket: each object below the folder whose key ends in `.json`.");
    DIODE_IMPORT_GET_FROM_S3_BUCKET = Setting::peer("diode_import.get_from_s3_bucket", Kind::Text)
        .derived("the platform's")
        .help("The bucket.");
    DIODE_IMPORT_GET_FROM_S3_FOLDER = Setting::peer("diode_import.get_from_s3_folder", Kind::Text)
        .default("connectors")
        .or_empty()
        .help("The folder in the bucket; `/`, `.` or an empty value: its root. What is no envelope is never touched.");
    DIODE_IMPORT_GET_FROM_S3_RETENTION = Setting::peer("diode_import.get_from_s3_retention", DAYS)
        .default("7")
        .help("As for the directory.");
    DIODE_IMPORT_S3_ENDPOINT = Setting::peer("diode_import.s3_endpoint", Kind::Host)
        .derived("the platform's")
        .help("The S3 server: a host, or a full URL; for AWS such as s3.eu-west-3.amazonaws.com. Platforms before 6.9.10 do not tell theirs.");
    DIODE_IMPORT_S3_PORT = Setting::peer("diode_import.s3_port", PORT)
        .derived("the platform's")
        .help("The S3 server's port.");
    DIODE_IMPORT_S3_ACCESS_KEY = Setting::peer("diode_import.s3_access_key", Kind::Text)
        .derived("the platform's")
        .secret()
        .help("Access key. Where neither is given nor told by the platform, credentials come from AWS's usual places: the environment, a web identity, the container's role, the machine's.");
    DIODE_IMPORT_S3_SECRET_KEY = Setting::peer("diode_import.s3_secret_key", Kind::Text)
        .derived("the platform's")
        .secret()
        .help("Secret key.");
    DIODE_IMPORT_S3_USE_AWS_ROLE = Setting::own("diode_import.s3_use_aws_role", Kind::Boolean)
        .default("false")
        .help("`true`: keys that the platform tells are not used, so that credentials come from AWS's usual places. No keys may be given with it.");
    DIODE_IMPORT_S3_USE_SSL = Setting::peer("diode_import.s3_use_ssl", Kind::Boolean)
        .derived("the platform's, else true")
        .help("Use TLS for S3. Ignored when the endpoint is a URL.");
    DIODE_IMPORT_S3_BUCKET_REGION = Setting::peer("diode_import.s3_bucket_region", Kind::Text)
        .derived("the platform's")
        .help("The bucket's region. Where neither it nor keys are given or told, AWS_REGION or AWS_DEFAULT_REGION counts; else it is us-east-1.");
    DIODE_IMPORT_S3_REJECTED_FOLDER = Setting::own("diode_import.s3_rejected_folder", Kind::Text)
        .derived("`rejected` under the folder")
        .help("The folder in the bucket that rejected objects are moved to, each with its reason beside it.");
    DIODE_IMPORT_DELETE_AFTER_IMPORT = Setting::peer("diode_import.delete_after_import", Kind::Boolean)
        .default("true")
        .help("Deletes each file once it is imported. A file that was not imported is never deleted.");
    DIODE_IMPORT_APPLICANT_MAPPINGS = Setting::peer("diode_import.applicant_mappings", Kind::Mapping)
        .help("Users of the other platform, and who they are on this one: `source:target`, by id. `connector-id/source:target` is for that connector alone, and a connector with such entries uses no others; where all entries are such, connectors without one have no mapping. Entries of another form are ignored with a warning; where none is left, or require_applicant_mapping is on, the program ends with exit code 2.");
    DIODE_IMPORT_DEFAULT_APPLICANT = Setting::own("diode_import.default_applicant", Kind::Text)
        .help("The id of the user on this platform in whose name files without a mapped applicant are imported.");
    DIODE_IMPORT_REQUIRE_APPLICANT_MAPPING = Setting::own("diode_import.require_applicant_mapping", Kind::Boolean)
        .default("false")
        .help("Files without a mapped applicant wait, instead of being imported as the worker's user, where there is no default applicant.");
    DIODE_IMPORT_ALLOWED_CONNECTORS = Setting::own("diode_import.allowed_connectors", Kind::List)
        .derived("any")
        .help("Ids of the source connectors whose files are imported. Of the files of others nothing is registered or sent: see unlisted_connectors. A name says nothing of who sends, so names are not compared.");
    DIODE_IMPORT_UNLISTED_CONNECTORS = Setting::own("diode_import.unlisted_connectors", Kind::OneOf(&["wait", "reject"]))
        .default("wait")
        .help("What becomes of files whose connector allowed_connectors does not list: they wait in their place, or are rejected.");
    DIODE_IMPORT_MAX_NEW_CONNECTORS = Setting::own("diode_import.max_new_connectors", Kind::Whole { unit: "connectors", min: 0, max: 1_000_000_000 })
        .default("100")
        .help("How many source connectors that the platform does not know yet are registered within 24 hours; files of further ones wait until there is room. Whether the platform knows a connector is asked with the capability MODULES; without it, those count as known that this program registered before. 0: none; 1000000000: as good as no bound.");
    DIODE_IMPORT_OVERWRITE_CONNECTORS = Setting::own("diode_import.overwrite_connectors", Kind::Boolean)
        .default("false")
        .help("`true`: a connector that the platform has with another type is registered over, with the type of the envelope. Without this, the files of such a connector wait.");
    DIODE_IMPORT_METRICS_ADDRESS = Setting::own("diode_import.metrics_address", Kind::Text)
        .default("0.0.0.0")
        .help("The address of this machine that the metrics are served at, IPv4 or IPv6, such as `127.0.0.1` or `::1`. `0.0.0.0` is all of IPv4, as in pycti; `::` is all of IPv6, and on most systems of IPv4 as well.");
    DIODE_IMPORT_STATE_PATH = Setting::own("diode_import.state_path", Kind::Path)
        .derived("`$STATE_DIRECTORY`, else `$XDG_STATE_HOME/diode-import`, else `$HOME/.local/state/diode-import`")
        .help("The directory of the ledger, which says what was imported. It must outlive the process.");
    DIODE_IMPORT_SETTLE_SECONDS = Setting::own("diode_import.settle_seconds", Kind::Whole { unit: "seconds", min: 0, max: 86_400 })
        .default("5")
        .help("How long a file that cannot be parsed must be unchanged before it is rejected: it may still be being written.");
    DIODE_IMPORT_REJECTED_PATH = Setting::own("diode_import.rejected_path", Kind::Path)
        .derived("`rejected` in the directory")
        .help("The directory that rejected files are moved to, each with its reason beside it.");
    DIODE_IMPORT_REJECTED_RETENTION = Setting::own("diode_import.rejected_retention", DAYS)
        .default("0")
        .help("After so many days, rejected files are deleted, of the directory and of the bucket, each with its reason; 0 (or a negative number): never. Once a week a warning tells how many lie there. The Python connector's retentions do not hold for them.");
    DIODE_IMPORT_SKIP_KNOWN_HOURS = Setting::own("diode_import.skip_known_hours", Kind::Whole { unit: "hours", min: 0, max: 876_000 })
        .default("0")
        .help("A file with the very content of one that was imported whole within so many hours, in the name of the same user, counts as imported without being sent again: for diode software that sends each file more than once. 0: it is sent each time. A reset of the connector's state lets all be sent again.");
    DIODE_IMPORT_ALLOW_OPERATIONS = Setting::own("diode_import.allow_operations", Kind::List)
        .help("Commands to the platform that are let through, such as delete,merge: an object with the member `opencti_operation` is no knowledge, for the platform's workers carry it out with their rights. Without this, none is sent; its file is set aside with its reason. Never sent are commands on the platform's own types, such as users, and `opencti_upsert_operations`.");
    DIODE_IMPORT_ALLOW_UPDATE = Setting::own("diode_import.allow_update", Kind::Boolean)
        .default("true")
        .help("Whether `update` of envelopes holds, by which the platform merges what an object matches. `false`: it is false, whatever they say. Over the API (queue_protocol `api`) the platform sets it by itself, for all objects.");
    DIODE_IMPORT_DENIED_TYPES = Setting::own("diode_import.denied_types", Kind::List)
        .help("Types of objects that are not sent, by their `type`, such as `vocabulary,marking-definition,task,case-*`; a star at the end stands for all that begin alike. Their file is set aside with its reason. References to them stay.");
    DIODE_IMPORT_ALLOWED_TYPES = Setting::own("diode_import.allowed_types", Kind::List)
        .derived("any")
        .help("Where given, objects of other types are not sent, likewise; name `relationship` and `sighting` where they are wanted. What is denied is not sent though it is allowed.");
    DIODE_IMPORT_MAX_FILE_BYTES = Setting::own("diode_import.max_file_bytes", Kind::Whole { unit: "bytes", min: 1, max: 1 << 40 })
        .default("1073741824")
        .help("The largest file that is read.");
    DIODE_IMPORT_MAX_OBJECTS = Setting::own("diode_import.max_objects", Kind::Whole { unit: "objects", min: 1, max: 100_000_000 })
        .default("1000000")
        .help("The most objects that a bundle may have.");
    DIODE_IMPORT_MAX_DEPTH = Setting::own("diode_import.max_depth", Kind::Whole { unit: "levels", min: 1, max: 512 })
        .default("128")
        .help("The deepest nesting of JSON that is read; what nests deeper than some 990 levels, the platform's workers drop without a word.");
    DIODE_IMPORT_MAX_REFS = Setting::own("diode_import.max_refs", Kind::Whole { unit: "references", min: 1, max: 100_000_000 })
        .default("1000000")
        .help("The most references that one object may have. All objects of a bundle may have 10,000,000 together, or as many as this says, if that is more.");
    DIODE_IMPORT_MAX_IN_FLIGHT_BYTES = Setting::own("diode_import.max_in_flight_bytes", Kind::Whole { unit: "bytes", min: 1, max: 1 << 40 })
        .default("67108864")
        .help("Memory for files: for the one that is imported, and for those behind it that are read meanwhile. A larger file is read alone.");
    DIODE_IMPORT_VALIDATION_MODE = Setting::own("diode_import.validation_mode", Kind::OneOf(&["draft", "workbench", "off", "auto"]))
        .default("auto")
        .help("Whether imports wait for validation by a person. `auto`: those whose envelope asks for it, in a draft where the platform (6.6.0 or newer) and the queue (amqp) have them, else in the workbench; `draft`, `workbench`: all of them, there; `off`: none.");
    DIODE_IMPORT_API_BODY_BYTES = Setting::own("diode_import.api_body_bytes", Kind::Whole { unit: "bytes", min: 65_536, max: 1 << 31 })
        .default("50000000")
        .help("The largest request that the platform, or a proxy before it, accepts; with queue_protocol `api`, no push of objects is larger.");
    DIODE_IMPORT_WATCH = Setting::own("diode_import.watch", Kind::Boolean)
        .default("true")
        .help("Imports a file as soon as it is closed after writing, or moved into the directory. Changes that the kernel does not report (such as those made by another machine on a network file system) are picked up at the next pass. `false`: all are.");

    MQ_HOST = mq("mq.host", Kind::Host).help("The broker's host.");
    MQ_PORT = mq("mq.port", PORT).help("The broker's port.");
    MQ_VHOST = mq("mq.vhost", Kind::Text).help("The broker's virtual host.");
    MQ_USE_SSL = mq("mq.use_ssl", Kind::Boolean).help("TLS to the broker: `true`, never without; `false`, without. Not given: as the platform tells, which cannot turn it off once it was on.");
    MQ_USER = mq("mq.user", Kind::Text).help("The broker's user.");
    MQ_PASS = mq("mq.pass", Kind::Text).secret().help("The broker's password.");
    MQ_USE_SSL_CA = Setting::pycti("mq.use_ssl_ca", Kind::Pem)
        .derived("the system's")
        .help("Certificate authorities to verify the broker by, instead of the system's.");
    MQ_USE_SSL_CERT = Setting::pycti("mq.use_ssl_cert", Kind::Pem)
        .help("Our certificate, for a broker that wants one, with those that vouch for it.");
    MQ_USE_SSL_KEY = Setting::pycti("mq.use_ssl_key", Kind::Pem)
        .derived("from mq.use_ssl_cert")
        .secret()
        .help("Our certificate's private key: PKCS#8, PKCS#1 or SEC1.");
    MQ_USE_SSL_PASSPHRASE = Setting::pycti("mq.use_ssl_passphrase", Kind::Text)
        .secret()
        .help("The key's passphrase, where it is encrypted: PKCS#8 with PBES2 and AES, as `openssl pkcs8 -topk8 -v2 aes-256-cbc` writes it.");
    MQ_USE_SSL_REJECT_UNAUTHORIZED = Setting::pycti("mq.use_ssl_reject_unauthorized", Kind::Boolean)
        .default("true")
        .help("Whether the broker's certificate is verified. pycti's default is false.");

    S3_ENDPOINT = s3("s3.endpoint", Kind::Host).help("As DIODE_IMPORT_S3_ENDPOINT, where that is not given.");
    S3_PORT = s3("s3.port", PORT).help("As DIODE_IMPORT_S3_PORT, where that is not given.");
    S3_ACCESS_KEY = s3("s3.access_key", Kind::Text)
        .secret()
        .help("As DIODE_IMPORT_S3_ACCESS_KEY, where that is not given.");
    S3_SECRET_KEY = s3("s3.secret_key", Kind::Text)
        .secret()
        .help("As DIODE_IMPORT_S3_SECRET_KEY, where that is not given.");
    S3_USE_SSL = s3("s3.use_ssl", Kind::Boolean).help("As DIODE_IMPORT_S3_USE_SSL, where that is not given.");
    S3_BUCKET_REGION = s3("s3.bucket_region", Kind::Text)
        .help("As DIODE_IMPORT_S3_BUCKET_REGION, where that is not given.");

    HTTPS_CA_CERTIFICATES = Setting::environment_only(Origin::Pycti, Kind::Pem)
        .help("Certificate authorities that may vouch for the platform and the S3 server, besides those of OPENCTI_SSL_VERIFY. Where that is false, certificates are verified by these and the system's all the same, with a warning.");
    HTTP_PROXY = Setting::environment_only(Origin::Peer, Kind::Proxy)
        .formerly("http_proxy")
        .secret()
        .help("The proxy through which a platform or an S3 server at an http address is reached. Never the broker.");
    HTTPS_PROXY = Setting::environment_only(Origin::Peer, Kind::Proxy)
        .formerly("https_proxy")
        .secret()
        .help("The proxy through which a platform or an S3 server at an https address is reached. Never the broker.");
    ALL_PROXY = Setting::environment_only(Origin::Peer, Kind::Proxy)
        .formerly("all_proxy")
        .secret()
        .help("The proxy where neither of the two applies. Never the broker's.");
    NO_PROXY = Setting::environment_only(Origin::Peer, Kind::Text)
        .formerly("no_proxy")
        .help("What is reached without a proxy, separated by commas: hosts and their subdomains, with or without a port; networks such as `10.0.0.0/8`; `*`.");
    SSL_CERT_FILE = Setting::environment_only(Origin::Own, Kind::Path)
        .derived("the usual places")
        .delegated()
        .help("The file of the system's certificate authorities, as OpenSSL has it.");
    SSL_CERT_DIR = Setting::environment_only(Origin::Own, Kind::Path)
        .derived("the usual places")
        .delegated()
        .help("The directory of the system's certificate authorities, as OpenSSL has it.");
}

/// The platform's connector types.
const CONNECTOR_TYPES: &[&str] = &[
    "EXTERNAL_IMPORT",
    "INTERNAL_IMPORT_FILE",
    "INTERNAL_ENRICHMENT",
    "INTERNAL_ANALYSIS",
    "INTERNAL_EXPORT_FILE",
    "STREAM",
];

const LOG_LEVELS: &[&str] = &[
    "trace", "debug", "info", "warn", "warning", "error", "critical",
];

const fn megabytes() -> Kind {
    Kind::Whole {
        unit: "MB",
        min: 0,
        max: 1 << 30,
    }
}

/// A part of the broker's address.
const fn mq(key: &'static str, kind: Kind) -> Setting {
    Setting::pycti(key, kind).derived("from the registration")
}

/// A part of pycti's S3 settings.
const fn s3(key: &'static str, kind: Kind) -> Setting {
    Setting::pycti(key, kind).derived("from the registration")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_name_is_taken_twice() {
        let names: Vec<_> = ALL
            .iter()
            .flat_map(|s| [Some(s.env), s.old_env, s.key])
            .flatten()
            .collect();
        let distinct: BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
    }

    #[test]
    fn keys_follow_from_the_names_of_the_variables() {
        for setting in ALL {
            let Some(key) = setting.key else { continue };
            let variable = key.replacen('.', "_", 1).to_uppercase();
            assert_eq!(variable, setting.env, "{key}");
        }
    }

    #[test]
    fn every_setting_is_explained_in_sentences() {
        for setting in ALL {
            assert!(setting.help.ends_with('.'), "{}", setting.env);
            assert!(
                !setting.help.contains(['|', '\n']),
                "{}: it goes into a table",
                setting.env
            );
        }
    }

    #[test]
    fn what_looks_like_a_secret_is_one() {
        for setting in ALL {
            let suspicious = ["TOKEN", "PASS", "SECRET", "_KEY", "PROXY", "HEADERS"]
                .iter()
                .any(|part| setting.env.contains(part) && setting.env != "NO_PROXY");
            assert_eq!(
                suspicious,
                !setting.may_be_shown() && setting.env != "OPENCTI_URL",
                "{}",
                setting.env
            );
        }
    }
}
