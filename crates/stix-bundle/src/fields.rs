//! The members of an object on which splitting depends.

use std::borrow::Cow;

use crate::Profile;
use crate::json::Kind;
use crate::not_sent::{NotSentCode, shorten};
use crate::value::{Items, Members, Value};

/// The key in which the platform's splitter keeps its count, and so do we.
pub(crate) const DEP_COUNT_KEY: &str = "nb_deps";

/// Up to here, comparing each key with each is faster than sorting them.
const FEW: usize = 16;

/// What a member means to the splitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Reference,
    References,
    ExternalReferences,
    KillChainPhases,
    DepCount,
}

/// A member that has a role.
#[derive(Debug)]
pub(crate) struct Field<'o, 'a> {
    pub(crate) role: Role,
    pub(crate) key: &'o str,
    pub(crate) value: Value<'a>,
}

/// Why an object cannot be sent at all.
#[derive(Debug)]
pub(crate) struct Defect {
    pub(crate) code: NotSentCode,
    pub(crate) detail: String,
}

/// An object's members that have a role, each key once: where Python's `dict` has it, which is at
/// the first place of a repeated key, with the last value.
pub(crate) fn fields<'o, 'a>(members: &'o Members<'a>, profile: &Profile) -> Vec<Field<'o, 'a>> {
    let found = members.iter().filter_map(|(key, value)| {
        let role = role(key, profile)?;
        Some(Field { role, key, value })
    });
    let fields: Vec<_> = found.collect();
    let repeats = |(at, field): (usize, &Field<'_, '_>)| {
        let earlier = &fields[..at];
        earlier.iter().any(|earlier| earlier.key == field.key)
    };
    if fields.len() <= FEW && !fields.iter().enumerate().any(repeats) {
        return fields;
    }
    merged(fields)
}

fn merged<'o, 'a>(fields: Vec<Field<'o, 'a>>) -> Vec<Field<'o, 'a>> {
    let mut fields: Vec<_> = fields.into_iter().enumerate().collect();
    fields.sort_by_key(|(_, field)| field.key);
    fields.dedup_by(|(_, later), (_, first)| {
        let repeated = later.key == first.key;
        if repeated {
            first.value = later.value;
        }
        repeated
    });
    fields.sort_by_key(|(i, _)| *i);
    fields.into_iter().map(|(_, field)| field).collect()
}

fn role(key: &str, profile: &Profile) -> Option<Role> {
    match key {
        "external_references" => Some(Role::ExternalReferences),
        "kill_chain_phases" => Some(Role::KillChainPhases),
        DEP_COUNT_KEY => Some(Role::DepCount),
        _ if profile.is_references(key) => Some(Role::References),
        _ if profile.is_reference(key) => Some(Role::Reference),
        _ => None,
    }
}

impl<'a> Field<'_, 'a> {
    /// The one reference that a [`Role::Reference`] holds; `None` where it is null.
    pub(crate) fn reference(&self) -> Result<Option<Cow<'a, str>>, Defect> {
        if self.value.kind() == Kind::Null {
            return Ok(None);
        }
        let text = self.value.string();
        text.map(Some)
            .ok_or_else(|| invalid(self.key, "neither null nor a readable string"))
    }

    /// The references that a [`Role::References`] holds; none where it is null.
    pub(crate) fn references(
        &self,
    ) -> Result<impl Iterator<Item = Result<Cow<'a, str>, Defect>>, Defect> {
        const WHAT: &str = "neither null nor a list of readable strings";
        let items = self.items().ok_or_else(|| invalid(self.key, WHAT))?;
        Ok(items.map(|item| item.string().ok_or_else(|| invalid(self.key, WHAT))))
    }

    /// The elements of a list; none where it is null.
    pub(crate) fn items(&self) -> Option<Items<'a>> {
        match self.value.kind() {
            Kind::Null => Some(Items::default()),
            Kind::Array => Some(self.value.items()),
            _ => None,
        }
    }
}

/// A property of a form on which the platform's worker would fail.
pub(crate) fn invalid(key: &str, what: &str) -> Defect {
    let detail = format!("{:?} is {what}", shorten(key));
    Defect {
        code: NotSentCode::InvalidProperty,
        detail,
    }
}

/// A property that holds a number that JSON does not have.
pub(crate) fn not_a_number(key: &str, number: &str) -> Defect {
    let detail = format!(
        "{:?} holds {number}, which JSON does not have",
        shorten(key)
    );
    Defect {
        code: NotSentCode::NotANumber,
        detail,
    }
}

/// More references than the limit.
pub(crate) fn too_many(count: usize, limit: usize) -> Defect {
    let detail = format!("it has {count} references, more than the {limit} allowed");
    Defect {
        code: NotSentCode::TooManyReferences,
        detail,
    }
}

/// The object with which the bundle has more references than the limit on all of them; `count` with all
/// objects before it, sent or not.
pub(crate) fn too_many_in_all(count: usize, limit: usize) -> Defect {
    let detail =
        format!("with it the bundle has {count} references, more than the {limit} allowed in all");
    Defect {
        code: NotSentCode::TooManyReferences,
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_key_stands_at_its_first_place_with_its_last_value() {
        for (text, expect) in [
            (r#"{"id": 1, "nb_deps": 3}"#, vec![("nb_deps", "3")]),
            (
                r#"{"b_ref": 1, "a_refs": 2, "b_ref": 3, "c_ref": 4, "b\u005fref": 5, "a_refs":6}"#,
                vec![("b_ref", "5"), ("a_refs", "6"), ("c_ref", "4")],
            ),
            (
                r#"{"_ref": 1, "_refs": 2, "ref": 3}"#,
                vec![("_ref", "1"), ("_refs", "2")],
            ),
        ] {
            let members = Value::of(serde_json::from_str(text).unwrap()).members();
            let members = members.unwrap();
            let fields = fields(&members, &Profile::opencti());
            let seen: Vec<_> = fields.iter().map(|f| (f.key, f.value.text())).collect();
            assert_eq!(seen, expect, "{text}");
        }
    }
}
