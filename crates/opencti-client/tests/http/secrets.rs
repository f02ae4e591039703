//! What is secret is not shown, and changes nothing of what is said.

use opencti_client::{ApiError, BundlePush, Client, PendingFile, Platform, Secret, WorkId};
use serde_json::{Value, json};

use crate::client::{TOKEN, chain, config, data, graphql_error, registered, registration};
use crate::server::{Reply, Server};

#[tokio::test]
async fn an_answer_that_holds_what_is_secret_is_taken_as_it_is() {
    let mut answer = registered(5672);
    let settings = &mut answer["registerConnector"]["config"];
    settings["push_routing"] = json!("push_routing_connector-1");
    settings["connection"]["host"] = json!("rabbitmq.example");
    settings["connection"]["pass"] = json!(TOKEN);
    let work = json!({ "workAdd": { "id": "work_connector-1_2026" } });
    let server = Server::start([data(&answer), data(&work)]).await;
    let client = client(&server, &["connector-1", "rabbitmq.example"]);
    let found = client.register_connector(&registration()).await.unwrap();
    assert_eq!(found.route.routing_key, "push_routing_connector-1");
    assert_eq!(found.broker.host, "rabbitmq.example");
    assert_eq!(found.broker.password.expose(), TOKEN);
    let work = client.add_work("connector-1", "a file").await.unwrap();
    assert_eq!(work, WorkId("work_connector-1_2026".to_owned()));
}

#[tokio::test]
async fn an_echo_of_a_secret_is_not_shown() {
    let long = "x".repeat(290);
    for echo in [
        graphql_error(&format!("bad header: Bearer {TOKEN}"), "FUNCTIONAL_ERROR"),
        graphql_error("no", &format!("NO_{TOKEN}")),
        // Where a text is cut off, nothing of a secret is left at its end.
        graphql_error(&format!("{long} {TOKEN}"), "FUNCTIONAL_ERROR"),
        graphql_error("no: key-of-the-proxy", "FUNCTIONAL_ERROR"),
        // One secret may be a piece of another.
        graphql_error(&format!("no: Bearer {TOKEN}"), "FUNCTIONAL_ERROR"),
        Reply::Redirect(format!("/login?token={TOKEN}&key=key-of-the-proxy")),
    ] {
        let server = Server::start([echo]).await;
        let client = client(&server, &[&TOKEN[..8], "key-of-the-proxy"]);
        let error = client.version().await.unwrap_err();
        check_hidden(&error, &[&TOKEN[..8], &TOKEN[9..], "key-of-the-proxy"]);
    }
}

#[tokio::test]
async fn an_answer_of_another_shape_is_told_without_what_it_holds() {
    let with = |pass: Value| {
        let mut answer = registered(5672);
        answer["registerConnector"]["config"]["connection"]["pass"] = pass;
        answer
    };
    let mut port = registered(5672);
    port["registerConnector"]["config"]["connection"]["port"] = json!("hunter2, expected");
    for (answer, expect) in [
        (with(json!(48_151_623)), "expected a string"),
        (with(json!({ "hunter2": true })), "expected a string"),
        (port, "expected i64"),
    ] {
        let server = Server::start([data(&answer)]).await;
        let client = client(&server, &[]);
        let error = client.register_connector(&registration()).await;
        let error = error.unwrap_err();
        check_hidden(&error, &["48151623", "hunter2"]);
        assert!(error.to_string().contains(expect), "{error}");
    }
}

#[test]
fn an_address_is_not_shown_with_its_user() {
    for address in [
        "https://me:hunter2@opencti:808O",
        "https://me:hunter2@open cti",
        "https://me:hunt@er?2@open cti",
        "//me:hunter2@opencti",
        "me:hunter2@opencti",
        "https://open cti/?token=hunter2",
        "https://open cti/#hunter2",
        "https://me:hunter2@opencti/",
    ] {
        let config = config(address);
        let shown = format!("{config:?}");
        let error = Client::new(config).unwrap_err();
        let shown = format!("{shown} {error} {error:?}");
        for piece in ["hunter2", "hunt", "er?2"] {
            assert!(!shown.contains(piece), "{address}: {shown}");
        }
    }
    let shown = format!("{:?}", config("https://opencti.example/base"));
    assert!(shown.contains("https://opencti.example/base"), "{shown}");
}

#[test]
fn bundles_are_shown_by_their_length() {
    let content = r#"{"objects":["somebody's"]}"#;
    let push = BundlePush {
        connector_id: "c1",
        work: None,
        applicant_id: Some("u1"),
        bundle: content.to_owned(),
    };
    let file = PendingFile {
        name: "work_1.json".to_owned(),
        content: content.into(),
    };
    for (shown, name) in [
        (format!("{push:?}"), "c1"),
        (format!("{file:?}"), "work_1.json"),
    ] {
        assert!(!shown.contains("somebody"), "{shown}");
        assert!(
            shown.contains(name) && shown.contains("26 bytes"),
            "{shown}"
        );
    }
}

fn check_hidden(error: &ApiError, secrets: &[&str]) {
    let shown = format!("{} {error:?} {:?}", chain(error), error.code());
    for secret in secrets {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}

/// A client that sends headers of these values with every request.
fn client(server: &Server, values: &[&str]) -> Client {
    let mut config = config(&server.url);
    let headers = values.iter().enumerate();
    config.headers = headers
        .map(|(number, value)| (format!("x-{number}"), Secret::new(*value)))
        .collect();
    Client::new(config).unwrap()
}
