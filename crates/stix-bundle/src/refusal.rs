//! Why objects are not sent, kept small until somebody asks: it may be true of many.

use std::borrow::Cow;

use crate::fields::Defect;
use crate::graph::Graph;
use crate::not_sent::{NotSent, NotSentCode, shorten};
use crate::object::{End, Form};
use crate::objects::Objects;
use crate::value::Value;

/// An object that is not sent.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Where it stands in the bundle's `objects`.
    pub(crate) position: usize,
    pub(crate) refusal: Refusal,
}

/// Why it is not.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The object of this number has the same id, and is sent.
    Replaced(u32),
    /// A link of this form has no reference to this end that could be sent.
    WithoutEnd(Form, End),
    /// The platform takes no ids of its type.
    Unsupported,
    /// It is broken.
    Defect(Box<Defect>),
}

impl From<Defect> for Refusal {
    fn from(defect: Defect) -> Self {
        Self::Defect(Box::new(defect))
    }
}

impl Refused {
    /// What there is to tell of it.
    pub(crate) fn describe(&self, graph: &Graph<'_>, objects: &Objects<'_>) -> NotSent {
        let known = graph.sound(self.position);
        let [id, object_type] = match known {
            Some(node) => [graph.id(node), graph.object_type(node)].map(|text| Some(text.into())),
            None => id_and_type(objects.get(self.position)),
        };
        let prefix = id.as_deref().and_then(|id| id.split_once("--"));
        let prefix = prefix.map_or(object_type.as_deref(), |(prefix, _)| Some(prefix));
        let (code, detail) = self.explain(prefix.unwrap_or_default(), objects);
        NotSent {
            index: self.position,
            code,
            id: id.as_deref().map(shorten),
            object_type: object_type.as_deref().map(shorten),
            detail,
        }
    }
}

/// An object's id and type, where they can be read.
pub(crate) fn id_and_type(object: Value<'_>) -> [Option<Cow<'_, str>>; 2] {
    let values = object.find(["id", "type"]);
    values.map(|value| value?.string())
}

fn replaced(position: usize, by: usize, objects: &Objects<'_>) -> String {
    let path = objects.path(by);
    if by < position {
        format!("{path} has the same id and a later \"modified\"")
    } else {
        format!("{path} has the same id")
    }
}

impl Refused {
    /// `prefix` is the type as the id tells it.
    fn explain(&self, prefix: &str, objects: &Objects<'_>) -> (NotSentCode, String) {
        match &self.refusal {
            Refusal::Replaced(by) => {
                let detail = replaced(self.position, *by as usize, objects);
                (NotSentCode::DuplicateId, detail)
            }
            Refusal::WithoutEnd(form, end) => {
                let code = match form {
                    Form::Sighting => NotSentCode::SightingWithoutEnd,
                    _ => NotSentCode::RelationshipWithoutEnd,
                };
                let key = form.key(*end).unwrap_or_default();
                let detail = format!("{key:?} holds no reference that could be sent");
                (code, detail)
            }
            Refusal::Unsupported => {
                let detail = format!("the platform takes no ids of type {:?}", shorten(prefix));
                (NotSentCode::UnsupportedType, detail)
            }
            Refusal::Defect(defect) => (defect.code, defect.detail.clone()),
        }
    }
}
