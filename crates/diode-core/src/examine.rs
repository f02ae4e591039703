//! From a file's bytes to what is to be done with it: pure, and the same for `check` and import.

use std::collections::BTreeMap;

use serde::Serialize;
use stix_bundle::json::{JsonError, Object};
use stix_bundle::{
    Bundle, BundleError, Findings, Level, Limits, NotSent, Profile, Split, Text, TextError,
};
use uuid::Uuid;

use crate::envelope::{Envelope, is_bare_bundle, is_envelope};
use crate::fingerprint::Fingerprint;
use crate::refusal::{Finding, Refusal, beyond, shown};
use crate::report::TakenOut;
use crate::trouble::chain;
use crate::{Code, Way, terminal};

/// Namespace of the ids that bundles without one are given (a UUID of our own).
const BUNDLE_ID_NAMESPACE: Uuid = Uuid::from_u128(0x6d5c_2f0e_93b1_4a57_8c1f_0e7a_d10d_e001);
/// Most objects that are named one by one in a reason, and kinds of objects in a report; the full count is
/// there, too.
pub(crate) const MAX_NAMED: usize = 1000;

/// Kinds of objects that are told in a message; it has the number of the others.
const TOLD_KINDS: usize = 10;

/// Objects that lost references and are named in a log line; it has the full count.
const SHOWN_STRIPPED: usize = 5;

const FOREIGN: &str = "JSON, but not an envelope of an OpenCTI connector";

const FOREIGN_LINES: &str = "it begins with JSON that is not an envelope of an OpenCTI connector, and \
     more follows";

const BARE_BUNDLE: &str = "a STIX bundle without its envelope: it lacks \"bundle_type\", \
     \"connector\" and \"applicant_id\", which OpenCTI's connectors write around it \
     (CONNECTOR_SEND_TO_DIRECTORY, CONNECTOR_SEND_TO_S3)";

/// What a file's content is.
#[derive(Debug)]
pub enum Examined<'a> {
    /// JSON that is no envelope; the text says what it seems to be.
    Foreign(&'static str),
    /// Nothing of it can be imported.
    Refused(Refusal),
    /// An import.
    Ready(Box<Import<'a>>),
}

/// An envelope with at least one object to send, or whose bundle has no objects.
#[derive(Debug)]
pub struct Import<'a> {
    /// The envelope.
    pub envelope: Envelope<'a>,
    /// The bundle's id, or one derived from the file's content where it has none of STIX's form.
    pub bundle_id: String,
    /// The parts to send, in order.
    pub split: Split<'a>,
    /// Set where broken objects are left out: the file is set aside with this after the rest was
    /// delivered.
    pub defects: Option<Refusal>,
}

impl Import<'_> {
    /// Whether there is nothing to send, since the bundle has no objects: a feed had nothing new.
    pub fn is_empty(&self) -> bool {
        self.split.part_count() == 0
    }

    /// Whether the bundle's own text may be handed over as a whole: none of its objects is broken, and
    /// who splits it comes to the same.
    pub fn may_go_as_it_came(&self) -> bool {
        self.defects.is_none() && self.split.stands_for_bundle()
    }

    /// The references that are taken out on this way.
    pub fn taken_out(&self, way: Way) -> TakenOut {
        if way == Way::Workbench && self.may_go_as_it_came() {
            return TakenOut::default();
        }
        let stripped = self.split.stripped().take(SHOWN_STRIPPED);
        TakenOut {
            references: self.split.references_removed(),
            stripped: stripped
                .map(|object| format!("{} of {} ({})", object.key, shown(object.id), object.count))
                .collect(),
            stripped_objects: self.split.stripped_count(),
        }
    }
}

/// How many objects were left out for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Stable code, such as `unsupported-type`.
    pub code: &'static str,
    /// The objects' type, where they have one.
    #[serde(rename = "type")]
    pub object_type: Option<String>,
    /// How many.
    pub count: usize,
}

/// Looks into a file.
pub fn examine<'a>(bytes: &'a [u8], limits: &Limits, profile: &Profile) -> Examined<'a> {
    look_into(bytes, limits, |envelope, bundle| {
        let split = bundle.split(profile);
        import(envelope, &bundle, split, bytes, profile)
    })
}

