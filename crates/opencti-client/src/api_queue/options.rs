//! How large a push may be.

use super::pushes::Room;
use crate::PlatformVersion;

/// Room in a request for what stands around the bundle: the query, and the ids of connector and
/// work, which may be a kilobyte each and escaped.
const AROUND_THE_BUNDLE: usize = 16 * 1024;
/// Room in a message of the broker for what stands around the bundle.
const AROUND_THE_CONTENT: usize = 4 * 1024;
/// How long a chain of references may be within one push. The workers' splitter calls itself for
/// each link, and Python ends that after a thousand calls: the message would be dropped.
const MAX_LEVELS: usize = 500;

/// What an [`ApiQueue`](crate::ApiQueue) needs to know of the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiOptions {
    /// Its version; `None`, where that is unknown, is taken for a new one.
    pub version: Option<PlatformVersion>,
    /// The largest request body that it takes, in bytes (its `app:max_payload_body_size`).
    pub max_body_bytes: usize,
    /// The largest message that the broker behind it takes, in bytes.
    pub max_message_bytes: usize,
}

impl Default for ApiOptions {
    /// A little below the platform's own limit of 50 MiB, and RabbitMQ's of 16 MiB.
    fn default() -> Self {
        Self {
            version: None,
            max_body_bytes: 50_000_000,
            max_message_bytes: 16 << 20,
        }
    }
}

impl ApiOptions {
    /// The room for a bundle: as text within the body, and in base64 within the message.
    pub(super) fn room(&self) -> Room {
        let message = self.max_message_bytes.saturating_sub(AROUND_THE_CONTENT);
        Room {
            bytes: message / 4 * 3,
            escaped: self.max_body_bytes.saturating_sub(AROUND_THE_BUNDLE),
            levels: MAX_LEVELS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_left_for_what_stands_around_a_bundle() {
        let room = ApiOptions::default().room();
        assert_eq!((room.bytes, room.escaped), (12_579_840, 49_983_616));
        let tiny = ApiOptions {
            max_body_bytes: 1,
            max_message_bytes: 1,
            ..ApiOptions::default()
        };
        assert_eq!((tiny.room().bytes, tiny.room().escaped), (0, 0));
    }
}
