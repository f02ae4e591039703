//! The parts of all files of a shipment, numbered through.

use std::ops::Range;

use super::failure::Failure;
use super::window::{Done, TooLarge, Window};
use crate::{Cargo, Delivery, DeliveryError, DeliveryErrorKind, Parts, Refused, Route, Shipment};

/// What stands between a shipment's files and the window, which knows parts alone.
pub(super) struct Freight<'a> {
    shipment: &'a Shipment<'a>,
    /// Where each file's parts end.
    ends: Vec<usize>,
}

impl<'a> Freight<'a> {
    pub(super) fn new(shipment: &'a Shipment<'a>) -> Self {
        let mut count = 0;
        let ends = shipment.files.iter().map(|file| {
            count += file.parts.count();
            count
        });
        Self {
            shipment,
            ends: ends.collect(),
        }
    }

    pub(super) fn route(&self) -> &'a Route {
        self.shipment.route
    }

    /// How many parts there are in all.
    pub(super) fn count(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The file that part `index` is of, and its index there. The window asks for no other parts
    /// than there are.
    pub(super) fn file_of(&self, index: usize) -> (&'a Cargo<'a>, usize) {
        let file = self.ends.partition_point(|end| *end <= index);
        (&self.shipment.files[file], index - self.start(file))
    }

    /// Whether all messages of a file are confirmed or refused, and some of them confirmed.
    pub(super) fn has_confirmed_file(&self, window: &Window) -> bool {
        (0..self.ends.len()).any(|file| {
            let done = window.done(self.parts(file));
            done.is_some_and(|done| done.confirmed > 0)
        })
    }

    /// What became of each file. `failure` is why sending broke off, if it did: every file behind
    /// one that was not handed over has failed, too, and all of them where it is a failure of the whole
    /// shipment.
    pub(super) fn outcomes(
        &self,
        window: &Window,
        failure: Option<Failure>,
    ) -> Vec<Result<Delivery, DeliveryError>> {
        let failure = failure.unwrap_or_else(|| {
            Failure::new(DeliveryErrorKind::Unavailable, "sending was broken off")
        });
        let mut broken_off = failure.fails_all_files();
        let failed = failure.after(0, 0);
        let files = 0..self.ends.len();
        files
            .map(|file| {
                let done = window.done(self.parts(file));
                broken_off |= done.is_none();
                let done = done.filter(|_| !broken_off);
                done.map(|done| self.delivery(file, done)).ok_or_else(|| {
                    let progress = window.progress(self.parts(file));
                    DeliveryError {
                        confirmed: progress.confirmed,
                        doubtful: progress.doubtful,
                        ..failed.clone()
                    }
                })
            })
            .collect()
    }

    fn delivery(&self, file: usize, done: Done) -> Delivery {
        let parts = self.shipment.files[file].parts;
        let refused = done.refused.into_iter().map(|(index, refusal)| Refused {
            index,
            reason: reason(size(parts, index), &refusal),
        });
        Delivery {
            confirmed: done.confirmed,
            bundles: done.confirmed,
            doubtful: done.doubtful,
            refused: refused.collect(),
        }
    }

    fn parts(&self, file: usize) -> Range<usize> {
        self.start(file)..self.ends[file]
    }

    fn start(&self, file: usize) -> usize {
        file.checked_sub(1).map_or(0, |before| self.ends[before])
    }
}

fn size(parts: &dyn Parts, index: usize) -> usize {
    let mut content = Vec::new();
    parts.write(index, &mut content);
    content.len()
}

/// Why a part of so many bytes is refused, and who can change that.
fn reason(bytes: usize, refusal: &TooLarge) -> String {
    let TooLarge {
        message,
        limit,
        words,
    } = refusal;
    let limit = match limit {
        Some(limit) => format!("the broker takes {limit} at most"),
        None => format!("the broker does not take it ({words})"),
    };
    format!(
        "its {bytes} bytes make a message of {message}, and {limit}; the broker's administrator can \
         allow more with max_message_size in rabbitmq.conf, then hand the file in again"
    )
}

#[cfg(test)]
mod tests {
    use super::super::window::{Limits, Step};
    use super::*;
    use crate::{MessageHeader, WorkId};

    /// So many empty parts.
    struct Count(usize);

