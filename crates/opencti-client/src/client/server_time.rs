//! What time it is at the platform.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Utc};
use reqwest::header::HeaderValue;

/// What the platform, or a proxy before it, last told of the time: the `Date` of its answers, which is
/// precise to a second. Clones share it: keep one, and give the other to the
/// [`ClientConfig`](crate::ClientConfig).
///
/// ```
/// use opencti_client::ServerTime;
///
/// let told = ServerTime::default();
/// assert_eq!(told.last(), None);
/// ```
#[derive(Clone, Default)]
pub struct ServerTime(Arc<Mutex<Option<Told>>>);

/// A time, and when it arrived.
type Told = (DateTime<Utc>, Instant);

impl ServerTime {
    /// The last time that was told, and when it arrived; `None`: none was told yet.
    pub fn last(&self) -> Option<(DateTime<Utc>, Instant)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of an answer's `Date`, where it has one that can be read.
    pub(super) fn note(&self, date: Option<&HeaderValue>, arrived: Instant) {
        let text = date.and_then(|date| date.to_str().ok());
        let time = text.and_then(|text| DateTime::parse_from_rfc2822(text).ok());
        if let Some(time) = time {
            let told = Some((time.to_utc(), arrived));
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = told;
        }
    }
}

impl fmt::Debug for ServerTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerTime")
            .field(&self.last().map(|(time, _)| time))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_time_changes_nothing() {
        let (told, now) = (ServerTime::default(), Instant::now());
        let note = |text: &'static str| told.note(Some(&HeaderValue::from_static(text)), now);
        note("yesterday");
        assert_eq!(told.last(), None);
        note("Thu, 01 Jan 2026 00:00:10 GMT");
        let expect = DateTime::from_timestamp(1_767_225_610, 0).map(|time| (time, now));
        assert_eq!(told.last(), expect);
        note("");
        told.note(None, now);
        assert_eq!(told.last(), expect);
    }
}
