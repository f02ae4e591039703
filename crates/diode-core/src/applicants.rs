//! Whose data it is: the other side's users, mapped to this side's.

use std::collections::BTreeMap;

/// Who an import belongs to on this side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applicant {
    /// The user of this platform that the mapping names.
    Mapped(String),
    /// No mapping names the source user.
    Unmapped {
        /// That user; an empty text where the envelope names none.
        source: String,
        /// Who imports it all the same.
        stand_in: StandIn,
    },
}

/// Who stands in for users of the other platform whom no mapping names, and for those whom an
/// envelope does not name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StandIn {
    /// The platform's workers, which import in their own name.
    #[default]
    Worker,
    /// A user of this platform.
    User(String),
    /// Nobody: files wait for a mapping.
    Nobody,
}

impl Applicant {
    /// The `applicant_id` of the messages; `None` makes the import the worker's own.
    pub fn target(&self) -> Option<&str> {
        match self {
            Self::Mapped(user)
            | Self::Unmapped {
                stand_in: StandIn::User(user),
                ..
            } => Some(user),
            Self::Unmapped { .. } => None,
        }
    }

    /// The source user whom no mapping names; an empty text where the envelope names none.
    pub fn unmapped(&self) -> Option<&str> {
        match self {
            Self::Mapped(_) => None,
            Self::Unmapped { source, .. } => Some(source),
        }
    }

    /// Why a file of this applicant has to wait, if it has.
    pub(crate) fn wanting(&self) -> Option<String> {
        match self {
            Self::Unmapped {
                source,
                stand_in: StandIn::Nobody,
            } => Some(advice(source)),
            Self::Mapped(_) | Self::Unmapped { .. } => None,
        }
    }
}

/// What lets files of an unmapped applicant be imported.
fn advice(source: &str) -> String {
    if source.is_empty() {
        return "the envelope names no applicant, and DIODE_IMPORT_REQUIRE_APPLICANT_MAPPING is true: \
                set DIODE_IMPORT_DEFAULT_APPLICANT, or let the sending connector name one"
            .to_owned();
    }
    format!(
        "no mapping for applicant {source:?}, and DIODE_IMPORT_REQUIRE_APPLICANT_MAPPING is true: add \
         it to DIODE_IMPORT_APPLICANT_MAPPINGS, or set DIODE_IMPORT_DEFAULT_APPLICANT"
    )
}

/// The mapping of `DIODE_IMPORT_APPLICANT_MAPPINGS`, user ids there to user ids here, and who
/// stands in where it does not help.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applicants {
    mappings: BTreeMap<String, String>,
    stand_in: StandIn,
}

/// Why imports are to belong to a user of this platform.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims<'a> {
    /// The users there that are mapped to it.
    pub sources: Vec<&'a str>,
    /// Whether it stands in for those that are not mapped.
    pub is_default: bool,
}

impl Applicants {
    /// A mapping from source ids to target ids. Who is not in it is imported by the worker.
    pub fn new(mappings: BTreeMap<String, String>) -> Self {
        Self {
            mappings,
            stand_in: StandIn::Worker,
        }
    }

    /// The same, with somebody else for who is not in it.
    #[must_use]
    pub fn or_else(self, stand_in: StandIn) -> Self {
        Self { stand_in, ..self }
    }

    /// Who stands in for users whom no mapping names.
    pub fn stand_in(&self) -> &StandIn {
        &self.stand_in
    }

    /// The users here, each with why imports are to belong to it.
    ///
    /// ```
    /// use diode_core::{Applicants, StandIn};
    ///
    /// let mappings = [("a", "here"), ("b", "here")];
    /// let applicants = Applicants::new(mappings.map(|(a, b)| (a.into(), b.into())).into())
    ///     .or_else(StandIn::User("somebody".to_owned()));
    /// let targets = applicants.targets();
    /// assert_eq!(targets["here"].sources, ["a", "b"]);
    /// assert!(targets["somebody"].is_default);
    /// ```
    pub fn targets(&self) -> BTreeMap<&str, Claims<'_>> {
        let mut targets = BTreeMap::<_, Claims<'_>>::new();
        for (source, target) in &self.mappings {
            let claims = targets.entry(target.as_str()).or_default();
            claims.sources.push(source.as_str());
        }
        if let StandIn::User(user) = &self.stand_in {
            targets.entry(user.as_str()).or_default().is_default = true;
        }
        targets
    }

    /// Who an envelope's applicant is here.
    ///
    /// ```
    /// use diode_core::{Applicants, StandIn};
    ///
    /// let applicants = Applicants::new([("there".to_owned(), "here".to_owned())].into());
    /// assert_eq!(applicants.map(Some("there")).target(), Some("here"));
    /// assert_eq!(applicants.map(Some("nobody")).target(), None);
    /// assert_eq!(applicants.map(Some("nobody")).unmapped(), Some("nobody"));
    ///
    /// let applicants = applicants.or_else(StandIn::User("somebody".to_owned()));
    /// assert_eq!(applicants.map(None).target(), Some("somebody"));
    /// assert_eq!(applicants.map(None).unmapped(), Some(""));
    /// ```
    pub fn map(&self, source: Option<&str>) -> Applicant {
        let mapped = source.and_then(|id| self.mappings.get(id));
        mapped.map_or_else(
            || Applicant::Unmapped {
                source: source.unwrap_or_default().to_owned(),
                stand_in: self.stand_in.clone(),
            },
            |target| Applicant::Mapped(target.clone()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_not_mapped_is_stood_in_for_or_waits() {
        let user = || StandIn::User("default".to_owned());
        for (stand_in, source, target, waits) in [
            (StandIn::Worker, Some("there"), Some("here"), false),
            (StandIn::Worker, Some("nobody"), None, false),
            (StandIn::Worker, None, None, false),
            (user(), Some("there"), Some("here"), false),
            (user(), Some("nobody"), Some("default"), false),
            (user(), Some(""), Some("default"), false),
            (user(), None, Some("default"), false),
            (StandIn::Nobody, Some("there"), Some("here"), false),
            (StandIn::Nobody, Some("nobody"), None, true),
            (StandIn::Nobody, Some(""), None, true),
            (StandIn::Nobody, None, None, true),
        ] {
            let case = format!("{stand_in:?} {source:?}");
            let mappings = [("there".to_owned(), "here".to_owned())].into();
            let applicant = Applicants::new(mappings).or_else(stand_in).map(source);
            assert_eq!(applicant.target(), target, "{case}");
            assert_eq!(applicant.wanting().is_some(), waits, "{case}");
            let named = (source != Some("there")).then(|| source.unwrap_or_default());
            assert_eq!(applicant.unmapped(), named, "{case}");
        }
    }
}
