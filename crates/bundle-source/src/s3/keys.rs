//! Keys: which may be bundles, where rejected ones go, and how a key becomes part of an address.

use std::fmt;
use std::iter;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::config::{S3Config, Unusable};
use super::error::S3Setting;
use crate::names::{BUNDLE_SUFFIX, CASE, ends_in_another_case, numbered};

/// The folder for rejected files where none is given, within the folder itself.
const REJECTED: &str = "rejected";

/// The lease's object within the folder: no bundle's, by its name.
const LEASE: &str = ".diode-import-lease";

/// The longest key in bytes (S3 user guide, "Naming Amazon S3 objects").
const MAX_KEY_BYTES: usize = 1024;

/// The longest folder in bytes, so that there is room for names.
const MAX_FOLDER_BYTES: usize = 512;

/// What is encoded in a query (`UriEncode` of AWS's signature version 4).
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What is encoded in a path.
const IN_PATH: &AsciiSet = &IN_QUERY.remove(b'/');

/// What of a bucket is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Area {
    /// How the keys of the folder begin: empty, or with a slash at the end and none at the beginning.
    folder: String,
    /// How they begin as well where the folder was given with a slash at the beginning: OpenCTI's
    /// exporter leaves it there, and its importer takes it away.
    slashed: Option<String>,
    /// How the keys of rejected files begin, with a slash at the end.
    rejected: String,
}

/// What a key says about its object.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may be a bundle; this is its location within the folder.
    Bundle(String),
    /// It looks like a bundle's, but is left alone.
    Odd(Odd),
    /// It is not a bundle's.
    Other,
}

/// Why an object whose key looks like a bundle's is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Odd {
    /// Its key cannot be told unambiguously.
    NotText,
    /// Its key has a segment `.` or `..`, which would lead an address elsewhere.
    Relative,
    /// Its key ends as a bundle's, but for the case of the letters.
    Case,
    /// Its location is that of an object whose key begins with the folder's slash.
    Ambiguous,
}

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotText => "its key is not UTF-8 or has control characters",
            Self::Relative => "its key has a part that is . or .., which no address can have",
            Self::Case => CASE,
            Self::Ambiguous => "its key has the folder in it twice, the second time with its slash",
        })
    }
}

impl Area {
    /// The area that a configuration describes.
    pub(super) fn of(config: &S3Config) -> Result<Self, Unusable> {
        let folder = prefix(&config.folder, S3Setting::Folder)?;
        let rejected = match &config.rejected_folder {
            None => format!("{folder}{REJECTED}/"),
            Some(given) => prefix(given, S3Setting::RejectedFolder)?,
        };
        if folder.starts_with(&rejected) {
            let given = config.rejected_folder.as_deref().unwrap_or_default();
            let why = "it is the folder that the files come from, or around it";
            return Err(Unusable::new(S3Setting::RejectedFolder, given, why));
        }
        let slashed = config.folder.trim_end_matches('/');
        let is_slashed = slashed.starts_with('/') && !folder.is_empty();
        Ok(Self {
            slashed: is_slashed.then(|| format!("{slashed}/")),
            folder,
            rejected,
        })
    }

