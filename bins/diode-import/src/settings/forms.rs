//! The forms in which values are written, as pycti reads them and a little more leniently.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use diode_core::{TypeConflict, Unlisted, Unsaid, UserMapping, ValidationMode, connector_id_fault};
use figment::value::{Dict, Num, Value};
use opencti_client::{ConnectorType, Pem, Secret, Trust};
use stix_bundle::{ContentPolicy, TypePattern};
use url::Url;
use uuid::Uuid;

use super::model::{LogLevel, QueueProtocol, Sending};

/// Why a value cannot be used. Of a secret it repeats nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// What is wrong, to follow the value in a sentence.
    pub(super) what: String,
    /// What to do instead.
    pub(super) instead: String,
}

/// A typed value, or why there is none.
pub(super) type Form<T> = Result<T, Wrong>;

/// A refusal, in the two halves of [`Wrong`].
pub(super) fn wrong<T>(what: impl Into<String>, instead: impl Into<String>) -> Form<T> {
    Err(Wrong {
        what: what.into(),
        instead: instead.into(),
    })
}

/// Whether a value counts as given: null and blank text do not.
pub(super) fn is_given(value: &Value) -> bool {
    match value {
        Value::Empty(..) => false,
        Value::String(_, text) => !text.trim().is_empty(),
        _ => true,
    }
}

/// Whether a value begins and ends with the same quote.
pub(super) fn is_in_quotes(value: &Value) -> bool {
    let Value::String(_, text) = value else {
        return false;
    };
    let text = text.trim();
    let within = |quote| {
        text.strip_prefix(quote)
            .is_some_and(|rest: &str| rest.ends_with(quote))
    };
    within('"') || within('\'')
}

/// A text without blanks around it.
pub(super) fn text(value: &Value) -> Form<String> {
    match value {
        Value::String(_, text) => usable(text.trim()),
        Value::Char(_, character) => usable(&character.to_string()),
        Value::Num(..) | Value::Bool(..) => wrong(
            "is read as a number or a boolean, not as text",
            "put it in quotes",
        ),
        _ => wrong("is not a text", "write a text"),
    }
}

/// A text that can be meant.
pub(super) fn usable(text: &str) -> Form<String> {
    if text.to_lowercase().starts_with("changeme") {
        return wrong(
            "is still the placeholder of an example",
            "write the real value",
        );
    }
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return wrong("is not UTF-8", "write it in UTF-8");
    }
    if text.contains(char::is_control) {
        return wrong(
            "contains a control character or a line break",
            "write it on one line",
        );
    }
    Ok(text.to_owned())
}

/// A UUID, in the form that `uuidgen` prints.
pub(super) fn uuid(value: &Value) -> Form<String> {
    const HYPHENATED: usize = 36;
    let text = text(value)?;
    if text.len() != HYPHENATED || Uuid::try_parse(&text).is_err() {
        return wrong(
            "is not a UUID",
            "make one with uuidgen, or with `cat /proc/sys/kernel/random/uuid`, and keep it",
        );
    }
    Ok(text)
}

/// The name of this connector. Platforms from 6.1.0 on refuse one of a single character.
pub(super) fn connector_name(value: &Value) -> Form<String> {
    let name = text(value)?;
    if name.chars().count() < 2 {
        return wrong(
            "is too short for the platform",
            "write at least two characters",
        );
    }
    Ok(name)
}

/// A token, fit for a request header.
pub(super) fn token(value: &Value) -> Form<Secret> {
    let token = text(value)?;
    if !token.chars().all(|character| character.is_ascii_graphic()) {
        return wrong(
            "contains a blank or a character outside ASCII",
            "write the token alone, without Bearer in front of it",
        );
    }
    Ok(Secret::new(token))
}

/// true or false.
pub(super) fn boolean(value: &Value) -> Form<bool> {
    as_boolean(value).map_or_else(|| wrong("is not a boolean", "write true or false"), Ok)
}

/// A TCP port.
pub(super) fn port(value: &Value) -> Form<u16> {
    let number = whole(value, 1, u64::from(u16::MAX))?;
    u16::try_from(number).or_else(|_| wrong("is not a port", "write a number up to 65535"))
}

