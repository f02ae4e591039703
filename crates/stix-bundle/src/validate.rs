//! Which rules of STIX 2.1 a bundle breaks.

use crate::fields::{Defect, too_many_in_all};
use crate::forms::{Timestamp, is_identifier};
use crate::json::Kind;
use crate::not_sent::shorten;
use crate::object::{Facts, Form, open, read};
use crate::rules::{TIMESTAMPS, TypeRule};
use crate::value::{Members, Value};
use crate::{Bundle, Finding, Findings, Level, Profile};

impl Bundle<'_> {
    /// Checks the bundle against what can be told of STIX 2.1 without understanding it.
    ///
    /// Errors are the objects that [`split`](Self::split) sets aside as
    /// [defective](crate::NotSentCode::is_defect). Warnings are rules that an object breaks which
    /// is sent all the same; of objects whose type the platform does not take there are none.
    ///
    /// The codes of warnings: `bundle-type`, `bundle-id`, `id-form`, `id-type`,
    /// `missing-property`, `spec-version`, `timestamp-form`, `modified-before-created`.
    ///
    /// ```
    /// use stix_bundle::{Bundle, Limits, Profile, Text};
    ///
    /// let limits = Limits::default();
    /// let text = br#"{"type": "bundle", "id": "bundle--01135740-4359-53a3-ac5f-b2cf148175e5",
    ///     "objects": [
    ///         {"type": "mutex", "id": "mutex--01135740-4359-53a3-ac5f-b2cf148175e5"},
    ///         7
    ///     ]}"#;
    /// let bundle = Bundle::parse(&Text::check(text, &limits)?, &limits)?;
    /// let findings = bundle.validate(&Profile::opencti());
    /// assert_eq!((findings.errors(), findings.warnings()), (1, 1));
    /// assert_eq!(findings.kept()[0].path, "$.objects[0].name");
    /// assert_eq!(findings.kept()[1].to_string(), "$.objects[1]: it is a number (not-an-object)");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn validate(&self, profile: &Profile) -> Findings {
        let mut findings = self.findings_of_itself();
        let mut references = 0;
        for (index, raw) in self.objects().iter().enumerate() {
            let read = open(raw).and_then(|object| {
                let facts = read(&object, profile, self.max_refs())?;
                if references + facts.references.len() > self.max_all_refs() {
                    return Err(too_many_in_all(self.max_all_refs()));
                }
                references += facts.references.len();
                Ok((facts, object))
            });
            match read {
                Ok((facts, object)) => check(index, &object, &facts, profile, &mut findings),
                Err(defect) => note(index, &defect, &mut findings),
            }
        }
        findings
    }

    /// What is wrong with the bundle around its objects.
    pub(crate) fn findings_of_itself(&self) -> Findings {
        let mut findings = Findings::default();
        if !self.has_type() {
            let message = "the type is not \"bundle\"";
            findings.add(Level::Warning, || {
                warning("bundle-type", "$.type", message.to_owned())
            });
        }
        if !self
            .id()
            .is_some_and(|id| id.starts_with("bundle--") && is_identifier(id))
        {
            let message = "the id is not \"bundle--\" and a UUID";
            findings.add(Level::Warning, || {
                warning("bundle-id", "$.id", message.to_owned())
            });
        }
        findings
    }
}

/// Adds the warnings about a sound object.
pub(crate) fn check(
    index: usize,
    object: &Members<'_>,
    facts: &Facts<'_>,
    profile: &Profile,
    findings: &mut Findings,
) {
    if facts.form != Form::Entity || profile.supports(&facts.id) {
        let mut checker = Checker {
            index,
            object,
            findings,
        };
        checker.check(facts);
    }
}

/// Adds the error that a defective object is.
pub(crate) fn note(index: usize, defect: &Defect, findings: &mut Findings) {
    findings.add(Level::Error, || Finding {
        code: defect.code.as_str(),
        level: Level::Error,
        path: format!("$.objects[{index}]"),
        message: defect.detail.clone(),
    });
}

fn warning(code: &'static str, path: impl Into<String>, message: String) -> Finding {
    Finding {
        code,
        level: Level::Warning,
        path: path.into(),
        message,
    }
}

/// One sendable object being checked.
struct Checker<'f, 'a> {
    index: usize,
    object: &'f Members<'a>,
    findings: &'f mut Findings,
}

impl<'a> Checker<'_, 'a> {
    fn check(&mut self, facts: &Facts<'_>) {
        self.check_id(facts);
        if let Some(rule) = TypeRule::of(&facts.object_type) {
            self.check_required(rule);
        }
        self.check_spec_version();
        for key in TIMESTAMPS {
            self.check_timestamp(key);
        }
        self.check_order();
    }

    fn check_id(&mut self, facts: &Facts<'_>) {
        let id = &facts.id;
        if !is_identifier(id) {
            self.warn("id-form", "id", || {
                format!("{:?} is not a type and a UUID", shorten(id))
            });
        } else if id
            .split_once("--")
            .is_some_and(|(prefix, _)| prefix != facts.object_type)
        {
            let expect = shorten(&facts.object_type);
            self.warn("id-type", "id", || {
                format!("{:?} is not of type {expect:?}", shorten(id))
            });
        }
    }

    fn check_required(&mut self, rule: &TypeRule) {
        for key in rule.common().iter().chain(rule.required) {
            if self.value(key).is_none() {
                self.warn("missing-property", key, || {
                    "STIX 2.1 requires it".to_owned()
                });
            }
        }
        if let [first, ..] = rule.any_of
            && rule.any_of.iter().all(|key| self.value(key).is_none())
        {
            let keys = rule.any_of.join(", ");
            self.warn("missing-property", first, || {
                format!("STIX 2.1 requires one of {keys}")
            });
        }
    }

    fn check_spec_version(&mut self) {
        let Some(value) = self.value("spec_version") else {
            return;
        };
        if value.string().as_deref() != Some("2.1") {
            let found = shorten(value.text());
            self.warn("spec-version", "spec_version", || {
                format!("{found} is not \"2.1\"")
            });
        }
    }

    fn check_timestamp(&mut self, key: &str) {
        let Some(value) = self.value(key) else { return };
        if value
            .string()
            .as_deref()
            .and_then(Timestamp::parse)
            .is_none()
        {
            let found = shorten(value.text());
            self.warn("timestamp-form", key, || {
                format!("{found} is not a timestamp in UTC")
            });
        }
    }

    fn check_order(&mut self) {
        let [created, modified] =
            ["created", "modified"].map(|key| self.value(key).and_then(Value::string));
        let created = created.as_deref().and_then(Timestamp::parse);
        let modified = modified.as_deref().and_then(Timestamp::parse);
        if created
            .zip(modified)
            .is_some_and(|(created, modified)| modified < created)
        {
            let message = || "it is before created".to_owned();
            self.warn("modified-before-created", "modified", message);
        }
    }

    /// A property that is there and not null.
    fn value(&self, key: &str) -> Option<Value<'a>> {
        self.object
            .get(key)
            .filter(|value| value.kind() != Kind::Null)
    }

    fn warn(&mut self, code: &'static str, key: &str, message: impl FnOnce() -> String) {
        let index = self.index;
        self.findings.add(Level::Warning, || {
            warning(code, format!("$.objects[{index}].{key}"), message())
        });
    }
}
