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
    /// Its scope, without blank entries.
    pub scope: Vec<String>,
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
    /// Whether its key is in Redis. From 6.8.7 on, workers drop the messages of a work that has none.
    pub is_alive: bool,
}

/// When a platform began to behave as it does.
impl Version {
    /// A connector that has a scope cannot be registered without one.
    const SCOPE_STAYS: Self = Self(6, 3, 7);
    /// A connector's name has at least two characters.
    pub(super) const NAMES_ARE_LONGER: Self = Self(6, 9, 0);
    /// A call about a work that does not exist is answered like any other.
    const DELETED_WORKS_ARE_SILENT: Self = Self(6, 8, 0);
    /// Workers ask whether a work is alive, and drop the messages of one that is not.
    pub(super) const WORKERS_DROP: Self = Self(6, 8, 7);
    /// `toProcessed` makes 1 of 1 of a work that expects nothing.
    const NOTHING_COUNTS_AS_ONE: Self = Self(6, 8, 9);
    /// The header `opencti-work-id` of a work that is not alive fails any request.
    pub(super) const WORK_HEADER: Self = Self(6, 9, 19);
    /// A report completes a work that has at least as many as it expects, not only just as many.
    const MORE_IS_ENOUGH: Self = Self(7, 260_422, 0);
    /// `toProcessed` completes nothing until [`Self::THE_END_COMPLETES_AGAIN`], and takes no key away.
    const THE_END_COMPLETES_NOTHING: Self = Self(7, 260_428, 0);
    const THE_END_COMPLETES_AGAIN: Self = Self(7, 260_615, 0);
    /// A work that the connector manager ends keeps its key.
    const ENDED_WORKS_LIVE: Self = Self(7, 260_510, 0);
}

impl Work {
    /// How many messages the work still waits for: what was told, less what was given back or
    /// reported.
    pub fn open(&self) -> i64 {
        self.expected - self.processed
    }

    /// Counts a report. The work stays alive, whether or not it is complete by that.
    fn report(&mut self, error: Option<String>, version: Version) {
        self.processed += 1;
        self.errors.extend(error);
        if self.is_balanced(version) {
            self.status = Status::Complete;
        }
    }

    fn finish(&mut self, message: String, in_error: bool, version: Version) {
        if in_error {
            self.errors.push(message.clone());
        }
        self.messages.push(message);
        self.in_error |= in_error;
        let changes_nothing = Version::THE_END_COMPLETES_NOTHING..Version::THE_END_COMPLETES_AGAIN;
        if changes_nothing.contains(&version) {
            return;
        }
        if self.is_balanced(version) && self.processed > 0 {
            self.status = Status::Complete;
            self.is_alive &= version >= Version::THE_END_COMPLETES_AGAIN;
        } else if self.expected == 0 {
            self.status = Status::Complete;
            if version >= Version::NOTHING_COUNTS_AS_ONE {
                (self.expected, self.processed) = (1, 1);
            }
        }
    }

    fn is_balanced(&self, version: Version) -> bool {
        self.processed == self.expected
            || (self.processed > self.expected && version >= Version::MORE_IS_ENOUGH)
    }

    /// Ends the work by force.
    fn end(&mut self, version: Version) {
        self.status = Status::Complete;
        self.is_alive &= version >= Version::ENDED_WORKS_LIVE;
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
    /// The work of each connector that was reported for last.
    pub(super) last_reported: BTreeMap<String, String>,
    /// How many messages workers dropped because their work was not alive.
    pub(super) dropped: usize,
    /// How many works were opened, those included that were deleted.
    pub(super) opened: usize,
    pub(super) drafts: Vec<String>,
    /// How many bytes a connector's push queue is said to have, whatever is in it.
    pub(super) fills: BTreeMap<String, usize>,
    /// How many more registrations fail of a connector that was deleted.
    pub(super) locked: BTreeMap<String, usize>,
}

/// How many registrations of a connector fail after its deletion. The platform's lock lasts for some
/// five seconds.
const LOCKED_FOR: usize = 2;

/// The texts of a list; none where there is no list.
fn entries(list: &Value) -> Vec<String> {
    let entries = list.as_array().into_iter().flatten();
    entries
        .filter_map(|entry| entry.as_str().map(ToOwned::to_owned))
        .collect()
}

impl State {
    /// Creates or overwrites a connector; its state stays.
    pub(super) fn register(&mut self, id: &str, input: Value) -> Result<Connector, Refusal> {
        self.wait_for_lock(id)?;
        let scope = entries(&input["scope"]);
        let takes_scope_away = scope.is_empty()
            && self
                .connectors
                .get(id)
                .is_some_and(|known| !known.scope.is_empty());
        if takes_scope_away && self.version >= Version::SCOPE_STAYS {
            return Err(Refusal::validation("connector_scope"));
        }
        let connector = self.connectors.entry(id.to_owned()).or_default();
        connector.id = id.to_owned();
        connector.input = input;
        connector.scope = scope
            .into_iter()
            .filter(|entry| !entry.is_empty())
            .collect();
        Ok(connector.clone())
    }

    /// Of a connector that was deleted just before, the platform still holds a lock.
    fn wait_for_lock(&mut self, id: &str) -> Result<(), Refusal> {
        match self.locked.get_mut(id) {
            Some(left @ 1..) => {
                *left -= 1;
                Err(Refusal::locked())
            }
            _ => Ok(()),
        }
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
            is_alive: true,
        };
        self.opened += 1;
        self.works.push(work.clone());
        Ok(work)
    }