/// A part of a metric's name that another part may stand before. A colon, which a name may have, is for
/// the rules of Prometheus itself, and no label's name has it.
pub(super) fn part_of_metric(value: &Value) -> Form<String> {
    let part = text(value)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !part.bytes().all(fits) {
        return wrong(
            "cannot be part of a metric's name",
            "write letters of ASCII, digits and underscores",
        );
    }
    Ok(part)
}

/// An ISO 8601 duration of weeks, days, hours, minutes and seconds: years and months have no
/// length of their own.
pub(super) fn duration(value: &Value) -> Form<Duration> {
    let written = text(value)?.to_uppercase();
    seconds_of(&written).map_or_else(
        || {
            wrong(
                "is not an ISO 8601 duration without years and months",
                "write one such as PT30S, PT5M or P1D",
            )
        },
        |seconds| Ok(Duration::from_secs(seconds)),
    )
}

fn seconds_of(written: &str) -> Option<u64> {
    const DATE: [(char, u64); 2] = [('W', 604_800), ('D', 86_400)];
    const TIME: [(char, u64); 3] = [('H', 3_600), ('M', 60), ('S', 1)];
    let rest = written.strip_prefix('P')?;
    match rest.split_once('T') {
        Some((date, time)) if !time.is_empty() => {
            let date = if date.is_empty() {
                0
            } else {
                sum(date, &DATE)?
            };
            date.checked_add(sum(time, &TIME)?)
        }
        Some(_) => None,
        None => sum(rest, &DATE),
    }
}

/// The sum of numbers with units, each unit at most once and in their order; at least one.
fn sum(mut written: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut total = 0_u64;
    for (unit, seconds) in units {
        let Some((number, rest)) = written.split_once(*unit) else {
            continue;
        };
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_number.then(|| number.parse::<u64>().ok()).flatten()?;
        total = total.checked_add(number.checked_mul(*seconds)?)?;
        written = rest;
        if written.is_empty() {
            return Some(total);
        }
    }
    None
}

/// `CONNECTOR_SEND_TO_QUEUE`
pub(super) fn sending(value: &Value) -> Form<Sending> {
    Ok(if boolean(value)? {
        Sending::ForReal
    } else {
        Sending::Rehearsal
    })
}

/// `CONNECTOR_VALIDATE_BEFORE_IMPORT`
pub(super) fn unsaid(value: &Value) -> Form<Unsaid> {
    Ok(if boolean(value)? {
        Unsaid::Validate
    } else {
        Unsaid::ImportAtOnce
    })
}

fn as_boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(_, boolean) => Some(*boolean),
        Value::Num(_, number) => match unsigned(*number)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
        Value::String(_, text) => match text.trim().to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// Whether, and by what, certificates are verified.
pub(super) fn ssl_verify(value: &Value) -> Form<Trust> {
    match as_boolean(value) {
        Some(true) => return Ok(Trust::System),
        Some(false) => return Ok(Trust::Anyone),
        None => {}
    }
    match text(value)? {
        // Without this, a mistyped boolean would be taken for the name of a file.
        word if !word.contains(['/', '.']) => wrong(
            "is neither a boolean nor a path",
            "write true, false, or the path of a CA bundle with a slash in it",
        ),
        path => Ok(Trust::Only(Pem::File(path.into()))),
    }
}

/// A whole number from `min` to `max`.
pub(super) fn whole(value: &Value, min: u64, max: u64) -> Form<u64> {
    let number = match value {
        Value::Num(_, number) => unsigned(*number),
        Value::String(_, text) => text.trim().replace('_', "").parse().ok(),
        _ => None,
    };
    let instead = || format!("write a whole number from {min} to {max}, without a unit");
    match number {
        Some(number) if (min..=max).contains(&number) => Ok(number),
        Some(_) => wrong("is out of range", instead()),
        None => wrong("is not a whole number in range", instead()),
    }
}

