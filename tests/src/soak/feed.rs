//! Which files come, and what is in them.

use serde_json::{Value, json};

use super::options::Sources;
use super::random::Random;
use crate::envelope::{HARBOUR, Source, WEATHER, envelope};

/// The source connectors that files come from.
pub(super) const SOURCES: [Source; 4] = [
    WEATHER,
    HARBOUR,
    Source {
        id: "3c9e6f10-58a7-4d2b-b6f4-91e0d7a8c523",
        name: "Orchard Feed",
    },
    Source {
        id: "c41d8b7a-0e95-4f63-a2c8-6b17f3e9d084",
        name: "Quarry Feed",
    },
];

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// An envelope, all good.
    Good,
    /// An envelope with one object that cannot be sent, behind the good ones.
    Partial,
    /// An envelope that was cut off in the middle.
    CutOff,
    /// An envelope without an object that could be sent.
    Unsendable,
    /// Somebody else's file.
    Foreign,
}

/// How a file comes to be in the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Written under another name, then renamed.
    Rename,
    /// Written under its name, piece by piece.
    Append,
    /// Made of zeros at full length, then filled from the beginning.
    InPlace,
    /// An earlier file has the name, a good one with this number, and is renamed over.
    Replace(u32),
}

/// Where a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Directory,
    Bucket,
}

/// A file to come.
#[derive(Clone, Debug)]
pub(super) struct Sheet {
    pub(super) number: u32,
    pub(super) source: Source,
    pub(super) content: Content,
    pub(super) place: Place,
    pub(super) way: Way,
    /// How many objects it has that can be sent.
    pub(super) objects: u32,
}

impl Sheet {
    pub(super) fn name(&self) -> String {
        format!("feed-{:06}.json", self.number)
    }

    pub(super) fn text(&self) -> String {
        let mut objects: Vec<Value> = (0..self.objects)
            .map(|object| malware(self.number, object))
            .collect();
        if self.content == Content::Partial {
            objects.push(json!({ "type": "malware", "name": "without an id" }));
        }
        let whole = || envelope(self.source, self.number, &objects).to_string();
        match self.content {
            Content::Good | Content::Partial => whole(),
            Content::Unsendable => {
                let unsendable = json!({ "type": "x-soak", "id": "x-soak--1" });
                envelope(self.source, self.number, &[unsendable]).to_string()
            }
            Content::CutOff => {
                let mut text = whole();
                text.truncate(text.len() * 2 / 3);
                text
            }
            Content::Foreign => json!({ "inventory": self.number }).to_string(),
        }
    }

    /// The good file whose place a replaced one takes.
    pub(super) fn earlier(&self) -> Option<Self> {
        let Way::Replace(number) = self.way else {
            return None;
        };
        Some(Self {
            number,
            content: Content::Good,
            way: Way::Rename,
            ..self.clone()
        })
    }
}

fn malware(file: u32, object: u32) -> Value {
    json!({
        "type": "malware",
        "spec_version": "2.1",
        "id": format!("malware--{file:08}-0000-4000-8000-{object:012}"),
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "name": format!("Sample {object} of file {file}"),
        "is_family": false,
    })
}

/// The file and the place in it that an object's id tells.
pub(super) fn origin_of(id: &str) -> Option<(u32, usize)> {
    let (file, rest) = id.strip_prefix("malware--")?.split_once('-')?;
    let (_, object) = rest.rsplit_once('-')?;
    Some((file.parse().ok()?, object.parse().ok()?))
}

/// The files to come.
#[derive(Debug)]
pub(super) struct Feed {
    random: Random,
    sources: Sources,
    next: u32,
}

impl Feed {
    pub(super) fn new(random: Random, sources: Sources) -> Self {
        Self {
            random,
            sources,
            next: 1,
        }
    }

    pub(super) fn next(&mut self) -> Sheet {
        let contents = [
            (84, Content::Good),
            (4, Content::Partial),
            (4, Content::CutOff),
            (4, Content::Unsendable),
            (4, Content::Foreign),
        ];
        let content = self.random.weighted(&contents).unwrap_or(Content::Good);
        let source = SOURCES[self.random.number(0..SOURCES.len() as u32) as usize];
        let objects = self.objects(content);
        let place = self.place();
        let way = self.way(content, place);
        Sheet {
            number: self.number(),
            source,
            content,
            place,
            way,
            objects,
        }
    }

    fn place(&mut self) -> Place {
        let directory = u32::from(self.sources.has_directory());
        let bucket = u32::from(self.sources.has_bucket());
        let places = [(directory, Place::Directory), (bucket, Place::Bucket)];
        self.random.weighted(&places).unwrap_or(Place::Directory)
    }

    fn objects(&mut self, content: Content) -> u32 {
        match content {
            Content::Unsendable | Content::Foreign => 0,
            _ => {
                let sizes = [(70, 1..8), (25, 8..120), (5, 120..1_200)];
                let weights = [(sizes[0].0, 0), (sizes[1].0, 1), (sizes[2].0, 2)];
                let size: usize = self.random.weighted(&weights).unwrap_or(0);
                self.random.number(sizes[size].1.clone())
            }
        }
    }

    /// Only what is good in the end can be looked at too early without being wrong for ever.
    ///
    /// An object is put at once, under a key of its own: most stores delete without conditions, so
    /// that one which takes another's key in the moment of its deletion may be lost with it.
    fn way(&mut self, content: Content, place: Place) -> Way {
        if place == Place::Bucket {
            return Way::Rename;
        }
        let slow = u32::from(matches!(content, Content::Good | Content::Partial));
        let replace = u32::from(content == Content::Good);
        let ways = [(7, 0), (slow, 1), (slow, 2), (replace, 3)];
        match self.random.weighted(&ways) {
            Some(1) => Way::Append,
            Some(2) => Way::InPlace,
            Some(3) => Way::Replace(self.number()),
            _ => Way::Rename,
        }
    }

    fn number(&mut self) -> u32 {
        let number = self.next;
        self.next += 1;
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_files() {
        let texts = |seed| -> Vec<String> {
            let mut feed = Feed::new(Random::new(seed, 1), Sources::Both);
            (0..20).map(|_| feed.next().text()).collect()
        };
        assert_eq!(texts(1), texts(1));
        assert_ne!(texts(1), texts(2));
    }

    #[test]
    fn an_id_tells_where_it_is_from() {
        let id = malware(12, 345)["id"].as_str().unwrap().to_owned();
        assert_eq!(origin_of(&id), Some((12, 345)));
        assert_eq!(origin_of("malware--x"), None);
    }

    #[test]
    fn every_kind_of_file_comes_in_every_way() {
        let mut feed = Feed::new(Random::new(1, 1), Sources::Both);
        let sheets: Vec<Sheet> = (0..500).map(|_| feed.next()).collect();
        for content in [
            Content::Good,
            Content::Partial,
            Content::CutOff,
            Content::Unsendable,
            Content::Foreign,
        ] {
            assert!(sheets.iter().any(|sheet| sheet.content == content));
        }
        for way in [Way::Rename, Way::Append, Way::InPlace] {
            assert!(sheets.iter().any(|sheet| sheet.way == way));
        }
        for place in [Place::Directory, Place::Bucket] {
            assert!(sheets.iter().any(|sheet| sheet.place == place));
        }
        let replacing = sheets.iter().find_map(Sheet::earlier).unwrap();
        assert_eq!(replacing.content, Content::Good);
    }
}
