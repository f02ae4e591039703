//! What the platform remembers: connectors, works and drafts, and how works are counted.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::Refusal;
use super::multipart::File;
use super::version::Version;

/// One request that the double understood.
#[derive(Clone, Debug)]
pub struct Call {
    /// The field that was called; for `workEdit` the field within it, such as `addExpectations`.
    pub operation: String,
    /// The arguments of the operation; for `workEdit` with the work's `id`.
    pub arguments: Value,
    /// The variables as they were sent.
    pub variables: Value,
    /// The document as it was sent.
    pub document: String,
    /// The header `opencti-applicant-id`.
    pub applicant: Option<String>,
    /// All headers, by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The file that came with it.
    pub file: Option<File>,
}

/// A connector, as it was last registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connector {
    /// Its id.
    pub id: String,
    /// The whole input of its last registration.
    pub input: Value,
    /// Its state: none yet, or the text that it handed in.
    pub state: Option<String>,
    /// Whether its state was reset, and it has not been told yet.
    pub reset: bool,
}

/// How far a work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// More is expected.
    Progress,
    /// What was expected was processed.
    Complete,
}

/// A work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Its id.
    pub id: String,
    /// The connector that it belongs to.
    pub connector_id: String,
    /// Its name.
    pub name: String,
    /// How many messages are expected.
    pub expected: i64,
    /// How many were reported.
    pub processed: i64,
    /// Whether it is complete.
    pub status: Status,
    /// What was reported as failed.
    pub errors: Vec<String>,
    /// What `toProcessed` said, each time.
    pub messages: Vec<String>,
    /// Whether `toProcessed` called it failed.
    pub in_error: bool,
    /// The draft that it goes into.
    pub draft: Option<String>,
    /// Whether it was finished, and all of it processed by then: its messages count no more.
    pub is_closed: bool,
}

impl Work {
    /// How many messages the work still waits for: what was told, less what was given back or
    /// reported.
    pub fn open(&self) -> i64 {
        self.expected - self.processed
    }

    fn report(&mut self, error: Option<String>) {
        self.processed += 1;
        self.errors.extend(error);
        self.complete_when_equal();
    }

    fn finish(&mut self, message: String, in_error: bool) {
        self.messages.push(message);
        self.in_error |= in_error;
        self.complete_when_equal();
        self.is_closed |= self.status == Status::Complete;
    }

    fn complete_when_equal(&mut self) {
        if self.processed == self.expected {
            self.status = Status::Complete;
        }
    }
}

/// What can be done to a work.
#[derive(Debug)]
pub(super) enum WorkEdit {
    Receive,
    Expect(i64),
    Report(Option<String>),
    Finish { message: String, in_error: bool },
    Draft(String),
}

/// Everything that the platform remembers.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) version: Version,
    pub(super) calls: Vec<Call>,
    pub(super) connectors: BTreeMap<String, Connector>,
    pub(super) works: Vec<Work>,
    /// How many works were opened, those included that were deleted.
    pub(super) opened: usize,
    pub(super) drafts: Vec<String>,
    /// How many bytes a connector's push queue is said to have, whatever is in it.
    pub(super) fills: BTreeMap<String, usize>,
}

impl State {
    /// Creates or overwrites a connector; its state stays.
    pub(super) fn register(&mut self, id: &str, input: Value) -> Connector {
        let connector = self.connectors.entry(id.to_owned()).or_default();
        connector.id = id.to_owned();
        connector.input = input;
        connector.clone()
    }

    /// Remembers a connector that handed in a state.
    pub(super) fn hold(&mut self, id: &str, state: &str) {
        let connector = self.connectors.entry(id.to_owned()).or_default();
        connector.id = id.to_owned();
        connector.state = Some(state.to_owned());
    }

    /// Keeps a connector's state, or tells it that it was reset.
    pub(super) fn ping(&mut self, id: &str, state: Option<String>) -> Result<Connector, Refusal> {
        let connector = self.connector_mut(id)?;
        if connector.reset {
            connector.reset = false;
        } else {
            connector.state = state;
        }
        Ok(connector.clone())
    }

    /// Resets a connector's state, as the user interface does.
    pub(super) fn reset(&mut self, id: &str) -> Result<(), Refusal> {
        let connector = self.connector_mut(id)?;
        connector.state = Some(String::new());
        connector.reset = true;
        Ok(())
    }

    /// How many bytes a connector's push queue is said to have, where that was arranged.
    pub(super) fn fill_of(&self, id: &str) -> Option<usize> {
        self.fills.get(id).copied()
    }

