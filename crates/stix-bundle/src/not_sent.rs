//! What becomes of objects that are not sent.

use std::fmt;

/// Bytes of an id, a type or a key that are kept for people to read.
const SHOWN: usize = 256;

/// An object of the bundle that no part holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotSent {
    /// Its position among the bundle's objects, from 0; [`Split::path`](crate::Split::path) says where
    /// that is.
    pub index: usize,
    /// Why it is not sent.
    pub code: NotSentCode,
    /// Its id, where it has a readable one; cut after 256 bytes.
    pub id: Option<String>,
    /// Its type, where it has a readable one; cut after 256 bytes.
    pub object_type: Option<String>,
    /// The reason in words, with the key it is about.
    pub detail: String,
}

/// Why an object is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NotSentCode {
    /// The platform does not take ids of this type.
    UnsupportedType,
    /// A relationship without a source or a target that could be sent.
    RelationshipWithoutEnd,
    /// A sighting without what was sighted, or without where.
    SightingWithoutEnd,
    /// Another object of the same id replaces it: that with the latest `modified`, or else the last.
    DuplicateId,
    /// It is not a JSON object.
    NotAnObject,
    /// It has no `id`.
    NoId,
    /// It has no `type`.
    NoType,
    /// A property has a form on which the platform's worker would fail, dropping it without a word.
    InvalidProperty,
    /// It has more references than [`Limits::max_refs`](crate::Limits::max_refs), more external
    /// references or kill chain phases than that, or with it the bundle has more references than
    /// [`Limits::max_all_refs`](crate::Limits::max_all_refs).
    TooManyReferences,
    /// It has more than 1,000,000 members.
    TooManyMembers,
    /// It holds `NaN`, `Infinity` or `-Infinity`, which JSON does not have and no worker can pass on.
    NotANumber,
    /// It is a bundle that cannot be opened: it has no list of objects, or stands too deep in others.
    NestedBundle,
    /// It is a command to the platform's workers rather than knowledge, see
    /// [`ContentPolicy`](crate::ContentPolicy).
    Command,
    /// Its type is one of the platform's own, such as `user`.
    InternalType,
    /// Its type is denied, or not among those that are allowed.
    DeniedType,
}

impl NotSentCode {
    /// Those with which the [`ContentPolicy`](crate::ContentPolicy) refuses objects.
    pub const DENIED: [Self; 3] = [Self::Command, Self::InternalType, Self::DeniedType];

    /// The code's stable name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnsupportedType => "unsupported-type",
            Self::RelationshipWithoutEnd => "relationship-without-end",
            Self::SightingWithoutEnd => "sighting-without-end",
            Self::DuplicateId => "duplicate-id",
            Self::NotAnObject => "not-an-object",
            Self::NoId => "no-id",
            Self::NoType => "no-type",
            Self::InvalidProperty => "invalid-property",
            Self::TooManyReferences => "too-many-references",
            Self::TooManyMembers => "too-many-members",
            Self::NotANumber => "not-a-number",
            Self::NestedBundle => "nested-bundle",
            Self::Command => "command",
            Self::InternalType => "internal-type",
            Self::DeniedType => "denied-type",
        }
    }

    /// Whether the [`ContentPolicy`](crate::ContentPolicy) refuses the object, whatever else it looks
    /// like.
    pub fn is_denied(self) -> bool {
        Self::DENIED.contains(&self)
    }

    /// Whether the object itself is broken, or refused; otherwise the platform's own rules leave it out, and
    /// the bundle still counts as imported whole.
    pub fn is_defect(self) -> bool {
        match self {
            Self::UnsupportedType
            | Self::RelationshipWithoutEnd
            | Self::SightingWithoutEnd
            | Self::DuplicateId => false,
            Self::NotAnObject
            | Self::NoId
            | Self::NoType
            | Self::InvalidProperty
            | Self::TooManyReferences
            | Self::TooManyMembers
            | Self::NotANumber
            | Self::NestedBundle
            | Self::Command
            | Self::InternalType
            | Self::DeniedType => true,
        }
    }
}

impl fmt::Display for NotSentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The start of a text that may be of any length.
pub(crate) fn shorten(text: &str) -> String {
    if text.len() <= SHOWN {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(SHOWN)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        let exact = "é".repeat(128);
        assert_eq!(shorten(&exact), exact);
        assert_eq!(
            shorten(&format!("a{exact}")),
            format!("a{}…", "é".repeat(127))
        );
    }

    #[test]
    fn defects_are_what_only_the_sender_can_mend() {
        assert!(!NotSentCode::DuplicateId.is_defect());
        assert!(NotSentCode::NotAnObject.is_defect());
        assert_eq!(
            NotSentCode::TooManyReferences.to_string(),
            "too-many-references"
        );
    }
}
