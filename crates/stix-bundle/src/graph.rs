//! A bundle's sound objects and the references between them.

use crate::Profile;
use crate::fields::{Defect, too_many_in_all};
use crate::links::{Link, Links, MAX_LINKS};
use crate::names::{MAX_OBJECT, Names};
use crate::object::{End, Facts, Form};
use crate::refusal::Refusal;

/// An object of the bundle; there may be a million, so all is as small as can be.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// The number of its id; [`UNSOUND`] where it cannot be sent.
    id: u32,
    /// The number of its type, with three bits beside it.
    kind: u32,
}

/// No name has this number.
const UNSOUND: u32 = u32::MAX;

const RELATIONSHIP: u32 = 1;
const SIGHTING: u32 = 2;
/// It is not sent as it is, even if all its references stay.
const UNTIDY: u32 = 4;
const TYPE_SHIFT: u32 = 3;

impl Node {
    fn new(id: u32, object_type: u32, form: Form, untidy: bool) -> Self {
        let form = match form {
            Form::Entity => 0,
            Form::Relationship => RELATIONSHIP,
            Form::Sighting => SIGHTING,
        };
        let untidy = if untidy { UNTIDY } else { 0 };
        let kind = object_type << TYPE_SHIFT | form | untidy;
        Self { id, kind }
    }

    fn object_type(self) -> u32 {
        self.kind >> TYPE_SHIFT
    }

    fn form(self) -> Form {
        match self.kind & (RELATIONSHIP | SIGHTING) {
            RELATIONSHIP => Form::Relationship,
            SIGHTING => Form::Sighting,
            _ => Form::Entity,
        }
    }

    fn is_untidy(self) -> bool {
        self.kind & UNTIDY != 0
    }
}

/// What an object became that was added.
struct Added {
    node: Node,
    /// The object that was to be sent under its id before.
    instead_of: Option<u32>,
}

/// All of them: nodes are numbered as the bundle's `objects` are, places of links in their order.
#[derive(Debug)]
pub(crate) struct Graph<'a> {
    pub(crate) links: Links,
    pub(crate) names: Names<'a>,
    nodes: Vec<Node>,
    /// Where the links of each node start.
    starts: Vec<u32>,
    max_links: usize,
    /// How many references the objects have that were to be added.
    references: usize,
}

impl<'a> Graph<'a> {
    /// An empty graph with room for so many objects, whose names stand in `text`.
    pub(crate) fn with_capacity(objects: usize, text: &'a str, max_links: usize) -> Self {
        Self {
            nodes: Vec::with_capacity(objects),
            starts: Vec::with_capacity(objects),
            links: Links::default(),
            names: Names::with_capacity(objects, text),
            max_links: max_links.min(MAX_LINKS),
            references: 0,
        }
    }

    /// Adds the next object. Returns the one that has its id already, and that it takes the place of.
    ///
    /// # Errors
    /// Where the bundle has too many references; then it counts as unsound.
    pub(crate) fn add(
        &mut self,
        facts: &Facts<'a>,
        profile: &Profile,
    ) -> Result<Option<u32>, Defect> {
        let start = self.links.end();
        self.references += facts.references.len();
        let added = if self.links.len() + facts.references.len() > self.max_links {
            None
        } else {
            self.read(facts, profile)
        };
        if added.is_none() {
            self.links.cut(start);
        }
        self.push(added.as_ref().map(|added| added.node), start);
        added
            .map(|added| added.instead_of)
            .ok_or_else(|| too_many_in_all(self.references, self.max_links))
    }

    /// Adds the next object, which cannot be sent.
    pub(crate) fn add_unsound(&mut self) {
        self.push(None, self.links.end());
    }

    fn push(&mut self, node: Option<Node>, start: u32) {
        let unsound = Node::new(UNSOUND, 0, Form::Entity, false);
        self.nodes.push(node.unwrap_or(unsound));
        self.starts.push(start);
    }

