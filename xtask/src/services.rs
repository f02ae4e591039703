//! The servers that tests need, and tests that are run with them.

use crate::broker::{Broker, Kind};
use crate::shell::Cargo;
use crate::store::{self, Store};

/// A broker and a store.
pub(crate) struct Services {
    broker: Broker,
    store: Store,
}

impl Services {
    /// Those that the environment names, else ones that are started: a broker of that kind.
    pub(crate) fn start(kind: Kind) -> anyhow::Result<Self> {
        Self::with(Broker::of_environment_or_started(kind)?)
    }

    /// This broker, and a store.
    pub(crate) fn with(broker: Broker) -> anyhow::Result<Self> {
        Ok(Self {
            broker,
            store: Store::of_environment_or_started()?,
        })
    }

    /// What the tests find them by: variables and their values.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = self.broker.variables();
        variables.push((store::VARIABLE, self.store.address()));
        variables
    }

    /// Runs each of these commands with the services, and stops them. Where one fails, so does this,
    /// after the others.
    pub(crate) fn run(self, commands: Vec<Cargo>) -> anyhow::Result<()> {
        let mut result = Ok(());
        for command in commands {
            let this = command.envs(self.variables()).run();
            result = result.and(this);
        }
        if result.is_ok() {
            self.discard();
        } else {
            for log in [self.broker.log(), self.store.log()] {
                let Some(log) = log else { continue };
                println!("xtask: a server's log is kept in {}", log.display());
            }
        }
        result
    }

    /// Stops those that are ours.
    pub(crate) fn discard(self) {
        self.broker.discard();
        self.store.discard();
    }
}
