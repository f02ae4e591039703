//! Every operation of the real client, against a double of each version, and once more against
//! what the platform published of it.

use std::collections::BTreeSet;
use std::time::Duration;

use apollo_compiler::request::coerce_variable_values;
use apollo_compiler::response::JsonMap;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};
use opencti_client::{
    Account, ApiError, Applicant, BundlePush, Client, ClientConfig, ConnectorInfo, ConnectorType,
    ErrorClass, PendingFile, Ping, Platform as _, PlatformVersion, Registration, RetryPolicy,
    Secret, WorkEnd, WorkStatus,
};
use serde_json::{Value, json};
use tests::platform::{Call, Config, Platform, Version};

use crate::published::published;

/// The versions with which something came that we use, those just before, and odd spellings.
const VERSIONS: [&str; 24] = [
    "6.0.0",
    "6.0.8",
    "6.0.9",
    "6.1.11",
    "6.1.12",
    "6.2.5",
    "6.2.6",
    "6.2.11",
    "6.2.12",
    "6.2.13",
    "6.3.0",
    "6.4.0",
    "6.5.0",
    "6.5.6",
    "6.5.7",
    "6.6.0",
    "6.8.6",
    "6.8.7",
    "6.8.8",
    "6.8.9",
    "6.9.10",
    "6.9.29",
    "7.260309.0-lts.2",
    "7.261026.0",
];

/// What is asked of a platform that has everything.
const ALL: [&str; 17] = [
    "about",
    "addDraftContext",
    "addExpectations",
    "connector",
    "connectors",
    "draftWorkspaceAdd",
    "isWorkAlive",
    "me",
    "pingConnector",
    "registerConnector",
    "reportExpectation",
    "stixBundlePush",
    "toProcessed",
    "uploadPending",
    "work",
    "workAdd",
    "registerConnector.s3",
];

#[tokio::test]
async fn no_version_is_asked_for_what_it_does_not_have() {
    for version in VERSIONS {
        ask_everything(version).await;
    }
}

#[tokio::test]
async fn the_newest_is_asked_for_everything() {
    let calls = ask_everything("7.261026.0").await;
    let mut asked: BTreeSet<&str> = calls.iter().map(|call| call.operation.as_str()).collect();
    let storage = calls.iter().any(|call| call.document.contains("s3 {"));
    asked.extend(storage.then_some("registerConnector.s3"));
    assert_eq!(asked, BTreeSet::from(ALL));
}

#[tokio::test]
async fn a_platform_of_unknown_version_is_asked_as_the_oldest() {
    let platform = Platform::start(config("6.0.0")).await.unwrap();
    let client = client(&platform);
    client.register_connector(&registration()).await.unwrap();
    let work = client.add_work("c1", "a file").await.unwrap();
    client.add_expectations(&work, 1).await.unwrap();
    client
        .finish_work(&work, "done", WorkEnd::Sent)
        .await
        .unwrap();
    assert_eq!(client.queue_details("c1").await.unwrap(), None);
    assert_eq!(client.is_work_alive(&work).await.unwrap(), None);
}

#[tokio::test]
async fn a_storage_without_keys_fails_by_itself_only() {
    let mut config = config("6.9.10");
    config.storage["access_key"] = Value::Null;
    let platform = Platform::start(config).await.unwrap();
    let client = client(&platform);
    client.version().await.unwrap();
    let error = client.platform_storage(&registration()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Contract, "{error}");
    client.register_connector(&registration()).await.unwrap();
}

#[tokio::test]
async fn what_is_asked_is_in_the_platform_s_own_schema() {
    for published in published() {
        let schema = Valid::assume_valid(published.schema);
        let version = published.version;
        for call in ask_everything(&version.to_string()).await {
            if let Err(problem) = validate(&schema, &call) {
                panic!("{version} {}: {problem}", call.operation);
            }
        }
    }
}

