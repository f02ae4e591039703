//! How the platform and the broker are reached, and what is said where they cannot be.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;

use opencti_client::{Pem, Trust};

use crate::settings::load::{Inputs, Loaded};
use crate::settings::model::Settings;
use crate::settings::problem::Refusal;

const URL: &str = "https://opencti.example.com";

/// A certificate authority, made for this test; its key is gone.
const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----
MIIBnjCCAUWgAwIBAgIUArETH29W8Cr+V6Tu7yriJkBqTn4wCgYIKoZIzj0EAwIw
JDEiMCAGA1UEAwwZYW4gYXV0aG9yaXR5IG9mIHRoZSB0ZXN0czAgFw0yNjExMjQw
ODA5MTVaGA8yMTI2MTAzMTA4MDkxNVowJDEiMCAGA1UEAwwZYW4gYXV0aG9yaXR5
IG9mIHRoZSB0ZXN0czBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHqsL+RG02od
CcHjkPnx6g3BG3d/x/ZXLv6lPoCIJBdIBe4xKzw2mSQCNwF0fGpte4fgDZPKHxk1
I+KJBb/p/tmjUzBRMB0GA1UdDgQWBBSTJoHLAyXSPpJ7UFaROKEkuV9rnjAfBgNV
HSMEGDAWgBSTJoHLAyXSPpJ7UFaROKEkuV9rnjAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0cAMEQCIHPw6xk5gSK2z8ouMQsR/KzHVAOHAvfGOWiyp7vma5LI
AiBhPwF4qFiJxuNRTCORaQVYMp6OgwY2Pajt31QjSvIxKA==
-----END CERTIFICATE-----
";

fn load(more: &[(&str, &str)]) -> Result<Loaded<Settings>, Refusal> {
    let least = [
        ("OPENCTI_URL", URL),
        ("OPENCTI_TOKEN", "the-token"),
        ("CONNECTOR_ID", "6f2b1f6e-8d2c-4a4e-9c43-0f4f2c6f9b11"),
        ("DIODE_IMPORT_GET_FROM_DIRECTORY_PATH", "/in"),
        ("STATE_DIRECTORY", "/state"),
    ];
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Settings::load(&Inputs {
        environment: least
            .iter()
            .chain(more)
            .map(owned)
            .collect::<BTreeMap<_, _>>(),
        config: None,
        read: &|_: &Path| -> io::Result<String> { Err(ErrorKind::NotFound.into()) },
    })
}

/// What is wrong with the settings, and what looks wrong.
fn said(more: &[(&str, &str)]) -> String {
    let (problems, warnings) = match load(more) {
        Ok(loaded) => (Vec::new(), loaded.warnings),
        Err(refusal) => (refusal.problems, refusal.warnings),
    };
    let problems = problems.iter().map(ToString::to_string);
    problems.chain(warnings).collect::<Vec<_>>().join("\n")
}

#[test]
fn nothing_is_said_of_a_usual_configuration() {
    for more in [
        &[][..],
        &[("HTTPS_CA_CERTIFICATES", AUTHORITY)],
        &[("MQ_USE_SSL", "true"), ("MQ_USE_SSL_CA", AUTHORITY)],
        &[
            ("HTTPS_PROXY", "http://proxy:3128"),
            ("https_proxy", "http://proxy:3128"),
        ],
        &[("OPENCTI_CUSTOM_HEADERS", "X-Front: secret")],
    ] {
        assert_eq!(said(more), "", "{more:?}");
    }
}

#[test]
fn the_platform_is_verified_as_the_settings_say() {
    let check = |more: &[(&str, &str)], trust: Trust, extra: usize| {
        let tls = load(more).unwrap().value.opencti.tls;
        assert_eq!(
            (tls.trust, tls.extra_roots.len()),
            (trust, extra),
            "{more:?}"
        );
    };
    check(&[], Trust::System, 0);
    check(&[("HTTPS_CA_CERTIFICATES", AUTHORITY)], Trust::System, 1);
    check(&[("OPENCTI_SSL_VERIFY", "no")], Trust::Anyone, 0);
    let both = [
        ("OPENCTI_SSL_VERIFY", "no"),
        ("HTTPS_CA_CERTIFICATES", AUTHORITY),
    ];
    check(&both, Trust::System, 1);
}

#[test]
fn the_broker_is_verified_as_the_settings_say() {
    let check = |more: &[(&str, &str)], trust: Trust| {
        let tls = load(more).unwrap().value.mq.tls;
        assert_eq!(tls.trust, trust, "{more:?}");
        assert!(tls.identity.is_none(), "{more:?}");
    };
    let authority = || Trust::Only(Pem::Text(AUTHORITY.trim().to_owned()));
    check(&[], Trust::System);
    check(&[("MQ_USE_SSL_CA", AUTHORITY)], authority());
    let off = ("MQ_USE_SSL_REJECT_UNAUTHORIZED", "false");
    check(&[off, ("MQ_USE_SSL_CA", AUTHORITY)], Trust::Anyone);
}