    impl Parts for Count {
        fn count(&self) -> usize {
            self.0
        }

        fn write(&self, _: usize, _: &mut Vec<u8>) {}

        fn write_together(&self, _: &[usize], _: &mut Vec<u8>) {}

        fn level(&self, _: usize) -> u64 {
            0
        }
    }

    fn with_files<T>(counts: &[usize], look: impl FnOnce(&Freight<'_>) -> T) -> T {
        let header = MessageHeader {
            applicant_id: None,
            update: false,
            draft_id: None,
            work_id: WorkId("work".to_owned()),
        };
        let route = Route {
            exchange: "e".to_owned(),
            routing_key: "r".to_owned(),
            queue: "q".to_owned(),
        };
        let counts: Vec<Count> = counts.iter().map(|count| Count(*count)).collect();
        let files: Vec<Cargo<'_>> = counts
            .iter()
            .map(|parts| Cargo {
                header: &header,
                parts,
            })
            .collect();
        look(&Freight::new(&Shipment {
            connector_id: "c",
            route: &route,
            files: &files,
        }))
    }

    /// A window over all parts in which everything was sent.
    fn sent(count: usize) -> Window {
        let mut window = Window::new(
            count,
            Limits {
                messages: 100,
                bytes: 100,
            },
        );
        while let Step::Send(index) = window.step() {
            window.admit(index, 1);
        }
        window
    }

    #[test]
    fn parts_are_numbered_through() {
        with_files(&[2, 0, 3], |freight| {
            assert_eq!(freight.count(), 5);
            let found: Vec<(usize, usize)> = (0..5)
                .map(|index| {
                    let (file, part) = freight.file_of(index);
                    (file.parts.count(), part)
                })
                .collect();
            assert_eq!(found, [(2, 0), (2, 1), (3, 0), (3, 1), (3, 2)]);
        });
        with_files(&[], |freight| assert_eq!(freight.count(), 0));
    }

    #[test]
    fn every_file_behind_one_that_failed_has_failed() {
        with_files(&[2, 2, 2], |freight| {
            let mut window = sent(6);
            for index in [0, 1, 2, 4, 5] {
                window.confirm(index);
            }
            let failure = Failure::new(DeliveryErrorKind::Unavailable, "gone");
            let outcomes = freight.outcomes(&window, Some(failure));
            let told: Vec<_> = outcomes
                .iter()
                .map(|outcome| match outcome {
                    Ok(delivery) => (true, delivery.confirmed, delivery.doubtful),
                    Err(error) => (false, error.confirmed, error.doubtful),
                })
                .collect();
            assert_eq!(told, [(true, 2, 0), (false, 1, 1), (false, 2, 0)]);
            let failure = Failure::new(DeliveryErrorKind::Unavailable, "gone");
            let outcomes = freight.outcomes(&window, Some(failure.for_all_files()));
            assert!(outcomes.iter().all(Result::is_err));
        });
    }

    #[test]
    fn a_file_is_confirmed_with_its_last_message() {
        with_files(&[0, 2, 2], |freight| {
            let mut window = sent(4);
            assert!(!freight.has_confirmed_file(&window));
            for index in [0, 2] {
                window.confirm(index);
                assert!(!freight.has_confirmed_file(&window));
            }
            window.confirm(3);
            assert!(freight.has_confirmed_file(&window));
        });
    }

    #[test]
    fn each_file_has_its_own_refused_and_doubtful_parts() {
        with_files(&[1, 2], |freight| {
            let mut window = sent(3);
            window.confirm(0);
            window.too_large(None, "large");
            while let Step::Send(index) = window.step() {
                window.admit(index, 1);
                match index {
                    1 => window.confirm(index),
                    _ => window.too_large(None, "large"),
                }
            }
            let outcomes = freight.outcomes(&window, None);
            let first = outcomes[0].as_ref().unwrap();
            assert_eq!(
                (first.confirmed, first.doubtful, first.refused.len()),
                (1, 0, 0)
            );
            let second = outcomes[1].as_ref().unwrap();
            assert_eq!((second.confirmed, second.refused[0].index), (1, 1));
            let reason = &second.refused[0].reason;
            assert!(reason.contains("(large)"), "{reason}");
            assert!(second.doubtful > 0);
        });
    }
}
