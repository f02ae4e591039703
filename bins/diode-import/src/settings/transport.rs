//! How the platform and the broker are reached.

use diode_core::chain;
use opencti_client::{HttpProxy, Identity, Pem, Secret, TlsError, TlsOptions, Trust};
use url::Url;

use super::forms;
use super::model::{Mq, OpenCti};
use super::network;
use super::reader::Reader;
use super::setting::{Kind, Setting};
use super::table;

// Each of these reads all its settings before it looks whether one failed, so that no problem hides
// another.

/// Section `opencti`, and what the environment says of the way there.
pub(super) fn opencti(reader: &mut Reader) -> Option<OpenCti> {
    let url = reader.required(&table::OPENCTI_URL, forms::url);
    let token = reader.required(&table::OPENCTI_TOKEN, forms::token);
    let tls = platform_tls(reader);
    let headers = reader.optional(&table::OPENCTI_CUSTOM_HEADERS, network::headers);
    let proxy = proxy(reader, url.as_ref());
    let json_logging = reader.required(&table::OPENCTI_JSON_LOGGING, forms::boolean);
    Some(OpenCti {
        url: url?,
        token: token?,
        tls: tls?,
        headers: headers.unwrap_or_default(),
        proxy,
        json_logging: json_logging?,
    })
}

/// Section `mq`. Parts that are not given, or wrong, are none; the wrong ones are problems.
pub(super) fn mq(reader: &mut Reader) -> Mq {
    let mq = Mq {
        host: reader.optional(&table::MQ_HOST, forms::host),
        port: reader.optional(&table::MQ_PORT, forms::port),
        vhost: reader.optional(&table::MQ_VHOST, forms::text),
        use_ssl: reader.optional(&table::MQ_USE_SSL, forms::boolean),
        user: reader.optional(&table::MQ_USER, forms::text),
        password: secret(reader, &table::MQ_PASS),
        tls: TlsOptions {
            trust: broker_trust(reader),
            identity: identity(reader),
            ..TlsOptions::default()
        },
    };
    if mq.use_ssl == Some(false) {
        warn_of_idle(reader);
    }
    mq
}

/// Warns of what is given for TLS with the broker although none is to be spoken.
fn warn_of_idle(reader: &mut Reader) {
    let idle = [
        &table::MQ_USE_SSL_CA,
        &table::MQ_USE_SSL_CERT,
        &table::MQ_USE_SSL_KEY,
    ];
    for setting in idle
        .into_iter()
        .filter(|setting| reader.is_given(setting))
        .collect::<Vec<_>>()
    {
        reader.warn(format!(
            "MQ_USE_SSL is false, so {} has no effect",
            setting.env
        ));
    }
}

fn platform_tls(reader: &mut Reader) -> Option<TlsOptions> {
    let trust = reader.required(&table::OPENCTI_SSL_VERIFY, forms::ssl_verify);
    let extra = reader.optional(&table::HTTPS_CA_CERTIFICATES, network::pem);
    let trust = trust?;
    if let Trust::Only(_) = trust {
        check(reader, &table::OPENCTI_SSL_VERIFY, &trusting(trust.clone()));
    }
    if let Some(extra) = &extra {
        let options = trusting(Trust::Only(extra.clone()));
        check(reader, &table::HTTPS_CA_CERTIFICATES, &options);
    }
    Some(TlsOptions {
        trust: in_force(reader, trust, extra.as_ref()),
        extra_roots: extra.into_iter().collect(),
        identity: None,
    })
}

/// Authorities that are named are verified by, as pycti does, although it was said that nothing is.
fn in_force(reader: &mut Reader, trust: Trust, extra: Option<&Pem>) -> Trust {
    match (trust, extra) {
        (Trust::Anyone, Some(_)) => {
            reader.warn(
                "OPENCTI_SSL_VERIFY is false, but HTTPS_CA_CERTIFICATES is given: the platform is \
                 verified all the same, by those authorities and the system's",
            );
            Trust::System
        }
        (Trust::Anyone, None) => {
            reader.warn(
                "OPENCTI_SSL_VERIFY is false: whoever is between this connector and the platform \
                 can read the token",
            );
            Trust::Anyone
        }
        (trust, _) => trust,
    }
}

