//! What is said on standard error while there is no log: one line for each thing.

use std::io::Write;

use crate::exit::Exit;
use crate::output::{self, SafeOutput};
use crate::settings::Refusal;

/// Says why the program ends, and returns how.
pub(crate) fn failure(error: &anyhow::Error) -> Exit {
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        return usage_answer(usage);
    }
    let (lines, exit) = match error.downcast_ref::<Refusal>() {
        Some(refusal) => (refusal_lines(refusal), Exit::Misconfigured),
        None => (vec![format!("error: {error:#}")], Exit::Failed),
    };
    write_lines(output::stderr(), &lines);
    exit
}

/// Has a panic told in one line while there is no log. What it says is left out: it may hold some of a
/// file.
pub(crate) fn tell_of_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let place = place.unwrap_or_else(|| "an unknown place".to_owned());
        let line =
            format!("error: a fault of this program's own (a panic) at {place}: please report it");
        write_lines(output::stderr(), &[line]);
    }));
}

/// Says what looks like a mistake.
pub(crate) fn warnings(warnings: &[String]) {
    let lines: Vec<_> = warnings
        .iter()
        .map(|warning| format!("warning: {warning}"))
        .collect();
    write_lines(output::stderr(), &lines);
}

/// Prints clap's answer: help and version are what was asked for, all else is misuse.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line has made its arguments safe"
)]
fn usage_answer(usage: &clap::Error) -> Exit {
    // There is nowhere to tell that nothing can be told.
    let _ = usage.print();
    if usage.use_stderr() {
        Exit::Misconfigured
    } else {
        Exit::Done
    }
}

pub(crate) fn refusal_lines(refusal: &Refusal) -> Vec<String> {
    let warnings = refusal
        .warnings
        .iter()
        .map(|warning| format!("warning: {warning}"));
    let problems = refusal
        .problems
        .iter()
        .map(|problem| format!("error: {problem}"));
    warnings
        .chain(problems)
        .chain([format!("error: {refusal}")])
        .collect()
}

pub(crate) fn write_lines(mut to: SafeOutput<impl Write>, lines: &[String]) {
    for line in lines {
        // There is nowhere to tell that nothing can be told.
        let _ = to.line(line);
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::path::Path;

    use anyhow::anyhow;
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn failures_end_with_their_codes() {
        let usage = |argument: &str| {
            anyhow::Error::from(Cli::try_parse_from(["diode-import", argument]).unwrap_err())
        };
        let refusal = Refusal::of_file(Path::new("config.yml"), &ErrorKind::NotFound.into());
        assert_eq!(failure(&usage("--no-such-option")), Exit::Misconfigured);
        assert_eq!(failure(&usage("--help")), Exit::Done);
        assert_eq!(failure(&usage("--version")), Exit::Done);
        assert_eq!(failure(&refusal.into()), Exit::Misconfigured);
        assert_eq!(failure(&anyhow!("cause").context("effect")), Exit::Failed);
    }

    #[test]
    fn a_refusal_is_told_line_by_line() {
        let mut refusal = Refusal::of_file(Path::new("a\n.yml"), &ErrorKind::NotFound.into());
        refusal.warnings.push("something looks odd".to_owned());
        insta::assert_snapshot!(refusal_lines(&refusal).join("\n"), @r#"
        warning: something looks odd
        error: "a\n.yml" cannot be read (entity not found); name a file that this process can read
        error: the configuration cannot be used: 1 problem found
        "#);
    }

    /// The variable that has a run of this test, in a process of its own, panic.
    const PANIC: &str = "DIODE_IMPORT_TEST_PANICS";

    #[test]
    fn a_panic_is_told_without_what_it_says() {
        if std::env::var_os(PANIC).is_some() {
            tell_of_panics();
            panic!("of a file: \u{9b}31m");
        }
        let _exclusive = crate::claims::tests::exclusive();
        let run = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("report::tests::a_panic_is_told_without_what_it_says")
            .env(PANIC, "1")
            .output()
            .unwrap();
        let told = String::from_utf8(run.stderr).unwrap();
        let line =
            "error: a fault of this program's own (a panic) at bins/diode-import/src/report.rs:";
        assert!(told.contains(line), "{told:?}");
        assert!(!told.contains("of a file"), "{told:?}");
    }

    #[test]
    fn nothing_breaks_a_line() {
        let mut written = Vec::new();
        write_lines(
            SafeOutput::to(&mut written),
            &["a\nerror: forged\r\u{1b}".to_owned(), "b".to_owned()],
        );
        assert_eq!(
            String::from_utf8(written).unwrap(),
            "a\\nerror: forged\\r\\u{1b}\nb\n"
        );
    }
}
