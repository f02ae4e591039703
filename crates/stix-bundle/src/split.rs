//! A bundle in parts of one object each, in the order in which the platform can take them.

use std::sync::Arc;

use crate::counts::Counts;
use crate::edit::{Edits, Removed, TOLD_KEYS, write_number};
use crate::fields::Defect;
use crate::graph::Graph;
use crate::not_sent::NotSent;
use crate::object::Facts;
use crate::objects::Objects;
use crate::refusal::{Refusal, Refused};
use crate::room::push;
use crate::validate::{check, is_of_another_type, note};
use crate::value::Members;
use crate::versions::Versions;
use crate::walk::{Walk, walk};
use crate::{Bundle, Findings, Profile};

/// A bundle in parts, each a bundle of one object; an object comes after those it refers to.
///
/// Objects keep their bytes. What changes is what the platform's own splitter changes: references
/// that cannot stay are taken out, lists lose their repetitions, and `nb_deps` is added. Of several
/// objects of one id, that with the latest `modified` is sent; where that is equal, missing or no
/// timestamp, the last one.
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
    losses: Losses,
    ids_of_other_types: usize,
    stands_for_bundle: bool,
}

/// References that were taken out of objects that are sent.
#[derive(Debug, Default)]
struct Losses {
    all: usize,
    /// Objects that lost some of the [`TOLD_KEYS`], the first ones.
    told: Vec<(u32, Removed)>,
    told_count: usize,
}

/// Objects that lost references, of which it is kept which they are.
const MAX_TOLD: usize = 1_000;

impl Losses {
    fn add(&mut self, node: u32, removed: Removed) {
        self.all += removed.all;
        if removed.told.iter().any(|count| *count > 0) {
            self.told_count += 1;
            if self.told.len() < MAX_TOLD {
                self.told.push((node, removed));
            }
        }
    }
}

/// An object that is sent without some of the references that say who may see it, or what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stripped<'s> {
    /// The object's position among the bundle's objects, from 0.
    pub object: usize,
    /// The object's id.
    pub id: &'s str,
    /// The key that they stood under: `object_marking_refs` or `object_refs`.
    pub key: &'static str,
    /// How many were taken out.
    pub count: usize,
}

