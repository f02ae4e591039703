//! The bucket to import from: what is set of it, what the platform tells, and errors that name the
//! settings to look at.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bundle_source::{
    Entry, Listing, ReadError, Removal, S3Config, S3Error, S3Keys, S3Setting, S3Source, S3Trust,
    Source, SourceError, Wanted,
};
use bytes::Bytes;
use diode_core::{Company, Greeting, chain};
use opencti_client::{
    ApiError, Pem, Platform, PlatformVersion, Registration, S3Connection, TlsOptions, Trust,
};

use crate::settings::{S3Settings, names};

/// The first platform that tells where its storage is.
const TELLS_SINCE: &str = "6.9.10";

/// Why a bucket cannot be used, in lines that each name a setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub(crate) struct Unusable(pub(crate) Vec<String>);

impl Unusable {
    fn of(error: &dyn Error) -> Self {
        Self(vec![chain(error)])
    }
}

/// A bucket, and whose files are in it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) bucket: S3Source,
    pub(crate) company: Company,
}

impl Opened {
    /// The bucket as a source.
    pub(crate) fn source(&self) -> Arc<dyn Source> {
        Arc::new(Bucket(self.bucket.clone()))
    }
}

/// The bucket as a source, and whose files are in it. What is not set is asked of the platform, each value on its own.
///
/// # Errors
/// [`Unusable`]: something is neither set nor told, or cannot be used.
pub(crate) async fn source(
    settings: &S3Settings,
    tls: &TlsOptions,
    platform: &dyn Platform,
    own: &Registration,
    greeting: &Greeting,
) -> Result<Opened, Unusable> {
    let told = if is_complete(settings) {
        Ok(None)
    } else {
        platform.platform_storage(own).await
    };
    let connection = told.as_ref().ok().and_then(Option::as_ref);
    let missing = missing(settings, connection);
    if !missing.is_empty() {
        let why = why_not_told(&told, greeting.version);
        let lines = missing.iter().map(|setting| {
            format!("{setting} is not given, and {why}: set it, or DIODE_IMPORT_GET_FROM_S3=false")
        });
        return Err(Unusable(lines.collect()));
    }
    open(settings, tls, connection)
}

/// The same by what is set alone: asking the platform would register us.
///
/// # Errors
/// [`Unusable`]: something is not set, or cannot be used.
pub(crate) fn as_set(settings: &S3Settings, tls: &TlsOptions) -> Result<Opened, Unusable> {
    let missing = missing(settings, None);
    if !missing.is_empty() {
        let lines = missing.iter().map(|setting| {
            format!("{setting} is not given, and a rehearsal does not ask the platform for it")
        });
        return Err(Unusable(lines.collect()));
    }
    open(settings, tls, None)
}

fn open(
    settings: &S3Settings,
    tls: &TlsOptions,
    connection: Option<&S3Connection>,
) -> Result<Opened, Unusable> {
    let config = S3Config {
        trust: trust(tls)?,
        extra_roots: extra_roots(tls)?,
        ..config(settings, connection)
    };
    let bucket = S3Source::new(&config).map_err(|error| Unusable::of(&named(error)))?;
    let company = if bucket.is_whole_bucket() {
        Company::Shared
    } else {
        Company::Ours
    };
    Ok(Opened { bucket, company })
}

/// Whether there is nothing to ask the platform for.
fn is_complete(settings: &S3Settings) -> bool {
    settings.bucket.is_some()
        && settings.endpoint.is_some()
        && settings.port.is_some()
        && settings.use_ssl.is_some()
        && settings.region.is_some()
        && (settings.use_aws_role || settings.access_key.is_some() && settings.secret_key.is_some())
}

/// The settings without whose values there is no bucket. Without both keys, AWS's usual places are
/// searched for credentials; one of them alone is of no use.
fn missing(settings: &S3Settings, told: Option<&S3Connection>) -> Vec<&'static str> {
    let is_told = told.is_some();
    let are_keys_told = told.is_some_and(|told| tells_keys(settings, told));
    let has_access_key = settings.access_key.is_some() || are_keys_told;
    let has_secret_key = settings.secret_key.is_some() || are_keys_told;
    [
        (names::BUCKET, settings.bucket.is_some() || is_told),
        (names::ENDPOINT, settings.endpoint.is_some() || is_told),
        (names::ACCESS_KEY, has_access_key || !has_secret_key),
        (names::SECRET_KEY, has_secret_key || !has_access_key),
    ]
    .into_iter()
    .filter_map(|(name, is_there)| (!is_there).then_some(name))
    .collect()
}

fn why_not_told(
    told: &Result<Option<S3Connection>, ApiError>,
    version: Option<PlatformVersion>,
) -> String {
    match (told, version) {
        (Err(error), _) => format!("the platform does not tell it ({})", chain(error)),
        (Ok(_), Some(version)) => {
            format!("this platform ({version}) does not tell it, as those from {TELLS_SINCE} on do")
        }
        (Ok(_), None) => {
            format!("this platform does not tell it, as those from {TELLS_SINCE} on do")
        }
    }
}

