//! What a bucket's source is made of, and the checks on it.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::error::{S3Error, S3Setting};

/// A bucket, how it is reached, and what in it is ours.
///
/// ```
/// use bundle_source::S3Config;
///
/// let config = S3Config {
///     endpoint: Some("minio".into()),
///     port: Some(9000),
///     use_ssl: false,
///     ..S3Config::new("diode", "connectors")
/// };
/// assert!(config.keys.is_none(), "they are looked for in the environment");
/// ```
#[derive(Clone, Debug)]
pub struct S3Config {
    /// Host, `host:port` or URL of the store; AWS in `region` if there is none.
    pub endpoint: Option<String>,
    /// The store's port, where the endpoint does not tell it.
    pub port: Option<u16>,
    /// TLS, where the endpoint is no URL and so does not tell.
    pub use_ssl: bool,
    /// The bucket. It is always addressed in the path.
    pub bucket: String,
    /// The bucket's region. If there is none, that of the environment (`AWS_REGION`, else
    /// `AWS_DEFAULT_REGION`) where the keys are looked for there, too; else `us-east-1`.
    pub region: Option<String>,
    /// The keys that requests are signed with. Without them, AWS's usual places are searched: the
    /// environment (`AWS_ACCESS_KEY_ID` and so on), a web identity, a container's role, and the
    /// machine's.
    pub keys: Option<S3Keys>,
    /// The folder that bundles wait in, at any depth; `/`, `.` or nothing for the whole bucket. Where it
    /// is given with a slash at its beginning, keys are of it that begin with one, and those that do not.
    pub folder: String,
    /// The folder for rejected files; `rejected` within `folder` if there is none.
    pub rejected_folder: Option<String>,
    /// Who may vouch for the store's certificate.
    pub trust: S3Trust,
    /// Certificate authorities that are trusted besides, as PEM texts.
    pub extra_roots: Vec<String>,
    /// How long the store is waited for.
    pub patience: S3Patience,
}

/// An access key and its secret.
#[derive(Clone, Debug)]
pub struct S3Keys {
    /// The access key (AWS: access key id).
    pub access_key: String,
    /// The secret key.
    pub secret_key: SecretString,
}

/// Who may vouch for the store's certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum S3Trust {
    /// The system's certificate authorities.
    #[default]
    System,
    /// Those of this PEM text, and not the system's.
    Only(String),
    /// Anybody: nothing is verified.
    Anyone,
}

/// How long the store is waited for, and how often it is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct S3Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the next bytes of an answer.
    pub idle: Duration,
    /// How many times a request is sent again at most.
    pub retries: u32,
    /// How long after its first failure a request may be sent again.
    pub retry_for: Duration,
}

impl Default for S3Patience {
    /// 5 s to connect, 30 s of silence, five retries within 30 s.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            idle: Duration::from_secs(30),
            retries: 5,
            retry_for: Duration::from_secs(30),
        }
    }
}

impl S3Config {
    /// The folder `folder` of `bucket` at AWS, with credentials from AWS's usual places.
    pub fn new(bucket: impl Into<String>, folder: impl Into<String>) -> Self {
        Self {
            endpoint: None,
            port: None,
            use_ssl: true,
            bucket: bucket.into(),
            region: None,
            keys: None,
            folder: folder.into(),
            rejected_folder: None,
            trust: S3Trust::System,
            extra_roots: Vec::new(),
            patience: S3Patience::default(),
        }
    }

