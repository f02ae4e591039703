//! That every case that was reported to us has a test, and one that a reader finds: its name stands in the
//! test's doc comment, or is that of a conformance case.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use crate::shown::case_of;

/// The cases, by their names.
const CASES: [&str; 24] = [
    "bundle-in-bundle",
    "connector-name-one-letter",
    "dangling-references",
    "empty-run",
    "future-mtime",
    "lone-surrogates",
    "ndjson",
    "older-version-last",
    "python-nan",
    "quoted-settings",
    "ref-holds-object",
    "references-taken-out",
    "report-of-many",
    "same-file-again",
    "sec-bundle-id-repeated",
    "sec-connector-id-too-long",
    "sec-operation-delete",
    "sec-operation-in-extension",
    "sec-operation-patch-user",
    "sec-reason-terminal",
    "sec-stop-while-greeting",
    "suffixes",
    "unsupported-object-odd-ref",
    "utf-16",
];

/// Fails where a case has no test.
pub(crate) fn check<'a>(root: &Path, files: impl Iterator<Item = &'a str>) -> anyhow::Result<()> {
    let mut named = Vec::new();
    for file in files {
        named.extend(case_of(file).map(|case| case.replace('_', "-")));
        if Path::new(file)
            .extension()
            .is_some_and(|ending| ending == "rs")
        {
            let text = fs::read_to_string(root.join(file));
            named.extend(named_in(
                &text.with_context(|| format!("cannot read {file}"))?,
            ));
        }
    }
    let lost: Vec<&str> = CASES
        .into_iter()
        .filter(|case| !named.iter().any(|name| name == case))
        .collect();
    anyhow::ensure!(
        lost.is_empty(),
        "no test says that it is of the case {}: write \"Case `NAME`\" into its doc comment",
        lost.join(", ")
    );
    Ok(())
}

/// The cases that doc comments of tests name.
fn named_in(text: &str) -> Vec<String> {
    let mut named = Vec::new();
    let mut of_this = Vec::new();
    for line in text.lines().map(str::trim_start) {
        if let Some(comment) = line.strip_prefix("/// ") {
            if comment.starts_with("Case") {
                let quoted = comment.split('`').skip(1).step_by(2);
                of_this.extend(quoted.map(ToOwned::to_owned));
            }
        } else {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                named.append(&mut of_this);
            }
            of_this.clear();
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_named_by_the_doc_comment_of_a_test() {
        for (text, expect) in [
            ("/// Case `a`: x `y`.\n#[test]\nfn t() {}", vec!["a", "y"]),
            (
                "  /// Cases `a` and\n  /// more.\n  #[tokio::test]",
                vec!["a"],
            ),
            ("/// Case `a`.\nfn no_test() {}\n#[test]\nfn t() {}", vec![]),
            ("// Case `a`.\n#[test]", vec![]),
            ("/// Of `a`.\n#[test]", vec![]),
        ] {
            assert_eq!(named_in(text), expect, "{text}");
        }
    }

    #[test]
    fn a_case_without_a_test_is_told() {
        let told = check(Path::new("/"), std::iter::empty()).unwrap_err();
        assert!(told.to_string().contains("sec-reason-terminal"), "{told}");
    }
}
