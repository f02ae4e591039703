//! What requests are signed with, and for which region: as configured, else as AWS's usual places
//! have it.

use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::{BackoffConfig, RetryConfig};
use secrecy::ExposeSecret;

use super::config::{S3Config, Unusable};
use super::error::S3Setting;

/// The region of stores that have none, and AWS's default.
const DEFAULT_REGION: &str = "us-east-1";

/// How long credentials are looked for in AWS's usual places.
const PATIENCE: RetryConfig = RetryConfig {
    backoff: BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(2),
        base: 2.,
    },
    max_retries: 2,
    retry_timeout: Duration::from_secs(10),
};

/// What counts of the environment. The rest (`AWS_S3_EXPRESS`, say) would change which requests are
/// made, and those are ours.
const FOUND: [AmazonS3ConfigKey; 13] = [
    AmazonS3ConfigKey::AccessKeyId,
    AmazonS3ConfigKey::SecretAccessKey,
    AmazonS3ConfigKey::Token,
    AmazonS3ConfigKey::Region,
    AmazonS3ConfigKey::WebIdentityTokenFile,
    AmazonS3ConfigKey::RoleArn,
    AmazonS3ConfigKey::RoleSessionName,
    AmazonS3ConfigKey::StsEndpoint,
    AmazonS3ConfigKey::ContainerCredentialsRelativeUri,
    AmazonS3ConfigKey::ContainerCredentialsFullUri,
    AmazonS3ConfigKey::ContainerAuthorizationTokenFile,
    AmazonS3ConfigKey::MetadataEndpoint,
    AmazonS3ConfigKey::ImdsV1Fallback,
];

/// What finds the credentials; the environment is read only where no keys are configured.
pub(super) fn finder(config: &S3Config) -> AmazonS3Builder {
    let builder = match &config.keys {
        Some(keys) => AmazonS3Builder::new()
            .with_access_key_id(&keys.access_key)
            .with_secret_access_key(keys.secret_key.expose_secret()),
        None => of_environment(&AmazonS3Builder::from_env()),
    };
    builder.with_retry(PATIENCE)
}

/// The region that requests are signed for: the configured one, else the one that the credentials
/// came with.
///
/// # Errors
/// [`Unusable`], where it would break an address or a signature.
pub(super) fn region(config: &S3Config, finder: &AmazonS3Builder) -> Result<String, Unusable> {
    let found = || finder.get_config_value(&AmazonS3ConfigKey::Region);
    let region = config.region.clone().or_else(found);
    let region = region.unwrap_or_else(|| DEFAULT_REGION.to_owned());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if region.is_empty() || !region.chars().all(is_plain) {
        let why = "it must be letters, digits and dashes";
        return Err(Unusable::new(S3Setting::Region, &region, why));
    }
    Ok(region)
}

/// Checks the keys that are known already: those of the configuration, else of the environment.
///
/// # Errors
/// [`Unusable`], where one is missing, or has what would break a signature.
pub(super) fn check_keys(finder: &AmazonS3Builder) -> Result<(), Unusable> {
    let access_key = finder.get_config_value(&AmazonS3ConfigKey::AccessKeyId);
    let secret_key = finder.get_config_value(&AmazonS3ConfigKey::SecretAccessKey);
    if access_key.is_none() && secret_key.is_none() {
        return Ok(());
    }
    check_key(S3Setting::AccessKey, access_key)?;
    check_key(S3Setting::SecretKey, secret_key)
}

fn check_key(setting: S3Setting, key: Option<String>) -> Result<(), Unusable> {
    let why = match key {
        // Of the keys that are configured, none is missing.
        None => "the environment has one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY alone",
        Some(key) if !key.is_empty() && key.chars().all(|c| c.is_ascii_graphic()) => return Ok(()),
        Some(_) => "it is empty, or has spaces or other characters that no key has",
    };
    Err(Unusable::secret(setting, why))
}

