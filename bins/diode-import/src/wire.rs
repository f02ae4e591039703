//! Puts the parts together as the settings say.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bundle_source::{LocalSource, Source};
use chrono::Utc;
use diode_core::{
    AfterImport, Applicants, Greeting, Importer, Ledger, Parts, Policy, Rules, Schedule, Service,
    WorkPerFile,
};
use opencti_client::{
    AmqpOptions, AmqpQueue, ApiQueue, BrokerAddress, Client, ClientConfig, Pem, Platform, Queue,
    Registration, TlsOptions, Trust,
};
use stix_bundle::Profile;
use tokio_util::sync::CancellationToken;

use crate::settings::{Mq, OpenCti, QueueProtocol, Settings, SslVerify};

/// pycti's rhythm.
const PING_EVERY: Duration = Duration::from_secs(40);
const SECONDS_PER_DAY: u64 = 86_400;

/// What can be made ready without the platform.
pub(crate) struct Prepared {
    pub(crate) platform: Arc<dyn Platform>,
    pub(crate) own: Registration,
    source: Arc<dyn Source>,
    ledger: Arc<Ledger>,
}

/// Opens what is on this machine, and readies the client.
///
/// # Errors
/// The state folder, the ledger, the folder of files, or the configuration of TLS.
pub(crate) fn prepare(settings: &Settings) -> anyhow::Result<Prepared> {
    let directory = settings
        .diode_import
        .directory
        .as_ref()
        .context("nothing to import from: set DIODE_IMPORT_GET_FROM_DIRECTORY=true")?;
    let ledger = Ledger::open(&settings.diode_import.state_path)
        .context("set DIODE_IMPORT_STATE_PATH to a folder that can be written to")?;
    let rejected = settings.diode_import.rejected_path.clone();
    let source = LocalSource::new(&directory.path, rejected)?;
    let client = Client::new(ClientConfig {
        tls: tls(&settings.opencti),
        ..ClientConfig::new(
            settings.opencti.url.as_str(),
            settings.opencti.token.clone(),
        )
    })
    .context("cannot use OPENCTI_URL, OPENCTI_TOKEN or OPENCTI_SSL_VERIFY")?;
    Ok(Prepared {
        platform: Arc::new(client),
        own: own_registration(settings),
        source: Arc::new(source),
        ledger: Arc::new(ledger),
    })
}

impl Prepared {
    /// The service, now that the platform has told where the broker is.
    pub(crate) fn service(
        self,
        settings: &Settings,
        greeting: &Greeting,
        stop: CancellationToken,
    ) -> Service {
        let queue = queue(settings, greeting, &self.platform);
        let works = Arc::new(WorkPerFile::new(Arc::clone(&self.platform)));
        let importer = Importer::new(
            Parts {
                source: self.source,
                platform: Arc::clone(&self.platform),
                queue,
                works,
                ledger: self.ledger,
                clock: Arc::new(Utc::now),
                stop: stop.clone(),
            },
            rules(settings),
            &self.own,
            greeting.registered.route.clone(),
            greeting.version,
        );
        let schedule = Schedule {
            pass_every: settings.connector.duration_period,
            ping_every: PING_EVERY,
        };
        Service::new(importer, self.platform, self.own, greeting, schedule, stop)
    }
}

fn queue(settings: &Settings, greeting: &Greeting, platform: &Arc<dyn Platform>) -> Arc<dyn Queue> {
    match settings.connector.queue_protocol {
        QueueProtocol::Api => Arc::new(ApiQueue::new(Arc::clone(platform))),
        QueueProtocol::Amqp => Arc::new(AmqpQueue::new(
            broker(&settings.mq, greeting.registered.broker.clone()),
            AmqpOptions::default(),
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

fn rules(settings: &Settings) -> Rules {
    let import = &settings.diode_import;
    let retention_days = import
        .directory
        .as_ref()
        .and_then(|directory| directory.retention_days);
    Rules {
        policy: Policy {
            after_import: if import.delete_after_import {
                AfterImport::Delete
            } else {
                AfterImport::Keep
            },
            retention: retention_days
                .map(|days| Duration::from_secs(u64::from(days) * SECONDS_PER_DAY)),
            settle: import.settle,
        },
        limits: import.limits,
        profile: Profile::opencti(),
        applicants: Applicants::new(import.applicant_mappings.clone()),
    }
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

fn tls(opencti: &OpenCti) -> TlsOptions {
    TlsOptions {
        trust: match &opencti.ssl_verify {
            SslVerify::Verify => Trust::System,
            SslVerify::NoVerify => Trust::Anyone,
            SslVerify::CaBundle(path) => Trust::Only(Pem::File(path.clone())),
        },
        extra_roots: Vec::new(),
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
