//! The settings of a bucket that files are imported from.

use figment::value::Value;
use opencti_client::Secret;

use super::forms::{self, Form};
use super::reader::Reader;
use super::setting::Setting;
use super::table;

/// A bucket that files are imported from. What is `None` is asked of the platform.
#[derive(Clone, Debug)]
pub(crate) struct S3Settings {
    /// The bucket.
    pub(crate) bucket: Option<String>,
    /// The folder in it.
    pub(crate) folder: String,
    /// The folder for rejected files; `None`: `rejected` in the folder they come from.
    pub(crate) rejected_folder: Option<String>,
    /// After how many days kept and rejected files are deleted; `None`: never.
    pub(crate) retention_days: Option<u32>,
    /// The store: a host, or a URL.
    pub(crate) endpoint: Option<String>,
    /// Its port.
    pub(crate) port: Option<u16>,
    /// Whether it speaks TLS.
    pub(crate) use_ssl: Option<bool>,
    /// The bucket's region.
    pub(crate) region: Option<String>,
    /// The access key.
    pub(crate) access_key: Option<Secret>,
    /// The secret key.
    pub(crate) secret_key: Option<Secret>,
    /// Whether the keys that the platform tells are left alone, for AWS's usual places.
    pub(crate) use_aws_role: bool,
}

/// The variables to look at when something is wrong with the bucket.
pub(crate) mod names {
    use crate::settings::table;

    pub(crate) const BUCKET: &str = table::DIODE_IMPORT_GET_FROM_S3_BUCKET.env;
    pub(crate) const FOLDER: &str = table::DIODE_IMPORT_GET_FROM_S3_FOLDER.env;
    pub(crate) const REJECTED_FOLDER: &str = table::DIODE_IMPORT_S3_REJECTED_FOLDER.env;
    pub(crate) const ENDPOINT: &str = table::DIODE_IMPORT_S3_ENDPOINT.env;
    pub(crate) const REGION: &str = table::DIODE_IMPORT_S3_BUCKET_REGION.env;
    pub(crate) const ACCESS_KEY: &str = table::DIODE_IMPORT_S3_ACCESS_KEY.env;
    pub(crate) const SECRET_KEY: &str = table::DIODE_IMPORT_S3_SECRET_KEY.env;
    /// The store is trusted as the platform is.
    pub(crate) const CERTIFICATES: &str = "HTTPS_CA_CERTIFICATES and OPENCTI_SSL_VERIFY";
}

/// The bucket to import from; `None` where files are not imported from one, or after a problem.
pub(super) fn s3(reader: &mut Reader) -> Option<S3Settings> {
    let enabled = reader.required(&table::DIODE_IMPORT_GET_FROM_S3, forms::boolean);
    let bucket = reader.optional(&table::DIODE_IMPORT_GET_FROM_S3_BUCKET, forms::text);
    let folder = reader.required(&table::DIODE_IMPORT_GET_FROM_S3_FOLDER, folder);
    let rejected_folder = reader.optional(&table::DIODE_IMPORT_S3_REJECTED_FOLDER, forms::text);
    let retention = reader.number(&table::DIODE_IMPORT_GET_FROM_S3_RETENTION);
    let endpoint = either(reader, &ENDPOINT, forms::text);
    let port = either(reader, &PORT, forms::port);
    let use_ssl = either(reader, &USE_SSL, forms::boolean);
    let region = either(reader, &REGION, forms::text);
    let access_key = either(reader, &ACCESS_KEY, forms::text);
    let secret_key = either(reader, &SECRET_KEY, forms::text);
    let use_aws_role = reader.required(&table::DIODE_IMPORT_S3_USE_AWS_ROLE, forms::boolean);
    if !enabled? {
        return None;
    }
    let settings = S3Settings {
        bucket,
        folder: folder?,
        rejected_folder,
        retention_days: Some(retention?).filter(|days| *days > 0),
        endpoint,
        port,
        use_ssl,
        region,
        access_key: access_key.map(Secret::new),
        secret_key: secret_key.map(Secret::new),
        use_aws_role: use_aws_role?,
    };
    warn_of_slash(reader, &settings.folder);
    warn_of_empty(reader, &settings.folder);
    refuse_keys_besides_a_role(reader, &settings);
    Some(settings)
}

/// A text that may be empty.
fn folder(value: &Value) -> Form<String> {
    if forms::is_given(value) {
        forms::text(value)
    } else {
        Ok(String::new())
    }
}

/// A setting of ours, and pycti's that counts where it is not given.
type Pair = [&'static Setting; 2];

static ENDPOINT: Pair = [&table::DIODE_IMPORT_S3_ENDPOINT, &table::S3_ENDPOINT];
static PORT: Pair = [&table::DIODE_IMPORT_S3_PORT, &table::S3_PORT];
static USE_SSL: Pair = [&table::DIODE_IMPORT_S3_USE_SSL, &table::S3_USE_SSL];
static REGION: Pair = [
    &table::DIODE_IMPORT_S3_BUCKET_REGION,
    &table::S3_BUCKET_REGION,
];
static ACCESS_KEY: Pair = [&table::DIODE_IMPORT_S3_ACCESS_KEY, &table::S3_ACCESS_KEY];
static SECRET_KEY: Pair = [&table::DIODE_IMPORT_S3_SECRET_KEY, &table::S3_SECRET_KEY];

/// Both are read, so that a wrong value does not hide.
fn either<T>(
    reader: &mut Reader,
    [ours, pyctis]: &Pair,
    form: impl Fn(&Value) -> Form<T>,
) -> Option<T> {
    let ours = reader.optional(ours, &form);
    let pyctis = reader.optional(pyctis, &form);
    ours.or(pyctis)
}

fn warn_of_slash(reader: &mut Reader, folder: &str) {
    if folder.starts_with('/') && !folder.trim_matches(['/', '.']).is_empty() {
        reader.warnings.push(format!(
            "{} begins with a slash: only objects are imported whose keys begin with one, too, as \
             those of an exporter with the same setting do",
            table::DIODE_IMPORT_GET_FROM_S3_FOLDER.env
        ));
    }
}

fn warn_of_empty(reader: &mut Reader, folder: &str) {
    if folder.is_empty() {
        reader.warnings.push(format!(
            "{} is empty: files are imported from the whole bucket; leave it out, or write \
             connectors, for that folder",
            table::DIODE_IMPORT_GET_FROM_S3_FOLDER.env
        ));
    }
}

/// Keys that are given would be used, and the role would not.
fn refuse_keys_besides_a_role(reader: &mut Reader, settings: &S3Settings) {
    if !settings.use_aws_role {
        return;
    }
    for pair in [&ACCESS_KEY, &SECRET_KEY] {
        for setting in pair {
            if reader.is_given(setting) {
                let what = "is given although DIODE_IMPORT_S3_USE_AWS_ROLE is true";
                reader.refuse(setting, what, "keep one of them");
            }
        }
    }
}