/// A number from `min` to `max` that may have decimals: the next whole number that is no smaller.
pub(super) fn rounded_up(value: &Value, min: u64, max: u64) -> Form<u64> {
    let text = match value {
        Value::Num(_, number) if unsigned(*number).is_none() => number
            .to_f64()
            .map_or_else(String::new, |number| number.to_string()),
        Value::String(_, text) => text.trim().to_owned(),
        _ => return whole(value, min, max),
    };
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    match text.split_once('.') {
        Some((units, decimals)) if is_digits(units) && is_digits(decimals) => {
            let rest = u64::from(decimals.bytes().any(|digit| digit != b'0'));
            whole(&units.into(), min, max.saturating_sub(rest)).map(|units| units + rest)
        }
        _ => whole(&text.into(), min, max),
    }
}

/// Whether a value is a whole number below zero.
pub(super) fn is_negative(value: &Value) -> bool {
    match value {
        Value::Num(_, number) => number.to_i128().is_some_and(|number| number < 0),
        Value::String(_, text) => text.trim().parse().is_ok_and(|number: i64| number < 0),
        _ => false,
    }
}

/// A whole number that is not negative, of whichever type.
fn unsigned(number: Num) -> Option<u64> {
    let signed = || {
        number
            .to_i128()
            .and_then(|number| u64::try_from(number).ok())
    };
    number
        .to_u128()
        .and_then(|number| u64::try_from(number).ok())
        .or_else(signed)
}

/// The platform's address.
pub(super) fn url(value: &Value) -> Form<Url> {
    const INSTEAD: &str = "write an address such as https://opencti.example.com";
    let url = match Url::parse(&text(value)?) {
        Ok(url) => url,
        Err(error) => return wrong(format!("is not an address ({error})"), INSTEAD),
    };
    if !matches!(url.scheme(), "http" | "https") {
        return wrong("is not an http or https address", INSTEAD);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong(
            "contains a user or a password",
            "give the token as OPENCTI_TOKEN instead",
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return wrong("has a query or a fragment", INSTEAD);
    }
    Ok(url)
}

/// The broker's host, alone: what else an address has is set apart.
pub(super) fn host(value: &Value) -> Form<String> {
    let host = text(value)?;
    if host.contains("://") || host.contains('@') {
        return wrong(
            "is more than a host",
            "write the host alone; port, user, password and TLS have settings of their own",
        );
    }
    Ok(host)
}

/// A host, or an address with one, without what may be a password in front of it.
pub(super) fn without_user(address: &str) -> String {
    let Some((user, host)) = address.rsplit_once('@') else {
        return address.to_owned();
    };
    let is_scheme = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match user.split_once("://") {
        Some((scheme, _)) if is_scheme(scheme) => format!("{scheme}://[redacted]@{host}"),
        _ => format!("[redacted]@{host}"),
    }
}

/// A path in the file system.
pub(super) fn path(value: &Value) -> Form<PathBuf> {
    text(value).map(PathBuf::from)
}

/// Texts, from a text with commas or from a list.
pub(super) fn list(value: &Value) -> Form<Vec<String>> {
    let Value::Array(_, items) = value else {
        return Ok(items(&text(value)?).map(str::to_owned).collect());
    };
    items
        .iter()
        .filter(|item| is_given(item))
        .map(text)
        .collect()
}

/// Ids of connectors, of a list that is not empty.
pub(super) fn connector_ids(value: &Value) -> Form<BTreeSet<String>> {
    let ids: BTreeSet<String> = list(value)?.into_iter().collect();
    if ids.is_empty() {
        return wrong(
            "lists no connector, so that nothing would be imported",
            "write the ids of connectors, or leave the setting out to import from all",
        );
    }
    match ids.iter().find(|id| !is_connector_id(id)) {
        Some(id) => wrong(
            format!("lists {id:?}, which is no id of a connector"),
            "write ids of 1 to 240 letters, digits, \"-\", \"_\" and \".\", as the envelopes have them",
        ),
        None => Ok(ids),
    }
}

fn is_connector_id(id: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=240).contains(&id.len()) && id.bytes().all(is_usual)
}

