//! Whose data it is: the other side's users, mapped to this side's.

use std::collections::BTreeMap;

/// Who an import belongs to on this side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applicant {
    /// The user of this platform that the mapping names.
    Mapped(String),
    /// The mapping does not name the source user.
    Unmapped(String),
    /// The envelope names no user.
    Unnamed,
}

impl Applicant {
    /// The `applicant_id` of the messages; `None` makes the import the worker's own.
    pub fn target(&self) -> Option<&str> {
        match self {
            Self::Mapped(target) => Some(target),
            Self::Unmapped(_) | Self::Unnamed => None,
        }
    }
}

/// The mapping of `DIODE_IMPORT_APPLICANT_MAPPINGS`: user ids there to user ids here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applicants(BTreeMap<String, String>);

impl Applicants {
    /// A mapping from source ids to target ids.
    pub fn new(mappings: BTreeMap<String, String>) -> Self {
        Self(mappings)
    }

    /// The users here, each with those there that are mapped to it.
    ///
    /// ```
    /// use diode_core::Applicants;
    ///
    /// let mappings = [("a", "here"), ("b", "here")];
    /// let applicants = Applicants::new(mappings.map(|(a, b)| (a.into(), b.into())).into());
    /// assert_eq!(applicants.targets(), [("here", vec!["a", "b"])].into());
    /// ```
    pub fn targets(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut targets = BTreeMap::<_, Vec<_>>::new();
        for (source, target) in &self.0 {
            targets
                .entry(target.as_str())
                .or_default()
                .push(source.as_str());
        }
        targets
    }

    /// Who an envelope's applicant is here.
    ///
    /// ```
    /// use diode_core::{Applicant, Applicants};
    ///
    /// let applicants = Applicants::new([("there".to_owned(), "here".to_owned())].into());
    /// assert_eq!(applicants.map(Some("there")).target(), Some("here"));
    /// assert_eq!(applicants.map(Some("nobody")), Applicant::Unmapped("nobody".to_owned()));
    /// assert_eq!(applicants.map(None).target(), None);
    /// ```
    pub fn map(&self, source: Option<&str>) -> Applicant {
        match source {
            None => Applicant::Unnamed,
            Some(id) => self.0.get(id).map_or_else(
                || Applicant::Unmapped(id.to_owned()),
                |target| Applicant::Mapped(target.clone()),
            ),
        }
    }
}
