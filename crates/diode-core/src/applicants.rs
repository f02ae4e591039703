//! Whose data it is: the other side's users, mapped to this side's.

use std::collections::BTreeMap;

/// Who an import belongs to on this side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applicant {
    /// The user of this platform that the mapping names.
    Mapped(String),
    /// No mapping names the source user.
    Unmapped {
        /// That user.
        who: Unmapped,
        /// Who imports it all the same.
        stand_in: StandIn,
    },
}

/// A source user whom no mapping names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unmapped {
    /// Its id; an empty text where the envelope names none.
    pub source: String,
    /// The connector that it speaks for, where only an entry of that connector's own would map it.
    pub connector: Option<String>,
}

impl Unmapped {
    /// The entry of `DIODE_IMPORT_APPLICANT_MAPPINGS` that would map it, up to its target.
    pub(crate) fn entry(&self) -> String {
        match &self.connector {
            Some(connector) => format!("{connector}/{}", self.source),
            None => self.source.clone(),
        }
    }
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

    /// The source user, where no mapping names it.
    pub fn unmapped(&self) -> Option<&Unmapped> {
        match self {
            Self::Mapped(_) => None,
            Self::Unmapped { who, .. } => Some(who),
        }
    }

    /// Why a file of this applicant has to wait, if it has.
    pub(crate) fn wanting(&self) -> Option<String> {
        match self {
            Self::Unmapped {
                who,
                stand_in: StandIn::Nobody,
            } => Some(advice(who)),
            Self::Mapped(_) | Self::Unmapped { .. } => None,
        }
    }
}

/// What lets files of an unmapped applicant be imported.
fn advice(who: &Unmapped) -> String {
    if who.source.is_empty() {
        return "the envelope names no applicant, and DIODE_IMPORT_REQUIRE_APPLICANT_MAPPING is true: \
                set DIODE_IMPORT_DEFAULT_APPLICANT, or let the sending connector name one"
            .to_owned();
    }
    let source = &who.source;
    match &who.connector {
        None => format!(
            "no mapping for applicant {source:?}, and DIODE_IMPORT_REQUIRE_APPLICANT_MAPPING is true: \
             add it to DIODE_IMPORT_APPLICANT_MAPPINGS, or set DIODE_IMPORT_DEFAULT_APPLICANT"
        ),
        Some(connector) => format!(
            "no mapping for applicant {source:?} of connector {connector:?}, and \
             DIODE_IMPORT_REQUIRE_APPLICANT_MAPPING is true: add {}:<id of a user of this platform> to \
             DIODE_IMPORT_APPLICANT_MAPPINGS, or set DIODE_IMPORT_DEFAULT_APPLICANT",
            who.entry()
        ),
    }
}

/// User ids there, mapped to user ids here.
pub type UserMapping = BTreeMap<String, String>;

/// The mapping of `DIODE_IMPORT_APPLICANT_MAPPINGS`, and who stands in where it does not help.
///
/// An entry `source:target` is for every connector that has no entries of its own; an entry
/// `connector-id/source:target` is for that connector alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applicants {
    shared: UserMapping,
    own: BTreeMap<String, UserMapping>,
    stand_in: StandIn,
}

/// Why imports are to belong to a user of this platform.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The users there that are mapped to it, each as the mapping writes it: `source`, or
    /// `connector-id/source`.
    pub sources: Vec<String>,
    /// Whether it stands in for those that are not mapped.
    pub is_default: bool,
}

impl Applicants {
    /// A mapping for all connectors. Who is not in it is imported by the worker.
    pub fn new(shared: UserMapping) -> Self {
        Self {
            shared,
            ..Self::default()
        }
    }

