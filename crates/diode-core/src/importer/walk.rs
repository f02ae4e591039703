//! The way through the files of a source: a look at it shows all that are known and the oldest new
//! ones, and those that it left out are come to by another look.

use std::iter::Peekable;
use std::sync::Arc;

use bundle_source::{Listing, Position, Wanted};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::{Course, Importer};
use crate::ledger::KnownFiles;
use crate::listing::list;
use crate::plan::{Step, changed_presence, newest_kept, plan, wanted};
use crate::read_ahead::ReadAhead;
use crate::report::Interruption;
use crate::trouble::Fatal;

/// How many new files a look shows at most, so that memory does not grow with a backlog. Each look
/// goes over all files that are there: with more at a time there are fewer looks.
pub(super) const MOST_NEW: usize = 8_192;

/// What a look at a source showed.
struct Look {
    listing: Listing,
    /// What was known then.
    known: Arc<KnownFiles>,
    began: Instant,
}

/// Files that a look did not come to.
struct Behind {
    files: usize,
    /// Where the first of them stands.
    from: Position,
}

impl Look {
    /// How many files there are.
    fn files(&self) -> usize {
        let left_out = self.listing.rest().map_or(0, |rest| rest.files);
        self.listing.len() + left_out
    }

    /// Up to where no file is missing in it.
    fn end(&self) -> Option<&Position> {
        self.listing.rest().map(|rest| &rest.first)
    }
}

impl Importer {
    pub(super) async fn walk(
        &mut self,
        watermark: Option<f64>,
        course: &mut Course,
    ) -> Result<(), Fatal> {
        self.inherit(watermark, course).await?;
        if course.report.interruption.is_some() {
            return Ok(());
        }
        self.date_anew()?;
        let mut behind: Option<Behind> = None;
        let mut left = None;
        let mut is_listed = true;
        while course.report.interruption.is_none() {
            let from = behind.as_ref().map(|behind| &behind.from);
            let Some(look) = self.look(from, course).await? else {
                is_listed = false;
                break;
            };
            match from {
                None => {
                    self.pass_begins(&look, course)?;
                    self.tell_set_aside().await?;
                }
                Some(_) => self.steady.listed_again(),
            }
            let files = self.go_over(&look, from, course).await?;
            // What arrives meanwhile is come to as well, but not for ever.
            let left = left.get_or_insert_with(|| look.files().saturating_mul(2));
            *left = left.saturating_sub(files);
            behind = self.behind(&look);
            if *left == 0 || files == 0 || behind.is_none() {
                break;
            }
        }
        self.come_back(course).await?;
        if let Some(Behind { files, from }) = behind {
            course.report.leave_all_untried(files, from.modified);
        }
        if is_listed && self.steady.may_expire() {
            self.discard_expired(&mut course.report).await?;
            self.forget_old()?;
        }
        Ok(())
    }

    /// Looks at the source: at all files, or at the new ones from a position on. Nothing is seen where
    /// it cannot be listed.
    async fn look(
        &self,
        from: Option<&Position>,
        course: &mut Course,
    ) -> Result<Option<Look>, Fatal> {
        let began = Instant::now();
        let known = Arc::new(self.ledger.known(self.source.name())?);
        let wanted = wanted(&known, self.most_new);
        let wanted = match from {
            Some(position) => wanted.starting_at(position.clone()),
            None => wanted,
        };
        let listing = self.list(&wanted, course).await;
        Ok(listing.map(|listing| Look {
            listing,
            known,
            began,
        }))
    }

    /// Lists the source. Where that does not come to an end, the pass is cut short.
    pub(super) async fn list(&self, wanted: &Wanted, course: &mut Course) -> Option<Listing> {
        list(&*self.source, wanted, &self.turn)
            .await
            .map_err(|interruption| course.report.interruption = Some(interruption))
            .ok()
    }

    /// Takes note of what the first look of a pass tells of files that are known.
    fn pass_begins(&mut self, look: &Look, course: &mut Course) -> Result<(), Fatal> {
        let Look { listing, known, .. } = look;
        self.waits.keep(listing);
        self.steady.listed(listing, (self.clock)());
        let changed = changed_presence(listing, known);
        if !changed.is_empty() {
            self.ledger.seen(changed, (self.clock)())?;
        }
        course.report.done = newest_kept(listing, known, (self.clock)());
        Ok(())
    }

