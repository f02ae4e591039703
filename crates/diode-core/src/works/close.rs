//! Looking at open works, and closing those that are done.

use super::contract::{Occasion, WorksError};
use super::decide::{Hold, Life, OpenWork, closing};
use super::open::OpenWorks;
use super::sight::{Memory, Sight, waiting};
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
            if let Err(error) = self.settle_one(memory, &work, occasion).await {
                memory.doubts(&work.connector_id);
                Self::tell_failure(&work, &error);
                if error.is_of_all_works() {
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
            Some(Life::Open(open)) => self.close_if_done(memory, work, open).await.map(drop),
            Some(life) => self.lay_down(work, life),
            None if occasion == Occasion::PassEnd => self.retire(memory, work).await,
            None => Ok(()),
        }
    }

    /// Closes a work that expects `open` reports, if that means that it is done.
    pub(super) async fn close_if_done(
        &self,
        memory: &mut Memory,
        work: &OpenWork,
        open: i64,
    ) -> Result<bool, WorksError> {
        let quiet = memory.quiet(work, self.own_now());
        let waiting = waiting(&*self.platform, memory, &work.connector_id).await?;
        match closing(work.hold, open, quiet, waiting) {
            Some(change) => self.close(work, change).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// Puts right what a work expects, and gives back our own expectation, which completes it.
    async fn close(&self, work: &OpenWork, change: i64) -> Result<(), WorksError> {
        if change != 0 {
            tracing::info!(
                connector = work.connector_name,
                connector_id = work.connector_id,
                work = %work.work,
                change,
                "what a work expects differs from what its workers reported, and nothing waits for \
                 them: put right"
            );
        }
        let change = i32::try_from(change).unwrap_or(i32::MAX);
        self.change_expectations(&work.work, change).await?;
        self.release(work).await?;
        self.ledger.forget_work(&work.connector_id)?;
        tracing::info!(
            connector = work.connector_name,
            connector_id = work.connector_id,
            work = %work.work,
            "work done: everything that was sent is processed"
        );
        Ok(())
    }

    /// Lets a work become complete without us, unless workers may yet tell it of more. It stays in
    /// the ledger: what comes after it must wait for that, or join it.
    async fn leave(&self, memory: &Memory, work: &OpenWork) -> Result<(), WorksError> {
        match work.hold {
            Hold::Left | Hold::GivenBack => Ok(()),
            Hold::Held if !memory.is_counted(work) => self.note(work, Hold::Left),
            Hold::Held if memory.sight == Sight::Clear => self.release(work).await,
            Hold::Held => self.release_quietly(work).await,
        }
    }

    /// Lets a work go that nothing more is sent for, and forgets it.
    ///
    /// Where workers may yet tell it of more, it is not told that everything was sent: it would be
    /// complete at once.
    pub(super) async fn retire(&self, memory: &Memory, work: &OpenWork) -> Result<(), WorksError> {
        match work.hold {
            Hold::GivenBack => {}
            Hold::Held if memory.is_counted(work) => self.release_quietly(work).await?,
            Hold::Held | Hold::Left => {
                self.note(work, Hold::GivenBack)?;
                self.change_expectations(&work.work, -1).await?;
            }
        }
        self.ledger.forget_work(&work.connector_id)?;
        Ok(())
    }

    /// Says that everything was sent, and reports our own expectation.
    async fn release(&self, work: &OpenWork) -> Result<(), WorksError> {
        self.note(work, Hold::GivenBack)?;
        self.finish(&work.work, work.unsent).await?;
        if work.hold != Hold::GivenBack {
            self.platform.report_expectation(&work.work, None).await?;
        }
        Ok(())
    }

    /// The same without a report: whether an earlier work of the connector is still open, which a
    /// report would end, is not known.
    async fn release_quietly(&self, work: &OpenWork) -> Result<(), WorksError> {
        self.note(work, Hold::GivenBack)?;
        self.change_expectations(&work.work, -1).await?;
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
        match life {
            Life::Ended(open) if open > work.hold.expectations() => {
                tracing::warn!(
                    connector = work.connector_name,
                    connector_id = work.connector_id,
                    work = %work.work,
                    unreported = open - work.hold.expectations(),
                    "a work was ended while messages were queued for it: some versions of the \
                     platform throw those away; import the files again if objects are missing"
                );
                self.forget(work, "it was ended")
            }
            Life::Gone => self.forget(work, "it was deleted"),
            Life::Ended(_) | Life::Open(_) => self.forget(work, "it is complete"),
        }
    }
}
