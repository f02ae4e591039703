//! Why a file cannot be imported, in the form in which it is told.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use stix_bundle::{Level, NotSent, NotSentCode, Split, Stripped};

use crate::terminal::{self, Layout};
use crate::{Code, Fingerprint};

/// Something found in a bundle, with its place in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable code, such as `no-id`.
    pub code: &'static str,
    /// Whether the object was sent.
    pub level: FindingLevel,
    /// JSON path into the file, such as `$.bundle.objects[3]`.
    pub path: String,
    /// The id of the object it is about, where that has a readable one: its first 256 bytes, without
    /// characters that change how a line is shown.
    pub id: Option<String>,
    /// In words.
    pub message: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingLevel {
    /// The object was not sent.
    Error,
    /// It was sent all the same.
    Warning,
}

impl From<Level> for FindingLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::Error,
            Level::Warning => Self::Warning,
        }
    }
}

impl From<&stix_bundle::Finding> for Finding {
    /// The finding with its path counted from the envelope's file.
    fn from(finding: &stix_bundle::Finding) -> Self {
        Self {
            code: finding.code,
            level: finding.level.into(),
            path: in_file(&finding.path),
            id: finding.id.as_deref().map(shown),
            message: with_remedy(finding.code, &finding.message),
        }
    }
}

impl Finding {
    /// An object that was not sent because it is broken.
    pub(crate) fn of_defect(object: &NotSent, split: &Split<'_>) -> Self {
        let code = object.code.as_str();
        Self {
            code,
            level: FindingLevel::Error,
            path: in_file(&split.path(object.index)),
            id: object.id.as_deref().map(shown),
            message: with_remedy(code, &object.detail),
        }
    }

    /// An object that was sent without references that say who may see it, or what is in it.
    pub(crate) fn of_stripped(object: &Stripped<'_>, split: &Split<'_>) -> Self {
        let references = match object.count {
            1 => "1 reference was".to_owned(),
            count => format!("{count} references were"),
        };
        Self {
            code: "references-removed",
            level: FindingLevel::Warning,
            path: format!("{}.{}", in_file(&split.path(object.object)), object.key),
            id: Some(shown(object.id)),
            message: format!(
                "{references} taken out: to a type that the platform does not take, or closing a cycle"
            ),
        }
    }

    /// Where it is, with the object's id where there is one.
    pub(crate) fn place(&self) -> String {
        match &self.id {
            Some(id) => format!("{} ({id})", self.path),
            None => self.path.clone(),
        }
    }
}

/// A path into a bundle as one into the envelope's file.
pub(crate) fn in_file(path: &str) -> String {
    format!("$.bundle{}", path.strip_prefix('$').unwrap_or(path))
}

/// Bytes of an id that are shown.
const SHOWN_BYTES: usize = 256;

/// An id for people to read: not too long, and without characters that change how a line is shown.
pub(crate) fn shown(id: &str) -> String {
    let start = &id[..id.floor_char_boundary(SHOWN_BYTES)];
    let cut = if start.len() < id.len() { "…" } else { "" };
    format!("{}{cut}", terminal::escape(start))
}

/// What is wrong with an object, with the setting that would let it in.
fn with_remedy(code: &str, message: &str) -> String {
    if code != NotSentCode::TooManyReferences.as_str() {
        return message.to_owned();
    }
    format!("{message}; to let it in, set DIODE_IMPORT_MAX_REFS to that many or more")
}

/// What is wrong with a file that goes beyond a limit, with the setting that would let it in.
pub(crate) fn beyond(message: &str, setting: &str, needed: u64) -> String {
    format!("{message}; to let it in, set {setting} to {needed} or more")
}

/// A file that cannot be imported, or not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why, as a code.
    pub code: Code,
    /// Why, in words.
    pub message: String,
    /// What was found in the bundle, where it was looked into.
    pub findings: Vec<Finding>,
}

impl Refusal {
    /// A refusal of the whole file.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            findings: Vec::new(),
        }
    }

    /// How many objects the content policy refused, by code.
    pub(crate) fn denied(&self) -> BTreeMap<&'static str, usize> {
        let mut denied = BTreeMap::new();
        let codes = NotSentCode::DENIED.map(NotSentCode::as_str);
        for finding in &self.findings {
            if codes.contains(&finding.code) {
                *denied.entry(finding.code).or_default() += 1;
            }
        }
        denied
    }

    /// The refusal of a file that is too large to be read.
    pub(crate) fn too_large(message: &str, size: u64) -> Self {
        let message = beyond(message, "DIODE_IMPORT_MAX_FILE_BYTES", size);
        Self::new(Code::TooLarge, message)
    }

    /// The same with what was found in the bundle.
    #[must_use]
    pub fn with_findings(mut self, findings: Vec<Finding>) -> Self {
        self.findings = findings;
        self
    }
}

/// The content of `NAME.reason.json`, which stands beside a file that was set aside.
#[derive(Debug, Serialize)]
pub struct Reason<'a> {
    /// The file's name where it was found.
    pub file: &'a str,
    /// Why it was set aside, as a code.
    pub code: &'static str,
    /// Why, in words.
    pub message: &'a str,
    /// What was found in the bundle.
    pub findings: &'a [Finding],
    /// SHA-256 of the file, in hexadecimal; null where it was too large to be read.
    pub sha256: Option<Fingerprint>,
    /// The file's size in bytes.
    pub size: u64,
    /// When it was set aside, in UTC.
    pub rejected_at: String,
}

impl<'a> Reason<'a> {
    /// The reason of `refusal` for a file.
    pub fn new(
        file: &'a str,
        size: u64,
        sha256: Option<Fingerprint>,
        refusal: &'a Refusal,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            file,
            code: refusal.code.as_str(),
            message: &refusal.message,
            findings: &refusal.findings,
            sha256,
            size,
            rejected_at: now.to_rfc3339_opts(SecondsFormat::Millis, true),
        }
    }

    /// The reason as indented JSON, for people first.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::new();
        // Texts and numbers always have JSON, and memory takes it.
        let _ = terminal::write_json(&mut json, self, Layout::Indented);
        json.push(b'\n');
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_shown_without_what_changes_a_line() {
        for (id, expect) in [
            ("tool--1", "tool--1"),
            ("a'b\"c é漢", "a'b\"c é漢"),
            ("a\u{1b}[2J\n\u{202e}", "a\\u{1b}[2J\\n\\u{202e}"),
            (&"é".repeat(128), &"é".repeat(128)),
            (&"é".repeat(129), &format!("{}…", "é".repeat(128))),
        ] {
            assert_eq!(shown(id), expect);
        }
    }

    #[test]
    fn reason_has_all_keys_even_when_empty() {
        let refusal = Refusal::new(Code::TooLarge, "too much");
        let now = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        let json = Reason::new("a.json", 7, None, &refusal, now).to_json();
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(
            value,
            serde_json::json!({
                "file": "a.json", "code": "too-large", "message": "too much", "findings": [],
                "sha256": null, "size": 7, "rejected_at": "2026-01-01T00:00:00.000Z",
            })
        );
    }
}
