//! Puts the parts together as the settings say.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bundle_source::{LocalSource, S3Source, Source, Watch};
use chrono::Utc;
use diode_core::{
    AfterImport, Applicants, Backpressure, Company, Connectors, Greeting, HeadStart, Importer,
    Lease, Ledger, LedgerError, OpenWorks, Origin, Parts, Policy, Rehearsal, RehearsalParts, Rules,
    Schedule, Service, StateKey, ValidationRules, Works,
};
use opencti_client::{
    AmqpOptions, AmqpQueue, ApiOptions, ApiQueue, BrokerAddress, Client, ClientConfig, Drafts,
    Platform, PlatformVersion, Queue, Registration, ServerTime,
};
use tokio_util::sync::CancellationToken;

use crate::bucket::{self, Opened, Unusable};
use crate::lease::BucketLease;
use crate::settings::{Mq, QueueProtocol, S3Settings, Settings};

/// pycti's rhythm.
const PING_EVERY: Duration = Duration::from_secs(40);

/// What can be made ready without the platform.
pub(crate) struct Prepared {
    pub(crate) platform: Arc<dyn Platform>,
    pub(crate) own: Registration,
    /// What time it is at the platform.
    pub(crate) server_time: ServerTime,
    sources: Vec<PreparedSource>,
    ledger: Arc<Ledger>,
}

/// A place where files wait, and what is set for it alone.
struct PreparedSource {
    source: Arc<dyn Source>,
    state_key: StateKey,
    company: Company,
    retention_days: Option<u32>,
    /// What tells when files arrive, where that is wanted.
    watch: Option<Box<dyn Watch>>,
    lease: Option<Arc<dyn Lease>>,
    head_start: Option<HeadStart>,
}

impl PreparedSource {
    fn of_bucket(opened: &Opened, s3: &S3Settings, lease: Option<Arc<dyn Lease>>) -> Self {
        Self {
            source: opened.source(),
            state_key: StateKey::S3,
            company: opened.company,
            retention_days: s3.retention_days,
            lease,
            watch: None,
            head_start: None,
        }
    }
}

/// Opens what is on this machine, and readies the client.
///
/// # Errors
/// The state folder, the ledger, the folder of files, or the configuration of TLS.
pub(crate) fn prepare(settings: &Settings) -> anyhow::Result<Prepared> {
    let ledger = ledger(&settings.diode_import.state_path)?;
    let sources = sources(settings)?;
    let server_time = ServerTime::default();
    Ok(Prepared {
        platform: platform(settings, server_time.clone())?,
        server_time,
        own: own_registration(settings),
        sources,
        ledger: Arc::new(ledger),
    })
}

/// The client of the platform, which notes what time it is there; nothing is sent yet.
///
/// # Errors
/// The configuration of TLS.
pub(crate) fn platform(
    settings: &Settings,
    server_time: ServerTime,
) -> anyhow::Result<Arc<dyn Platform>> {
    let client = Client::new(ClientConfig {
        tls: settings.opencti.tls.clone(),
        proxy: settings.opencti.proxy.clone(),
        headers: settings.opencti.headers.clone(),
        server_time,
        ..ClientConfig::new(
            settings.opencti.url.as_str(),
            settings.opencti.token.clone(),
        )
    })
    .context("check OPENCTI_URL, OPENCTI_SSL_VERIFY, HTTPS_CA_CERTIFICATES and SSL_CERT_FILE")?;
    Ok(Arc::new(client))
}

/// Rehearsals of all sources, for a platform of that version.
///
/// # Errors
/// The ledger, the folder of files, or a bucket of which the settings do not say enough.
pub(crate) fn rehearsals(
    settings: &Settings,
    version: Option<PlatformVersion>,
    stop: &CancellationToken,
) -> anyhow::Result<Vec<Rehearsal>> {
    let ledger = Ledger::look(&settings.diode_import.state_path)?.map(Arc::new);
    let drafts = match settings.connector.queue_protocol {
        QueueProtocol::Amqp => Drafts::Carried,
        QueueProtocol::Api => Drafts::NotCarried,
    };
    let rehearsal = |source: PreparedSource| {
        let parts = RehearsalParts {
            source: source.source,
            company: source.company,
            ledger: ledger.clone(),
            version,
            drafts,
            clock: Arc::new(Utc::now),
            stop: stop.clone(),
        };
        Rehearsal::new(parts, rules(settings, source.retention_days))
    };
    let mut sources = sources(settings)?;
    if let Some(s3) = &settings.diode_import.s3 {
        let bucket = bucket::as_set(s3, &settings.opencti.tls);
        sources.push(PreparedSource::of_bucket(&bucket?, s3, None));
    }
    Ok(sources.into_iter().map(rehearsal).collect())
}

