//! What AWS does and the store of these tests does not: roles that give keys, and regions.

use tests::envelope::{WEATHER, envelope, malware};
use tests::platform::Config;

use crate::proxy::{Fault, Proxy};
use crate::site::{Site, broker, objects_of};
use tests::bucket::Bucket;

const FAILED: i32 = 1;

/// As AWS answers a request that is signed for another region.
const MALFORMED: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/xml\r\n\
    connection: close\r\n\r\n<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>\
    AuthorizationHeaderMalformed</Code><Message>The authorization header is malformed; the region \
    'us-east-1' is wrong; expecting 'eu-west-3'</Message><Region>eu-west-3</Region></Error>";

/// As AWS answers at the address of another region.
const REDIRECTED: &str = "HTTP/1.1 301 Moved Permanently\r\nx-amz-bucket-region: eu-west-3\r\n\
    content-type: application/xml\r\nconnection: close\r\n\r\n<?xml version=\"1.0\" \
    encoding=\"UTF-8\"?>\n<Error><Code>PermanentRedirect</Code><Message>The bucket you are \
    attempting to access must be addressed using the specified endpoint.</Message></Error>";

fn id(number: u32) -> String {
    malware(number)["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_wrong_region_is_named_and_the_directory_goes_on() {
    for answer in [MALFORMED, REDIRECTED] {
        let (site, bucket) = (Site::new().await, Bucket::new().await);
        site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
        let store = bucket.store.socket_addrs(|| None).unwrap()[0];
        let proxy = Proxy::start(store, move |_, _| Fault::Answered(answer)).await;
        let endpoint = format!("http://{}", proxy.address);
        let program = bucket.added_to(site.program());
        let program = program.with("DIODE_IMPORT_S3_ENDPOINT", endpoint);
        let run = program.run().await.unwrap();
        assert_eq!(run.code, Some(FAILED), "{}", run.stderr);
        let about = |line: &&str| line.contains("region");
        let lines: Vec<_> = run.stderr.lines().filter(about).collect();
        assert_eq!(lines.len(), 1, "{}", run.stderr);
        let said = "the region is wrong: the bucket is in eu-west-3 (see \
                    DIODE_IMPORT_S3_BUCKET_REGION)";
        assert!(lines[0].contains(said), "{}", lines[0]);
        assert_eq!(objects_of(&site.drain(WEATHER.id).await), [id(1)]);
        assert!(site.left().is_empty());
    }
}

#[tokio::test]
async fn a_role_s_keys_are_used_although_the_platform_tells_others() {
    let bucket = Bucket::new().await;
    let mut told = bucket.told();
    told["access_key"] = "NOBODY".into();
    let config = Config {
        storage: told,
        ..Config::on_broker(broker()).in_version("6.9.10")
    };
    let site = Site::with(config).await;
    bucket
        .put(
            "connectors/a.json",
            envelope(WEATHER, 1, &[malware(1)]).to_string(),
        )
        .await;
    let store = bucket.store.socket_addrs(|| None).unwrap()[0];
    let (access_key, secret_key) = (bucket.store.username(), bucket.store.password().unwrap());
    let role = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{{\"AccessKeyId\": \"{access_key}\", \
         \"SecretAccessKey\": \"{secret_key}\", \"Token\": \"of-the-session\", \
         \"Expiration\": \"2099-01-01T00:00:00Z\"}}"
    );
    let role: &str = role.leak();
    let giver = Proxy::start(store, move |_, _| Fault::Answered(role)).await;
    let address = format!("http://{}/v1/credentials", giver.address);
    let token = site.folder().join("token");
    std::fs::write(&token, "of-the-pod").unwrap();
    let told = [
        "DIODE_IMPORT_GET_FROM_S3_BUCKET",
        "DIODE_IMPORT_S3_ENDPOINT",
        "DIODE_IMPORT_S3_ACCESS_KEY",
        "DIODE_IMPORT_S3_SECRET_KEY",
    ]
    .into_iter()
    .fold(bucket.program(site.program()), |program, variable| {
        program.without(variable)
    })
    .with("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)
    .with("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token);
    let refused = told.run().await.unwrap();
    assert_eq!(refused.code, Some(FAILED), "{}", refused.stderr);
    assert_eq!(giver.count("GET"), 0);
    let run = told
        .with("DIODE_IMPORT_S3_USE_AWS_ROLE", "true")
        .run()
        .await
        .unwrap();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(giver.count("GET"), 1);
    assert_eq!(objects_of(&site.drain(WEATHER.id).await), [id(1)]);
    assert_eq!(bucket.keys().await, [""; 0]);
}
