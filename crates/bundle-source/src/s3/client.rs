//! Signed requests to one bucket, and what comes back.

use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use object_store::aws::{AwsAuthorizer, AwsCredentialProvider};
use object_store::client::{
    HttpClient, HttpConnector, HttpRequestBody, HttpResponseBody, ReqwestConnector,
};

use super::config::{S3Config, S3Patience, Unusable};
use super::credentials::{check_keys, finder, region};
use super::error::{S3Error, S3Permission};
use super::keys::encode_path;
use super::removal::Deletions;
use super::tls::{client_options, setup};
use super::xml::ErrorBody;

/// The longest answer that is not an object: a page of a thousand keys of 1024 bytes, each of them
/// encoded in three, and what is told beside them.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// What says which region a bucket is in, in a refusal.
const REGION_HEADER: &str = "x-amz-bucket-region";

/// Sends signed requests to one bucket.
#[derive(Debug)]
pub(super) struct Client {
    http: HttpClient,
    credentials: AwsCredentialProvider,
    region: String,
    /// The bucket's address, without a slash at the end.
    address: String,
    /// The bucket's name.
    bucket: String,
    pub(super) patience: S3Patience,
    /// What the store makes of a deletion's condition, once that is known.
    pub(super) deletions: OnceLock<Deletions>,
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    method: Method,
    /// The object's key; empty for the bucket itself.
    key: &'a str,
    /// The query, encoded.
    query: String,
    headers: HeaderMap,
    body: Bytes,
    needs: S3Permission,
}

/// A successful answer whose body is still to come.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: HttpResponseBody,
}

/// What a store said to a request.
pub(super) enum Said {
    /// It did it.
    Yes(Answer),
    /// There is no such object.
    Missing,
    /// The object is not as the request's condition has it.
    Condition,
    /// It does not know how to do that.
    CannotDo,
}

impl Client {
    /// A client of the bucket that a configuration describes.
    pub(super) fn new(config: &S3Config) -> Result<Self, Unusable> {
        config.check()?;
        let finder = finder(config);
        check_keys(&finder)?;
        let region = region(config, &finder)?;
        let endpoint = config.endpoint_url(&region)?;
        let options = client_options(config, &endpoint)?;
        let store = finder
            .with_region(&region)
            .with_bucket_name(&config.bucket)
            .with_client_options(options.clone())
            .build()
            .map_err(setup)?;
        Ok(Self {
            http: ReqwestConnector::default()
                .connect(&options)
                .map_err(setup)?,
            credentials: store.credentials().clone(),
            region,
            address: format!("{endpoint}{}", config.bucket),
            bucket: config.bucket.clone(),
            patience: config.patience,
            deletions: OnceLock::new(),
        })
    }

    /// The bucket's name.
    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// What a copy's source is called.
    pub(super) fn copy_source(&self, key: &str) -> String {
        format!("/{}/{}", self.bucket, encode_path(key))
    }

    /// Sends a request once.
    ///
    /// # Errors
    /// [`S3Error`], for every refusal that is no [`Said`].
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Said, S3Error> {
        let mut request = self.request(call)?;
        let credential = self.credentials.get_credential().await;
        let credential = credential.map_err(S3Error::no_credentials)?;
        AwsAuthorizer::new(&credential, "s3", &self.region)
            .try_authorize(&mut request, None)
            .map_err(S3Error::setup)?;
        let response = self.http.execute(request).await;
        let (parts, body) = response.map_err(S3Error::of_connection)?.into_parts();
        if parts.status.is_success() {
            return Ok(Said::Yes(Answer {
                status: parts.status,
                headers: parts.headers,
                body,
            }));
        }
        let body = ErrorBody::parse(&collect(body).await?);
        match (parts.status, body.code.as_str()) {
            (StatusCode::NOT_FOUND, "" | "NoSuchKey" | "NotFound") if !call.key.is_empty() => {
                Ok(Said::Missing)
            }
            (StatusCode::PRECONDITION_FAILED, _) => Ok(Said::Condition),
            (StatusCode::NOT_IMPLEMENTED, _) => Ok(Said::CannotDo),
            (status, _) => {
                let region = parts.headers.get(REGION_HEADER);
                let region = region.and_then(|region| region.to_str().ok());
                Err(S3Error::of_answer(status, region, &body, call.needs))
            }
        }
    }

    fn request(&self, call: &Call<'_>) -> Result<http::Request<HttpRequestBody>, S3Error> {
        let slash = if call.key.is_empty() { "" } else { "/" };
        let (address, key) = (&self.address, encode_path(call.key));
        let mark = if call.query.is_empty() { "" } else { "?" };
        let mut request = http::Request::builder()
            .method(call.method.clone())
            .uri(format!("{address}{slash}{key}{mark}{}", call.query))
            .body(call.body.clone().into())
            .map_err(|error| S3Error::Refused(error.to_string()))?;
        *request.headers_mut() = call.headers.clone();
        if call.method == Method::PUT {
            // The HTTP client leaves it out of a request without a body, and stores insist on it.
            let length = HeaderValue::from(call.body.len());
            request.headers_mut().insert(CONTENT_LENGTH, length);
        }
        Ok(request)
    }
}

impl<'a> Call<'a> {
    /// A request about an object, or the bucket itself if `key` is empty.
    pub(super) fn new(method: Method, key: &'a str, needs: S3Permission) -> Self {
        Self {
            method,
            key,
            query: String::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            needs,
        }
    }

    /// With a query, which must be encoded.
    pub(super) fn query(self, query: String) -> Self {
        Self { query, ..self }
    }

    /// With a header.
    ///
    /// # Errors
    /// [`S3Error::Answer`] where the value cannot be one: it is made of what a store said before.
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Result<Self, S3Error> {
        let value = HeaderValue::from_str(value)
            .map_err(|_| S3Error::Answer("an etag that no header can have".into()))?;
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(self)
    }

    /// With the condition that the object's etag is `etag`, if one is known.
    ///
    /// # Errors
    /// As [`header`](Self::header).
    pub(super) fn only_if(self, name: &'static str, etag: Option<&str>) -> Result<Self, S3Error> {
        match etag {
            Some(etag) => self.header(name, &format!("\"{etag}\"")),
            None => Ok(self),
        }
    }

    /// With a body.
    pub(super) fn body(self, body: Bytes) -> Self {
        Self { body, ..self }
    }
}

impl Answer {
    /// The body of an answer that is not an object.
    pub(super) async fn collect(self) -> Result<Bytes, S3Error> {
        collect(self.body).await
    }
}

async fn collect(body: HttpResponseBody) -> Result<Bytes, S3Error> {
    let mut chunks = body.bytes_stream();
    let mut collected = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        collected.extend_from_slice(&chunk.map_err(S3Error::of_connection)?);
        if collected.len() > MAX_ANSWER_BYTES {
            return Err(S3Error::Answer("it is endless".into()));
        }
    }
    Ok(collected.freeze())
}
