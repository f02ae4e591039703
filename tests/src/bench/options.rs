//! What a benchmark is to be.

use std::path::PathBuf;

use anyhow::Context as _;

use super::workload;

/// The Python connector that is measured beside ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// Its main file.
    pub(super) script: PathBuf,
    /// The interpreter that has what it imports.
    pub(super) python: PathBuf,
}

/// What a benchmark is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    pub(super) rounds: usize,
    pub(super) data: Option<PathBuf>,
    pub(super) only: Vec<String>,
    pub(super) out: PathBuf,
    pub(super) peer: Option<Peer>,
    /// How many milliseconds longer than the disk needs each sync takes.
    pub(super) slow_disk: f64,
    /// Variables of the processes that are measured, besides their own.
    pub(super) with: Vec<(String, String)>,
}

impl Options {
    /// Reads the arguments.
    ///
    /// # Errors
    /// If one of them is not known, has no value, or makes no sense.
    pub fn read(arguments: &[String]) -> anyhow::Result<Self> {
        let mut options = Self {
            rounds: 3,
            data: None,
            only: Vec::new(),
            out: PathBuf::from("target/bench"),
            peer: None,
            slow_disk: 0.0,
            with: Vec::new(),
        };
        let (mut script, mut python) = (None, None);
        for pair in arguments.chunks(2) {
            let [name, value] = pair else {
                anyhow::bail!("{} needs a value", pair.join(" "));
            };
            match name.as_str() {
                "--rounds" => options.rounds = rounds(value)?,
                "--data" => options.data = Some(value.into()),
                "--out" => options.out = value.into(),
                "--peer" => script = Some(PathBuf::from(value)),
                "--python" => python = Some(PathBuf::from(value)),
                "--slow-disk" => options.slow_disk = value.parse().context("no milliseconds")?,
                "--with" => options.with.push(variable(value)?),
                "--only" => options.only.push(workload::known(value)?.to_owned()),
                other => anyhow::bail!("no such option: {other}"),
            }
        }
        options.peer = match (script, python) {
            (Some(script), Some(python)) => Some(Peer { script, python }),
            (None, None) => None,
            _ => anyhow::bail!("--peer and --python need each other"),
        };
        Ok(options)
    }

    /// The same with so many times the rounds.
    pub(super) fn rounds_times(mut self, times: usize) -> Self {
        self.rounds *= times;
        self
    }

    /// The same with no more rounds than these.
    pub(super) fn rounds_at_most(mut self, most: usize) -> Self {
        self.rounds = self.rounds.min(most);
        self
    }

    /// Whether the workload of this name is asked for.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}

fn variable(text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text.split_once('=').context("no variable")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn rounds(value: &str) -> anyhow::Result<usize> {
    let rounds = value.parse().ok().filter(|&rounds| rounds > 0);
    rounds.with_context(|| format!("--rounds {value} is no number of rounds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Option<Options> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        Options::read(&arguments).ok()
    }

    #[test]
    fn arguments_are_read_in_any_order() {
        let options = read(&["--only", "capec", "--rounds", "5", "--only", "small"]).unwrap();
        assert_eq!((options.rounds, options.peer.as_ref()), (5, None));
        assert!(options.wants("capec") && options.wants("small") && !options.wants("attack"));
        assert!(read(&[]).unwrap().wants("attack"));
        let peer = read(&["--python", "python3", "--peer", "main.py"]).unwrap();
        assert_eq!(peer.peer.unwrap().script, PathBuf::from("main.py"));
        let slow = read(&["--slow-disk", "0.5", "--with", "A=1=2"]).unwrap();
        assert_eq!((slow.slow_disk, slow.with.len()), (0.5, 1));
        assert_eq!(slow.with[0], ("A".to_owned(), "1=2".to_owned()));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for arguments in [
            &["--rounds"][..],
            &["--rounds", "0"],
            &["--rounds", "many"],
            &["--only", "nothing"],
            &["--peer", "main.py"],
            &["--hours", "1"],
            &["--slow-disk", "very"],
            &["--with", "A"],
        ] {
            assert_eq!(read(arguments), None, "{arguments:?}");
        }
    }
}
