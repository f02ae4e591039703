//! TLS to the broker: who has it once is not talked out of it by the platform's answer.

use std::io;
use std::path::Path;

use diode_core::{Greeting, chain, open_private_file};

use crate::settings::{QueueProtocol, Settings};

/// The file in the state folder that is there once the broker was to be spoken to over TLS.
const MARK: &str = "broker-over-tls";

/// The platform tells of a broker without TLS, after one with.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the platform's registration tells to speak to the broker without TLS, but an earlier one, or MQ_USE_SSL, \
     said with TLS: nothing is sent; see that the platform's broker speaks TLS (RABBITMQ__USE_SSL), set \
     MQ_USE_SSL=true if it does, or MQ_USE_SSL=false to do without from now on"
)]
pub(crate) struct TlsTurnedOff;

/// Whether the broker may be spoken to as the platform tells; that it is to be over TLS is remembered.
///
/// # Errors
/// [`TlsTurnedOff`]
pub(crate) fn judge(settings: &Settings, greeting: &Greeting) -> Result<(), TlsTurnedOff> {
    if settings.connector.queue_protocol != QueueProtocol::Amqp {
        return Ok(());
    }
    let mark = settings.diode_import.state_path.join(MARK);
    // What cannot be looked at counts as there.
    let before = mark.try_exists().unwrap_or(true);
    let told = greeting.registered.broker.use_ssl;
    if decide(settings.mq.use_ssl, told, before)? && !before {
        remember(&mark);
    }
    Ok(())
}

/// Whether TLS is spoken: the settings decide, else what was before, else the platform.
fn decide(set: Option<bool>, told: bool, before: bool) -> Result<bool, TlsTurnedOff> {
    match (set, told) {
        (Some(set), _) => Ok(set),
        (None, false) if before => Err(TlsTurnedOff),
        (None, told) => Ok(told),
    }
}

fn remember(mark: &Path) {
    let made = || -> io::Result<()> { open_private_file(mark)?.sync_all() };
    if let Err(error) = made() {
        tracing::warn!(
            path = %mark.display(),
            error = chain(&error),
            "that the broker speaks TLS cannot be kept: set MQ_USE_SSL=true, or the platform's answer could \
             turn it off at the next start"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_decide_then_what_was_before_then_the_platform() {
        for before in [false, true] {
            for told in [false, true] {
                assert_eq!(decide(Some(true), told, before), Ok(true));
                assert_eq!(decide(Some(false), told, before), Ok(false));
            }
            assert_eq!(decide(None, true, before), Ok(true));
        }
        assert_eq!(decide(None, false, false), Ok(false));
        assert_eq!(decide(None, false, true), Err(TlsTurnedOff));
    }
}
