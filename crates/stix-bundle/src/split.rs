//! A bundle in parts of one object each, in the order in which the platform can take them.

use std::sync::Arc;

use crate::counts::Counts;
use crate::edit::{Edits, write_number};
use crate::fields::Defect;
use crate::graph::Graph;
use crate::not_sent::NotSent;
use crate::object::{Facts, open, read};
use crate::objects::Objects;
use crate::refusal::{Refusal, Refused};
use crate::room::push;
use crate::validate::{check, note};
use crate::value::Members;
use crate::walk::{Walk, walk};
use crate::{Bundle, Findings, Profile};

/// A bundle in parts, each a bundle of one object; an object comes after those it refers to.
///
/// Objects keep their bytes. What changes is what the platform's own splitter changes: references
/// that cannot stay are taken out, lists lose their repetitions, and `nb_deps` is added.
#[derive(Debug)]
pub struct Split<'a> {
    objects: Arc<Objects<'a>>,
    graph: Graph<'a>,
    /// The objects that parts hold, by the parts' numbers.
    order: Vec<u32>,
    /// Of each object.
    deps: Counts,
    edits: Edits,
    /// In the order of the bundle.
    not_sent: Vec<Refused>,
    cycles_broken: usize,
    references_removed: usize,
}

/// What one part holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'s> {
    /// The object's position in the bundle's `objects`, from 0.
    pub object: usize,
    /// The object's id.
    pub id: &'s str,
    /// The object's type.
    pub object_type: &'s str,
    /// One, and the `nb_deps` of all objects of the bundle that this one refers to, an object
    /// counted as often as it is referred to; at most 2^53. The platform takes parts in ascending
    /// order of it.
    pub nb_deps: u64,
}

impl<'a> Bundle<'a> {
    /// Splits the bundle.
    ///
    /// Every object becomes a part or is listed in [`Split::not_sent`].
    ///
    /// ```
    /// use stix_bundle::{Bundle, Limits, Profile, Text};
    ///
    /// let limits = Limits::default();
    /// let text = br#"{"id": "bundle--1", "objects": [
    ///     {"type": "malware", "id": "malware--1", "created_by_ref": "identity--1"},
    ///     {"type": "identity", "id": "identity--1"}
    /// ]}"#;
    /// let bundle = Bundle::parse(&Text::check(text, &limits)?, &limits)?;
    /// let split = bundle.split(&Profile::opencti());
    /// assert_eq!((split.part(0).id, split.part(0).nb_deps), ("identity--1", 1));
    /// assert_eq!((split.part(1).id, split.part(1).nb_deps), ("malware--1", 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn split(&self, profile: &Profile) -> Split<'a> {
        self.split_reading(profile, |_, _| {})
    }

    /// Splits and [validates](Self::validate) the bundle, reading each object but once.
    ///
    /// ```
    /// use stix_bundle::{Bundle, Limits, Profile, Text};
    ///
    /// let limits = Limits::default();
    /// let text = Text::check(br#"{"objects": [{"type": "mutex", "id": "mutex--1"}]}"#, &limits)?;
    /// let bundle = Bundle::parse(&text, &limits)?;
    /// let (split, findings) = bundle.split_and_validate(&Profile::opencti());
    /// assert_eq!((split.part_count(), findings.warnings()), (1, 4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn split_and_validate(&self, profile: &Profile) -> (Split<'a>, Findings) {
        let mut findings = self.findings_of_itself();
        let split = self.split_reading(profile, |index, object| match object {
            Ok((object, facts)) => check(index, object, facts, profile, &mut findings),
            Err(defect) => note(index, defect, &mut findings),
        });
        (split, findings)
    }

    fn split_reading(&self, profile: &Profile, look: impl FnMut(usize, Look<'_, 'a>)) -> Split<'a> {
        let mut not_sent = Vec::new();
        let mut graph = self.graph(profile, &mut not_sent, look);
        let Walk {
            mut order,
            mut deps,
            cycles_broken,
            unsupported,
        } = walk(&mut graph);
        let mut edits = Edits::default();
        for position in 0..graph.len() {
            let Some(node) = graph.sound(position) else {
                continue;
            };
            let refusal = graph.refusal(node).or_else(|| {
                let edited = self.edit(&graph, node, profile, &mut edits);
                edited.err().map(Refusal::from)
            });
            if let Some(refusal) = refusal {
                push(&mut not_sent, Refused { position, refusal });
                deps.set(node, Counts::NONE);
            }
        }
        graph.finish();
        edits.shrink();
        order.retain(|node| deps.get(*node) != Counts::NONE);
        order.sort_by_key(|node| deps.get(*node));
        not_sent.sort_by_key(|object| object.position);
        Split {
            objects: Arc::clone(self.objects()),
            graph,
            order,
            deps,
            edits,
            not_sent,
            cycles_broken,
            references_removed: cycles_broken + unsupported,
        }
    }

    /// An object that nothing changes in is not read a second time.
    fn edit(
        &self,
        graph: &Graph<'_>,
        node: u32,
        profile: &Profile,
        edits: &mut Edits,
    ) -> Result<(), Defect> {
        if !graph.is_changed(node) {
            return Ok(());
        }
        let raw = self.objects().get(node as usize);
        edits.add(node, raw, graph.links_of(node), profile)
    }

    /// The sound objects; the others are added to `not_sent`. `look` sees them all.
    fn graph(
        &self,
        profile: &Profile,
        not_sent: &mut Vec<Refused>,
        mut look: impl FnMut(usize, Look<'_, 'a>),
    ) -> Graph<'a> {
        let objects = self.objects();
        let mut graph = Graph::with_capacity(objects.len(), objects.text(), self.max_all_refs());
        for (position, raw) in objects.iter().enumerate() {
            let read = open(raw).and_then(|object| {
                let facts = read(&object, profile, self.max_refs())?;
                Ok((object, facts))
            });
            let added = match read {
                Ok((object, facts)) => {
                    let added = graph.add(&facts, profile);
                    added.map(|()| look(position, Ok((&object, &facts))))
                }
                Err(defect) => {
                    graph.add_unsound();
                    Err(defect)
                }
            };
            if let Err(defect) = added {
                look(position, Err(&defect));
                let refusal = defect.into();
                push(not_sent, Refused { position, refusal });
            }
        }
        graph.complete();
        graph
    }
}

