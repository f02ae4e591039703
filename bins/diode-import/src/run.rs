//! Runs the connector.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bundle_source::S3Source;
use chrono::Utc;
use diode_core::{
    Greeting, Patience, StandIn, StartError, chain, greet, open_to_others, warn_of_unfit_targets,
};
use opencti_client::ErrorClass;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::broker_tls;
use crate::bucket::Unusable;
use crate::claims::{self, Turn};
use crate::clock;
use crate::exit::Exit;
use crate::lease::{self, BucketLease, Waiting};
use crate::logging::ErrorCount;
use crate::metrics::Served;
use crate::rehearse;
use crate::settings::{QueueProtocol, Sending, Settings};
use crate::wire;

/// How long we take to leave when asked to; container engines kill after ten seconds.
const LEAVE_WITHIN: Duration = Duration::from_secs(9);

/// How much longer the process may then last: a call that blocks does not let go of its thread.
const END_WITHIN: Duration = Duration::from_millis(500);

/// Imports what waits, until told to stop. Metrics have the errors that were counted.
///
/// # Errors
/// What keeps the connector from starting, other than the platform: the state folder, TLS.
pub(crate) async fn run(settings: Settings, errors: ErrorCount) -> anyhow::Result<Exit> {
    let stop = CancellationToken::new();
    watch_signals(&stop)?;
    let exit = tokio::select! {
        exit = work(&settings, errors, &stop) => exit?,
        () = overdue(&stop) => {
            tracing::warn!("leaving with requests unanswered; what was under way is done again");
            Exit::Done
        }
    };
    Ok(exit)
}

/// The same, however long it takes to stop.
async fn work(
    settings: &Settings,
    errors: ErrorCount,
    stop: &CancellationToken,
) -> anyhow::Result<Exit> {
    clock::warn_if_not_set(Utc::now());
    if settings.connector.send_to_queue == Sending::Rehearsal {
        return rehearse::rehearse(settings, stop).await;
    }
    let claims = match claims::our_turn(settings, stop).await {
        Turn::Ours(claims) => claims,
        Turn::Taken => return Ok(Exit::Taken),
        Turn::Stopped => return Ok(Exit::Done),
    };
    warn_of_others(&settings.diode_import.state_path);
    warn_of_unmapped(settings);
    let metrics = settings.connector.metrics.as_ref();
    let metrics = metrics.map(|set| Served::begin(set, errors, stop.clone()));
    let mut prepared = wire::prepare(settings)?;
    let once = settings.connector.run_and_terminate;
    if once {
        prepared.begin_to_read(settings);
    }
    let patience = if once {
        Patience::None
    } else {
        Patience::Endless
    };
    let greeting = match greet(&*prepared.platform, &prepared.own, patience, stop).await {
        Ok(greeting) => greeting,
        Err(error) => return Ok(failed_to_start(&error)),
    };
    announce(settings, &greeting);
    if let Err(turned_off) = broker_tls::judge(settings, &greeting) {
        tracing::error!(code = "broker-without-tls", "{turned_off}");
        return Ok(Exit::Misconfigured);
    }
    clock::warn_if_apart(&prepared.server_time, Utc::now());
    let waiting = if once {
        Waiting::UntilSeen
    } else {
        Waiting::Endless
    };
    let complete = async {
        let lease = |bucket: &S3Source| {
            let holder = lease::holder(settings, &claims);
            BucketLease::new(bucket, holder, waiting, stop.clone())
        };
        prepared.add_bucket(settings, &greeting, lease).await
    };
    tokio::select! {
        completed = complete => if let Err(unusable) = completed {
            return Ok(without_bucket(&unusable));
        },
        () = stop.cancelled() => return Ok(Exit::Done),
    }
    let (platform, applicants) = (Arc::clone(&prepared.platform), wire::applicants(settings));
    let asking = async {
        tokio::select! {
            () = warn_of_unfit_targets(&*platform, &applicants) => {}
            () = stop.cancelled() => {}
        }
    };
    let mut service = prepared.service(settings, &greeting, stop.clone());
    if let Some(metrics) = &metrics {
        service = service.with_observer(metrics.observer());
    }
    let working = async {
        if once {
            Exit::of_passes(&service.run_once().await)
        } else {
            service.run().await;
            Exit::Done
        }
    };
    let (exit, ()) = tokio::join!(working, asking);
    tracing::info!(exit_code = exit.code(), "leaving");
    Ok(exit)
}

fn announce(settings: &Settings, greeting: &Greeting) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        platform = settings.opencti.url.as_str(),
        platform_version = greeting
            .version
            .map_or_else(|| "unknown".to_owned(), |version| version.to_string()),
        state_path = %settings.diode_import.state_path.display(),
        "registered on the platform"
    );
}

/// Nothing is imported from the directory either: half of what was asked for would look like all.
pub(crate) fn without_bucket(unusable: &Unusable) -> Exit {
    for line in &unusable.0 {
        tracing::error!("{line}");
    }
    Exit::Misconfigured
}

fn failed_to_start(error: &StartError) -> Exit {
    match error {
        StartError::Stopped => Exit::Done,
        StartError::Unreachable(_) => {
            tracing::error!("{}", chain(error));
            Exit::Unreachable
        }
        StartError::Refused(cause) => {
            tracing::error!("{}", chain(error));
            match cause.class() {
                ErrorClass::Credentials | ErrorClass::Forbidden => Exit::TokenRefused,
                _ => Exit::Failed,
            }
        }
    }
}

fn watch_signals(stop: &CancellationToken) -> anyhow::Result<()> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind)?;
        let stop = stop.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                // Before it is said: whoever reads the log may have ceased to.
                if !stop.is_cancelled() {
                    stop.cancel();
                    end_in_any_case();
                }
                tracing::info!("asked to stop: finishing what is in flight");
            }
        });
    }
    Ok(())
}

/// Ends the process in time though a call blocks the thread that waits for its end. It counts as a
/// crash, which costs nothing but time.
fn end_in_any_case() {
    std::thread::spawn(|| {
        std::thread::sleep(LEAVE_WITHIN + END_WITHIN);
        std::process::exit(Exit::Done.code().into());
    });
}

/// Warns where other users of this machine may look into the folder of the ledger.
fn warn_of_others(folder: &Path) {
    if let Ok(Some(mode)) = open_to_others(folder) {
        tracing::warn!(
            folder = %folder.display(),
            mode = format!("{mode:03o}"),
            "other users of this machine may look into the folder of the ledger (DIODE_IMPORT_STATE_PATH), \
             which tells what was imported: close it with chmod 700"
        );
    }
}

/// Warns where files that no user here is mapped to are imported by an account that may do more than
/// they should.
pub(crate) fn warn_of_unmapped(settings: &Settings) {
    if settings.diode_import.stand_in != StandIn::Worker {
        return;
    }
    let whose = match settings.connector.queue_protocol {
        QueueProtocol::Amqp => "the platform's workers, whose token usually may do everything",
        QueueProtocol::Api => "the account of OPENCTI_TOKEN",
    };
    tracing::warn!(
        "files without a mapped applicant are imported with the rights of {whose}: set \
         DIODE_IMPORT_DEFAULT_APPLICANT to a user who may only write knowledge, or let them wait with \
         DIODE_IMPORT_REQUIRE_APPLICANT_MAPPING=true"
    );
}

async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(LEAVE_WITHIN).await;
}