    /// Takes the steps for the files of a look, from a position on. Returns how many files these are.
    async fn go_over(
        &mut self,
        look: &Look,
        from: Option<&Position>,
        course: &mut Course,
    ) -> Result<usize, Fatal> {
        let Look {
            listing,
            known,
            began,
        } = look;
        let policy = self.steady.policy(&self.rules.policy);
        let files = listing.between(from, look.end());
        let count = files.len();
        let steps = plan(files, known, &policy, (self.clock)());
        let (waits, held) = (Arc::clone(&self.waits), Arc::clone(&course.held));
        let to_read = steps.clone().filter_map(Step::into_read);
        let to_read = to_read.filter(move |entry| waits.sender_of_waiting(entry, &held).is_none());
        let mut ahead = self.read_ahead(to_read);
        let _approach = self.approach(steps.clone());
        if let Some(head_start) = self.head_start.take()
            && let Some(file) = head_start.file().await
        {
            ahead.begin_with(file);
        }
        let mut steps = steps.peekable();
        let _first = steps.peek();
        course.report.looking += began.elapsed();
        self.take_all(&mut steps, known, &mut ahead, course).await?;
        self.let_leave(course).await?;
        for untried in steps.filter_map(Step::into_read) {
            course.report.leave_untried(&untried);
        }
        Ok(count)
    }

    /// Takes steps in turn until the pass is cut short.
    async fn take_all(
        &mut self,
        steps: &mut Peekable<impl Iterator<Item = Step>>,
        known: &KnownFiles,
        ahead: &mut ReadAhead<'_>,
        course: &mut Course,
    ) -> Result<(), Fatal> {
        while course.report.interruption.is_none() {
            if self.turn.is_cancelled() {
                course.report.interruption = Some(Interruption::Stopped);
                break;
            }
            let Some(step) = steps.next() else { break };
            match step {
                Step::Examine(entry) => {
                    let gathered = self.gather(entry, steps, known, ahead, &course.held);
                    let batch = gathered.await;
                    self.import(&batch, course).await?;
                }
                Step::Remove(entry) => {
                    if self.remove(&entry).await? {
                        course.report.removed += 1;
                        course.report.is_done(entry.modified, (self.clock)());
                    }
                }
                Step::SetAside(entry) => self.set_aside_as_recorded(&entry).await?,
            }
            if course.leaving.is_due((self.clock)()) {
                self.let_leave(course).await?;
            }
        }
        Ok(())
    }

    /// Comes back to the files of new connectors that were put off for those of known ones.
    async fn come_back(&mut self, course: &mut Course) -> Result<(), Fatal> {
        let deferred = course.admissions.take_deferred();
        if deferred.is_empty() {
            return Ok(());
        }
        let known = self.ledger.known(self.source.name())?;
        let mut ahead = self.read_ahead(deferred.clone().into_iter());
        let mut steps = deferred.into_iter().map(Step::Examine).peekable();
        self.take_all(&mut steps, &known, &mut ahead, course)
            .await?;
        self.let_leave(course).await?;
        for untried in steps.filter_map(Step::into_read) {
            course.report.leave_untried(&untried);
        }
        Ok(())
    }

    /// What a look did not come to: files that it left out, and known ones that wait behind the first of
    /// them.
    fn behind(&self, look: &Look) -> Option<Behind> {
        let Look { listing, known, .. } = look;
        let rest = listing.rest()?;
        let known_files = listing.between(Some(&rest.first), None);
        let steps = plan(known_files, known, &self.rules.policy, (self.clock)());
        Some(Behind {
            files: rest.files + steps.filter_map(Step::into_read).count(),
            from: rest.first.clone(),
        })
    }

    /// Connects to the queue while the first file is read and judged.
    fn approach(&self, mut steps: impl Iterator<Item = Step>) -> Option<AbortOnDropHandle<()>> {
        steps.find_map(Step::into_read)?;
        let queue = Arc::clone(&self.courier.queue);
        let approaching = tokio::spawn(async move { queue.approach().await });
        Some(AbortOnDropHandle::new(approaching))
    }
}
