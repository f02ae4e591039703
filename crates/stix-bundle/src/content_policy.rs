//! What an object must not be, or carry, to be sent.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::fields::Defect;
use crate::json::Kind;
use crate::not_sent::{NotSentCode, shorten};
use crate::type_pattern::TypePattern;
use crate::value::{Members, Value};

/// The platform's extensions in which its workers look for members, before they look at the object.
const EXTENSIONS: [&str; 2] = [
    "extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba",
    "extension-definition--f93e2c80-4231-4f9a-af8b-95c9bd566a82",
];

/// The member that makes a worker do something with an object instead of importing it.
const OPERATION: &str = "opencti_operation";

/// The member whose operations the platform applies to an object that it has already.
const UPSERT_OPERATIONS: &str = "opencti_upsert_operations";

/// Which objects are refused although the platform takes them: those that are commands rather than
/// knowledge.
///
/// A worker of OpenCTI does not only import objects. Where one has a member `opencti_operation`, in one
/// of the platform's two extensions or at its top, the worker carries that out: it deletes, merges,
/// shares, or changes an account. `opencti_upsert_operations` replaces members of what is there. Both are
/// refused with [`NotSentCode::Command`], whatever their value, unless it is null. An object whose
/// `type` is one of the platform's own, such as `user`, is refused with [`NotSentCode::InternalType`].
///
/// Members are judged as Python sees them: the last of repeated keys counts, and escapes are undone.
///
/// ```
/// use stix_bundle::{Bundle, Limits, NotSentCode, ContentPolicy, Profile, Text};
///
/// let limits = Limits::default();
/// let text = br#"{"objects": [
///     {"type": "malware", "id": "malware--1", "opencti_operation": "delete"},
///     {"type": "user", "id": "malware--2"}
/// ]}"#;
/// let text = Text::check(text, &limits)?;
/// let codes = |profile: &Profile| -> Result<Vec<NotSentCode>, Box<dyn std::error::Error>> {
///     let split = Bundle::parse(&text, &limits)?.split(profile);
///     Ok(split.not_sent().map(|object| object.code).collect())
/// };
/// let profile = Profile::opencti();
/// assert_eq!(codes(&profile)?, [NotSentCode::Command, NotSentCode::InternalType]);
/// let profile = profile.with_content_policy(ContentPolicy::default().allowing("delete"));
/// assert_eq!(codes(&profile)?, [NotSentCode::InternalType]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentPolicy {
    allowed: BTreeSet<Cow<'static, str>>,
    denies_update: bool,
    denied_types: Vec<TypePattern>,
    /// All, where it is empty.
    allowed_types: Vec<TypePattern>,
}

impl ContentPolicy {
    /// The platform's own types, in any letter case. A worker does nothing with an object of such a type,
    /// but by a command.
    pub const INTERNAL_TYPES: [&'static str; 15] = [
        "capability",
        "deleteoperation",
        "draftworkspace",
        "group",
        "internalfile",
        "notification",
        "pir",
        "playbook",
        "publicdashboard",
        "role",
        "settings",
        "trash",
        "user",
        "work",
        "workspace",
    ];

    /// The operations that workers know, in versions from 6.1.5 to 7.261026.0.
    pub const OPERATIONS: [&'static str; 22] = [
        "add_groups",
        "add_organizations",
        "add_related_covered_entities",
        "clear_access_restriction",
        "delete",
        "delete_force",
        "enrichment",
        "enroll_playbook",
        "merge",
        "patch",
        "pir_flag_element",
        "pir_unflag_element",
        "remove_groups",
        "remove_organizations",
        "restore",
        "revert_draft",
        "rule_apply",
        "rule_clear",
        "rules_rescan",
        "send_email",
        "share",
        "unshare",
    ];

    /// The same policy, which lets an operation of this name through. Objects of the platform's own types
    /// are refused all the same, and so are `opencti_upsert_operations`.
    #[must_use]
    pub fn allowing(mut self, operation: impl Into<Cow<'static, str>>) -> Self {
        self.allowed.insert(operation.into());
        self
    }

    /// The same policy, under which nothing is imported as an update: what an envelope says of it is not
    /// passed on.
    #[must_use]
    pub fn denying_update(mut self) -> Self {
        self.denies_update = true;
        self
    }

    /// Whether what is imported may say that it is an update.
    pub fn allows_update(&self) -> bool {
        !self.denies_update
    }

