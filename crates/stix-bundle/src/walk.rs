//! The order in which a bundle's objects are sent.

use std::ops::Range;

use crate::graph::{Graph, Link};

/// Where counts of dependencies stop growing: the last integer up to which a JSON number is safe
/// in any reader (RFC 8259, section 6). A small bundle can make them grow exponentially.
pub(crate) const MAX_DEPS: u64 = 1 << 53;

/// Every object after those it refers to.
#[derive(Debug)]
pub(crate) struct Walk {
    /// The objects, and with each its count: one, and the counts of all that it refers to.
    pub(crate) order: Vec<(usize, u64)>,
    /// References that led back to an object on the way to where they stand.
    pub(crate) cycles_broken: usize,
    /// References of a type that the platform does not take.
    pub(crate) unsupported: usize,
}

/// Follows all references, depth first, from each object in the order of the bundle; marks those
/// that cannot stay.
pub(crate) fn walk(graph: &mut Graph<'_>) -> Walk {
    let count = graph.nodes.len();
    let walk = Walk {
        order: Vec::with_capacity(count),
        cycles_broken: 0,
        unsupported: 0,
    };
    let mut walker = Walker {
        graph,
        states: vec![State::New; count],
        path: Vec::new(),
        walk,
    };
    for node in 0..count {
        let root = walker.graph.winner(node);
        if walker.states[root] == State::New {
            walker.visit(root);
        }
    }
    walker.walk
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    OnPath,
    Done { deps: u64 },
}

/// An object whose references are being followed.
struct Step {
    node: usize,
    links: Range<usize>,
    deps: u64,
}

struct Walker<'g, 'a> {
    graph: &'g mut Graph<'a>,
    states: Vec<State>,
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
        self.states[node] = State::OnPath;
        self.path.push(Step {
            node,
            links: self.graph.link_numbers(node),
            deps: 1,
        });
    }

    fn follow(&mut self, link: usize) {
        let Link { name, kept, .. } = self.graph.links[link];
        if !self.graph.names.is_supported(name) {
            self.graph.links[link].kept = false;
            self.walk.unsupported += 1;
        } else if !kept {
            self.walk.cycles_broken += 1;
        } else if let Some(target) = self.graph.target(link) {
            self.follow_to(target, link);
        }
    }

    fn follow_to(&mut self, target: usize, link: usize) {
        match self.states[target] {
            State::New => self.enter(target),
            State::Done { deps } => self.count(deps),
            State::OnPath => {
                self.graph.links[link].kept = false;
                self.walk.cycles_broken += 1;
            }
        }
    }

    fn leave(&mut self) {
        if let Some(Step { node, deps, .. }) = self.path.pop() {
            self.states[node] = State::Done { deps };
            self.walk.order.push((node, deps));
            self.count(deps);
        }
    }

    fn count(&mut self, deps: u64) {
        if let Some(step) = self.path.last_mut() {
            step.deps = MAX_DEPS.min(step.deps + deps);
        }
    }
}
