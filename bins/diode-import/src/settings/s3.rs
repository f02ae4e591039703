//! The settings of a bucket that files are imported from.

use bundle_source::{S3Config, S3Error, S3Keys, S3Setting, S3Source, S3Trust};
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
    /// After how many days kept files are deleted; `None`: never.
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

/// The settings of the bucket, whether files are imported from it or not; `None` after a problem.
pub(super) fn s3(reader: &mut Reader) -> Option<S3Settings> {
    let bucket = reader.optional(&table::DIODE_IMPORT_GET_FROM_S3_BUCKET, forms::text);
    let folder = reader.required(&table::DIODE_IMPORT_GET_FROM_S3_FOLDER, folder);
    let rejected_folder = reader.optional(&table::DIODE_IMPORT_S3_REJECTED_FOLDER, forms::text);
    let retention = reader.days(&table::DIODE_IMPORT_GET_FROM_S3_RETENTION);
    let endpoint = either(reader, &ENDPOINT, forms::text);
    let port = either(reader, &PORT, forms::port);
    let use_ssl = either(reader, &USE_SSL, forms::boolean);
    let region = either(reader, &REGION, forms::text);
    let access_key = either(reader, &ACCESS_KEY, forms::text);
    let secret_key = either(reader, &SECRET_KEY, forms::text);
    let use_aws_role = reader.required(&table::DIODE_IMPORT_S3_USE_AWS_ROLE, forms::boolean);
    Some(S3Settings {
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
    })
}

/// Notes what is wrong with the settings of a bucket that files are imported from, as far as that can
/// be said before the platform has told the rest.
pub(super) fn judge(reader: &mut Reader, settings: &S3Settings) {
    warn_of_empty(reader, &settings.folder);
    refuse_keys_besides_a_role(reader, settings);
    let mut config = config(settings);
    for _ in 0..PARTS {
        let Some((part, why)) = unusable(&config) else {
            return;
        };
        let Some(setting) = given(reader, part) else {
            return;
        };
        reader.refuse(setting, &format!("cannot be used ({why})"), "correct it");
        stand_in_for(part, &mut config);
    }
}

/// What a bucket cannot be without, and nothing but the platform could tell. Without both keys, AWS's
/// usual places are searched for them; one of them alone is of no use.
pub(super) fn missing(settings: &S3Settings) -> Vec<&'static Setting> {
    let keys = [&settings.access_key, &settings.secret_key].map(Option::is_some);
    [
        (BUCKET, settings.bucket.is_some()),
        (ENDPOINT[0], settings.endpoint.is_some()),
        (ACCESS_KEY[0], keys != [false, true]),
        (SECRET_KEY[0], keys != [true, false]),
    ]
    .into_iter()
    .filter_map(|(setting, is_there)| (!is_there).then_some(setting))
    .collect()
}

/// How many parts of a configuration can be wrong.
const PARTS: usize = 7;

/// What stands for what is not given, or is wrong, while the rest is judged.
const STAND_IN: &str = "stand-in";

/// A source's configuration to judge the settings by. Who vouches for the store is judged with the
/// platform's certificates.
fn config(settings: &S3Settings) -> S3Config {
    let text = |given: &Option<String>| given.clone().unwrap_or_else(|| STAND_IN.to_owned());
    let key = |given: &Option<Secret>| {
        let key = given.as_ref().map_or(STAND_IN, Secret::expose);
        key.to_owned()
    };
    S3Config {
        endpoint: Some(text(&settings.endpoint)),
        port: settings.port,
        use_ssl: settings.use_ssl.unwrap_or(true),
        region: Some(text(&settings.region)),
        keys: Some(S3Keys {
            access_key: key(&settings.access_key),
            secret_key: key(&settings.secret_key).into(),
        }),
        rejected_folder: settings.rejected_folder.clone(),
        trust: S3Trust::Anyone,
        ..S3Config::new(text(&settings.bucket), &settings.folder)
    }
}

/// The first part of a configuration that no source can be made of, and why.
fn unusable(config: &S3Config) -> Option<(S3Setting, &'static str)> {
    let error = S3Source::new(config).err()?;
    match error.source.downcast_ref()? {
        S3Error::Setting { setting, why } => Some((*setting, why)),
        _ => None,
    }
}

/// The setting that the operator gave that part by.
fn given(reader: &Reader, part: S3Setting) -> Option<&'static Setting> {
    let pair = |pair: &Pair| {
        pair.iter()
            .copied()
            .find(|setting| reader.is_given(setting))
    };
    match part {
        S3Setting::Bucket => Some(BUCKET),
        S3Setting::Folder => Some(&table::DIODE_IMPORT_GET_FROM_S3_FOLDER),
        S3Setting::RejectedFolder => Some(&table::DIODE_IMPORT_S3_REJECTED_FOLDER),
        S3Setting::Endpoint => pair(&ENDPOINT),
        S3Setting::Region => pair(&REGION),
        S3Setting::AccessKey => pair(&ACCESS_KEY),
        S3Setting::SecretKey => pair(&SECRET_KEY),
        S3Setting::Certificates => None,
    }
}

fn stand_in_for(part: S3Setting, config: &mut S3Config) {
    let stand_in = || STAND_IN.to_owned();
    match part {
        S3Setting::Bucket => config.bucket = stand_in(),
        S3Setting::Folder => config.folder = stand_in(),
        S3Setting::RejectedFolder => config.rejected_folder = None,
        S3Setting::Endpoint => config.endpoint = Some(stand_in()),
        S3Setting::Region => config.region = Some(stand_in()),
        S3Setting::AccessKey | S3Setting::SecretKey => {
            config.keys = Some(S3Keys {
                access_key: stand_in(),
                secret_key: stand_in().into(),
            });
        }
        S3Setting::Certificates => {}
    }
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

static BUCKET: &Setting = &table::DIODE_IMPORT_GET_FROM_S3_BUCKET;
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
