//! One object of a bundle: what the splitter must know of it, or why it cannot be sent.

use std::borrow::Cow;

use crate::Profile;
use crate::embedded::kept;
use crate::fields::{Defect, Field, Role, fields, invalid, not_a_number, too_many};
use crate::json::Kind;
use crate::not_sent::NotSentCode;
use crate::seen::Seen;
use crate::value::{MAX_MEMBERS, Members, Value};

/// What the splitter must know of an object.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) object_type: Cow<'a, str>,
    pub(crate) form: Form,
    /// Other names under which it may be referred to: at most two.
    pub(crate) internal_ids: Vec<Cow<'a, str>>,
    /// In the order in which Python would see them, repetitions included.
    pub(crate) references: Vec<(Cow<'a, str>, End)>,
    /// Whether it differs from what is to be sent, even if all its references stay.
    pub(crate) untidy: bool,
}

/// What an object must have to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// An id of a type that the platform takes.
    Entity,
    /// A `source_ref` and a `target_ref`.
    Relationship,
    /// A `sighting_of_ref` and `where_sighted_refs`.
    Sighting,
}

/// Which end of a relationship or a sighting a reference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Neither,
    First,
    Second,
}

impl Form {
    fn of(object_type: &str) -> Self {
        match object_type {
            "relationship" => Self::Relationship,
            "sighting" => Self::Sighting,
            _ => Self::Entity,
        }
    }

    /// The keys of both ends.
    fn ends(self) -> Option<[&'static str; 2]> {
        match self {
            Self::Entity => None,
            Self::Relationship => Some(["source_ref", "target_ref"]),
            Self::Sighting => Some(["sighting_of_ref", "where_sighted_refs"]),
        }
    }

    /// The key of one end.
    pub(crate) fn key(self, end: End) -> Option<&'static str> {
        let [first, second] = self.ends()?;
        match end {
            End::Neither => None,
            End::First => Some(first),
            End::Second => Some(second),
        }
    }

    fn end(self, key: &str) -> End {
        match self.ends() {
            Some([first, _]) if first == key => End::First,
            Some([_, second]) if second == key => End::Second,
            _ => End::Neither,
        }
    }
}

/// Opens an element of `objects`.
pub(crate) fn open(value: Value<'_>) -> Result<Members<'_>, Defect> {
    if value.kind() != Kind::Object {
        let detail = format!("it is {}", value.kind());
        return Err(Defect {
            code: NotSentCode::NotAnObject,
            detail,
        });
    }
    value.members().ok_or_else(|| {
        if value.has_too_many_members() {
            return Defect {
                code: NotSentCode::TooManyMembers,
                detail: format!("it has more than the {MAX_MEMBERS} members allowed"),
            };
        }
        Defect {
            code: NotSentCode::InvalidProperty,
            detail: "one of its keys cannot be read".to_owned(),
        }
    })
}

/// Reads what the splitter must know.
pub(crate) fn read<'a>(
    object: &Members<'a>,
    profile: &Profile,
    max_refs: usize,
) -> Result<Facts<'a>, Defect> {
    let id = name(object, "id", NotSentCode::NoId)?;
    let object_type = name(object, "type", NotSentCode::NoType)?;
    let form = Form::of(&object_type);
    let internal_ids = internal_ids(object, profile)?;
    let mut facts = Facts {
        id,
        object_type,
        form,
        internal_ids,
        references: Vec::new(),
        untidy: false,
    };
    for field in fields(object, profile) {
        facts
            .add(&field, max_refs)
            .map_err(|defect| counted(defect, object, profile, max_refs))?;
    }
    Ok(facts)
}

/// Of an object with too many references, how many it has: in its lists of references together, or in
/// the longest other list that is bounded likewise.
#[cold]
fn counted(defect: Defect, object: &Members<'_>, profile: &Profile, max_refs: usize) -> Defect {
    if defect.code != NotSentCode::TooManyReferences {
        return defect;
    }
    let (mut references, mut longest) = (0, 0);
    for field in fields(object, profile) {
        let count = field.items().map_or(1, Iterator::count);
        match field.role {
            Role::Reference | Role::References => references += count,
            Role::ExternalReferences | Role::KillChainPhases => longest = longest.max(count),
            Role::DepCount => {}
        }
    }
    too_many(references.max(longest), max_refs)
}

