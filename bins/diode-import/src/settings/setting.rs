//! What there is to know about a setting.

/// One setting: everything that loads, checks or documents settings derives from it.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The environment variable. With `_FILE` appended, it names a file that holds the value, unless
    /// the setting is [delegated](Stage::Delegated).
    pub(crate) env: &'static str,
    /// Another name of the environment variable: an older one, or the same in lower case. Both with
    /// different values contradict each other.
    pub(crate) old_env: Option<&'static str>,
    /// Section and key in config.yml, joined by a dot; `None`: only the environment has it.
    pub(crate) key: Option<&'static str>,
    /// What its values look like.
    pub(crate) kind: Kind,
    /// What holds where it is not given.
    pub(crate) fallback: Fallback,
    /// Who else has it.
    pub(crate) origin: Origin,
    /// Whether this version acts on it.
    pub(crate) stage: Stage,
    /// Whether its value may be shown.
    pub(crate) secrecy: Secrecy,
    /// What an empty value is.
    pub(crate) empty: Empty,
    /// What it does, in sentences.
    pub(crate) help: &'static str,
}

/// What an empty value of a setting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Empty {
    /// As if it were not given, as pycti has it.
    NotGiven,
    /// A value like any other.
    Value,
}

/// What a setting's values look like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// true or false, in several forms.
    Boolean,
    /// true, false, or the path of a file.
    BooleanOrPath,
    /// A whole number of `unit`, from `min` to `max`.
    Whole {
        /// What it counts.
        unit: &'static str,
        /// The smallest value.
        min: u64,
        /// The largest value.
        max: u64,
    },
    /// An http or https address.
    Url,
    /// A host, or an address with one, that may come with a password in front of it.
    Host,
    /// A path in the file system.
    Path,
    /// One of these words, in any letter case.
    OneOf(&'static [&'static str]),
    /// Texts, separated by commas; in config.yml a list as well.
    List,
    /// `source:target` pairs, separated by commas; in config.yml a mapping as well.
    Mapping,
    /// An ISO 8601 duration.
    Duration,
    /// PEM text, or the path of a file that holds it.
    Pem,
    /// The address of an HTTP proxy.
    Proxy,
}

/// What holds where a setting is not given.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fallback {
    /// Nothing: it must be given. The text is an example.
    Required(&'static str),
    /// This value.
    Value(&'static str),
    /// What the text says, worked out where it is needed.
    Derived(&'static str),
    /// Nothing, and nothing is missing.
    Nothing,
}

/// Who else has a setting, under the same names and with the same meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The Python connector.
    Peer,
    /// pycti, the library under all Python connectors.
    Pycti,
    /// Nobody.
    Own,
}

/// Whether this version acts on a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It does.
    Active,
    /// The TLS library does, which reads the environment by itself.
    Delegated,
}

/// Whether a setting's value may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrecy {
    /// It may.
    Open,
    /// Never.
    Secret,
}

/// The section under which settings of the environment alone are kept. A config.yml cannot reach it.
const ENVIRONMENT_ONLY: &str = "environment";

impl Setting {
    /// The section and the key under which the setting's value is kept.
    pub(crate) fn path(&self) -> (&'static str, &'static str) {
        self.key
            .and_then(|key| key.split_once('.'))
            .unwrap_or((ENVIRONMENT_ONLY, self.env))
    }

    /// Whether a value of it may be repeated in a message.
    ///
    /// An address may carry a password in front of its host, and is not repeated either.
    pub(crate) fn may_be_shown(&self) -> bool {
        self.secrecy == Secrecy::Open && !matches!(self.kind, Kind::Url)
    }

    /// A setting of the Python connector.
    pub(super) const fn peer(key: &'static str, kind: Kind) -> Self {
        Self::new(Some(key), kind, Origin::Peer)
    }

    /// A setting of pycti.
    pub(super) const fn pycti(key: &'static str, kind: Kind) -> Self {
        Self::new(Some(key), kind, Origin::Pycti)
    }

    /// A setting that only this connector has.
    pub(super) const fn own(key: &'static str, kind: Kind) -> Self {
        Self::new(Some(key), kind, Origin::Own)
    }

    /// A setting that config.yml does not have.
    pub(super) const fn environment_only(origin: Origin, kind: Kind) -> Self {
        Self::new(None, kind, origin)
    }

    const fn new(key: Option<&'static str>, kind: Kind, origin: Origin) -> Self {
        Self {
            env: "",
            old_env: None,
            key,
            kind,
            fallback: Fallback::Nothing,
            origin,
            stage: Stage::Active,
            empty: Empty::NotGiven,
            secrecy: Secrecy::Open,
            help: "",
        }
    }

    pub(super) const fn named(mut self, env: &'static str) -> Self {
        self.env = env;
        self
    }

    pub(super) const fn formerly(mut self, old_env: &'static str) -> Self {
        self.old_env = Some(old_env);
        self
    }

    pub(super) const fn required(mut self, example: &'static str) -> Self {
        self.fallback = Fallback::Required(example);
        self
    }

    pub(super) const fn default(mut self, value: &'static str) -> Self {
        self.fallback = Fallback::Value(value);
        self
    }

    pub(super) const fn derived(mut self, description: &'static str) -> Self {
        self.fallback = Fallback::Derived(description);
        self
    }

    pub(super) const fn delegated(mut self) -> Self {
        self.stage = Stage::Delegated;
        self
    }

    pub(super) const fn or_empty(mut self) -> Self {
        self.empty = Empty::Value;
        self
    }

    pub(super) const fn secret(mut self) -> Self {
        self.secrecy = Secrecy::Secret;
        self
    }

    pub(super) const fn help(mut self, sentences: &'static str) -> Self {
        self.help = sentences;
        self
    }
}