    /// The store's address, without a path: AWS's in `region` if there is no endpoint.
    pub(super) fn endpoint_url(&self, region: &str) -> Result<Url, Unusable> {
        let scheme = if self.use_ssl { "https" } else { "http" };
        let address = match &self.endpoint {
            None => format!("{scheme}://s3.{region}.amazonaws.com"),
            Some(url) if url.contains("://") => url.clone(),
            Some(host) => format!("{scheme}://{host}"),
        };
        let unusable = |why| Unusable::new(S3Setting::Endpoint, &address, why);
        let mut url =
            Url::parse(&address).map_err(|_| unusable("it is neither a host nor a URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(unusable("it is no http or https address"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            // The address would be in the message, and the password in it.
            let why = "it has a user or a password in it";
            return Err(Unusable::secret(S3Setting::Endpoint, why));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(unusable("it has more than a host and a port"));
        }
        if let (Some(port), None) = (self.port, url.port()) {
            url.set_port(Some(port))
                .map_err(|()| unusable("it cannot have a port"))?;
        }
        Ok(url)
    }

    /// Checks what becomes part of an address.
    pub(super) fn check(&self) -> Result<(), Unusable> {
        let is_bucket = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if !self.bucket.chars().all(is_bucket) || self.bucket.trim_matches('.').is_empty() {
            let why = "it must be letters, digits, dots, dashes and underscores";
            return Err(Unusable::new(S3Setting::Bucket, &self.bucket, why));
        }
        Ok(())
    }
}

/// A setting that no source can be made of.
#[derive(Debug)]
pub(super) struct Unusable {
    /// What is unusable as what, for the operator.
    pub(super) place: String,
    /// Why.
    pub(super) cause: S3Error,
}

impl Unusable {
    /// The error of a value that may be shown.
    pub(super) fn new(setting: S3Setting, value: &str, why: &'static str) -> Self {
        Self {
            place: format!("{} as the {setting}", value.escape_debug()),
            cause: S3Error::Setting { setting, why },
        }
    }

    /// The error of a value that may not.
    pub(super) fn secret(setting: S3Setting, why: &'static str) -> Self {
        Self {
            place: format!("the {setting}"),
            cause: S3Error::Setting { setting, why },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(endpoint: Option<&str>) -> S3Config {
        S3Config {
            endpoint: endpoint.map(Into::into),
            ..S3Config::new("diode", "")
        }
    }

    #[test]
    fn addresses_of_endpoints() {
        let check = |endpoint: Option<&str>, port, use_ssl, expect: &str| {
            let config = S3Config {
                port,
                use_ssl,
                ..config(endpoint)
            };
            let url = config.endpoint_url("eu-west-3").unwrap();
            assert_eq!(url.as_str(), expect);
        };
        check(Some("minio"), None, true, "https://minio/");
        check(Some("minio"), Some(9000), false, "http://minio:9000/");
        check(Some("minio:9000"), None, true, "https://minio:9000/");
        check(Some("minio:9000"), Some(1), true, "https://minio:9000/");
        check(Some("10.0.0.7"), Some(443), true, "https://10.0.0.7/");
        check(Some("[::1]:9000"), None, false, "http://[::1]:9000/");
        check(Some("http://minio"), Some(9000), true, "http://minio:9000/");
        check(
            Some("https://minio:9000/"),
            None,
            false,
            "https://minio:9000/",
        );
        check(None, None, true, "https://s3.eu-west-3.amazonaws.com/");
    }

    #[test]
    fn addresses_that_are_refused() {
        let check = |endpoint: &str, expect: &str| {
            let refused = config(Some(endpoint)).endpoint_url("any").unwrap_err();
            assert_eq!(format!("{}: {}", refused.place, refused.cause), expect);
        };
        check(
            "",
            "https:// as the endpoint: it is neither a host nor a URL",
        );
        check(
            "a b",
            "https://a b as the endpoint: it is neither a host nor a URL",
        );
        check(
            "ftp://a",
            "ftp://a as the endpoint: it is no http or https address",
        );
        let more = "it has more than a host and a port";
        check(
            "http://a/bucket",
            &format!("http://a/bucket as the endpoint: {more}"),
        );
        check("a?b", &format!("https://a?b as the endpoint: {more}"));
        check(
            "http://u:p@a",
            "the endpoint: it has a user or a password in it",
        );
    }

    #[test]
    fn buckets_that_would_break_an_address_are_refused() {
        let check = |bucket: &str, expect: Option<S3Setting>| {
            let refused = S3Config::new(bucket, "").check().err();
            assert_eq!(refused.and_then(|refused| refused.cause.setting()), expect);
        };
        check("my.old_Bucket-1", None);
        check("", Some(S3Setting::Bucket));
        check("..", Some(S3Setting::Bucket));
        check("a/b", Some(S3Setting::Bucket));
        check("a?b", Some(S3Setting::Bucket));
    }

    #[test]
    fn the_secret_key_is_never_shown() {
        let keys = S3Keys {
            access_key: "AK".into(),
            secret_key: "hush".into(),
        };
        let config = S3Config {
            keys: Some(keys),
            ..config(None)
        };
        assert!(!format!("{config:?}").contains("hush"));
    }
}
