//! What several tests share: what platforms and queues answer alike, what is said in the log, and who
//! watches.

mod lines;

use std::sync::Mutex;

use opencti_client::{
    ApiError, BrokerAddress, Expectations, Parts, Registered, Route, Secret, WorkProgress,
    WorkStatus,
};

pub(crate) use self::lines::Lines;
use crate::{FileReport, Interruption, Observer, PassReport};

/// Where the messages of a connector go.
pub(crate) fn route(connector_id: &str) -> Route {
    Route {
        exchange: "x".into(),
        routing_key: format!("push_{connector_id}"),
        queue: format!("push_{connector_id}"),
    }
}

/// The answer to a registration.
pub(crate) fn registered(connector_id: &str, state: Option<String>) -> Registered {
    Registered {
        state,
        route: route(connector_id),
        broker: BrokerAddress {
            host: "localhost".into(),
            port: 5672,
            vhost: "/".into(),
            use_ssl: false,
            user: "u".into(),
            password: Secret::new("p"),
        },
    }
}

/// A work that waits for a message and for us.
pub(crate) fn in_progress() -> WorkProgress {
    WorkProgress {
        status: WorkStatus::Progress,
        expected: 2,
        processed: 0,
    }
}

/// What a queue of single messages makes a work expect.
pub(crate) fn one_for_each(parts: &dyn Parts, confirmed: usize) -> Expectations {
    Expectations {
        told: parts.count() - confirmed,
        added_by_workers: 0,
    }
}

/// An observer that notes a line for each call.
#[derive(Default)]
pub(crate) struct Notes(Mutex<Vec<String>>);

impl Notes {
    /// The lines since this was asked before.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn note(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl Observer for Notes {
    fn pass_began(&self, source: &str) {
        self.note(format!("pass over {source}"));
    }

    fn file(&self, source: &str, file: &FileReport) {
        let code = file.code.map_or("-", |code| code.as_str());
        let (outcome, sent) = (file.outcome, file.sent);
        self.note(format!(
            "{source} {} {outcome} {code} {}/{}",
            file.file, sent.bundles, sent.objects
        ));
    }

    fn pass_ended(&self, report: &PassReport) {
        let by = report.interruption.map_or("-", Interruption::as_str);
        self.note(format!("{} ended {by}", report.source));
    }

    fn sign_of_life(&self, result: Result<(), &ApiError>) {
        self.note(match result {
            Ok(()) => "alive".to_owned(),
            Err(error) => format!("not alive: {:?}", error.class()),
        });
    }
}

/// A user whom no mapping for all connectors names.
pub(crate) fn unmapped(source: &str) -> crate::Unmapped {
    crate::Unmapped {
        source: source.to_owned(),
        connector: None,
    }
}
