//! Names that no setting has, and the names that were probably meant.

use std::collections::BTreeMap;

use super::table::ALL;

/// The prefix of the variables that are ours alone: an unknown one is a mistake.
const PREFIX: &str = "DIODE_IMPORT_";

/// How alike two names must be, from 0 to 1, for one to be suggested for the other.
const ALIKE: f64 = 0.6;

/// Warnings about variables that begin like ours and are none.
pub(super) fn unknown_variables(environment: &BTreeMap<String, String>) -> Vec<String> {
    environment
        .keys()
        .filter_map(|name| Some((name, name.strip_prefix(PREFIX)?)))
        .filter(|(name, _)| !is_variable(name))
        .map(|(name, rest)| {
            let known = ALL
                .iter()
                .filter_map(|setting| setting.env.strip_prefix(PREFIX));
            let hint = hint(nearest(rest, known).map(|rest| format!("{PREFIX}{rest}")));
            format!("{name:?} in the environment is not a setting and is ignored{hint}")
        })
        .collect()
}

fn is_variable(name: &str) -> bool {
    let base = name.strip_suffix("_FILE").unwrap_or(name);
    ALL.iter()
        .any(|setting| setting.env == name || setting.env == base)
}

/// A warning about a section of config.yml that is none of ours.
pub(super) fn unknown_section(section: &str, file: &str) -> String {
    let known = ALL.iter().map(|setting| setting.path().0);
    let hint = hint(nearest(section, known));
    format!("section {section:?} in {file} is not known and is ignored{hint}")
}

/// A warning about a key of config.yml that no setting has.
pub(super) fn unknown_key(section: &str, key: &str, file: &str) -> String {
    let known = ALL
        .iter()
        .map(|setting| setting.path())
        .filter(|path| path.0 == section);
    let hint = hint(nearest(key, known.map(|path| path.1)).map(|key| format!("{section}.{key}")));
    let name = format!("{section}.{key}");
    format!("{name:?} in {file} is not a setting and is ignored{hint}")
}

fn hint(nearest: Option<impl AsRef<str>>) -> String {
    nearest.map_or_else(String::new, |name| {
        format!("; did you mean {}?", name.as_ref())
    })
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (strsim::normalized_damerau_levenshtein(name, known), known))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_variable_is_told_with_the_nearest_name() {
        let check = |name: &str, expected: Option<&str>| {
            let environment = BTreeMap::from([(name.to_owned(), "x".to_owned())]);
            let warnings = unknown_variables(&environment);
            match expected {
                None => assert_eq!(warnings, [""; 0], "{name}"),
                Some(end) => assert!(warnings[0].ends_with(end), "{warnings:?}"),
            }
        };
        check("DIODE_IMPORT_STATE_PATH", None);
        check("DIODE_IMPORT_STATE_PATH_FILE", None);
        check("PATH", None);
        check(
            "DIODE_IMPORT_STATEPATH",
            Some("did you mean DIODE_IMPORT_STATE_PATH?"),
        );
        check(
            "DIODE_IMPORT_DELETE_AFTER",
            Some("did you mean DIODE_IMPORT_DELETE_AFTER_IMPORT?"),
        );
        check("DIODE_IMPORT_QQQQ", Some("is not a setting and is ignored"));
    }

    #[test]
    fn a_mistyped_key_is_told_with_the_nearest_one_of_its_section() {
        assert_eq!(
            unknown_key("opencti", "tokn", "config.yml"),
            r#""opencti.tokn" in config.yml is not a setting and is ignored; did you mean opencti.token?"#
        );
        assert_eq!(
            unknown_section("diode-import", "config.yml"),
            r#"section "diode-import" in config.yml is not known and is ignored; did you mean diode_import?"#
        );
    }
}