#[test]
fn verification_that_is_off_is_warned_of_once_for_each_side() {
    let off = [
        ("OPENCTI_SSL_VERIFY", "false"),
        ("MQ_USE_SSL_REJECT_UNAUTHORIZED", "false"),
    ];
    insta::assert_snapshot!(said(&off), @r#"
    OPENCTI_SSL_VERIFY is false: whoever is between this connector and the platform can read the token
    MQ_USE_SSL_REJECT_UNAUTHORIZED is false: whoever is between this connector and the broker can read the password and all that is imported
    "#);
    let in_vain = [
        off[0],
        off[1],
        ("HTTPS_CA_CERTIFICATES", AUTHORITY),
        ("MQ_USE_SSL_CA", AUTHORITY),
    ];
    insta::assert_snapshot!(said(&in_vain), @r#"
    OPENCTI_SSL_VERIFY is false, but HTTPS_CA_CERTIFICATES is given: the platform is verified all the same, by those authorities and the system's
    MQ_USE_SSL_REJECT_UNAUTHORIZED is false: whoever is between this connector and the broker can read the password and all that is imported
    MQ_USE_SSL_REJECT_UNAUTHORIZED is false, so MQ_USE_SSL_CA has no effect
    "#);
}

#[test]
fn certificates_for_a_broker_without_tls_are_warned_of() {
    let more = [("MQ_USE_SSL", "no"), ("MQ_USE_SSL_CA", AUTHORITY)];
    let warning = "MQ_USE_SSL is false, so MQ_USE_SSL_CA has no effect";
    assert_eq!(said(&more), warning);
}

#[test]
fn certificates_that_are_of_no_use_are_told_by_their_settings() {
    let bad = [
        ("OPENCTI_SSL_VERIFY", "/nonexistent/a.pem"),
        ("HTTPS_CA_CERTIFICATES", "/dev/null"),
        ("MQ_USE_SSL_CA", "-----BEGIN \nhunter2"),
        ("MQ_USE_SSL_CERT", AUTHORITY),
        ("MQ_USE_SSL_KEY", "hunter2/hunter2"),
    ];
    let told = said(&bad);
    assert!(!told.contains("hunter2"), "{told}");
    insta::assert_snapshot!(told, @r#"
    OPENCTI_SSL_VERIFY (opencti.ssl_verify), from the environment: "/nonexistent/a.pem" cannot be used (No such file or directory (os error 2)); give the path of a PEM file that this process can read
    HTTPS_CA_CERTIFICATES, from the environment: "/dev/null" cannot be used (no certificate in /dev/null); give PEM text, or the path of a PEM file that this process can read
    MQ_USE_SSL_CA (mq.use_ssl_ca), from the environment: the text cannot be used (the text given is damaged PEM); give PEM text, or the path of a PEM file that this process can read
    MQ_USE_SSL_KEY (mq.use_ssl_key), from the environment: the value cannot be used (No such file or directory (os error 2)); give PEM text, or the path of a PEM file that this process can read
    "#);
}

#[test]
fn a_certificate_and_its_key_come_together() {
    insta::assert_snapshot!(said(&[("MQ_USE_SSL_KEY", "/run/key.pem")]), @"MQ_USE_SSL_CERT (mq.use_ssl_cert) is not given; give the certificate that MQ_USE_SSL_KEY belongs to, or neither");
    insta::assert_snapshot!(said(&[("MQ_USE_SSL_CERT", AUTHORITY)]), @"MQ_USE_SSL_KEY (mq.use_ssl_key) is not given; give PEM text, or the path of a PEM file that this process can read");
}

#[test]
fn the_proxy_is_the_one_for_the_platform_s_address() {
    let check = |more: &[(&str, &str)], expect: Option<&str>| {
        let proxy = load(more).unwrap().value.opencti.proxy;
        assert_eq!(
            proxy.map(|proxy| proxy.to_string()).as_deref(),
            expect,
            "{more:?}"
        );
    };
    let plain = ("OPENCTI_URL", "http://opencti:8080");
    let http = ("HTTP_PROXY", "http://h:1");
    let https = ("HTTPS_PROXY", "s:2");
    let any = ("all_proxy", "a:3");
    check(&[http], None);
    check(&[https, http], Some("s:2"));
    check(&[plain, https, http], Some("h:1"));
    check(&[plain, https], None);
    check(&[any], Some("a:3"));
    check(&[any, https], Some("s:2"));
    check(&[https, ("NO_PROXY", "localhost,example.com")], None);
    check(&[https, ("no_proxy", "localhost")], Some("s:2"));
    let odd = ("NO_PROXY", "http://opencti");
    check(&[odd], None);
    assert!(load(&[https, odd]).is_err());
}

#[test]
fn two_names_of_a_proxy_must_not_contradict_each_other() {
    let both = [
        ("HTTPS_PROXY", "http://me:hunter2@a:1"),
        ("https_proxy", "http://b:1"),
    ];
    insta::assert_snapshot!(said(&both), @"HTTPS_PROXY and https_proxy are both given, with different values; keep one of them");
}
