//! Where a value came from.

use std::fmt;

/// Where a value came from. `Display` follows "from".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nobody gave it.
    Defaults,
    /// The config.yml at this path.
    Config(String),
    /// The setting's own variable.
    Environment,
    /// The variable that is another name for it.
    OtherVariable(&'static str),
    /// The file that this variable names.
    File(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults => f.write_str("the defaults"),
            Self::Config(path) => write!(f, "{path:?}"),
            Self::Environment => f.write_str("the environment"),
            Self::OtherVariable(name) => write!(f, "the environment (as {name})"),
            Self::File(variable) => write!(f, "the file that {variable} names"),
        }
    }
}