    /// The same policy, under which objects of these types are refused, too, with
    /// [`NotSentCode::DeniedType`]. References to them stay.
    ///
    /// ```
    /// use stix_bundle::{Bundle, ContentPolicy, Limits, NotSentCode, Profile, Text, TypePattern};
    ///
    /// let limits = Limits::default();
    /// let text = br#"{"objects": [{"type": "task", "id": "task--1"}]}"#;
    /// let text = Text::check(text, &limits)?;
    /// let policy = ContentPolicy::default().denying_types(TypePattern::parse("task"));
    /// let profile = Profile::opencti().with_content_policy(policy);
    /// let split = Bundle::parse(&text, &limits)?.split(&profile);
    /// let codes: Vec<_> = split.not_sent().map(|object| object.code).collect();
    /// assert_eq!(codes, [NotSentCode::DeniedType]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn denying_types(mut self, types: impl IntoIterator<Item = TypePattern>) -> Self {
        self.denied_types.extend(types);
        self
    }

    /// The same policy, under which objects of other types than these are refused just so, relationships
    /// and sightings included, and objects without a readable type. Of no types: all are allowed.
    #[must_use]
    pub fn allowing_types(mut self, types: impl IntoIterator<Item = TypePattern>) -> Self {
        self.allowed_types.extend(types);
        self
    }

    /// Whether an object may be sent.
    pub(crate) fn check(&self, object: &Members<'_>) -> Result<(), Defect> {
        let mut members = PolicyMembers::default();
        for (key, value) in object.iter() {
            match key {
                OPERATION => members.operation = Some(value),
                UPSERT_OPERATIONS => members.upsert = Some(value),
                "extensions" => members.extensions = Some(value),
                "type" => members.object_type = Some(value),
                _ => {}
            }
        }
        self.judge(&members)
    }

    /// The same of an object whose members cannot all be read.
    #[cold]
    pub(crate) fn check_unread(&self, object: Value<'_>) -> Result<(), Defect> {
        let [object_type, operation, upsert, extensions] =
            object.find(["type", OPERATION, UPSERT_OPERATIONS, "extensions"]);
        self.judge(&PolicyMembers {
            object_type,
            operation,
            upsert,
            extensions,
        })
    }

    fn judge(&self, members: &PolicyMembers<'_>) -> Result<(), Defect> {
        let object_type = members.object_type.and_then(Value::string);
        if let Some(object_type) = &object_type
            && is_internal(object_type)
        {
            return Err(internal(object_type, members.operation.filter(is_there)));
        }
        self.check_type(object_type.as_deref())?;
        self.check_members([members.operation, members.upsert])?;
        match members.extensions {
            Some(extensions) => self.check_extensions(extensions),
            None => Ok(()),
        }
    }

    fn check_type(&self, object_type: Option<&str>) -> Result<(), Defect> {
        let is_among = |patterns: &[TypePattern]| {
            object_type.is_some_and(|name| patterns.iter().any(|pattern| pattern.matches(name)))
        };
        if is_among(&self.denied_types) {
            return Err(denied(object_type, "is denied"));
        }
        if self.allowed_types.is_empty() || is_among(&self.allowed_types) {
            return Ok(());
        }
        Err(denied(object_type, "is not among those that are allowed"))
    }

    fn check_extensions(&self, extensions: Value<'_>) -> Result<(), Defect> {
        for extension in extensions.find(EXTENSIONS).into_iter().flatten() {
            self.check_members(extension.find([OPERATION, UPSERT_OPERATIONS]))?;
        }
        Ok(())
    }

    fn check_members(&self, [operation, upsert]: [Option<Value<'_>>; 2]) -> Result<(), Defect> {
        if let Some(operation) = operation.filter(is_there)
            && !self.allows(operation)
        {
            return Err(command(operation));
        }
        match upsert.filter(is_there) {
            Some(_) => Err(Defect {
                code: NotSentCode::Command,
                detail: format!("{UPSERT_OPERATIONS:?} would change an object that is there"),
            }),
            None => Ok(()),
        }
    }

    fn allows(&self, operation: Value<'_>) -> bool {
        let name = operation.string();
        name.is_some_and(|name| self.allowed.contains(&*name))
    }
}

/// The members of an object that decide, each with the last of its values.
#[derive(Default)]
struct PolicyMembers<'a> {
    object_type: Option<Value<'a>>,
    operation: Option<Value<'a>>,
    upsert: Option<Value<'a>>,
    extensions: Option<Value<'a>>,
}

/// Whether a value is more than no value: a worker takes null for nothing.
fn is_there(value: &Value<'_>) -> bool {
    value.kind() != Kind::Null
}

/// Whether a type is one of the platform's own, in any letter case.
fn is_internal(object_type: &str) -> bool {
    ContentPolicy::INTERNAL_TYPES
        .iter()
        .any(|internal| internal.eq_ignore_ascii_case(object_type))
}

#[cold]
fn internal(object_type: &str, operation: Option<Value<'_>>) -> Defect {
    let object_type = shorten(object_type);
    let command = operation.map_or_else(String::new, |operation| {
        format!("; {}", command(operation).detail)
    });
    Defect {
        code: NotSentCode::InternalType,
        detail: format!("{object_type:?} is a type of the platform itself, not knowledge{command}"),
    }
}

