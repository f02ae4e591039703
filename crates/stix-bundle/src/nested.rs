//! Bundles that stand among the objects of a bundle: their objects count as if they stood there.

use memchr::memmem;

use crate::json::Kind;
use crate::objects::Starts;
use crate::value::{Items, Value};

/// How many bundles may stand in each other, not counting the outermost one.
pub(crate) const MAX_NESTING: usize = 8;

const BUNDLE: &str = "bundle";

/// The objects of a bundle and of all bundles in it, in the order of the text.
#[derive(Debug, Default)]
pub(crate) struct Nested {
    pub(crate) starts: Starts,
    pub(crate) ends: Starts,
    /// The lists that were opened; the outermost one is not among them.
    lists: Vec<List>,
    runs: Vec<Run>,
}

/// The list of a bundle that is an element of another list.
#[derive(Debug)]
struct List {
    parent: Option<usize>,
    /// Where in that one.
    index: usize,
}

/// Objects that follow one another in the same list.
#[derive(Debug)]
struct Run {
    /// The position of the first one among all objects.
    first: usize,
    list: Option<usize>,
    /// Where the first one stands in that list.
    index: usize,
}

/// More objects, or bundles, than the limit: so many.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany(pub(crate) usize);

/// A list that is being gone over.
struct Open<'a> {
    items: Items<'a>,
    list: Option<usize>,
    next: usize,
}

/// Whether some element of a list may be a bundle; none is, where this is false, unless the type is
/// written with escapes.
pub(crate) fn may_hold_bundles(list: &str) -> bool {
    memmem::find(list.as_bytes(), b"\"bundle").is_some()
}

/// Whether an element of a list of objects is a bundle, whether or not it has objects.
pub(crate) fn is_bundle(object: Value<'_>) -> bool {
    let [id, object_type] = object.find(["id", "type"]);
    is_bundle_by(id, object_type)
}

fn is_bundle_by(id: Option<Value<'_>>, object_type: Option<Value<'_>>) -> bool {
    if let Some(object_type) = object_type.filter(|value| value.kind() != Kind::Null) {
        object_type.string().as_deref() == Some(BUNDLE)
    } else {
        let id = id.and_then(Value::string);
        id.is_some_and(|id| id.starts_with("bundle--"))
    }
}

