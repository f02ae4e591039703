//! The soak: builds the program, starts a broker and a store, and lets faults loose.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;

use crate::broker::{self, Kind, Server};
use crate::shell::{self, Cargo};
use crate::store::{self, Store};

/// The variable that holds the path of the broker's `rabbitmqctl`.
const CONTROL_VARIABLE: &str = "DIODE_TEST_RABBITMQCTL";

/// Where files may come from.
const SOURCES: [&str; 3] = ["directory", "s3", "both"];

/// What was asked for.
#[derive(Debug, PartialEq)]
struct Wanted {
    minutes: f64,
    seed: u64,
    kills: u32,
    source: String,
}

impl Wanted {
    /// Reads the arguments; `seed` is used where none is given.
    fn read(arguments: &[&str], seed: u64) -> anyhow::Result<Self> {
        let mut wanted = Self {
            minutes: 2.0,
            seed,
            kills: 40,
            source: "both".to_owned(),
        };
        for pair in arguments.chunks(2) {
            let [name, value] = pair else {
                anyhow::bail!("{} needs a value", pair.join(" "));
            };
            let wrong = || format!("{name} {value} is no number that makes sense here");
            match *name {
                "--minutes" => wanted.minutes = value.parse().with_context(wrong)?,
                "--seed" => wanted.seed = value.parse().with_context(wrong)?,
                "--kills" => wanted.kills = value.parse().with_context(wrong)?,
                "--source" => {
                    anyhow::ensure!(SOURCES.contains(value), "no such source: {value}");
                    (*value).clone_into(&mut wanted.source);
                }
                other => anyhow::bail!("no such option: {other}"),
            }
        }
        Ok(wanted)
    }
}

/// Soaks the program as the arguments say, with a broker of that kind.
pub(crate) fn run(kind: Kind, arguments: &[&str]) -> anyhow::Result<()> {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let Wanted {
        minutes,
        seed,
        kills,
        source,
    } = Wanted::read(arguments, seed)?;
    let program = shell::build_program()?;
    let server = Server::start(kind, &[])?;
    let store = match source.as_str() {
        "directory" => None,
        _ => Some(Store::of_environment_or_started()?),
    };
    println!(
        "xtask: again with: cargo xtask soak --minutes {minutes} --seed {seed} --kills {kills} \
         --source {source}"
    );
    Cargo::new([
        "run",
        "--quiet",
        "--package",
        "tests",
        "--bin",
        "soak",
        "--",
    ])
    .args(&[
        &minutes.to_string(),
        &seed.to_string(),
        &kills.to_string(),
        &source,
    ])
    .env(shell::BIN_VARIABLE, program)
    .env(broker::VARIABLE, server.address())
    .env(CONTROL_VARIABLE, server.control())
    .envs(store.iter().map(|store| (store::VARIABLE, store.address())))
    .run()?;
    server.discard();
    if let Some(store) = store {
        store.discard();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Wanted;

    #[test]
    fn arguments_are_read_in_any_order() {
        let check = |arguments: &[&str], expect: Option<(f64, u64, u32)>| {
            let read = Wanted::read(arguments, 9).ok();
            let read = read.map(|wanted| (wanted.minutes, wanted.seed, wanted.kills));
            assert_eq!(read, expect, "{arguments:?}");
        };
        check(&[], Some((2.0, 9, 40)));
        check(&["--seed", "3", "--minutes", "0.5"], Some((0.5, 3, 40)));
        check(&["--kills", "200"], Some((2.0, 9, 200)));
        check(&["--source", "s3"], Some((2.0, 9, 40)));
        check(&["--source", "elsewhere"], None);
        check(&["--kills"], None);
        check(&["--kills", "-1"], None);
        check(&["--hours", "1"], None);
    }
}
