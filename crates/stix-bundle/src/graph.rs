//! A bundle's sound objects and the references between them.

use std::borrow::Cow;
use std::ops::Range;

use crate::Profile;
use crate::names::Names;
use crate::not_sent::{NotSentCode, shorten};
use crate::object::{End, Facts, Form};
use crate::value::Value;

/// An object of the bundle.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    /// Where it stands in the bundle's `objects`.
    pub(crate) position: usize,
    pub(crate) raw: Value<'a>,
    pub(crate) id: Cow<'a, str>,
    pub(crate) object_type: Cow<'a, str>,
    pub(crate) untidy: bool,
    form: Form,
    name: usize,
    links: Range<usize>,
}

/// A reference of an object.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) name: usize,
    /// From the start not where it names the object that has it, even if another one claims that
    /// name too: a worker sees each object alone.
    pub(crate) kept: bool,
    end: End,
}

/// All of them; nodes and links are numbered in the order in which they were added.
#[derive(Debug)]
pub(crate) struct Graph<'a> {
    pub(crate) nodes: Vec<Node<'a>>,
    pub(crate) links: Vec<Link>,
    pub(crate) names: Names<'a>,
}

impl<'a> Graph<'a> {
    /// An empty graph with room for so many objects.
    pub(crate) fn with_capacity(objects: usize) -> Self {
        Self {
            nodes: Vec::with_capacity(objects),
            links: Vec::with_capacity(objects),
            names: Names::with_capacity(objects),
        }
    }

    /// Adds an object.
    pub(crate) fn add(
        &mut self,
        position: usize,
        raw: Value<'a>,
        facts: Facts<'a>,
        profile: &Profile,
    ) {
        let number = self.nodes.len();
        let name = self.names.number(facts.id.clone(), profile);
        self.names.set_own(name, number);
        let mut own = vec![name];
        for internal_id in facts.internal_ids {
            let name = self.names.number(internal_id, profile);
            self.names.set_internal(name, number);
            own.push(name);
        }
        let start = self.links.len();
        for (target, end) in facts.references {
            let name = self.names.number(target, profile);
            let kept = !own.contains(&name);
            self.links.push(Link { name, kept, end });
        }
        let Facts {
            id,
            object_type,
            form,
            untidy,
            ..
        } = facts;
        let links = start..self.links.len();
        self.nodes.push(Node {
            position,
            raw,
            id,
            object_type,
            untidy,
            form,
            name,
            links,
        });
    }

    /// The object that is sent under the id of this one: itself, unless a later one replaces it.
    pub(crate) fn winner(&self, node: usize) -> usize {
        self.names.own(self.nodes[node].name).unwrap_or(node)
    }

    /// The object that a reference leads to, if it is in the bundle.
    pub(crate) fn target(&self, link: usize) -> Option<usize> {
        self.names
            .object(self.links[link].name)
            .map(|node| self.winner(node))
    }

    /// The numbers of an object's links.
    pub(crate) fn link_numbers(&self, node: usize) -> Range<usize> {
        self.nodes[node].links.clone()
    }

    /// An object's links.
    pub(crate) fn links_of(&self, node: usize) -> &[Link] {
        &self.links[self.link_numbers(node)]
    }

    /// Why the platform's own rules leave an object out, now that it is known which of its
    /// references stay.
    pub(crate) fn refusal(&self, node: usize) -> Option<(NotSentCode, String)> {
        let winner = self.winner(node);
        if winner != node {
            let detail = format!("object {} has the same id", self.nodes[winner].position);
            return Some((NotSentCode::DuplicateId, detail));
        }
        let form = self.nodes[node].form;
        match form.ends() {
            Some(ends) => self.missing_end(node, ends).map(|key| {
                let code = match form {
                    Form::Sighting => NotSentCode::SightingWithoutEnd,
                    _ => NotSentCode::RelationshipWithoutEnd,
                };
                (
                    code,
                    format!("{key:?} holds no reference that could be sent"),
                )
            }),
            None => self.unsupported(node),
        }
    }

    fn missing_end(&self, node: usize, [first, second]: [&'static str; 2]) -> Option<&'static str> {
        let has = |end| {
            self.links_of(node)
                .iter()
                .any(|link| link.kept && link.end == end)
        };
        match (has(End::First), has(End::Second)) {
            (false, _) => Some(first),
            (_, false) => Some(second),
            (true, true) => None,
        }
    }

    fn unsupported(&self, node: usize) -> Option<(NotSentCode, String)> {
        let node = &self.nodes[node];
        if self.names.is_supported(node.name) {
            return None;
        }
        let prefix = node.id.split_once("--").map_or("", |(prefix, _)| prefix);
        let detail = format!("the platform takes no ids of type {:?}", shorten(prefix));
        Some((NotSentCode::UnsupportedType, detail))
    }
}
