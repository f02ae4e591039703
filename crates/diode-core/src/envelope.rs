//! The envelope: who ran an import, on whose behalf, and what it found.
//!
//! Written by pycti's `send_to_directory` and `send_to_s3`:
//! `{"bundle_type": "DIRECTORY_BUNDLE", "applicant_id": …, "connector": {"id", "name", "type",
//! "scope", "auto", "validate_before_import"}, "entities_types": …, "bundle": {…}, "update": …}`.
//! `entities_types` is not passed on: a worker would drop every object of another type.

use std::borrow::Cow;

use opencti_client::{ConnectorType, Registration};
use stix_bundle::Text;
use stix_bundle::json::{Kind, Object, Value};

use crate::refusal::Refusal;
use crate::{Applicant, Applicants, Code, Validation};

/// Longest id or name of a connector, or id of an applicant, that is taken for one, in bytes.
const MAX_NAME_BYTES: usize = 1024;

/// The longest scope, in bytes as it stands in the file: it goes into a request to the platform.
const MAX_SCOPE_BYTES: usize = 4 << 10;

/// The longest id of a connector, in bytes: the platform makes an AMQP routing key of 255 bytes at most
/// out of `listen_routing_` and the id, and fails over a longer one each time that it is asked.
const MAX_ID_BYTES: usize = 240;

/// What the platform's own queues are named after. A connector of such an id would share them.
const OWN_QUEUES: [&str; 3] = ["background-task-", "playbook", "sync"];

/// An envelope whose connector can be registered. The bundle is not yet looked into.
#[derive(Clone, Debug)]
pub struct Envelope<'a> {
    /// The connector that ran the import, on the other side.
    pub connector: Registration,
    /// Whether the import is to be validated by a person.
    pub validation: Validation,
    /// On whose behalf it ran there; `None` where the envelope does not say.
    pub applicant_id: Option<String>,
    /// The envelope's `update`: merge where an object matches several existing ones.
    pub update: bool,
    /// The bundle's text.
    pub bundle: Text<'a>,
}

/// Whether a JSON object is an envelope at all, by the keys it has.
///
/// Anything else in the folder belongs to somebody else and is left alone, so this asks for no
/// more than what no other file would have.
pub fn is_envelope(object: &Object<'_>) -> bool {
    let marked = string(object, "bundle_type")
        .is_some_and(|kind| kind == "DIRECTORY_BUNDLE" || kind == "S3_BUNDLE");
    marked || (object.get("connector").is_some() && object.get("bundle").is_some())
}

/// Whether a JSON object that is no envelope is a STIX bundle: what an envelope should hold.
pub(crate) fn is_bare_bundle(object: &Object<'_>) -> bool {
    string(object, "type").is_some_and(|kind| kind == "bundle")
}

impl<'a> Envelope<'a> {
    /// Who it belongs to on this side.
    pub(crate) fn applicant(&self, applicants: &Applicants) -> Applicant {
        applicants.map(&self.connector.id, self.applicant_id.as_deref())
    }

    /// The keys that are looked at.
    pub const KEYS: &'static [&'static str] = &[
        "applicant_id",
        "bundle",
        "bundle_type",
        "connector",
        "type",
        "update",
    ];

    /// Reads an envelope out of an object that [is one](is_envelope).
    ///
    /// # Errors
    /// [`Code::InvalidConnector`] or [`Code::InvalidBundle`], in words. An applicant's id that is no
    /// name counts among the former.
    pub fn read(object: &Object<'a>) -> Result<Self, Refusal> {
        let (connector, validation) = connector(object)?;
        Ok(Self {
            connector,
            validation,
            applicant_id: applicant_id(object)?,
            update: object.get("update").is_some_and(is_true),
            bundle: bundle(object)?,
        })
    }
}

