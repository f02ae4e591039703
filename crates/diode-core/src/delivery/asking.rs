//! Asking whether platform and broker are there, where a failure leaves that open.

use std::time::Duration;

use opencti_client::{ApiError, DeliveryError, DeliveryErrorKind, ErrorClass};

use super::{Courier, stopped};
use crate::trouble::{Suspect, Trouble};

/// Who does not answer within this time is not there.
const PATIENCE: Duration = Duration::from_secs(30);

impl Courier {
    /// Whether a suspect is there.
    ///
    /// # Errors
    /// [`Trouble`] that says what is not, or that we were asked to stop.
    pub(crate) async fn ask(&self, suspect: Suspect) -> Result<(), Trouble> {
        match suspect {
            Suspect::Platform => {}
            // Over the API the platform stands before the broker.
            Suspect::Broker => self.ask_broker().await?,
        }
        self.ask_platform().await
    }

    async fn ask_broker(&self) -> Result<(), Trouble> {
        let asked = tokio::time::timeout(PATIENCE, self.prepare()).await;
        asked.unwrap_or_else(|_| {
            Err(Trouble::Broker(DeliveryError {
                kind: DeliveryErrorKind::Unavailable,
                confirmed: 0,
                doubtful: 0,
                message: format!("the broker did not answer within {PATIENCE:?}"),
                source: None,
            }))
        })
    }

    /// The question is about nothing that a file says.
    async fn ask_platform(&self) -> Result<(), Trouble> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(stopped()),
            asked = tokio::time::timeout(PATIENCE, self.platform.version()) => match asked {
                Ok(version) => Ok(version.map(|_| ())?),
                Err(_) => Err(no_answer().into()),
            },
        }
    }
}

fn no_answer() -> ApiError {
    let message = format!("no answer within {PATIENCE:?}");
    ApiError::new("about", ErrorClass::Transient, message)
}
