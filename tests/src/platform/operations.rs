//! What each operation does.

use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::broker::Broker;
use super::config::Config;
use super::error::Refusal;
use super::state::{Call, State, Status, WorkEdit};
use super::version::Version;

/// The user behind the double's token.
const TOKEN_USER: &str = "user-of-the-token";

/// The longest id of a connector, in bytes: `listen_routing_` and the id are a routing key, which AMQP
/// limits to 255 bytes.
const LONGEST_ID: usize = 240;

/// What users may do who may not only read.
const READS_AND_WRITES: [&str; 2] = ["KNOWLEDGE_KNUPDATE", "CONNECTORAPI"];

/// The platform behind the API.
pub(super) struct Backend {
    about: String,
    version: Version,
    capabilities: Vec<String>,
    users: Vec<String>,
    readers: Vec<String>,
    storage: Value,
    pub(super) broker: Broker,
    state: Mutex<State>,
}

impl Backend {
    pub(super) fn new(config: &Config, broker: Broker) -> Self {
        let version = Version::read(&config.version);
        Self {
            about: config.version.clone(),
            version,
            capabilities: config.capabilities.clone(),
            users: config.users.clone(),
            readers: config.readers.clone(),
            storage: config.storage.clone(),
            broker,
            state: Mutex::new(State {
                version,
                ..State::default()
            }),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out a call, and returns the value of its field.
    pub(super) async fn execute(&self, call: &Call) -> Result<Value, Refusal> {
        if let Some(work) = call.headers.get("opencti-work-id")
            && self.version >= Version::WORK_HEADER
            && !self.state().is_work_alive(work)
        {
            return Err(Refusal::work_not_alive());
        }
        let arguments = Arguments(&call.arguments);
        match call.operation.as_str() {
            "about" => Ok(json!({ "version": self.about })),
            "me" => Ok(self.me(call.applicant.as_deref())),
            "work" => Ok(self.work(&arguments.text("id"))),
            "isWorkAlive" => Ok(json!(self.state().is_work_alive(&arguments.text("id")))),
            "connectors" => Ok(self.connectors()),
            "connector" => self.connector(&arguments.text("id")).await,
            "registerConnector" => self.register(&call.arguments["input"]).await,
            "pingConnector" => self.ping(arguments).await,
            "workAdd" => self.add_work(arguments),
            "draftWorkspaceAdd" => Ok(self.add_draft(&call.arguments["input"]["name"])),
            "uploadPending" => upload(call),
            "stixBundlePush" => self.push_bundle(arguments, call.applicant.as_deref()).await,
            edit => self.edit_work(edit, arguments),
        }
    }

    /// What the account may do in whose name a request is made.
    pub(super) fn capabilities_of(&self, applicant: Option<&str>) -> Vec<String> {
        match self.impersonated(applicant) {
            None => self.capabilities.clone(),
            Some(id) if self.readers.iter().any(|reader| reader == id) => {
                vec!["KNOWLEDGE".to_owned()]
            }
            Some(_) => READS_AND_WRITES.map(ToOwned::to_owned).into(),
        }
    }

    /// The user in whose name a request is made, where it is another than the token's.
    fn impersonated<'a>(&self, applicant: Option<&'a str>) -> Option<&'a str> {
        let may_bypass = self.capabilities.iter().any(|held| held == "BYPASS");
        applicant.filter(|id| may_bypass && self.users.iter().any(|user| user == id))
    }

    /// The account that a request is made in the name of. A wish for another one is overheard
    /// where it cannot be granted, as by platforms before they learned to refuse it.
    fn me(&self, applicant: Option<&str>) -> Value {
        let id = self.impersonated(applicant).unwrap_or(TOKEN_USER);
        let held = self.capabilities_of(applicant);
        let capabilities: Value = held.iter().map(|name| json!({ "name": name })).collect();
        json!({
            "id": id,
            "standard_id": format!("user--{id}"),
            "name": format!("Name of {id}"),
            "capabilities": capabilities,
        })
    }

    fn work(&self, id: &str) -> Value {
        let state = self.state();
        let Some(work) = state.works.iter().find(|work| work.id == id) else {
            return Value::Null;
        };
        json!({
            "id": id,
            "name": work.name,
            "status": match work.status {
                Status::Progress => "progress",
                Status::Complete => "complete",
            },
            "tracking": {
                "import_expected_number": work.expected,
                "import_processed_number": (work.processed != 0).then_some(work.processed),
            },
        })
    }

    /// All connectors, as they were last registered.
    fn connectors(&self) -> Value {
        let state = self.state();
        let all = state.connectors.values();
        all.map(|connector| {
            json!({
                "id": connector.id,
                "name": connector.input["name"],
                "connector_type": connector.input["type"],
            })
        })
        .collect()
    }

    async fn connector(&self, id: &str) -> Result<Value, Refusal> {
        let Some(connector) = self.state().connectors.get(id).cloned() else {
            return Ok(Value::Null);
        };
        let (messages, bytes) = self.broker.load(id).await.map_err(broken)?;
        let bytes = self.state().fill_of(id).unwrap_or(bytes);
        Ok(json!({
            "id": id,
            "name": connector.input["name"],
            "connector_type": connector.input["type"],
            "connector_state": connector.state,
            "connector_queue_details": { "messages_number": messages, "messages_size": bytes },
        }))
    }

