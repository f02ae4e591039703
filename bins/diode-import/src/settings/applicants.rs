//! Whose data it is: who is mapped to whom, and who stands in for the others.

use std::collections::{BTreeMap, BTreeSet};

use diode_core::StandIn;
use uuid::Uuid;

use super::forms::{self, Mapped};
use super::reader::Reader;
use super::setting::Setting;
use super::table;

/// The mappings; none after a problem.
pub(super) fn applicant_mappings(reader: &mut Reader) -> BTreeMap<String, String> {
    let setting = &table::DIODE_IMPORT_APPLICANT_MAPPINGS;
    let mapped = reader.optional(setting, forms::mapping);
    let Mapped {
        pairs: mappings,
        oddities,
    } = mapped.unwrap_or_default();
    for oddity in oddities {
        reader.warn(format!("{} {oddity}", setting.env));
    }
    let ids = mappings
        .iter()
        .flat_map(|(source, target)| [source.as_str(), target]);
    warn_of_odd_ids(reader, setting, ids);
    mappings
}

/// Who stands in for users that are not mapped; `None` after a problem.
pub(super) fn stand_in(reader: &mut Reader) -> Option<StandIn> {
    let default = &table::DIODE_IMPORT_DEFAULT_APPLICANT;
    let requirement = &table::DIODE_IMPORT_REQUIRE_APPLICANT_MAPPING;
    let user = reader.optional(default, forms::text);
    let required = reader.required(requirement, forms::boolean)?;
    Some(match (user, required) {
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
