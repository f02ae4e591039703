//! Takes typed values out of the layers, and collects all that is wrong with them.

use std::collections::BTreeSet;

use figment::Figment;
use figment::value::{Num, Value};

use super::forms::{self, Wrong};
use super::layers::Layers;
use super::place::Place;
use super::problem::{Problem, subject};
use super::setting::{Fallback, Kind, Setting};
use super::table::ALL;

/// The longest value, in characters, that a message repeats in full.
const SHOWN: usize = 60;

/// A reader of settings. Where it returns `None` for a wrong or missing value, it has noted a
/// problem.
pub(super) struct Reader {
    figment: Figment,
    places: Vec<Place>,
    withheld: BTreeSet<&'static str>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

impl Reader {
    /// A reader that goes on with what was noticed so far.
    pub(super) fn new(layers: Layers) -> Self {
        let Layers {
            figment,
            places,
            problems,
            warnings,
            withheld,
        } = layers;
        Self {
            figment,
            places,
            withheld,
            problems,
            warnings,
        }
    }

    /// The value of a setting that may be missing.
    pub(super) fn optional<T>(
        &mut self,
        setting: &Setting,
        form: impl FnOnce(&Value) -> Result<T, Wrong>,
    ) -> Option<T> {
        let (value, origin) = self.find(setting)?;
        match form(&value) {
            Ok(typed) => Some(typed),
            Err(Wrong { what, instead }) => {
                let what = format!("{} {what}", shown(setting, &value));
                self.problems
                    .push(Problem::wrong(setting, &origin, what, instead));
                None
            }
        }
    }

    /// Notes that the value of a setting, though of the right form, is of no use.
    pub(super) fn refuse(&mut self, setting: &Setting, what: &str, instead: &str) {
        let instead = instead.to_owned();
        let problem = match self.find(setting) {
            Some((value, origin)) => {
                let what = format!("{} {what}", shown(setting, &value));
                Problem::wrong(setting, &origin, what, instead)
            }
            None => return self.missing(setting, instead),
        };
        self.problems.push(problem);
    }

    /// Notes that a setting has to be given, unless it may well be: where nothing could be read.
    pub(super) fn missing(&mut self, setting: &Setting, instead: impl Into<String>) {
        if !self.is_withheld(setting) {
            self.problems.push(Problem::missing(setting, instead));
        }
    }

    /// Whether a setting may be given where nothing could be read, which is a problem already.
    pub(super) fn is_withheld(&self, setting: &Setting) -> bool {
        self.withheld.contains(setting.env)
    }

    /// Notes what looks like a mistake.
    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// The value of a setting that must be there, given or by default.
    pub(super) fn required<T>(
        &mut self,
        setting: &Setting,
        form: impl FnOnce(&Value) -> Result<T, Wrong>,
    ) -> Option<T> {
        if self.find(setting).is_none() {
            let instead = match setting.fallback {
                Fallback::Required(example) => format!("write {example}"),
                _ => "give it".to_owned(),
            };
            self.missing(setting, instead);
        }
        self.optional(setting, form)
    }

    /// The value of a setting that is a whole number in the range that the table states.
    pub(super) fn number<T: TryFrom<u64>>(&mut self, setting: &Setting) -> Option<T> {
        let (min, max) = range(setting);
        let number = self.required(setting, |value| forms::whole(value, min, max))?;
        T::try_from(number).ok()
    }

    /// A number of days, of which 0 is never; so is a negative one, as in the Python connector.
    pub(super) fn days(&mut self, setting: &Setting) -> Option<u32> {
        if !self
            .find(setting)
            .is_some_and(|(value, _)| forms::is_negative(&value))
        {
            return self.number(setting);
        }
        self.warn(format!(
            "{} is negative, so no file is deleted for its age; write 0 for that",
            setting.env
        ));
        Some(0)
    }

    /// Whether the operator gave a setting a value.
    pub(super) fn is_given(&self, setting: &Setting) -> bool {
        self.find(setting)
            .is_some_and(|(_, origin)| origin != Place::Defaults)
    }

    /// Warns of each value that begins and ends with the same quote: in the list form of a compose file
    /// (`- NAME="value"`) quotes are part of the value. No value is repeated: it may be a secret.
    pub(super) fn warn_of_quotes(&mut self) {
        for setting in ALL {
            let Some((value, origin)) = self.find(setting) else {
                continue;
            };
            if forms::is_in_quotes(&value) {
                self.warnings.push(format!(
                    "{}, from {origin}, begins and ends with a quote, which is taken as part of the \
                     value; write it without the quotes",
                    subject(setting)
                ));
            }
        }
    }

    /// The value of a setting, and where it came from; `None`: nobody gave it, and it has no
    /// default.
    pub(super) fn find(&self, setting: &Setting) -> Option<(Value, Place)> {
        let (section, key) = setting.path();
        let value = self.figment.find_value(&format!("{section}.{key}")).ok()?;
        let metadata = self.figment.get_metadata(value.tag())?;
        let is_it = |place: &&Place| place.to_string() == metadata.name;
        Some((value, self.places.iter().find(is_it)?.clone()))
    }
}

/// From which to which number a setting's values go.
pub(super) fn range(setting: &Setting) -> (u64, u64) {
    match setting.kind {
        Kind::Whole { min, max, .. } => (min, max),
        _ => (0, u64::MAX),
    }
}

/// A value as a message may repeat it.
fn shown(setting: &Setting, value: &Value) -> String {
    if !setting.may_be_shown() {
        return "the value".to_owned();
    }
    match value {
        Value::String(_, text) if text.contains('\n') => "the text".to_owned(),
        Value::Array(..) => "the list".to_owned(),
        Value::Dict(..) => "the mapping".to_owned(),
        Value::String(..) => {
            let text = match setting.kind {
                Kind::Host => forms::without_user(&plain(value)),
                _ => plain(value),
            };
            let start: String = text.chars().take(SHOWN).collect();
            let rest = if start.len() < text.len() { "…" } else { "" };
            format!("{start:?}{rest}")
        }
        _ => plain(value),
    }
}

/// A scalar's text.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(_, text) => text.trim().to_owned(),
        Value::Char(_, character) => character.to_string(),
        Value::Bool(_, boolean) => boolean.to_string(),
        Value::Num(_, number) => plain_number(*number),
        _ => String::new(),
    }
}

fn plain_number(number: Num) -> String {
    match (number.to_u128(), number.to_i128(), number.to_f64()) {
        (Some(number), ..) => number.to_string(),
        (_, Some(number), _) => number.to_string(),
        (.., Some(number)) => number.to_string(),
        _ => "the number".to_owned(),
    }
}
