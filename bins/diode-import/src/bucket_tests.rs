//! What a bucket is made of, by what is set and what is told.

use opencti_client::{ErrorClass, Secret};
use secrecy::ExposeSecret as _;

use super::*;

fn nothing() -> S3Settings {
    S3Settings {
        bucket: None,
        folder: "connectors".into(),
        rejected_folder: None,
        retention_days: None,
        endpoint: None,
        port: None,
        use_ssl: None,
        region: None,
        access_key: None,
        secret_key: None,
        use_aws_role: false,
    }
}

fn told() -> S3Connection {
    S3Connection {
        endpoint: "minio".into(),
        port: 9000,
        use_ssl: false,
        bucket_name: "platform".into(),
        bucket_region: "us-east-1".into(),
        access_key: Secret::new("told-access"),
        secret_key: Secret::new("told-secret"),
    }
}

/// What a platform may tell that uses a role.
fn told_without_keys() -> S3Connection {
    S3Connection {
        access_key: Secret::new(""),
        secret_key: Secret::new(""),
        ..told()
    }
}

/// A configuration in one line.
fn line(config: &S3Config) -> String {
    let keys = config.keys.as_ref().map(|keys| {
        let secret_key = keys.secret_key.expose_secret();
        format!("{} {secret_key}", keys.access_key)
    });
    format!(
        "{:?} {:?} {} {} {:?} {keys:?}",
        config.endpoint, config.port, config.use_ssl, config.bucket, config.region
    )
}

#[test]
fn each_value_is_set_or_told_on_its_own() {
    let check = |settings: S3Settings, told: Option<&S3Connection>, expect: &str| {
        assert_eq!(line(&config(&settings, told)), expect);
    };
    let told = told();
    check(
        nothing(),
        Some(&told),
        r#"Some("minio") Some(9000) false platform Some("us-east-1") Some("told-access told-secret")"#,
    );
    let bucket_and_keys = S3Settings {
        bucket: Some("transfer".into()),
        access_key: Some(Secret::new("a")),
        secret_key: Some(Secret::new("s")),
        ..nothing()
    };
    check(
        bucket_and_keys,
        Some(&told),
        r#"Some("minio") Some(9000) false transfer Some("us-east-1") Some("a s")"#,
    );
    let host = S3Settings {
        endpoint: Some("store".into()),
        use_ssl: Some(true),
        ..nothing()
    };
    check(
        host,
        Some(&told),
        r#"Some("store") Some(9000) true platform Some("us-east-1") Some("told-access told-secret")"#,
    );
    let url = S3Settings {
        endpoint: Some("https://s3.eu-west-3.amazonaws.com".into()),
        region: Some("eu-west-3".into()),
        ..nothing()
    };
    check(
        url,
        Some(&told),
        r#"Some("https://s3.eu-west-3.amazonaws.com") None false platform Some("eu-west-3") Some("told-access told-secret")"#,
    );
    let by_role = told_without_keys();
    check(
        nothing(),
        Some(&by_role),
        r#"Some("minio") Some(9000) false platform Some("us-east-1") None"#,
    );
    let own_role = S3Settings {
        use_aws_role: true,
        ..nothing()
    };
    check(
        own_role,
        Some(&told),
        r#"Some("minio") Some(9000) false platform Some("us-east-1") None"#,
    );
    let without_platform = S3Settings {
        endpoint: Some("store".into()),
        bucket: Some("transfer".into()),
        ..nothing()
    };
    check(
        without_platform,
        None,
        r#"Some("store") None true transfer None None"#,
    );
}

#[test]
fn what_is_neither_set_nor_told_is_named() {
    let check = |settings: S3Settings, told: Option<&S3Connection>, expect: &[&str]| {
        assert_eq!(missing(&settings, told), expect, "{settings:?}");
    };
    check(nothing(), Some(&told()), &[]);
    check(nothing(), None, &[names::BUCKET, names::ENDPOINT]);
    let place = S3Settings {
        bucket: Some("b".into()),
        endpoint: Some("e".into()),
        ..nothing()
    };
    check(place.clone(), None, &[]);
    let half = S3Settings {
        access_key: Some(Secret::new("a")),
        ..place.clone()
    };
    check(half.clone(), None, &[names::SECRET_KEY]);
    check(half.clone(), Some(&told()), &[]);
    check(half, Some(&told_without_keys()), &[names::SECRET_KEY]);
    check(nothing(), Some(&told_without_keys()), &[]);
    let other_half = S3Settings {
        secret_key: Some(Secret::new("a")),
        ..place
    };
    check(other_half, None, &[names::ACCESS_KEY]);
}

#[test]
fn why_a_value_is_not_told() {
    let version = PlatformVersion::parse("6.8.0");
    let expect = "this platform (6.8.0) does not tell it, as those from 6.9.10 on do";
    assert_eq!(why_not_told(&Ok(None), version), expect);
    let error = ApiError::new("registerConnector", ErrorClass::Transient, "no keys");
    let said = why_not_told(&Err(error), version);
    assert!(
        said.starts_with("the platform does not tell it ("),
        "{said}"
    );
    assert!(said.contains("no keys"), "{said}");
}

#[test]
fn errors_name_the_setting() {
    let error = |cause: S3Error| SourceError {
        action: "list",
        place: "s3://b/f".into(),
        transient: false,
        read_only: false,
        source: Box::new(cause),
    };
    let check = |cause: S3Error, expect: &str| {
        assert_eq!(chain(&named(error(cause))), expect);
    };
    check(
        S3Error::NoBucket,
        "cannot list s3://b/f: the bucket does not exist (see DIODE_IMPORT_GET_FROM_S3_BUCKET)",
    );
    check(
        S3Error::Unreachable("refused".into()),
        "cannot list s3://b/f: cannot connect to the store (see DIODE_IMPORT_S3_ENDPOINT): refused",
    );
    check(
        S3Error::Clock,
        "cannot list s3://b/f: the clocks of the store and of this machine differ by too much",
    );
}
