//! Whether the platform may have acted on a request that failed, and whether it is sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use opencti_client::{ApiError, Client, Platform, Trust};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::client::{about, client, config, data, graphql_error, ping};
use crate::server::{Reply, Server};

#[tokio::test]
async fn what_was_answered_or_lost_may_have_been_seen() {
    let answer = |status, body: &str| Reply::Answer(status, body.to_owned());
    for (reply, expect) in [
        (Reply::HangUp, true),
        (answer(502, "<html>"), true),
        (
            answer(
                503,
                "upstream connect error or disconnect/reset before headers",
            ),
            true,
        ),
        (answer(500, ""), true),
        // Whoever answered may have done so after the platform did what it was asked.
        (answer(200, "<html>"), true),
        (answer(400, "<html>"), true),
        (answer(403, "<html>"), true),
        (Reply::Redirect("/login".to_owned()), true),
        (data(&json!({ "pingConnector": null })), true),
        (data(&json!({ "pingConnector": { "id": 1 } })), true),
        (graphql_error("busy", "LOCK_ERROR"), true),
        (graphql_error("no", "NEW_ERROR"), true),
        // The platform refuses.
        (graphql_error("no", "FUNCTIONAL_ERROR"), false),
        (graphql_error("no", "BAD_USER_INPUT"), false),
        (graphql_error("no", "AUTH_REQUIRED"), false),
        (graphql_error("no", "FORBIDDEN_ACCESS"), false),
        (answer(429, ""), false),
        (answer(413, ""), false),
    ] {
        let name = format!("{:?}", reply.clone());
        let server = Server::start([reply]).await;
        let error = pinged(&client(&server)).await;
        assert_eq!(error.may_have_been_seen(), expect, "{name}: {error}");
    }
}

#[tokio::test]
async fn what_nobody_took_was_not_seen() {
    for url in ["http://127.0.0.1:1", "http://opencti.invalid:8080"] {
        let error = pinged(&Client::new(config(url)).unwrap()).await;
        assert!(!error.may_have_been_seen(), "{error}");
    }
}

#[tokio::test]
async fn what_one_attempt_may_have_done_is_not_forgotten_with_the_next() {
    let busy = Reply::Answer(429, String::new());
    for (first, expect) in [(Reply::HangUp, true), (busy.clone(), false)] {
        let server = Server::start([first, busy.clone()]).await;
        let error = client(&server).version().await.unwrap_err();
        assert!(error.to_string().contains("429"), "{error}");
        assert_eq!(error.may_have_been_seen(), expect, "{error}");
    }
    let refused = graphql_error("no", "AUTH_REQUIRED");
    let server = Server::start([Reply::HangUp, refused, about("6.9.29")]).await;
    let error = client(&server).version().await.unwrap_err();
    assert!(error.may_have_been_seen(), "{error}");
}

#[tokio::test]
async fn a_handshake_that_fails_is_not_repeated_at_once() {
    // What is no TLS at all, and the alert of TLS 1.2 that ends a handshake.
    for answer in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"\x15\x03\x03\0\x02\x02\x28",
    ] {
        let (url, connections) = shouting(answer).await;
        let mut config = config(&url);
        config.tls.trust = Trust::Anyone;
        let error = Client::new(config).unwrap().version().await.unwrap_err();
        assert!(
            error.is_transient() && !error.may_have_been_seen(),
            "{error}"
        );
        assert_eq!(connections.load(Ordering::SeqCst), 1, "{error}");
    }
}

/// A server that answers whatever comes with these bytes, and counts the connections.
async fn shouting(answer: &'static [u8]) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = socket.read(&mut [0; 2048]).await;
            let _ = socket.write_all(answer).await;
            // Until the other side hangs up: a reset would take the answer with it.
            while socket.read(&mut [0; 2048]).await.is_ok_and(|read| read > 0) {}
        }
    });
    (url, connections)
}

async fn pinged(client: &Client) -> ApiError {
    client.ping_connector(&ping()).await.unwrap_err()
}