fn connector(envelope: &Object<'_>) -> Result<(Registration, Validation), Refusal> {
    let refuse = |message: String| Refusal::new(Code::InvalidConnector, message);
    let text = envelope
        .text("connector")
        .ok_or_else(|| refuse("the envelope has no connector".into()))?;
    let connector =
        Object::parse(&text).map_err(|_| refuse("connector is not an object".into()))?;
    let id = name_of(&connector, "id")?;
    let name = name_of(&connector, "name")?;
    if id.len() > MAX_ID_BYTES {
        return Err(refuse(format!(
            "connector.id has {} bytes; the platform can register one of {MAX_ID_BYTES} at most",
            id.len()
        )));
    }
    if let Some(why) = connector_id_fault(&id) {
        return Err(refuse(format!("connector.id {id:?} {why}")));
    }
    let connector_type = name_of(&connector, "type")?
        .parse::<ConnectorType>()
        .map_err(|error| refuse(format!("connector.type: {error}")))?;
    let registration = Registration {
        id,
        name,
        connector_type,
        scope: scope(&connector)?,
    };
    Ok((registration, validation(&connector)))
}

/// A string that names something: not blank, not too long, without control characters.
fn name_of(connector: &Object<'_>, key: &str) -> Result<String, Refusal> {
    let refuse =
        |what: &str| Refusal::new(Code::InvalidConnector, format!("connector.{key} {what}"));
    let value = connector.get(key).ok_or_else(|| refuse("is missing"))?;
    let text = value.string().ok_or_else(|| refuse("is not a text"))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(refuse("is empty"));
    }
    match unfit(text) {
        Some(why) => Err(refuse(&why)),
        None => Ok(text.to_owned()),
    }
}

/// Why an envelope whose connector has such an id is refused, if it is, to follow the id in a sentence.
///
/// ```
/// assert_eq!(diode_core::connector_id_fault("6f2b1f6e-8d2c-4a4e-9c43-0f4f2c6f9b11"), None);
/// assert!(diode_core::connector_id_fault("a b").is_some());
/// ```
pub fn connector_id_fault(id: &str) -> Option<&'static str> {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !id.bytes().all(is_usual) {
        return Some("holds more than letters, digits, `-`, `_` and `.`");
    }
    let id = id.to_ascii_lowercase();
    let is_own = OWN_QUEUES.iter().any(|own| match own.strip_suffix('-') {
        Some(_) => id.starts_with(own),
        None => id == *own,
    });
    is_own.then_some("is that of a queue of the platform's own")
}

/// What is wrong with a text that logs are to show as a name.
fn unfit(text: &str) -> Option<String> {
    if text.len() > MAX_NAME_BYTES {
        return Some(format!("is longer than {MAX_NAME_BYTES} bytes"));
    }
    unshowable(text).map(str::to_owned)
}

/// What a text holds that cannot be shown as it is, if anything.
fn unshowable(text: &str) -> Option<&'static str> {
    if text.chars().any(char::is_control) {
        return Some("holds control characters");
    }
    let is_odd = text.chars().any(is_hidden);
    is_odd.then_some("holds characters that cannot be seen, or that turn the text around")
}

/// Whether a character shows nothing, or changes how the text around it is shown: zero-width characters,
/// line and paragraph separators, directional marks, and tags.
fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
            | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    )
}

fn applicant_id(envelope: &Object<'_>) -> Result<Option<String>, Refusal> {
    let value = envelope.get("applicant_id");
    let is_none = value.is_none_or(|value| value.kind() == Kind::Null);
    let id = value.and_then(Value::string);
    if id.is_none() && !is_none {
        let message =
            "applicant_id is no text that can be read, so whose data it is cannot be told";
        return Err(Refusal::new(Code::InvalidConnector, message));
    }
    let id = id.map(Cow::into_owned).filter(|id| !id.trim().is_empty());
    match id.as_deref().and_then(unfit) {
        Some(why) => Err(Refusal::new(
            Code::InvalidConnector,
            format!("applicant_id {why}"),
        )),
        None => Ok(id),
    }
}

