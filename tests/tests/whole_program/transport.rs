//! The way to the platform: TLS, proxies, headers, a base path.

use std::fs;
use std::path::PathBuf;

use tests::certificates::{Authority, Certified};
use tests::envelope::{WEATHER, envelope, malware};
use tests::front::{Proxy, TlsFront};
use tests::platform::Config;
use tests::program::{Program, Run};

use crate::site::Site;

const WRONG_CONFIGURATION: i32 = 2;
const PLATFORM_UNREACHABLE: i32 = 4;

/// A platform behind a server that speaks TLS as `localhost`, and one file to import over its API.
struct Secured {
    site: Site,
    authority: Authority,
    front: TlsFront,
}

impl Secured {
    async fn new() -> Self {
        Self::showing(|authority| authority.certify("localhost").unwrap()).await
    }

    async fn showing(certificate: impl FnOnce(&Authority) -> Certified) -> Self {
        let site = site(Config::in_memory()).await;
        let authority = Authority::new("an authority of the tests").unwrap();
        let target = site.platform.address();
        let front = TlsFront::start(certificate(&authority), target)
            .await
            .unwrap();
        Self {
            site,
            authority,
            front,
        }
    }

    fn program(&self) -> Program {
        let url = format!("https://localhost:{}", self.front.port());
        over_api(&self.site).with("OPENCTI_URL", url)
    }

    /// The authority's certificate, in a file.
    fn authority_file(&self) -> PathBuf {
        let path = self.site.folder().join("ca.pem");
        fs::write(&path, self.authority.pem()).unwrap();
        path
    }
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_a_setting_names_it() {
    let secured = Secured::new().await;
    let file = secured.authority_file();
    let text = secured.authority.pem();
    for (setting, value) in [
        ("OPENCTI_SSL_VERIFY", file.clone().into_os_string()),
        ("HTTPS_CA_CERTIFICATES", file.clone().into_os_string()),
        ("HTTPS_CA_CERTIFICATES", text.into()),
        ("SSL_CERT_FILE", file.into_os_string()),
    ] {
        secured
            .site
            .put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
        let run = secured.program().with(setting, value).run().await.unwrap();
        imported(&secured.site, &run, setting).await;
        assert!(!run.stderr.contains("is false"), "{}", run.stderr);
    }
}

#[tokio::test]
async fn an_unknown_authority_is_refused_with_the_settings_that_name_one() {
    let by_another = Secured::new().await;
    let by_itself = Secured::showing(Authority::certify_itself).await;
    for secured in [by_another, by_itself] {
        let run = secured.program().run().await.unwrap();
        let named = ["HTTPS_CA_CERTIFICATES", "OPENCTI_SSL_VERIFY", "not trusted"];
        refused(&secured.site, &run, PLATFORM_UNREACHABLE, &named);
    }
}

#[tokio::test]
async fn a_certificate_of_another_host_is_refused() {
    let secured = Secured::showing(|authority| authority.certify("elsewhere").unwrap()).await;
    let program = secured
        .program()
        .with("HTTPS_CA_CERTIFICATES", secured.authority_file());
    let run = program.run().await.unwrap();
    refused(
        &secured.site,
        &run,
        PLATFORM_UNREACHABLE,
        &["another host name", "OPENCTI_URL"],
    );
}

#[tokio::test]
async fn anybody_is_trusted_without_verification_and_that_is_warned_of_once() {
    let secured = Secured::new().await;
    let program = secured.program().with("OPENCTI_SSL_VERIFY", "false");
    let run = program.run().await.unwrap();
    imported(&secured.site, &run, "OPENCTI_SSL_VERIFY").await;
    let warnings = run.stderr.matches("OPENCTI_SSL_VERIFY is false").count();
    assert_eq!(warnings, 1, "{}", run.stderr);
}

#[tokio::test]
async fn a_system_without_authorities_speaks_http_and_says_what_https_needs() {
    let plain = site(Config::in_memory()).await;
    let bare = |program: Program| {
        program
            .with("SSL_CERT_FILE", "/nonexistent/ca.pem")
            .with("SSL_CERT_DIR", "/nonexistent")
    };
    let run = bare(over_api(&plain)).run().await.unwrap();
    imported(&plain, &run, "http").await;

    let secured = Secured::new().await;
    let run = bare(secured.program()).run().await.unwrap();
    let named = ["no certificate authority", "HTTPS_CA_CERTIFICATES"];
    refused(&secured.site, &run, WRONG_CONFIGURATION, &named);
    let program = bare(secured.program()).with("HTTPS_CA_CERTIFICATES", secured.authority_file());
    let run = program.run().await.unwrap();
    imported(&secured.site, &run, "HTTPS_CA_CERTIFICATES").await;
}

#[tokio::test]
async fn a_plain_proxy_is_asked_for_the_platform_and_shown_its_user() {
    let site = site(Config::in_memory()).await;
    let proxy = Proxy::start(site.platform.address()).await.unwrap();
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
        let before = proxy.heads().len();
        let run = over_api(&site)
            // Nobody else knows this name.
            .with("OPENCTI_URL", "http://opencti.invalid")
            .with(variable, format!("http://me:hunter2@{}", proxy.address()))
            .with("HTTPS_PROXY", "http://127.0.0.1:1")
            .run()
            .await
            .unwrap();
        imported(&site, &run, variable).await;
        assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
        let heads = proxy.heads().split_off(before);
        for head in &heads {
            let head = head.to_lowercase();
            let start = "post http://opencti.invalid/graphql http/1.1\r\n";
            assert!(head.starts_with(start), "{head}");
            // me:hunter2
            let user = "proxy-authorization: basic bwu6ahvudgvymg==";
            assert!(head.contains(user), "{head}");
        }
        assert!(!heads.is_empty(), "{variable}");
    }
}

