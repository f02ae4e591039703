//! What STIX 2.1 requires of each type of object, as tables.

/// A type that STIX 2.1 defines.
#[derive(Debug)]
pub(crate) struct TypeRule {
    name: &'static str,
    family: Family,
    /// Properties that must all be there, besides those of the family.
    pub(crate) required: &'static [&'static str],
    /// Properties of which one must be there; none where that is empty.
    pub(crate) any_of: &'static [&'static str],
}

/// What a type has in common with others (STIX 2.1, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// Domain objects and relationship objects.
    Versioned,
    Marking,
    Observable,
}

impl TypeRule {
    /// The rule for a type; `None` for types that are not STIX's.
    pub(crate) fn of(name: &str) -> Option<&'static Self> {
        RULES.iter().find(|rule| rule.name == name)
    }

    /// Properties that the whole family must have, besides `id` and `type`.
    pub(crate) fn common(&self) -> &'static [&'static str] {
        match self.family {
            Family::Versioned => &["spec_version", "created", "modified"],
            Family::Marking => &["spec_version", "created"],
            Family::Observable => &[],
        }
    }
}

/// Properties that are timestamps wherever they stand (STIX 2.1, sections 3.2, 4, 5 and 7.2).
pub(crate) const TIMESTAMPS: &[&str] = &[
    "created",
    "first_observed",
    "first_seen",
    "last_observed",
    "last_seen",
    "modified",
    "published",
    "valid_from",
    "valid_until",
];

const fn versioned(name: &'static str, required: &'static [&'static str]) -> TypeRule {
    TypeRule {
        name,
        family: Family::Versioned,
        required,
        any_of: &[],
    }
}

const fn observable(name: &'static str, required: &'static [&'static str]) -> TypeRule {
    TypeRule {
        name,
        family: Family::Observable,
        required,
        any_of: &[],
    }
}

impl TypeRule {
    const fn any_of(self, any_of: &'static [&'static str]) -> Self {
        Self { any_of, ..self }
    }
}

/// STIX 2.1, sections 4 (domain objects), 5 (relationships), 6 (observables), 7.2 (markings).
const RULES: &[TypeRule] = &[
    versioned("attack-pattern", &["name"]),
    versioned("campaign", &["name"]),
    versioned("course-of-action", &["name"]),
    versioned("grouping", &["context", "object_refs"]),
    versioned("identity", &["name"]),
    versioned("incident", &["name"]),
    versioned("indicator", &["pattern", "pattern_type", "valid_from"]),
    versioned("infrastructure", &["name"]),
    versioned("intrusion-set", &["name"]),
    versioned("location", &[]).any_of(&["region", "country", "latitude"]),
    versioned("malware", &["is_family"]),
    versioned("malware-analysis", &["product"]).any_of(&["result", "analysis_sco_refs"]),
    versioned("note", &["content", "object_refs"]),
    versioned(
        "observed-data",
        &["first_observed", "last_observed", "number_observed"],
    )
    .any_of(&["object_refs", "objects"]),
    versioned("opinion", &["opinion", "object_refs"]),
    versioned("report", &["name", "published", "object_refs"]),
    versioned("threat-actor", &["name"]),
    versioned("tool", &["name"]),
    versioned("vulnerability", &["name"]),
    versioned("relationship", &["relationship_type"]),
    versioned("sighting", &[]),
    TypeRule {
        name: "marking-definition",
        family: Family::Marking,
        required: &[],
        any_of: &["definition", "extensions"],
    },
    observable("artifact", &[]).any_of(&["payload_bin", "url"]),
    observable("autonomous-system", &["number"]),
    observable("directory", &["path"]),
    observable("domain-name", &["value"]),
    observable("email-addr", &["value"]),
    observable("email-message", &["is_multipart"]),
    observable("file", &[]).any_of(&["hashes", "name"]),
    observable("ipv4-addr", &["value"]),
    observable("ipv6-addr", &["value"]),
    observable("mac-addr", &["value"]),
    observable("mutex", &["name"]),
    observable("network-traffic", &["protocols"]).any_of(&["src_ref", "dst_ref"]),
    observable("software", &["name"]),
    observable("url", &["value"]),
];
