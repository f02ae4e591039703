//! `diode-import config`: what is in force, and where each value came from.

use std::io::{self, Write};

use diode_core::terminal::{Layout, guard};
use serde_json::{Value, json};

use crate::cli::Format;
use crate::exit::Exit;
use crate::output::{self, SafeOutput};
use crate::report;
use crate::settings::{Inputs, Place, Row, Settings, overview};

/// What is printed of the settings.
pub(crate) enum Scope {
    /// All of them, and what is wrong with them.
    All(Format),
    /// Only what is wrong with them.
    Problems,
}

/// Prints the settings to standard output, and what is wrong with them to standard error.
///
/// # Errors
/// [`Refusal`](crate::settings::Refusal) where the program could not start with them, or an error
/// of standard output.
pub(crate) fn show(inputs: &Inputs<'_>, scope: &Scope) -> anyhow::Result<Exit> {
    if let Scope::All(format) = scope {
        let rows = overview(inputs);
        let mut stdout = output::stdout();
        write(&mut stdout, *format, &rows)?;
        stdout.finish()?;
    }
    let loaded = Settings::load(inputs)?;
    report::warnings(&loaded.warnings);
    Ok(Exit::Done)
}

/// Writes the settings in force.
pub(crate) fn write(
    out: &mut SafeOutput<impl Write>,
    format: Format,
    rows: &[Row],
) -> io::Result<()> {
    match format {
        Format::Text => write_text(out, rows),
        Format::Json => out.json(&to_json(rows), Layout::Indented),
    }
}

fn write_text(to: &mut SafeOutput<impl Write>, rows: &[Row]) -> io::Result<()> {
    let cells: Vec<_> = rows
        .iter()
        .map(|row| [row.name.to_owned(), value_in_text(row), place_in_text(row)])
        .collect();
    let width = |column: usize| output::width(cells.iter().map(|cells| cells[column].as_str()));
    let (names, values) = (width(0), width(1));
    for [name, value, place] in &cells {
        to.line(&format!("{name:names$}  {value:values$}  {place}"))?;
    }
    Ok(())
}

fn value_in_text(row: &Row) -> String {
    guard(row.value.as_deref().unwrap_or("-")).into_owned()
}

fn place_in_text(row: &Row) -> String {
    match (&row.from, row.otherwise) {
        (Some(Place::Defaults), _) => "default".to_owned(),
        (Some(Place::Config(path)), _) => guard(path).into_owned(),
        (Some(Place::Environment), _) => "environment".to_owned(),
        (Some(Place::OtherVariable(name)), _) => format!("environment, {name}"),
        (Some(Place::File(variable)), _) => format!("file, {variable}"),
        (None, Some(words)) => format!("default: {}", words.replace('`', "")),
        (None, None) => "not given".to_owned(),
    }
}

/// An object per setting. `from` is one of `default`, `config`, `environment`, `file`, or null;
/// `at` is the path of the config.yml, or the variable.
fn to_json(rows: &[Row]) -> Value {
    let rows = rows.iter().map(|row| {
        let (from, at) = match &row.from {
            Some(Place::Defaults) => (Some("default"), None),
            Some(Place::Config(path)) => (Some("config"), Some(path.as_str())),
            Some(Place::Environment) => (Some("environment"), Some(row.name)),
            Some(Place::OtherVariable(name)) => (Some("environment"), Some(*name)),
            Some(Place::File(variable)) => (Some("file"), Some(variable.as_str())),
            None => (row.otherwise.map(|_| "default"), None),
        };
        json!({
            "name": row.name,
            "key": row.key,
            "value": row.value,
            "from": from,
            "at": at,
            "otherwise": row.otherwise,
        })
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |name, value: Option<&str>, from, otherwise| Row {
            name,
            key: Some("section.key"),
            value: value.map(str::to_owned),
            from,
            otherwise,
        };
        vec![
            row("LONG_NAME", Some("a\nb"), Some(Place::Environment), None),
            row("B", Some("1"), Some(Place::Defaults), None),
            row("C", None, None, None),
            row("D", None, None, Some("the system's")),
            row("E", Some("x"), Some(Place::File("E_FILE".to_owned())), None),
            row(
                "F",
                Some("x"),
                Some(Place::Config("c.yml".to_owned())),
                None,
            ),
            row("G", Some("x"), Some(Place::OtherVariable("g")), None),
        ]
    }

    #[test]
    fn text_is_a_table() {
        let mut written = Vec::new();
        write_text(&mut SafeOutput::to(&mut written), &rows()).unwrap();
        insta::assert_snapshot!(String::from_utf8(written).unwrap(), @r"
        LONG_NAME  a\nb  environment
        B          1     default
        C          -     not given
        D          -     default: the system's
        E          x     file, E_FILE
        F          x     c.yml
        G          x     environment, g
        ");
    }

    #[test]
    fn json_tells_the_same() {
        let found = to_json(&rows());
        let found: Vec<_> = found
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                format!(
                    "{} {} {} {}",
                    row["name"], row["value"], row["from"], row["at"]
                )
            })
            .collect();
        insta::assert_snapshot!(found.join("\n"), @r#"
        "LONG_NAME" "a\nb" "environment" "LONG_NAME"
        "B" "1" "default" null
        "C" null null null
        "D" null "default" null
        "E" "x" "file" "E_FILE"
        "F" "x" "config" "c.yml"
        "G" "x" "environment" "g"
        "#);
    }
}