    async fn register(&self, input: &Value) -> Result<Value, Refusal> {
        let id = input["id"].as_str().unwrap_or_default();
        let name = input["name"].as_str().unwrap_or_default().trim();
        if self.version >= Version::NAMES_ARE_LONGER && name.chars().count() < 2 {
            let message = "name must have at least 2 characters";
            return Err(Refusal::native("BAD_USER_INPUT", message));
        }
        if id.len() > LONGEST_ID {
            return Err(Refusal::internal("the queue cannot be bound"));
        }
        let connector = self.state().register(id, input.clone())?;
        self.broker.declare(id).await.map_err(broken)?;
        let mut config = self.broker.config_of(id);
        config["s3"] = self.storage.clone();
        Ok(json!({
            "id": id,
            "name": input["name"],
            "connector_type": input["type"],
            "connector_scope": connector.scope,
            "connector_state": connector.state,
            "connector_state_reset": connector.reset,
            "connector_user_id": TOKEN_USER,
            "auto": input["auto"],
            "config": config,
        }))
    }

    async fn ping(&self, arguments: Arguments<'_>) -> Result<Value, Refusal> {
        let id = arguments.text("id");
        let state = arguments.optional_text("state");
        let connector = self.state().ping(&id, state)?;
        self.broker.declare(&id).await.map_err(broken)?;
        Ok(json!({
            "id": id,
            "name": connector.input["name"],
            "connector_state": connector.state,
            "connector_state_reset": connector.reset,
        }))
    }

    fn add_work(&self, arguments: Arguments<'_>) -> Result<Value, Refusal> {
        let connector = arguments.text("connectorId");
        let name = arguments.text("friendlyName");
        let work = self.state().add_work(&connector, &name)?;
        Ok(json!({ "id": work.id, "name": work.name, "status": "progress" }))
    }

    fn edit_work(&self, edit: &str, arguments: Arguments<'_>) -> Result<Value, Refusal> {
        let id = arguments.text("id");
        let edit = match edit {
            "toReceived" => WorkEdit::Receive,
            "addExpectations" => WorkEdit::Expect(arguments.number("expectations")),
            "reportExpectation" => WorkEdit::Report(arguments.error()),
            "toProcessed" => WorkEdit::Finish {
                message: arguments.text("message"),
                in_error: arguments.0["inError"].as_bool().unwrap_or(false),
            },
            "addDraftContext" => WorkEdit::Draft(arguments.text("draftContext")),
            other => return Err(Refusal::internal(format!("the double cannot do {other}"))),
        };
        self.state().edit_work(&id, edit)?;
        Ok(json!(id))
    }

    fn add_draft(&self, name: &Value) -> Value {
        json!({ "id": self.state().add_draft(), "name": name })
    }

    /// Queues a bundle. Nothing is added to the expectations of a work that is given; where none
    /// is, one is opened, and expects a bundle of one object.
    async fn push_bundle(
        &self,
        arguments: Arguments<'_>,
        applicant: Option<&str>,
    ) -> Result<Value, Refusal> {
        let connector = arguments.text("connectorId");
        let bundle = arguments.text("bundle");
        let objects = objects_in(&bundle);
        if !self.state().connectors.contains_key(&connector) || objects == 0 {
            return Err(Refusal::unsupported("Invalid bundle"));
        }
        let work = match arguments.optional_text("work_id") {
            Some(work) => work,
            None => self.open_work(&connector, objects)?,
        };
        let message = json!({
            "type": "bundle",
            "applicant_id": applicant.unwrap_or(TOKEN_USER),
            "content": STANDARD.encode(bundle),
            "work_id": work,
            "update": true,
        });
        self.broker
            .publish(&connector, message.to_string().into_bytes())
            .await
            .map_err(broken)?;
        Ok(json!(true))
    }

    fn open_work(&self, connector: &str, objects: usize) -> Result<String, Refusal> {
        let mut state = self.state();
        let work = state.add_work(connector, "run of the platform")?;
        if objects == 1 {
            state.edit_work(&work.id, WorkEdit::Expect(1))?;
        }
        Ok(work.id)
    }
}

/// Takes a file into the workbench; the call keeps it.
fn upload(call: &Call) -> Result<Value, Refusal> {
    let file = call.file.as_ref();
    let name = &file
        .ok_or_else(|| Refusal::internal("createReadStream of undefined"))?
        .name;
    Ok(json!({ "id": format!("import/pending/{name}"), "name": name }))
}

/// The arguments of a call, which the schema has checked.
#[derive(Clone, Copy)]
struct Arguments<'a>(&'a Value);

impl Arguments<'_> {
    fn text(self, name: &str) -> String {
        self.optional_text(name).unwrap_or_default()
    }

    fn optional_text(self, name: &str) -> Option<String> {
        self.0[name].as_str().map(ToOwned::to_owned)
    }

    fn number(self, name: &str) -> i64 {
        self.0[name].as_i64().unwrap_or(0)
    }

    /// What a reported expectation says went wrong; nothing where it went well.
    fn error(self) -> Option<String> {
        let error = &self.0["error"];
        error
            .is_object()
            .then(|| error["error"].as_str().unwrap_or_default().to_owned())
    }
}

/// How many objects a bundle holds; none where the platform would not take it for one.
fn objects_in(text: &str) -> usize {
    match serde_json::from_str::<Value>(text) {
        Ok(bundle) if bundle["type"] == "bundle" => {
            bundle["objects"].as_array().map_or(0, Vec::len)
        }
        _ => 0,
    }
}

fn broken(error: anyhow::Error) -> Refusal {
    Refusal::internal(format!("{error:#}"))
}
