//! What changes in an object's text before it is sent.

use std::io::Write;
use std::ops::Range;

use crate::Profile;
use crate::embedded;
use crate::fields::{DEP_COUNT_KEY, Defect, Field, Role, fields};
use crate::links::Link;
use crate::object::open;
use crate::room::{make_room, push};
use crate::seen::Seen;
use crate::value::Value;

/// What changes in the objects of a bundle, one object after the other.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    list: Vec<Edit>,
    /// What is written in place of what stood there.
    texts: Vec<u8>,
}

/// How many references of an object are taken out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Removed {
    pub(crate) all: usize,
    /// Of those, the ones under each of the [`TOLD_KEYS`].
    pub(crate) told: [usize; TOLD_KEYS.len()],
}

/// Keys whose references say who may see an object, and what is in it.
pub(crate) const TOLD_KEYS: [&str; 2] = ["object_marking_refs", "object_refs"];

impl Removed {
    fn add(&mut self, key: &str, count: usize) {
        self.all += count;
        if let Some(place) = TOLD_KEYS.iter().position(|told| *told == key) {
            self.told[place] += count;
        }
    }
}

/// The references of an object in their order, as judged.
struct Verdicts<I> {
    links: I,
    removed: usize,
}

impl<I: Iterator<Item = Link>> Verdicts<I> {
    /// Whether the next reference stays.
    fn keeps_next(&mut self) -> bool {
        let keeps = self.links.next().is_none_or(Link::is_kept);
        self.removed += usize::from(!keeps);
        keeps
    }
}

/// A value that another one takes the place of.
#[derive(Debug)]
struct Edit {
    object: u32,
    /// Where the value stands in the object's text, in bytes.
    span: Range<usize>,
    /// Where the new one stands in the texts; nothing where it is the count of dependencies.
    text: Range<usize>,
}

enum New {
    Null,
    Text(String),
    DepCount,
}

impl Edits {
    /// Adds those of the next object. `links` are its references, as judged. Returns how many of them
    /// are taken out.
    ///
    /// # Errors
    /// Where a property has a form on which the platform's worker would fail; then none are added.
    pub(crate) fn add(
        &mut self,
        number: u32,
        raw: Value<'_>,
        links: impl Iterator<Item = Link>,
        profile: &Profile,
    ) -> Result<Removed, Defect> {
        let object = open(raw)?;
        let mut verdicts = Verdicts { links, removed: 0 };
        let mut found = Vec::new();
        let mut removed = Removed::default();
        for field in fields(&object, profile) {
            let before = verdicts.removed;
            let new = new_value(&field, &mut verdicts)?;
            found.extend(new.map(|new| (span(raw, field.value), new)));
            removed.add(field.key, verdicts.removed - before);
        }
        found.sort_by_key(|(span, _)| span.start);
        for (span, new) in found {
            let start = self.texts.len();
            let text = match &new {
                New::Null => "null",
                New::Text(text) => text,
                New::DepCount => "",
            };
            make_room(&mut self.texts, text.len());
            self.texts.extend_from_slice(text.as_bytes());
            let edit = Edit {
                object: number,
                span,
                text: start..self.texts.len(),
            };
            push(&mut self.list, edit);
        }
        Ok(removed)
    }

    /// Lets go of the room for more.
    pub(crate) fn shrink(&mut self) {
        self.list.shrink_to_fit();
        self.texts.shrink_to_fit();
    }

    /// Those of an object, in the order of its text.
    fn of(&self, number: u32) -> impl Iterator<Item = &Edit> {
        let first = self.list.partition_point(|edit| edit.object < number);
        let rest = self.list[first..].iter();
        rest.take_while(move |edit| edit.object == number)
    }

    /// Writes an object with its edits and its count of dependencies.
    pub(crate) fn write(&self, number: u32, raw: Value<'_>, deps: u64, out: &mut Vec<u8>) {
        let text = raw.text().as_bytes();
        let mut counted = false;
        let mut at = 0;
        for edit in self.of(number) {
            out.extend_from_slice(&text[at..edit.span.start]);
            let new = &self.texts[edit.text.clone()];
            if new.is_empty() {
                counted = true;
                write_number(deps, out);
            } else {
                out.extend_from_slice(new);
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
}

fn new_value(
    field: &Field<'_, '_>,
    verdicts: &mut Verdicts<impl Iterator<Item = Link>>,
) -> Result<Option<New>, Defect> {
    Ok(match field.role {
        Role::DepCount => Some(New::DepCount),
        Role::Reference => match field.reference()? {
            Some(_) if !verdicts.keeps_next() => Some(New::Null),
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
    Some(New::Text(format!("[{}]", texts.join(","))))
}

/// Which references of a list stay: those that may, each once.
fn kept_references(
    field: &Field<'_, '_>,
    verdicts: &mut Verdicts<impl Iterator<Item = Link>>,
) -> Result<Vec<bool>, Defect> {
    let mut seen = Seen::new();
    let mut kept = Vec::new();
    for target in field.references()? {
        let target = target?;
        kept.push(verdicts.keeps_next() && seen.insert(target));
    }
    Ok(kept)
}

/// Where a part of the object's text stands in it.
fn span(object: Value<'_>, value: Value<'_>) -> Range<usize> {
    let start = value.text().as_ptr().addr() - object.text().as_ptr().addr();
    start..start + value.text().len()
}

/// Writes a number in decimal.
pub(crate) fn write_number(number: u64, out: &mut Vec<u8>) {
    let written = write!(out, "{number}");
    debug_assert!(written.is_ok(), "memory takes every write");
}
