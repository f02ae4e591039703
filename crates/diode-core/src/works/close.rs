//! Looking at open works, and closing those that are done.

use opencti_client::ErrorClass;

use super::contract::{Occasion, WorksError};
use super::decide::{Counts, Hold, Life, OpenWork, closing, missing};
use super::open::OpenWorks;
use super::sight::{Look, Memory, Sight, waiting};
use crate::trouble::chain;

impl OpenWorks {
    pub(super) async fn settle_all(&self, memory: &mut Memory, occasion: Occasion) {
        let works = match self.ledger.open_works() {
            Ok(works) => works,
            Err(error) => {
                tracing::warn!(error = chain(&error), "open works cannot be looked at");
                return;
            }
        };
        for work in works {
            if memory.is_under_way(&work.connector_id) {
                continue;
            }
            let settled = match self.settle_one(memory, &work, occasion).await {
                Err(WorksError::Platform(error)) if error.class() == ErrorClass::WorkGone => {
                    self.lay_down(&work, Life::Gone)
                }
                settled => settled,
            };
            if let Err(error) = settled {
                memory.doubts(&work.connector_id);
                let is_of_all = error.is_of_all_works();
                let failure = if is_of_all {
                    memory.failure_of_all()
                } else {
                    memory.failure_of(&work.connector_id)
                };
                if failure.is_due(self.own_now()) {
                    Self::tell_failure(&work, &error);
                }
                if is_of_all {
                    return;
                }
            }
        }
    }

    async fn settle_one(
        &self,
        memory: &mut Memory,
        work: &OpenWork,
        occasion: Occasion,
    ) -> Result<(), WorksError> {
        match (occasion, memory.sight) {
            (Occasion::Leaving, _) => self.leave(memory, work).await,
            (Occasion::PassEnd, Sight::Blind) => self.retire(memory, work).await,
            (Occasion::Heartbeat, Sight::Blind) => Ok(()),
            (Occasion::PassEnd | Occasion::Heartbeat, _) => {
                self.examine(memory, work, occasion).await
            }
        }
    }

    /// Looks at a work for which nothing was sent for a while.
    async fn examine(
        &self,
        memory: &mut Memory,
        work: &OpenWork,
        occasion: Occasion,
    ) -> Result<(), WorksError> {
        if !memory.is_due(work, self.own_now()) {
            return Ok(());
        }
        match self.look(memory, work).await? {
            Look::Seen(Life::Open(counts)) => {
                self.close_if_done(memory, work, counts).await.map(drop)
            }
            Look::Seen(life) => self.lay_down(work, life),
            Look::Unseen if occasion == Occasion::PassEnd => self.retire(memory, work).await,
            Look::Unseen | Look::Odd => Ok(()),
        }
    }

    /// Closes a work with these counts, if they mean that it is done.
    pub(super) async fn close_if_done(
        &self,
        memory: &mut Memory,
        work: &OpenWork,
        counts: Counts,
    ) -> Result<bool, WorksError> {
        let quiet = memory.quiet(work, self.own_now());
        let waiting = waiting(&*self.platform, memory, &work.connector_id).await;
        let Some(change) = closing(work.hold, counts.open, quiet, waiting) else {
            return Ok(false);
        };
        let missing = missing(work.hold, counts, memory.announced(&work.connector_id));
        if missing > 0 {
            self.tell_missing(memory, work, missing);
        } else if change != 0 {
            tracing::info!(
                connector = work.connector_name,
                connector_id = work.connector_id,
                work = %work.work,
                change,
                "messages of a work were processed twice: what it expects is put right"
            );
        }
        self.close(work, change).await?;
        tracing::info!(
            connector = work.connector_name,
            connector_id = work.connector_id,
            work = %work.work,
            missing,
            "work done: {}",
            match missing {
                0 => "everything that was sent is processed",
                _ => "what was sent and not thrown away is processed",
            }
        );
        Ok(true)
    }

    /// Puts right what a work expects, and reports our own expectation, which completes it.
    ///
    /// A report makes the platform end the earlier works of the connector. Their messages would be in
    /// the same queue, which is empty. Nothing but a report completes a work on every version.
    async fn close(&self, work: &OpenWork, change: i64) -> Result<(), WorksError> {
        let change = match work.hold {
            Hold::Held | Hold::Left => change,
            Hold::GivenBack => change.saturating_add(1),
        };
        let change = i32::try_from(change).unwrap_or(i32::MAX);
        self.change_expectations(&work.work, change).await?;
        self.note(work, Hold::GivenBack)?;
        self.finish(&work.work, work.unsent).await?;
        self.platform.report_expectation(&work.work, None).await?;
        Ok(self.ledger.forget_work(&work.connector_id)?)
    }

