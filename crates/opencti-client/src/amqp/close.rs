//! What it means that a broker closed a channel or a connection.

use super::link::reply;
use super::window::Sizes;

/// The meaning of a close, from its reply code (AMQP 0-9-1) and text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// A message was too large.
    TooLarge(Option<Sizes>),
    /// The exchange does not exist.
    Unroutable,
    /// Our user, virtual host or permissions are refused.
    Denied,
    /// Anything else, such as a limit on connections that is reached: another connection may fare
    /// better.
    Broken,
}

impl Closed {
    /// The meaning of an error of lapin's; one that is no close counts as a broken connection.
    pub(super) fn by(error: &lapin::Error) -> Self {
        reply(error).map_or(Self::Broken, |(code, text)| Self::of(code, text))
    }

    pub(super) fn of(code: u16, text: &str) -> Self {
        match code {
            311 => Self::TooLarge(sizes(text)),
            406 if text.contains("message size") => Self::TooLarge(sizes(text)),
            404 => Self::Unroutable,
            530 if text.contains("limit") => Self::Broken,
            402 | 403 | 530 => Self::Denied,
            _ => Self::Broken,
        }
    }
}

/// The two sizes in `PRECONDITION_FAILED - message size 17 is larger than configured max size 16`,
/// or in any other wording with the same two numbers in the same order.
fn sizes(text: &str) -> Option<Sizes> {
    let words = text.split(|c: char| !c.is_ascii_digit());
    let numbers: Vec<usize> = words.filter_map(|word| word.parse().ok()).collect();
    match numbers[..] {
        [message, limit] => Some(Sizes { message, limit }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_by_code_and_text() {
        let too_large = "PRECONDITION_FAILED - message size 20971568 is larger than configured max size 16777216";
        let sizes = Some(Sizes {
            message: 20_971_568,
            limit: 16_777_216,
        });
        check(406, too_large, Closed::TooLarge(sizes));
        check(
            406,
            "PRECONDITION_FAILED - message size 17 larger than max size 16",
            Closed::TooLarge(Some(Sizes {
                message: 17,
                limit: 16,
            })),
        );
        check(
            406,
            "PRECONDITION_FAILED - message size too large",
            Closed::TooLarge(None),
        );
        check(
            406,
            "PRECONDITION_FAILED - unknown delivery tag 1",
            Closed::Broken,
        );
        check(311, "CONTENT_TOO_LARGE", Closed::TooLarge(None));
        check(
            404,
            "NOT_FOUND - no exchange 'amqp.worker.exchange' in vhost '/'",
            Closed::Unroutable,
        );
        check(403, "ACCESS_REFUSED - Login was refused", Closed::Denied);
        check(402, "INVALID_PATH", Closed::Denied);
        check(530, "NOT_ALLOWED - vhost nowhere not found", Closed::Denied);
        check(
            530,
            "NOT_ALLOWED - access to vhost '/' refused for user 'guest': connection limit (1) is reached",
            Closed::Broken,
        );
        check(
            320,
            "CONNECTION_FORCED - broker forced connection closure",
            Closed::Broken,
        );
        check(541, "INTERNAL_ERROR", Closed::Broken);
    }

    fn check(code: u16, text: &str, expect: Closed) {
        assert_eq!(Closed::of(code, text), expect, "{code} {text}");
    }
}
