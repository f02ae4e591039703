//! Keeping what is secret out of texts for people.

use std::borrow::Cow;
use std::cmp::Reverse;

use crate::Secret;

/// A shorter one is no token of a platform, and would be found in innocent places.
const SHORTEST: usize = 8;

/// What no text for people may hold: our token and the values of custom headers. An echo of them,
/// from whatever answered, must not reach a log.
pub(super) struct Redaction(Vec<Secret>);

impl Redaction {
    #[cfg(test)]
    pub(super) const NONE: Self = Self(Vec::new());

    pub(super) fn of(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let secrets = secrets.into_iter();
        let mut secrets: Vec<Secret> = secrets
            .filter(|secret| secret.expose().len() >= SHORTEST)
            .collect();
        // Of one that holds another, nothing may be left beside that.
        secrets.sort_by_key(|secret| Reverse(secret.expose().len()));
        Self(secrets)
    }

    /// `text` without them. It is for texts that are not yet cut off: a piece of one is not found.
    pub(super) fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut clean = Cow::Borrowed(text);
        for secret in self.0.iter().map(Secret::expose) {
            if clean.contains(secret) {
                clean = clean.replace(secret, "[redacted]").into();
            }
        }
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_wherever_they_are() {
        check(
            "no secret of ours, not even a short one",
            "no secret of ours, not even a short one",
        );
        check("12345678", "[redacted]");
        check("a=12345678&b=Bearer 12345678", "a=[redacted]&b=[redacted]");
        check("", "");
    }

    fn check(text: &str, expect: &str) {
        let secrets = ["12345678", "short", "Bearer 12345678"].map(Secret::new);
        assert_eq!(Redaction::of(secrets).apply(text), expect);
    }
}