#[cold]
fn denied(object_type: Option<&str>, why: &str) -> Defect {
    let detail = match object_type {
        Some(name) => format!("its type {:?} {why}", shorten(name)),
        None => format!("its type cannot be read and {why}"),
    };
    Defect {
        code: NotSentCode::DeniedType,
        detail,
    }
}

#[cold]
fn command(operation: Value<'_>) -> Defect {
    let detail = match operation.string() {
        Some(name) => {
            let name = shorten(&name);
            format!("it is a command: its {OPERATION:?} is {name:?}")
        }
        None => format!("it is a command: it has {OPERATION:?}"),
    };
    Defect {
        code: NotSentCode::Command,
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(policy: &ContentPolicy, object: &str) -> Option<NotSentCode> {
        let members = Value::of(serde_json::from_str(object).unwrap()).members();
        let checked = policy.check(&members.unwrap());
        checked.err().map(|defect| defect.code)
    }

    /// An object that carries `member` in each place where a worker looks.
    fn carrying(member: &str) -> [String; 3] {
        let [first, second] = EXTENSIONS;
        [
            format!(r#"{{"type": "malware", {member}}}"#),
            format!(r#"{{"type": "malware", "extensions": {{"{first}": {{{member}}}}}}}"#),
            format!(
                r#"{{"type": "malware", "extensions": {{"x": {{}}, "{second}": {{"id": 1, {member}}}}}}}"#
            ),
        ]
    }

    #[test]
    fn every_command_is_refused_in_every_place_and_of_every_value() {
        let names = ContentPolicy::OPERATIONS.map(|name| format!("{name:?}"));
        let odd = [
            "\"\"",
            "false",
            "0",
            "[]",
            "{}",
            "\"of tomorrow\"",
            r#""\ud800""#,
        ];
        for value in names.iter().map(String::as_str).chain(odd) {
            for object in carrying(&format!(r#""opencti_operation": {value}"#)) {
                let found = code(&ContentPolicy::default(), &object);
                assert_eq!(found, Some(NotSentCode::Command), "{object}");
            }
            for object in carrying(&format!(r#""opencti_upsert_operations": {value}"#)) {
                let found = code(&ContentPolicy::default(), &object);
                assert_eq!(found, Some(NotSentCode::Command), "{object}");
            }
        }
    }

    #[test]
    fn members_are_seen_as_python_sees_them() {
        let operation = NotSentCode::Command;
        for (member, expect) in [
            (r#""opencti_operation": null"#, None),
            (
                r#""opencti_operation": "delete", "opencti_operation": null"#,
                None,
            ),
            (
                r#""opencti_operation": null, "opencti_operation": "delete""#,
                Some(operation),
            ),
            (r#""opencti\u005foperation": "delete""#, Some(operation)),
            (r#""opencti_operation": "d\u0065lete""#, Some(operation)),
            (
                r#""\ud800": 1, "opencti_operation": "delete""#,
                Some(operation),
            ),
            (r#""OPENCTI_OPERATION": "delete""#, None),
            (r#""opencti_operations": "delete""#, None),
        ] {
            for object in &carrying(member)[1..] {
                assert_eq!(code(&ContentPolicy::default(), object), expect, "{object}");
            }
        }
        let [first, _] = EXTENSIONS;
        for (extensions, expect) in [
            (
                format!(r#"{{"{first}": {{"opencti_operation": 1}}, "{first}": {{}}}}"#),
                None,
            ),
            (
                format!(r#"{{"{first}": {{}}, "{first}": {{"opencti_operation": 1}}}}"#),
                Some(operation),
            ),
            (r#"{"x": {"opencti_operation": 1}}"#.to_owned(), None),
            (format!(r#"["{first}", "opencti_operation"]"#), None),
            (r#""opencti_operation""#.to_owned(), None),
        ] {
            let object = format!(r#"{{"type": "malware", "extensions": {extensions}}}"#);
            assert_eq!(code(&ContentPolicy::default(), &object), expect, "{object}");
        }
    }

    #[test]
    fn what_is_allowed_is_let_through_and_nothing_else() {
        let policy = ContentPolicy::default()
            .allowing("delete")
            .allowing("merge");
        for (value, expect) in [
            (r#""delete""#, None),
            (r#""d\u0065lete""#, None),
            (r#""merge""#, None),
            (r#""Delete""#, Some(NotSentCode::Command)),
            (r#""patch""#, Some(NotSentCode::Command)),
            (r#"["delete"]"#, Some(NotSentCode::Command)),
        ] {
            for object in carrying(&format!(r#""opencti_operation": {value}"#)) {
                assert_eq!(code(&policy, &object), expect, "{object}");
            }
        }
        let user = r#"{"type": "user", "opencti_operation": "delete"}"#;
        assert_eq!(code(&policy, user), Some(NotSentCode::InternalType));
        for object in carrying(r#""opencti_operation": "delete", "opencti_upsert_operations": []"#)
        {
            assert_eq!(code(&policy, &object), Some(NotSentCode::Command));
        }
    }

    #[test]
    fn the_platform_s_own_types_are_refused_by_their_type_and_not_by_their_id() {
        for name in ContentPolicy::INTERNAL_TYPES {
            for object_type in [name.to_owned(), name.to_uppercase()] {
                let object = format!(r#"{{"id": "malware--1", "type": "{object_type}"}}"#);
                let found = code(&ContentPolicy::default(), &object);
                assert_eq!(found, Some(NotSentCode::InternalType), "{object}");
            }
            let object = format!(r#"{{"id": "{name}--1", "type": "malware"}}"#);
            assert_eq!(code(&ContentPolicy::default(), &object), None, "{object}");
        }
        let repeated = r#"{"type": "malware", "t\u0079pe": "\u0075ser"}"#;
        assert_eq!(
            code(&ContentPolicy::default(), repeated),
            Some(NotSentCode::InternalType)
        );
    }

    /// What the platform never takes is not told as broken, but a command is one all the same.
    #[test]
    fn a_command_is_seen_where_a_key_cannot_be_read_and_the_type_is_never_taken() {
        use crate::{Bundle, Limits, Profile, Text};
        let limits = Limits::default();
        let codes = |object: &str| {
            let text = format!(r#"{{"objects": [{object}]}}"#);
            let text = Text::check(text.as_bytes(), &limits).unwrap();
            let bundle = Bundle::parse(&text, &limits).unwrap();
            let split = bundle.split(&Profile::opencti());
            split
                .not_sent()
                .map(|object| object.code)
                .collect::<Vec<_>>()
        };
        let unread =
            |member: &str| format!(r#"{{"type": "x-a", "id": "x-a--1", "\ud800": 1{member}}}"#);
        assert_eq!(codes(&unread("")), [NotSentCode::UnsupportedType]);
        for object in [
            unread(r#", "opencti_operation": "delete""#),
            unread(r#", "opencti_upsert_operations": []"#),
            unread(&format!(
                r#", "extensions": {{"{}": {{"opencti_operation": "delete"}}}}"#,
                EXTENSIONS[1]
            )),
        ] {
            assert_eq!(codes(&object), [NotSentCode::Command], "{object}");
        }
        let user = unread(r#", "type": "user""#);
        assert_eq!(codes(&user), [NotSentCode::InternalType], "{user}");
    }

    #[test]
    fn types_are_denied_and_allowed_by_name_and_by_their_start() {
        let types = |texts: &[&str]| -> Vec<TypePattern> {
            let read = texts.iter().map(|text| TypePattern::parse(text).unwrap());
            read.collect()
        };
        let denied = Some(NotSentCode::DeniedType);
        for (denying, allowing, object, expect) in [
            (&["task"][..], &[][..], r#"{"type": "task"}"#, denied),
            (&["task"], &[], r#"{"type": "Task"}"#, denied),
            (
                &["task"],
                &[],
                r#"{"type": "x", "t\u0079pe": "\u0074ask"}"#,
                denied,
            ),
            (&["task"], &[], r#"{"type": "malware"}"#, None),
            (&["task"], &[], r#"{"type": 1}"#, None),
            (&["case-*"], &[], r#"{"type": "case-rfi"}"#, denied),
            (&[], &["malware"], r#"{"type": "malware"}"#, None),
            (
                &[],
                &["malware"],
                r#"{"type": "tool", "id": "malware--1"}"#,
                denied,
            ),
            (&[], &["malware"], r#"{"type": "relationship"}"#, denied),
            (&[], &["malware"], r#"{"type": 1}"#, denied),
            (&[], &["malware"], "{}", denied),
            (&["case-rfi"], &["case-*"], r#"{"type": "case-rft"}"#, None),
            (
                &["case-rfi"],
                &["case-*"],
                r#"{"type": "case-rfi"}"#,
                denied,
            ),
            (
                &[],
                &["user"],
                r#"{"type": "user"}"#,
                Some(NotSentCode::InternalType),
            ),
            (
                &[],
                &["malware"],
                r#"{"type": "malware", "opencti_operation": "delete"}"#,
                Some(NotSentCode::Command),
            ),
        ] {
            let policy = ContentPolicy::default()
                .denying_types(types(denying))
                .allowing_types(types(allowing));
            assert_eq!(
                code(&policy, object),
                expect,
                "{denying:?} {allowing:?} {object}"
            );
        }
    }
}
