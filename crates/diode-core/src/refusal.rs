//! Why a file cannot be imported, in the form in which it is told.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use stix_bundle::Level;

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
        let path = finding.path.strip_prefix('$').unwrap_or(&finding.path);
        Self {
            code: finding.code,
            level: finding.level.into(),
            path: format!("$.bundle{path}"),
            message: finding.message.clone(),
        }
    }
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
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