/// Sees to it that an object holds no number that is not finite.
pub(crate) fn check_numbers(object: &Members<'_>) -> Result<(), Defect> {
    let mut found = object
        .iter()
        .filter_map(|(key, value)| Some(not_a_number(key, value.non_finite()?)));
    found.next().map_or(Ok(()), Err)
}

/// Whether the platform never takes an object of this type, whatever else it looks like: going by its
/// id, as for any object, or by its type where it has none.
pub(crate) fn is_never_taken(object: Value<'_>, profile: &Profile) -> bool {
    let [id, object_type] = object
        .find(["id", "type"])
        .map(|value| value.and_then(Value::string));
    if object_type
        .as_deref()
        .is_some_and(|name| Form::of(name) != Form::Entity)
    {
        return false;
    }
    match (id, object_type) {
        (Some(id), _) => !profile.supports(&id),
        (None, Some(object_type)) => !profile.supports(&format!("{object_type}--")),
        (None, None) => false,
    }
}

impl<'a> Facts<'a> {
    fn add(&mut self, field: &Field<'_, 'a>, max_refs: usize) -> Result<(), Defect> {
        match field.role {
            Role::Reference => {
                let target = field.reference()?;
                let end = self.form.end(field.key);
                self.references.extend(target.map(|target| (target, end)));
            }
            Role::References => self.add_list(field, max_refs)?,
            Role::ExternalReferences | Role::KillChainPhases => {
                self.untidy |= kept(field, max_refs)?.contains(&false);
            }
            Role::DepCount => self.untidy = true,
        }
        let count = self.references.len();
        if count > max_refs {
            Err(too_many(count, max_refs))
        } else {
            Ok(())
        }
    }

    fn add_list(&mut self, field: &Field<'_, 'a>, max_refs: usize) -> Result<(), Defect> {
        let end = self.form.end(field.key);
        let start = self.references.len();
        for target in field.references()? {
            self.references.push((target?, end));
            let count = self.references.len();
            if count > max_refs {
                return Err(too_many(count, max_refs));
            }
        }
        self.untidy |= has_repetitions(&self.references[start..]);
        Ok(())
    }
}

fn has_repetitions(references: &[(Cow<'_, str>, End)]) -> bool {
    let mut seen = Seen::new();
    !references.iter().all(|(target, _)| seen.insert(target))
}

/// A property that every object must have.
fn name<'a>(object: &Members<'a>, key: &str, missing: NotSentCode) -> Result<Cow<'a, str>, Defect> {
    match object.get(key) {
        Some(value) if value.kind() != Kind::Null => value
            .string()
            .ok_or_else(|| invalid(key, "not a readable string")),
        _ => Err(Defect {
            code: missing,
            detail: format!("it has no {key:?}"),
        }),
    }
}

/// The platform's own ids of an object, from its exports of older and of newer form. What Python
/// takes for false counts as absent.
fn internal_ids<'a>(object: &Members<'a>, profile: &Profile) -> Result<Vec<Cow<'a, str>>, Defect> {
    let old = internal_id(object, "x_opencti_id")?;
    let new = match child(object, "extensions")? {
        Some(extensions) => match child(&extensions, profile.extension())? {
            Some(extension) => internal_id(&extension, "id")?,
            None => None,
        },
        None => None,
    };
    Ok(old.into_iter().chain(new).collect())
}

fn internal_id<'a>(object: &Members<'a>, key: &str) -> Result<Option<Cow<'a, str>>, Defect> {
    match object.get(key) {
        Some(value) if !value.is_falsy() => value
            .string()
            .map(Some)
            .ok_or_else(|| invalid(key, "not a readable string")),
        _ => Ok(None),
    }
}

fn child<'a>(object: &Members<'a>, key: &str) -> Result<Option<Members<'a>>, Defect> {
    match object.get(key) {
        Some(value) if !value.is_falsy() => value
            .members()
            .map(Some)
            .ok_or_else(|| invalid(key, "not an object that can be read")),
        _ => Ok(None),
    }
}