/// pycti writes the configured text, `a,b`; a list is taken too.
fn scope(connector: &Object<'_>) -> Result<Vec<String>, Refusal> {
    let Some(value) = connector.get("scope") else {
        return Ok(Vec::new());
    };
    if value.text().len() > MAX_SCOPE_BYTES {
        let message = format!("connector.scope is longer than {MAX_SCOPE_BYTES} bytes");
        return Err(Refusal::new(Code::InvalidConnector, message));
    }
    let entries: Vec<String> = match value.kind() {
        Kind::Null => Vec::new(),
        Kind::String => value
            .string()
            .map(|text| text.split(',').map(str::to_owned).collect())
            .unwrap_or_default(),
        _ => serde_json::from_str(value.text()).map_err(|_| {
            Refusal::new(
                Code::InvalidConnector,
                "connector.scope is neither a text nor a list of texts",
            )
        })?,
    };
    let entries: Vec<String> = entries
        .iter()
        .map(|entry| entry.trim().to_owned())
        .filter(|entry| !entry.is_empty())
        .collect();
    match entries.iter().find_map(|entry| unshowable(entry)) {
        Some(why) => Err(Refusal::new(
            Code::InvalidConnector,
            format!("connector.scope {why}"),
        )),
        None => Ok(entries),
    }
}

/// When in doubt, a person looks at it: only what plainly says no means no.
fn validation(connector: &Object<'_>) -> Validation {
    let Some(value) = connector.get("validate_before_import") else {
        return Validation::Unsaid;
    };
    let requested = match value.kind() {
        Kind::Null => return Validation::Unsaid,
        Kind::Bool => is_true(value),
        Kind::Number => value.text() != "0",
        Kind::String => {
            let text = value.text().trim_matches('"').to_ascii_lowercase();
            !matches!(text.as_str(), "" | "false" | "no" | "off" | "0")
        }
        Kind::Array | Kind::Object => true,
    };
    if requested {
        Validation::Requested
    } else {
        Validation::NotRequested
    }
}

fn bundle<'a>(envelope: &Object<'a>) -> Result<Text<'a>, Refusal> {
    let refuse = |message: &str| Refusal::new(Code::InvalidBundle, message);
    envelope
        .text("bundle")
        .ok_or_else(|| refuse("the envelope has no bundle"))
}

fn string(object: &Object<'_>, key: &str) -> Option<String> {
    object.get(key).and_then(Value::string).map(Cow::into_owned)
}

fn is_true(value: Value<'_>) -> bool {
    value.text() == "true"
}

#[cfg(test)]
mod tests {
    use super::*;
    use stix_bundle::Limits;

    const GOOD: &str = r#"{"id": "c-1", "name": "Feed", "type": "EXTERNAL_IMPORT", "scope": "a, b,", "validate_before_import": false}"#;

    fn check(text: &str, expect: &str) {
        let text = Text::check(text.as_bytes(), &Limits::default()).unwrap();
        let object = Object::parse(&text).unwrap();
        let got = if is_envelope(&object) {
            match Envelope::read(&object) {
                Ok(envelope) => format!("{envelope:?}"),
                Err(refusal) => format!("{}: {}", refusal.code, refusal.message),
            }
        } else {
            "foreign".to_owned()
        };
        let text = text.as_str();
        assert!(got.contains(expect), "{text}\n got {got}\nwant {expect}");
    }

