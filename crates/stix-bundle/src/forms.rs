//! The written forms of STIX 2.1's identifiers and timestamps.

/// Whether a text is a type, two dashes and a UUID (STIX 2.1, section 2.9).
pub(crate) fn is_identifier(text: &str) -> bool {
    text.split_once("--")
        .is_some_and(|(prefix, uuid)| is_type(prefix) && is_uuid(uuid))
}

/// Lower-case letters, digits and dashes (STIX 2.1, section 3.2).
fn is_type(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(allowed)
}

fn is_uuid(text: &str) -> bool {
    fits(text, "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh")
}

/// A moment, in an order of its own: earlier ones are less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp<'a> {
    seconds: &'a str,
    /// Without zeros at its end.
    fraction: &'a str,
}

impl<'a> Timestamp<'a> {
    /// Reads a timestamp as STIX writes it: RFC 3339 in UTC with a `Z`, any number of digits after
    /// the second (STIX 2.1, section 2.15).
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (seconds, rest) = text.split_at_checked("yyyy-mm-ddThh:mm:ss".len())?;
        let fraction = match rest.strip_suffix('Z')? {
            "" => "",
            rest => rest.strip_prefix('.').filter(|digits| !digits.is_empty())?,
        };
        let digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
        let sound = digits && fits(seconds, "dddd-dd-ddTdd:dd:dd") && is_in_range(seconds);
        sound.then(|| Self {
            seconds,
            fraction: fraction.trim_end_matches('0'),
        })
    }
}

/// Whether month, day, hour, minute and second exist; a leap second does.
fn is_in_range(seconds: &str) -> bool {
    let number = |at: usize| {
        seconds
            .get(at..at + 2)
            .and_then(|part| part.parse::<u32>().ok())
    };
    let within = |at, least: u32, most| number(at).is_some_and(|n| (least..=most).contains(&n));
    let year = seconds.get(..4).and_then(|year| year.parse::<u32>().ok());
    let days = year
        .zip(number(5))
        .map_or(0, |(year, month)| days(year, month));
    within(8, 1, days) && within(11, 0, 23) && within(14, 0, 59) && within(17, 0, 60)
}

/// The days of a month; none, where the month does not exist.
fn days(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    }
}

/// Whether a text has the form of a template, in which `h` stands for a hexadecimal digit and `d`
/// for a decimal one.
fn fits(text: &str, template: &str) -> bool {
    text.len() == template.len()
        && text
            .bytes()
            .zip(template.bytes())
            .all(|(byte, form)| match form {
                b'h' => byte.is_ascii_hexdigit(),
                b'd' => byte.is_ascii_digit(),
                _ => byte == form,
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers() {
        for (text, expect) in [
            ("malware--da5eafc5-2d2f-5cbc-952d-feb4e0379558", true),
            ("x-a-1--DA5EAFC5-2d2f-5cbc-952d-feb4e0379558", true),
            ("Malware--da5eafc5-2d2f-5cbc-952d-feb4e0379558", false),
            ("--da5eafc5-2d2f-5cbc-952d-feb4e0379558", false),
            ("malware-da5eafc5-2d2f-5cbc-952d-feb4e0379558", false),
            ("malware--da5eafc52d2f5cbc952dfeb4e0379558", false),
            ("malware--da5eafc5-2d2f-5cbc-952d-feb4e037955g", false),
            ("malware--1", false),
            ("", false),
        ] {
            assert_eq!(is_identifier(text), expect, "{text}");
        }
    }

    #[test]
    fn timestamps() {
        for (text, expect) in [
            ("2024-02-29T23:59:60Z", true),
            ("2024-03-05T10:00:00.000Z", true),
            ("2024-03-05T10:00:00.123456789Z", true),
            ("2023-02-29T00:00:00Z", false),
            ("1900-02-29T00:00:00Z", false),
            ("2024-13-01T00:00:00Z", false),
            ("2024-04-31T00:00:00Z", false),
            ("2024-04-00T00:00:00Z", false),
            ("2024-04-01T24:00:00Z", false),
            ("2024-04-01T00:60:00Z", false),
            ("2024-03-05T10:00:00.Z", false),
            ("2024-03-05T10:00:00", false),
            ("2024-03-05T10:00:00+00:00", false),
            ("2024-03-05t10:00:00z", false),
            ("2024-03-05 10:00:00Z", false),
            ("2024-03-05", false),
            ("2024-03-05T10:00:0éZ", false),
            ("", false),
        ] {
            assert_eq!(Timestamp::parse(text).is_some(), expect, "{text}");
        }
    }

    #[test]
    fn earlier_is_less() {
        let in_order = [
            "1999-12-31T23:59:59.9Z",
            "2024-03-05T10:00:00.0Z",
            "2024-03-05T10:00:00.000001Z",
            "2024-03-05T10:00:00.12Z",
            "2024-03-05T10:00:00.5Z",
            "2024-03-05T10:00:01Z",
        ];
        assert!(
            in_order
                .map(|text| Timestamp::parse(text).unwrap())
                .is_sorted_by(|a, b| a < b)
        );
        let [a, b] = ["2024-03-05T10:00:00.500Z", "2024-03-05T10:00:00.5Z"].map(Timestamp::parse);
        assert!(a.is_some() && a == b);
    }
}
