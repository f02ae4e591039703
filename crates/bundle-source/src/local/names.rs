//! File names: which may be bundles, and what a rejected file is called.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::names::{BUNDLE_SUFFIX, ends_in_another_case};

/// How the hidden name of a file that is being removed begins.
const HELD_PREFIX: &str = ".diode-import-held-";

/// The longest file name in bytes (`NAME_MAX` on Linux).
const MAX_NAME_BYTES: usize = 255;

/// What a file's name says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name<'a> {
    /// It may be a bundle.
    Bundle(&'a str),
    /// It looks like a bundle's, but it is not UTF-8 or has control characters.
    NotText,
    /// It differs from a bundle's by the case of its ending alone.
    OtherCase,
    /// It is not a bundle's: hidden, unfinished, of another kind.
    Other,
}

/// Tells what a name says about its file.
pub(super) fn name_of(name: &OsStr) -> Name<'_> {
    let bytes = name.as_bytes();
    if bytes.starts_with(b".") {
        return Name::Other;
    }
    if !bytes.ends_with(BUNDLE_SUFFIX.as_bytes()) {
        let is_near = ends_in_another_case(bytes) && !bytes.contains(&b'/');
        return if is_near {
            Name::OtherCase
        } else {
            Name::Other
        };
    }
    match name.to_str() {
        Some(text) if text.contains('/') => Name::Other,
        Some(text) if !text.contains(char::is_control) => Name::Bundle(text),
        _ => Name::NotText,
    }
}

/// The `number`th name to try for a rejected file, as [`crate::names::numbered`] makes it.
pub(super) fn numbered(name: &str, number: u32) -> String {
    crate::names::numbered(name, number, MAX_NAME_BYTES)
}

/// The `number`th hidden name to try for a file that is being removed; it tells the file's own.
///
/// A name is shortened where the hidden one would otherwise be too long.
pub(super) fn held_name(name: &str, number: u64) -> String {
    let start = format!("{HELD_PREFIX}{number}-");
    let stem = name.strip_suffix(BUNDLE_SUFFIX).unwrap_or(name);
    let ending = &name[stem.len()..];
    let room = MAX_NAME_BYTES - start.len() - ending.len();
    let stem = &stem[..stem.floor_char_boundary(room)];
    format!("{start}{stem}{ending}")
}

/// The own name of a file that was being removed, from its [`held_name`].
pub(super) fn held_original(hidden: &str) -> Option<&str> {
    let (number, name) = hidden.strip_prefix(HELD_PREFIX)?.split_once('-')?;
    let is_ours = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_ours && matches!(name_of(name.as_ref()), Name::Bundle(_))).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_bundles() {
        let check = |name: &[u8], expect: Name<'_>| {
            assert_eq!(
                name_of(OsStr::from_bytes(name)),
                expect,
                "{}",
                name.escape_ascii()
            );
        };
        check(b"01.json", Name::Bundle("01.json"));
        check(
            "tête à tête.json".as_bytes(),
            Name::Bundle("tête à tête.json"),
        );
        check(b"a#1.json", Name::Bundle("a#1.json"));
        check(b"..json", Name::Other);
        check(b".json", Name::Other);
        check(b".01.json", Name::Other);
        check(b"01.JSON", Name::OtherCase);
        check(b"01.JSON.gz", Name::Other);
        check(b".JSON", Name::Other);
        check(b"sub/01.JSON", Name::Other);
        check(b"01.json.tmp", Name::Other);
        check(b"01.json#1", Name::Other);
        check(b"json", Name::Other);
        check(b"", Name::Other);
        check(b"../01.json", Name::Other);
        check(b"sub/01.json", Name::Other);
        check(b"/01.json", Name::Other);
        check(b"caf\xe9.json", Name::NotText);
        check(b"01\n.json", Name::NotText);
        check(b"\x1b[2J.json", Name::NotText);
        check("\u{85}.json".as_bytes(), Name::NotText);
    }

    #[test]
    fn a_held_name_tells_the_files_own() {
        for name in [
            "01.json",
            "a-1-b.json",
            "tête.json",
            &format!("{}.json", "a".repeat(200)),
        ] {
            for number in [0, 7, u64::from(u32::MAX)] {
                let held = held_name(name, number);
                assert!(matches!(name_of(held.as_ref()), Name::Other), "{held}");
                assert_eq!(held_original(&held), Some(name));
            }
        }
        let long = held_name(&format!("{}.json", "é".repeat(125)), 0);
        assert!(long.len() <= MAX_NAME_BYTES, "{} bytes", long.len());
        assert!(held_original(&long).is_some_and(|name| name.ends_with("é.json")));
        for foreign in [
            "01.json",
            ".diode-import-0.tmp",
            ".diode-import-held-.json",
            ".diode-import-held--01.json",
            ".diode-import-held-x-01.json",
            ".diode-import-held-0-.json",
            ".diode-import-held-0-01.txt",
        ] {
            assert_eq!(held_original(foreign), None, "{foreign}");
        }
    }
}
