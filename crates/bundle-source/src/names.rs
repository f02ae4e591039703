//! What a rejected file is called, in a folder or in a bucket.

/// What is appended to a rejected file's name to name the file with the reason.
pub const REASON_SUFFIX: &str = ".reason.json";

/// How the name of a file that may be a bundle ends.
pub(crate) const BUNDLE_SUFFIX: &str = ".json";

/// Why a file with such a name is left alone.
pub(crate) const CASE: &str =
    "its name does not end in .json in small letters; rename it to have it imported";

/// Whether a name differs from a bundle's by the case of its ending alone, as names on FAT and ISO 9660
/// often do.
pub(crate) fn ends_in_another_case(name: &[u8]) -> bool {
    let ending = BUNDLE_SUFFIX.as_bytes();
    name.len()
        .checked_sub(ending.len())
        .and_then(|start| name.get(start..))
        .is_some_and(|end| end != ending && end.eq_ignore_ascii_case(ending))
}

/// Whether a name of the folder for rejected files may be that of one, and not of a reason.
pub(crate) fn is_rejected(name: &str) -> bool {
    name.ends_with(BUNDLE_SUFFIX) && !name.ends_with(REASON_SUFFIX)
}

/// The `number`th name to try for a file: its own at 0, then `01.1.json`, `01.2.json` and so on.
///
/// A name is shortened where the name of its reason file would otherwise have more than `longest`
/// bytes.
pub(crate) fn numbered(name: &str, number: u32, longest: usize) -> String {
    let stem = name.strip_suffix(BUNDLE_SUFFIX).unwrap_or(name);
    let ending = match number {
        0 => BUNDLE_SUFFIX.to_owned(),
        _ => format!(".{number}{BUNDLE_SUFFIX}"),
    };
    let room = longest.saturating_sub(REASON_SUFFIX.len() + ending.len());
    let stem = &stem[..stem.floor_char_boundary(room)];
    format!("{stem}{ending}")
}

/// The name of the file with the reason why `name` was set aside.
pub(crate) fn reason_name(name: &str) -> String {
    format!("{name}{REASON_SUFFIX}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_names() {
        let check = |name: &str, number, expect: &str| {
            assert_eq!(numbered(name, number, 255), expect, "{name} {number}");
        };
        check("01.json", 0, "01.json");
        check("01.json", 1, "01.1.json");
        check("01.1.json", 1, "01.1.1.json");
        check("a.b.json", 12, "a.b.12.json");
        check("a/b.json", 1, "a/b.1.json");
    }

    #[test]
    fn endings_in_another_case() {
        for (name, expect) in [
            ("UPPER.JSON", true),
            ("a.Json", true),
            ("é.JSON", true),
            ("a.json", false),
            ("a.JSON.gz", false),
            ("JSON", false),
            ("", false),
        ] {
            assert_eq!(ends_in_another_case(name.as_bytes()), expect, "{name}");
        }
    }

    #[test]
    fn long_names_leave_room_for_the_reason() {
        let check = |name: String| {
            for number in [0, 1, u32::MAX] {
                let numbered = numbered(&name, number, 255);
                assert!(numbered.ends_with(BUNDLE_SUFFIX), "{numbered}");
                let reason = reason_name(&numbered);
                assert!(reason.len() <= 255, "{} bytes: {reason}", reason.len());
            }
        };
        check(format!("{}.json", "a".repeat(250)));
        check(format!("{}.json", "é".repeat(125)));
        let longest_kept = format!("{}.json", "a".repeat(238));
        assert_eq!(numbered(&longest_kept, 0, 255), longest_kept);
        let one_more = format!("{}.json", "a".repeat(239));
        assert_eq!(numbered(&one_more, 0, 255), longest_kept);
    }
}
