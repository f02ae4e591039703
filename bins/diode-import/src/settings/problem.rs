//! What is wrong with the operator's settings, in lines that say what to write instead.

use std::fmt;

use super::place::Place;
use super::setting::Setting;

/// Something that keeps the program from starting. `Display` is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The setting, or the file, that it is about.
    subject: String,
    /// Where the value came from; `None`: there is none.
    origin: Option<Place>,
    /// What is wrong.
    what: String,
    /// What to do instead.
    instead: String,
}

impl Problem {
    /// A setting that has to be given, and is not.
    pub(super) fn missing(setting: &Setting, instead: impl Into<String>) -> Self {
        let what = "is not given".to_owned();
        Self {
            subject: subject(setting),
            origin: None,
            what,
            instead: instead.into(),
        }
    }

    /// A value of `setting`, found in `origin`, that cannot be used.
    pub(super) fn wrong(setting: &Setting, origin: &Place, what: String, instead: String) -> Self {
        Self {
            subject: subject(setting),
            origin: Some(origin.clone()),
            what,
            instead,
        }
    }

    /// Something that is not about one setting.
    pub(super) fn about(
        subject: impl Into<String>,
        what: impl Into<String>,
        instead: impl Into<String>,
    ) -> Self {
        Self {
            subject: subject.into(),
            origin: None,
            what: what.into(),
            instead: instead.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.subject)?;
        if let Some(origin) = &self.origin {
            write!(f, ", from {origin}:")?;
        }
        write!(f, " {}; {}", self.what, self.instead)
    }
}

/// A setting's two names.
pub(super) fn subject(setting: &Setting) -> String {
    match setting.key {
        Some(key) => format!("{} ({key})", setting.env),
        None => setting.env.to_owned(),
    }
}

/// Why the settings were not taken: everything that is wrong with them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration cannot be used: {} found", count(.problems.len()))]
pub(crate) struct Refusal {
    /// What is wrong, at least one thing.
    pub(crate) problems: Vec<Problem>,
    /// What looks wrong: often why something else is missing.
    pub(crate) warnings: Vec<String>,
}

impl Refusal {
    /// A refusal for one reason.
    pub(crate) fn of_file(path: &std::path::Path, error: &std::io::Error) -> Self {
        let problem = Problem::about(
            format!("{:?}", path.to_string_lossy()),
            format!("cannot be read ({error})"),
            "name a file that this process can read",
        );
        Self {
            problems: vec![problem],
            warnings: Vec::new(),
        }
    }
}

fn count(problems: usize) -> String {
    match problems {
        1 => "1 problem".to_owned(),
        more => format!("{more} problems"),
    }
}
