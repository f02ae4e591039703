//! Lists of things that have no id of their own: external references and kill chain phases.

use std::borrow::Cow;

use crate::fields::{Defect, Field, Role, invalid, too_many};
use crate::json::Kind;
use crate::seen::Seen;
use crate::value::Value;

/// What makes two elements the same one to the platform.
#[derive(PartialEq, Eq, Hash)]
enum Identity<'a> {
    Url(Scalar<'a>),
    External(Scalar<'a>, Scalar<'a>),
    Phase(Option<Scalar<'a>>, Option<Scalar<'a>>),
}

/// A value by which elements are compared: text, or in a sloppy file something else.
#[derive(PartialEq, Eq, Hash)]
enum Scalar<'a> {
    Text(Cow<'a, str>),
    Other(String),
}

/// Which elements of such a list stay: not repetitions, and not those that identify nothing. At
/// most `limit` elements are looked at.
pub(crate) fn kept(field: &Field<'_, '_>, limit: usize) -> Result<Vec<bool>, Defect> {
    let mut seen = Seen::new();
    let mut kept = Vec::new();
    for element in field.items().ok_or_else(|| unreadable(field))? {
        if kept.len() == limit {
            let count = field.items().map_or(0, Iterator::count);
            return Err(too_many(count, limit));
        }
        let identity = identity(field, element)?;
        kept.push(identity.is_some_and(|identity| seen.insert(identity)));
    }
    Ok(kept)
}

fn identity<'a>(field: &Field<'_, 'a>, element: Value<'a>) -> Result<Option<Identity<'a>>, Defect> {
    let scalar = |value: Option<_>| value.map_or(Ok(None), |value| scalar(field, value));
    if field.role == Role::KillChainPhases {
        let keys = ["kill_chain_name", "phase_name"];
        let [chain, phase] = element.pick(keys).ok_or_else(|| unreadable(field))?;
        return Ok(Some(Identity::Phase(scalar(chain)?, scalar(phase)?)));
    }
    let keys = ["url", "source_name", "external_id"];
    let [url, source, id] = element.pick(keys).ok_or_else(|| unreadable(field))?;
    Ok(match scalar(url)? {
        Some(url) => Some(Identity::Url(url)),
        None => scalar(source)?.zip(scalar(id)?).map(external),
    })
}

fn external<'a>((source, id): (Scalar<'a>, Scalar<'a>)) -> Identity<'a> {
    Identity::External(source, id)
}

/// Anything but a string is compared as `serde_json` writes it. What it cannot represent, the
/// platform's worker cannot either.
fn scalar<'a>(field: &Field<'_, 'a>, value: Value<'a>) -> Result<Option<Scalar<'a>>, Defect> {
    let read = match value.kind() {
        Kind::Null => return Ok(None),
        Kind::String => value.string().map(Scalar::Text),
        _ => {
            let other = serde_json::from_str::<serde_json::Value>(value.text());
            other.ok().map(|other| Scalar::Other(other.to_string()))
        }
    };
    read.map(Some).ok_or_else(|| unreadable(field))
}

fn unreadable(field: &Field<'_, '_>) -> Defect {
    invalid(field.key, "neither null nor a list of readable objects")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(role: Role, list: &str, expect: Option<&[bool]>) {
        let field = Field {
            role,
            key: "k",
            value: Value::of(serde_json::from_str(list).unwrap()),
        };
        assert_eq!(kept(&field, usize::MAX).ok().as_deref(), expect, "{list}");
    }

    #[test]
    fn external_references() {
        for (list, expect) in [
            ("null", Some(&[][..])),
            ("[ ]", Some(&[])),
            (r#"[{"url":"a"}, {"url": "\u0061"}]"#, Some(&[true, false])),
            (
                r#"[{"url":"a"},{"url":"a","source_name":"s"}]"#,
                Some(&[true, false]),
            ),
            (r#"[{"url":""},{"url":null}]"#, Some(&[true, false])),
            (
                r#"[{"source_name":"s"},{"external_id":"e"},{}]"#,
                Some(&[false, false, false]),
            ),
            (
                r#"[{"source_name":"s","external_id":"e"},{"external_id":"e","source_name":"s"}]"#,
                Some(&[true, false]),
            ),
            (
                r#"[{"source_name":"s","external_id":"e"},{"source_name":"e","external_id":"s"}]"#,
                Some(&[true, true]),
            ),
            (
                r#"[{"url":"a","url":"b"},{"url":"a"},{"url":"b"}]"#,
                Some(&[true, true, false]),
            ),
            (
                r#"[{"url":1},{"url":"1"},{"url":1}]"#,
                Some(&[true, true, false]),
            ),
            ("{}", None),
            ("[1]", None),
            (r#"["url"]"#, None),
            (r#"[{"\ud800":"a"}]"#, None),
            (r#"[{"url":"\ud800"}]"#, None),
            (r#"[{"url":[1e999]}]"#, None),
        ] {
            check(Role::ExternalReferences, list, expect);
        }
    }

    #[test]
    fn kill_chain_phases() {
        for (list, expect) in [
            (r#"[{},{"phase_name":null}]"#, Some(&[true, false][..])),
            (
                r#"[{"kill_chain_name":"k","phase_name":"p"}, {"phase_name":"k"}]"#,
                Some(&[true, true]),
            ),
            (
                r#"[{"kill_chain_name":"k","phase_name":"p"},{"phase_name":"p","kill_chain_name":"k"}]"#,
                Some(&[true, false]),
            ),
            ("[null]", None),
        ] {
            check(Role::KillChainPhases, list, expect);
        }
    }
}