    #[test]
    fn tells_envelopes_from_other_files() {
        check(r#"{"settings": {}}"#, "foreign");
        check(r#"{"type": "bundle", "objects": []}"#, "foreign");
        check(
            r#"{"bundle_type": "QUEUE_BUNDLE", "content": ""}"#,
            "foreign",
        );
        check(r#"{"bundle": {}}"#, "foreign");
        check(r#"{"bundle_type": "S3_BUNDLE"}"#, "invalid-connector");
        check(r#"{"connector": null, "bundle": {}}"#, "invalid-connector");
    }

    #[test]
    fn reads_the_connector() {
        let with = |connector: &str| format!(r#"{{"connector": {connector}, "bundle": {{}}}}"#);
        check(&with(GOOD), r#"scope: ["a", "b"]"#);
        check(&with(GOOD), "NotRequested");
        for (from, to, expect) in [
            (r#""c-1""#, "null", "connector.id is not a text"),
            (r#""c-1""#, r#"" ""#, "connector.id is empty"),
            (
                r#""c-1""#,
                r#""a\nb""#,
                "connector.id holds control characters",
            ),
            (r#""Feed""#, r#""F""#, r#"name: "F""#),
            ("EXTERNAL_IMPORT", "EXTERNAL", "unknown connector type"),
            (r#""a, b,""#, "null", "scope: []"),
            (r#""a, b,""#, r#"["x"]"#, r#"scope: ["x"]"#),
            (r#""a, b,""#, "7", "connector.scope is neither"),
            (": false", ": true", " Requested"),
            (": false", r#": "False""#, "NotRequested"),
            (": false", r#": "yes""#, " Requested"),
            (": false", ": null", " Unsaid"),
            (r#", "validate_before_import": false"#, "", " Unsaid"),
        ] {
            check(&with(&GOOD.replace(from, to)), expect);
        }
        check(
            &with(&GOOD.replace("\"id\"", "\"other\"")),
            "connector.id is missing",
        );
        for (length, expect) in [
            (0, "connector.id is empty"),
            (1, "id: \"x\""),
            (MAX_ID_BYTES, "id: \"xxx"),
            (MAX_ID_BYTES + 1, "connector.id has 241 bytes"),
            (MAX_NAME_BYTES + 1, "connector.id is longer than 1024 bytes"),
        ] {
            check(&with(&GOOD.replace("c-1", &"x".repeat(length))), expect);
        }
        // Of two bytes each.
        check(
            &with(&GOOD.replace("c-1", &"é".repeat(MAX_ID_BYTES / 2 + 1))),
            "connector.id has 242 bytes",
        );
        for (id, expect) in [
            ("A-z_0.9", "id: \"A-z_0.9\""),
            ("a b", "holds more than letters"),
            ("../x", "holds more than letters"),
            ("*", "holds more than letters"),
            ("é", "holds more than letters"),
            ("background-task-0", "is that of a queue"),
            ("Background-Task-x", "is that of a queue"),
            ("PLAYBOOK", "is that of a queue"),
            ("sync", "is that of a queue"),
            ("sync-1", "id: \"sync-1\""),
        ] {
            check(&with(&GOOD.replace("c-1", id)), expect);
        }
        for hidden in [
            '\u{202e}',
            '\u{2066}',
            '\u{200b}',
            '\u{2028}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            let text = format!("a{hidden}b");
            check(
                &with(&GOOD.replace("Feed", &text)),
                "connector.name holds characters that cannot be seen",
            );
            check(
                &with(&GOOD.replace("a, b,", &text)),
                "connector.scope holds characters that cannot be seen",
            );
        }
        // With its quotation marks.
        for (length, expect) in [
            (MAX_SCOPE_BYTES - 2, "scope: [\"xxx"),
            (MAX_SCOPE_BYTES - 1, "connector.scope is longer than 4096"),
        ] {
            let scope = "x".repeat(length);
            check(&with(&GOOD.replace("a, b,", &scope)), expect);
        }
        check(&with("[]"), "connector is not an object");
    }

    #[test]
    fn reads_the_rest() {
        let with = |rest: &str| format!(r#"{{"connector": {GOOD}, {rest}}}"#);
        check(
            &with(r#""bundle_type": "S3_BUNDLE""#),
            "invalid-bundle: the envelope has no bundle",
        );
        check(&with(r#""bundle": {}"#), "applicant_id: None");
        check(
            &with(r#""bundle": {}, "applicant_id": "u""#),
            r#"applicant_id: Some("u")"#,
        );
        let long = "x".repeat(MAX_NAME_BYTES);
        let applicant = |id: &str| with(&format!(r#""bundle": {{}}, "applicant_id": "{id}""#));
        check(&applicant(&long), &format!("applicant_id: Some({long:?})"));
        check(
            &applicant(&format!("{long}x")),
            "invalid-connector: applicant_id is longer than 1024 bytes",
        );
        check(
            &applicant(r"a\nb"),
            "invalid-connector: applicant_id holds control characters",
        );
        check(
            &with(r#""bundle": {}, "applicant_id": null"#),
            "applicant_id: None",
        );
        check(&applicant(" "), "applicant_id: None");
        for unreadable in ["7", "false", "[]", r#"{"id": "u"}"#, r#""\ud800""#] {
            check(
                &with(&format!(r#""bundle": {{}}, "applicant_id": {unreadable}"#)),
                "invalid-connector: applicant_id is no text that can be read",
            );
        }
        check(
            &with(r#""bundle": {}, "applicant_id": """#),
            "applicant_id: None",
        );
        check(&with(r#""bundle": {}, "update": true"#), "update: true");
        check(&with(r#""bundle": {}, "update": null"#), "update: false");
    }
}