/// What counts of what was found. Compose files often set variables that they have no value for: an
/// empty one is none.
fn of_environment(found: &AmazonS3Builder) -> AmazonS3Builder {
    let values = FOUND.into_iter().filter_map(|key| {
        let value = found.get_config_value(&key)?;
        (!value.is_empty()).then_some((key, value))
    });
    values.fold(AmazonS3Builder::new(), |builder, (key, value)| {
        builder.with_config(key, value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::S3Keys;

    /// What is found in an environment of one's own.
    fn found(environment: &[(AmazonS3ConfigKey, &str)]) -> AmazonS3Builder {
        let nothing = AmazonS3Builder::new();
        let add = |builder: AmazonS3Builder, (key, value): &(AmazonS3ConfigKey, &str)| {
            builder.with_config(*key, *value)
        };
        of_environment(&environment.iter().fold(nothing, add))
    }

    #[test]
    fn regions() {
        use AmazonS3ConfigKey::{DefaultRegion, Region};
        let check = |configured: Option<&str>, environment: &[_], expect: Option<&str>| {
            let config = S3Config {
                region: configured.map(Into::into),
                ..S3Config::new("diode", "")
            };
            let region = region(&config, &found(environment)).map_err(|refused| {
                assert_eq!(refused.cause.setting(), Some(S3Setting::Region));
            });
            assert_eq!(region.ok().as_deref(), expect, "{configured:?}");
        };
        check(None, &[], Some("us-east-1"));
        check(None, &[(Region, "eu-west-3")], Some("eu-west-3"));
        check(None, &[(DefaultRegion, "eu-west-3")], Some("eu-west-3"));
        check(None, &[(Region, "")], Some("us-east-1"));
        check(Some("default"), &[(Region, "eu-west-3")], Some("default"));
        check(Some(""), &[(Region, "eu-west-3")], None);
        check(Some("eu/west"), &[], None);
        check(None, &[(Region, "eu/west")], None);
    }

    #[test]
    fn keys_that_would_break_a_signature_are_refused() {
        use AmazonS3ConfigKey::{AccessKeyId, SecretAccessKey};
        let check = |environment: &[_], expect: Option<S3Setting>| {
            let refused = check_keys(&found(environment)).err();
            assert_eq!(refused.and_then(|refused| refused.cause.setting()), expect);
        };
        let pair =
            |access_key, secret_key| [(AccessKeyId, access_key), (SecretAccessKey, secret_key)];
        check(&[], None);
        check(&pair("AK", "S+/K"), None);
        check(&pair("", ""), None);
        check(&pair("", "SK"), Some(S3Setting::AccessKey));
        check(&pair("AK\n", "SK"), Some(S3Setting::AccessKey));
        check(&pair("AK", ""), Some(S3Setting::SecretKey));
        check(&pair("AK", "SK "), Some(S3Setting::SecretKey));
        check(&[(AccessKeyId, "AK")], Some(S3Setting::SecretKey));
        check(&[(SecretAccessKey, "SK")], Some(S3Setting::AccessKey));
    }

    #[test]
    fn what_would_change_requests_is_left_where_it_was_found() {
        use AmazonS3ConfigKey::{RoleArn, S3Express, SkipSignature};
        let found = found(&[(S3Express, "true"), (SkipSignature, "true"), (RoleArn, "R")]);
        let check = |key, expect| assert_eq!(found.get_config_value(&key).as_deref(), expect);
        check(S3Express, Some("false"));
        check(SkipSignature, Some("false"));
        check(RoleArn, Some("R"));
    }

    #[test]
    fn configured_keys_are_the_ones_that_are_checked() {
        let keys = S3Keys {
            access_key: "AK".into(),
            secret_key: "SK ".into(),
        };
        let finder = finder(&S3Config {
            keys: Some(keys),
            ..S3Config::new("diode", "")
        });
        let refused = check_keys(&finder).unwrap_err();
        assert_eq!(refused.cause.setting(), Some(S3Setting::SecretKey));
    }
}
