//! Whether the users exist on this platform that imports are to belong to.

use opencti_client::{Applicant, Platform};

use crate::Applicants;
use crate::trouble::chain;

/// Asks the platform for each target of the mappings, and warns of those that it does not know:
/// the workers fail on what is imported in such a user's name, long after we said "imported".
///
/// Nothing hangs on the answers. Where our account may not speak in others' names, or the platform
/// fails, that is said once, and no more is asked.
pub async fn warn_of_unknown_targets(platform: &dyn Platform, applicants: &Applicants) {
    for (target, sources) in applicants.targets() {
        match platform.applicant(target).await {
            Ok(Applicant::Known(_)) => {}
            Ok(Applicant::Unknown) => tracing::warn!(
                applicant_id = target,
                mapped_from = sources.join(", "),
                "the platform does not know this user, or does not let it in: what is imported in \
                 its name fails in the platform's workers; correct DIODE_IMPORT_APPLICANT_MAPPINGS, \
                 or create the user"
            ),
            Ok(Applicant::CannotTell) => {
                tracing::info!(
                    "whether the users of DIODE_IMPORT_APPLICANT_MAPPINGS exist cannot be seen: the \
                     account of OPENCTI_TOKEN lacks the capability BYPASS, which importing does not \
                     need"
                );
                return;
            }
            Err(error) => {
                tracing::warn!(
                    error = chain(&error),
                    "whether the users of DIODE_IMPORT_APPLICANT_MAPPINGS exist cannot be seen now"
                );
                return;
            }
        }
    }
}
