//! The three places where values come from, laid over each other: defaults, config.yml, environment.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::forms::is_given;
use super::place::Place;
use super::problem::Problem;
use super::setting::{Empty, Fallback, Setting, Stage};
use super::table::ALL;
use super::unknown::{unknown_key, unknown_section};

/// What was read, and what was noticed on the way.
pub(super) struct Layers {
    /// The values, each with where it came from.
    pub(super) figment: Figment,
    /// Every place that values came from.
    pub(super) places: Vec<Place>,
    /// What keeps the program from starting.
    pub(super) problems: Vec<Problem>,
    /// What looks like a mistake.
    pub(super) warnings: Vec<String>,
    /// The variables of settings that may be given where nothing could be read.
    pub(super) withheld: BTreeSet<&'static str>,
}

impl Layers {
    /// The defaults alone.
    pub(super) fn new() -> Self {
        let mut layer = Layer::of(Place::Defaults);
        for setting in ALL {
            if let Fallback::Value(text) = setting.fallback {
                layer.set(setting, Value::from(text));
            }
        }
        Self {
            places: vec![layer.place.clone()],
            figment: Figment::from(layer),
            problems: Vec::new(),
            warnings: Vec::new(),
            withheld: BTreeSet::new(),
        }
    }

    /// Lays the content of a config.yml over what there is.
    pub(super) fn add_config_file(&mut self, path: &Path, content: &str) {
        let place = Place::Config(path.to_string_lossy().into_owned());
        let file = place.to_string();
        let options = serde_saphyr::options! {
            // An excerpt of the file could show a secret.
            with_snippet: false,
            // An id such as 0123 is not the number 123.
            leading_zero_numbers_as_strings: true,
        };
        let sections = match serde_saphyr::from_str_with_options::<Value>(content, options) {
            Ok(Value::Dict(_, sections)) => sections,
            Ok(Value::Empty(..)) => return,
            Ok(_) => {
                self.withhold(|_| true);
                let what = "is not a mapping of sections";
                return self
                    .problems
                    .push(Problem::about(file, what, "write sections with keys"));
            }
            Err(error) => {
                self.withhold(|_| true);
                return self.problems.push(not_yaml(file, &error));
            }
        };
        let mut layer = Layer::of(place);
        for (section, keys) in sections {
            self.add_section(&mut layer, &section, keys);
        }
        self.merge(layer);
    }

    fn add_section(&mut self, layer: &mut Layer, section: &str, keys: Value) {
        if !ALL
            .iter()
            .any(|setting| setting.key.is_some() && setting.path().0 == section)
        {
            return self
                .warnings
                .push(unknown_section(section, &layer.place.to_string()));
        }
        let keys = match keys {
            Value::Dict(_, keys) => keys,
            Value::Empty(..) => return,
            _ => {
                self.withhold(|given| given == section);
                let subject = format!("section {section} in {}", layer.place);
                let problem = Problem::about(subject, "is not a mapping", "write keys with values");
                return self.problems.push(problem);
            }
        };
        for (key, value) in keys {
            let known = ALL
                .iter()
                .find(|setting| setting.path() == (section, key.as_str()));
            if let Some(setting) = known {
                layer.set(setting, value);
            } else {
                let file = layer.place.to_string();
                self.warnings.push(unknown_key(section, &key, &file));
            }
        }
    }

    /// Notes that nobody knows whether the settings of some sections of config.yml are given.
    fn withhold(&mut self, is_section: impl Fn(&str) -> bool) {
        let of_file = ALL.iter().filter(|setting| setting.key.is_some());
        let of_section = of_file.filter(|setting| is_section(setting.path().0));
        self.withheld.extend(of_section.map(|setting| setting.env));
    }

    /// Lays the environment over what there is. `read` reads the files that `_FILE` variables name.
    pub(super) fn add_environment(
        &mut self,
        environment: &BTreeMap<String, String>,
        read: &dyn Fn(&Path) -> io::Result<String>,
    ) {
        let given = |name: &str| environment.get(name).filter(|text| !text.trim().is_empty());
        for setting in ALL {
            let given = |name: &str| match setting.empty {
                Empty::Value if name == setting.env => environment.get(name),
                _ => given(name),
            };
            let named = |name| Some((name, given(name)?));
            let other = setting.old_env.and_then(named);
            let value = named(setting.env).or(other);
            if let (Some((_, value)), Some((name, other))) = (value, other)
                && value.trim() != other.trim()
            {
                let what = format!("and {name} are both given, with different values");
                self.problems
                    .push(Problem::about(setting.env, what, "keep one of them"));
            }
            if let Some((name, text)) = value {
                let place = if name == setting.env {
                    Place::Environment
                } else {
                    Place::OtherVariable(name)
                };
                self.merge_one(setting, place, text);
            }
            if setting.stage != Stage::Delegated {
                self.add_file_of(setting, value.is_some(), &given, read);
            }
        }
    }

