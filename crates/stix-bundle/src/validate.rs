//! Which rules of STIX 2.1 a bundle breaks.

use crate::agreement::agrees;
use crate::fields::{Defect, too_many_in_all};
use crate::forms::{Timestamp, is_identifier};
use crate::json::Kind;
use crate::nested::{MAX_NESTING, is_bundle, objects_of};
use crate::not_sent::{NotSentCode, shorten};
use crate::object::{Facts, Form, check_numbers, is_never_taken, open, read};
use crate::objects::Objects;
use crate::refusal::{Refusal, id_and_type};
use crate::rules::{TIMESTAMPS, TypeRule};
use crate::value::{Members, Value};
use crate::{Bundle, Finding, Findings, Level, Profile};

/// The code of objects whose id is of another type.
const TYPE_OF_ID: &str = "type-of-id";

impl Bundle<'_> {
    /// Checks the bundle against what can be told of STIX 2.1 without understanding it.
    ///
    /// Errors are the objects that [`split`](Self::split) sets aside as
    /// [defective](crate::NotSentCode::is_defect). Warnings are rules that an object breaks which
    /// is sent all the same; of objects whose type the platform does not take there are none.
    ///
    /// The codes of warnings: `bundle-type`, `bundle-id`, `id-form`, `type-of-id`,
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
        let (mut references, mut wanted) = (0, 0);
        let limit = self.max_all_refs();
        for (index, raw) in self.objects().iter().enumerate() {
            let read = self.read(index, raw, profile).and_then(|(object, facts)| {
                wanted += facts.references.len();
                if references + facts.references.len() > limit {
                    let defect = too_many_in_all(wanted, limit);
                    return Err(self.refusal(index, raw, defect, profile));
                }
                references += facts.references.len();
                Ok((object, facts))
            });
            let place = (&**self.objects(), index);
            match read {
                Ok((object, facts)) => check(place, &object, &facts, profile, &mut findings),
                Err(Refusal::Defect(defect)) => note(place, &defect, &mut findings),
                Err(_) => {}
            }
        }
        findings
    }

    /// Reads an object, unless it cannot be sent, as far as can be told of it alone.
    pub(crate) fn read<'a>(
        &self,
        position: usize,
        raw: Value<'a>,
        profile: &Profile,
    ) -> Result<(Members<'a>, Facts<'a>), Refusal> {
        let read = open(raw).and_then(|object| {
            profile.content_policy().check(&object)?;
            let facts = read(&object, profile, self.max_refs())?;
            if self.has_non_finite() {
                check_numbers(&object)?;
            }
            if facts.object_type == "bundle" {
                return Err(self.unopened(position, raw));
            }
            Ok((object, facts))
        });
        read.map_err(|defect| self.refusal(position, raw, defect, profile))
    }

    /// What becomes of an object with a defect: what is never sent needs none. What the policy refuses is
    /// told first, since a bundle may go to people as it came, with the objects that are never sent.
    #[cold]
    pub(crate) fn refusal(
        &self,
        position: usize,
        raw: Value<'_>,
        defect: Defect,
        profile: &Profile,
    ) -> Refusal {
        if defect.code.is_denied() {
            defect.into()
        } else if let Err(denied) = profile.content_policy().check_unread(raw) {
            denied.into()
        } else if is_bundle(raw) {
            self.unopened(position, raw).into()
        } else if is_never_taken(raw, profile) {
            Refusal::Unsupported
        } else {
            defect.into()
        }
    }

    /// Why a bundle was not opened that stands among the objects.
    #[cold]
    fn unopened(&self, position: usize, raw: Value<'_>) -> Defect {
        let detail = if objects_of(raw).is_none() {
            "it is a bundle without a list of objects".to_owned()
        } else if self.objects().depth(position) >= MAX_NESTING {
            format!("bundles in bundles are opened to a depth of {MAX_NESTING}, and it is deeper")
        } else {
            "it is a bundle whose type is written with escapes".to_owned()
        };
        Defect {
            code: NotSentCode::NestedBundle,
            detail,
        }
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
    place: Place<'_>,
    object: &Members<'_>,
    facts: &Facts<'_>,
    profile: &Profile,
    findings: &mut Findings,
) {
    if is_taken(facts, profile) {
        let mut checker = Checker {
            place,
            object,
            id: &facts.id,
            findings,
        };
        checker.check(facts);
    }
}

/// Whether the platform takes an object, as far as its type and its id tell.
fn is_taken(facts: &Facts<'_>, profile: &Profile) -> bool {
    facts.form != Form::Entity || profile.supports(&facts.id)
}

/// Whether an object that the platform takes has an id of another type: the warning `type-of-id`.
pub(crate) fn is_of_another_type(facts: &Facts<'_>, profile: &Profile) -> bool {
    !agrees(&facts.id, &facts.object_type) && is_taken(facts, profile)
}

/// Adds the error that a defective object is.
pub(crate) fn note((objects, index): Place<'_>, defect: &Defect, findings: &mut Findings) {
    findings.add(Level::Error, || {
        let [id, _] = id_and_type(objects.get(index));
        Finding {
            code: defect.code.as_str(),
            level: Level::Error,
            path: format!("$.{}", objects.path(index)),
            id: id.as_deref().map(shorten),
            message: defect.detail.clone(),
        }
    });
}

/// An object's position among all of them.
pub(crate) type Place<'o> = (&'o Objects<'o>, usize);

fn warning(code: &'static str, path: impl Into<String>, message: String) -> Finding {
    Finding {
        code,
        level: Level::Warning,
        path: path.into(),
        id: None,
        message,
    }
}

/// One sendable object being checked.
struct Checker<'f, 'a> {
    place: Place<'f>,
    object: &'f Members<'a>,
    id: &'f str,
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
        }
        if !agrees(id, &facts.object_type) {
            let expect = shorten(&facts.object_type);
            self.warn(TYPE_OF_ID, "id", || {
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
        let ((objects, index), id) = (self.place, self.id);
        self.findings.add(Level::Warning, || {
            let path = format!("$.{}.{key}", objects.path(index));
            Finding {
                id: Some(shorten(id)),
                ..warning(code, path, message())
            }
        });
    }
}
