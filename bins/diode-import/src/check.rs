//! Says what would become of files.

use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use bundle_source::Content;
use bytes::Bytes;
use diode_core::terminal::{Layout, escape, guard, word};
use diode_core::{CheckReport, check as examine};
use stix_bundle::{Limits, Profile};

use crate::cli::Format;
use crate::exit::Exit;
use crate::output::{self, SafeOutput};
use crate::settings::ContentRules;

/// Findings, and kinds of objects that are not sent, that are shown of one file as text; JSON has more.
const SHOWN: usize = 20;

/// Checks files by `rules`, and writes what was found to standard output.
///
/// # Errors
/// Where standard output cannot be written.
pub(crate) fn check(
    files: &[PathBuf],
    format: Format,
    rules: &ContentRules,
) -> anyhow::Result<Exit> {
    let profile = rules.profile();
    let mut out = output::stdout();
    let mut exit = Exit::Done;
    for file in files {
        let report = check_file(file, &rules.limits, &profile);
        if !report.is_whole() {
            exit = Exit::Failed;
        }
        write(&mut out, format, &report)?;
    }
    out.finish()?;
    Ok(exit)
}

/// Writes what was found in a file.
pub(crate) fn write(
    out: &mut SafeOutput<impl Write>,
    format: Format,
    report: &CheckReport,
) -> io::Result<()> {
    match format {
        Format::Json => out.json(report, Layout::Line),
        Format::Text => out.page(&text(report)),
    }
}

fn check_file(file: &Path, limits: &Limits, profile: &Profile) -> CheckReport {
    let (name, limit) = (file.to_string_lossy(), limits.max_bytes);
    match read(file, limit) {
        Ok(bytes) if bytes.len() as u64 > limit => {
            CheckReport::too_large(&name, size_of(file, &bytes), limit)
        }
        Ok(bytes) => examine(&name, &bytes, limits, profile),
        Err(error) => CheckReport::unreadable(&name, error.to_string()),
    }
}

/// How large a file is of which these bytes were read; a pipe tells no size of its own.
fn size_of(file: &Path, read: &[u8]) -> u64 {
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    size.max(read.len() as u64)
}

