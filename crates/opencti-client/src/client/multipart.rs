//! A GraphQL request that carries a file: a form of several parts, as the GraphQL multipart request
//! specification lays them out. Pure.

use reqwest::header::HeaderValue;

use crate::PendingFile;

/// A form as it is posted.
pub(super) struct Form {
    pub(super) content_type: HeaderValue,
    pub(super) body: Vec<u8>,
}

/// The form of an operation, given as JSON, whose variable `file` is `file`.
///
/// `seed` makes the line between the parts; a random one makes sure that no content holds it.
pub(super) fn form(operation: &[u8], file: &PendingFile, seed: u128) -> Form {
    let boundary = format!("diode-import-{seed:032x}");
    let mut body = Vec::with_capacity(operation.len() + file.content.len() + 1024);
    part(&mut body, &boundary, "name=\"operations\"", operation);
    part(
        &mut body,
        &boundary,
        "name=\"map\"",
        br#"{"0":["variables.file"]}"#,
    );
    let name = quotable(&file.name);
    let head = format!("name=\"0\"; filename=\"{name}\"\r\nContent-Type: application/json");
    part(&mut body, &boundary, &head, &file.content);
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Form {
        content_type: content_type(&boundary),
        body,
    }
}

fn part(body: &mut Vec<u8>, boundary: &str, head: &str, content: &[u8]) {
    let head = format!("--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n");
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n");
}

/// A name that cannot leave its quotes, written as browsers do.
fn quotable(name: &str) -> String {
    name.replace('"', "%22").replace(char::is_control, "_")
}

/// The boundary holds nothing that a header cannot carry.
fn content_type(boundary: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("multipart/form-data; boundary={boundary}"))
        .unwrap_or_else(|_| HeaderValue::from_static("multipart/form-data"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_laid_out_as_the_specification_says() {
        let file = PendingFile {
            name: "work_1\"\r\nX: y.json".to_owned(),
            content: "{\"objects\":[]}".into(),
        };
        let form = form(br#"{"variables":{"file":null}}"#, &file, 0xab);
        let boundary = "diode-import-000000000000000000000000000000ab";
        assert_eq!(
            form.content_type,
            format!("multipart/form-data; boundary={boundary}")
        );
        let lines = [
            &format!("--{boundary}"),
            "Content-Disposition: form-data; name=\"operations\"",
            "",
            r#"{"variables":{"file":null}}"#,
            &format!("--{boundary}"),
            "Content-Disposition: form-data; name=\"map\"",
            "",
            r#"{"0":["variables.file"]}"#,
            &format!("--{boundary}"),
            "Content-Disposition: form-data; name=\"0\"; filename=\"work_1%22__X: y.json\"",
            "Content-Type: application/json",
            "",
            r#"{"objects":[]}"#,
            &format!("--{boundary}--"),
            "",
        ];
        assert_eq!(String::from_utf8(form.body).unwrap(), lines.join("\r\n"));
    }
}