/// The same with all that validation finds in the bundle; nothing where there is no bundle.
pub fn examine_all<'a>(
    bytes: &'a [u8],
    limits: &Limits,
    profile: &Profile,
) -> (Examined<'a>, Findings) {
    let mut findings = Findings::default();
    let examined = look_into(bytes, limits, |envelope, bundle| {
        let (split, found) = bundle.split_and_validate(profile);
        findings = found;
        import(envelope, &bundle, split, bytes, profile)
    });
    (examined, findings)
}

fn look_into<'a>(
    bytes: &'a [u8],
    limits: &Limits,
    import: impl FnOnce(Envelope<'a>, Bundle<'a>) -> Result<Import<'a>, Refusal>,
) -> Examined<'a> {
    let examined = envelope_of(bytes, limits).and_then(|envelope| match envelope {
        Content::Envelope(envelope) => {
            let bundle = Bundle::parse(&envelope.bundle, limits);
            let bundle = bundle.map_err(|error| bundle_refusal(&error))?;
            import(*envelope, bundle).map(|import| Examined::Ready(Box::new(import)))
        }
        Content::Foreign(what) => Ok(Examined::Foreign(what)),
    });
    examined.unwrap_or_else(Examined::Refused)
}

/// The objects that are not sent, counted by code and type.
pub fn left_out(not_sent: impl Iterator<Item = NotSent>) -> Vec<LeftOut> {
    let mut counts: BTreeMap<(&'static str, Option<String>), usize> = BTreeMap::new();
    for object in not_sent {
        let kind = (object.code.as_str(), object.object_type);
        *counts.entry(kind).or_default() += 1;
    }
    counts
        .into_iter()
        .map(|((code, object_type), count)| LeftOut {
            code,
            object_type,
            count,
        })
        .collect()
}

/// What a file holds.
enum Content<'a> {
    Envelope(Box<Envelope<'a>>),
    /// Something else, as the text says.
    Foreign(&'static str),
}

fn envelope_of<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Content<'a>, Refusal> {
    let text = Text::check(bytes, limits).map_err(|error| text_refusal(&error))?;
    let object = match Object::pick(&text, Envelope::KEYS) {
        Ok(object) => object,
        Err(JsonError::NotAnObject { .. }) => return Ok(Content::Foreign(FOREIGN)),
        Err(error) => return not_json(&text, &error),
    };
    if is_envelope(&object) {
        let envelope = Envelope::read(&object)?;
        return Ok(Content::Envelope(Box::new(envelope)));
    }
    let is_bare = is_bare_bundle(&object);
    Ok(Content::Foreign(if is_bare {
        BARE_BUNDLE
    } else {
        FOREIGN
    }))
}

/// A text that is not JSON is somebody else's if it begins with a complete value that is no envelope.
fn not_json<'a>(text: &Text<'a>, error: &JsonError) -> Result<Content<'a>, Refusal> {
    let why = chain(error);
    let message = match text.first_of_several() {
        Some(first) => match Object::pick(&first, Envelope::KEYS) {
            Ok(object) if is_envelope(&object) => {
                format!("more follows behind the envelope, which must stand alone: {why}")
            }
            _ => return Ok(Content::Foreign(FOREIGN_LINES)),
        },
        None if text.as_str().trim().is_empty() => "the file is empty".to_owned(),
        None if error.is_cut_short() => {
            format!("the file is cut short: it ends before its JSON does: {why}")
        }
        None => why,
    };
    Err(Refusal::new(Code::InvalidJson, message))
}

/// Whether an id is of the form that STIX gives bundles. It stands in every message, so that one of any
/// length would make a small file fill the broker.
fn is_bundle_id(id: &str) -> bool {
    const HYPHENATED: usize = 36;
    let uuid = id.strip_prefix("bundle--");
    uuid.is_some_and(|uuid| uuid.len() == HYPHENATED && Uuid::try_parse(uuid).is_ok())
}

