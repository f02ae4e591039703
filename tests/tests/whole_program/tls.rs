//! The way to the broker: what the settings overrule, and TLS with a client certificate.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tests::envelope::{HARBOUR, WEATHER, envelope, malware};
use tests::platform::Config;
use tests::program::Program;

use crate::site::{Site, broker, objects_of};

/// What the broker's certificates are for.
const HOST: &str = "localhost";

#[tokio::test]
async fn settings_overrule_what_the_registration_tells_of_the_broker() {
    let told = json!({
        "host": "rabbitmq.invalid", "port": 1, "vhost": "/nowhere", "use_ssl": true,
        "user": "nobody", "pass": "wrong",
    });
    let site = site(&told).await;
    let program = site
        .program()
        .with("MQ_HOST", "127.0.0.1")
        .with("MQ_PORT", port_of(&broker()))
        .with("MQ_VHOST", "/")
        .with("MQ_USE_SSL", "no")
        .with("MQ_USER", "guest")
        .with("MQ_PASS", "guest");
    imports(&site, &program).await;
}

#[tokio::test]
async fn files_are_imported_over_tls_with_a_client_certificate() {
    let site = site(&over_tls()).await;
    let program = site
        .program()
        .with("MQ_USE_SSL_CA", certificate("ca.pem"))
        .with("MQ_USE_SSL_CERT", certificate("client.pem"))
        .with("MQ_USE_SSL_KEY", certificate("client-encrypted.key"))
        .with("MQ_USE_SSL_PASSPHRASE", "of-the-tests");
    imports(&site, &program).await;
}

/// The state of a run over TLS, and a platform that tells of the same broker without.
#[tokio::test]
async fn a_registration_cannot_turn_tls_off() {
    let before = site(&over_tls()).await;
    let with_certificates = |program: Program| {
        program
            .with("MQ_USE_SSL_CA", certificate("ca.pem"))
            .with("MQ_USE_SSL_CERT", certificate("client.pem"))
            .with("MQ_USE_SSL_KEY", certificate("client.key"))
    };
    imports(&before, &with_certificates(before.program())).await;

    let after = site(&json!({})).await;
    let program = after
        .program()
        .with("DIODE_IMPORT_STATE_PATH", before.state());
    let refused = program.run().await.unwrap();
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    for word in ["broker-without-tls", "MQ_USE_SSL=true", "MQ_USE_SSL=false"] {
        assert!(refused.stderr.contains(word), "{}", refused.stderr);
    }
    assert_eq!(after.left().len(), 2, "{}", refused.stderr);

    // Where the settings want TLS, it is spoken: this broker's port cannot.
    let over_tls = program
        .clone()
        .with("MQ_USE_SSL", "true")
        .run()
        .await
        .unwrap();
    assert_eq!(over_tls.code, Some(4), "{}", over_tls.stderr);
    assert_eq!(after.left().len(), 2, "{}", over_tls.stderr);
    imports(&after, &program.with("MQ_USE_SSL", "false")).await;
}

#[tokio::test]
async fn certificates_may_be_text() {
    let site = site(&over_tls()).await;
    let text = |name| std::fs::read_to_string(certificate(name)).unwrap();
    let program = site
        .program()
        .with("MQ_USE_SSL_CA", text("ca.pem"))
        .with("MQ_USE_SSL_CERT", text("client.pem"))
        .with("MQ_USE_SSL_KEY", text("client.key"));
    imports(&site, &program).await;
}

#[tokio::test]
async fn an_unverified_broker_is_warned_of_once() {
    let site = site(&over_tls()).await;
    let program = site
        .program()
        .with("MQ_USE_SSL_REJECT_UNAUTHORIZED", "false")
        .with("MQ_USE_SSL_CERT", certificate("client.pem"))
        .with("MQ_USE_SSL_KEY", certificate("client.key"));
    let stderr = imports(&site, &program).await;
    let warning = "MQ_USE_SSL_REJECT_UNAUTHORIZED is false";
    assert_eq!(stderr.matches(warning).count(), 1, "{stderr}");
}

#[tokio::test]
async fn what_fails_is_told_with_the_setting_that_mends_it_and_the_file_stays() {
    for (authority, named) in [
        ("other-ca.pem", ["not trusted", "MQ_USE_SSL_CA"]),
        ("ca.pem", ["client certificate", "MQ_USE_SSL_CERT"]),
    ] {
        let site = site(&over_tls()).await;
        let program = site.program().with("MQ_USE_SSL_CA", certificate(authority));
        let run = program.run().await.unwrap();
        assert_eq!(run.code, Some(4), "{}", run.stderr);
        for word in named {
            assert!(run.stderr.contains(word), "no {word} in {}", run.stderr);
        }
        assert_eq!(site.left().len(), 2, "{}", run.stderr);
    }
}

/// A place whose platform tells this of its broker, with two files of two connectors.
async fn site(told: &Value) -> Site {
    let told: Map<String, Value> = told.as_object().unwrap().clone();
    let config = Config {
        told,
        ..Config::on_broker(broker())
    };
    let site = Site::with(config).await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    site.put("b.json", &envelope(HARBOUR, 2, &[malware(2)]));
    site
}

/// Runs the program to a good end, with both files imported; what it wrote to standard error.
async fn imports(site: &Site, program: &Program) -> String {
    let run = program.run().await.unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(site.left(), [].into(), "{}", run.stderr);
    for connector in [WEATHER, HARBOUR] {
        let messages = site.drain(connector.id).await;
        assert_eq!(objects_of(&messages).len(), 1, "{}", run.stderr);
    }
    run.stderr
}

/// What a registration tells of the broker where it speaks TLS.
fn over_tls() -> Value {
    let port: u16 = port_of(&variable("DIODE_TEST_AMQPS")).parse().unwrap();
    json!({ "host": HOST, "port": port, "use_ssl": true })
}

fn certificate(name: &str) -> PathBuf {
    Path::new(&variable("DIODE_TEST_CERTIFICATES")).join(name)
}

/// The port in `amqp://guest:guest@host:port/vhost`.
fn port_of(address: &str) -> String {
    let (_, place) = address.rsplit_once('@').unwrap();
    let (place, _) = place.split_once('/').unwrap();
    place.rsplit_once(':').unwrap().1.to_owned()
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: these tests need a RabbitMQ that speaks TLS. `cargo xtask test` \
             starts one and runs them; `cargo xtask services` prints the variables"
        )
    })
}