    /// Changes a work.
    pub(super) fn edit_work(&mut self, id: &str, edit: WorkEdit) -> Result<(), Refusal> {
        let Some(work) = self.works.iter_mut().find(|work| work.id == id) else {
            return self.edit_of_nothing();
        };
        match edit {
            WorkEdit::Receive => {}
            WorkEdit::Expect(count) => work.expected += count,
            WorkEdit::Report(error) => {
                work.report(error, self.version);
                let connector = work.connector_id.clone();
                self.last_reported.insert(connector, id.to_owned());
            }
            WorkEdit::Finish { message, in_error } => work.finish(message, in_error, self.version),
            WorkEdit::Draft(draft) => work.draft = Some(draft),
        }
        Ok(())
    }

    /// A work that is gone made older platforms crash; newer ones say that all is well.
    fn edit_of_nothing(&self) -> Result<(), Refusal> {
        if self.version < Version::DELETED_WORKS_ARE_SILENT {
            return Err(Refusal::internal("Cannot read properties of undefined"));
        }
        Ok(())
    }

    /// Whether workers import the messages of a work, where they ask.
    pub(super) fn is_work_alive(&self, id: &str) -> bool {
        let work = self.works.iter().find(|work| work.id == id);
        work.is_some_and(|work| work.is_alive)
    }

    /// What the connector manager does each minute: it ends every work that is older than the one
    /// of its connector that was reported for last.
    pub(super) fn end_old_works(&mut self) {
        for (connector, last) in &self.last_reported {
            let of_connector = self
                .works
                .iter_mut()
                .filter(|work| work.connector_id == *connector);
            for work in of_connector.take_while(|work| work.id != *last) {
                if work.status == Status::Progress {
                    work.end(self.version);
                }
            }
        }
    }

    /// Deletes a connector with its works.
    pub(super) fn delete_connector(&mut self, id: &str) {
        self.connectors.remove(id);
        self.locked.insert(id.to_owned(), LOCKED_FOR);
        self.works.retain(|work| work.connector_id != id);
        self.last_reported.remove(id);
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
        state.register("c", Value::Null).unwrap();
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
        for (version, fails) in [(Version(6, 7, 20), true), (Version(6, 8, 0), false)] {
            let mut state = State {
                version,
                ..State::default()
            };
            let expect = state.edit_work("w", WorkEdit::Expect(1));
            assert_eq!(expect.is_err(), fails, "{version}");
            let report = state.edit_work("w", WorkEdit::Report(None));
            assert_eq!(report.is_err(), fails, "{version}");
        }
    }

    /// Three are expected and two reported: as it was tried on live platforms.
    #[test]
    fn what_is_given_back_before_the_end_completes_a_work_and_after_it_does_not() {
        let finish = || WorkEdit::Finish {
            message: "done".to_owned(),
            in_error: false,
        };
        for (edits, status) in [
            ([WorkEdit::Expect(-1), finish()], Status::Complete),
            ([finish(), WorkEdit::Expect(-1)], Status::Progress),
        ] {
            let (mut state, id) = with_work();
            state.edit_work(&id, WorkEdit::Expect(3)).unwrap();
            state.edit_work(&id, WorkEdit::Report(None)).unwrap();
            state.edit_work(&id, WorkEdit::Report(None)).unwrap();
            for edit in edits {
                state.edit_work(&id, edit).unwrap();
            }
            assert_eq!(state.works[0].status, status);
        }
    }

    #[test]
    fn the_end_completes_a_work_and_takes_its_key_by_version() {
        for (version, completes, stays_alive) in [
            (Version(6, 9, 28), true, false),
            (Version(7, 260_422, 0), true, false),
            (Version(7, 260_428, 0), false, true),
            (Version(7, 260_609, 0), false, true),
            (Version(7, 260_615, 0), true, true),
        ] {
            let (mut state, id) = with_work();
            state.version = version;
            state.edit_work(&id, WorkEdit::Expect(2)).unwrap();
            state.edit_work(&id, WorkEdit::Report(None)).unwrap();
            state.edit_work(&id, WorkEdit::Expect(-1)).unwrap();
            let finish = WorkEdit::Finish {
                message: "done".to_owned(),
                in_error: false,
            };
            state.edit_work(&id, finish).unwrap();
            let is_complete = state.works[0].status == Status::Complete;
            assert_eq!(is_complete, completes, "{version}");
            assert_eq!(state.is_work_alive(&id), stays_alive, "{version}");
        }
    }

    #[test]
    fn the_connector_manager_ends_what_is_older_than_the_work_last_reported_for() {
        for (version, stay_alive) in [
            (Version(7, 260_507, 0), false),
            (Version(7, 260_510, 0), true),
        ] {
            let (mut state, first) = with_work();
            state.version = version;
            let second = state.add_work("c", "name").unwrap().id;
            for id in [&first, &second] {
                state.edit_work(id, WorkEdit::Expect(2)).unwrap();
            }
            state.edit_work(&first, WorkEdit::Report(None)).unwrap();
            state.end_old_works();
            assert_eq!(state.works[0].status, Status::Progress, "none is older");
            state.edit_work(&second, WorkEdit::Report(None)).unwrap();
            state.end_old_works();
            assert_eq!(state.works[0].status, Status::Complete);
            assert_eq!(state.works[1].status, Status::Progress);
            assert_eq!(state.is_work_alive(&first), stay_alive, "{version}");
            assert!(state.is_work_alive(&second));
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
