//! What validation finds.

use std::fmt;

/// Findings that are kept one by one; more are only counted.
const KEPT: usize = 1_000;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// The object cannot be sent.
    Error,
    /// The object breaks a rule of STIX 2.1, and is sent all the same.
    Warning,
}

/// One thing that validation found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A stable name of the rule, such as `timestamp-form`; of an error, that of its
    /// [`NotSentCode`](crate::NotSentCode).
    pub code: &'static str,
    /// How bad it is.
    pub level: Level,
    /// Where it is, counted from the bundle, such as `$.objects[3].created`, or
    /// `$.objects[3].objects[0].created` in a bundle that stands in it.
    pub path: String,
    /// The id of the object it is about, where that has a readable one; cut after 256 bytes.
    pub id: Option<String>,
    /// What is wrong, in words.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some(id) = &self.id {
            write!(f, " ({})", id.escape_debug())?;
        }
        write!(f, ": {} ({})", self.message, self.code)
    }
}

/// Everything that validation found: the first thousand one by one, all of them as numbers.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    errors: usize,
    warnings: usize,
}

impl Findings {
    /// The first thousand findings, in the order of the bundle.
    pub fn kept(&self) -> &[Finding] {
        &self.kept
    }

    /// How many errors there are, kept or not.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// How many warnings there are, kept or not.
    pub fn warnings(&self) -> usize {
        self.warnings
    }

    /// How many findings were counted only.
    pub fn omitted(&self) -> usize {
        self.errors + self.warnings - self.kept.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Counts a finding, and makes and keeps it where there is room.
    pub(crate) fn add(&mut self, level: Level, finding: impl FnOnce() -> Finding) {
        match level {
            Level::Error => self.errors += 1,
            Level::Warning => self.warnings += 1,
        }
        if self.kept.len() < KEPT {
            self.kept.push(finding());
        }
    }
}