/// One byte more than allowed is enough to tell that a file is too large.
fn read(file: &Path, limit: u64) -> io::Result<Bytes> {
    let mut file = std::fs::File::open(file)?;
    let size = file.metadata()?.len().min(limit);
    let mut content = Content::with_room(size.saturating_add(1))?;
    if content.read_from(&mut file)? || content.len() as u64 > limit {
        return Ok(content.into_bytes());
    }
    // A pipe, or a file that grows: how large it is shows at its end.
    let mut bytes = content.into_bytes().to_vec();
    let rest = limit.saturating_add(1) - bytes.len() as u64;
    file.take(rest).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

fn text(report: &CheckReport) -> String {
    let mut lines = vec![headline(report)];
    lines.extend(report.not_sent.iter().take(SHOWN).map(|left| {
        let object_type = left.object_type.as_deref();
        let object_type = object_type.map_or("no type".into(), word);
        format!("  not sent: {} {} ({object_type})", left.count, left.code)
    }));
    lines.extend(more_kinds(report));
    if report.references_removed > 0 {
        let count = report.references_removed;
        lines.push(format!("  references taken out: {count}"));
    }
    lines.extend(report.findings.iter().take(SHOWN).map(|finding| {
        let level = match finding.level {
            diode_core::FindingLevel::Error => "error",
            diode_core::FindingLevel::Warning => "warning",
        };
        // The id and the message have what is not safe escaped already.
        let id = finding.id.as_ref();
        let id = id.map_or_else(String::new, |id| format!(" ({id})"));
        format!(
            "  {level} {}{id}: {} [{}]",
            escape(&finding.path),
            finding.message,
            finding.code
        )
    }));
    let more = report.findings.len().saturating_sub(SHOWN) + report.findings_omitted;
    if more > 0 {
        lines.push(format!("  and {more} more findings"));
    }
    lines
        .into_iter()
        .map(|line| guard(&line).into_owned() + "\n")
        .collect()
}

/// How many kinds of objects that are not sent there are beyond those that are shown.
fn more_kinds(report: &CheckReport) -> Option<String> {
    let unshown = report.not_sent.get(SHOWN..).unwrap_or_default();
    let kinds = unshown.len() + report.not_sent_omitted;
    let objects = unshown.iter().map(|left| left.count).sum::<usize>();
    let objects = objects + report.not_sent_omitted_objects;
    (kinds > 0).then(|| format!("  not sent: {objects} more, of {kinds} more kinds"))
}

fn headline(report: &CheckReport) -> String {
    let file = escape(&report.file);
    if report.outcome == "waiting" {
        let why = report.message.as_deref().unwrap_or_default();
        return format!("{file}: cannot be read: {why}");
    }
    let would = match report.outcome {
        "imported" => "would be imported",
        "partial" => "would be imported in part",
        "ignored" => "would be left alone",
        _ => "would be rejected",
    };
    let why = match (report.code, &report.message) {
        (Some(code), Some(message)) => format!(" ({code}: {message})"),
        _ => String::new(),
    };
    let what = report
        .connector
        .as_ref()
        .map_or_else(String::new, |connector| {
            format!(
                ": {} as {} {}, applicant {}",
                messages(report.messages),
                connector.connector_type,
                escape(&connector.name),
                escape(report.applicant_id.as_deref().unwrap_or("none"))
            )
        });
    format!("{file}: {would}{why}{what}")
}

fn messages(count: usize) -> String {
    match count {
        1 => "1 message".to_owned(),
        more => format!("{more} messages"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEED: &str = r#"{"connector": {"id": "c", "name": "Feed", "type": "STREAM"},
        "applicant_id": "u", "bundle": {"type": "bundle", "objects": [
        {"type": "identity", "id": "identity--1", "name": "a"}, {"type": "x-y", "id": "x-y--1"}, 7]}}"#;

    fn report(content: &str, limits: &Limits) -> CheckReport {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.json");
        std::fs::write(&path, content).unwrap();
        let mut report = check_file(&path, limits, &Profile::opencti());
        report.file = "f\u{1b}\u{202e}\u{200b}.json".into();
        report
    }

    #[test]
    fn text_says_what_would_be_sent_and_what_not() {
        let text = text(&report(FEED, &Limits::default()));
        let mut lines = text.lines();
        assert_eq!(
            lines.next(),
            Some(
                "f\\u{1b}\\u{202e}\\u{200b}.json: would be imported in part (partial: 1 of 3 objects are broken and were \
                 not sent; 1 were; the first is $.bundle.objects[2]: it is a number): 1 message as STREAM Feed, \
                 applicant u"
            )
        );
        assert_eq!(lines.next(), Some("  not sent: 1 not-an-object (no type)"));
        assert_eq!(lines.next(), Some("  not sent: 1 unsupported-type (x-y)"));
        assert!(text.contains("error $.bundle.objects[2]"), "{text}");
    }

    #[test]
    fn text_tells_of_references_that_are_taken_out_and_names_the_objects() {
        let file = r#"{"connector": {"id": "c", "name": "Feed", "type": "STREAM"}, "bundle": {"objects": [
            {"type": "report", "id": "report--\u001b\u202e", "object_refs": ["x-y--1"], "created_by_ref": "x-y--1"}]}}"#;
        let report = report(file, &Limits::default());
        assert!(report.is_whole());
        let text = text(&report);
        for expect in [
            "\n  references taken out: 2\n",
            "\n  warning $.bundle.objects[0].object_refs (report--\\u{1b}\\u{202e}): 1 reference was taken \
             out: to a type that the platform does not take, or closing a cycle [references-removed]\n",
        ] {
            assert!(text.contains(expect), "{expect}\n{text}");
        }
    }

    #[test]
    fn of_many_kinds_text_names_twenty_and_counts_the_others() {
        for (kinds, named, more) in [
            (20, 20, None),
            (21, 20, Some("  not sent: 1 more, of 1 more kinds")),
            (1003, 20, Some("  not sent: 983 more, of 983 more kinds")),
        ] {
            let objects: Vec<String> = (0..kinds)
                .map(|n| format!(r#"{{"type": "x-{n}", "id": "x--{n}"}}"#))
                .collect();
            let sound = r#"{"type": "tool", "id": "tool--1", "name": "x"}"#;
            let file = format!(
                r#"{{"connector": {{"id": "c", "name": "Feed", "type": "STREAM"}},
                "bundle": {{"objects": [{sound}, {}]}}}}"#,
                objects.join(",")
            );
            let text = text(&report(&file, &Limits::default()));
            let count = text
                .lines()
                .filter(|line| line.contains("unsupported-type (x-"));
            assert_eq!(count.count(), named, "{text}");
            let found = text.lines().find(|line| line.contains("more kinds"));
            assert_eq!(found, more, "{text}");
        }
    }

    #[test]
    fn what_tells_no_size_is_read_as_far_as_allowed() {
        let file = Path::new("/proc/self/status");
        assert_eq!(file.metadata().unwrap().len(), 0);
        assert!(read(file, 1 << 20).unwrap().starts_with(b"Name:"));
        assert_eq!(read(file, 4).unwrap(), "Name:");
    }

    #[test]
    fn limits_hold_before_the_file_is_read() {
        let limits = |max_bytes| Limits {
            max_bytes,
            ..Limits::default()
        };
        let size = FEED.len() as u64;
        assert_eq!(report(FEED, &limits(size)).code, Some("partial"));
        let too_large = report(FEED, &limits(size - 1));
        assert_eq!(too_large.code, Some("too-large"));
        let told = format!("to let it in, set DIODE_IMPORT_MAX_FILE_BYTES to {size} or more");
        assert!(
            too_large
                .message
                .is_some_and(|message| message.ends_with(&told))
        );
        let much_too_large = report(FEED, &limits(3)).message.unwrap();
        assert!(much_too_large.ends_with(&told), "{much_too_large}");
        let missing = check_file(Path::new("/no/such/file"), &limits(9), &Profile::opencti());
        assert_eq!(missing.code, Some("unreadable"));
    }

    #[test]
    fn what_cannot_be_read_would_wait() {
        let missing = Path::new("/no/such/file");
        let report = check_file(missing, &Limits::default(), &Profile::opencti());
        assert_eq!((report.outcome, report.is_whole()), ("waiting", false));
        assert_eq!(
            text(&report),
            "/no/such/file: cannot be read: No such file or directory (os error 2)\n"
        );
    }
}
