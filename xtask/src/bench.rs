//! The benchmark: builds the program as it ships, starts a broker, and measures.

use std::path::PathBuf;

use crate::broker::Broker;
use crate::shell::{self, Cargo};

/// Where real data is looked for, from the repository's root.
const DATA: &str = "../shared/data";

/// Measures as the arguments say; `cargo run` reads and checks them.
pub(crate) fn run(arguments: &[&str]) -> anyhow::Result<()> {
    Cargo::new(["build", "--release", "--package", "diode-import"]).run()?;
    let program = shell::target()?.join("release").join("diode-import");
    let data = shell::root().join(DATA);
    let arguments = completed(arguments, data.is_dir().then_some(data));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let broker = Broker::of_environment_or_started()?;
    Cargo::new(["run", "--quiet", "--release"])
        .args(&["--package", "tests", "--bin", "bench", "--"])
        .args(&arguments)
        .env(shell::BIN_VARIABLE, program)
        .envs(broker.variables())
        .run()?;
    broker.discard();
    Ok(())
}

/// The arguments, with the folder of real data where none is named and there is one.
fn completed(arguments: &[&str], data: Option<PathBuf>) -> Vec<String> {
    let mut arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let named = arguments.iter().any(|argument| argument == "--data");
    if let Some(data) = data.filter(|_| !named) {
        arguments.extend(["--data".to_owned(), data.display().to_string()]);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::completed;

    #[test]
    fn a_folder_that_is_named_is_taken() {
        let there = || Some("there".into());
        assert_eq!(completed(&[], None), <[&str; 0]>::default());
        assert_eq!(completed(&[], there()), ["--data", "there"]);
        let named = ["--data", "here"];
        assert_eq!(completed(&named, there()), named);
    }
}