/// Calls everything that the trait has on a platform of that version. The double refuses what the
/// version does not have, so that it answers is the proof.
async fn ask_everything(version: &str) -> Vec<Call> {
    let platform = Platform::start(config(version)).await.unwrap();
    let client = client(&platform);
    let has = |major, minor, patch| Version::read(version) >= Version(major, minor, patch);

    let known = client.version().await.unwrap();
    assert_eq!(known, PlatformVersion::parse(version));
    client.register_connector(&registration()).await.unwrap();
    let storage = client.platform_storage(&registration()).await.unwrap();
    assert_eq!(storage.is_some(), has(6, 9, 10), "{version}");
    client.ping_connector(&ping()).await.unwrap();

    let work = client.add_work("c1", "a file").await.unwrap();
    client.add_expectations(&work, 2).await.unwrap();
    client.report_expectation(&work, None).await.unwrap();
    client.report_expectation(&work, Some("no")).await.unwrap();
    let progress = client.work(&work).await.unwrap().unwrap();
    assert_eq!(progress.status, WorkStatus::Complete, "{version}");
    assert_eq!((progress.expected, progress.processed), (2, 2), "{version}");
    let alive = client.is_work_alive(&work).await.unwrap();
    assert_eq!(alive, has(6, 8, 7).then_some(true), "{version}");
    client
        .finish_work(&work, "done", WorkEnd::Sent)
        .await
        .unwrap();

    let bundle = json!({ "type": "bundle", "objects": [{ "id": "x--1" }] }).to_string();
    let push = BundlePush {
        connector_id: "c1",
        work: has(6, 5, 7).then_some(&work),
        applicant_id: None,
        bundle,
    };
    let file = PendingFile {
        name: "a file.json".to_owned(),
        content: push.bundle.clone().into(),
    };
    client.upload_pending(&file).await.unwrap();
    match client.push_bundle(push).await {
        Ok(()) => assert!(has(6, 2, 6), "{version}"),
        Err(error) => assert_eq!(class(&error, !has(6, 2, 6)), ErrorClass::Contract),
    }
    let connectors = client.connectors().await.unwrap();
    let [connector] = &connectors[..] else {
        panic!("{version}: {connectors:?}");
    };
    assert_eq!(connector.id, "c1", "{version}");
    assert_eq!(connector.name, "Feed", "{version}");
    let kind = connector.connector_type.as_deref();
    assert_eq!(kind, Some("EXTERNAL_IMPORT"), "{version}");
    let details = client.queue_details("c1").await.unwrap();
    let messages = details.map(|details| details.messages);
    let pushed = u64::from(has(6, 2, 6));
    assert_eq!(messages, has(6, 1, 12).then_some(pushed), "{version}");
    if has(6, 5, 0) {
        let draft = client.add_draft("a file").await.unwrap();
        client.add_draft_context(&work, &draft).await.unwrap();
    }
    ask_of_accounts(&client).await;
    platform.calls()
}

async fn ask_of_accounts(client: &Client) {
    let ours = client.me().await.unwrap();
    assert_eq!(ours.id, "user-of-the-token");
    let account = Account {
        id: "dst-user-1".to_owned(),
        name: "Name of dst-user-1".to_owned(),
        capabilities: ["KNOWLEDGE_KNUPDATE", "CONNECTORAPI"]
            .map(Into::into)
            .into(),
    };
    let known = client.applicant("dst-user-1").await.unwrap();
    assert_eq!(known, Applicant::Known(account));
    let unknown = client.applicant("dst-user-9").await.unwrap();
    assert_eq!(unknown, Applicant::Unknown);
}

fn class(error: &ApiError, expected: bool) -> ErrorClass {
    assert!(expected, "{error}");
    error.class()
}

/// Whether a document and its variables are what a schema has.
fn validate(schema: &Valid<Schema>, call: &Call) -> Result<(), String> {
    let document =
        ExecutableDocument::parse_and_validate(schema, &call.document, "request.graphql")
            .map_err(|invalid| invalid.errors.to_string())?;
    let operation = document
        .operations
        .get(None)
        .map_err(|e| e.message().to_string())?;
    let variables: JsonMap =
        serde_json::from_value(call.variables.clone()).map_err(|e| e.to_string())?;
    let coerced = coerce_variable_values(schema, operation, &variables);
    coerced.map(drop).map_err(|e| e.message().to_string())
}

fn config(version: &str) -> Config {
    Config {
        storage: json!({
            "endpoint": "minio", "port": 9000, "use_ssl": false, "bucket_name": "b",
            "bucket_region": "us-east-1", "access_key": "k", "secret_key": "s",
        }),
        ..Config::in_memory().in_version(version)
    }
}

fn client(platform: &Platform) -> Client {
    let mut config = ClientConfig::new(platform.url(), Secret::new(platform.token()));
    config.retry = RetryPolicy {
        attempts: 1,
        base: Duration::from_millis(1),
        cap: Duration::from_millis(1),
    };
    Client::new(config).unwrap()
}

fn ping() -> Ping<'static> {
    Ping {
        connector_id: "c1",
        state: "{}",
        info: ConnectorInfo::default(),
    }
}

fn registration() -> Registration {
    Registration {
        id: "c1".to_owned(),
        name: "Feed".to_owned(),
        connector_type: ConnectorType::ExternalImport,
        scope: vec!["x".to_owned()],
    }
}