/// The list of objects of a bundle.
pub(crate) fn objects_of(object: Value<'_>) -> Option<Value<'_>> {
    let [id, object_type, objects] = object.find(["id", "type", "objects"]);
    let list = objects.filter(|list| list.kind() == Kind::Array)?;
    is_bundle_by(id, object_type).then_some(list)
}

impl Nested {
    /// The objects of a list; `None` where no bundle is among them. Places count from where the list
    /// starts.
    ///
    /// # Errors
    /// [`TooMany`]
    pub(crate) fn of(list: Value<'_>, limit: usize) -> Result<Option<Self>, TooMany> {
        let base = list.text().as_ptr().addr();
        let mut nested = Self::default();
        let (mut objects, mut bundles) = (0, 0);
        let mut open = vec![Open {
            items: list.items(),
            list: None,
            next: 0,
        }];
        while let Some(last) = open.last_mut() {
            let Some(element) = last.items.next() else {
                open.pop();
                continue;
            };
            let (list, index) = (last.list, last.next);
            last.next += 1;
            let inner = objects_of(element).filter(|_| open.len() <= MAX_NESTING);
            let Some(inner) = inner else {
                objects += 1;
                if objects <= limit {
                    let start = element.text().as_ptr().addr() - base;
                    nested.add(start, start + element.text().len(), list, index);
                }
                continue;
            };
            bundles += 1;
            // Beyond the limit they are only counted.
            if bundles <= limit {
                nested.lists.push(List {
                    parent: list,
                    index,
                });
            }
            open.push(Open {
                items: inner.items(),
                list: nested.lists.len().checked_sub(1),
                next: 0,
            });
        }
        if objects > limit || bundles > limit {
            return Err(TooMany(objects.max(bundles)));
        }
        nested.starts.shrink();
        nested.ends.shrink();
        Ok((bundles > 0).then_some(nested))
    }

    fn add(&mut self, start: usize, end: usize, list: Option<usize>, index: usize) {
        let position = self.starts.len();
        let goes_on = self.runs.last().is_some_and(|run| {
            run.list == list && index.checked_sub(run.index) == Some(position - run.first)
        });
        if !goes_on {
            self.runs.push(Run {
                first: position,
                list,
                index,
            });
        }
        self.starts.push(start);
        self.ends.push(end);
    }

    /// Where the object of this position stands, as in `objects[3].objects[0]`.
    pub(crate) fn path(&self, position: usize) -> String {
        let indexes = self.indexes(position).into_iter().rev();
        let steps: Vec<String> = indexes.map(|index| format!("objects[{index}]")).collect();
        steps.join(".")
    }

    /// How many bundles the object of this position stands in, not counting the outermost one.
    pub(crate) fn depth(&self, position: usize) -> usize {
        self.indexes(position).len().saturating_sub(1)
    }

    /// Its place in its list, that list's place in the one around it, and so on.
    fn indexes(&self, position: usize) -> Vec<usize> {
        let run = self.runs.partition_point(|run| run.first <= position);
        let Some(run) = run.checked_sub(1).and_then(|run| self.runs.get(run)) else {
            return Vec::new();
        };
        let mut indexes = vec![run.index + (position - run.first)];
        let mut around = run.list;
        while let Some(list) = around.and_then(|list| self.lists.get(list)) {
            indexes.push(list.index);
            around = list.parent;
        }
        indexes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(list: &str) -> Vec<(String, &str)> {
        let nested = Nested::of(Value::of_json(list), 100).unwrap().unwrap();
        let places = (0..nested.starts.len()).map(|position| {
            let text = &list[nested.starts.get(position)..nested.ends.get(position)];
            (nested.path(position), text)
        });
        places.collect()
    }

    #[test]
    fn objects_are_found_in_the_order_of_the_text() {
        let list = r#"[1, {"type":"bundle","objects":[2 , {"id":"bundle--1","objects":[]},
            {"objects":[3,{"type":"bundle","objects":[{}]},4],"type":"bundle"}, 5]}, 6, 7]"#;
        let expect = [
            ("objects[0]", "1"),
            ("objects[1].objects[0]", "2"),
            ("objects[1].objects[2].objects[0]", "3"),
            ("objects[1].objects[2].objects[1].objects[0]", "{}"),
            ("objects[1].objects[2].objects[2]", "4"),
            ("objects[1].objects[3]", "5"),
            ("objects[2]", "6"),
            ("objects[3]", "7"),
        ];
        assert_eq!(
            seen(list),
            expect.map(|(path, text)| (path.to_owned(), text))
        );
    }

    #[test]
    fn what_is_no_bundle_stays_as_it_is() {
        for object in [
            r#"{"type":"bundle"}"#,
            r#"{"type":"bundle","objects":{}}"#,
            r#"{"type":"observed-data","id":"bundle--1","objects":[1]}"#,
            r#"{"id":"tool--1","objects":[1]}"#,
            r#""bundle""#,
        ] {
            let list = format!("[{object}]");
            let nested = Nested::of(Value::of_json(&list), 100).unwrap();
            assert!(nested.is_none(), "{object}");
        }
    }

    #[test]
    fn objects_and_bundles_at_and_around_the_limit() {
        let bundle = |objects: &str| format!(r#"{{"type":"bundle","objects":[{objects}]}}"#);
        for (list, expect) in [
            (format!("[1,{}]", bundle("2")), Ok(2)),
            (format!("[1,{},3]", bundle("2")), Ok(3)),
            (format!("[1,{},3,4,5]", bundle("2")), Err(TooMany(5))),
            (format!("[{}]", vec![bundle(""); 3].join(",")), Ok(0)),
            (
                format!("[{}]", vec![bundle(""); 4].join(",")),
                Err(TooMany(4)),
            ),
        ] {
            let nested = Nested::of(Value::of_json(&list), 3);
            let seen = nested.map(|nested| nested.unwrap().starts.len());
            assert_eq!(seen, expect, "{list}");
        }
    }
}
