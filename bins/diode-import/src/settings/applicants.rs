//! Whose data it is: who is mapped to whom, and who stands in for the others.

use std::collections::{BTreeMap, BTreeSet};

use diode_core::{StandIn, UserMapping};
use figment::value::Value;
use uuid::Uuid;

use super::forms::{self, Form, Mapped};
use super::reader::Reader;
use super::setting::Setting;
use super::table;

/// What the settings say of applicants; of who stands in there is nothing after a problem.
pub(super) struct Applicants {
    /// Users of the other platform, and who they are on this one; none after a problem.
    pub(super) mappings: UserMapping,
    /// The same for single connectors, by their ids.
    pub(super) own: BTreeMap<String, UserMapping>,
    /// Who stands in for users that are not mapped.
    pub(super) stand_in: Option<StandIn>,
}

/// What the settings say of applicants.
pub(super) fn applicants(reader: &mut Reader) -> Applicants {
    let requirement = &table::DIODE_IMPORT_REQUIRE_APPLICANT_MAPPING;
    let required = reader.required(requirement, forms::boolean);
    // Where a mapping is required, the files of an applicant whose entry is left out would wait, and
    // nobody would look for the reason in the settings.
    let form = match required {
        Some(true) => forms::whole_mapping,
        _ => forms::mapping,
    };
    let (mappings, own) = mappings(reader, form);
    Applicants {
        mappings,
        own,
        stand_in: stand_in(reader, required),
    }
}

fn mappings(
    reader: &mut Reader,
    form: fn(&Value) -> Form<Mapped>,
) -> (UserMapping, BTreeMap<String, UserMapping>) {
    let setting = &table::DIODE_IMPORT_APPLICANT_MAPPINGS;
    let Mapped {
        pairs: mappings,
        own,
        oddities,
        unusable,
    } = reader.optional(setting, form).unwrap_or_default();
    let unusable = unusable
        .iter()
        .map(|entry| format!("{entry}, which is ignored; {}", forms::PAIRS));
    for oddity in unusable.chain(oddities) {
        reader.warn(format!("{} {oddity}", setting.env));
    }
    let ids = mappings
        .iter()
        .chain(own.values().flatten())
        .flat_map(|(source, target)| [source.as_str(), target]);
    warn_of_odd_ids(reader, setting, ids);
    (mappings, own)
}

fn stand_in(reader: &mut Reader, required: Option<bool>) -> Option<StandIn> {
    let default = &table::DIODE_IMPORT_DEFAULT_APPLICANT;
    let requirement = &table::DIODE_IMPORT_REQUIRE_APPLICANT_MAPPING;
    let user = reader.optional(default, forms::text);
    Some(match (user, required?) {
        (Some(user), required) => {
            warn_of_odd_ids(reader, default, [user.as_str()]);
            if required {
                reader.warn(format!(
                    "{} has no effect: {} stands in for every applicant without a mapping",
                    requirement.env, default.env
                ));
            }
            StandIn::User(user)
        }
        (None, true) => StandIn::Nobody,
        (None, false) => StandIn::Worker,
    })
}

/// Warns of ids that cannot be those of users.
fn warn_of_odd_ids<'a>(
    reader: &mut Reader,
    setting: &Setting,
    ids: impl IntoIterator<Item = &'a str>,
) {
    let odd: BTreeSet<_> = ids
        .into_iter()
        .filter(|id| Uuid::try_parse(id).is_err())
        .map(|id| format!("{id:?}"))
        .collect();
    if !odd.is_empty() {
        let odd = odd.into_iter().collect::<Vec<_>>().join(", ");
        reader.warn(format!(
            "{} has ids that are no UUIDs, as those of users are: {odd}",
            setting.env
        ));
    }
}
