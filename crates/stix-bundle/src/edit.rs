//! What changes in an object's text before it is sent.

use std::io::Write;
use std::ops::Range;

use crate::Profile;
use crate::embedded;
use crate::fields::{DEP_COUNT_KEY, Defect, Field, Role, fields};
use crate::links::Link;
use crate::object::open;
use crate::seen::Seen;
use crate::value::Value;

/// A value that another one takes the place of.
#[derive(Debug)]
pub(crate) struct Edit {
    /// Where the value stands in the object's text, in bytes.
    span: Range<usize>,
    new: New,
}

#[derive(Debug)]
enum New {
    Text(Box<str>),
    DepCount,
}

/// The edits of one object, in the order of its text. `links` are its references, as judged.
pub(crate) fn edits(
    raw: Value<'_>,
    links: impl Iterator<Item = Link>,
    profile: &Profile,
) -> Result<Box<[Edit]>, Defect> {
    let object = open(raw)?;
    let mut verdicts = links.map(Link::is_kept);
    let mut edits = Vec::new();
    for field in fields(&object, profile) {
        let new = new_value(&field, &mut verdicts)?;
        edits.extend(new.map(|new| Edit {
            span: span(raw, field.value),
            new,
        }));
    }
    edits.sort_by_key(|edit| edit.span.start);
    Ok(edits.into_boxed_slice())
}

fn new_value(
    field: &Field<'_, '_>,
    verdicts: &mut impl Iterator<Item = bool>,
) -> Result<Option<New>, Defect> {
    Ok(match field.role {
        Role::DepCount => Some(New::DepCount),
        Role::Reference => match field.reference()? {
            Some(_) if verdicts.next() == Some(false) => Some(New::Text("null".into())),
            _ => None,
        },
        Role::References => list(field, &kept_references(field, verdicts)?),
        Role::ExternalReferences | Role::KillChainPhases => {
            list(field, &embedded::kept(field, usize::MAX)?)
        }
    })
}

/// A list without what goes; each element that stays keeps its bytes. Nothing, if all stay.
fn list(field: &Field<'_, '_>, kept: &[bool]) -> Option<New> {
    if !kept.contains(&false) {
        return None;
    }
    let elements = field.value.items().zip(kept);
    let kept = elements.filter_map(|(element, kept)| kept.then_some(element.text()));
    let texts: Vec<&str> = kept.collect();
    Some(New::Text(format!("[{}]", texts.join(",")).into()))
}

/// Which references of a list stay: those that may, each once.
fn kept_references(
    field: &Field<'_, '_>,
    verdicts: &mut impl Iterator<Item = bool>,
) -> Result<Vec<bool>, Defect> {
    let mut seen = Seen::new();
    let mut kept = Vec::new();
    for target in field.references()? {
        let target = target?;
        kept.push(verdicts.next() != Some(false) && seen.insert(target));
    }
    Ok(kept)
}

/// Where a part of the object's text stands in it.
fn span(object: Value<'_>, value: Value<'_>) -> Range<usize> {
    let start = value.text().as_ptr().addr() - object.text().as_ptr().addr();
    start..start + value.text().len()
}

/// Writes an object with its edits and its count of dependencies.
pub(crate) fn write(raw: Value<'_>, edits: &[Edit], deps: u64, out: &mut Vec<u8>) {
    let text = raw.text().as_bytes();
    let mut counted = false;
    let mut at = 0;
    for edit in edits {
        out.extend_from_slice(&text[at..edit.span.start]);
        match &edit.new {
            New::Text(new) => out.extend_from_slice(new.as_bytes()),
            New::DepCount => {
                counted = true;
                write_number(deps, out);
            }
        }
        at = edit.span.end;
    }
    if counted {
        out.extend_from_slice(&text[at..]);
        return;
    }
    out.extend_from_slice(&text[at..text.len() - 1]);
    out.extend_from_slice(b",\"");
    out.extend_from_slice(DEP_COUNT_KEY.as_bytes());
    out.extend_from_slice(b"\":");
    write_number(deps, out);
    out.push(b'}');
}

/// Writes a number in decimal.
pub(crate) fn write_number(number: u64, out: &mut Vec<u8>) {
    let written = write!(out, "{number}");
    debug_assert!(written.is_ok(), "memory takes every write");
}
