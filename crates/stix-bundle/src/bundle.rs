//! A STIX bundle whose objects have not been looked into yet.

use std::borrow::Cow;
use std::sync::Arc;

use crate::json::{JsonError, Kind, Object};
use crate::nested::TooMany;
use crate::objects::Objects;
use crate::value::Value;
use crate::{Limits, Text};

/// A STIX 2.1 bundle (section 8): an object with a list of `objects`.
///
/// Its objects are known by where they stand in the text; [`validate`](Self::validate) and
/// [`split`](Self::split) look into them. A bundle that stands among them is opened: its objects count as
/// if they stood in its place. That goes on to a depth of eight.
///
/// ```
/// use stix_bundle::{Bundle, BundleError, Limits, Text};
///
/// let limits = Limits { max_objects: 2, ..Limits::default() };
/// let text = Text::check(br#"{"id": "bundle--1", "objects": [{}, 2]}"#, &limits)?;
/// let bundle = Bundle::parse(&text, &limits)?;
/// assert_eq!((bundle.id(), bundle.object_count()), (Some("bundle--1"), 2));
///
/// let text = Text::check(br#"{"objects": [1, 2, 3]}"#, &limits)?;
/// let refused = Bundle::parse(&text, &limits).unwrap_err();
/// assert!(matches!(refused, BundleError::TooManyObjects { count: 3, limit: 2 }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Bundle<'a> {
    has_type: bool,
    id: Option<Cow<'a, str>>,
    objects: Arc<Objects<'a>>,
    has_non_finite: bool,
    max_refs: usize,
    max_all_refs: usize,
}

/// Why a text is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It is not JSON.
    #[error("cannot read the bundle")]
    Json(#[source] JsonError),
    /// It is JSON, but not an object.
    #[error("the bundle is {found} instead of an object")]
    NotAnObject {
        /// What it is.
        found: Kind,
    },
    /// It has no `objects`.
    #[error("the bundle has no objects")]
    NoObjects,
    /// Its `objects` are not a list.
    #[error("the bundle's objects are {found} instead of a list")]
    ObjectsNotAList {
        /// What they are.
        found: Kind,
    },
    /// It has more objects than [`Limits::max_objects`], those of bundles in it counted.
    #[error("the bundle has {count} objects, more than the {limit} allowed")]
    TooManyObjects {
        /// How many it has.
        count: usize,
        /// The limit.
        limit: usize,
    },
}

impl From<JsonError> for BundleError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::NotAnObject { found } => Self::NotAnObject { found },
            JsonError::Syntax { .. } => Self::Json(error),
        }
    }
}

impl<'a> Bundle<'a> {
    /// Reads a bundle; of `limits`, those on objects and references apply.
    ///
    /// An empty list of objects is a bundle. What the objects are is not looked at.
    ///
    /// # Errors
    /// [`BundleError`], in the order of its variants.
    pub fn parse(text: &Text<'a>, limits: &Limits) -> Result<Self, BundleError> {
        let bundle = Object::pick(text, &["id", "objects", "type"])?;
        let list = bundle.get("objects").ok_or(BundleError::NoObjects)?;
        let limit = limits.max_objects;
        let objects = match list.kind() {
            Kind::Array => Objects::all_of(list, bundle.places(), limit)
                .map_err(|TooMany(count)| BundleError::TooManyObjects { count, limit })?,
            found => return Err(BundleError::ObjectsNotAList { found }),
        };
        let has_non_finite = bundle.places().has_non_finite()
            && Value::of_json(text.as_str()).non_finite().is_some();
        let string = |key: &str| bundle.get(key).and_then(Value::string);
        Ok(Self {
            has_type: string("type").as_deref() == Some("bundle"),
            id: string("id"),
            objects: Arc::new(objects),
            has_non_finite,
            max_refs: limits.max_refs,
            max_all_refs: limits.max_all_refs,
        })
    }

    /// The bundle's id; `None` where it has none that is a readable string.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// How many objects it has, with those of bundles in it.
    pub fn object_count(&self) -> usize {
        self.objects.len()
    }

    /// Whether its type is that of a bundle.
    pub(crate) fn has_type(&self) -> bool {
        self.has_type
    }

    /// Shared with the [`Split`](crate::Split), which outlives this.
    pub(crate) fn objects(&self) -> &Arc<Objects<'a>> {
        &self.objects
    }

    /// Whether it holds numbers that are not finite.
    pub(crate) fn has_non_finite(&self) -> bool {
        self.has_non_finite
    }

    pub(crate) fn max_all_refs(&self) -> usize {
        self.max_all_refs
    }

    pub(crate) fn max_refs(&self) -> usize {
        self.max_refs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, limits: Limits, expect: Result<usize, &str>) {
        let text = Text::check(text.as_bytes(), &limits).unwrap();
        let seen = Bundle::parse(&text, &limits).map(|bundle| bundle.object_count());
        assert_eq!(
            seen.map_err(|e| e.to_string()),
            expect.map_err(str::to_owned),
            "{text:?}"
        );
    }

    #[test]
    fn what_is_a_bundle() {
        for (text, expect) in [
            (r#"{"objects": []}"#, Ok(0)),
            (r#"{"objects": 1, "objects": [null, [], {}]}"#, Ok(3)),
            (
                r#"{"objects": [1, 2], "objects": null}"#,
                Err("the bundle's objects are null instead of a list"),
            ),
            (
                r#"{"objects": {}}"#,
                Err("the bundle's objects are an object instead of a list"),
            ),
            ("{}", Err("the bundle has no objects")),
            ("[]", Err("the bundle is a list instead of an object")),
            (r#"{"objects": ["#, Err("cannot read the bundle")),
            (r#"{"objects": []} x"#, Err("cannot read the bundle")),
        ] {
            check(text, Limits::default(), expect);
        }
    }

    #[test]
    fn objects_at_and_around_the_limit() {
        let limits = Limits {
            max_objects: 2,
            ..Limits::default()
        };
        check(r#"{"objects": [1]}"#, limits, Ok(1));
        check(r#"{"objects": [1, 2]}"#, limits, Ok(2));
        let error = "the bundle has 3 objects, more than the 2 allowed";
        check(r#"{"objects": [1, 2, 3]}"#, limits, Err(error));
        let inner = r#"{"type": "bundle", "objects": [2, 3]}"#;
        check(&format!(r#"{{"objects": [{inner}]}}"#), limits, Ok(2));
        check(
            &format!(r#"{{"objects": [1, {inner}]}}"#),
            limits,
            Err(error),
        );
    }

    #[test]
    fn only_a_string_is_an_id() {
        for (id, expect) in [
            (r#""bundle--1""#, Some("bundle--1")),
            (r#""\u0062""#, Some("b")),
            (r#""""#, Some("")),
            ("1", None),
            ("null", None),
            (r#""\ud800""#, None),
        ] {
            let text = format!(r#"{{"id": {id}, "objects": []}}"#);
            let limits = Limits::default();
            let text = Text::check(text.as_bytes(), &limits).unwrap();
            assert_eq!(Bundle::parse(&text, &limits).unwrap().id(), expect, "{id}");
        }
    }
}
