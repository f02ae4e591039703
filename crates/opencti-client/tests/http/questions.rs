//! What the client asks of works, queues and accounts, and what it makes of the answers.

use opencti_client::{
    Account, Applicant, ErrorClass, Platform, QueueDetails, WorkId, WorkProgress, WorkStatus,
};
use serde_json::{Value, json};

use crate::client::{about, check, check_asked, client, data, edited, graphql_error, registration};
use crate::server::{Reply, Server};

#[tokio::test]
async fn a_work_is_as_far_as_the_platform_says() {
    let tracking = json!({ "import_expected_number": 3, "import_processed_number": 2 });
    check_work(
        &json!({ "id": "w", "status": "progress", "tracking": tracking }),
        Some((WorkStatus::Progress, 3, 2)),
    )
    .await;
    check_work(
        &json!({ "id": "w", "status": "complete", "tracking": null }),
        Some((WorkStatus::Complete, 0, 0)),
    )
    .await;
    let empty = json!({ "import_expected_number": null, "import_processed_number": null });
    check_work(
        &json!({ "id": "w", "status": "paused", "tracking": empty }),
        Some((WorkStatus::Other, 0, 0)),
    )
    .await;
    check_work(&Value::Null, None).await;
}

#[tokio::test]
async fn what_needs_a_capability_fails_as_forbidden() {
    let forbidden = graphql_error("You are not allowed to do this.", "FORBIDDEN_ACCESS");
    let server = Server::start([about("6.9.28"), forbidden]).await;
    let client = client(&server);
    client.version().await.unwrap();
    let work = WorkId("w".to_owned());
    let errors = [
        client.work(&work).await.unwrap_err(),
        client.is_work_alive(&work).await.unwrap_err(),
        client.queue_details("c1").await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.class(), ErrorClass::Forbidden, "{error}");
    }
}

#[tokio::test]
async fn whether_a_work_is_alive_is_asked_where_the_platform_knows() {
    check_alive("6.8.6", None).await;
    check_alive("next", Some(false)).await;
    check_alive("6.8.7", Some(false)).await;
    check_alive("7.260309.0-lts1", Some(false)).await;
}

#[tokio::test]
async fn who_may_not_ask_for_works_learns_from_a_request_that_belongs_to_one() {
    let forbidden = || graphql_error("You are not allowed to do this.", "FORBIDDEN_ACCESS");
    let dead = || graphql_error("Work is no longer alive", "WORK_NOT_ALIVE");
    for (version, probe, expect) in [
        ("6.9.19", about("6.9.19"), Ok(Some(true))),
        ("6.9.19", dead(), Ok(Some(false))),
        ("7.261026.0", dead(), Ok(Some(false))),
        // Here the header is not looked at.
        ("6.9.18", about("6.9.18"), Err(ErrorClass::Forbidden)),
        ("next", about("next"), Err(ErrorClass::Forbidden)),
        ("next", dead(), Ok(Some(false))),
    ] {
        let server = Server::start([about(version), forbidden(), probe]).await;
        let client = client(&server);
        client.version().await.unwrap();
        server.asked();
        let alive = client.is_work_alive(&WorkId("work_1".to_owned())).await;
        assert_eq!(alive.map_err(|error| error.class()), expect, "{version}");
        let asked = server.asked();
        assert!(!asked[0].headers.contains_key("opencti-work-id"));
        assert_eq!(asked[1].headers["opencti-work-id"], "work_1");
    }
}

#[tokio::test]
async fn messages_are_not_announced_for_a_work_that_is_not_alive() {
    let alive = |alive| data(&json!({ "isWorkAlive": alive }));
    let dead = || graphql_error("Work is no longer alive", "WORK_NOT_ALIVE");
    let unknown = || graphql_error("Cannot query field", "GRAPHQL_VALIDATION_FAILED");
    let forbidden = || graphql_error("You are not allowed to do this.", "FORBIDDEN_ACCESS");
    let added = || edited("addExpectations");
    let gone = Err(ErrorClass::WorkGone);
    for (version, replies, expect, requests) in [
        // Workers import what belongs to a work that is not alive.
        ("6.8.6", vec![added()], Ok(()), 1),
        // The answer does not tell.
        ("6.8.7", vec![added(), alive(true)], Ok(()), 2),
        ("6.8.7", vec![added(), alive(false)], gone, 2),
        ("6.9.18", vec![added(), forbidden()], Ok(()), 2),
        // It does.
        ("6.9.19", vec![added()], Ok(()), 1),
        ("6.9.19", vec![dead()], gone, 1),
        ("next", vec![added(), alive(false)], gone, 2),
        ("next", vec![added(), unknown()], Ok(()), 2),
    ] {
        let server = Server::start([about(version)].into_iter().chain(replies)).await;
        let client = client(&server);
        client.version().await.unwrap();
        server.asked();
        let work = WorkId("work_1".to_owned());
        let told = client.add_expectations(&work, 5).await;
        assert_eq!(told.map_err(|error| error.class()), expect, "{version}");
        let asked = server.asked();
        assert_eq!(asked[0].headers["opencti-work-id"], "work_1");
        assert_eq!(asked.len(), requests, "{version}");
    }
}