    /// Lays the content of the file over what there is that a setting's `_FILE` variable names.
    fn add_file_of<'a>(
        &mut self,
        setting: &Setting,
        is_given: bool,
        given: &dyn Fn(&str) -> Option<&'a String>,
        read: &dyn Fn(&Path) -> io::Result<String>,
    ) {
        let variable = format!("{}_FILE", setting.env);
        let Some(path) = given(&variable) else { return };
        self.withheld.insert(setting.env);
        if is_given {
            return self.problems.push(given_twice(setting, &variable));
        }
        match read(Path::new(path)) {
            Ok(text) if text.trim().is_empty() && setting.empty == Empty::NotGiven => {
                let what = format!("names {path:?}, which is empty");
                let instead = "write the value into it";
                self.problems.push(Problem::about(variable, what, instead));
            }
            Ok(text) => {
                self.withheld.remove(setting.env);
                self.merge_one(setting, Place::File(variable), text.trim());
            }
            Err(error) => self
                .problems
                .push(unreadable(setting, &variable, path, &error)),
        }
    }

    fn merge_one(&mut self, setting: &Setting, place: Place, text: &str) {
        let mut layer = Layer::of(place);
        layer.set(setting, Value::from(text));
        self.merge(layer);
    }

    fn merge(&mut self, layer: Layer) {
        self.places.push(layer.place.clone());
        self.figment = std::mem::take(&mut self.figment).merge(layer);
    }
}

fn not_yaml(file: String, error: &serde_saphyr::Error) -> Problem {
    // The error's own text may quote the file, and with it a secret.
    let place = error.location().map_or_else(String::new, |location| {
        format!(" (line {}, column {})", location.line(), location.column())
    });
    let reason = reason(error).map_or_else(String::new, |reason| format!(": {reason}"));
    let what = format!("is not valid YAML{place}{reason}");
    Problem::about(file, what, "correct it there")
}

/// Why something is no YAML, where that can be said without quoting more of it than one character.
fn reason(error: &serde_saphyr::Error) -> Option<String> {
    use serde_saphyr::Error;
    use serde_saphyr::localizer::ExternalMessageSource;

    match error {
        Error::WithSnippet { error, .. } => reason(error),
        Error::DuplicateMappingKey { .. } => Some("a key is there twice".to_owned()),
        Error::UnknownAnchor { .. } => Some("an alias has no anchor".to_owned()),
        Error::MultipleDocuments { .. } => Some("there are several documents".to_owned()),
        Error::ExternalMessage { source, msg, .. } => match **source {
            ExternalMessageSource::Parser(_) => msg.lines().next().map(str::to_owned),
            _ => None,
        },
        _ => None,
    }
}

fn given_twice(setting: &Setting, variable: &str) -> Problem {
    let what = format!("and {variable} are both given");
    Problem::about(setting.env, what, "keep one of them")
}

fn unreadable(setting: &Setting, variable: &str, path: &str, error: &io::Error) -> Problem {
    let what = if setting.may_be_shown() || looks_like_a_path(path) {
        format!("names {path:?}, which cannot be read ({error})")
    } else {
        // It may be the secret itself.
        format!("does not name a file that can be read ({error})")
    };
    Problem::about(variable, what, "name a file that this process can read")
}

/// Whether a text was surely meant as a path. A slash alone does not tell: keys have them, too.
fn looks_like_a_path(text: &str) -> bool {
    ["/", "./", "../"]
        .iter()
        .any(|start| text.starts_with(start))
}

/// Values from one place, as figment takes them.
struct Layer {
    place: Place,
    sections: BTreeMap<&'static str, Dict>,
}

impl Layer {
    fn of(place: Place) -> Self {
        Self {
            place,
            sections: BTreeMap::new(),
        }
    }

    /// Keeps a value, unless it counts as not given.
    fn set(&mut self, setting: &Setting, value: Value) {
        let value = match (is_given(&value), setting.empty) {
            (true, _) => Some(value),
            (false, Empty::Value) => Some(Value::from("")),
            (false, Empty::NotGiven) => None,
        };
        if let Some(value) = value {
            let (section, key) = setting.path();
            self.sections
                .entry(section)
                .or_default()
                .insert(key.to_owned(), value);
        }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.place.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let sections = self.sections.iter();
        let dict = sections
            .map(|(name, keys)| ((*name).to_owned(), keys.clone().into()))
            .collect();
        Ok(Profile::Default.collect(dict))
    }
}
