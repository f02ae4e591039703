//! The forms in which the client asks, by what it knows of the platform's version.

use opencti_client::{Capability, ErrorClass, Platform, WorkId};
use serde_json::{Value, json};

use crate::client::{
    about, check, client, data, edited, graphql_error, ping, registered, registration,
};
use crate::server::{Asked, Reply, Server};

#[tokio::test]
async fn newer_keys_are_sent_to_platforms_that_know_them() {
    check_registered(&[about("6.8.8")], &[None]).await;
    check_registered(&[about("6.8.9")], &[Some(false)]).await;
    check_registered(&[about("7.260309.0-lts.2")], &[Some(false)]).await;
    check_registered(&[about("next")], &[None]).await;
}

#[tokio::test]
async fn a_platform_that_knows_less_than_it_says_is_asked_as_the_oldest() {
    for code in [
        "BAD_USER_INPUT",
        "GRAPHQL_VALIDATION_FAILED",
        "VALIDATION_ERROR",
    ] {
        let refused = graphql_error("Field \"auto_update\" is not defined", code);
        check_registered(&[about("6.9.28"), refused], &[Some(false), None]).await;
    }
    // And not only this once.
    let refused = graphql_error("Field \"auto_update\" is not defined", "BAD_USER_INPUT");
    let server = Server::start([about("6.9.28"), refused, data(&registered(5672))]).await;
    let client = client(&server);
    client.version().await.unwrap();
    for _ in 0..2 {
        client.register_connector(&registration()).await.unwrap();
    }
    assert_eq!(
        auto_update(&server.asked()[1..]),
        [Some(false), None, None],
        "of three registrations"
    );
}

#[tokio::test]
async fn what_the_oldest_form_does_not_mend_is_told() {
    let refused = graphql_error("name must have at least 2 characters", "BAD_USER_INPUT");
    let server = Server::start([about("6.9.28"), refused]).await;
    let client = client(&server);
    client.version().await.unwrap();
    for _ in 0..2 {
        let answer = client.register_connector(&registration()).await;
        check(
            &answer.unwrap_err(),
            ErrorClass::Contract,
            "at least 2 characters",
        );
    }
    // The version is believed as before: it was not about the form.
    let asked = server.asked();
    assert_eq!(
        auto_update(&asked[1..]),
        [Some(false), None, Some(false), None]
    );
}

#[tokio::test]
async fn a_ping_says_what_we_are_at_where_the_platform_shows_it() {
    let bare = json!({ "id": "c1", "state": "null" });
    let info = json!({
        "run_and_terminate": true, "buffering": false, "queue_threshold": 0.0,
        "queue_messages_size": 0.0, "next_run_datetime": null,
        "last_run_datetime": "2026-01-01T00:00:00.000Z",
    });
    let full = json!({ "id": "c1", "state": "null", "connectorInfo": info });
    check_ping(&[about("6.2.11")], &[&bare]).await;
    check_ping(&[about("6.2.12")], &[&full]).await;
    check_ping(&[about("next")], &[&bare]).await;
    let refused = graphql_error("Unknown argument", "GRAPHQL_VALIDATION_FAILED");
    check_ping(&[about("6.9.28"), refused], &[&full, &bare]).await;
}

async fn check_ping(before: &[Reply], expect: &[&Value]) {
    let answer = data(&json!({ "pingConnector": { "id": "c1", "connector_state": "" } }));
    let server = Server::start(before.iter().cloned().chain([answer])).await;
    let client = client(&server);
    client.version().await.unwrap();
    server.asked();
    let state = client.ping_connector(&ping()).await.unwrap();
    assert_eq!(state.as_deref(), Some(""));
    let asked = server.asked();
    let asked: Vec<&Value> = asked.iter().map(|asked| &asked.body["variables"]).collect();
    assert_eq!(asked, expect);
}

#[tokio::test]
async fn a_missing_capability_is_named_with_what_it_keeps_from_working() {
    check_missing("6.0.8", Capability::AskImport, "KNOWLEDGE_KNASKIMPORT").await;
    check_missing("6.0.9", Capability::ConnectorApi, "CONNECTORAPI").await;
}

async fn check_missing(version: &str, capability: Capability, name: &str) {
    let forbidden = graphql_error("You are not allowed to do this.", "FORBIDDEN_ACCESS");
    let server = Server::start([about(version), edited("addExpectations"), forbidden]).await;
    let client = client(&server);
    client.version().await.unwrap();
    server.asked();
    let work = WorkId("w".into());
    client.add_expectations(&work, 1).await.unwrap();
    let error = client.add_work("c1", "a file").await.unwrap_err();
    assert_eq!(error.capability(), Some(capability), "{version}");
    let text = format!("lacks the capability {name}; without it, nothing can be imported");
    check(&error, ErrorClass::Forbidden, &text);
}

async fn check_registered(before: &[Reply], expect: &[Option<bool>]) {
    let replies = before.iter().cloned().chain([data(&registered(5672))]);
    let server = Server::start(replies).await;
    let client = client(&server);
    client.version().await.unwrap();
    server.asked();
    client.register_connector(&registration()).await.unwrap();
    assert_eq!(auto_update(&server.asked()), expect);
}

/// What each registration says of `auto_update`; `None` where it does not name it at all.
fn auto_update(asked: &[Asked]) -> Vec<Option<bool>> {
    asked
        .iter()
        .filter(|asked| asked.body["operationName"] == "RegisterConnector")
        .map(|asked| {
            let input = asked.body["variables"]["input"].as_object().unwrap();
            assert!(!input.values().any(Value::is_null), "{input:?}");
            input.get("auto_update").and_then(Value::as_bool)
        })
        .collect()
}
