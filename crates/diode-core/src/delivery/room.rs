//! Room in a connector's queue: asked for before an import is sent, and what it took.

use opencti_client::{Delivery, DeliveryError, Registration};

use super::Courier;
use crate::examine::Import;
use crate::trouble::Trouble;

/// What a message has around its object, in bytes: the bundle's and the message's own keys.
const AROUND: u64 = 400;

impl Courier {
    /// Sees to it that nothing is sent into a queue that is full.
    pub(super) async fn find_room(&self, connector: &Registration) -> Result<(), Trouble> {
        match &self.pressure {
            Some(pressure) => Ok(pressure.admit(&connector.id).await?),
            None => Ok(()),
        }
    }

    /// Takes account of what was sent of an import, whether or not it was all.
    pub(super) fn take_room(&self, import: &Import<'_>, sent: &Result<Delivery, DeliveryError>) {
        let messages = match sent {
            Ok(delivery) => delivery.confirmed + delivery.doubtful,
            Err(error) => error.confirmed + error.doubtful,
        };
        if let Some(pressure) = &self.pressure {
            let objects = import.envelope.bundle.as_str().len();
            let bytes = size_of_messages(objects, import.split.part_count(), messages);
            pressure.sent(&import.envelope.connector.id, bytes);
        }
    }
}

/// About how many bytes so many messages have of an import with `parts` messages and `objects`
/// bytes of objects, which go out in base64.
fn size_of_messages(objects: usize, parts: usize, messages: usize) -> u64 {
    let [objects, parts, messages] =
        [objects, parts, messages].map(|number| u64::try_from(number).unwrap_or(u64::MAX));
    let whole = (objects / 3)
        .saturating_mul(4)
        .saturating_add(parts.saturating_mul(AROUND));
    (whole / parts.max(1)).saturating_mul(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_larger_than_their_objects() {
        for (objects, parts, messages, expect) in [
            (0, 0, 0, 0),
            (3000, 1, 1, 4400),
            (3000, 1, 0, 0),
            (3000, 10, 10, 8000),
            (3000, 10, 5, 4000),
            (3000, 10, 11, 8800),
            (usize::MAX, usize::MAX, usize::MAX, u64::MAX),
        ] {
            let got = size_of_messages(objects, parts, messages);
            assert_eq!(got, expect, "{objects} {parts} {messages}");
        }
    }
}