/// What is seen of an object while the bundle is read.
type Look<'o, 'a> = Result<(&'o Members<'a>, &'o Facts<'a>), &'o Defect>;

impl Split<'_> {
    /// How many parts there are.
    pub fn part_count(&self) -> usize {
        self.order.len()
    }

    /// What the part of this number holds.
    ///
    /// # Panics
    /// If `index` is not below [`part_count`](Self::part_count).
    pub fn part(&self, index: usize) -> Part<'_> {
        let node = self.order[index];
        Part {
            object: node as usize,
            id: self.graph.id(node),
            object_type: self.graph.object_type(node),
            nb_deps: self.deps.get(node),
        }
    }

    /// Appends the part of this number to `out`: the bundle that a queue message carries, under
    /// the id `bundle_id`.
    ///
    /// ```
    /// use stix_bundle::{Bundle, Limits, Profile, Text};
    ///
    /// let limits = Limits::default();
    /// let text = br#"{"objects": [{"type": "mutex", "id": "mutex--1", "n": 1.50}]}"#;
    /// let split = Bundle::parse(&Text::check(text, &limits)?, &limits)?.split(&Profile::opencti());
    /// let mut out = Vec::new();
    /// split.write_part(0, "bundle--1", &mut out);
    /// let expect = concat!(
    ///     r#"{"type":"bundle","id":"bundle--1","spec_version":"2.1","x_opencti_seq":1,"#,
    ///     r#""objects":[{"type": "mutex", "id": "mutex--1", "n": 1.50,"nb_deps":1}]}"#,
    /// );
    /// assert_eq!(String::from_utf8(out)?, expect);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// If `index` is not below [`part_count`](Self::part_count).
    pub fn write_part(&self, index: usize, bundle_id: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"type":"bundle","id":"#);
        write_string(bundle_id, out);
        out.extend_from_slice(br#","spec_version":"2.1","x_opencti_seq":"#);
        write_number(self.deps.get(self.order[index]), out);
        out.extend_from_slice(br#","objects":["#);
        self.write_object(index, out);
        out.extend_from_slice(b"]}");
    }

    /// Appends the object of this part alone, with its `nb_deps`: for bundles of several objects.
    ///
    /// # Panics
    /// If `index` is not below [`part_count`](Self::part_count).
    pub fn write_object(&self, index: usize, out: &mut Vec<u8>) {
        let node = self.order[index];
        let object = self.objects.get(node as usize);
        self.edits.write(node, object, self.deps.get(node), out);
    }

    /// The objects that no part holds, in the order of the bundle.
    pub fn not_sent(&self) -> impl ExactSizeIterator<Item = NotSent> {
        let refused = self.not_sent.iter();
        refused.map(|object| object.describe(&self.graph, &self.objects))
    }

    /// How many references were taken out because they closed a cycle, an object's reference to
    /// itself included. An end of a relationship or sighting stays where the cycle has another one.
    pub fn cycles_broken(&self) -> usize {
        self.cycles_broken
    }

    /// How many references were taken out: those that closed a cycle, and those of a type that the
    /// platform does not take. Repetitions in a list are not counted; nothing is lost with them.
    pub fn references_removed(&self) -> usize {
        self.references_removed
    }
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    let written = serde_json::to_writer(out, text);
    debug_assert!(written.is_ok(), "memory takes every write");
}