/// Opens the ledger, and says where we do not go on with what is known.
fn ledger(folder: &Path) -> anyhow::Result<Ledger> {
    let (ledger, origin) = Ledger::open_or_replace(folder, Utc::now())
        .map_err(|error| without_ledger(error, folder))?;
    match origin {
        Origin::Found => {}
        Origin::Made => tracing::info!(
            state_path = %folder.display(),
            "there is no ledger yet: a new one is begun"
        ),
        Origin::Replaced(kept) => tracing::error!(
            kept = %kept.display(),
            "the ledger is damaged: it was put aside, and a new one begun; what is still in its \
             place may be imported once more"
        ),
    }
    Ok(ledger)
}

/// Why there is no ledger, and what to do about that.
fn without_ledger(error: LedgerError, folder: &Path) -> anyhow::Error {
    let advice = match &error {
        // It says that itself.
        LedgerError::Newer { .. } => return error.into(),
        error if error.is_for_want_of_room() => format!(
            "the disk of {} is full: free space there, and start again",
            folder.display()
        ),
        _ => "set DIODE_IMPORT_STATE_PATH to a folder that can be written to".to_owned(),
    };
    anyhow::Error::from(error).context(advice)
}

fn sources(settings: &Settings) -> anyhow::Result<Vec<PreparedSource>> {
    let mut sources = Vec::new();
    if let Some(directory) = &settings.diode_import.directory {
        let rejected = settings.diode_import.rejected_path.clone();
        let source = LocalSource::new(&directory.path, rejected)?;
        sources.push(PreparedSource {
            watch: directory.watch.then(|| Box::new(source.watch()) as _),
            source: Arc::new(source),
            state_key: StateKey::Directory,
            company: Company::Ours,
            retention_days: directory.retention_days,
            lease: None,
            head_start: None,
        });
    }
    Ok(sources)
}

impl Prepared {
    /// Begins to read what the first pass over what is on this machine begins with.
    pub(crate) fn begin_to_read(&mut self, settings: &Settings) {
        for source in &mut self.sources {
            source.head_start = Some(HeadStart::begin(
                Arc::clone(&source.source),
                Arc::clone(&self.ledger),
                rules(settings, source.retention_days),
                Arc::new(Utc::now),
            ));
        }
    }

    /// Adds the bucket, if files are imported from one. The platform may know what is not set of it.
    ///
    /// # Errors
    /// [`Unusable`]
    pub(crate) async fn add_bucket(
        &mut self,
        settings: &Settings,
        greeting: &Greeting,
        lease: impl FnOnce(&S3Source) -> BucketLease,
    ) -> Result<(), Unusable> {
        let Some(s3) = &settings.diode_import.s3 else {
            return Ok(());
        };
        let tls = &settings.opencti.tls;
        let opened = bucket::source(s3, tls, &*self.platform, &self.own, greeting).await?;
        tracing::info!(source = opened.bucket.name(), "importing from a bucket");
        let lease = Arc::new(lease(&opened.bucket));
        self.sources
            .push(PreparedSource::of_bucket(&opened, s3, Some(lease)));
        Ok(())
    }

    /// The service, now that the platform has told where the broker is.
    pub(crate) fn service(
        self,
        settings: &Settings,
        greeting: &Greeting,
        stop: CancellationToken,
    ) -> Service {
        let shared = Shared::new(&self, settings, greeting, &stop);
        let mut sources = self.sources;
        let watched = sources.iter_mut().find_map(|source| {
            let watch = source.watch.take()?;
            Some((source.source.name().to_owned(), watch))
        });
        let importers = sources
            .into_iter()
            .map(|source| shared.importer(source, settings))
            .collect();
        let schedule = Schedule {
            pass_every: settings.connector.duration_period,
            ping_every: PING_EVERY,
        };
        let works = Arc::clone(&shared.works);
        let pressure = Arc::clone(&shared.pressure);
        let service = Service::new(
            importers,
            self.platform,
            works,
            self.own,
            greeting,
            schedule,
            stop,
        )
        .with_backpressure(pressure);
        match watched {
            Some((name, watch)) => service.with_watch(&name, watch),
            None => service,
        }
    }
}

/// What the importers of all sources have in common.
struct Shared {
    platform: Arc<dyn Platform>,
    queue: Arc<dyn Queue>,
    connectors: Arc<Connectors>,
    works: Arc<dyn Works>,
    pressure: Arc<Backpressure>,
    ledger: Arc<Ledger>,
    version: Option<PlatformVersion>,
    stop: CancellationToken,
}

impl Shared {
    fn new(
        prepared: &Prepared,
        settings: &Settings,
        greeting: &Greeting,
        stop: &CancellationToken,
    ) -> Self {
        let platform = Arc::clone(&prepared.platform);
        let own_route = greeting.registered.route.clone();
        let connectors = Connectors::new(Arc::clone(&platform), &prepared.own, own_route);
        let queue = queue(settings, greeting, &platform);
        let threshold_mb = settings.connector.queue_threshold;
        let pressure = Backpressure::new(
            Arc::clone(&platform),
            Arc::clone(&queue),
            threshold_mb,
            Arc::new(Utc::now),
        );
        Self {
            queue,
            pressure: Arc::new(pressure),
            connectors: Arc::new(connectors),
            works: Arc::new(OpenWorks::new(
                Arc::clone(&platform),
                Arc::clone(&prepared.ledger),
                Arc::new(Utc::now),
            )),
            platform,
            ledger: Arc::clone(&prepared.ledger),
            version: greeting.version,
            stop: stop.clone(),
        }
    }