/// What becomes of files of connectors that are not listed.
pub(super) fn unlisted(value: &Value) -> Form<Unlisted> {
    match text(value)?.to_lowercase().as_str() {
        "wait" => Ok(Unlisted::Wait),
        "reject" => Ok(Unlisted::Reject),
        _ => wrong(
            "does not say what becomes of files of unlisted connectors",
            "write wait or reject",
        ),
    }
}

/// Whether a connector of another type is registered over.
pub(super) fn type_conflict(value: &Value) -> Form<TypeConflict> {
    Ok(if boolean(value)? {
        TypeConflict::Overwrite
    } else {
        TypeConflict::Wait
    })
}

/// Operations that the platform's workers know, of a list.
pub(super) fn operations(value: &Value) -> Form<ContentPolicy> {
    let mut policy = ContentPolicy::default();
    for name in list(value)? {
        let known = ContentPolicy::OPERATIONS
            .iter()
            .find(|known| **known == name);
        let Some(known) = known else {
            return wrong(
                format!("names {name:?}, which is no operation of the platform"),
                format!("write some of {}", ContentPolicy::OPERATIONS.join(", ")),
            );
        };
        policy = policy.allowing(*known);
    }
    Ok(policy)
}

/// Types of objects, of a list.
pub(super) fn types(value: &Value) -> Form<Vec<TypePattern>> {
    let mut types = Vec::new();
    for name in list(value)? {
        let Some(pattern) = TypePattern::parse(&name) else {
            return wrong(
                format!(
                    "names {name:?}, which is neither a type nor the start of types with a star"
                ),
                "write types such as task,case-*",
            );
        };
        types.push(pattern);
    }
    if types.is_empty() {
        return wrong(
            "names no type",
            "write types such as task,case-*, or leave it out",
        );
    }
    Ok(types)
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// Who is mapped to whom, and what was left out of that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mapped {
    /// Source and target of each pair that is for every connector.
    pub(super) pairs: UserMapping,
    /// The same of those that are for one connector alone, by its id.
    pub(super) own: BTreeMap<String, UserMapping>,
    /// What looks like a mistake, to follow the setting's name in a sentence.
    pub(super) oddities: Vec<String>,
    /// Entries that are no pairs, and what is wrong with each, likewise.
    pub(super) unusable: Vec<String>,
}

/// Source and target of each pair, from a text such as `a:b, c:d` or from a mapping; before a slash in a
/// source, the connector that the pair is for.
pub(super) fn mapping(value: &Value) -> Form<Mapped> {
    match value {
        Value::Dict(_, pairs) => mapping_of(pairs),
        Value::Array(..) => wrong("is not a mapping", PAIRS),
        _ => mapping_in(&text(value)?),
    }
}

/// How a mapping is written, as advice.
pub(super) const PAIRS: &str = "write pairs of ids as source:target,connector/source:target";

fn mapping_of(pairs: &Dict) -> Form<Mapped> {
    let mut mapped = Mapped::default();
    for (source, target) in pairs {
        let target = text(target).map_err(|Wrong { what, instead }| Wrong {
            what: format!("has a target, for {}, that {what}", part(source)),
            instead,
        })?;
        if source.trim().is_empty() || target.is_empty() {
            let pair = format!("{source}:{target}");
            return wrong(format!("has one side empty in {}", part(&pair)), PAIRS);
        }
        if let Err(why) = mapped.add(source.trim(), &target)? {
            return wrong(format!("has {why} in {}", part(source)), PAIRS);
        }
    }
    Ok(mapped)
}

/// The same, of which every entry is a pair.
pub(super) fn whole_mapping(value: &Value) -> Form<Mapped> {
    let mapped = mapping(value)?;
    match mapped.unusable.first() {
        Some(first) => wrong(first, PAIRS),
        None => Ok(mapped),
    }
}

