//! The three places where values come from, laid over each other: defaults, config.yml, environment.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::forms::is_given;
use super::problem::Problem;
use super::setting::{Fallback, Setting, Stage};
use super::table::ALL;
use super::unknown::{unknown_key, unknown_section};

/// Where values that nobody gave come from.
pub(super) const DEFAULTS: &str = "the defaults";

/// What was read, and what was noticed on the way.
pub(super) struct Layers {
    /// The values, each with where it came from.
    pub(super) figment: Figment,
    /// What keeps the program from starting.
    pub(super) problems: Vec<Problem>,
    /// What looks like a mistake.
    pub(super) warnings: Vec<String>,
}

impl Layers {
    /// The defaults alone.
    pub(super) fn new() -> Self {
        let mut layer = Layer::named(DEFAULTS);
        for setting in ALL {
            if let Fallback::Value(text) = setting.fallback {
                layer.set(setting, Value::from(text));
            }
        }
        Self {
            figment: Figment::from(layer),
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Lays the content of a config.yml over what there is.
    pub(super) fn add_config_file(&mut self, path: &Path, content: &str) {
        let file = format!("{:?}", path.to_string_lossy());
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
                let what = "is not a mapping of sections";
                return self
                    .problems
                    .push(Problem::about(file, what, "write sections with keys"));
            }
            Err(error) => return self.problems.push(not_yaml(file, &error)),
        };
        let mut layer = Layer::named(&file);
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
            return self.warnings.push(unknown_section(section, &layer.name));
        }
        let keys = match keys {
            Value::Dict(_, keys) => keys,
            Value::Empty(..) => return,
            _ => {
                let subject = format!("section {section} in {}", layer.name);
                let problem = Problem::about(subject, "is not a mapping", "write keys with values");
                return self.problems.push(problem);
            }
        };
        for (key, value) in keys {
            match ALL
                .iter()
                .find(|setting| setting.path() == (section, key.as_str()))
            {
                Some(setting) => layer.set(setting, value),
                None => self.warnings.push(unknown_key(section, &key, &layer.name)),
            }
        }
    }

    /// Lays the environment over what there is. `read` reads the files that `_FILE` variables name.
    pub(super) fn add_environment(
        &mut self,
        environment: &BTreeMap<String, String>,
        read: &dyn Fn(&Path) -> io::Result<String>,
    ) {
        let mut variables = Layer::named("the environment");
        let mut files = Layer::named("the file that its _FILE variable names");
        let given = |name: &str| environment.get(name).filter(|text| !text.trim().is_empty());
        for setting in ALL {
            let value = given(setting.env).or_else(|| setting.old_env.and_then(given));
            if let Some(text) = value {
                variables.set(setting, Value::from(text.as_str()));
            }
            if setting.stage == Stage::Delegated {
                continue;
            }
            let variable = format!("{}_FILE", setting.env);
            let Some(path) = given(&variable) else {
                continue;
            };
            match (value, read(Path::new(path))) {
                (Some(_), _) => self.problems.push(given_twice(setting, &variable)),
                (None, Ok(text)) => files.set(setting, Value::from(text.trim())),
                (None, Err(error)) => self.problems.push(unreadable(&variable, path, &error)),
            }
        }
        self.merge(variables);
        self.merge(files);
    }

    fn merge(&mut self, layer: Layer) {
        self.figment = std::mem::take(&mut self.figment).merge(layer);
    }
}

fn not_yaml(file: String, error: &serde_saphyr::Error) -> Problem {
    // The error's own text may quote the file, and with it a secret.
    let place = error.location().map_or_else(String::new, |location| {
        format!(" (line {}, column {})", location.line(), location.column())
    });
    Problem::about(
        file,
        format!("is not valid YAML{place}"),
        "correct it there",
    )
}

fn given_twice(setting: &Setting, variable: &str) -> Problem {
    let what = format!("and {variable} are both given");
    Problem::about(setting.env, what, "keep one of them")
}

fn unreadable(variable: &str, path: &str, error: &io::Error) -> Problem {
    let what = format!("names {path:?}, which cannot be read ({error})");
    Problem::about(variable, what, "name a file that this process can read")
}

/// Values from one place, as figment takes them.
struct Layer {
    name: String,
    sections: BTreeMap<&'static str, Dict>,
}

impl Layer {
    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            sections: BTreeMap::new(),
        }
    }

    /// Keeps a value, unless it counts as not given.
    fn set(&mut self, setting: &Setting, value: Value) {
        if is_given(&value) {
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
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let sections = self.sections.iter();
        let dict = sections
            .map(|(name, keys)| ((*name).to_owned(), keys.clone().into()))
            .collect();
        Ok(Profile::Default.collect(dict))
    }
}
