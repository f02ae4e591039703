//! Whether an object's type and its id agree.

/// What the platform puts before types of its own, and leaves out as often.
const NAMESPACES: [&str; 2] = ["x-opencti-", "x-mitre-"];

/// The platform's kinds of what STIX has one type for.
const KINDS: [(&str, &[&str]); 3] = [
    (
        "identity",
        &[
            "individual",
            "organization",
            "sector",
            "securityplatform",
            "security-platform",
            "system",
        ],
    ),
    (
        "location",
        &[
            "administrative-area",
            "city",
            "country",
            "position",
            "region",
        ],
    ),
    (
        "threat-actor",
        &["threat-actor-group", "threat-actor-individual"],
    ),
];

/// Whether an object of this type has an id of that type, going by what stands before the id's first
/// `--`. An id without one is the platform's own and tells no type.
pub(crate) fn agrees(id: &str, object_type: &str) -> bool {
    id.split_once("--")
        .is_none_or(|(prefix, _)| prefix == object_type || is_known_pair(prefix, object_type))
}

/// The platform writes, and takes, some objects under another type than their ids have.
#[cold]
fn is_known_pair(prefix: &str, object_type: &str) -> bool {
    let [prefix, object_type] = [prefix, object_type].map(plain);
    prefix == object_type
        || KINDS.iter().any(|(of, kinds)| {
            prefix == *of
                && kinds
                    .iter()
                    .any(|kind| kind.eq_ignore_ascii_case(object_type))
        })
}

fn plain(name: &str) -> &str {
    let mut namespaces = NAMESPACES.iter();
    let rest = namespaces.find_map(|namespace| name.strip_prefix(namespace));
    rest.unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_of_its_object_s_type_up_to_the_platform_s_known_pairs() {
        for (id, object_type, expect) in [
            ("malware--1", "malware", true),
            ("malware--1--2", "malware", true),
            ("an internal id", "malware", true),
            ("case-incident--1", "x-opencti-case-incident", true),
            ("x-opencti-task--1", "task", true),
            ("x-mitre-data-source--1", "data-source", true),
            ("data-component--1", "x-mitre-data-component", true),
            ("identity--1", "Organization", true),
            ("identity--1", "sector", true),
            ("location--1", "Administrative-Area", true),
            ("threat-actor--1", "Threat-Actor-Individual", true),
            ("sector--1", "identity", false),
            ("location--1", "sector", false),
            ("malware--1", "Malware", false),
            ("malware--1", "user", false),
            ("malware--1", "", false),
            ("--1", "malware", false),
            ("x-opencti---1", "x-mitre-", false),
            ("url--1", "ipv4-addr", false),
        ] {
            assert_eq!(agrees(id, object_type), expect, "{id} {object_type}");
        }
    }
}