/// As the Python connector, it goes on without entries that are no pairs, as long as one is, and takes
/// the last of several for one source.
fn mapping_in(text: &str) -> Form<Mapped> {
    // Early documentation of the Python connector showed a JSON object, which it never read.
    if text.starts_with(['{', '[']) {
        return wrong("is JSON", PAIRS);
    }
    let mut mapped = Mapped::default();
    for (entry, number) in items(text).zip(1..) {
        match entry.split_once(':').map(|(a, b)| (a.trim(), b.trim())) {
            None => mapped.leave_out(number, "no colon"),
            Some((_, target)) if target.contains(':') => mapped.leave_out(number, "two colons"),
            Some((source, target)) if source.is_empty() || target.is_empty() => {
                mapped.leave_out(number, "one side empty");
            }
            Some((source, target)) => {
                if let Err(why) = mapped.add(source, target)? {
                    mapped.leave_out(number, why);
                }
            }
        }
    }
    if mapped.pairs.is_empty() && mapped.own.is_empty() {
        return wrong("has no entry that can be used", PAIRS);
    }
    Ok(mapped)
}

impl Mapped {
    /// Adds a pair, or says why there is none in it.
    fn add(&mut self, written: &str, target: &str) -> Form<Result<(), &'static str>> {
        usable(written)?;
        usable(target)?;
        let (pairs, source) = match written.split_once('/') {
            None => (&mut self.pairs, written),
            Some((connector, source)) => {
                let (connector, source) = (connector.trim(), source.trim());
                usable(source)?;
                if connector.is_empty() || connector_id_fault(connector).is_some() {
                    return Ok(Err("no connector's id before the slash"));
                }
                if source.is_empty() {
                    return Ok(Err("nobody behind the slash"));
                }
                (self.own.entry(connector.to_owned()).or_default(), source)
            }
        };
        let before = pairs.insert(source.to_owned(), target.to_owned());
        if before.is_some_and(|before| before != target) {
            let source = part(written);
            let oddity = format!("maps {source} to several targets, of which the last counts");
            self.oddities.push(oddity);
        }
        Ok(Ok(()))
    }

    fn leave_out(&mut self, number: u32, what: &str) {
        self.unusable.push(format!("has {what} in entry {number}"));
    }
}

/// A part of a value that is no secret, as a message repeats it.
fn part(text: &str) -> String {
    const SHOWN: usize = 80;
    let start: String = text.chars().take(SHOWN).collect();
    let rest = if start.len() < text.len() { "…" } else { "" };
    format!("{start:?}{rest}")
}

/// The type of this connector.
pub(super) fn connector_type(value: &Value) -> Form<ConnectorType> {
    let name = text(value)?.to_uppercase();
    ConnectorType::from_str(&name).or_else(|_| {
        let names = ConnectorType::ALL.map(ConnectorType::as_str).join(", ");
        wrong("is not a connector type", format!("write one of {names}"))
    })
}

/// The least severe level that is logged.
pub(super) fn log_level(value: &Value) -> Form<LogLevel> {
    Ok(match text(value)?.to_lowercase().as_str() {
        "trace" => LogLevel::Trace,
        "debug" => LogLevel::Debug,
        "info" => LogLevel::Info,
        "warn" | "warning" => LogLevel::Warn,
        // Python's logging has one more level.
        "error" | "critical" => LogLevel::Error,
        _ => {
            return wrong(
                "is not a log level",
                "write one of trace, debug, info, warn, error",
            );
        }
    })
}

/// How bundles reach the workers.
pub(super) fn queue_protocol(value: &Value) -> Form<QueueProtocol> {
    match text(value)?.to_lowercase().as_str() {
        "amqp" => Ok(QueueProtocol::Amqp),
        "api" => Ok(QueueProtocol::Api),
        _ => wrong("is not a queue protocol", "write amqp or api"),
    }
}

/// `DIODE_IMPORT_VALIDATION_MODE`
pub(super) fn validation_mode(value: &Value) -> Form<ValidationMode> {
    match text(value)?.to_lowercase().as_str() {
        "auto" => Ok(ValidationMode::Auto),
        "draft" => Ok(ValidationMode::Draft),
        "workbench" => Ok(ValidationMode::Workbench),
        "off" => Ok(ValidationMode::Off),
        _ => wrong(
            "is not a mode of validation",
            "write auto, draft, workbench or off",
        ),
    }
}

#[cfg(test)]
#[path = "forms_tests.rs"]
mod tests;
