//! A running double, and what tests ask it.

use std::net::SocketAddr;
use std::ops::RangeBounds;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::broker::{Broker, Message};
use super::config::Config;
use super::fault::Fault;
use super::multipart::File;
use super::operations::Backend;
use super::server::Server;
use super::state::{Call, Connector, Work, WorkEdit};
use super::worker::{self, Imported};

/// A running double. It stops when it is dropped.
pub struct Platform {
    address: SocketAddr,
    base_path: String,
    token: String,
    server: Arc<Server>,
    _stop: DropGuard,
}

impl Platform {
    /// Starts a double on a free port of the loopback interface.
    ///
    /// # Errors
    /// If the schema is not valid, or the broker cannot be reached.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let broker = Broker::open(&config.broker, config.told.clone(), config.queue_limit).await?;
        let backend = Backend::new(&config, broker);
        let server = Arc::new(Server::new(&config, backend)?);
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("cannot listen on the loopback interface")?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        tokio::spawn(Arc::clone(&server).serve(listener, stop.clone()));
        Ok(Self {
            address,
            base_path: config.base_path,
            token: config.token,
            server,
            _stop: stop.drop_guard(),
        })
    }

    /// The address that a connector is given, without `/graphql`.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.base_path)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The token that is let in.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Lays a fault into the calls of `operation` whose number, counted from 1, is in `which`:
    /// `1..=1` is the first call, `..` every one.
    pub fn fail(&self, operation: &str, which: impl RangeBounds<usize>, fault: Fault) {
        self.server.faults().plan(operation, which, fault);
    }

    /// Lays a fault into every call from now on.
    pub fn break_down(&self, fault: Fault) {
        self.server.faults().everywhere(Some(fault));
    }

    /// Ends what [`break_down`](Self::break_down) began.
    pub fn recover(&self) {
        self.server.faults().everywhere(None);
    }

    /// All calls so far that were valid requests.
    pub fn calls(&self) -> Vec<Call> {
        self.server.backend.state().calls.clone()
    }

    /// The calls of one operation so far.
    pub fn calls_of(&self, operation: &str) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.operation == operation);
        calls
    }

    /// The inputs of all registrations so far, in order.
    pub fn registered(&self) -> Vec<Value> {
        self.calls_of("registerConnector")
            .into_iter()
            .map(|mut call| call.arguments["input"].take())
            .collect()
    }

    /// All connectors, by id.
    pub fn connectors(&self) -> Vec<Connector> {
        let state = self.server.backend.state();
        state.connectors.values().cloned().collect()
    }

    /// All works, in the order in which they were opened.
    pub fn works(&self) -> Vec<Work> {
        self.server.backend.state().works.clone()
    }

    /// Reports a message of a work as processed, as a worker does.
    ///
    /// # Errors
    /// If there is no such work.
    pub fn process(&self, work_id: &str) -> anyhow::Result<()> {
        let report = WorkEdit::Report(None);
        let result = self.server.backend.state().edit_work(work_id, report);
        result.map_err(|refusal| anyhow::anyhow!("{}", refusal.message))
    }

    /// The ids of all drafts.
    pub fn drafts(&self) -> Vec<String> {
        self.server.backend.state().drafts.clone()
    }

    /// Deletes a work, as the platform's user interface does.
    pub fn delete_work(&self, work_id: &str) {
        let mut state = self.server.backend.state();
        state.works.retain(|work| work.id != work_id);
    }

    /// Takes a work's key away, as a Redis that loses its data does, or an upgrade to 6.8.7 from a
    /// version that made no such keys.
    pub fn lose_work_key(&self, work_id: &str) {
        let mut state = self.server.backend.state();
        let work = state.works.iter_mut().find(|work| work.id == work_id);
        if let Some(work) = work {
            work.is_alive = false;
        }
    }

    /// Lets a minute pass for the platform's connector manager, which ends the works of a connector
    /// that are older than the one reported for last.
    pub fn run_connector_manager(&self) {
        self.server.backend.state().end_old_works();
    }

    /// How many messages workers dropped because their work was not alive.
    pub fn dropped(&self) -> usize {
        self.server.backend.state().dropped
    }

    /// Resets a connector's state, as the platform's user interface does. What it throws
    /// away of that connector's queue, [`drain`](Self::drain) takes.
    ///
    /// # Errors
    /// If there is no such connector.
    pub fn reset_state(&self, connector_id: &str) -> anyhow::Result<()> {
        let result = self.server.backend.state().reset(connector_id);
        result.map_err(|refusal| anyhow::anyhow!("{}", refusal.message))
    }

    /// Lets a connector have handed in a state before the test began.
    pub fn hold_state(&self, connector_id: &str, state: &str) {
        self.server.backend.state().hold(connector_id, state);
    }

    /// The state that is held of a connector.
    pub fn state_of(&self, connector_id: &str) -> Option<String> {
        let state = self.server.backend.state();
        state.connectors.get(connector_id)?.state.clone()
    }

    /// Deletes a connector with its works and queues, as the platform's user interface does. Its next
    /// registrations fail at a lock for a while.
    ///
    /// # Errors
    /// If the broker does not answer.
    pub async fn delete_connector(&self, connector_id: &str) -> anyhow::Result<()> {
        self.server.backend.state().delete_connector(connector_id);
        self.server.backend.broker.delete(connector_id).await
    }

    /// The name of a connector's push queue on the broker.
    pub fn push_queue(&self, connector_id: &str) -> String {
        self.server.backend.broker.push_queue(connector_id)
    }

    /// Lets a connector's push queue seem to have so many bytes, whatever is in it: a broker is
    /// not asked for them.
    pub fn fill_queue(&self, connector_id: &str, bytes: usize) {
        let mut state = self.server.backend.state();
        state.fills.insert(connector_id.to_owned(), bytes);
    }

    /// What the last sign of life of a connector said that it is at (`connectorInfo`); null where
    /// it said nothing.
    pub fn info_of(&self, connector_id: &str) -> Value {
        let mut pings = self.calls_of("pingConnector");
        pings.retain(|call| call.arguments["id"] == connector_id);
        pings.pop().map_or(Value::Null, |mut ping| {
            ping.arguments["connectorInfo"].take()
        })
    }

    /// How many messages are in a connector's push queue.
    ///
    /// # Errors
    /// If there is no such queue, or the broker does not answer.
    pub async fn queued(&self, connector_id: &str) -> anyhow::Result<usize> {
        let (messages, _) = self.server.backend.broker.load(connector_id).await?;
        Ok(messages)
    }

    /// Deletes a connector's push queue, with what is in it.
    ///
    /// # Errors
    /// If the broker does not answer.
    pub async fn lose_queue(&self, connector_id: &str) -> anyhow::Result<()> {
        self.server.backend.broker.lose(connector_id).await
    }

    /// Works a connector's push queue off as a worker does, and returns what it imported, in
    /// order.
    ///
    /// # Errors
    /// If there is no such queue, or a message that a worker would drop.
    pub async fn work_off(&self, connector_id: &str) -> anyhow::Result<Vec<Imported>> {
        worker::work_off(&self.server.backend, connector_id).await
    }

    /// The files in the workbench, in order.
    pub fn workbench(&self) -> Vec<File> {
        let calls = self.calls_of("uploadPending").into_iter();
        calls.filter_map(|call| call.file).collect()
    }

    /// Takes all messages out of a connector's push queue.
    ///
    /// # Errors
    /// If there is no such queue, or the broker does not answer.
    pub async fn drain(&self, connector_id: &str) -> anyhow::Result<Vec<Message>> {
        self.server.backend.broker.drain(connector_id).await
    }
}
