//! The benchmark: builds the program as it ships, starts a broker, and measures.

use std::path::PathBuf;

use crate::broker::{Broker, Kind, Server};
use crate::shell::{self, Cargo};
use crate::slow_disk::{self, SlowDisk};

/// Where real data is looked for, from the repository's root.
const DATA: &str = "../shared/data";

/// Measures as the arguments say; `cargo run` reads and checks them.
pub(crate) fn run(arguments: &[&str]) -> anyhow::Result<()> {
    Cargo::new(["build", "--release", "--package", "diode-import"]).run()?;
    let program = shell::target()?.join("release").join("diode-import");
    let data = shell::root().join(DATA);
    let mut arguments = completed(arguments, data.is_dir().then_some(data));
    let broker = match slower_by(&arguments) {
        Some(milliseconds) => {
            let slow =
                SlowDisk::slower_by(milliseconds, &shell::target()?.join("xtask"))?.variables();
            for (name, value) in &slow {
                arguments.extend(["--with".to_owned(), format!("{name}={value}")]);
            }
            // The disk of a broker that runs anyway is what it is.
            Broker::Started(Server::start(Kind::default(), &slow)?)
        }
        None => Broker::of_environment_or_started(Kind::default())?,
    };
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Cargo::new(["run", "--quiet", "--release"])
        .args(&["--package", "tests", "--bin", "bench", "--"])
        .args(&arguments)
        .env(shell::BIN_VARIABLE, program)
        .envs(broker.variables())
        .run()?;
    broker.discard();
    Ok(())
}

/// How many milliseconds longer a sync of the disk is to take, if the arguments say so.
fn slower_by(arguments: &[String]) -> Option<&str> {
    let mut pairs = arguments.chunks_exact(2);
    pairs.find_map(|pair| (pair[0] == slow_disk::OPTION).then_some(pair[1].as_str()))
}

/// The arguments, with the folder of real data where none is named and there is one.
fn completed(arguments: &[&str], data: Option<PathBuf>) -> Vec<String> {
    let mut arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let named = arguments.iter().any(|argument| argument == "--data");
    if let Some(data) = data.filter(|_| !named) {
        // Before the others: the last of them may lack its value, and is to be named then.
        arguments.splice(0..0, ["--data".to_owned(), data.display().to_string()]);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::{completed, slower_by};

    #[test]
    fn a_slow_disk_is_found_among_the_options() {
        let options =
            |options: &[&str]| -> Vec<String> { options.iter().map(ToString::to_string).collect() };
        let asked = options(&["--only", "capec", "--slow-disk", "0.5"]);
        assert_eq!(slower_by(&asked), Some("0.5"));
        assert_eq!(
            slower_by(&options(&["--out", "--slow-disk", "--rounds", "3"])),
            None
        );
        assert_eq!(slower_by(&options(&["--slow-disk"])), None);
    }

    #[test]
    fn a_folder_that_is_named_is_taken() {
        let there = || Some("there".into());
        assert_eq!(completed(&[], None), <[&str; 0]>::default());
        assert_eq!(completed(&[], there()), ["--data", "there"]);
        let named = ["--data", "here"];
        assert_eq!(completed(&named, there()), named);
        assert_eq!(completed(&["--out"], there()), ["--data", "there", "--out"]);
    }
}