    /// Says that messages of a work were never processed, although nothing is left in its queue.
    fn tell_missing(&self, memory: &Memory, work: &OpenWork, missing: u64) {
        let why = if memory.is_of_a_killed_run(work) {
            "messages that a work expects were never processed, and its queue is empty. An earlier run was \
             killed: those that it had announced and not sent were sent again. If the connector was reset, \
             or its queue purged or deleted, the others are lost"
        } else {
            "messages were thrown away before a worker took them: the connector was reset on the platform, \
             or its queue was purged or deleted. Their objects are not imported"
        };
        tracing::warn!(
            connector = work.connector_name,
            connector_id = work.connector_id,
            work = %work.work,
            missing,
            files = self.files_of(work),
            "{why}: diode-import history --json lists the files of this work; bring them back to import \
             them again"
        );
    }

    /// How many files the ledger knows that were sent for a work.
    pub(super) fn files_of(&self, work: &OpenWork) -> u64 {
        self.ledger.files_of_work(&work.work).unwrap_or_default()
    }

    /// Lets a work become complete without us, unless workers may yet tell it of more. It stays in
    /// the ledger: what comes after it must wait for that, or join it.
    async fn leave(&self, memory: &Memory, work: &OpenWork) -> Result<(), WorksError> {
        match work.hold {
            Hold::Left | Hold::GivenBack => Ok(()),
            Hold::Held if !memory.is_counted(work) => self.note(work, Hold::Left),
            Hold::Held => self.release(work).await,
        }
    }

    /// Lets a work go that nothing more is sent for, and forgets it.
    ///
    /// Where workers may yet tell it of more, it is not told that everything was sent: it would be
    /// complete at once.
    pub(super) async fn retire(&self, memory: &Memory, work: &OpenWork) -> Result<(), WorksError> {
        match work.hold {
            Hold::GivenBack => {}
            Hold::Held if memory.is_counted(work) => self.release(work).await?,
            Hold::Held | Hold::Left => {
                self.note(work, Hold::GivenBack)?;
                self.change_expectations(&work.work, -1).await?;
            }
        }
        self.ledger.forget_work(&work.connector_id)?;
        Ok(())
    }

    /// Gives back our own expectation, and says that everything was sent. In this order: a work that
    /// is told of the end before is not complete when its last expectation is given back. Messages may
    /// wait, also of an earlier work of the connector, which a report would end.
    async fn release(&self, work: &OpenWork) -> Result<(), WorksError> {
        self.note(work, Hold::GivenBack)?;
        if work.hold != Hold::GivenBack {
            self.change_expectations(&work.work, -1).await?;
        }
        self.finish(&work.work, work.unsent).await?;
        Ok(())
    }

    /// Remembers how a work is left, before the platform is told. Killed in between, the work
    /// expects one thing too much, which is put right, and never one too little.
    fn note(&self, work: &OpenWork, hold: Hold) -> Result<(), WorksError> {
        self.ledger.keep_work(&OpenWork {
            hold,
            used_at: self.now(),
            ..work.clone()
        })?;
        Ok(())
    }

    /// Forgets a work that was ended, or deleted, without us.
    pub(super) fn lay_down(&self, work: &OpenWork, life: Life) -> Result<(), WorksError> {
        let unreported = match life {
            Life::Ended(counts) => {
                Some(counts.open.saturating_sub(work.hold.expectations()).max(0))
            }
            Life::Gone | Life::Open(_) => None,
        };
        if unreported != Some(0) {
            tracing::warn!(
                connector = work.connector_name,
                connector_id = work.connector_id,
                work = %work.work,
                unreported,
                files = self.files_of(work),
                "a work was deleted or ended on the platform. Messages that still waited for it are \
                 dropped by the workers of 6.8.7 and newer: if objects are missing, bring its files \
                 back to import them again; diode-import history --json lists them"
            );
        }
        match life {
            Life::Gone => self.forget(work, "it was deleted"),
            Life::Ended(_) if unreported != Some(0) => self.forget(work, "it was ended"),
            Life::Ended(_) | Life::Open(_) => self.forget(work, "it is complete"),
        }
    }
}
