//! In whose name we speak, and what the answers to `me` say of an applicant: pure.

use reqwest::header::HeaderValue;

use super::operations::me::MeMe;
use crate::{Account, ApiError, Applicant, ErrorClass};

/// Lets an account speak in any user's name.
const BYPASS: &str = "BYPASS";

/// In whose name a request is made.
pub(super) enum Speaker {
    /// In that of our token's account.
    Ourselves,
    /// In that of the user with this id, where the platform lets us.
    User(HeaderValue),
}

impl Speaker {
    /// The user with that id; `None` where no header can carry it.
    pub(super) fn user(id: &str) -> Option<Self> {
        HeaderValue::from_str(id).ok().map(Self::User)
    }
}

/// What a `me` that was asked in a user's name says; `None`: that answer is not enough, and asking
/// in our own name would tell.
///
/// A platform answers as that user. One that does not, because our account may not do this or
/// because it is an older one that does not know the user, answers as ourselves; a newer one that
/// does not know the user refuses.
pub(super) fn judge(user_id: &str, answer: &Result<MeMe, ApiError>) -> Option<Applicant> {
    match answer {
        Ok(me) if me.id == user_id || me.standard_id == user_id => {
            Some(Applicant::Known(account(me)))
        }
        Ok(ours) if may_impersonate(ours) => Some(Applicant::Unknown),
        Ok(_) => Some(Applicant::CannotTell),
        Err(error) if error.code() == Some("FUNCTIONAL_ERROR") => Some(Applicant::Unknown),
        Err(_) => None,
    }
}

/// Whether a refusal may be about the user rather than about us.
pub(super) fn is_about_someone(error: &ApiError) -> bool {
    matches!(
        error.class(),
        ErrorClass::Credentials | ErrorClass::Forbidden
    )
}

/// Whether an account's wish to speak in another's name is listened to.
pub(super) fn may_impersonate(ours: &MeMe) -> bool {
    ours.capabilities
        .iter()
        .any(|capability| capability.name == BYPASS)
}

pub(super) fn account(me: &MeMe) -> Account {
    Account {
        id: me.id.clone(),
        name: me.name.clone(),
        capabilities: me
            .capabilities
            .iter()
            .map(|capability| capability.name.clone())
            .collect(),
    }
}
