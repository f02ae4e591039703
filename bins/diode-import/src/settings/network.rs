//! The forms of what is said about the network: headers, proxies, certificates.

use std::net::IpAddr;

use figment::value::Value;
use opencti_client::{HttpProxy, Pem, Secret};
use url::{Host, Url};

use super::forms::{Form, Wrong, text, usable, wrong};

/// How PEM begins (RFC 7468); anything else is a path, as in pycti.
const PEM_BEGIN: &str = "-----BEGIN";

/// Headers that say where a message ends: they are the HTTP library's alone.
const FRAMING: [&str; 3] = ["connection", "content-length", "transfer-encoding"];

/// Headers from a text such as `name:value;name:value`. Unlike in pycti, an entry without a colon
/// is an error: left out without a word, it would be missed only by the server that needs it.
pub(super) fn headers(value: &Value) -> Form<Vec<(String, Secret)>> {
    text(value)?
        .split(';')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .zip(1..)
        .map(|(entry, number)| header(entry, number))
        .collect()
}

fn header(entry: &str, number: usize) -> Form<(String, Secret)> {
    const INSTEAD: &str = "write name:value;name:value";
    let Some((name, content)) = entry.split_once(':') else {
        return wrong(format!("has no colon in entry {number}"), INSTEAD);
    };
    let (name, content) = (name.trim(), content.trim());
    if name.is_empty() || !name.bytes().all(is_token) {
        return wrong(format!("has no header's name in entry {number}"), INSTEAD);
    }
    if FRAMING
        .iter()
        .any(|framing| name.eq_ignore_ascii_case(framing))
    {
        return wrong(
            format!("sets {name} in entry {number}, which is not for settings to say"),
            "leave that entry out",
        );
    }
    if !content.is_ascii() {
        return wrong(
            format!("has a character outside ASCII in entry {number}"),
            "encode it as the server expects it",
        );
    }
    Ok((name.to_owned(), Secret::new(content)))
}

/// Whether a header's name may contain a byte (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// An IP address of this machine, without a port.
pub(super) fn address(value: &Value) -> Form<IpAddr> {
    let written = text(value)?;
    let bare = written
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(&written).parse().or_else(|_| {
        wrong(
            "is not an IP address",
            "write one such as 127.0.0.1, ::1 or 0.0.0.0, without a port, which has a setting of its own",
        )
    })
}

/// A proxy's address.
pub(super) fn proxy(value: &Value) -> Form<HttpProxy> {
    HttpProxy::parse(&text(value)?).or_else(|error| {
        wrong(
            error.to_string(),
            "write an address such as http://user:password@proxy:3128",
        )
    })
}

/// PEM text, or the path of a file that holds it.
pub(super) fn pem(value: &Value) -> Form<Pem> {
    match value {
        Value::String(_, text) if text.trim_start().starts_with(PEM_BEGIN) => {
            Ok(Pem::Text(text.trim().to_owned()))
        }
        _ => text(value).map(|path| Pem::File(path.into())),
    }
}

/// Hosts that are reached without a proxy, from a text with commas.
pub(super) fn exemptions(value: &Value) -> Form<Vec<Exempt>> {
    let items = text(value)?;
    let items = items.split(',').map(str::trim);
    items
        .filter(|item| !item.is_empty())
        .map(Exempt::parse)
        .collect()
}

/// An entry of `NO_PROXY`, in the forms that curl and Python's requests take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Exempt {
    /// `*`.
    Everything,
    /// `192.0.2.0/24`: addresses that agree in so many bits.
    Network(IpAddr, u32),
    /// `example.com`, `.example.com`, `*.example.com`, with or without a port: a host, or one
    /// below it.
    Host(String, Option<u16>),
}

impl Exempt {
    fn parse(entry: &str) -> Form<Self> {
        if entry == "*" {
            return Ok(Self::Everything);
        }
        if let Some((address, bits)) = entry.split_once('/') {
            return network(address, bits).ok_or_else(|| Wrong {
                what: "has an entry with a slash that is no network".to_owned(),
                instead: "write networks as 192.0.2.0/24, and hosts without a scheme".to_owned(),
            });
        }
        let entry = usable(entry)?.to_lowercase();
        let is_address = entry.parse::<IpAddr>().is_ok();
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if !is_address && port.parse::<u16>().is_ok() => {
                (host, port.parse().ok())
            }
            _ => (entry.as_str(), None),
        };
        let host = host.trim_start_matches('*').trim_start_matches('.');
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Ok(Self::Host(host.to_owned(), port))
    }

    /// Whether `url` is reached without a proxy because of this entry.
    pub(super) fn covers(&self, url: &Url) -> bool {
        match self {
            Self::Everything => true,
            Self::Network(network, bits) => {
                address_of(url).is_some_and(|address| agree(*network, address, *bits))
            }
            Self::Host(_, Some(port)) if url.port_or_known_default() != Some(*port) => false,
            Self::Host(host, _) => {
                let found = url.host_str().unwrap_or_default();
                let found = found.trim_start_matches('[').trim_end_matches(']');
                found
                    .strip_suffix(host.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
        }
    }
}

fn network(address: &str, bits: &str) -> Option<Exempt> {
    let (address, bits) = (address.parse::<IpAddr>().ok()?, bits.parse::<u32>().ok()?);
    let longest = if address.is_ipv4() { 32 } else { 128 };
    (bits <= longest).then_some(Exempt::Network(address, bits))
}

fn address_of(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

fn agree(network: IpAddr, address: IpAddr, bits: u32) -> bool {
    let (a, b, length) = match (network, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return false,
    };
    // Shifting all bits out is not defined, and leaves nothing to differ in.
    (a ^ b).checked_shr(length - bits).unwrap_or(0) == 0
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