    /// How the keys begin that are to be listed.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = &str> {
        iter::once(self.folder.as_str()).chain(self.slashed.as_deref())
    }

    /// How the keys of the folder begin.
    pub(super) fn folder(&self) -> &str {
        &self.folder
    }

    /// The key of the object that stands for a lease on the folder.
    pub(super) fn lease_key(&self) -> String {
        format!("{}{LEASE}", self.folder)
    }

    /// Whether the folder is the whole bucket.
    pub(super) fn is_whole_bucket(&self) -> bool {
        self.folder.is_empty()
    }

    /// Tells what a key says about its object.
    ///
    /// The location of one that begins with the folder's slash is the whole key.
    pub(super) fn judge(&self, key: &[u8]) -> Verdict {
        let is_slashed = self.is_slashed(key);
        let location = if is_slashed {
            Some(key)
        } else {
            key.strip_prefix(self.folder.as_bytes())
        };
        let Some(location) = location else {
            return Verdict::Other;
        };
        if self.is_rejected(key) {
            return Verdict::Other;
        }
        if ends_in_another_case(key) {
            return Verdict::Odd(Odd::Case);
        }
        if !key.ends_with(BUNDLE_SUFFIX.as_bytes()) {
            return Verdict::Other;
        }
        match str::from_utf8(location) {
            Ok(text) if text.contains(char::is_control) => Verdict::Odd(Odd::NotText),
            Ok(text) if is_relative(text) => Verdict::Odd(Odd::Relative),
            Ok(_) if !is_slashed && self.is_slashed(location) => Verdict::Odd(Odd::Ambiguous),
            Ok(text) => Verdict::Bundle(text.to_owned()),
            Err(_) => Verdict::Odd(Odd::NotText),
        }
    }

    /// The key of a location, if a listing may show it.
    pub(super) fn key(&self, location: &str) -> Option<String> {
        let key = if self.is_slashed(location.as_bytes()) {
            location.to_owned()
        } else {
            format!("{}{location}", self.folder)
        };
        matches!(self.judge(key.as_bytes()), Verdict::Bundle(_)).then_some(key)
    }

    /// The `number`th key to try for a rejected object.
    pub(super) fn place(&self, location: &str, number: u32) -> String {
        let slashed = self.slashed.as_deref().unwrap_or_default();
        let name = location.strip_prefix(slashed).unwrap_or(location);
        let room = MAX_KEY_BYTES - self.rejected.len();
        format!("{}{}", self.rejected, numbered(name, number, room))
    }

    /// Whether a key begins with the folder and its slash.
    fn is_slashed(&self, key: &[u8]) -> bool {
        let slashed = self.slashed.as_deref();
        slashed.is_some_and(|slashed| key.starts_with(slashed.as_bytes()))
    }

    /// Whether a key is in the folder for rejected files, be it with the folder's slash.
    fn is_rejected(&self, key: &[u8]) -> bool {
        let slashes = match &self.slashed {
            Some(slashed) if self.is_slashed(key) => slashed.len() - self.folder.len(),
            _ => 0,
        };
        key[slashes..].starts_with(self.rejected.as_bytes())
    }

    /// How the keys of rejected objects begin.
    pub(super) fn rejected(&self) -> &str {
        &self.rejected
    }

    /// Whether `key` is one that a rejected object may have got.
    pub(super) fn is_place(&self, key: &str) -> bool {
        key.strip_prefix(&self.rejected).is_some_and(|name| {
            name.ends_with(BUNDLE_SUFFIX) && !name.contains(char::is_control) && !is_relative(name)
        })
    }
}

/// A key as part of an address.
pub(super) fn encode_path(key: &str) -> String {
    utf8_percent_encode(key, IN_PATH).to_string()
}

/// A value as part of a query.
pub(super) fn encode_query(value: &str) -> String {
    utf8_percent_encode(value, IN_QUERY).to_string()
}

