//! Rehearses: says what would be imported, and does nothing of it.

use diode_core::{Applicants, PassReport, Rehearsal, chain, warn_of_unfit_targets};
use opencti_client::{ErrorClass, Platform, PlatformVersion, ServerTime};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;
use crate::run::warn_of_unmapped;
use crate::settings::Settings;
use crate::wire;

/// Rehearses passes as the settings say: one, or one after the other until told to stop.
///
/// # Errors
/// What keeps a real run from starting, too: the ledger, TLS, nothing to import from.
pub(crate) async fn rehearse(
    settings: &Settings,
    stop: &CancellationToken,
) -> anyhow::Result<Exit> {
    let platform = wire::platform(settings, ServerTime::default())?;
    let applicants = wire::applicants(settings);
    let asked = tokio::select! {
        asked = ask(&*platform, &applicants) => asked,
        () = stop.cancelled() => return Ok(Exit::Done),
    };
    announce(settings, asked.version);
    warn_of_unmapped(settings);
    let mut rehearsals = wire::rehearsals(settings, asked.version, stop)?;
    let exit = loop {
        let next = Instant::now() + settings.connector.duration_period;
        let reports = round(&mut rehearsals).await;
        if settings.connector.run_and_terminate {
            break asked.exit.unwrap_or_else(|| Exit::of_passes(&reports));
        }
        tokio::select! {
            () = sleep_until(next) => {}
            () = stop.cancelled() => break Exit::Done,
        }
    };
    tracing::info!(exit_code = exit.code(), "leaving");
    Ok(exit)
}

/// What the platform said when it was asked for its version.
#[derive(Default)]
struct Asked {
    version: Option<PlatformVersion>,
    /// How a real run would end at once.
    exit: Option<Exit>,
}

/// A rehearsal can do without the platform, but not say for sure what it would do with drafts.
async fn ask(platform: &dyn Platform, applicants: &Applicants) -> Asked {
    let error = match platform.version().await {
        Ok(version) => {
            warn_of_unfit_targets(platform, applicants).await;
            return Asked {
                version,
                exit: None,
            };
        }
        Err(error) => error,
    };
    let exit = match error.class() {
        ErrorClass::Credentials | ErrorClass::Forbidden => Some(Exit::TokenRefused),
        _ => None,
    };
    tracing::warn!(
        error = chain(&error),
        "rehearsing without the platform, as if its version were unknown"
    );
    Asked {
        version: None,
        exit,
    }
}

fn announce(settings: &Settings, version: Option<PlatformVersion>) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        platform = settings.opencti.url.as_str(),
        platform_version =
            version.map_or_else(|| "unknown".to_owned(), |version| version.to_string()),
        state_path = %settings.diode_import.state_path.display(),
        "CONNECTOR_SEND_TO_QUEUE is false: rehearsing, nothing is registered, sent, moved or deleted"
    );
}

async fn round(rehearsals: &mut [Rehearsal]) -> Vec<PassReport> {
    let mut reports = Vec::with_capacity(rehearsals.len());
    for rehearsal in rehearsals {
        reports.push(rehearsal.pass().await);
    }
    reports
}
