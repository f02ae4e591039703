//! What a source takes from the machine it is on.

use bundle_source::{S3Config, S3Setting, S3Source, S3Trust, Source};
use secrecy::ExposeSecret;

use crate::bucket::{Bucket, cause, listed};
use crate::inner::{is_inner, run_with};

#[tokio::test]
async fn certificates_are_missed_only_where_tls_is_spoken() {
    if !is_inner() {
        return run_with(
            "settings::certificates_are_missed_only_where_tls_is_spoken",
            &[("SSL_CERT_FILE", "/nowhere"), ("SSL_CERT_DIR", "/nowhere")],
        );
    }
    let bucket = Bucket::new().await;
    let plain = bucket.config("in");
    assert_eq!(listed(&S3Source::new(&plain).unwrap()).await, [""; 0]);
    let encrypted = S3Config {
        use_ssl: true,
        ..plain
    };
    let error = S3Source::new(&encrypted).unwrap_err();
    assert_eq!(error.to_string(), "cannot use the certificate authorities");
    assert_eq!(cause(&error).setting(), Some(S3Setting::Certificates));
    let unverified = S3Config {
        trust: S3Trust::Anyone,
        ..encrypted
    };
    assert!(S3Source::new(&unverified).is_ok());
}

#[tokio::test]
async fn keys_that_are_not_given_come_from_the_environment() {
    if !is_inner() {
        let keys = Bucket::named("any").config("in").keys.unwrap();
        return run_with(
            "settings::keys_that_are_not_given_come_from_the_environment",
            &[
                ("AWS_ACCESS_KEY_ID", &keys.access_key),
                ("AWS_SECRET_ACCESS_KEY", keys.secret_key.expose_secret()),
            ],
        );
    }
    let bucket = Bucket::new().await;
    bucket.put("in/01.json", b"{}").await;
    let source = S3Source::new(&bucket.config_without_keys("in")).unwrap();
    assert_eq!(listed(&source).await, ["01.json"]);
}

#[tokio::test]
async fn keys_that_come_from_nowhere_are_told() {
    if !is_inner() {
        return run_with(
            "settings::keys_that_come_from_nowhere_are_told",
            // Nobody listens there.
            &[("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")],
        );
    }
    let bucket = Bucket::named("any");
    let source = S3Source::new(&bucket.config_without_keys("in")).unwrap();
    let error = source.list_all().await.unwrap_err();
    let expect = "no access key was given, and none could be got from the environment";
    assert_eq!(cause(&error).to_string(), expect);
    assert_eq!(cause(&error).setting(), Some(S3Setting::AccessKey));
}