/// What one part holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'s> {
    /// The object's position among the bundle's objects, from 0; [`Split::path`] says where that is.
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
        let objects = self.objects();
        let split = self.split_reading(profile, |index, object| match object {
            Ok((object, facts)) => {
                check((objects, index), object, facts, profile, &mut findings);
            }
            Err(defect) => note((objects, index), defect, &mut findings),
        });
        (split, findings)
    }

    fn split_reading(&self, profile: &Profile, look: impl FnMut(usize, Look<'_, 'a>)) -> Split<'a> {
        let mut not_sent = Vec::new();
        let mut look = look;
        let mut ids_of_other_types = 0;
        let (mut graph, versions) = self.graph(profile, &mut not_sent, |position, seen| {
            let differs = seen.is_ok_and(|(_, facts)| is_of_another_type(facts, profile));
            ids_of_other_types += usize::from(differs);
            look(position, seen);
        });
        let Walk {
            mut order,
            mut deps,
            cycles_broken,
        } = walk(&mut graph);
        let mut edits = Edits::default();
        let mut losses = Losses::default();
        for position in 0..graph.len() {
            let Some(node) = graph.sound(position) else {
                continue;
            };
            let refusal = graph.refusal(node).or_else(|| {
                let removed = self.edit(&graph, node, profile, &mut edits);
                let removed = removed.map(|removed| losses.add(node, removed));
                removed.err().map(Refusal::from)
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
            losses,
            ids_of_other_types,
            stands_for_bundle: !self.has_non_finite()
                && !self.objects().are_nested()
                && !versions.has_later_outdated(),
        }
    }

    /// An object that nothing changes in is not read a second time.
    fn edit(
        &self,
        graph: &Graph<'_>,
        node: u32,
        profile: &Profile,
        edits: &mut Edits,
    ) -> Result<Removed, Defect> {
        if !graph.is_changed(node) {
            return Ok(Removed::default());
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
    ) -> (Graph<'a>, Versions<'a>) {
        let objects = self.objects();
        let mut graph = Graph::with_capacity(objects.len(), objects.text(), self.max_all_refs());
        let mut versions = Versions::default();
        for (position, raw) in objects.iter().enumerate() {
            let refusal = match self.read(position, raw, profile) {
                Ok((object, facts)) => match graph.add(&facts, profile) {
                    Ok(earlier) => {
                        if let Some(earlier) = earlier {
                            self.choose(&mut graph, &mut versions, earlier, &object);
                        }
                        look(position, Ok((&object, &facts)));
                        continue;
                    }
                    Err(defect) => self.refusal(position, raw, defect, profile),
                },
                Err(refusal) => {
                    graph.add_unsound();
                    refusal
                }
            };
            if let Refusal::Defect(defect) = &refusal {
                look(position, Err(defect));
            }
            push(not_sent, Refused { position, refusal });
        }
        graph.complete();
        (graph, versions)
    }

    /// Of the object that was added last, and the `earlier` one that has the same id, lets the newer
    /// one be sent.
    #[cold]
    fn choose(
        &self,
        graph: &mut Graph<'a>,
        versions: &mut Versions<'a>,
        earlier: u32,
        object: &Members<'a>,
    ) {
        let Ok(last) = u32::try_from(graph.len() - 1) else {
            return;
        };
        let first = || {
            let [modified] = self.objects().get(earlier as usize).find(["modified"]);
            modified
        };
        let new = (last, object.get("modified"));
        let chosen = versions.choose(graph.id_number(last), earlier, first, new);
        graph.prefer(chosen);
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

    /// How many references were taken out of the objects that are sent: those that closed a cycle, and
    /// those of a type that the platform does not take. Repetitions in a list are not counted; nothing
    /// is lost with them.
    pub fn references_removed(&self) -> usize {
        self.losses.all
    }

    /// The objects that lost references under `object_marking_refs` or `object_refs`: the first thousand,
    /// in the order of the bundle.
    ///
    /// ```
    /// use stix_bundle::{Bundle, Limits, Profile, Text};
    ///
    /// let limits = Limits::default();
    /// let text = br#"{"objects": [
    ///     {"type": "report", "id": "report--1", "object_refs": ["x-foo--1", "tool--1"], "a_ref": "x-foo--1"}
    /// ]}"#;
    /// let split = Bundle::parse(&Text::check(text, &limits)?, &limits)?.split(&Profile::opencti());
    /// assert_eq!((split.references_removed(), split.stripped_count()), (2, 1));
    /// let stripped: Vec<_> = split.stripped().collect();
    /// assert_eq!((stripped[0].id, stripped[0].key, stripped[0].count), ("report--1", "object_refs", 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stripped(&self) -> impl Iterator<Item = Stripped<'_>> {
        let told = self.losses.told.iter();
        told.flat_map(|(node, removed)| {
            let keys = TOLD_KEYS.into_iter().zip(removed.told);
            keys.filter(|(_, count)| *count > 0)
                .map(|(key, count)| Stripped {
                    object: *node as usize,
                    id: self.graph.id(*node),
                    key,
                    count,
                })
        })
    }

    /// How many objects lost references so.
    pub fn stripped_count(&self) -> usize {
        self.losses.told_count
    }

    /// How many objects that the platform takes have an id of another type than they say they are of. The
    /// platform's workers go by the type. No disagreement are the platform's own kinds, such as an
    /// organization with an id of an identity.
    ///
    /// ```
    /// use stix_bundle::{Bundle, Limits, Profile, Text};
    ///
    /// let limits = Limits::default();
    /// let text = br#"{"objects": [
    ///     {"type": "tool", "id": "malware--1"},
    ///     {"type": "organization", "id": "identity--1"}
    /// ]}"#;
    /// let split = Bundle::parse(&Text::check(text, &limits)?, &limits)?.split(&Profile::opencti());
    /// assert_eq!((split.part_count(), split.ids_of_other_types()), (2, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ids_of_other_types(&self) -> usize {
        self.ids_of_other_types
    }

    /// Where the object of this position stands, such as `$.objects[3]`, or `$.objects[3].objects[0]` in
    /// a bundle that is the fourth element of the outermost one's `objects`.
    pub fn path(&self, object: usize) -> String {
        format!("$.{}", self.objects.path(object))
    }

    /// Whether the bundle's own text may be handed over in place of the parts, to who splits it by the
    /// platform's own rules: it is JSON, no bundles stand among its objects, and of each id the last
    /// object is the one that is sent.
    pub fn stands_for_bundle(&self) -> bool {
        self.stands_for_bundle
    }
}

#[expect(clippy::disallowed_methods, reason = "it goes into a message")]
fn write_string(text: &str, out: &mut Vec<u8>) {
    let written = serde_json::to_writer(out, text);
    debug_assert!(written.is_ok(), "memory takes every write");
}