    fn importer(&self, source: PreparedSource, settings: &Settings) -> Importer {
        let parts = Parts {
            source: source.source,
            state_key: source.state_key,
            platform: Arc::clone(&self.platform),
            queue: Arc::clone(&self.queue),
            connectors: Arc::clone(&self.connectors),
            works: Arc::clone(&self.works),
            ledger: Arc::clone(&self.ledger),
            clock: Arc::new(Utc::now),
            stop: self.stop.clone(),
        };
        let rules = rules(settings, source.retention_days);
        let importer = Importer::new(parts, rules, self.version)
            .with_max_in_flight_bytes(settings.diode_import.max_in_flight_bytes)
            .with_company(source.company)
            .with_backpressure(Arc::clone(&self.pressure));
        let importer = match source.head_start {
            Some(head_start) => importer.with_head_start(head_start),
            None => importer,
        };
        match source.lease {
            Some(lease) => importer.with_lease(lease),
            None => importer,
        }
    }
}

fn queue(settings: &Settings, greeting: &Greeting, platform: &Arc<dyn Platform>) -> Arc<dyn Queue> {
    match settings.connector.queue_protocol {
        QueueProtocol::Api => {
            let options = ApiOptions {
                version: greeting.version,
                max_body_bytes: settings.diode_import.api_body_bytes,
                ..ApiOptions::default()
            };
            Arc::new(ApiQueue::new(Arc::clone(platform), options))
        }
        QueueProtocol::Amqp => Arc::new(AmqpQueue::new(
            broker(&settings.mq, greeting.registered.broker.clone()),
            AmqpOptions {
                tls: settings.mq.tls.clone(),
                ..AmqpOptions::default()
            },
        )),
    }
}

/// The broker as the platform tells it, but for what the settings overrule: the platform may know
/// it by a name that means nothing here.
fn broker(mq: &Mq, told: BrokerAddress) -> BrokerAddress {
    BrokerAddress {
        host: mq.host.clone().unwrap_or(told.host),
        port: mq.port.unwrap_or(told.port),
        vhost: mq.vhost.clone().unwrap_or(told.vhost),
        use_ssl: mq.use_ssl.unwrap_or(told.use_ssl),
        user: mq.user.clone().unwrap_or(told.user),
        password: mq.password.clone().unwrap_or(told.password),
    }
}

/// Whose data it is, as the settings map it.
pub(crate) fn applicants(settings: &Settings) -> Applicants {
    let import = &settings.diode_import;
    Applicants::new(import.applicant_mappings.clone())
        .with_connector_mappings(import.own_applicant_mappings.clone())
        .or_else(import.stand_in.clone())
}

fn rules(settings: &Settings, retention_days: Option<u32>) -> Rules {
    let import = &settings.diode_import;
    Rules {
        policy: Policy {
            after_import: if import.delete_after_import {
                AfterImport::Delete
            } else {
                AfterImport::Keep
            },
            retention: retention_days.map(days),
            rejected_retention: import.rejected_retention_days.map(days),
            skip_known: import.skip_known_hours.map(hours),
            settle: import.settle,
        },
        limits: import.content.limits,
        profile: import.content.profile(),
        applicants: applicants(settings),
        connectors: import.connectors.clone(),
        validation: ValidationRules {
            mode: import.validation_mode,
            unsaid: settings.connector.validate_before_import,
        },
    }
}

fn days(days: u32) -> Duration {
    Duration::from_hours(u64::from(days) * 24)
}

fn hours(hours: u32) -> Duration {
    Duration::from_hours(u64::from(hours))
}

fn own_registration(settings: &Settings) -> Registration {
    let connector = &settings.connector;
    Registration {
        id: connector.id.clone(),
        name: connector.name.clone(),
        connector_type: connector.connector_type,
        scope: connector.scope.clone(),
    }
}

#[cfg(test)]
mod tests {
    use opencti_client::Secret;

    use super::*;

    #[test]
    fn the_broker_s_address_is_overruled_part_by_part() {
        let told = BrokerAddress {
            host: "rabbitmq".into(),
            port: 5672,
            vhost: "/".into(),
            use_ssl: false,
            user: "guest".into(),
            password: Secret::new("told"),
        };
        let same = broker(&Mq::default(), told.clone());
        assert_eq!((same.host.as_str(), same.port), ("rabbitmq", 5672));
        assert_eq!(same.password.expose(), "told");
        let mq = Mq {
            host: Some("mq.local".into()),
            use_ssl: Some(true),
            password: Some(Secret::new("given")),
            ..Mq::default()
        };
        let other = broker(&mq, told);
        assert_eq!((other.host.as_str(), other.port), ("mq.local", 5672));
        assert_eq!((other.use_ssl, other.user.as_str()), (true, "guest"));
        assert_eq!(other.password.expose(), "given");
    }
}
