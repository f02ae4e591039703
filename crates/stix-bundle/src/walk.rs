//! The order in which a bundle's objects are sent.

use crate::counts::Counts;
use crate::graph::Graph;
use crate::links::Link;
use crate::object::End;
use crate::room::push;

/// Where counts of dependencies stop growing: the last integer up to which a JSON number is safe
/// in any reader (RFC 8259, section 6). A small bundle can make them grow exponentially.
pub(crate) const MAX_DEPS: u64 = 1 << 53;

/// How many links are looked at before a relationship or sighting is entered by a link that is no end:
/// its own, those of its ends, and so on.
const LOOKED_AT: usize = 64;

/// Every object after those it refers to.
#[derive(Debug)]
pub(crate) struct Walk {
    /// The objects.
    pub(crate) order: Vec<u32>,
    /// Of each object in the order of the bundle, one and the counts of all that it refers to.
    pub(crate) deps: Counts,
    /// References that led back to an object on the way to where they stand, or to a relationship or
    /// sighting with an end there.
    pub(crate) cycles_broken: usize,
}

/// Follows all references, depth first, from each object in the order of the bundle; marks those
/// that cannot stay.
pub(crate) fn walk(graph: &mut Graph<'_>) -> Walk {
    let count = graph.len();
    let walk = Walk {
        order: Vec::with_capacity(count),
        deps: Counts::new(count),
        cycles_broken: 0,
    };
    let mut walker = Walker {
        graph,
        path: Vec::new(),
        walk,
    };
    for position in 0..count {
        let Some(node) = walker.graph.sound(position) else {
            continue;
        };
        let root = walker.graph.winner(node);
        if walker.walk.deps.get(root) == Counts::NONE {
            walker.visit(root);
        }
    }
    walker.walk
}

/// An object whose references are being followed.
struct Step {
    node: u32,
    /// Where the next of its links stands.
    link: u32,
    deps: u64,
}

struct Walker<'g, 'a> {
    graph: &'g mut Graph<'a>,
    path: Vec<Step>,
    walk: Walk,
}

impl Walker<'_, '_> {
    /// Iterative, for the path may be as long as the bundle.
    fn visit(&mut self, root: u32) {
        self.enter(root);
        while let Some(step) = self.path.last_mut() {
            let at = step.link;
            if at == self.graph.links_end(step.node) {
                self.leave();
            } else {
                let (link, next) = self.graph.links.read(at);
                step.link = next;
                self.follow(link, at);
            }
        }
    }

    fn enter(&mut self, node: u32) {
        self.walk.deps.set(node, Counts::OPEN);
        let step = Step {
            node,
            link: self.graph.links_start(node),
            deps: 1,
        };
        push(&mut self.path, step);
    }

    fn follow(&mut self, link: Link, at: u32) {
        if !self.graph.names.is_supported(link.name()) {
            self.graph.links.remove(at);
        } else if !link.is_kept() {
            self.walk.cycles_broken += 1;
        } else if let Some(target) = self.graph.target(link) {
            match self.walk.deps.get(target) {
                Counts::NONE if link.is(End::Neither) && self.leads_back(target) => self.cut(at),
                Counts::NONE => self.enter(target),
                Counts::OPEN => self.cut(at),
                deps => self.count(deps),
            }
        }
    }

    fn cut(&mut self, at: u32) {
        self.graph.links.remove(at);
        self.walk.cycles_broken += 1;
    }

    /// Whether a relationship or sighting has an end on the way, or has one that has, and so on. Entered
    /// from here it would lose that end, and not be sent; without this link it is entered later.
    fn leads_back(&self, node: u32) -> bool {
        if self.graph.is_entity(node) {
            return false;
        }
        let mut left = 0..LOOKED_AT;
        let mut nodes = vec![node];
        let mut next = 0;
        while let Some(&node) = nodes.get(next) {
            next += 1;
            let links = self.graph.links_of(node).zip(left.by_ref());
            let ends = links.filter(|(link, _)| !link.is(End::Neither));
            for end in ends.filter_map(|(link, _)| self.graph.target(link)) {
                match self.walk.deps.get(end) {
                    Counts::OPEN => return true,
                    Counts::NONE if !self.graph.is_entity(end) => nodes.push(end),
                    _ => {}
                }
            }
        }
        false
    }

    fn leave(&mut self) {
        if let Some(Step { node, deps, .. }) = self.path.pop() {
            self.walk.deps.set(node, deps);
            self.walk.order.push(node);
            self.count(deps);
        }
    }

    fn count(&mut self, deps: u64) {
        if let Some(step) = self.path.last_mut() {
            step.deps = MAX_DEPS.min(step.deps + deps);
        }
    }
}
