//! The platform's rules, as data.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::ContentPolicy;

/// Types that describe or group others.
const META: &[&str] = &[
    "external-reference",
    "kill-chain-phase",
    "label",
    "vocabulary",
];

/// STIX domain objects and markings, with the platform's additions and older names.
const DOMAIN: &[&str] = &[
    "attack-pattern",
    "campaign",
    "case-incident",
    "case-rfi",
    "case-rft",
    "channel",
    "course-of-action",
    "data-component",
    "data-source",
    "event",
    "feedback",
    "grouping",
    "identity",
    "incident",
    "indicator",
    "infrastructure",
    "intrusion-set",
    "language",
    "location",
    "malware",
    "malware-analysis",
    "marking-definition",
    "narrative",
    "note",
    "observed-data",
    "opinion",
    "report",
    "security-coverage",
    "security-coverage-result",
    "task",
    "threat-actor",
    "tool",
    "vulnerability",
    "x-mitre-data-component",
    "x-mitre-data-source",
    "x-opencti-case-incident",
    "x-opencti-case-rfi",
    "x-opencti-case-rft",
    "x-opencti-feedback",
    "x-opencti-task",
];

/// STIX cyber observables, and the platform's own.
const OBSERVABLE: &[&str] = &[
    "ai-prompt",
    "artifact",
    "autonomous-system",
    "bank-account",
    "credential",
    "cryptocurrency-wallet",
    "cryptographic-key",
    "directory",
    "domain-name",
    "email-addr",
    "email-message",
    "email-mime-part-type",
    "file",
    "hostname",
    "iccid",
    "imei",
    "imsi",
    "ipv4-addr",
    "ipv6-addr",
    "mac-addr",
    "media-content",
    "mutex",
    "network-traffic",
    "payment-card",
    "persona",
    "phone-number",
    "process",
    "simple-observable",
    "software",
    "ssh-key",
    "text",
    "tracking-number",
    "url",
    "user-account",
    "user-agent",
    "windows-registry-key",
    "windows-registry-value-type",
    "x509-certificate",
];

/// Links between objects.
const LINK: &[&str] = &["relationship", "sighting"];

/// The one of the platform's own types whose ids the platform's client does not let through.
const NEVER_REFERRED_TO: &str = "internalfile";

/// Which objects a platform takes, and where it looks for references.
///
/// ```
/// use stix_bundle::Profile;
///
/// let profile = Profile::opencti();
/// assert!(profile.supports("malware--da5eafc5-2d2f-5cbc-952d-feb4e0379558"));
/// assert!(profile.supports("an id of the platform's own"));
/// assert!(!profile.supports("x-foo--d904584b-2f8d-532a-a33c-d59cef9dd6c0"));
/// assert!(profile.with_type("x-foo").supports("x-foo--1"));
/// ```
#[derive(Clone, Debug)]
pub struct Profile {
    types: HashSet<Cow<'static, str>>,
    extension: Cow<'static, str>,
    reference_suffix: Cow<'static, str>,
    references_suffix: Cow<'static, str>,
    content_policy: ContentPolicy,
}

impl Profile {
    /// The rules of OpenCTI 7.26, which hold for everything since 6.3.2; older platforms refuse
    /// the newer types by themselves.
    pub fn opencti() -> Self {
        let types = [META, DOMAIN, OBSERVABLE, LINK].concat();
        // The platform's own exports refer to these.
        let internal = ContentPolicy::INTERNAL_TYPES;
        let internal = internal
            .into_iter()
            .filter(|name| *name != NEVER_REFERRED_TO);
        Self {
            types: types
                .into_iter()
                .chain(internal)
                .map(Cow::Borrowed)
                .collect(),
            extension: "extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba".into(),
            reference_suffix: "_ref".into(),
            references_suffix: "_refs".into(),
            content_policy: ContentPolicy::default(),
        }
    }

    /// The same rules with one more type of id taken.
    #[must_use]
    pub fn with_type(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.types.insert(name.into());
        self
    }

    /// The same rules with one type of id fewer.
    #[must_use]
    pub fn without_type(mut self, name: &str) -> Self {
        self.types.remove(name);
        self
    }

    /// The same rules with another extension that holds an object's internal id.
    #[must_use]
    pub fn with_extension(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.extension = name.into();
        self
    }

    /// The same rules with other endings for keys that hold one reference, or a list of them.
    #[must_use]
    pub fn with_reference_suffixes(
        mut self,
        one: impl Into<Cow<'static, str>>,
        many: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.reference_suffix = one.into();
        self.references_suffix = many.into();
        self
    }

    /// The same rules with another policy for what objects are and carry.
    #[must_use]
    pub fn with_content_policy(mut self, content_policy: ContentPolicy) -> Self {
        self.content_policy = content_policy;
        self
    }

    /// The policy for what objects are and carry.
    pub fn content_policy(&self) -> &ContentPolicy {
        &self.content_policy
    }

    /// The types of ids that the platform takes, in no order.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.types.iter().map(|name| &**name)
    }

    /// Whether the platform takes an object of this id, going by what stands before its first
    /// `--`. An id without one is the platform's own and always taken.
    pub fn supports(&self, id: &str) -> bool {
        id.split_once("--")
            .is_none_or(|(prefix, _)| self.types.contains(prefix))
    }

    /// The name of the extension whose `id` is the object's internal id.
    pub fn extension(&self) -> &str {
        &self.extension
    }

    /// Whether a key holds one reference.
    pub fn is_reference(&self, key: &str) -> bool {
        key.ends_with(&*self.reference_suffix)
    }

    /// Whether a key holds a list of references.
    pub fn is_references(&self, key: &str) -> bool {
        key.ends_with(&*self.references_suffix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_judged_by_what_stands_before_the_first_dashes() {
        let profile = Profile::opencti();
        for (id, expect) in [
            ("pir--1", true),
            ("x-opencti-task--1", true),
            ("malware--", true),
            ("malware--a--b", true),
            ("malware", true),
            ("", true),
            ("--", false),
            ("Malware--1", false),
            (" malware--1", false),
            ("extension-definition--1", false),
            ("bundle--1", false),
        ] {
            assert_eq!(profile.supports(id), expect, "{id}");
        }
    }

    #[test]
    fn every_rule_can_be_changed() {
        let profile = Profile::opencti()
            .without_type("malware")
            .with_extension("extension-definition--1")
            .with_reference_suffixes("_link", "_links");
        assert!(!profile.supports("malware--1"));
        assert_eq!(profile.extension(), "extension-definition--1");
        assert!(profile.is_reference("a_link") && !profile.is_reference("a_ref"));
        assert!(profile.is_references("a_links") && !profile.is_references("a_refs"));
    }

    #[test]
    fn no_type_is_listed_twice() {
        let listed = [META, DOMAIN, OBSERVABLE, LINK].concat();
        let internal = ContentPolicy::INTERNAL_TYPES.len() - 1;
        assert_eq!(Profile::opencti().types.len(), listed.len() + internal);
    }
}
