//! A bucket of a test's own, at the store that the environment names. What fails here panics: without
//! its store a test can do nothing.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsAuthorizer, AwsCredential};
use object_store::client::{HttpConnector as _, ReqwestConnector};
use object_store::path::Path as Key;
use object_store::{ClientOptions, ObjectStore as _, ObjectStoreExt as _};
use serde_json::{Value, json};
use url::Url;

use crate::program::Program;

/// A bucket. It is left behind.
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// The store's address, with the keys as user and password.
    pub store: Url,
    objects: AmazonS3,
}

impl Bucket {
    /// Makes a bucket.
    pub async fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let store = store();
        let name = format!(
            "{}-{}-{:x}-{}",
            store.path().trim_matches('/'),
            std::process::id(),
            SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis(),
            MADE.fetch_add(1, Ordering::Relaxed)
        );
        // A provider that is installed already would be this one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let objects = AmazonS3Builder::new()
            .with_endpoint(endpoint(&store))
            .with_region("us-east-1")
            .with_bucket_name(&name)
            .with_access_key_id(store.username())
            .with_secret_access_key(store.password().unwrap())
            .with_client_options(client_options())
            .build()
            .unwrap();
        let bucket = Self {
            name,
            store,
            objects,
        };
        bucket.change("", "").await;
        bucket
    }

    /// The program that imports from this bucket and not from a directory.
    pub fn program(&self, program: Program) -> Program {
        self.added_to(program)
            // An object is there whole, or not at all.
            .with("DIODE_IMPORT_SETTLE_SECONDS", "0")
            .with("DIODE_IMPORT_GET_FROM_DIRECTORY", "false")
            .without("DIODE_IMPORT_GET_FROM_DIRECTORY_PATH")
    }

    /// The program that imports from this bucket as well.
    pub fn added_to(&self, program: Program) -> Program {
        program
            .with("DIODE_IMPORT_GET_FROM_S3", "true")
            .with("DIODE_IMPORT_GET_FROM_S3_BUCKET", &self.name)
            .with("DIODE_IMPORT_S3_ENDPOINT", endpoint(&self.store))
            .with("DIODE_IMPORT_S3_ACCESS_KEY", self.store.username())
            .with("DIODE_IMPORT_S3_SECRET_KEY", self.store.password().unwrap())
    }

    /// What a platform whose storage this is tells of it.
    pub fn told(&self) -> Value {
        json!({
            "endpoint": self.store.host_str(),
            "port": self.store.port(),
            "use_ssl": false,
            "bucket_name": self.name,
            "bucket_region": "us-east-1",
            "access_key": self.store.username(),
            "secret_key": self.store.password(),
        })
    }

    /// Puts an object.
    pub async fn put(&self, key: &str, content: impl AsRef<[u8]>) {
        let content = content.as_ref().to_vec();
        let put = self.objects.put(&Key::from(key), content.into()).await;
        put.unwrap_or_else(|error| panic!("{key}: {error}"));
    }

    /// An object's content.
    pub async fn get(&self, key: &str) -> Vec<u8> {
        let got = self.objects.get(&Key::from(key)).await;
        let got = got.unwrap_or_else(|error| panic!("{key}: {error}"));
        got.bytes().await.unwrap().to_vec()
    }

    /// An object's content, if it is there.
    pub async fn find(&self, key: &str) -> Option<Vec<u8>> {
        match self.objects.get(&Key::from(key)).await {
            Ok(got) => Some(got.bytes().await.unwrap().to_vec()),
            Err(object_store::Error::NotFound { .. }) => None,
            Err(error) => panic!("{key}: {error}"),
        }
    }

    /// When an object was put, as a header tells it: to the second.
    pub async fn modified(&self, key: &str) -> DateTime<Utc> {
        self.objects
            .head(&Key::from(key))
            .await
            .unwrap()
            .last_modified
    }

    /// The keys of all objects.
    pub async fn keys(&self) -> Vec<String> {
        self.etags().await.into_keys().collect()
    }

    /// The etags of all objects, by their keys.
    pub async fn etags(&self) -> BTreeMap<String, Option<String>> {
        let objects: Vec<_> = self.objects.list(None).try_collect().await.unwrap();
        let etags = objects
            .into_iter()
            .map(|object| (object.location.to_string(), object.e_tag));
        etags.collect()
    }

    /// All objects.
    pub async fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        let mut contents = BTreeMap::new();
        for key in self.keys().await {
            let content = self.get(&key).await;
            contents.insert(key, content);
        }
        contents
    }

    /// Writes all objects below a prefix into a folder, as files.
    pub async fn mirror(&self, prefix: &str, folder: &Path) {
        for (key, content) in self.contents().await {
            let Some(name) = key.strip_prefix(prefix) else {
                continue;
            };
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }

    /// Where the store listens.
    pub fn store_address(&self) -> SocketAddr {
        self.store.socket_addrs(|| None).unwrap()[0]
    }

    /// Forbids everybody, ourselves included, to put and to delete objects.
    pub async fn make_read_only(&self) {
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Deny",
                "Principal": "*",
                "Action": ["s3:PutObject", "s3:DeleteObject"],
                "Resource": format!("arn:aws:s3:::{}/*", self.name),
            }],
        });
        self.change("policy", &policy.to_string()).await;
    }

    /// Makes the bucket, or changes what `query` names of it.
    async fn change(&self, query: &str, body: &str) {
        let address = format!("{}/{}/?{query}", endpoint(&self.store), self.name);
        let mut request = http::Request::put(address)
            .header(http::header::CONTENT_LENGTH, body.len())
            .body(body.to_owned().into())
            .unwrap();
        let credential = AwsCredential {
            key_id: self.store.username().into(),
            secret_key: self.store.password().unwrap().into(),
            token: None,
        };
        AwsAuthorizer::new(&credential, "s3", "us-east-1")
            .try_authorize(&mut request, None)
            .unwrap();
        let client = ReqwestConnector::default()
            .connect(&client_options())
            .unwrap();
        let answer = client.execute(request).await.unwrap();
        assert!(answer.status().is_success(), "{query}: {answer:?}");
    }
}

/// The store's address without the keys.
fn endpoint(store: &Url) -> String {
    format!(
        "http://{}:{}",
        store.host_str().unwrap(),
        store.port().unwrap()
    )
}

fn client_options() -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(true)
        .with_no_system_certificates(true)
}

fn store() -> Url {
    let address = std::env::var("DIODE_TEST_S3").unwrap_or_else(|_| {
        panic!(
            "DIODE_TEST_S3 is not set: these tests need an S3 server. `cargo xtask test` starts \
             one and runs them; to use your own, set the variable to \
             http://ACCESS:SECRET@HOST:PORT/PREFIX"
        )
    });
    Url::parse(&address).expect("DIODE_TEST_S3 is an address")
}