fn import<'a>(
    mut envelope: Envelope<'a>,
    bundle: &Bundle<'a>,
    split: Split<'a>,
    bytes: &[u8],
    profile: &Profile,
) -> Result<Import<'a>, Refusal> {
    let bundle_id = bundle.id().filter(|id| is_bundle_id(id)).map_or_else(
        || {
            let fingerprint = Fingerprint::of(bytes).to_string();
            let id = Uuid::new_v5(&BUNDLE_ID_NAMESPACE, fingerprint.as_bytes());
            format!("bundle--{id}")
        },
        str::to_owned,
    );
    envelope.update &= profile.content_policy().allows_update();
    let objects = bundle.object_count();
    let errors = named_defects(&split);
    if split.part_count() == 0 && objects > 0 {
        let message = nothing_to_import(objects, split.not_sent());
        return Err(Refusal::new(Code::NothingToImport, message).with_findings(errors));
    }
    let defects = (!errors.is_empty()).then(|| {
        let broken = defect_count(split.not_sent());
        let first = errors.first().map_or_else(String::new, |error| {
            format!("; the first is {}: {}", error.place(), error.message)
        });
        let message = format!(
            "{broken} of {objects} objects are broken and were not sent; {} were{first}",
            split.part_count()
        );
        let findings = errors.into_iter().chain(warnings(bundle, profile));
        let findings = findings.chain(stripped(&split)).collect();
        Refusal::new(Code::Partial, message).with_findings(findings)
    });
    Ok(Import {
        envelope,
        bundle_id,
        split,
        defects,
    })
}

fn nothing_to_import(objects: usize, not_sent: impl Iterator<Item = NotSent>) -> String {
    let kinds = left_out(not_sent);
    let told = kinds.iter().take(TOLD_KINDS).map(|left| {
        let object_type = left.object_type.as_deref();
        let object_type = object_type.map_or("no type".into(), terminal::word);
        format!("{} {} ({object_type})", left.count, left.code)
    });
    let more = kinds.len().saturating_sub(TOLD_KINDS);
    let more = (more > 0).then(|| format!("and {more} more kinds"));
    let reasons: Vec<String> = told.chain(more).collect();
    format!(
        "none of {objects} objects can be sent: {}",
        reasons.join(", ")
    )
}

fn defect_count(not_sent: impl Iterator<Item = NotSent>) -> usize {
    not_sent.filter(|object| object.code.is_defect()).count()
}

fn named_defects(split: &Split<'_>) -> Vec<Finding> {
    let defects = split.not_sent().filter(|object| object.code.is_defect());
    defects
        .take(MAX_NAMED)
        .map(|object| Finding::of_defect(&object, split))
        .collect()
}

/// The objects that lost references which say who may see them, or what is in them.
pub(crate) fn stripped(split: &Split<'_>) -> impl Iterator<Item = Finding> {
    split
        .stripped()
        .map(|object| Finding::of_stripped(&object, split))
}

/// The objects are read once more for this; partial files are rare.
fn warnings(bundle: &Bundle<'_>, profile: &Profile) -> Vec<Finding> {
    bundle
        .validate(profile)
        .kept()
        .iter()
        .filter(|finding| finding.level == Level::Warning)
        .map(Finding::from)
        .collect()
}

fn text_refusal(error: &TextError) -> Refusal {
    let why = chain(error);
    match *error {
        TextError::TooLarge { size, .. } => Refusal::too_large(&why, size),
        TextError::Utf16 { .. } => {
            let message = format!("{why}; let its writer write UTF-8");
            Refusal::new(Code::InvalidUtf8, message)
        }
        TextError::InvalidUtf8 { .. } | TextError::CutShort { .. } => {
            Refusal::new(Code::InvalidUtf8, why)
        }
        TextError::TooDeep { depth, .. } => {
            let message = beyond(&why, "DIODE_IMPORT_MAX_DEPTH", depth as u64);
            Refusal::new(Code::TooDeep, message)
        }
        TextError::NumberTooLong { .. } => Refusal::new(Code::InvalidJson, why),
    }
}

fn bundle_refusal(error: &BundleError) -> Refusal {
    let why = chain(error);
    match error {
        BundleError::TooManyObjects { count, .. } => {
            let message = beyond(&why, "DIODE_IMPORT_MAX_OBJECTS", *count as u64);
            Refusal::new(Code::TooManyObjects, message)
        }
        _ => Refusal::new(Code::InvalidBundle, why),
    }
}

#[cfg(test)]
mod tests;
