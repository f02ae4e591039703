//! The message that the platform's workers read from the queue.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::MessageHeader;

/// Appends the message that carries `content`, a bundle of one object, to `out`.
///
/// The keys and their order are those of the platform's own client from 7.260227.0 on, a superset
/// that every worker from 6.0.0 on reads: workers ignore keys they do not know, and those of 6.0
/// insist on `applicant_id`. `sequence` counts from 1. `entities_types` stays empty, because a
/// worker would filter by it.
///
/// ```
/// use opencti_client::{MessageHeader, WorkId, encode_message};
///
/// let header = MessageHeader {
///     applicant_id: None,
///     update: false,
///     draft_id: None,
///     work_id: WorkId("work_1".to_owned()),
/// };
/// let mut body = Vec::new();
/// encode_message(&header, 1, br#"{"type":"bundle","objects":[]}"#, &mut body);
/// assert!(body.starts_with(br#"{"bundle_type":"QUEUE_BUNDLE","applicant_id":null,"#));
/// ```
pub fn encode_message(header: &MessageHeader, sequence: usize, content: &[u8], out: &mut Vec<u8>) {
    let draft_id = header.draft_id.as_ref().map(|draft| draft.0.as_str());
    out.extend_from_slice(b"{\"bundle_type\":\"QUEUE_BUNDLE\",\"applicant_id\":");
    push_text(out, header.applicant_id.as_deref());
    out.extend_from_slice(b",\"action_sequence\":");
    out.extend_from_slice(sequence.to_string().as_bytes());
    out.extend_from_slice(b",\"entities_types\":[],\"content\":\"");
    push_base64(out, content);
    out.extend_from_slice(b"\",\"update\":");
    out.extend_from_slice(if header.update { b"true" } else { b"false" });
    out.extend_from_slice(b",\"draft_id\":");
    push_text(out, draft_id);
    out.extend_from_slice(b",\"no_split\":false,\"work_id\":");
    push_text(out, Some(&header.work_id.0));
    out.push(b'}');
}

/// `text` as a JSON string, or `null`.
fn push_text(out: &mut Vec<u8>, text: Option<&str>) {
    out.extend_from_slice(Value::from(text).to_string().as_bytes());
}

/// `content` in base64 with padding, encoded in place: a message can be as large as the broker
/// takes, and needs no second copy.
fn push_base64(out: &mut Vec<u8>, content: &[u8]) {
    let start = out.len();
    out.resize(start + content.len().div_ceil(3) * 4, b'=');
    // The room is exact, so that encoding cannot fail.
    let written = STANDARD
        .encode_slice(content, &mut out[start..])
        .unwrap_or(0);
    out.truncate(start + written);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DraftId, WorkId};

    #[test]
    fn keys_and_order_are_those_of_the_platforms_client() {
        check(
            &header(None, None),
            1,
            b"{}",
            r#"{"bundle_type":"QUEUE_BUNDLE","applicant_id":null,"action_sequence":1,"entities_types":[],"content":"e30=","update":false,"draft_id":null,"no_split":false,"work_id":"work_a_2026"}"#,
        );
        let mut full = header(Some("88ec0c6a-13ce-5e39-b486-354fe4a7084f"), Some("d\"1"));
        full.update = true;
        check(
            &full,
            5000,
            b"",
            r#"{"bundle_type":"QUEUE_BUNDLE","applicant_id":"88ec0c6a-13ce-5e39-b486-354fe4a7084f","action_sequence":5000,"entities_types":[],"content":"","update":true,"draft_id":"d\"1","no_split":false,"work_id":"work_a_2026"}"#,
        );
    }

    #[test]
    fn content_of_every_length_comes_back() {
        for length in 0..=64 {
            let content: Vec<u8> = (0..length).collect();
            let mut out = b"before".to_vec();
            encode_message(&header(None, None), 1, &content, &mut out);
            let message: Value = serde_json::from_slice(&out[6..]).unwrap();
            let text = message["content"].as_str().unwrap();
            assert_eq!(STANDARD.decode(text).unwrap(), content, "{length} bytes");
        }
    }

    fn check(header: &MessageHeader, sequence: usize, content: &[u8], expect: &str) {
        let mut out = Vec::new();
        encode_message(header, sequence, content, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }

    fn header(applicant: Option<&str>, draft: Option<&str>) -> MessageHeader {
        MessageHeader {
            applicant_id: applicant.map(str::to_owned),
            update: false,
            draft_id: draft.map(|id| DraftId(id.to_owned())),
            work_id: WorkId("work_a_2026".to_owned()),
        }
    }
}
