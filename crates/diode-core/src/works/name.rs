//! What a work is called.

use chrono::{DateTime, Utc};

/// The peer's name for a work: `NAME run @ TIME`, the file's time in C's `ctime` form, in UTC.
pub fn work_name(connector_name: &str, modified: DateTime<Utc>) -> String {
    format!(
        "{connector_name} run @ {}",
        modified.format("%a %b %e %H:%M:%S %Y")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_works_as_the_peer_does() {
        let time = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        assert_eq!(
            work_name("Feed", time),
            "Feed run @ Thu Jan  1 00:00:00 2026"
        );
    }
}
