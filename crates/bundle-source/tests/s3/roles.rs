//! Keys and a region that nobody configures: those of AWS's usual places. Whoever gives them out is
//! in the outer test, and the source that asks for them in the inner one.

use std::io::Write as _;

use bundle_source::{S3Config, S3Error, S3Keys, S3Source, Source};
use secrecy::ExposeSecret;
use tempfile::NamedTempFile;

use crate::bucket::{Bucket, cause, listed};
use crate::giver::{Giver, Head};
use crate::inner::{is_inner, run_with};
use crate::proxy::{Fault, Proxy};

const AUTHORITY: &str = "DIODE_TEST_AUTHORITY";
const REGION: &str = "DIODE_TEST_REGION";
const SESSION: &str = "of-the-session";
const ROLE: &str = "arn:aws:iam::123456789012:role/importer";

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_s_role_signs() {
    if is_inner() {
        return list_one_file_twice(S3Config::clone).await;
    }
    let answers = |head: &Head, _| metadata(head, &json(&store_keys(), "2099-01-01T00:00:00Z"));
    let giver = Giver::start(answers).await;
    let address = format!("http://{}", giver.address);
    run_with(
        "roles::an_instance_s_role_signs",
        &[("AWS_METADATA_ENDPOINT", &address)],
    );
    // Once for all requests.
    let expect = [
        "PUT /latest/api/token",
        "GET /latest/meta-data/iam/security-credentials/",
        "GET /latest/meta-data/iam/security-credentials/importer",
    ];
    assert_eq!(giver.requests(), expect);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_expired_are_asked_for_again() {
    if is_inner() {
        let bucket = Bucket::new().await;
        let source = S3Source::new(&bucket.config_without_keys("in")).unwrap();
        let error = source.list_all().await.unwrap_err();
        let known = cause(&error);
        assert!(matches!(known, S3Error::UnknownAccessKey), "{known:?}");
        assert_eq!(listed(&source).await, [""; 0]);
        return;
    }
    let answers = |head: &Head, before| match before {
        0..3 => {
            let keys = S3Keys {
                access_key: "GONE".into(),
                ..store_keys()
            };
            metadata(head, &json(&keys, "2026-01-01T00:00:00Z"))
        }
        _ => metadata(head, &json(&store_keys(), "2099-01-01T00:00:00Z")),
    };
    let giver = Giver::start(answers).await;
    let address = format!("http://{}", giver.address);
    run_with(
        "roles::keys_that_expired_are_asked_for_again",
        &[("AWS_METADATA_ENDPOINT", &address)],
    );
    assert_eq!(giver.requests().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_s_role_signs() {
    if is_inner() {
        return list_one_file_twice(S3Config::clone).await;
    }
    let answers = |head: &Head, _| {
        let is_known = head.header("authorization") == Some("of-the-pod");
        is_known.then(|| json(&store_keys(), "2099-01-01T00:00:00Z"))
    };
    let giver = Giver::start(answers).await;
    let address = format!("http://{}/v1/credentials", giver.address);
    let token = file("of-the-pod");
    run_with(
        "roles::a_container_s_role_signs",
        &[
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &address),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path(&token)),
        ],
    );
    assert_eq!(giver.requests(), ["GET /v1/credentials"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_identity_signs() {
    if is_inner() {
        return list_one_file_twice(|plain| S3Config {
            extra_roots: vec![std::env::var(AUTHORITY).unwrap()],
            ..plain.clone()
        })
        .await;
    }
    let (giver, authority) = Giver::start_with_tls(security_tokens).await;
    let token = file("of-the-workload");
    run_with(
        "roles::a_web_identity_signs",
        &[
            (AUTHORITY, &authority),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", path(&token)),
            ("AWS_ROLE_ARN", ROLE),
            ("AWS_ENDPOINT_URL_STS", &at_localhost(&giver)),
        ],
    );
    assert_eq!(giver.requests().len(), 1);
}

/// Whoever can read the token can have the role's keys.
#[tokio::test(flavor = "multi_thread")]
async fn a_web_identity_is_not_told_to_whom_nobody_vouches_for() {
    if is_inner() {
        let bucket = Bucket::named("any");
        let source = S3Source::new(&bucket.config_without_keys("in")).unwrap();
        let error = source.list_all().await.unwrap_err();
        let known = cause(&error);
        assert!(matches!(known, S3Error::NoCredentials(_)), "{known:?}");
        let token = std::fs::read_to_string(std::env::var("AWS_WEB_IDENTITY_TOKEN_FILE").unwrap());
        let said = format!("{error:?}");
        assert!(said.contains("UnknownIssuer"), "{said}");
        assert!(!said.contains(&token.unwrap()), "{said}");
        return;
    }
    let (giver, _) = Giver::start_with_tls(security_tokens).await;
    let token = file("of-the-workload");
    run_with(
        "roles::a_web_identity_is_not_told_to_whom_nobody_vouches_for",
        &[
            ("AWS_WEB_IDENTITY_TOKEN_FILE", path(&token)),
            ("AWS_ROLE_ARN", ROLE),
            ("AWS_ENDPOINT_URL_STS", &at_localhost(&giver)),
        ],
    );
    assert_eq!(giver.requests(), [""; 0]);
}

/// `NO_PROXY` spares the store here, and would spare the metadata service as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_environment_is_gone_through_for_a_role() {
    if is_inner() {
        return list_one_file_twice(S3Config::clone).await;
    }
    let answers = |head: &Head, _| metadata(head, &json(&store_keys(), "2099-01-01T00:00:00Z"));
    let giver = Giver::start(answers).await;
    let proxy = format!("http://{}", giver.address);
    let store = Bucket::named("any").store;
    run_with(
        "roles::a_proxy_of_the_environment_is_gone_through_for_a_role",
        &[
            ("AWS_METADATA_ENDPOINT", "http://metadata.invalid"),
            ("HTTP_PROXY", &proxy),
            ("NO_PROXY", store.host_str().unwrap()),
        ],
    );
    let first = "PUT http://metadata.invalid/latest/api/token";
    assert_eq!(giver.requests()[0], first);
}

/// The store of these tests does not look at such a token, so here the giver is the store, too.
#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_a_session_goes_with_a_request() {
    if is_inner() {
        let store = std::env::var("AWS_METADATA_ENDPOINT").unwrap();
        let source = S3Source::new(&S3Config {
            endpoint: Some(store),
            ..S3Config::new("any", "in")
        });
        assert_eq!(listed(&source.unwrap()).await, [""; 0]);
        return;
    }
    let answers = |head: &Head, _| {
        let role = json(&store_keys(), "2099-01-01T00:00:00Z");
        metadata(head, &role).or_else(|| {
            let has_token = head.header("x-amz-security-token") == Some(SESSION);
            let signed = head.header("authorization")?;
            let page = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
            (has_token && signed.contains("x-amz-security-token")).then(|| page.to_owned())
        })
    };
    let giver = Giver::start(answers).await;
    let address = format!("http://{}", giver.address);
    run_with(
        "roles::the_token_of_a_session_goes_with_a_request",
        &[("AWS_METADATA_ENDPOINT", &address)],
    );
    assert_eq!(giver.requests().len(), 4);
}

#[tokio::test]
async fn the_environment_s_region_counts_with_its_keys() {
    let test = "roles::the_environment_s_region_counts_with_its_keys";
    if is_inner() {
        return check_region(&std::env::var(REGION).unwrap()).await;
    }
    let keys = store_keys();
    let check = |environment: &[(&str, &str)], expect| {
        let access_key = ("AWS_ACCESS_KEY_ID", &*keys.access_key);
        let secret_key = ("AWS_SECRET_ACCESS_KEY", keys.secret_key.expose_secret());
        run_with(
            test,
            &[environment, &[access_key, secret_key, (REGION, expect)]].concat(),
        );
    };
    let [region, default] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
    check(&[], "us-east-1");
    check(&[(region, "eu-west-3")], "eu-west-3");
    check(&[(default, "eu-west-3")], "eu-west-3");
    check(
        &[(default, "eu-west-1"), (region, "eu-west-3")],
        "eu-west-3",
    );
}

/// What is signed with keys of the environment is signed for `expect`; for others, the environment's
/// region does not count.
async fn check_region(expect: &str) {
    let bucket = Bucket::new().await;
    let store = bucket.store.socket_addrs(|| None).unwrap()[0];
    let found = bucket.config_without_keys("in");
    let with_region = S3Config {
        region: Some("eu-central-1".into()),
        ..found.clone()
    };
    for (config, expect) in [
        (found, expect),
        (with_region, "eu-central-1"),
        (bucket.config("in"), "us-east-1"),
    ] {
        let proxy = Proxy::start(store, |_, _| Fault::None).await;
        let source = S3Source::new(&S3Config {
            endpoint: Some(format!("http://{}", proxy.address)),
            ..config
        });
        assert_eq!(listed(&source.unwrap()).await, [""; 0]);
        let heads = proxy.heads();
        let scope = format!("/{expect}/s3/aws4_request");
        assert!(heads[0].contains(&scope), "{expect}: {heads:?}");
    }
}

/// Lists a bucket with one file, without keys of our own but with what else `of` adds.
async fn list_one_file_twice(of: impl FnOnce(&S3Config) -> S3Config) {
    let bucket = Bucket::new().await;
    bucket.put("in/01.json", b"{}").await;
    let source = S3Source::new(&of(&bucket.config_without_keys("in"))).unwrap();
    assert_eq!(listed(&source).await, ["01.json"]);
    assert_eq!(listed(&source).await, ["01.json"]);
}

/// What a machine's metadata service answers, in its second version, to whom has a session.
fn metadata(head: &Head, role: &str) -> Option<String> {
    const METADATA: &str = "of-the-metadata";
    let has_session = head.header("x-aws-ec2-metadata-token") == Some(METADATA);
    let has_ttl = head
        .header("x-aws-ec2-metadata-token-ttl-seconds")
        .is_some();
    let (method, address) = head.line().split_once(' ')?;
    let (_, path) = address.split_once("/latest/")?;
    match (method, path) {
        ("PUT", "api/token") => has_ttl.then(|| METADATA.to_owned()),
        ("GET", "meta-data/iam/security-credentials/") => {
            has_session.then(|| "importer".to_owned())
        }
        ("GET", "meta-data/iam/security-credentials/importer") => {
            has_session.then(|| role.to_owned())
        }
        _ => None,
    }
}

/// What AWS's Security Token Service answers to whom has the token.
fn security_tokens(head: &Head, _: usize) -> Option<String> {
    let (method, address) = head.line().split_once(' ')?;
    let query = url::Url::parse("https://localhost")
        .ok()?
        .join(address)
        .ok()?;
    let has = |name: &str, expect: &str| {
        let mut pairs = query.query_pairs();
        pairs.any(|(found, value)| found == name && value == expect)
    };
    let is_right = method == "POST"
        && has("Action", "AssumeRoleWithWebIdentity")
        && has("RoleArn", ROLE)
        && has("WebIdentityToken", "of-the-workload");
    let keys = store_keys();
    let (access_key, secret_key) = (&keys.access_key, keys.secret_key.expose_secret());
    is_right.then(|| {
        format!(
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
             <AccessKeyId>{access_key}</AccessKeyId>\
             <SecretAccessKey>{secret_key}</SecretAccessKey>\
             <SessionToken>{SESSION}</SessionToken>\
             <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
             </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        )
    })
}

/// A role's keys, as the services of machines and containers give them out.
fn json(keys: &S3Keys, expiration: &str) -> String {
    let (access_key, secret_key) = (&keys.access_key, keys.secret_key.expose_secret());
    format!(
        r#"{{"AccessKeyId":"{access_key}","SecretAccessKey":"{secret_key}","Token":"{SESSION}","Expiration":"{expiration}"}}"#
    )
}

fn store_keys() -> S3Keys {
    Bucket::named("any").config("in").keys.unwrap()
}

fn at_localhost(giver: &Giver) -> String {
    format!("https://localhost:{}", giver.address.port())
}

fn file(content: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().unwrap()
}
