//! The double, asked over HTTP as a connector asks it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{Config, Fault, Platform, Status};

/// Posts a request and returns the status and the body; `None` where the connection was cut.
async fn post(url: &str, token: &str, body: Value) -> Option<(u16, Value)> {
    let (host, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let body = body.to_string();
    let request = format!(
        "POST /{path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let host = host.to_owned();
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(host).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    });
    let answer = answer.await.unwrap().ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

async fn call(platform: &Platform, query: &str, variables: Value) -> Value {
    let url = format!("{}/graphql", platform.url());
    let body = json!({ "query": query, "variables": variables });
    let (status, answer) = post(&url, platform.token(), body).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    answer
}

async fn register(platform: &Platform, id: &str) -> Value {
    let input = json!({ "id": id, "name": "Feed", "type": "EXTERNAL_IMPORT", "scope": ["x"] });
    let query = "mutation R($input: RegisterConnectorInput) { registerConnector(input: $input) {
        id connector_state config { push_exchange push_routing connection { port } } } }";
    call(platform, query, json!({ "input": input })).await
}

const ADD_WORK: &str = "mutation W($c: String!) { workAdd(connectorId: $c) { id } }";
const EXPECT: &str =
    "mutation E($id: ID!, $n: Int) { workEdit(id: $id) { addExpectations(expectations: $n) } }";
const PUSH: &str = "mutation P($c: String!, $b: String!, $w: String) {
    stixBundlePush(connectorId: $c, bundle: $b, work_id: $w) }";

#[tokio::test]
async fn answers_hold_what_was_asked_for() {
    let platform = Platform::start(Config::in_memory()).await.unwrap();
    let about = call(&platform, "query { about { v: version } }", json!({})).await;
    assert_eq!(about, json!({ "data": { "about": { "v": "6.6.0" } } }));
    let registered = register(&platform, "c").await;
    let connector = &registered["data"]["registerConnector"];
    assert_eq!(connector["connector_state"], Value::Null);
    assert_eq!(connector["config"]["connection"], json!({ "port": 1 }));
    assert_eq!(platform.registered()[0]["scope"], json!(["x"]));
    assert_eq!(platform.connectors()[0].id, "c");
}

#[tokio::test]
async fn documents_and_variables_are_validated() {
    let platform = Platform::start(Config::in_memory()).await.unwrap();
    let unknown_key =
        json!({ "input": { "id": "c", "name": "Feed", "type": "STREAM", "slug": null } });
    let register =
        "mutation R($input: RegisterConnectorInput) { registerConnector(input: $input) { id } }";
    for (query, variables, code) in [
        ("query {", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        (
            "query { about { jwks } }",
            json!({}),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (register, unknown_key, "BAD_USER_INPUT"),
        (
            register,
            json!({ "input": { "id": "c", "name": "x" } }),
            "BAD_USER_INPUT",
        ),
        (EXPECT, json!({ "n": 1 }), "BAD_USER_INPUT"),
    ] {
        let answer = call(&platform, query, variables).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], code, "{answer}");
        assert_eq!(answer.get("data"), None, "{answer}");
    }
    // No variables at all may be written as null.
    let answer = call(&platform, "query { about { version } }", Value::Null).await;
    assert_eq!(answer.get("errors"), None, "{answer}");
    // A variable that the document does not use is harmless.
    let answer = call(&platform, "query { about { version } }", json!({ "x": 1 })).await;
    assert_eq!(answer.get("errors"), None, "{answer}");
}

#[tokio::test]
async fn works_are_counted() {
    let platform = Platform::start(Config::in_memory()).await.unwrap();
    register(&platform, "c").await;
    let work = call(&platform, ADD_WORK, json!({ "c": "c" })).await;
    let id = work["data"]["workAdd"]["id"].clone();
    let answer = call(&platform, EXPECT, json!({ "id": id, "n": 2 })).await;
    assert_eq!(
        answer,
        json!({ "data": { "workEdit": { "addExpectations": id } } })
    );
    let report = "mutation R($id: ID!, $e: WorkErrorInput) { workEdit(id: $id) { reportExpectation(error: $e) } }";
    call(&platform, report, json!({ "id": id, "e": null })).await;
    assert_eq!(platform.works()[0].open(), 1);
    assert_eq!(platform.works()[0].status, Status::Progress);
    call(
        &platform,
        report,
        json!({ "id": id, "e": { "error": "broken", "source": "{}" } }),
    )
    .await;
    assert_eq!(platform.works()[0].errors, ["broken"]);
    assert_eq!(platform.works()[0].status, Status::Complete);
    assert_eq!(platform.calls_of("reportExpectation").len(), 2);
}

