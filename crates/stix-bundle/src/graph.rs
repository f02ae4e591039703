//! A bundle's sound objects and the references between them.

use std::ops::Range;

use crate::Profile;
use crate::fields::{Defect, too_many_in_all};
use crate::names::Names;
use crate::not_sent::{NotSentCode, shorten};
use crate::object::{End, Facts, Form};

/// An object of the bundle; there may be a million, so all is as small as can be.
#[derive(Debug)]
pub(crate) struct Node {
    /// Where it stands in the bundle's `objects`.
    position: u32,
    id: u32,
    object_type: u32,
    /// Its links go from here to where those of the next one start.
    links: u32,
    form: Form,
    untidy: bool,
}

/// A reference of an object: the number of a name, with three bits beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link(u32);

const KEPT: u32 = 1;
const FIRST: u32 = 2;
const SECOND: u32 = 4;
const NAME_SHIFT: u32 = 3;

impl Link {
    fn new(name: u32, kept: bool, end: End) -> Self {
        let kept = if kept { KEPT } else { 0 };
        let end = match end {
            End::Neither => 0,
            End::First => FIRST,
            End::Second => SECOND,
        };
        Self(name << NAME_SHIFT | end | kept)
    }

    /// The number of what it refers to.
    pub(crate) fn name(self) -> u32 {
        self.0 >> NAME_SHIFT
    }

    /// Whether it stays. From the start not where it names the object that has it, even if another
    /// one claims that name too: a worker sees each object alone.
    pub(crate) fn is_kept(self) -> bool {
        self.0 & KEPT != 0
    }

    /// Takes it out.
    pub(crate) fn remove(&mut self) {
        self.0 &= !KEPT;
    }

    fn is(self, end: End) -> bool {
        self.0 & (FIRST | SECOND) == Self::new(0, false, end).0
    }
}

/// All of them; nodes and links are numbered in the order in which they were added.
#[derive(Debug)]
pub(crate) struct Graph<'a> {
    pub(crate) links: Vec<Link>,
    pub(crate) names: Names<'a>,
    nodes: Vec<Node>,
    max_links: usize,
}

impl<'a> Graph<'a> {
    /// An empty graph with room for so many objects, whose names stand in `text`.
    pub(crate) fn with_capacity(objects: usize, text: &'a str, max_links: usize) -> Self {
        Self {
            nodes: Vec::with_capacity(objects),
            links: Vec::with_capacity(objects),
            names: Names::with_capacity(objects, text),
            // A link has 29 bits for the number of its name, and objects have names of their own.
            max_links: max_links.min(1 << 28),
        }
    }

    /// Adds an object.
    ///
    /// # Errors
    /// Where the bundle has too many references.
    pub(crate) fn add(
        &mut self,
        position: usize,
        facts: &Facts<'a>,
        profile: &Profile,
    ) -> Result<(), Defect> {
        if self.links.len() + facts.references.len() > self.max_links {
            return Err(too_many_in_all(self.max_links));
        }
        let added = self.try_add(position, facts, profile);
        added.ok_or_else(|| too_many_in_all(self.max_links))
    }

    /// `None` where something cannot be numbered.
    fn try_add(&mut self, position: usize, facts: &Facts<'a>, profile: &Profile) -> Option<()> {
        let number = u32::try_from(self.nodes.len()).ok()?;
        let position = u32::try_from(position).ok()?;
        let start = u32::try_from(self.links.len()).ok()?;
        let object_type = self.names.number(&facts.object_type, profile)?;
        let id = self.names.number(&facts.id, profile)?;
        self.names.set_own(id, number);
        let mut own = [id; 3];
        for (internal_id, place) in facts.internal_ids.iter().zip(&mut own[1..]) {
            *place = self.names.number(internal_id, profile)?;
            self.names.set_internal(*place, number);
        }
        for (target, end) in &facts.references {
            let name = self.names.number(target, profile)?;
            let kept = !own.contains(&name);
            self.links.push(Link::new(name, kept, *end));
        }
        self.nodes.push(Node {
            position,
            id,
            object_type,
            links: start,
            form: facts.form,
            untidy: facts.untidy,
        });
        Some(())
    }

    /// Lets go of all but the objects and their names.
    pub(crate) fn finish(&mut self) {
        self.links = Vec::new();
        self.names.finish();
    }

    /// How many objects there are.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Where an object stands in the bundle's `objects`.
    pub(crate) fn position(&self, node: usize) -> usize {
        self.nodes[node].position as usize
    }

    /// An object's id.
    pub(crate) fn id(&self, node: usize) -> &str {
        self.names.text_of(self.nodes[node].id)
    }

    /// An object's type.
    pub(crate) fn object_type(&self, node: usize) -> &str {
        self.names.text_of(self.nodes[node].object_type)
    }

    /// Whether an object is not sent as it is.
    pub(crate) fn is_changed(&self, node: usize) -> bool {
        self.nodes[node].untidy || self.links_of(node).iter().any(|link| !link.is_kept())
    }

    /// The object that is sent under the id of this one: itself, unless a later one replaces it.
    pub(crate) fn winner(&self, node: usize) -> usize {
        self.names.own(self.nodes[node].id).unwrap_or(node)
    }

    /// The object that a reference leads to, if it is in the bundle.
    pub(crate) fn target(&self, link: usize) -> Option<usize> {
        self.names
            .object(self.links[link].name())
            .map(|node| self.winner(node))
    }

    /// The numbers of an object's links.
    pub(crate) fn link_numbers(&self, node: usize) -> Range<usize> {
        let end = match self.nodes.get(node + 1) {
            Some(next) => next.links as usize,
            None => self.links.len(),
        };
        self.nodes[node].links as usize..end
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
            let detail = format!("object {} has the same id", self.position(winner));
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
                .any(|link| link.is_kept() && link.is(end))
        };
        match (has(End::First), has(End::Second)) {
            (false, _) => Some(first),
            (_, false) => Some(second),
            (true, true) => None,
        }
    }

    fn unsupported(&self, node: usize) -> Option<(NotSentCode, String)> {
        if self.names.is_supported(self.nodes[node].id) {
            return None;
        }
        let prefix = self.id(node).split_once("--");
        let prefix = prefix.map_or("", |(prefix, _)| prefix);
        let detail = format!("the platform takes no ids of type {:?}", shorten(prefix));
        Some((NotSentCode::UnsupportedType, detail))
    }
}
