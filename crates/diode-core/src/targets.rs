//! Whether the users exist on this platform, and may write, that imports are to belong to.

use opencti_client::{Applicant, Platform};

use crate::Applicants;
use crate::applicants::Claims;
use crate::trouble::chain;

/// Asks the platform for each user that imports are to belong to, and warns of those that it does
/// not know or that may not write: the workers fail on what is imported in such a user's name, long after we said
/// "imported".
///
/// Nothing hangs on the answers. Where our account may not speak in others' names, or the platform
/// fails, that is said once, and no more is asked.
pub async fn warn_of_unfit_targets(platform: &dyn Platform, applicants: &Applicants) {
    for (target, claims) in applicants.targets() {
        match platform.applicant(target).await {
            Ok(Applicant::Known(account)) if account.may_write() => {}
            Ok(Applicant::Known(account)) => tracing::warn!(
                applicant_id = target,
                name = account.name,
                mapped_from = (!claims.sources.is_empty()).then(|| claims.sources.join(", ")),
                "this user may not write: what is imported in its name fails in the platform's \
                 workers; give it a role with the capability KNOWLEDGE_KNUPDATE, or correct {}",
                settings(&claims)
            ),
            Ok(Applicant::Unknown) => tracing::warn!(
                applicant_id = target,
                mapped_from = (!claims.sources.is_empty()).then(|| claims.sources.join(", ")),
                "the platform does not know this user, or does not let it in: what is imported in \
                 its name fails in the platform's workers; correct {}, or create the user",
                settings(&claims)
            ),
            Ok(Applicant::CannotTell) => {
                tracing::info!(
                    "whether the users of {BOTH} exist cannot be seen: the account of \
                     OPENCTI_TOKEN lacks the capability BYPASS, which importing does not need"
                );
                return;
            }
            Err(error) => {
                tracing::warn!(
                    error = chain(&error),
                    "whether the users of {BOTH} exist cannot be seen now"
                );
                return;
            }
        }
    }
}

const BOTH: &str = "DIODE_IMPORT_APPLICANT_MAPPINGS and DIODE_IMPORT_DEFAULT_APPLICANT";

/// The settings that name a user.
fn settings(claims: &Claims) -> &'static str {
    match (claims.is_default, claims.sources.is_empty()) {
        (false, _) => "DIODE_IMPORT_APPLICANT_MAPPINGS",
        (true, true) => "DIODE_IMPORT_DEFAULT_APPLICANT",
        (true, false) => BOTH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_that_name_a_user_are_named() {
        for (sources, is_default, expect) in [
            (
                vec!["a".to_owned()],
                false,
                "DIODE_IMPORT_APPLICANT_MAPPINGS",
            ),
            (vec![], true, "DIODE_IMPORT_DEFAULT_APPLICANT"),
            (vec!["a".to_owned()], true, BOTH),
        ] {
            let claims = Claims {
                sources,
                is_default,
            };
            assert_eq!(settings(&claims), expect, "{claims:?}");
        }
    }
}