/// The source's configuration, but for the certificates.
fn config(settings: &S3Settings, told: Option<&S3Connection>) -> S3Config {
    let bucket = settings.bucket.clone();
    let bucket = bucket.or_else(|| told.map(|told| told.bucket_name.clone()));
    let endpoint = settings.endpoint.clone();
    // A URL says itself which port and whether TLS, so what the platform says of its own is not asked.
    let told_port = told.filter(|_| !endpoint.as_ref().is_some_and(|text| text.contains("://")));
    S3Config {
        endpoint: endpoint.or_else(|| told.map(|told| told.endpoint.clone())),
        port: settings.port.or_else(|| told_port.map(|told| told.port)),
        use_ssl: settings
            .use_ssl
            .or_else(|| told.map(|told| told.use_ssl))
            .unwrap_or(true),
        region: settings
            .region
            .clone()
            .or_else(|| told.map(|told| told.bucket_region.clone()))
            .filter(|region| !region.is_empty()),
        keys: keys(settings, told),
        rejected_folder: settings.rejected_folder.clone(),
        ..S3Config::new(bucket.unwrap_or_default(), &settings.folder)
    }
}

fn keys(settings: &S3Settings, told: Option<&S3Connection>) -> Option<S3Keys> {
    let told = told.filter(|told| tells_keys(settings, told));
    let access_key = settings.access_key.as_ref();
    let access_key = access_key.or_else(|| told.map(|told| &told.access_key))?;
    let secret_key = settings.secret_key.as_ref();
    let secret_key = secret_key.or_else(|| told.map(|told| &told.secret_key))?;
    Some(S3Keys {
        access_key: access_key.expose().to_owned(),
        secret_key: secret_key.expose().to_owned().into(),
    })
}

/// Whether keys are told that are to be used. A platform that uses a role may have empty ones to tell.
fn tells_keys(settings: &S3Settings, told: &S3Connection) -> bool {
    let is_empty = told.access_key.expose().is_empty() && told.secret_key.expose().is_empty();
    !settings.use_aws_role && !is_empty
}

/// The store is trusted as the platform is.
fn trust(tls: &TlsOptions) -> Result<S3Trust, Unusable> {
    Ok(match &tls.trust {
        Trust::System => S3Trust::System,
        Trust::Anyone => S3Trust::Anyone,
        Trust::Only(pem) => S3Trust::Only(text(pem)?),
    })
}

fn extra_roots(tls: &TlsOptions) -> Result<Vec<String>, Unusable> {
    tls.extra_roots.iter().map(text).collect()
}

fn text(pem: &Pem) -> Result<String, Unusable> {
    match pem {
        Pem::Text(text) => Ok(text.clone()),
        Pem::File(path) => std::fs::read_to_string(path).map_err(|error| {
            let path = path.display();
            Unusable(vec![format!(
                "cannot read certificates from {path}: {error}"
            )])
        }),
    }
}

/// A bucket whose errors name the setting to look at.
#[derive(Debug)]
struct Bucket(S3Source);

#[async_trait]
impl Source for Bucket {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn list(&self, wanted: &Wanted) -> Result<Listing, SourceError> {
        self.0.list(wanted).await.map_err(named)
    }

    async fn read(&self, entry: &Entry, limit: u64) -> Result<Bytes, ReadError> {
        self.0
            .read(entry, limit)
            .await
            .map_err(|error| match error {
                ReadError::Failed(error) => ReadError::Failed(named(error)),
                other => other,
            })
    }

    async fn remove(&self, entry: &Entry) -> Result<Removal, SourceError> {
        self.0.remove(entry).await.map_err(named)
    }

    async fn set_aside(&self, entry: &Entry, reason: &[u8]) -> Result<Option<String>, SourceError> {
        self.0.set_aside(entry, reason).await.map_err(named)
    }

    async fn list_set_aside(&self) -> Result<Listing, SourceError> {
        self.0.list_set_aside().await.map_err(named)
    }

    async fn discard(&self, set_aside: &str) -> Result<(), SourceError> {
        self.0.discard(set_aside).await.map_err(named)
    }
}

/// The same error, with the setting to look at in its cause.
pub(crate) fn named(error: SourceError) -> SourceError {
    let cause = error.source.downcast_ref::<S3Error>();
    match cause.and_then(S3Error::setting) {
        Some(setting) => SourceError {
            source: Box::new(Named {
                setting,
                cause: error.source,
            }),
            ..error
        },
        None => error,
    }
}

/// A cause that says which setting to look at.
#[derive(Debug)]
struct Named {
    setting: S3Setting,
    cause: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (see {})", self.cause, name(self.setting))
    }
}

impl Error for Named {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // It stands for its cause, and so has the cause's source.
        self.cause.source()
    }
}

fn name(setting: S3Setting) -> &'static str {
    match setting {
        S3Setting::Endpoint => names::ENDPOINT,
        S3Setting::Bucket => names::BUCKET,
        S3Setting::Region => names::REGION,
        S3Setting::AccessKey => names::ACCESS_KEY,
        S3Setting::SecretKey => names::SECRET_KEY,
        S3Setting::Folder => names::FOLDER,
        S3Setting::RejectedFolder => names::REJECTED_FOLDER,
        S3Setting::Certificates => names::CERTIFICATES,
    }
}

#[cfg(test)]
#[path = "bucket_tests.rs"]
mod tests;