#[tokio::test]
async fn failures_come_in_the_platform_s_shapes() {
    let platform = Platform::start(Config::in_memory()).await.unwrap();
    let url = format!("{}/graphql", platform.url());
    let about = json!({ "query": "query { about { version } }" });
    let (status, answer) = post(&url, "wrong", about.clone()).await.unwrap();
    assert_eq!((status, &answer["data"]), (200, &json!({ "about": null })));
    assert_eq!(answer["errors"][0]["extensions"]["code"], "AUTH_REQUIRED");
    // workAdd may not be null, workEdit may.
    let answer = call(&platform, ADD_WORK, json!({ "c": "c" })).await;
    assert_eq!(answer["data"], Value::Null);
    assert_eq!(answer["errors"][0]["name"], "FUNCTIONAL_ERROR");
    let answer = call(&platform, EXPECT, json!({ "id": "w", "n": 1 })).await;
    assert_eq!(answer["data"], json!({ "workEdit": null }));
    assert_eq!(
        answer["errors"][0]["path"],
        json!(["workEdit", "addExpectations"])
    );
    let elsewhere = format!("{}/elsewhere", platform.url());
    let (status, _) = post(&elsewhere, platform.token(), about).await.unwrap();
    assert_eq!(status, 404);
}

#[tokio::test]
async fn bundles_are_kept_in_memory() {
    let platform = Platform::start(Config::in_memory()).await.unwrap();
    register(&platform, "c").await;
    let push = |bundle: Value| json!({ "c": "c", "b": bundle.to_string(), "w": "work" });
    let bundle = json!({ "type": "bundle", "objects": [{ "id": "x--1" }] });
    let answer = call(&platform, PUSH, push(bundle)).await;
    assert_eq!(answer, json!({ "data": { "stixBundlePush": true } }));
    let empty = push(json!({ "type": "bundle", "objects": [] }));
    let answer = call(&platform, PUSH, empty).await;
    assert_eq!(answer["errors"][0]["message"], "Invalid bundle");
    let messages = platform.drain("c").await.unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].json().unwrap()["work_id"], "work");
    assert!(platform.drain("c").await.unwrap().is_empty());
}

#[tokio::test]
async fn faults_hit_the_planned_calls() {
    let platform = Platform::start(Config::in_memory()).await.unwrap();
    let url = format!("{}/graphql", platform.url());
    let about = json!({ "query": "query { about { version } }" });
    platform.fail("about", 1..=1, Fault::error("LOCK_ERROR"));
    platform.fail("about", 2..=2, Fault::http(503));
    platform.fail("about", 3..=3, Fault::Cut);
    let ask = || post(&url, platform.token(), about.clone());
    let (_, answer) = ask().await.unwrap();
    assert_eq!(answer["errors"][0]["name"], "LOCK_ERROR");
    assert_eq!(ask().await.unwrap().0, 503);
    assert_eq!(ask().await, None);
    assert_eq!(ask().await.unwrap().1["data"]["about"]["version"], "6.6.0");

    register(&platform, "c").await;
    platform.fail("workAdd", 1..=1, Fault::CutAfterwards);
    let work = json!({ "query": ADD_WORK, "variables": { "c": "c" } });
    assert_eq!(post(&url, platform.token(), work).await, None);
    assert_eq!(platform.works().len(), 1);
}

#[tokio::test]
async fn base_path_and_old_errors_can_be_had() {
    let config = Config {
        base_path: "/cti".to_owned(),
        version: "6.2.0".to_owned(),
        ..Config::in_memory()
    };
    let platform = Platform::start(config).await.unwrap();
    assert!(platform.url().ends_with("/cti"));
    let answer = call(&platform, ADD_WORK, json!({ "c": "c" })).await;
    assert_eq!(answer["errors"][0]["data"]["http_status"], 400);
    assert_eq!(answer["errors"][0].get("extensions"), None);
}
