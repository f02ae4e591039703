//! Which source connectors may be registered on the platform: pure.

use std::collections::BTreeSet;

use opencti_client::Registration;

use crate::Code;

/// What becomes of files of connectors that are not listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unlisted {
    /// They wait in their place.
    #[default]
    Wait,
    /// They are rejected.
    Reject,
}

/// What becomes of files of a connector that exists on the platform with another type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TypeConflict {
    /// They wait, and the connector stays as it is.
    #[default]
    Wait,
    /// The connector is registered over, with the type of the envelope.
    Overwrite,
}

/// Which source connectors may be registered, as the settings say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorPolicy {
    /// The ids of the connectors whose files are imported; `None`: of all.
    pub allowed: Option<BTreeSet<String>>,
    /// What becomes of the files of others.
    pub unlisted: Unlisted,
    /// How many connectors that the platform does not know are registered within 24 hours.
    pub max_new: u32,
    /// What becomes of files of a connector that exists with another type.
    pub type_conflict: TypeConflict,
}

impl Default for ConnectorPolicy {
    fn default() -> Self {
        Self {
            allowed: None,
            unlisted: Unlisted::default(),
            max_new: 100,
            type_conflict: TypeConflict::default(),
        }
    }
}

/// What is known of a connector that is to be registered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ConnectorRecord<'a> {
    /// The type that it has on the platform, as far as that can be told.
    pub(crate) connector_type: Option<&'a str>,
    /// Whether the platform has it, or we registered it before, in this run or an earlier one.
    pub(crate) is_known: bool,
    /// How many new connectors were registered within the last 24 hours, or are about to be.
    pub(crate) new_lately: usize,
}

/// What becomes of a connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is registered as always.
    Known,
    /// It is registered, and counts as a new one.
    New,
    /// Its files wait, with this code and for this reason.
    Waits(Code, String),
}

impl ConnectorPolicy {
    /// Why the files of a connector are not imported, where a list does not name it.
    pub(crate) fn unlisted(&self, connector_id: &str) -> Option<String> {
        let allowed = self.allowed.as_ref()?;
        (!allowed.contains(connector_id)).then(|| {
            format!(
                "DIODE_IMPORT_ALLOWED_CONNECTORS does not list connector {connector_id:?}: add its \
                 id there, if its files are to be imported"
            )
        })
    }

    /// What becomes of a connector that is to be registered.
    pub(crate) fn judge(&self, connector: &Registration, record: &ConnectorRecord<'_>) -> Verdict {
        let wanted = connector.connector_type.as_str();
        if let Some(other) = record.connector_type.filter(|other| *other != wanted)
            && self.type_conflict == TypeConflict::Wait
        {
            let why = format!(
                "the platform has connector {:?} with type {other:?}, and the envelope says {wanted}: \
                 give one of the two another id, or set DIODE_IMPORT_OVERWRITE_CONNECTORS to true",
                connector.id
            );
            return Verdict::Waits(Code::ConnectorExists, why);
        }
        if record.is_known {
            return Verdict::Known;
        }
        if usize::try_from(self.max_new).is_ok_and(|most| record.new_lately >= most) {
            let why = format!(
                "the platform does not know this connector, and of such at most {} are registered within \
                 24 hours: wait, or raise DIODE_IMPORT_MAX_NEW_CONNECTORS",
                self.max_new
            );
            return Verdict::Waits(Code::TooManyNewConnectors, why);
        }
        Verdict::New
    }
}

#[cfg(test)]
mod tests {
    use opencti_client::ConnectorType;

    use super::*;

    fn connector() -> Registration {
        Registration {
            id: "a".into(),
            name: "Feed".into(),
            connector_type: ConnectorType::ExternalImport,
            scope: Vec::new(),
        }
    }

    #[test]
    fn only_listed_connectors_are_imported_from_where_there_is_a_list() {
        let mut policy = ConnectorPolicy::default();
        assert_eq!(policy.unlisted("a"), None);
        policy.allowed = Some(["a".to_owned()].into());
        assert_eq!(policy.unlisted("a"), None);
        let why = policy.unlisted("A").unwrap();
        assert!(why.contains("DIODE_IMPORT_ALLOWED_CONNECTORS"), "{why}");
        policy.allowed = Some(BTreeSet::new());
        assert!(policy.unlisted("a").is_some());
    }

    #[test]
    fn new_ones_are_bounded_and_known_ones_are_not() {
        for (is_known, new_lately, max_new, expect) in [
            (false, 0, 2, Some(Verdict::New)),
            (false, 1, 2, Some(Verdict::New)),
            (false, 2, 2, None),
            (false, 0, 0, None),
            (true, 2, 2, Some(Verdict::Known)),
            (true, 2, 0, Some(Verdict::Known)),
        ] {
            let policy = ConnectorPolicy {
                max_new,
                ..ConnectorPolicy::default()
            };
            let record = ConnectorRecord {
                is_known,
                new_lately,
                ..ConnectorRecord::default()
            };
            let verdict = policy.judge(&connector(), &record);
            let case = format!("{is_known} {new_lately} of {max_new}");
            match expect {
                Some(expect) => assert_eq!(verdict, expect, "{case}"),
                None => assert!(
                    matches!(verdict, Verdict::Waits(Code::TooManyNewConnectors, _)),
                    "{case}: {verdict:?}"
                ),
            }
        }
    }

    #[test]
    fn another_type_is_overwritten_only_where_that_is_set() {
        let mut policy = ConnectorPolicy::default();
        let of_type = |connector_type| ConnectorRecord {
            connector_type,
            is_known: true,
            ..ConnectorRecord::default()
        };
        let other = of_type(Some("INTERNAL_ENRICHMENT"));
        let Verdict::Waits(Code::ConnectorExists, why) = policy.judge(&connector(), &other) else {
            panic!("its files wait");
        };
        assert!(why.contains("INTERNAL_ENRICHMENT"), "{why}");
        assert!(why.contains("DIODE_IMPORT_OVERWRITE_CONNECTORS"), "{why}");
        for same in [Some("EXTERNAL_IMPORT"), None] {
            assert_eq!(policy.judge(&connector(), &of_type(same)), Verdict::Known);
        }
        policy.type_conflict = TypeConflict::Overwrite;
        assert_eq!(policy.judge(&connector(), &other), Verdict::Known);
    }
}
