//! What several tests share: what platforms and queues answer alike, and what is said in the log.

mod lines;

use opencti_client::{
    BrokerAddress, Expectations, Parts, Registered, Route, Secret, WorkProgress, WorkStatus,
};

pub(crate) use self::lines::Lines;

/// Where the messages of a connector go.
pub(crate) fn route(connector_id: &str) -> Route {
    Route {
        exchange: "x".into(),
        routing_key: format!("push_{connector_id}"),
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
