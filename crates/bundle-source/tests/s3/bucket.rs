//! Another way to the store than the one that is tested.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use bundle_source::{Entry, S3Config, S3Error, S3Keys, S3Patience, S3Source, Source, SourceError};
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, StatusCode};
use object_store::ClientOptions;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::{HttpClient, HttpConnector, ReqwestConnector};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A bucket of its own at the store.
pub(crate) struct Bucket {
    pub(crate) store: Url,
    pub(crate) name: String,
    credential: AwsCredential,
    http: HttpClient,
}

impl Bucket {
    /// Makes a bucket.
    pub(crate) async fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let bucket = Self::named(&format!(
            "{}-{:x}-{}",
            std::process::id(),
            SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis(),
            MADE.fetch_add(1, Ordering::Relaxed)
        ));
        bucket.send(Method::PUT, "", "", &[], b"").await;
        bucket
    }

    /// A bucket that is not made.
    pub(crate) fn named(name: &str) -> Self {
        let store = std::env::var("DIODE_TEST_S3")
            .expect("DIODE_TEST_S3 must be http://ACCESS:SECRET@HOST:PORT/PREFIX");
        let store = Url::parse(&store).expect("DIODE_TEST_S3 must be a URL");
        let credential = AwsCredential {
            key_id: store.username().into(),
            secret_key: store.password().expect("DIODE_TEST_S3 has a secret").into(),
            token: None,
        };
        // This is what gives the HTTP client its crypto provider.
        drop(S3Source::new(&S3Config::new("any", "")));
        let options = ClientOptions::new()
            .with_allow_http(true)
            .with_no_system_certificates(true)
            .with_timeout(Duration::from_secs(30));
        Self {
            name: format!("{}-{name}", store.path().trim_matches('/')),
            credential,
            http: ReqwestConnector::default().connect(&options).unwrap(),
            store,
        }
    }

    /// What a source of `folder` in this bucket is made of.
    pub(crate) fn config(&self, folder: &str) -> S3Config {
        let endpoint = format!(
            "{}:{}",
            self.store.host_str().unwrap(),
            self.store.port().unwrap()
        );
        S3Config {
            endpoint: Some(endpoint),
            use_ssl: false,
            keys: Some(S3Keys {
                access_key: self.credential.key_id.clone(),
                secret_key: self.credential.secret_key.clone().into(),
            }),
            patience: S3Patience {
                retries: 3,
                ..S3Patience::default()
            },
            ..S3Config::new(&self.name, folder)
        }
    }

    /// The same, without the keys.
    pub(crate) fn config_without_keys(&self, folder: &str) -> S3Config {
        S3Config {
            keys: None,
            ..self.config(folder)
        }
    }

    pub(crate) fn source(&self, folder: &str) -> S3Source {
        S3Source::new(&self.config(folder)).unwrap()
    }

    pub(crate) async fn put(&self, key: &str, content: &[u8]) {
        self.send(Method::PUT, key, "", &[], content).await;
    }

    pub(crate) async fn get(&self, key: &str) -> Option<Vec<u8>> {
        match self.try_send(Method::GET, key, "", &[], b"").await {
            (StatusCode::NOT_FOUND, ..) => None,
            (status, _, content) => {
                assert!(status.is_success(), "{status} {key}");
                Some(content.to_vec())
            }
        }
    }

    pub(crate) async fn delete(&self, key: &str) {
        self.send(Method::DELETE, key, "", &[], b"").await;
    }

    /// All the keys in the bucket that have no characters which XML or an address would change.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let (_, answer) = self.send(Method::GET, "", "list-type=2", &[], b"").await;
        let answer = String::from_utf8(answer.to_vec()).unwrap();
        let keys = answer.split("<Key>").skip(1);
        keys.map(|key| key.split("</Key>").next().unwrap().to_owned())
            .collect()
    }

    /// Sends a request that succeeds.
    pub(crate) async fn send(
        &self,
        method: Method,
        key: &str,
        query: &str,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> (HeaderMap, Bytes) {
        let (status, headers, body) = self.try_send(method, key, query, headers, body).await;
        assert!(status.is_success(), "{status} {key}: {body:?}");
        (headers, body)
    }

    async fn try_send(
        &self,
        method: Method,
        key: &str,
        query: &str,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> (StatusCode, HeaderMap, Bytes) {
        let host = self.store.host_str().unwrap();
        let port = self.store.port().unwrap();
        let key = utf8_percent_encode(key, ENCODED);
        let address = format!("http://{host}:{port}/{}/{key}?{query}", self.name);
        let mut request = http::Request::builder()
            .method(method)
            .uri(address)
            .header(CONTENT_LENGTH, body.len());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body.to_vec().into()).unwrap();
        AwsAuthorizer::new(&self.credential, "s3", "us-east-1")
            .try_authorize(&mut request, None)
            .unwrap();
        let (parts, body) = self.http.execute(request).await.unwrap().into_parts();
        (parts.status, parts.headers, body.bytes().await.unwrap())
    }
}

/// The locations that a source lists.
pub(crate) async fn listed(source: &dyn Source) -> Vec<String> {
    let entries: Vec<_> = source.list_all().await.unwrap().entries().collect();
    let locations = entries.iter().map(|entry| entry.location.to_string());
    locations.collect()
}

/// The entry of a location.
pub(crate) async fn entry(source: &dyn Source, location: &str) -> Entry {
    let entries: Vec<_> = source.list_all().await.unwrap().entries().collect();
    let mut found = entries.into_iter();
    found
        .find(|entry| entry.location.as_str() == location)
        .unwrap_or_else(|| panic!("{location} is not listed"))
}

/// What a bucket's error comes from.
pub(crate) fn cause(error: &SourceError) -> &S3Error {
    error.source.downcast_ref().unwrap()
}