/// The proxy for the platform. What is reached without one matters only where there is one: the
/// variable is often set for a whole machine, with other programs in mind.
fn proxy(reader: &mut Reader, url: Option<&Url>) -> Option<HttpProxy> {
    let http = reader.optional(&table::HTTP_PROXY, network::proxy);
    let https = reader.optional(&table::HTTPS_PROXY, network::proxy);
    let any = reader.optional(&table::ALL_PROXY, network::proxy);
    let url = url?;
    let proxy = match url.scheme() {
        "https" => https.or(any),
        _ => http.or(any),
    }?;
    let exempt = reader.optional(&table::NO_PROXY, network::exemptions);
    let is_exempt = exempt.unwrap_or_default().iter().any(|e| e.covers(url));
    (!is_exempt).then_some(proxy)
}

fn broker_trust(reader: &mut Reader) -> Trust {
    let setting = &table::MQ_USE_SSL_REJECT_UNAUTHORIZED;
    let verify = reader.required(setting, forms::boolean);
    let authority = reader.optional(&table::MQ_USE_SSL_CA, network::pem);
    let trust = authority.map_or(Trust::System, Trust::Only);
    if let Trust::Only(_) = trust {
        check(reader, &table::MQ_USE_SSL_CA, &trusting(trust.clone()));
    }
    if verify != Some(false) {
        return trust;
    }
    reader.warn(
        "MQ_USE_SSL_REJECT_UNAUTHORIZED is false: whoever is between this connector and the broker \
         can read the password and all that is imported",
    );
    if trust != Trust::System {
        reader.warn("MQ_USE_SSL_REJECT_UNAUTHORIZED is false, so MQ_USE_SSL_CA has no effect");
    }
    Trust::Anyone
}

fn identity(reader: &mut Reader) -> Option<Identity> {
    let certificate = reader.optional(&table::MQ_USE_SSL_CERT, network::pem);
    let key = reader.optional(&table::MQ_USE_SSL_KEY, network::pem);
    let passphrase = secret(reader, &table::MQ_USE_SSL_PASSPHRASE);
    if key.is_some() && !reader.is_given(&table::MQ_USE_SSL_CERT) {
        let instead = "give the certificate that MQ_USE_SSL_KEY belongs to, or neither";
        reader.missing(&table::MQ_USE_SSL_CERT, instead);
    }
    let certificate = certificate?;
    let identity = Identity {
        // As in Python, the certificate's file may hold the key as well.
        key: key.unwrap_or_else(|| certificate.clone()),
        certificate,
        passphrase,
    };
    let options = TlsOptions {
        identity: Some(identity.clone()),
        ..trusting(Trust::Anyone)
    };
    if let Err(error) = options.check() {
        refuse(reader, blamed(&error, &identity), &error);
    }
    Some(identity)
}

/// The setting that is to blame for an identity that cannot be used.
fn blamed(error: &TlsError, identity: &Identity) -> &'static Setting {
    let certificate = match &identity.certificate {
        Pem::File(path) => path.display().to_string(),
        Pem::Text(_) => String::new(),
    };
    match error {
        TlsError::NoKey { .. } | TlsError::Encryption { .. } => &table::MQ_USE_SSL_KEY,
        TlsError::Unreadable { place, .. } if *place != certificate => &table::MQ_USE_SSL_KEY,
        TlsError::NoPassphrase { .. } | TlsError::Passphrase { .. } => {
            &table::MQ_USE_SSL_PASSPHRASE
        }
        _ => &table::MQ_USE_SSL_CERT,
    }
}

fn secret(reader: &mut Reader, setting: &Setting) -> Option<Secret> {
    reader.optional(setting, forms::text).map(Secret::new)
}

fn trusting(trust: Trust) -> TlsOptions {
    TlsOptions {
        trust,
        ..TlsOptions::default()
    }
}

/// Notes a problem with `setting` where its certificates cannot be used.
fn check(reader: &mut Reader, setting: &Setting, options: &TlsOptions) {
    if let Err(error) = options.check() {
        refuse(reader, setting, &error);
    }
}

fn refuse(reader: &mut Reader, setting: &Setting, error: &TlsError) {
    // What cannot be read as a file may be a key whose first line was lost: it is not repeated.
    let why = match error {
        TlsError::Unreadable { source, .. } => source.to_string(),
        error => chain(error),
    };
    let instead = match (error, setting.kind) {
        (TlsError::NoPassphrase { .. }, _) => "give the key's passphrase",
        (TlsError::Passphrase { .. }, _) => "correct it",
        (_, Kind::BooleanOrPath) => "give the path of a PEM file that this process can read",
        _ => "give PEM text, or the path of a PEM file that this process can read",
    };
    reader.refuse(setting, &format!("cannot be used ({why})"), instead);
}

#[cfg(test)]
#[path = "transport_tests.rs"]
mod tests;
