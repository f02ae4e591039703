//! Files of one connector on their way to the queue together, in their order.

use std::collections::HashMap;

use opencti_client::Registration;

use super::admission::Admission;
use super::file::{Case, Decided, Details, errors, user_id};
use super::{Course, Importer};
use crate::delivery::{Arrived, Consignment, Delivered, Undelivered};
use crate::examine::Import;
use crate::ledger::SameContent;
use crate::report::{FileReport, Interruption};
use crate::trouble::{Fatal, Reach, chain};
use crate::works::Shortfall;
use crate::{Applicant, Code, Fingerprint, Outcome, Refusal, Way};

/// A file that can be sent.
pub(super) struct Passenger<'a> {
    pub(super) case: Case<'a>,
    pub(super) import: &'a Import<'a>,
    pub(super) applicant: Applicant,
}

/// Files that are sent together: of the same connector, and by the same way.
pub(super) struct Convoy<'a> {
    way: Way,
    passengers: Vec<Passenger<'a>>,
}

/// Convoys, in the order in which they are sent.
#[derive(Default)]
pub(super) struct Convoys<'a>(Vec<Convoy<'a>>);

impl Passenger<'_> {
    pub(super) fn connector_id(&self) -> &str {
        &self.connector().id
    }

    fn connector(&self) -> &Registration {
        &self.import.envelope.connector
    }

    pub(super) fn details(&self) -> Details<'_> {
        Details::of(self.import)
    }
}

impl<'a> Convoys<'a> {
    /// A file joins the last convoy of its connector, so that its connector's files keep their order.
    /// It cannot where its way, or what it says of the connector, is another: then it opens the next one.
    pub(super) fn board(&mut self, way: Way, passenger: Passenger<'a>) {
        let id = passenger.connector_id();
        let last = self.0.iter_mut().rfind(|convoy| convoy.is_of(id));
        match last.filter(|convoy| convoy.takes(way, passenger.connector())) {
            Some(convoy) => convoy.passengers.push(passenger),
            None => self.0.push(Convoy {
                way,
                passengers: vec![passenger],
            }),
        }
    }
}

impl<'a> IntoIterator for Convoys<'a> {
    type Item = Convoy<'a>;
    type IntoIter = std::vec::IntoIter<Convoy<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Convoy<'_> {
    fn connector(&self) -> Option<&Registration> {
        self.passengers.first().map(Passenger::connector)
    }

    fn is_of(&self, connector_id: &str) -> bool {
        self.connector().is_some_and(|own| own.id == connector_id)
    }

    /// What a person is to look at first goes alone: its draft or upload is its own.
    fn takes(&self, way: Way, connector: &Registration) -> bool {
        self.way == Way::Direct && way == Way::Direct && self.connector() == Some(connector)
    }
}

/// A delivered file.
struct Noted<'a> {
    passenger: &'a Passenger<'a>,
    arrived: &'a Arrived,
    report: FileReport,
    user_id: Option<&'a str>,
    /// A file with the same content that was imported before.
    same: Option<SameContent>,
    /// Why objects of it were not sent.
    refusal: Option<Refusal>,
}

impl Noted<'_> {
    fn decided(&self) -> Decided<'_> {
        Decided {
            case: &self.passenger.case,
            file: &self.report,
            refusal: self.refusal.as_ref(),
            details: Details {
                work: Some(&self.arrived.share.work.0),
                user_id: self.user_id,
                same: self.same.as_ref(),
                ..self.passenger.details()
            },
        }
    }
}

impl Importer {
    /// Sends a convoy, and does with each of its files what follows from that.
    pub(super) async fn send(&self, convoy: &Convoy<'_>, course: &mut Course) -> Result<(), Fatal> {
        let Convoy { way, passengers } = convoy;
        if self.turn.is_cancelled() {
            let interruption = &mut course.report.interruption;
            interruption.get_or_insert(Interruption::Stopped);
        }
        let is_held = |connector: &Registration| course.held.holds(&connector.id);
        if course.report.interruption.is_some() || convoy.connector().is_none_or(is_held) {
            return self.keep_waiting(passengers, course);
        }
        if let Some(why) = course.closed.get(way).cloned() {
            return self.wait_for_validation(passengers, &why, course);
        }
        if let Some(connector) = convoy.connector() {
            match self.admit(connector, course).await? {
                Admission::Goes => {}
                Admission::Deferred => {
                    for passenger in passengers {
                        let entry = passenger.case.entry;
                        course.admissions.defer(&connector.id, entry);
                    }
                    return Ok(());
                }
                Admission::Waits(code, why) => {
                    course.held.hold(&connector.id, code, why);
                    return self.keep_waiting(passengers, course);
                }
            }
        }
        let consignments: Vec<Consignment<'_>> = passengers
            .iter()
            .map(|passenger| Consignment {
                import: passenger.import,
                applicant: &passenger.applicant,
                modified: passenger.case.entry.modified,
            })
            .collect();
        let Delivered { files, rest } = self.courier.deliver(*way, &consignments).await;
        let (delivered, others) = passengers.split_at(files.len());
        self.delivered(*way, delivered, &files, course).await?;
        match rest {
            Some(why) => self.undelivered(*way, others, why, course).await,
            None => self.keep_waiting(others, course),
        }
    }

