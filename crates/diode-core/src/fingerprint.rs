//! What tells one content from another.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

/// How many bytes a SHA-256 has.
const BYTES: usize = 32;

/// SHA-256 of a file's bytes, shown as 64 lower-case hexadecimal digits.
///
/// ```
/// use diode_core::Fingerprint;
///
/// let fingerprint = Fingerprint::of(b"{}");
/// let text = fingerprint.to_string();
/// assert_eq!(text, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
/// assert_eq!(text.parse(), Ok(fingerprint));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; BYTES]);

/// The text is no fingerprint as one is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint has 64 lower-case hexadecimal digits")]
pub struct NoFingerprint;

impl Fingerprint {
    /// The fingerprint of that content.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    /// Reads what is shown of a fingerprint, and nothing else: one content has one text.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != BYTES || !rest.is_empty() {
            return Err(NoFingerprint);
        }
        let mut bytes = [0; BYTES];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(bytes))
    }
}

fn digit(digit: u8) -> Result<u8, NoFingerprint> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(NoFingerprint),
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_shown_is_read_back() {
        let bytes: Vec<u8> = (0..32).map(|number| number * 8 + 7).collect();
        let fingerprint = Fingerprint(bytes.try_into().unwrap());
        let text = fingerprint.to_string();
        assert!(
            text.starts_with("070f171f") && text.ends_with("eff7ff"),
            "{text}"
        );
        assert_eq!(text.parse(), Ok(fingerprint));
        assert_eq!(serde_json::to_value(fingerprint).unwrap(), text);
        let changed = |from: &str, to: &str| text.replacen(from, to, 1);
        for other in [
            String::new(),
            text[..62].to_owned(),
            text[..63].to_owned(),
            format!("{text}0"),
            format!("{text}00"),
            text.to_uppercase(),
            changed("07", "0g"),
            changed("07", "+7"),
            changed("07", "é"),
            changed("07", "/:"),
            changed("07", "`7"),
        ] {
            assert_eq!(other.parse::<Fingerprint>(), Err(NoFingerprint), "{other}");
        }
    }

    #[test]
    fn every_difference_in_content_is_told() {
        assert_eq!(Fingerprint::of(b""), Fingerprint::of(b""));
        assert_ne!(Fingerprint::of(b""), Fingerprint::of(b"\0"));
    }
}