#[tokio::test]
async fn a_tunnel_through_a_proxy_shows_it_neither_token_nor_content() {
    let secured = Secured::new().await;
    let front = ([127, 0, 0, 1], secured.front.port()).into();
    let proxy = Proxy::start(front).await.unwrap();
    let run = secured
        .program()
        .with("HTTPS_CA_CERTIFICATES", secured.authority_file())
        .with("HTTPS_PROXY", proxy.address())
        .run()
        .await
        .unwrap();
    imported(&secured.site, &run, "HTTPS_PROXY").await;
    let connect = format!("CONNECT localhost:{} HTTP/1.1\r\n", secured.front.port());
    let heads = proxy.heads();
    assert!(!heads.is_empty());
    for head in heads {
        assert!(head.starts_with(&connect), "{head}");
        assert!(!head.contains(secured.site.platform.token()), "{head}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named_and_no_proxy_passes_it_by() {
    let site = site(Config::in_memory()).await;
    let program = over_api(&site).with("HTTP_PROXY", "http://me:hunter2@127.0.0.1:1");
    let run = program.run().await.unwrap();
    let named = ["through the proxy 127.0.0.1:1", "HTTP_PROXY", "NO_PROXY"];
    refused(&site, &run, PLATFORM_UNREACHABLE, &named);
    assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
    for exempt in ["127.0.0.0/8", "opencti.invalid, 127.0.0.1", "*"] {
        site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
        let program = program.clone().with("NO_PROXY", exempt);
        imported(&site, &program.run().await.unwrap(), exempt).await;
    }
}

#[tokio::test]
async fn custom_headers_go_with_every_request_and_are_not_logged() {
    let site = site(Config::in_memory()).await;
    let run = over_api(&site)
        .with(
            "OPENCTI_CUSTOM_HEADERS",
            "X-Front: hunter2-hunter2; X-Zone:red;",
        )
        .with("CONNECTOR_LOG_LEVEL", "trace")
        .run()
        .await
        .unwrap();
    imported(&site, &run, "OPENCTI_CUSTOM_HEADERS").await;
    assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
    let calls = site.platform.calls();
    assert!(calls.len() > 3, "{calls:?}");
    for call in calls {
        assert_eq!(call.headers["x-front"], "hunter2-hunter2", "{call:?}");
        assert_eq!(call.headers["x-zone"], "red", "{call:?}");
    }
}

#[tokio::test]
async fn a_base_path_is_kept() {
    let mut config = Config::in_memory();
    config.base_path = "/cti/base".to_owned();
    let site = site(config).await;
    for slash in ["", "/"] {
        site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
        let url = format!("{}{slash}", site.platform.url());
        let run = over_api(&site)
            .with("OPENCTI_URL", url)
            .run()
            .await
            .unwrap();
        imported(&site, &run, slash).await;
    }
}

async fn site(config: Config) -> Site {
    let site = Site::with(config).await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    site
}

/// Without a broker: only the way to the platform is looked at.
fn over_api(site: &Site) -> Program {
    site.program()
        .with("CONNECTOR_QUEUE_PROTOCOL", "api")
        .without("DIODE_IMPORT_APPLICANT_MAPPINGS")
}

async fn imported(site: &Site, run: &Run, case: &str) {
    assert_eq!(run.code, Some(0), "{case}: {}", run.stderr);
    assert_eq!(site.left(), [].into(), "{case}: {}", run.stderr);
    assert_eq!(site.drain(WEATHER.id).await.len(), 1, "{case}");
}

fn refused(site: &Site, run: &Run, code: i32, named: &[&str]) {
    assert_eq!(run.code, Some(code), "{}", run.stderr);
    for word in named {
        assert!(run.stderr.contains(word), "no {word} in {}", run.stderr);
    }
    assert!(
        !run.stderr.contains(site.platform.token()),
        "the token shows"
    );
    assert_eq!(site.left(), ["a.json".to_owned()].into());
}
