//! Lists what the ledger knows.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context as _;
use chrono::SecondsFormat;
use diode_core::terminal::{Layout, escape};
use diode_core::{History, HistoryEntry, LedgerError, Place};

use crate::cli::Format;
use crate::exit::Exit;
use crate::output::{self, SafeOutput};

/// The table's columns.
const COLUMNS: [&str; 7] = [
    "TIME",
    "OUTCOME",
    "CODE",
    "MESSAGES",
    "CONNECTOR",
    "WHERE",
    "FILE",
];

/// Writes what became of the last files to standard output: at most `limit` of them.
///
/// # Errors
/// Where there is no ledger in `folder`, it cannot be read, or standard output cannot be written.
pub(crate) fn list(folder: &Path, format: Format, limit: u32) -> anyhow::Result<Exit> {
    let history = match History::open(folder) {
        Err(error @ LedgerError::Missing { .. }) => {
            return Err(error).context(
                "nothing was imported yet, or DIODE_IMPORT_STATE_PATH is not what the connector \
                 runs with",
            );
        }
        history => history?,
    };
    let entries = history.entries(limit)?;
    let mut out = output::stdout();
    write(&mut out, format, &entries)?;
    out.finish()?;
    Ok(Exit::Done)
}

/// Writes entries, one a line.
pub(crate) fn write(
    out: &mut SafeOutput<impl Write>,
    format: Format,
    entries: &[HistoryEntry],
) -> io::Result<()> {
    match format {
        Format::Json => entries
            .iter()
            .try_for_each(|entry| out.json(entry, Layout::Line)),
        Format::Text => out.page(&table(entries)),
    }
}

fn table(entries: &[HistoryEntry]) -> String {
    let heads = COLUMNS.map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heads)
        .chain(entries.iter().map(cells))
        .collect();
    let width = |column: usize| output::width(rows.iter().map(|row| row[column].as_str()));
    let widths: [usize; COLUMNS.len()] = std::array::from_fn(width);
    rows.iter()
        .map(|row| {
            let padded = row
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:width$}"));
            let line = padded.collect::<Vec<_>>().join("  ");
            line.trim_end().to_owned() + "\n"
        })
        .collect()
}

/// An entry's cells. Names come from files that anybody may have written.
fn cells(entry: &HistoryEntry) -> [String; COLUMNS.len()] {
    let place = match (entry.place, &entry.moved_to) {
        (Place::InPlace, _) => "in its place".to_owned(),
        (Place::Gone, _) => "gone".to_owned(),
        (Place::SetAside, moved_to) => moved_to.clone().unwrap_or_default(),
    };
    let none = || "-".to_owned();
    [
        entry.time.to_rfc3339_opts(SecondsFormat::Secs, true),
        entry.outcome.clone(),
        entry.code.clone().unwrap_or_else(none),
        entry.messages.to_string(),
        entry.connector.clone().unwrap_or_else(none),
        place,
        entry.file.clone(),
    ]
    .map(|cell| escape(&cell).into_owned())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn a_table_shows_each_file_on_a_line() {
        let entry = HistoryEntry {
            time: DateTime::from_timestamp(1_767_225_600, 0).unwrap(),
            outcome: "imported".into(),
            code: None,
            source: "/inbox".into(),
            file: "a\n\u{202e}b\u{200b}.json".into(),
            connector: Some("Feed".into()),
            connector_id: None,
            applicant_id: None,
            user_id: None,
            work: None,
            messages: 12,
            not_sent: 0,
            place: Place::Gone,
            moved_to: None,
            left: None,
        };
        let rejected = HistoryEntry {
            outcome: "rejected".into(),
            code: Some("invalid-json".into()),
            connector: None,
            messages: 0,
            place: Place::SetAside,
            moved_to: Some("rejected/c.json".into()),
            file: "c.json".into(),
            ..entry.clone()
        };
        let long = HistoryEntry {
            connector: Some("x".repeat(61)),
            ..entry.clone()
        };
        insta::assert_snapshot!(table(&[entry, rejected, long]), @r"
        TIME                  OUTCOME   CODE          MESSAGES  CONNECTOR  WHERE            FILE
        2026-01-01T00:00:00Z  imported  -             12        Feed       gone             a\n\u{202e}b\u{200b}.json
        2026-01-01T00:00:00Z  rejected  invalid-json  0         -          rejected/c.json  c.json
        2026-01-01T00:00:00Z  imported  -             12        xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx  gone             a\n\u{202e}b\u{200b}.json
        ");
    }
}
