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
