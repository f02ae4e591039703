//! From a file's bytes to what is to be done with it: pure, and the same for `check` and import.

use std::collections::BTreeMap;

use serde::Serialize;
use stix_bundle::json::{JsonError, Object};
use stix_bundle::{
    Bundle, BundleError, Findings, Level, Limits, NotSent, Profile, Split, Text, TextError,
};
use uuid::Uuid;

use crate::Code;
use crate::envelope::{Envelope, is_envelope};
use crate::fingerprint::Fingerprint;
use crate::refusal::{Finding, Refusal};
use crate::trouble::chain;

/// Namespace of the ids that bundles without one are given (a UUID of our own).
const BUNDLE_ID_NAMESPACE: Uuid = Uuid::from_u128(0x6d5c_2f0e_93b1_4a57_8c1f_0e7a_d10d_e001);
/// Most objects that are named one by one in a reason; the message has the full count.
const MAX_NAMED: usize = 1000;

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

/// An envelope with at least one object to send.
#[derive(Debug)]
pub struct Import<'a> {
    /// The envelope.
    pub envelope: Envelope<'a>,
    /// The bundle's id, or one derived from the file's content where it has none.
    pub bundle_id: String,
    /// The parts to send, in order.
    pub split: Split<'a>,
    /// Set where broken objects are left out: the file is set aside with this after the rest was
    /// delivered.
    pub defects: Option<Refusal>,
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
        Some(envelope) => {
            let bundle = Bundle::parse(&envelope.bundle, limits);
            let bundle = bundle.map_err(|error| bundle_refusal(&error))?;
            import(envelope, bundle).map(|import| Examined::Ready(Box::new(import)))
        }
        None => Ok(Examined::Foreign(
            "JSON, but not an envelope of an OpenCTI connector",
        )),
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

fn envelope_of<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Option<Envelope<'a>>, Refusal> {
    let text = Text::check(bytes, limits).map_err(|error| text_refusal(&error))?;
    let object = match Object::pick(&text, Envelope::KEYS) {
        Ok(object) => object,
        Err(JsonError::NotAnObject { .. }) => return Ok(None),
        Err(error) => return Err(Refusal::new(Code::InvalidJson, chain(&error))),
    };
    if !is_envelope(&object) {
        return Ok(None);
    }
    Envelope::read(&object).map(Some)
}

fn import<'a>(
    envelope: Envelope<'a>,
    bundle: &Bundle<'a>,
    split: Split<'a>,
    bytes: &[u8],
    profile: &Profile,
) -> Result<Import<'a>, Refusal> {
    let bundle_id = bundle.id().map_or_else(
        || {
            let fingerprint = Fingerprint::of(bytes).to_string();
            let id = Uuid::new_v5(&BUNDLE_ID_NAMESPACE, fingerprint.as_bytes());
            format!("bundle--{id}")
        },
        str::to_owned,
    );
    let objects = bundle.object_count();
    let errors = named_defects(split.not_sent());
    if split.part_count() == 0 {
        let message = nothing_to_import(objects, split.not_sent());
        return Err(Refusal::new(Code::NothingToImport, message).with_findings(errors));
    }
    let defects = (!errors.is_empty()).then(|| {
        let broken = defect_count(split.not_sent());
        let message = format!(
            "{broken} of {objects} objects are broken and were not sent; {} were",
            split.part_count()
        );
        let warnings = warnings(bundle, profile);
        let findings = errors.into_iter().chain(warnings).collect();
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
    if objects == 0 {
        return "the bundle has no objects".to_owned();
    }
    let reasons: Vec<String> = left_out(not_sent)
        .iter()
        .take(10)
        .map(|left| {
            let object_type = left.object_type.as_deref().unwrap_or("no type");
            format!("{} {} ({object_type})", left.count, left.code)
        })
        .collect();
    format!(
        "none of {objects} objects can be sent: {}",
        reasons.join(", ")
    )
}

fn defect_count(not_sent: impl Iterator<Item = NotSent>) -> usize {
    not_sent.filter(|object| object.code.is_defect()).count()
}

fn named_defects(not_sent: impl Iterator<Item = NotSent>) -> Vec<Finding> {
    not_sent
        .filter(|object| object.code.is_defect())
        .take(MAX_NAMED)
        .map(|object| Finding {
            code: object.code.as_str(),
            level: Level::Error.into(),
            path: format!("$.bundle.objects[{}]", object.index),
            message: object.detail,
        })
        .collect()
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
    let code = match error {
        TextError::TooLarge { .. } => Code::TooLarge,
        TextError::InvalidUtf8 { .. } => Code::InvalidUtf8,
        TextError::TooDeep { .. } => Code::TooDeep,
        TextError::NumberTooLong { .. } => Code::InvalidJson,
    };
    Refusal::new(code, chain(error))
}

fn bundle_refusal(error: &BundleError) -> Refusal {
    let code = match error {
        BundleError::TooManyObjects { .. } => Code::TooManyObjects,
        _ => Code::InvalidBundle,
    };
    Refusal::new(code, chain(error))
}
