//! The parts of an import, as a queue asks for them.

use opencti_client::Parts;
use stix_bundle::Split;

use crate::examine::Import;

/// Where `nb_deps` stops: from here on it tells one object from the next no longer.
const MOST_DEPS: u64 = 1 << 53;

pub(super) struct SplitParts<'a> {
    split: &'a Split<'a>,
    bundle_id: &'a str,
}

impl<'a> SplitParts<'a> {
    pub(super) fn of(import: &'a Import<'_>) -> Self {
        Self {
            split: &import.split,
            bundle_id: &import.bundle_id,
        }
    }

    /// All parts as one bundle.
    pub(super) fn whole(&self) -> Vec<u8> {
        let indexes: Vec<usize> = (0..self.count()).collect();
        let mut text = Vec::new();
        self.write_together(&indexes, &mut text);
        text
    }
}

impl Parts for SplitParts<'_> {
    fn count(&self) -> usize {
        self.split.part_count()
    }

    fn write(&self, index: usize, out: &mut Vec<u8>) {
        self.split.write_part(index, self.bundle_id, out);
    }

    fn write_together(&self, indexes: &[usize], out: &mut Vec<u8>) {
        let id = serde_json::Value::from(self.bundle_id).to_string();
        out.extend_from_slice(br#"{"type":"bundle","id":"#);
        out.extend_from_slice(id.as_bytes());
        out.extend_from_slice(br#","spec_version":"2.1","objects":["#);
        for (number, &index) in indexes.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            self.split.write_object(index, out);
        }
        out.extend_from_slice(b"]}");
    }

    fn level(&self, index: usize) -> u64 {
        match self.split.part(index).nb_deps {
            MOST_DEPS.. => MOST_DEPS + index as u64,
            deps => deps,
        }
    }
}

#[cfg(test)]
mod tests {
    use opencti_client::{DraftId, MessageHeader, WorkId, encode_message};
    use proptest::prelude::*;
    use serde_json::json;
    use stix_bundle::{Limits, Profile};

    use super::*;
    use crate::examine::{Examined, examine};

    /// With the longest ids that a platform gives.
    fn header() -> MessageHeader {
        let uuid = "01135740-4359-53a3-ac5f-b2cf148175e5";
        MessageHeader {
            applicant_id: Some(uuid.to_owned()),
            update: false,
            draft_id: Some(DraftId(uuid.to_owned())),
            work_id: WorkId(format!("work_{uuid}_2026-12-01T05:00:00.000Z")),
        }
    }

    proptest! {
        /// Case `sec-bundle-id-repeated`. Whatever a file repeats, its messages have at most twice its size and
        /// a kilobyte for each object.
        #[test]
        fn messages_are_no_larger_than_their_file_allows(
            bundle_id in ".{0,300}",
            repeats in 1_usize..20,
            texts in prop::collection::vec(".{0,60}", 1..30),
            references in prop::collection::vec(0_usize..30, 0..60),
        ) {
            let id = |number: usize| format!("tool--{number}");
            let objects: Vec<_> = texts
                .iter()
                .enumerate()
                .map(|(number, text)| {
                    let refs: Vec<_> = references.iter().map(|target| id(*target)).collect();
                    json!({ "type": "tool", "id": id(number), "name": text, "object_refs": refs })
                })
                .collect();
            let file = json!({
                "connector": { "id": "c", "name": "Feed", "type": "STREAM" },
                "bundle": { "id": bundle_id.repeat(repeats), "objects": objects },
            })
            .to_string();
            let examined = examine(file.as_bytes(), &Limits::default(), &Profile::opencti());
            let Examined::Ready(import) = examined else {
                panic!("it can be imported");
            };
            let parts = SplitParts::of(&import);
            let sent: usize = (0..parts.count())
                .map(|index| {
                    let (mut part, mut message) = (Vec::new(), Vec::new());
                    parts.write(index, &mut part);
                    encode_message(&header(), index + 1, &part, &mut message);
                    message.len()
                })
                .sum();
            prop_assert!(sent <= 2 * file.len() + 1000 * objects.len(), "{sent}");
        }
    }
}
