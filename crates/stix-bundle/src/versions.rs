//! Of several versions of one object, the one that is sent.

use std::collections::HashMap;

use foldhash::quality::RandomState;

use crate::forms::Timestamp;
use crate::value::Value;

/// A version that says when it was modified.
#[derive(Clone, Copy, Debug)]
struct Version<'a> {
    modified: Timestamp<'a>,
    object: u32,
}

/// Of the ids that several objects have, the latest version so far, of those that say when they were
/// modified.
#[derive(Debug, Default)]
pub(crate) struct Versions<'a> {
    latest: HashMap<u32, Option<Version<'a>>, RandomState>,
    /// Whether an earlier object is preferred to a later one.
    has_later_outdated: bool,
}

impl<'a> Versions<'a> {
    /// Which of the objects of an id is sent, now that there is another one: the one with the latest
    /// `modified`. Where that is equal, or the new one has none that can be read, the new one.
    ///
    /// `first` tells the `modified` of the first of them, whose number is `earlier`; it is asked only
    /// where there was one before.
    pub(crate) fn choose(
        &mut self,
        id: u32,
        earlier: u32,
        first: impl FnOnce() -> Option<Value<'a>>,
        (object, modified): (u32, Option<Value<'a>>),
    ) -> u32 {
        let latest = self.latest.entry(id).or_insert_with(|| {
            let modified = timestamp(first()?)?;
            Some(Version {
                modified,
                object: earlier,
            })
        });
        let Some(modified) = modified.and_then(timestamp) else {
            return object;
        };
        match latest {
            Some(latest) if modified < latest.modified => {
                self.has_later_outdated = true;
                latest.object
            }
            _ => {
                *latest = Some(Version { modified, object });
                object
            }
        }
    }

    /// Whether an earlier object was ever chosen.
    pub(crate) fn has_later_outdated(&self) -> bool {
        self.has_later_outdated
    }
}

/// A timestamp; one that is written with escapes is none.
fn timestamp(value: Value<'_>) -> Option<Timestamp<'_>> {
    let inner = value.text().strip_prefix('"')?.strip_suffix('"')?;
    Timestamp::parse(inner)
}