    /// The same, with mappings of single connectors besides, by the connectors' ids.
    ///
    /// A connector that is in `own` has no part in the mapping for all. Where there is no mapping for
    /// all, a connector that is not in `own` has none.
    #[must_use]
    pub fn with_connector_mappings(self, own: BTreeMap<String, UserMapping>) -> Self {
        Self { own, ..self }
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
    pub fn targets(&self) -> BTreeMap<&str, Claims> {
        let mut targets = BTreeMap::<_, Claims>::new();
        for (source, target) in &self.shared {
            let claims = targets.entry(target.as_str()).or_default();
            claims.sources.push(source.clone());
        }
        for (connector, pairs) in &self.own {
            for (source, target) in pairs {
                let claims = targets.entry(target.as_str()).or_default();
                claims.sources.push(format!("{connector}/{source}"));
            }
        }
        if let StandIn::User(user) = &self.stand_in {
            targets.entry(user.as_str()).or_default().is_default = true;
        }
        targets
    }

    /// Who the applicant of a connector's envelope is here.
    ///
    /// ```
    /// use diode_core::{Applicants, StandIn};
    ///
    /// let pairs = |source: &str, target: &str| [(source.to_owned(), target.to_owned())].into();
    /// let applicants = Applicants::new(pairs("there", "here"))
    ///     .with_connector_mappings([("c".to_owned(), pairs("robot", "feed"))].into());
    /// assert_eq!(applicants.map("a", Some("there")).target(), Some("here"));
    /// assert_eq!(applicants.map("a", Some("robot")).target(), None);
    /// // A connector with entries of its own uses only these.
    /// assert_eq!(applicants.map("c", Some("robot")).target(), Some("feed"));
    /// let unmapped = applicants.map("c", Some("there"));
    /// assert_eq!(unmapped.target(), None);
    /// assert_eq!(unmapped.unmapped().unwrap().source, "there");
    ///
    /// let applicants = applicants.or_else(StandIn::User("somebody".to_owned()));
    /// assert_eq!(applicants.map("c", None).target(), Some("somebody"));
    /// ```
    pub fn map(&self, connector_id: &str, source: Option<&str>) -> Applicant {
        let own = self.own.get(connector_id);
        let pairs = own.unwrap_or(&self.shared);
        if let Some(target) = source.and_then(|id| pairs.get(id)) {
            return Applicant::Mapped(target.clone());
        }
        let is_bound = own.is_some() || (self.shared.is_empty() && !self.own.is_empty());
        Applicant::Unmapped {
            who: Unmapped {
                source: source.unwrap_or_default().to_owned(),
                connector: (is_bound && source.is_some()).then(|| connector_id.to_owned()),
            },
            stand_in: self.stand_in.clone(),
        }
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
            let applicant = Applicants::new(mappings).or_else(stand_in).map("c", source);
            assert_eq!(applicant.target(), target, "{case}");
            assert_eq!(applicant.wanting().is_some(), waits, "{case}");
            let named = (source != Some("there")).then(|| source.unwrap_or_default());
            let found = applicant.unmapped().map(|who| who.source.as_str());
            assert_eq!(found, named, "{case}");
        }
    }

    fn pairs(pairs: &[(&str, &str)]) -> UserMapping {
        let pairs = pairs.iter();
        pairs.map(|(a, b)| ((*a).into(), (*b).into())).collect()
    }

    #[test]
    fn entries_of_a_connector_s_own_bind_who_speaks_for_it() {
        let own = || [("own".to_owned(), pairs(&[("robot", "feed")]))].into();
        let both = Applicants::new(pairs(&[("there", "here")])).with_connector_mappings(own());
        let only_own = Applicants::default().with_connector_mappings(own());
        for (applicants, connector, source, target, wanted) in [
            (&both, "own", "robot", Some("feed"), None),
            (&both, "own", "there", None, Some("own/there")),
            (&both, "other", "there", Some("here"), None),
            (&both, "other", "robot", None, Some("robot")),
            (&both, "Own", "robot", None, Some("robot")),
            (&only_own, "own", "robot", Some("feed"), None),
            (&only_own, "own", "there", None, Some("own/there")),
            (&only_own, "other", "robot", None, Some("other/robot")),
        ] {
            let case = format!("{connector} {source}");
            let strict = applicants.clone().or_else(StandIn::Nobody);
            let applicant = strict.map(connector, Some(source));
            assert_eq!(applicant.target(), target, "{case}");
            let entry = applicant.unmapped().map(Unmapped::entry);
            assert_eq!(entry.as_deref(), wanted, "{case}");
            let why = applicant.wanting();
            assert_eq!(why.is_some(), wanted.is_some(), "{case}");
            if let Some((why, entry)) = why.zip(entry.filter(|entry| entry.contains('/'))) {
                assert!(why.contains(&format!("add {entry}:<id of")), "{why}");
            }
            let lenient = applicants.map(connector, Some(source));
            assert_eq!(lenient.target(), target, "{case}");
        }
        let nobody = only_own.or_else(StandIn::Nobody).map("own", None);
        let why = nobody.wanting().unwrap();
        assert!(why.contains("the envelope names no applicant"), "{why}");
    }
}