#[tokio::test]
async fn what_is_given_back_needs_no_question() {
    let server = Server::start([about("6.9.10"), edited("addExpectations")]).await;
    let client = client(&server);
    client.version().await.unwrap();
    server.asked();
    let work = WorkId("work_1".to_owned());
    client.add_expectations(&work, -5).await.unwrap();
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_queue_s_details_are_asked_where_the_platform_knows() {
    let details = |messages, size| {
        let details = json!({ "messages_number": messages, "messages_size": size });
        json!({ "connector": { "id": "c1", "connector_queue_details": details } })
    };
    let some = |messages, bytes| Ok(Some(QueueDetails { messages, bytes }));
    let whole = details(json!(12), json!(3_000_000));
    let broken = details(json!(12.0), json!(3_000_000.5));
    let odd = details(json!(-1), json!(0));
    let unknown = json!({ "connector": null });
    check_queue("6.1.11", &whole, Ok(None)).await;
    check_queue("next", &whole, Ok(None)).await;
    check_queue("6.1.12", &whole, some(12, 3_000_000)).await;
    check_queue("6.9.28", &broken, some(12, 3_000_000)).await;
    check_queue("6.9.28", &unknown, Ok(None)).await;
    check_queue("6.9.28", &odd, Err("counts -1 in a queue")).await;
}

#[tokio::test]
async fn an_applicant_is_spoken_for_to_find_out_whether_it_exists() {
    let known = Applicant::Known(account("u1"));
    let refused = graphql_error("Cant impersonate applicant u1", "FUNCTIONAL_ERROR");
    let logged_out = graphql_error("You must be logged in to do this.", "AUTH_REQUIRED");
    check_applicant([me("u1", &[])], Ok(known), 1).await;
    check_applicant([me("ours", &["BYPASS"])], Ok(Applicant::Unknown), 1).await;
    check_applicant(
        [me("ours", &["CONNECTORAPI"])],
        Ok(Applicant::CannotTell),
        1,
    )
    .await;
    check_applicant([refused], Ok(Applicant::Unknown), 1).await;
    // Refused: only if we are let in ourselves, and may speak for others, is it the user.
    let replies = [logged_out.clone(), me("ours", &["BYPASS"])];
    check_applicant(replies, Ok(Applicant::Unknown), 2).await;
    let replies = [logged_out.clone(), me("ours", &[])];
    check_applicant(replies, Ok(Applicant::CannotTell), 2).await;
    check_applicant([logged_out], Err(ErrorClass::Credentials), 2).await;
    // In a draft that is closed, the user is there all the same.
    let draft = graphql_error("Could not find draft workspace", "DRAFT_LOCKED");
    check_applicant([draft], Err(ErrorClass::Contract), 1).await;
    let away = Reply::Answer(404, String::new());
    check_applicant([away], Err(ErrorClass::Transient), 1).await;
}

#[tokio::test]
async fn an_applicant_is_known_by_either_of_its_ids() {
    let server = Server::start([me("u1", &[])]).await;
    let found = client(&server).applicant("user--u1").await.unwrap();
    assert_eq!(found, Applicant::Known(account("u1")));
}

#[tokio::test]
async fn what_an_applicant_may_do_is_told() {
    for (held, may_write) in [
        (&["KNOWLEDGE", "KNOWLEDGE_KNUPDATE"][..], true),
        (&["BYPASS"], true),
        (&["KNOWLEDGE", "CONNECTORAPI"], false),
        (&[], false),
    ] {
        let server = Server::start([me("u1", held)]).await;
        let found = client(&server).applicant("u1").await.unwrap();
        let Applicant::Known(account) = found else {
            panic!("{found:?}");
        };
        assert_eq!(account.may_write(), may_write, "{held:?}");
    }
}

#[tokio::test]
async fn an_id_that_no_header_can_carry_is_not_sent() {
    let server = Server::start([me("ours", &["BYPASS"])]).await;
    let found = client(&server).applicant("u1\r\nx: y").await.unwrap();
    assert_eq!(found, Applicant::Unknown);
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn we_are_the_account_of_our_token() {
    let server = Server::start([me("ours", &[])]).await;
    assert_eq!(client(&server).me().await.unwrap(), account("ours"));
    assert!(
        !server.asked()[0]
            .headers
            .contains_key("opencti-applicant-id")
    );
}

#[tokio::test]
async fn the_platform_s_storage_is_asked_where_it_tells_it() {
    check_storage("6.9.9", &storage(9000), Ok(None)).await;
    check_storage("next", &storage(9000), Ok(None)).await;
    check_storage("6.9.10", &storage(9000), Ok(Some(9000))).await;
    check_storage(
        "6.9.10",
        &storage(-1),
        Err("gives -1 as its storage's port"),
    )
    .await;
    let null = json!({ "registerConnector": null });
    check_storage("6.9.10", &null, Err("without the data")).await;
}

async fn check_storage(version: &str, answer: &Value, expect: Result<Option<u16>, &str>) {
    let server = Server::start([about(version), data(answer)]).await;
    let client = client(&server);
    client.version().await.unwrap();
    server.asked();
    match (client.platform_storage(&registration()).await, expect) {
        (Err(error), Err(text)) => check(&error, ErrorClass::Transient, text),
        (found, expect) => {
            let found = found.unwrap();
            assert!(!format!("{found:?}").contains("s3-secret"), "{version}");
            let port = found.map(|s3| {
                assert_eq!(s3.secret_key.expose(), "s3-secret");
                s3.port
            });
            assert_eq!(Ok(port), expect, "{version} {answer}");
        }
    }
}

fn storage(port: i64) -> Value {
    json!({ "registerConnector": { "config": { "s3": {
        "endpoint": "minio", "port": port, "use_ssl": false, "bucket_name": "opencti-bucket",
        "bucket_region": "us-east-1", "access_key": "s3-key", "secret_key": "s3-secret",
    }}}})
}

async fn check_work(work: &Value, expect: Option<(WorkStatus, i64, i64)>) {
    let server = Server::start([data(&json!({ "work": work }))]).await;
    let found = client(&server).work(&WorkId("w".to_owned())).await.unwrap();
    let expect = expect.map(|(status, expected, processed)| WorkProgress {
        status,
        expected,
        processed,
    });
    assert_eq!(found, expect, "{work}");
    check_asked(&server, "Work", &json!({ "id": "w" }));
}

async fn check_alive(version: &str, expect: Option<bool>) {
    let server = Server::start([about(version), data(&json!({ "isWorkAlive": false }))]).await;
    let client = client(&server);
    client.version().await.unwrap();
    server.asked();
    let alive = client.is_work_alive(&WorkId("w".to_owned())).await.unwrap();
    assert_eq!(alive, expect, "{version}");
    assert_eq!(server.asked().len(), usize::from(expect.is_some()));
}

async fn check_queue(version: &str, answer: &Value, expect: Result<Option<QueueDetails>, &str>) {
    let server = Server::start([about(version), data(answer)]).await;
    let client = client(&server);
    client.version().await.unwrap();
    match (client.queue_details("c1").await, expect) {
        (Err(error), Err(text)) => check(&error, ErrorClass::Contract, text),
        (found, expect) => assert_eq!(found.ok(), expect.ok(), "{version} {answer}"),
    }
}

async fn check_applicant<const N: usize>(
    replies: [Reply; N],
    expect: Result<Applicant, ErrorClass>,
    requests: usize,
) {
    let server = Server::start(replies).await;
    let found = client(&server).applicant("u1").await;
    assert_eq!(found.map_err(|error| error.class()), expect);
    let asked = server.asked();
    assert_eq!(asked[0].headers["opencti-applicant-id"], "u1");
    assert_eq!(asked.len(), requests);
}

fn me(id: &str, capabilities: &[&str]) -> Reply {
    let capabilities: Vec<Value> = capabilities
        .iter()
        .map(|name| json!({ "name": name }))
        .collect();
    data(&json!({ "me": {
        "id": id, "standard_id": format!("user--{id}"), "name": "Somebody",
        "capabilities": capabilities,
    }}))
}

fn account(id: &str) -> Account {
    Account {
        id: id.to_owned(),
        name: "Somebody".to_owned(),
        capabilities: Vec::new(),
    }
}
