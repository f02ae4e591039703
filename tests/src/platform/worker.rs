//! What the platform's workers do with a connector's queue, as far as works and order go.

use std::collections::VecDeque;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::operations::Backend;
use super::state::WorkEdit;
use super::version::Version;

/// An object that a worker imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The object's id.
    pub object: String,
    /// In whose name.
    pub applicant: Option<String>,
    /// For which work.
    pub work: Option<String>,
}

/// Works a queue off, as one worker does from 6.3.0 on: a message of one object is imported and
/// reported; one of several is split, counted, and put at the end of the queue. From 6.8.7 on, a
/// message whose work is not alive is dropped; before, it is imported, and reported in vain.
pub(super) async fn work_off(
    backend: &Backend,
    connector_id: &str,
) -> anyhow::Result<Vec<Imported>> {
    let messages = backend.broker.drain(connector_id).await?;
    let mut queue = VecDeque::new();
    for message in messages {
        queue.push_back(message.json()?);
    }
    let mut imported = Vec::new();
    while let Some(mut message) = queue.pop_front() {
        let bundle = content(&message)?;
        if is_dropped(backend, &message) {
            backend.state().dropped += 1;
            continue;
        }
        match bundle["objects"].as_array().map(Vec::as_slice) {
            Some([object]) => {
                edit_work(backend, &message, WorkEdit::Report(None))?;
                imported.push(Imported {
                    object: text(&object["id"]).context("an object without an id")?,
                    applicant: text(&message["applicant_id"]),
                    work: text(&message["work_id"]),
                });
            }
            Some(objects) if !objects.is_empty() => {
                let count = i64::try_from(objects.len())?;
                edit_work(backend, &message, WorkEdit::Expect(count))?;
                for object in objects {
                    let part = json!({ "type": "bundle", "objects": [object] });
                    message["content"] = json!(STANDARD.encode(part.to_string()));
                    queue.push_back(message.clone());
                }
            }
            _ => anyhow::bail!("the worker drops a bundle without objects"),
        }
    }
    Ok(imported)
}

fn content(message: &Value) -> anyhow::Result<Value> {
    let content = message["content"].as_str().context("no content")?;
    Ok(serde_json::from_slice(&STANDARD.decode(content)?)?)
}

fn edit_work(backend: &Backend, message: &Value, edit: WorkEdit) -> anyhow::Result<()> {
    let Some(work) = message["work_id"].as_str() else {
        return Ok(());
    };
    let mut state = backend.state();
    if !state.works.iter().any(|known| known.id == work) {
        return Ok(());
    }
    let edited = state.edit_work(work, edit);
    edited.map_err(|refusal| anyhow::anyhow!("work {work}: {}", refusal.message))
}

fn is_dropped(backend: &Backend, message: &Value) -> bool {
    let state = backend.state();
    let work = message["work_id"].as_str();
    state.version >= Version::WORKERS_DROP && work.is_some_and(|work| !state.is_work_alive(work))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(ToOwned::to_owned)
}
