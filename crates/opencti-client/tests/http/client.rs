//! The client, request by request.

use std::time::Duration;

use chrono::DateTime;
use opencti_client::{
    ApiError, BundlePush, Client, ClientConfig, ConnectorInfo, ConnectorType, DraftId, ErrorClass,
    HttpProxy, PendingFile, Ping, Platform, PlatformVersion, Registration, RetryPolicy, Secret,
    WorkEnd, WorkId,
};
use serde_json::{Value, json};

use crate::server::{Reply, Server};

pub(crate) const TOKEN: &str = "b7fbcb4e-5c9e-4a4e-9d7c-5c6d2f0a2f11";

#[tokio::test]
async fn a_request_carries_token_agent_and_headers() {
    let server = Server::start([about("6.9.29")]).await;
    let mut config = config(&format!("{}/base/", server.url));
    config.headers = vec![("X-Proxy-Key".to_owned(), Secret::new("k"))];
    let version = Client::new(config).unwrap().version().await.unwrap();
    assert_eq!(version, Some(PlatformVersion::new(6, 9, 29)));
    let asked = server.asked();
    assert_eq!(asked[0].path, "/base/graphql");
    assert_eq!(asked[0].headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(asked[0].headers["content-type"], "application/json");
    assert_eq!(
        asked[0].headers["user-agent"],
        concat!("diode-import/", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(asked[0].headers["x-proxy-key"], "k");
    assert_eq!(asked[0].body["operationName"], "About");
}

#[tokio::test]
async fn headers_given_win_over_ours_and_are_never_shown() {
    const BASIC: &str = "Basic bWU6c2VjcmV0";
    let echo = graphql_error(&format!("bad header: {BASIC}"), "FUNCTIONAL_ERROR");
    let server = Server::start([echo]).await;
    let mut config = config(&server.url);
    let headers = [("authorization", BASIC), ("USER-AGENT", "front/1")];
    config.headers = headers
        .map(|(name, value)| (name.to_owned(), Secret::new(value)))
        .into();
    assert!(!format!("{config:?}").contains(BASIC));
    let error = Client::new(config).unwrap().version().await.unwrap_err();
    let asked = server.asked();
    assert_eq!(asked[0].headers["authorization"], BASIC);
    assert_eq!(asked[0].headers["user-agent"], "front/1");
    assert!(!chain(&error).contains(BASIC), "{}", chain(&error));
}

#[tokio::test]
async fn an_unreadable_version_is_none() {
    let nothing = Reply::Answer(200, r#"{"data":{"about":null}}"#.to_owned());
    let server = Server::start([about("next"), nothing]).await;
    let client = client(&server);
    assert_eq!(client.version().await.unwrap(), None);
    assert_eq!(client.version().await.unwrap(), None);
}

#[tokio::test]
async fn a_connector_is_registered_with_the_keys_of_platform_6_0_0() {
    let server = Server::start([data(&registered(5672))]).await;
    let found = client(&server)
        .register_connector(&registration())
        .await
        .unwrap();
    assert_eq!(found.state.as_deref(), Some("{\"last\":1}"));
    assert_eq!(found.route.exchange, "amqp.worker.exchange");
    assert_eq!(found.route.routing_key, "push_routing_c1");
    assert_eq!(found.route.queue, "push_c1");
    assert_eq!(found.broker.host, "rabbitmq");
    assert_eq!(found.broker.port, 5672);
    assert_eq!(found.broker.vhost, "/");
    assert!(!found.broker.use_ssl);
    assert_eq!(found.broker.password.expose(), "broker-pass");
    assert!(!format!("{found:?}").contains("broker-pass"));
    let asked = server.asked();
    let input = json!({
        "id": "c1", "name": "MITRE", "type": "EXTERNAL_IMPORT", "scope": ["identity", "report"],
        "auto": false, "only_contextual": false, "playbook_compatible": false,
    });
    assert_eq!(asked[0].body["variables"], json!({ "input": input }));
    assert!(!asked[0].body["query"].as_str().unwrap().contains("s3"));
}

#[tokio::test]
async fn registrations_that_the_platform_fails_at_are_repeated_for_the_first_only() {
    let broken = || graphql_error("no", "INTERNAL_SERVER_ERROR");
    let locked = || graphql_error("wait", "LOCK_ERROR");
    let mut answers: Vec<_> = (0..5).map(|_| broken()).collect();
    answers.extend([locked(), locked(), data(&registered(5672))]);
    let server = Server::start(answers).await;
    let client = client(&server);
    let mut asked = Vec::new();
    for _ in 0..4 {
        let before = server.asked().len();
        let answer = client.register_connector(&registration()).await;
        asked.push((server.asked().len() - before, answer.is_ok()));
    }
    assert_eq!(asked, [(3, false), (1, false), (1, false), (3, true)]);
}

#[tokio::test]
async fn a_connector_without_a_scope_is_registered_with_a_blank_one() {
    let server = Server::start([data(&registered(5672))]).await;
    let without = Registration {
        scope: Vec::new(),
        ..registration()
    };
    let client = client(&server);
    client.register_connector(&without).await.unwrap();
    let variables = &server.asked()[0].body["variables"];
    assert_eq!(variables["input"]["scope"], json!([""]));
}

#[tokio::test]
async fn an_answer_to_a_registration_that_makes_no_sense_says_nothing_against_it() {
    let null = json!({ "registerConnector": null });
    let mut bare = registered(5672);
    bare["registerConnector"]["config"] = Value::Null;
    let mut odd = registered(5672);
    odd["registerConnector"]["config"]["push_exchange"] = json!(1);
    for (answer, text) in [
        (null, "without the data"),
        (bare, "without the data"),
        (odd, "another shape"),
        (registered(65_536), "gives 65536 as its broker's port"),
        (registered(-1), "gives -1 as its broker's port"),
    ] {
        let server = Server::start([data(&answer)]).await;
        let error = client(&server)
            .register_connector(&registration())
            .await
            .unwrap_err();
        check(&error, ErrorClass::Transient, text);
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn operations_send_what_the_platform_expects() {
    let work = WorkId("work_1".to_owned());
    let draft = DraftId("draft_1".to_owned());

    let server = Server::start([data(
        &json!({ "pingConnector": { "id": "c1", "connector_state": "" } }),
    )])
    .await;
    let state = client(&server).ping_connector(&ping()).await.unwrap();
    assert_eq!(state.as_deref(), Some(""));
    check_asked(
        &server,
        "PingConnector",
        &json!({ "id": "c1", "state": "null" }),
    );

    let server = Server::start([data(&json!({ "workAdd": { "id": "work_1" } }))]).await;
    assert_eq!(
        client(&server).add_work("c1", "a file").await.unwrap(),
        work
    );
    check_asked(
        &server,
        "WorkAdd",
        &json!({ "connectorId": "c1", "friendlyName": "a file" }),
    );

    let server = Server::start([edited("addExpectations")]).await;
    client(&server).add_expectations(&work, -3).await.unwrap();
    check_asked(
        &server,
        "AddExpectations",
        &json!({ "id": "work_1", "expectations": -3 }),
    );

    let server = Server::start([edited("reportExpectation")]).await;
    client(&server)
        .report_expectation(&work, None)
        .await
        .unwrap();
    check_asked(
        &server,
        "ReportExpectation",
        &json!({ "id": "work_1", "error": null }),
    );
    client(&server)
        .report_expectation(&work, Some("too large"))
        .await
        .unwrap();
    let error = json!({ "error": "too large", "source": null });
    check_asked(
        &server,
        "ReportExpectation",
        &json!({ "id": "work_1", "error": error }),
    );

    let server = Server::start([edited("toProcessed")]).await;
    client(&server)
        .finish_work(&work, "done", WorkEnd::Sent)
        .await
        .unwrap();
    check_asked(
        &server,
        "ToProcessed",
        &json!({ "id": "work_1", "message": "done", "inError": false }),
    );
    client(&server)
        .finish_work(&work, "failed", WorkEnd::InError)
        .await
        .unwrap();
    check_asked(
        &server,
        "ToProcessed",
        &json!({ "id": "work_1", "message": "failed", "inError": true }),
    );

    let server = Server::start([data(&json!({ "draftWorkspaceAdd": { "id": "draft_1" } }))]).await;
    assert_eq!(client(&server).add_draft("a file").await.unwrap(), draft);
    check_asked(
        &server,
        "DraftWorkspaceAdd",
        &json!({ "input": { "name": "a file" } }),
    );

    let server = Server::start([edited("addDraftContext")]).await;
    client(&server)
        .add_draft_context(&work, &draft)
        .await
        .unwrap();
    check_asked(
        &server,
        "AddDraftContext",
        &json!({ "id": "work_1", "draftContext": "draft_1" }),
    );
}

#[tokio::test]
async fn an_edit_that_is_answered_with_null_did_not_happen() {
    let server = Server::start([data(&json!({ "workEdit": null }))]).await;
    let work = WorkId("work_1".to_owned());
    let error = client(&server)
        .add_expectations(&work, 1)
        .await
        .unwrap_err();
    check(&error, ErrorClass::Transient, "addExpectations");
}

#[tokio::test]
async fn a_bundle_is_pushed_with_or_without_a_work() {
    let pushed = data(&json!({ "stixBundlePush": true }));
    let server = Server::start([pushed]).await;
    let client = client(&server);
    let work = WorkId("work_1".to_owned());
    client.push_bundle(push(Some(&work))).await.unwrap();
    client.push_bundle(push(None)).await.unwrap();
    let variables: Vec<Value> = server
        .asked()
        .into_iter()
        .map(|asked| asked.body["variables"].clone())
        .collect();
    let expect = [
        json!({ "connectorId": "c1", "bundle": "{}", "work_id": "work_1" }),
        json!({ "connectorId": "c1", "bundle": "{}" }),
    ];
    assert_eq!(variables, expect);
}

#[tokio::test]
async fn a_bundle_that_the_platform_does_not_take_is_an_error() {
    let server = Server::start([data(&json!({ "stixBundlePush": false }))]).await;
    let error = client(&server).push_bundle(push(None)).await.unwrap_err();
    check(&error, ErrorClass::Contract, "did not take the bundle");
}

#[tokio::test]
async fn a_file_for_the_workbench_is_a_part_of_its_own() {
    let server = Server::start([data(&json!({ "uploadPending": { "id": "import/1" } }))]).await;
    let file = PendingFile {
        name: "work_1.json".to_owned(),
        content: r#"{"objects":[]}"#.into(),
    };
    client(&server).upload_pending(&file).await.unwrap();
    let asked = server.asked().remove(0);
    let kind = asked.headers["content-type"].to_str().unwrap();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    let text = asked.body.as_str().unwrap();
    let parts: Vec<&str> = text.split(&format!("--{boundary}")).collect();
    assert_eq!((parts.len(), parts[4]), (5, "--\r\n"), "{text}");
    let (_, operation) = parts[1].split_once("\r\n\r\n").unwrap();
    let operation: Value = serde_json::from_str(operation).unwrap();
    assert_eq!(operation["variables"], json!({ "file": null }));
    assert!(parts[3].contains("filename=\"work_1.json\""), "{text}");
    assert!(parts[3].ends_with("\r\n\r\n{\"objects\":[]}\r\n"), "{text}");
}

#[tokio::test]
async fn a_file_that_may_not_be_uploaded_names_what_is_missing() {
    let refused = graphql_error("You are not allowed to do this.", "FORBIDDEN_ACCESS");
    let server = Server::start([refused]).await;
    let file = PendingFile {
        name: "work_1.json".to_owned(),
        content: "{}".into(),
    };
    let error = client(&server).upload_pending(&file).await.unwrap_err();
    check(&error, ErrorClass::Forbidden, "KNOWLEDGE_KNASKIMPORT");
}

#[tokio::test]
async fn only_what_is_harmless_or_unseen_is_asked_again() {
    let answer = |status| Reply::Answer(status, String::new());
    // Harmless: whatever happened to it.
    for trouble in [
        answer(502),
        answer(503),
        Reply::HangUp,
        graphql_error("busy", "LOCK_ERROR"),
    ] {
        check_attempts(
            Call::Version,
            [trouble.clone(), trouble, about("6.9.29")],
            Ok(3),
        )
        .await;
    }
    // Counting: only where nothing was done.
    let added = data(&json!({ "workAdd": { "id": "work_1" } }));
    check_attempts(
        Call::AddWork,
        [answer(429), answer(429), added.clone()],
        Ok(3),
    )
    .await;
    for trouble in [
        answer(502),
        // Of a proxy, perhaps, which had passed the request on before the connection broke.
        answer(503),
        answer(500),
        Reply::HangUp,
        graphql_error("busy", "LOCK_ERROR"),
    ] {
        check_attempts(
            Call::AddWork,
            [trouble, added.clone()],
            Err((1, ErrorClass::Transient)),
        )
        .await;
    }
    // A ping may clear the sign of a reset: asked again, the platform would store our old state.
    let pinged = data(&json!({ "pingConnector": { "id": "c1", "connector_state": "" } }));
    check_attempts(
        Call::Ping,
        [Reply::HangUp, pinged.clone()],
        Err((1, ErrorClass::Transient)),
    )
    .await;
    check_attempts(Call::Ping, [answer(429), pinged], Ok(2)).await;
    // Final: never.
    let refused = graphql_error("You must be logged in to do this.", "AUTH_REQUIRED");
    check_attempts(Call::Version, [refused], Err((1, ErrorClass::Credentials))).await;
    check_attempts(
        Call::Version,
        [answer(404)],
        Err((1, ErrorClass::Transient)),
    )
    .await;
    // And not for ever.
    check_attempts(
        Call::Version,
        [answer(503)],
        Err((3, ErrorClass::Transient)),
    )
    .await;
}

#[tokio::test]
async fn a_redirection_is_not_followed() {
    let elsewhere = Server::start([about("6.9.29")]).await;
    let server = Server::start([Reply::Redirect(elsewhere.url.clone())]).await;
    let error = client(&server).version().await.unwrap_err();
    check(&error, ErrorClass::Transient, "refused to be redirected");
    assert_eq!(server.asked().len(), 1);
    assert_eq!(elsewhere.asked().len(), 0);
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_limit_and_no_further() {
    let body = r#"{"data":{"about":{"version":"6.9.29"}}}"#;
    for (limit, ok) in [
        (body.len() + 1, true),
        (body.len(), true),
        (body.len() - 1, false),
    ] {
        let server = Server::start([about("6.9.29")]).await;
        let mut config = config(&server.url);
        config.max_answer_bytes = limit;
        let answer = Client::new(config).unwrap().version().await;
        assert_eq!(answer.is_ok(), ok, "{limit} {answer:?}");
        if let Err(error) = answer {
            check(&error, ErrorClass::Transient, "the answer is longer than");
        }
    }
}

#[tokio::test]
async fn a_platform_that_does_not_answer_is_given_up() {
    let server = Server::start([Reply::Never]).await;
    let mut config = config(&server.url);
    config.timeout = Duration::from_millis(200);
    config.retry.attempts = 1;
    let error = Client::new(config).unwrap().version().await.unwrap_err();
    check(
        &error,
        ErrorClass::Transient,
        "within 200ms, check OPENCTI_URL",
    );
}

#[tokio::test]
async fn a_platform_that_is_not_there_is_told_with_its_place() {
    // Port 1 is reserved, nobody listens there; `.invalid` names nobody.
    for (url, text) in [
        (
            "http://127.0.0.1:1",
            "cannot connect to 127.0.0.1:1: connection refused, check OPENCTI_URL",
        ),
        (
            "http://opencti.invalid:8080",
            "cannot connect to opencti.invalid:8080",
        ),
    ] {
        let error = Client::new(config(url))
            .unwrap()
            .version()
            .await
            .unwrap_err();
        check(&error, ErrorClass::Transient, text);
    }
}

#[tokio::test]
async fn what_fails_at_a_proxy_is_told_with_the_proxy_and_without_its_user() {
    let refuses = Server::start([Reply::Answer(407, String::new())]).await;
    let address = refuses.url.replace("http://", "");
    for (url, proxy, text) in [
        (
            "http://opencti.invalid",
            "me:hunter2@127.0.0.1:1",
            "opencti.invalid:80 through the proxy 127.0.0.1:1: connection refused, check OPENCTI_URL",
        ),
        (
            "https://opencti.invalid",
            address.as_str(),
            "it asks for a user and a password",
        ),
    ] {
        let mut config = config(url);
        config.tls.trust = opencti_client::Trust::Anyone;
        config.proxy = Some(HttpProxy::parse(proxy).unwrap());
        assert!(!format!("{config:?}").contains("hunter2"));
        let error = Client::new(config).unwrap().version().await.unwrap_err();
        check(&error, ErrorClass::Transient, text);
        assert!(!chain(&error).contains("hunter2"), "{}", chain(&error));
    }
}

#[tokio::test]
async fn tls_with_a_server_that_does_not_speak_it_fails_as_tls() {
    let server = Server::start([about("6.9.29")]).await;
    let mut config = config(&server.url.replace("http://", "https://"));
    config.tls.trust = opencti_client::Trust::Anyone;
    let error = Client::new(config).unwrap().version().await.unwrap_err();
    let text = "it does not speak TLS, check OPENCTI_URL";
    check(&error, ErrorClass::Transient, text);
}

#[tokio::test]
async fn the_token_is_never_shown() {
    let echo = graphql_error(&format!("bad header: Bearer {TOKEN}"), "FUNCTIONAL_ERROR");
    let server = Server::start([echo, Reply::Redirect(format!("/login?token={TOKEN}"))]).await;
    let client = client(&server);
    for _ in 0..2 {
        let error = client.version().await.unwrap_err();
        assert!(!chain(&error).contains(TOKEN), "{}", chain(&error));
        assert!(!format!("{error:?}").contains(TOKEN));
    }
    assert!(!format!("{client:?} {:?}", config(&server.url)).contains(TOKEN));
    let error = Client::new(ClientConfig::new("http://a", Secret::new("top\nsecret"))).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"));
}

enum Call {
    Version,
    Ping,
    AddWork,
}

async fn check_attempts<const N: usize>(
    call: Call,
    replies: [Reply; N],
    expect: Result<usize, (usize, ErrorClass)>,
) {
    let server = Server::start(replies).await;
    let client = client(&server);
    let answer = match call {
        Call::Version => client.version().await.map(drop),
        Call::Ping => client.ping_connector(&ping()).await.map(drop),
        Call::AddWork => client.add_work("c1", "a file").await.map(drop),
    };
    let attempts = server.asked().len();
    let found = answer
        .map(|()| attempts)
        .map_err(|error| (attempts, error.class()));
    assert_eq!(found, expect);
}

fn push(work: Option<&WorkId>) -> BundlePush<'_> {
    BundlePush {
        connector_id: "c1",
        work,
        applicant_id: None,
        bundle: "{}".to_owned(),
    }
}

pub(crate) fn check_asked(server: &Server, operation: &str, variables: &Value) {
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].body["operationName"], operation);
    assert_eq!(&asked[0].body["variables"], variables);
}

pub(crate) fn check(error: &ApiError, class: ErrorClass, text: &str) {
    assert_eq!(error.class(), class, "{}", chain(error));
    assert!(error.to_string().contains(text), "{error}");
}

pub(crate) fn chain(error: &ApiError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

pub(crate) fn client(server: &Server) -> Client {
    Client::new(config(&server.url)).unwrap()
}

pub(crate) fn config(url: &str) -> ClientConfig {
    let mut config = ClientConfig::new(url, Secret::new(TOKEN));
    config.retry = RetryPolicy {
        attempts: 3,
        base: Duration::from_millis(1),
        cap: Duration::from_millis(5),
    };
    config
}

pub(crate) fn ping() -> Ping<'static> {
    Ping {
        connector_id: "c1",
        state: "null",
        info: ConnectorInfo {
            run_and_terminate: true,
            last_run: DateTime::from_timestamp(1_767_225_600, 0),
            ..ConnectorInfo::default()
        },
    }
}

pub(crate) fn registration() -> Registration {
    Registration {
        id: "c1".to_owned(),
        name: "MITRE".to_owned(),
        connector_type: ConnectorType::ExternalImport,
        scope: vec!["identity".to_owned(), "report".to_owned()],
    }
}

pub(crate) fn registered(port: i64) -> Value {
    json!({ "registerConnector": {
        "id": "c1",
        "connector_state": "{\"last\":1}",
        "connector_user_id": "u1",
        "config": {
            "connection": {
                "host": "rabbitmq", "vhost": "/", "use_ssl": false, "port": port,
                "user": "opencti", "pass": "broker-pass",
            },
            "listen": "listen_c1",
            "listen_routing": "listen_routing_c1",
            "listen_exchange": "amqp.connector.exchange",
            "push": "push_c1",
            "push_routing": "push_routing_c1",
            "push_exchange": "amqp.worker.exchange",
        },
    }})
}

pub(crate) fn about(version: &str) -> Reply {
    data(&json!({ "about": { "version": version } }))
}

pub(crate) fn edited(field: &str) -> Reply {
    data(&json!({ "workEdit": { field: "work_1" } }))
}

pub(crate) fn data(data: &Value) -> Reply {
    Reply::Answer(200, json!({ "data": data }).to_string())
}

pub(crate) fn graphql_error(message: &str, code: &str) -> Reply {
    let error = json!({ "message": message, "extensions": { "code": code }, "name": code });
    Reply::Answer(200, json!({ "errors": [error], "data": null }).to_string())
}
