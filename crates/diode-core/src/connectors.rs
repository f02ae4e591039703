//! The source connectors, registered once per run of the program.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opencti_client::{ApiError, ConnectorType, Platform, PlatformVersion, Registration, Route};

use crate::aliases::Aliases;
use crate::registrations::FailedRegistrations;
use crate::reminder::Reminder;
use crate::{Code, Refusal};

type Routes = HashMap<String, (Registration, Route)>;

/// From which version on the platform refuses a connector whose name has fewer characters.
const SHORTEST_NAME: (PlatformVersion, usize) = (PlatformVersion::new(6, 9, 0), 2);

/// Why a platform of that version surely does not register a connector. One whose version is unknown is
/// asked.
pub(crate) fn unfit(
    connector: &Registration,
    version: Option<PlatformVersion>,
) -> Result<(), Refusal> {
    let (since, least) = SHORTEST_NAME;
    let name = &connector.name;
    if version.is_some_and(|version| version >= since) && name.chars().count() < least {
        let message = format!(
            "connector.name {name:?} has fewer than {least} characters, which platforms from \
             {since} on ask for"
        );
        return Err(Refusal::new(Code::InvalidConnector, message));
    }
    Ok(())
}

/// Registers source connectors on the platform, and remembers where their messages go; shared by
/// all sources.
pub struct Connectors {
    platform: Arc<dyn Platform>,
    own_id: String,
    routes: Mutex<Routes>,
    failed: Mutex<FailedRegistrations>,
    aliases: Mutex<Aliases>,
    /// That the platform does not tell which connectors it has.
    listing_failure: Mutex<Reminder>,
}

impl Connectors {
    /// Knows only ourselves, as registered with `own` and answered with `route`.
    pub fn new(platform: Arc<dyn Platform>, own: &Registration, route: Route) -> Self {
        Self {
            platform,
            own_id: own.id.clone(),
            routes: Mutex::new([(own.id.clone(), (own.clone(), route))].into()),
            failed: Mutex::default(),
            aliases: Mutex::default(),
            listing_failure: Mutex::default(),
        }
    }

    /// Where the messages of a source connector go; registers it where that was not yet done, or
    /// done under another name, type or scope.
    ///
    /// A source connector that has our own id is ourselves: registering it would overwrite us.
    ///
    /// # Errors
    /// [`ApiError`] of the registration.
    pub(crate) async fn route(&self, connector: &Registration) -> Result<Route, ApiError> {
        match self.known(&connector.id) {
            Some((known, route)) if known == *connector || connector.id == self.own_id => Ok(route),
            _ => {
                self.tell_of_aliases(connector);
                self.register(connector).await
            }
        }
    }

    /// Whether a connector is ourselves, or registered in this run just as it is.
    pub(crate) fn needs_no_registration(&self, connector: &Registration) -> bool {
        connector.id == self.own_id
            || self
                .known(&connector.id)
                .is_some_and(|(known, _)| known == *connector)
    }

    /// The type with which a connector was registered in this run, under whatever name or scope.
    pub(crate) fn registered_type(&self, connector_id: &str) -> Option<ConnectorType> {
        let routes = self.routes();
        let (registered, _) = routes.get(connector_id)?;
        Some(registered.connector_type)
    }

    /// That the platform does not tell which connectors it has.
    pub(crate) fn listing_failure(&self) -> MutexGuard<'_, Reminder> {
        self.listing_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Says once that two connectors have one id: they share its queue, and each is registered anew
    /// before each of its files.
    fn tell_of_aliases(&self, connector: &Registration) {
        let mut aliases = self.aliases.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = aliases.in_turn(connector) {
            tracing::warn!(
                connector_id = connector.id,
                connector = connector.name,
                connector_type = connector.connector_type.as_str(),
                other = other.name,
                other_type = other.connector_type.as_str(),
                "one connector id comes under two names or types in turn: two connectors have the same \
                 id; give one of them another on the other side"
            );
        }
    }

    /// Registers a connector again, so that the platform declares its queue anew.
    ///
    /// # Errors
    /// [`ApiError`] of the registration.
    pub(crate) async fn route_anew(&self, connector: &Registration) -> Result<Route, ApiError> {
        match self.known(&connector.id) {
            Some((own, _)) if connector.id == self.own_id => self.register(&own).await,
            _ => self.register(connector).await,
        }
    }

    /// The connectors whose registration failed for them alone. Between passes of one source, those of
    /// another may change.
    pub(crate) fn failed(&self) -> MutexGuard<'_, FailedRegistrations> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn register(&self, connector: &Registration) -> Result<Route, ApiError> {
        let answer = self.platform.register_connector(connector).await?;
        tracing::info!(
            connector = connector.name,
            connector_id = connector.id,
            "source connector registered"
        );
        self.routes().insert(
            connector.id.clone(),
            (connector.clone(), answer.route.clone()),
        );
        Ok(answer.route)
    }

    fn known(&self, id: &str) -> Option<(Registration, Route)> {
        self.routes().get(id).cloned()
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
