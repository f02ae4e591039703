//! Requests in several parts, as the GraphQL multipart request specification lays them out.

use anyhow::Context as _;
use serde_json::{Value, json};

/// A file that came with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its content type.
    pub kind: String,
    /// Its content.
    pub content: Vec<u8>,
}

/// The operation that a body of this content type holds, with a mark in the place of its file, and
/// the file; `None` for another content type.
///
/// # Errors
/// Where the body is not laid out as it should be.
pub(super) fn read(kind: &str, body: &[u8]) -> anyhow::Result<Option<(Value, File)>> {
    let Some(boundary) = kind.strip_prefix("multipart/form-data; boundary=") else {
        return Ok(None);
    };
    let parts = parts(body, boundary)?;
    let [operations, map, file] = parts.as_slice() else {
        anyhow::bail!("{} parts instead of three", parts.len());
    };
    for (part, name) in [(operations, "operations"), (map, "map"), (file, "0")] {
        let named = format!("form-data; name=\"{name}\"");
        anyhow::ensure!(part.disposition.starts_with(&named), "no part {name}");
    }
    let map: Value = serde_json::from_slice(map.content)?;
    anyhow::ensure!(map == json!({ "0": ["variables.file"] }), "map: {map}");
    let mut operation: Value = serde_json::from_slice(operations.content)?;
    let place = operation.pointer_mut("/variables/file");
    let place = place.context("no variable file")?;
    anyhow::ensure!(place.is_null(), "the variable file is not null");
    *place = json!("the file");
    Ok(Some((operation, as_file(file)?)))
}

struct Part<'a> {
    disposition: String,
    kind: Option<String>,
    content: &'a [u8],
}

fn as_file(part: &Part<'_>) -> anyhow::Result<File> {
    let (_, name) = part
        .disposition
        .split_once("; filename=\"")
        .context("the file has no name")?;
    Ok(File {
        name: name.trim_end_matches('"').to_owned(),
        kind: part.kind.clone().context("the file has no type")?,
        content: part.content.to_vec(),
    })
}

fn parts<'a>(body: &'a [u8], boundary: &str) -> anyhow::Result<Vec<Part<'a>>> {
    let line = format!("--{boundary}");
    let mut rest = body
        .strip_prefix(line.as_bytes())
        .context("the body starts with no boundary")?;
    let next = format!("\r\n{line}");
    let mut parts = Vec::new();
    while let Some(start) = rest.strip_prefix(b"\r\n") {
        let end = find(start, next.as_bytes()).context("a part does not end")?;
        parts.push(part(&start[..end])?);
        rest = &start[end + next.len()..];
        if rest == b"--\r\n" {
            return Ok(parts);
        }
    }
    anyhow::bail!("the body does not end")
}

fn part(text: &[u8]) -> anyhow::Result<Part<'_>> {
    let end = find(text, b"\r\n\r\n").context("a part has no head")?;
    let head = std::str::from_utf8(&text[..end])?;
    let header = |name: &str| {
        let lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.to_owned())
    };
    Ok(Part {
        disposition: header("Content-Disposition").context("a part has no disposition")?,
        kind: header("Content-Type"),
        content: &text[end + 4..],
    })
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "multipart/form-data; boundary=b";

    fn body(map: &str) -> String {
        [
            "--b",
            "Content-Disposition: form-data; name=\"operations\"",
            "",
            r#"{"query":"q","variables":{"file":null}}"#,
            "--b",
            "Content-Disposition: form-data; name=\"map\"",
            "",
            map,
            "--b",
            "Content-Disposition: form-data; name=\"0\"; filename=\"a.json\"",
            "Content-Type: application/json",
            "",
            "{}",
            "--b--",
            "",
        ]
        .join("\r\n")
    }

    #[test]
    fn a_form_is_an_operation_and_a_file() {
        let text = body(r#"{"0":["variables.file"]}"#);
        let (operation, file) = read(KIND, text.as_bytes()).unwrap().unwrap();
        assert_eq!(operation["variables"]["file"], "the file");
        let expect = File {
            name: "a.json".to_owned(),
            kind: "application/json".to_owned(),
            content: b"{}".to_vec(),
        };
        assert_eq!(file, expect);
    }

    #[test]
    fn what_is_laid_out_otherwise_is_refused() {
        assert!(read("application/json", b"{}").unwrap().is_none());
        assert!(read(KIND, b"{}").is_err());
        assert!(read(KIND, body(r#"{"0":["file"]}"#).as_bytes()).is_err());
        let text = body(r#"{"0":["variables.file"]}"#);
        let endless = text.trim_end_matches("--\r\n");
        assert!(read(KIND, endless.as_bytes()).is_err());
    }
}