/// Whether an address with this in it would lead elsewhere.
fn is_relative(text: &str) -> bool {
    text.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// How the keys of a folder begin: empty for the whole bucket, or with a slash at the end. Slashes
/// around it do not count, as they do not for OpenCTI's importer.
fn prefix(folder: &str, setting: S3Setting) -> Result<String, Unusable> {
    let unusable = |why| Err(Unusable::new(setting, folder, why));
    let name = folder.trim_matches('/');
    if matches!(name, "" | ".") {
        return match setting {
            S3Setting::Folder => Ok(String::new()),
            _ => unusable("it is the whole bucket"),
        };
    }
    if name.contains(char::is_control) || is_relative(name) || name.contains("//") {
        return unusable("it has control characters, or parts that are empty, . or ..");
    }
    if folder.trim_end_matches('/').len() > MAX_FOLDER_BYTES {
        return unusable("it has more than 512 bytes");
    }
    Ok(format!("{name}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(folder: &str, rejected: Option<&str>) -> Result<Area, Unusable> {
        Area::of(&S3Config {
            rejected_folder: rejected.map(Into::into),
            ..S3Config::new("bucket", folder)
        })
    }

    #[test]
    fn folders() {
        let check = |folder: &str, rejected, expect: (&str, &str)| {
            let area = area(folder, rejected).unwrap();
            assert_eq!((&*area.folder, &*area.rejected), expect, "{folder:?}");
        };
        check("connectors", None, ("connectors/", "connectors/rejected/"));
        check("a/b/", None, ("a/b/", "a/b/rejected/"));
        check("/a/b//", None, ("a/b/", "a/b/rejected/"));
        check("//a", None, ("a/", "a/rejected/"));
        check("a", Some("/b/c"), ("a/", "b/c/"));
        check("a", Some("b/c/"), ("a/", "b/c/"));
        check("a", Some("ab"), ("a/", "ab/"));
        check("ab", Some("a"), ("ab/", "a/"));
        for root in ["", "/", ".", "./", "/./"] {
            check(root, None, ("", "rejected/"));
            assert!(area(root, None).unwrap().is_whole_bucket());
            check(root, Some("x"), ("", "x/"));
        }
    }

    #[test]
    fn unusable_folders() {
        let check = |folder: &str, rejected, expect: S3Setting| {
            let refused = area(folder, rejected).unwrap_err();
            assert_eq!(refused.cause.setting(), Some(expect), "{folder:?}");
        };
        check("a//b", None, S3Setting::Folder);
        check("..", None, S3Setting::Folder);
        check("a/./b", None, S3Setting::Folder);
        check("a\n", None, S3Setting::Folder);
        check(&"a".repeat(513), None, S3Setting::Folder);
        check("a", Some("a"), S3Setting::RejectedFolder);
        check("/..", None, S3Setting::Folder);
        check("a/b", Some("a/"), S3Setting::RejectedFolder);
        check("a/b", Some("/a/"), S3Setting::RejectedFolder);
        check("/a", Some("a"), S3Setting::RejectedFolder);
        check("a", Some("/"), S3Setting::RejectedFolder);
        check("a", Some("."), S3Setting::RejectedFolder);
        check("", Some(""), S3Setting::RejectedFolder);
    }

    #[test]
    fn keys_are_judged() {
        let in_folder = area("in", None).unwrap();
        let in_root = area("", None).unwrap();
        let check = |area: &Area, key: &[u8], expect: Verdict| {
            assert_eq!(area.judge(key), expect, "{}", key.escape_ascii());
        };
        let bundle = |location: &str| Verdict::Bundle(location.to_owned());
        check(&in_folder, b"in/01.json", bundle("01.json"));
        check(&in_folder, b"in/a/b/01.json", bundle("a/b/01.json"));
        check(&in_folder, b"in//01.json", bundle("/01.json"));
        check(&in_folder, b"in/.json", bundle(".json"));
        check(&in_folder, "in/é %+.json".as_bytes(), bundle("é %+.json"));
        check(&in_folder, b"in/rejected.json", bundle("rejected.json"));
        check(
            &in_folder,
            b"in/a/rejected/1.json",
            bundle("a/rejected/1.json"),
        );
        check(&in_folder, b"in/rejected/01.json", Verdict::Other);
        check(&in_folder, b"in/01.JSON", Verdict::Odd(Odd::Case));
        check(&in_folder, b"in/01.json/", Verdict::Other);
        check(&in_folder, b"in/", Verdict::Other);
        check(&in_folder, b"inn/01.json", Verdict::Other);
        check(&in_folder, b"01.json", Verdict::Other);
        check(&in_folder, b"in/01\n.json", Verdict::Odd(Odd::NotText));
        check(&in_folder, b"in/\xff.json", Verdict::Odd(Odd::NotText));
        check(&in_folder, b"in/../01.json", Verdict::Odd(Odd::Relative));
        check(&in_folder, b"in/./01.json", Verdict::Odd(Odd::Relative));
        check(&in_root, b"01.json", bundle("01.json"));
        check(&in_root, b"/01.json", bundle("/01.json"));
        check(&in_root, b"rejected/01.json", Verdict::Other);
        for area in [&in_folder, &in_root] {
            check(area, area.lease_key().as_bytes(), Verdict::Other);
        }
    }

    /// As the peer's exporter writes it, and as its importer reads it.
    #[test]
    fn a_folder_given_with_a_slash_has_keys_with_and_without() {
        let given = area("/in/", None).unwrap();
        assert!(given.prefixes().eq(["in/", "/in/"]));
        assert!(area("in/", None).unwrap().prefixes().eq(["in/"]));
        assert!(area("/", None).unwrap().prefixes().eq([""]));
        let check = |key: &str, expect: Verdict| {
            assert_eq!(given.judge(key.as_bytes()), expect, "{key}");
            if let Verdict::Bundle(location) = expect {
                assert_eq!(given.key(&location).as_deref(), Some(key));
            }
        };
        let bundle = |location: &str| Verdict::Bundle(location.to_owned());
        check("in/a/01.json", bundle("a/01.json"));
        check("/in/a/01.json", bundle("/in/a/01.json"));
        check("in//z.json", bundle("/z.json"));
        check("in//in/z.json", Verdict::Odd(Odd::Ambiguous));
        check("/in//in/z.json", bundle("/in//in/z.json"));
        check("//in/z.json", Verdict::Other);
        check("/out/z.json", Verdict::Other);
        check("in/rejected/z.json", Verdict::Other);
        check("/in/rejected/z.json", Verdict::Other);
        check("/in/../z.json", Verdict::Odd(Odd::Relative));
        for location in ["a/01.json", "/in/a/01.json"] {
            assert_eq!(given.place(location, 1), "in/rejected/a/01.1.json");
        }
        assert_eq!(given.lease_key(), "in/.diode-import-lease");
    }

    #[test]
    fn only_what_a_listing_may_show_has_a_key() {
        let area = area("in", None).unwrap();
        assert_eq!(area.key("a/01.json").as_deref(), Some("in/a/01.json"));
        for location in [
            "",
            "..",
            "../01.json",
            "rejected/01.json",
            "a\0.json",
            "01.txt",
        ] {
            assert_eq!(area.key(location), None, "{location:?}");
        }
    }

    #[test]
    fn places_have_room_for_their_reason() {
        let area = area(&"f".repeat(512), None).unwrap();
        for number in [0, u32::MAX] {
            let place = area.place(&format!("{}.json", "é".repeat(250)), number);
            assert!(place.len() + crate::REASON_SUFFIX.len() <= MAX_KEY_BYTES);
            assert!(area.is_place(&place), "{place}");
        }
    }

    #[test]
    fn only_places_are_places() {
        let area = area("in", None).unwrap();
        let check = |key: &str, expect| assert_eq!(area.is_place(key), expect, "{key:?}");
        check("in/rejected/01.json", true);
        check("in/rejected/a/01.1.json", true);
        check("in/rejected/", false);
        check("in/rejected/../01.json", false);
        check("in/rejected/01.txt", false);
        check("in/01.json", false);
        check("01.json", false);
        check("", false);
    }

    #[test]
    fn encoding() {
        assert_eq!(encode_path("a/b c+%é~.json"), "a/b%20c%2B%25%C3%A9~.json");
        assert_eq!(encode_query("a/b&c"), "a%2Fb%26c");
    }
}
