//! The version that a double plays.

use std::fmt;

/// A platform's version: its first three numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// Reads the numbers that `text` begins with; what is no number counts as 0.
    ///
    /// ```
    /// use tests::platform::Version;
    ///
    /// assert_eq!(Version::read("7.260309.0-lts.2"), Version(7, 260_309, 0));
    /// assert_eq!(Version::read("next"), Version(0, 0, 0));
    /// ```
    pub fn read(text: &str) -> Self {
        let mut numbers = text.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        Self(next(), next(), next())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}
