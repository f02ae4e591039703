//! The platform's version, read leniently.

use std::fmt;

/// The first three numbers of a platform's version.
///
/// Versions are compared by number and never by date: 6.9.29 is younger than 7.260224.0 and knows
/// less. A suffix does not count: an LTS build keeps the interface of the version it is based on.
///
/// ```
/// use opencti_client::PlatformVersion;
///
/// let lts = PlatformVersion::parse("7.260309.0-lts.2").unwrap();
/// assert_eq!(lts.to_string(), "7.260309.0");
/// assert!(lts > PlatformVersion::parse("6.9.29").unwrap());
/// assert_eq!(PlatformVersion::parse("latest"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlatformVersion {
    /// 6 or 7 today.
    pub major: u32,
    /// The minor number; a date such as `260309` from 7 on.
    pub minor: u32,
    /// The patch number.
    pub patch: u32,
}

impl PlatformVersion {
    /// The version of these three numbers.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Reads the first three numbers of `text`; a third one that is missing counts as 0, and
    /// whatever follows the numbers is ignored.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut parts = text.strip_prefix('v').unwrap_or(text).splitn(4, '.');
        let major = parts.next()?.parse().ok()?;
        let minor = leading_number(parts.next()?)?;
        let patch = parts.next().map_or(Some(0), leading_number)?;
        Some(Self::new(major, minor, patch))
    }
}

impl fmt::Display for PlatformVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The number at the start of `text`: 0 in `0-lts.2`.
fn leading_number(text: &str) -> Option<u32> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_platforms_write_them() {
        check("6.0.0", Some((6, 0, 0)));
        check("6.9.29", Some((6, 9, 29)));
        check("7.260309.0", Some((7, 260_309, 0)));
        check("7.260309.0-lts.2", Some((7, 260_309, 0)));
        check("7.260309.0-lts1", Some((7, 260_309, 0)));
        check("7.260306.1", Some((7, 260_306, 1)));
        check("7.260309.0.8", Some((7, 260_309, 0)));
        check("6.5-rc1", Some((6, 5, 0)));
        check(" v6.4.1\n", Some((6, 4, 1)));
        check("6", None);
        check("", None);
        check("latest", None);
        check("6.x.1", None);
        check("6.1.x", None);
        check("6.99999999999.0", None);
        check("-6.1.0", None);
    }

    fn check(text: &str, expect: Option<(u32, u32, u32)>) {
        let expect = expect.map(|(major, minor, patch)| PlatformVersion::new(major, minor, patch));
        assert_eq!(PlatformVersion::parse(text), expect, "{text:?}");
    }
}
