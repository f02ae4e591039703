//! The order in which a bundle's objects are sent.

use std::ops::Range;

use crate::graph::Graph;

/// Where counts of dependencies stop growing: the last integer up to which a JSON number is safe
/// in any reader (RFC 8259, section 6). A small bundle can make them grow exponentially.
pub(crate) const MAX_DEPS: u64 = 1 << 53;

/// Every object after those it refers to.
#[derive(Debug)]
pub(crate) struct Walk {
    /// The objects.
    pub(crate) order: Vec<u32>,
    /// Of each object in the order of the bundle, one and the counts of all that it refers to.
    pub(crate) deps: Vec<u64>,
    /// References that led back to an object on the way to where they stand.
    pub(crate) cycles_broken: usize,
    /// References of a type that the platform does not take.
    pub(crate) unsupported: usize,
}

/// Follows all references, depth first, from each object in the order of the bundle; marks those
/// that cannot stay.
pub(crate) fn walk(graph: &mut Graph<'_>) -> Walk {
    let count = graph.len();
    let walk = Walk {
        order: Vec::with_capacity(count),
        deps: vec![NEW; count],
        cycles_broken: 0,
        unsupported: 0,
    };
    let mut walker = Walker {
        graph,
        path: Vec::new(),
        walk,
    };
    for node in 0..count {
        let root = walker.graph.winner(node);
        if walker.walk.deps[root] == NEW {
            walker.visit(root);
        }
    }
    walker.walk
}

/// The count of an object that was not come to yet; a true one is at least one.
const NEW: u64 = 0;
/// The count of an object whose references are being followed.
const ON_PATH: u64 = u64::MAX;

/// An object whose references are being followed.
struct Step {
    node: usize,
    links: Range<usize>,
    deps: u64,
}

struct Walker<'g, 'a> {
    graph: &'g mut Graph<'a>,
    path: Vec<Step>,
    walk: Walk,
}

impl Walker<'_, '_> {
    /// Iterative, for the path may be as long as the bundle.
    fn visit(&mut self, root: usize) {
        self.enter(root);
        while let Some(step) = self.path.last_mut() {
            match step.links.next() {
                Some(link) => self.follow(link),
                None => self.leave(),
            }
        }
    }

    fn enter(&mut self, node: usize) {
        self.walk.deps[node] = ON_PATH;
        self.path.push(Step {
            node,
            links: self.graph.link_numbers(node),
            deps: 1,
        });
    }

    fn follow(&mut self, link: usize) {
        let reference = self.graph.links[link];
        if !self.graph.names.is_supported(reference.name()) {
            self.graph.links[link].remove();
            self.walk.unsupported += 1;
        } else if !reference.is_kept() {
            self.walk.cycles_broken += 1;
        } else if let Some(target) = self.graph.target(link) {
            self.follow_to(target, link);
        }
    }

    fn follow_to(&mut self, target: usize, link: usize) {
        match self.walk.deps[target] {
            NEW => self.enter(target),
            ON_PATH => {
                self.graph.links[link].remove();
                self.walk.cycles_broken += 1;
            }
            deps => self.count(deps),
        }
    }

    fn leave(&mut self) {
        if let Some(Step { node, deps, .. }) = self.path.pop() {
            self.walk.deps[node] = deps;
            self.walk.order.extend(u32::try_from(node));
            self.count(deps);
        }
    }

    fn count(&mut self, deps: u64) {
        if let Some(step) = self.path.last_mut() {
            step.deps = MAX_DEPS.min(step.deps + deps);
        }
    }
}