    /// Adds an object's names and links; `None` where something cannot be numbered.
    fn read(&mut self, facts: &Facts<'a>, profile: &Profile) -> Option<Added> {
        let number = u32::try_from(self.nodes.len()).ok()?;
        if number > MAX_OBJECT {
            return None;
        }
        let object_type = self.names.number(&facts.object_type, profile)?;
        let id = self.names.number(&facts.id, profile)?;
        let mut own = [id; 3];
        for (internal_id, place) in facts.internal_ids.iter().zip(&mut own[1..]) {
            *place = self.names.number(internal_id, profile)?;
        }
        for (target, end) in &facts.references {
            let name = self.names.number(target, profile)?;
            let kept = !own.contains(&name);
            self.links.push(Link::new(name, kept, *end));
        }
        // Not before here: what cannot be numbered leaves no name that leads to it.
        let instead_of = self.names.own(id);
        self.names.set_own(id, number);
        for (_, internal_id) in facts.internal_ids.iter().zip(&own[1..]) {
            self.names.set_internal(*internal_id, number);
        }
        Some(Added {
            node: Node::new(id, object_type, facts.form, facts.untidy),
            instead_of,
        })
    }

    /// The number of an object's id.
    pub(crate) fn id_number(&self, node: u32) -> u32 {
        self.nodes[node as usize].id
    }

    /// Sends this object under its id, of several that have it.
    pub(crate) fn prefer(&mut self, node: u32) {
        self.names.set_own(self.id_number(node), node);
    }

    /// Lets go of what only adding takes.
    pub(crate) fn complete(&mut self) {
        self.names.finish();
    }

    /// Lets go of all but the objects and their names.
    pub(crate) fn finish(&mut self) {
        self.links = Links::default();
        self.starts = Vec::new();
    }

    /// How many objects there are.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The number of the object at a position, if it can be sent, as far as can be told of it alone.
    pub(crate) fn sound(&self, position: usize) -> Option<u32> {
        let node = self.nodes.get(position)?;
        let number = u32::try_from(position).ok()?;
        (node.id != UNSOUND).then_some(number)
    }

    /// An object's id.
    pub(crate) fn id(&self, node: u32) -> &str {
        self.names.text_of(self.nodes[node as usize].id)
    }

    /// An object's type.
    pub(crate) fn object_type(&self, node: u32) -> &str {
        self.names.text_of(self.nodes[node as usize].object_type())
    }

    /// Whether an object is neither a relationship nor a sighting.
    pub(crate) fn is_entity(&self, node: u32) -> bool {
        self.nodes[node as usize].form() == Form::Entity
    }

    /// Whether an object is not sent as it is.
    pub(crate) fn is_changed(&self, node: u32) -> bool {
        self.nodes[node as usize].is_untidy() || self.links_of(node).any(|link| !link.is_kept())
    }

    /// The object that is sent under the id of this one: itself, unless another one replaces it.
    pub(crate) fn winner(&self, node: u32) -> u32 {
        self.names.own(self.nodes[node as usize].id).unwrap_or(node)
    }

    /// The object that a reference leads to, if it is in the bundle.
    pub(crate) fn target(&self, link: Link) -> Option<u32> {
        self.names.object(link.name()).map(|node| self.winner(node))
    }

    /// Where an object's links start.
    pub(crate) fn links_start(&self, node: u32) -> u32 {
        self.starts[node as usize]
    }

    /// Where they end.
    pub(crate) fn links_end(&self, node: u32) -> u32 {
        let next = self.starts.get(node as usize + 1).copied();
        next.unwrap_or(self.links.end())
    }

    /// An object's links.
    pub(crate) fn links_of(&self, node: u32) -> impl Iterator<Item = Link> {
        let places = self.links_start(node)..self.links_end(node);
        self.links.within(places)
    }

    /// Why the platform's own rules leave an object out, now that it is known which of its
    /// references stay.
    pub(crate) fn refusal(&self, node: u32) -> Option<Refusal> {
        let winner = self.winner(node);
        if winner != node {
            return Some(Refusal::Replaced(winner));
        }
        let object = self.nodes[node as usize];
        match object.form() {
            Form::Entity => (!self.names.is_supported(object.id)).then_some(Refusal::Unsupported),
            form => {
                let end = self.missing_end(node)?;
                Some(Refusal::WithoutEnd(form, end))
            }
        }
    }

    fn missing_end(&self, node: u32) -> Option<End> {
        let is_missing = |end: &End| {
            let mut links = self.links_of(node);
            !links.any(|link| link.is_kept() && link.is(*end))
        };
        [End::First, End::Second].into_iter().find(is_missing)
    }
}
