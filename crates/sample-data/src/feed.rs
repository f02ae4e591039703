//! Envelopes like that of a large feed of attack techniques: a fifth of the objects are long
//! entities, some of them of types that the platform does not take; the rest are relationships
//! between them.

use std::io::{self, Write};

use crate::random::{below, mix, uuid};

/// The id of the connector in the envelopes.
pub const CONNECTOR_ID: &str = "5b0f8e2a-6c1d-4e73-9a48-d7f3c2b1a690";

/// Average bytes of an object with the comma behind it.
const OBJECT_BYTES: usize = 1410;

/// A kind of entity: of a thousand objects so many, with so many words in the description.
struct Kind {
    name: &'static str,
    per_mille: usize,
    words: usize,
}

const fn kind(name: &'static str, per_mille: usize, words: usize) -> Kind {
    Kind {
        name,
        per_mille,
        words,
    }
}

/// As they are in a real feed. Those that begin with `x-` are not taken.
const KINDS: [Kind; 8] = [
    kind("attack-pattern", 34, 320),
    kind("malware", 28, 110),
    kind("intrusion-set", 8, 260),
    kind("course-of-action", 11, 150),
    kind("tool", 4, 80),
    kind("campaign", 2, 180),
    kind("x-mitre-analytic", 72, 110),
    kind("x-mitre-detection-strategy", 30, 40),
];

const WORDS: [&str; 24] = [
    "adversaries",
    "may",
    "abuse",
    "a",
    "command",
    "interpreter",
    "to",
    "execute",
    "scripts",
    "that",
    "hide",
    "the",
    "payload",
    "within",
    "legitimate",
    "traffic",
    "and",
    "persist",
    "across",
    "restarts",
    "of",
    "an",
    "infected",
    "system",
];

/// An envelope of so many objects, the same each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feed {
    objects: usize,
}

impl Feed {
    /// One of so many objects; at least a thousand, so that there is something of every kind.
    pub fn of_objects(objects: usize) -> Self {
        Self {
            objects: objects.max(1000),
        }
    }

    /// One of about so many bytes.
    pub fn of_bytes(bytes: usize) -> Self {
        Self::of_objects(bytes / OBJECT_BYTES)
    }

    /// The envelope as text.
    pub fn text(self) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.objects * OBJECT_BYTES);
        // Memory takes whatever is written to it.
        let _ = self.write(&mut text);
        text
    }

    /// Writes the envelope.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(self, out: &mut impl Write) -> io::Result<()> {
        let (connector, bundle) = (CONNECTOR_ID, uuid(0));
        write!(
            out,
            r#"{{"bundle_type": "DIRECTORY_BUNDLE", "applicant_id": "src-user-1", "connector": {{"id": "{connector}", "name": "Technique Feed", "type": "EXTERNAL_IMPORT", "scope": "identity,attack-pattern", "auto": false, "validate_before_import": false}}, "entities_types": null, "bundle": {{"type": "bundle", "id": "bundle--{bundle}", "spec_version": "2.1", "objects": ["#
        )?;
        write!(out, "{}, {}", author(), marking())?;
        let mut number = 2;
        for (index, kind) in KINDS.iter().enumerate() {
            for entity in 0..self.count(kind) {
                out.write_all(b", ")?;
                write_entity(out, kind, &id(index, entity), number)?;
                number += 1;
            }
        }
        while number < self.objects {
            out.write_all(b", ")?;
            self.write_relationship(out, number)?;
            number += 1;
        }
        out.write_all(b"]}, \"update\": false}")
    }

    fn count(self, kind: &Kind) -> usize {
        self.objects * kind.per_mille / 1000
    }

    fn write_relationship(self, out: &mut impl Write, number: usize) -> io::Result<()> {
        let random = mix(number as u64);
        // Some have an end that is not taken.
        let from = if random.is_multiple_of(37) {
            6
        } else {
            1 + below(random >> 8, 5)
        };
        let pick = |kind: usize, random: u64| {
            let entity = below(random, self.count(&KINDS[kind]));
            format!("{}--{}", KINDS[kind].name, id(kind, entity))
        };
        let (source, target) = (pick(from, random >> 16), pick(0, random >> 24));
        write!(
            out,
            r#"{{"type": "relationship", "id": "relationship--{}", "#,
            uuid(number as u64)
        )?;
        write_common(out, number, 2)?;
        write!(
            out,
            r#""description": "{}", "relationship_type": "uses", "source_ref": "{source}", "target_ref": "{target}", "x_mitre_deprecated": false, "spec_version": "2.1"}}"#,
            prose(random, 22)
        )
    }
}

/// Number within its kind to UUID; ids of relationships are of small numbers.
fn id(kind: usize, entity: usize) -> String {
    uuid(((kind as u64 + 1) << 40) | entity as u64)
}

fn author() -> String {
    let id = uuid(1);
    format!(
        r#"{{"type": "identity", "id": "identity--{id}", "name": "The Feed", "identity_class": "organization", "spec_version": "2.1"}}"#
    )
}

fn marking() -> String {
    let id = uuid(2);
    format!(
        r#"{{"type": "marking-definition", "id": "marking-definition--{id}", "definition_type": "statement", "definition": {{"statement": "Invented."}}, "created_by_ref": "identity--{}", "spec_version": "2.1"}}"#,
        uuid(1)
    )
}

fn write_entity(out: &mut impl Write, kind: &Kind, id: &str, number: usize) -> io::Result<()> {
    let (name, random) = (kind.name, mix(number as u64));
    write!(out, r#"{{"type": "{name}", "id": "{name}--{id}", "#)?;
    write_common(out, number, 2 + kind.words / 60)?;
    write!(
        out,
        r#""name": "{name} {number}", "description": "{}", "x_mitre_domains": ["enterprise"], "x_mitre_platforms": ["Linux", "Windows"], "x_mitre_version": "1.{}", "is_family": true, "revoked": false, "spec_version": "2.1"}}"#,
        prose(random, kind.words),
        random % 10
    )
}

fn write_common(out: &mut impl Write, number: usize, references: usize) -> io::Result<()> {
    let (author, marking) = (uuid(1), uuid(2));
    write!(
        out,
        r#""created": "2021-03-02T13:57:47.{:03}Z", "modified": "2025-04-28T15:31:47.711Z", "created_by_ref": "identity--{author}", "x_mitre_modified_by_ref": "identity--{author}", "object_marking_refs": ["marking-definition--{marking}"], "external_references": ["#,
        number % 1000
    )?;
    for reference in 0..references {
        let comma = if reference == 0 { "" } else { ", " };
        let random = mix(((number as u64) << 8) | reference as u64);
        write!(
            out,
            r#"{comma}{{"source_name": "Report {}", "description": "{}", "url": "https://reports.example/{random:x}"}}"#,
            random % 5000,
            prose(random, 14)
        )?;
    }
    out.write_all(b"], ")
}

/// So many words, with line breaks as JSON escapes them.
fn prose(random: u64, words: usize) -> String {
    let mut text = String::with_capacity(words * 7);
    for word in 0..words {
        let number = mix(random.wrapping_add(word as u64));
        text.push_str(WORDS[below(number, WORDS.len())]);
        text.push_str(if word % 60 == 59 { ".\\n\\n" } else { " " });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_each_time_and_as_large_as_asked_for() {
        let text = Feed::of_bytes(3_000_000).text();
        assert_eq!(text, Feed::of_bytes(3_000_000).text());
        assert!(
            (2_850_000..3_150_000).contains(&text.len()),
            "{}",
            text.len()
        );
    }
}