    /// Opens a work of a registered connector.
    pub(super) fn add_work(&mut self, connector_id: &str, name: &str) -> Result<Work, Refusal> {
        self.connector_mut(connector_id)?;
        let work = Work {
            id: format!(
                "work_{connector_id}_2026-01-01T00:00:00.{:03}Z",
                self.opened
            ),
            connector_id: connector_id.to_owned(),
            name: name.to_owned(),
            expected: 0,
            processed: 0,
            status: Status::Progress,
            errors: Vec::new(),
            messages: Vec::new(),
            in_error: false,
            draft: None,
            is_closed: false,
        };
        self.opened += 1;
        self.works.push(work.clone());
        Ok(work)
    }

    /// Changes a work.
    pub(super) fn edit_work(&mut self, id: &str, edit: WorkEdit) -> Result<(), Refusal> {
        let Some(work) = self.works.iter_mut().find(|work| work.id == id) else {
            return self.edit_of_nothing(&edit);
        };
        match edit {
            WorkEdit::Receive => {}
            WorkEdit::Expect(count) => work.expected += count,
            WorkEdit::Report(error) => work.report(error),
            WorkEdit::Finish { message, in_error } => work.finish(message, in_error),
            WorkEdit::Draft(draft) => work.draft = Some(draft),
        }
        Ok(())
    }

    /// A work that is gone made older platforms crash; newer ones say that all is well.
    fn edit_of_nothing(&self, edit: &WorkEdit) -> Result<(), Refusal> {
        let silent_since = match edit {
            WorkEdit::Expect(_) => Version(6, 7, 10),
            _ => Version(6, 8, 0),
        };
        if self.version < silent_since {
            return Err(Refusal::internal("cannot read properties of undefined"));
        }
        Ok(())
    }

    /// Creates a draft workspace, and returns its id.
    pub(super) fn add_draft(&mut self) -> String {
        let id = format!("draft-{:04}", self.drafts.len() + 1);
        self.drafts.push(id.clone());
        id
    }

    fn connector_mut(&mut self, id: &str) -> Result<&mut Connector, Refusal> {
        self.connectors
            .get_mut(id)
            .ok_or_else(|| Refusal::functional("No connector found with the specified ID"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_work() -> (State, String) {
        let mut state = State::default();
        state.register("c", Value::Null);
        let id = state.add_work("c", "name").unwrap().id;
        (state, id)
    }

    #[test]
    fn works_complete_when_all_is_reported() {
        let (mut state, id) = with_work();
        let mut edit = |edit| {
            state.edit_work(&id, edit).unwrap();
            (state.works[0].status, state.works[0].open())
        };
        assert_eq!(edit(WorkEdit::Expect(3)), (Status::Progress, 3));
        assert_eq!(edit(WorkEdit::Expect(-1)), (Status::Progress, 2));
        assert_eq!(edit(WorkEdit::Report(None)), (Status::Progress, 1));
        let failed = WorkEdit::Report(Some("broken".to_owned()));
        assert_eq!(edit(failed), (Status::Complete, 0));
        assert_eq!(state.works[0].errors, ["broken"]);
    }

    #[test]
    fn work_without_expectations_completes_when_finished() {
        let (mut state, id) = with_work();
        let finish = WorkEdit::Finish {
            message: "done".to_owned(),
            in_error: true,
        };
        state.edit_work(&id, finish).unwrap();
        assert_eq!(state.works[0].status, Status::Complete);
        assert!(state.works[0].in_error);
    }

    #[test]
    fn edits_of_a_deleted_work_fail_on_older_platforms_only() {
        for (version, expect_fails, report_fails) in [
            (Version(6, 7, 9), true, true),
            (Version(6, 7, 10), false, true),
            (Version(6, 8, 0), false, false),
        ] {
            let mut state = State {
                version,
                ..State::default()
            };
            let expect = state.edit_work("w", WorkEdit::Expect(1));
            assert_eq!(expect.is_err(), expect_fails, "{version}");
            let report = state.edit_work("w", WorkEdit::Report(None));
            assert_eq!(report.is_err(), report_fails, "{version}");
        }
    }

    #[test]
    fn unknown_connectors_and_works_are_refused() {
        let mut state = State::default();
        assert!(state.add_work("c", "name").is_err());
        assert!(state.ping("c", None).is_err());
        assert!(state.edit_work("w", WorkEdit::Receive).is_err());
    }

    #[test]
    fn reset_is_told_once_and_wins_over_the_sent_state() {
        let (mut state, _) = with_work();
        let mut ping = |text: &str| state.ping("c", Some(text.to_owned())).unwrap().state;
        assert_eq!(ping("a").as_deref(), Some("a"));
        state.reset("c").unwrap();
        let mut ping = |text: &str| state.ping("c", Some(text.to_owned())).unwrap().state;
        assert_eq!(ping("b").as_deref(), Some(""));
        assert_eq!(ping("c").as_deref(), Some("c"));
    }
}