    async fn delivered(
        &self,
        way: Way,
        passengers: &[Passenger<'_>],
        files: &[Arrived],
        course: &mut Course,
    ) -> Result<(), Fatal> {
        let mut sent_now = HashMap::new();
        let mut noted = Vec::with_capacity(files.len());
        for (passenger, arrived) in passengers.iter().zip(files) {
            let (report, refusal) = Self::delivered_file(passenger, way, &arrived.delivery);
            let same = self.same_content(passenger, &sent_now)?;
            if let Some(fingerprint) = passenger.case.fingerprint
                && report.outcome == Outcome::Imported
            {
                sent_now.insert(fingerprint, passenger.case.entry.location.as_str());
            }
            noted.push(Noted {
                passenger,
                arrived,
                report,
                user_id: user_id(&passenger.applicant, way),
                same,
                refusal,
            });
        }
        if noted.is_empty() {
            return Ok(());
        }
        course.failures = 0;
        self.away().is_over();
        // Every message is confirmed: from here on nothing may send them again.
        let decided: Vec<Decided<'_>> = noted.iter().map(Noted::decided).collect();
        self.record_all(&decided)?;
        for files in noted.chunk_by(|a, b| a.arrived.share == b.arrived.share) {
            self.account(files).await;
        }
        for Decided {
            case,
            file,
            details,
            ..
        } in decided
        {
            self.clean_up(case, file, details, course).await?;
        }
        Ok(())
    }

    /// A file with the content of one that was delivered: of those delivered with it, which the ledger
    /// does not have yet, or of those before.
    fn same_content(
        &self,
        passenger: &Passenger<'_>,
        sent_now: &HashMap<Fingerprint, &str>,
    ) -> Result<Option<SameContent>, Fatal> {
        let Some(fingerprint) = passenger.case.fingerprint else {
            return Ok(None);
        };
        match sent_now.get(&fingerprint) {
            Some(file) => Ok(Some(SameContent {
                file: (*file).to_owned(),
                imported_at: (self.clock)(),
                user_id: None,
            })),
            None => Ok(self.ledger.same_content(fingerprint)?),
        }
    }

    /// The messages are delivered whether or not the work can be told so.
    async fn account(&self, files: &[Noted<'_>]) {
        let Some(share) = files.first().map(|file| &file.arrived.share) else {
            return;
        };
        let deliveries = || files.iter().map(|file| &file.arrived.delivery);
        let shortfall = Shortfall {
            refused: deliveries().map(|delivery| delivery.refused.len()).sum(),
            doubtful: deliveries().map(|delivery| delivery.doubtful).sum(),
            errors: files
                .iter()
                .flat_map(|file| errors(&file.report.file, file.refusal.as_ref()))
                .collect(),
        };
        if let Err(error) = self.courier.works.sent(share, &shortfall).await {
            tracing::warn!(
                work = %share.work,
                error = chain(&error),
                "cannot tell the platform what was not sent"
            );
        }
    }

    async fn undelivered(
        &self,
        way: Way,
        passengers: &[Passenger<'_>],
        why: Undelivered,
        course: &mut Course,
    ) -> Result<(), Fatal> {
        match why {
            Undelivered::Fatal(fatal) => Err(fatal),
            Undelivered::Refused(refusal) => {
                for passenger in passengers {
                    let details = passenger.details();
                    self.refuse(&passenger.case, refusal.clone(), &details, course)
                        .await?;
                }
                Ok(())
            }
            Undelivered::Unavailable(message) => {
                self.wait_for_validation(passengers, &message, course)?;
                course.closed.insert(way, message);
                Ok(())
            }
            Undelivered::Unfit(message) => self.wait_for_validation(passengers, &message, course),
            Undelivered::Trouble(trouble) if trouble.is_stop() => {
                course.report.interruption = Some(Interruption::Stopped);
                self.keep_waiting(passengers, course)
            }
            Undelivered::Trouble(trouble) => {
                let Some((first, others)) = passengers.split_first() else {
                    return Ok(());
                };
                let (code, message) = (trouble.code(), chain(&trouble));
                let reach = self.reach_of(&trouble, course).await;
                if reach == Reach::Connector && trouble.is_failed_registration() {
                    self.registration_failed(first.connector(), &trouble);
                    if course.admissions.take_new(first.connector_id()) {
                        self.ledger.forget_connector(first.connector_id())?;
                    }
                }
                course.hold(first.connector_id(), &trouble, reach);
                self.wait(&first.case, code, message, &first.details(), course)?;
                self.keep_waiting(others, course)
            }
        }
    }

    fn wait_for_validation(
        &self,
        passengers: &[Passenger<'_>],
        why: &str,
        course: &mut Course,
    ) -> Result<(), Fatal> {
        for passenger in passengers {
            let (code, details) = (Code::ValidationUnavailable, passenger.details());
            self.wait(&passenger.case, code, why.to_owned(), &details, course)?;
        }
        Ok(())
    }

    /// These files are not tried: the pass is cut short, or an earlier file of their connector waits.
    fn keep_waiting(&self, passengers: &[Passenger<'_>], course: &mut Course) -> Result<(), Fatal> {
        for passenger in passengers {
            match course.held.why(passenger.connector_id()) {
                Some((code, message)) if course.report.interruption.is_none() => {
                    let details = passenger.details();
                    self.wait(&passenger.case, code, message, &details, course)?;
                }
                _ => course.report.leave_untried(passenger.case.entry),
            }
        }
        Ok(())
    }
}
