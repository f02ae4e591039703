//! What is sent next, and what an answer of the broker means for what was sent: a state machine
//! without any I/O.
//!
//! Every part is in exactly one place: not yet sent, in flight, to be sent again, confirmed, or
//! refused. The first four places are left only by what the broker says.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// How much may be in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send this part.
    Send(usize),
    /// Wait for the broker's answers.
    Wait,
    /// The broker refused messages for now and nothing is in flight: pause, then say
    /// [`Window::paused`].
    Pause,
    /// Every part is confirmed or refused.
    Done,
}

/// The sizes that a broker names when it closes a channel over a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    /// The message's.
    pub(super) message: usize,
    /// The largest that the broker takes.
    pub(super) limit: usize,
}

/// How far some of the parts got, where not all of them are confirmed or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// How many are confirmed.
    pub(super) confirmed: usize,
    /// How many more, at most, the broker took.
    pub(super) doubtful: usize,
}

/// A message that is too large for the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TooLarge {
    /// How many bytes it has.
    pub(super) message: usize,
    /// How many the broker takes, where it says so.
    pub(super) limit: Option<usize>,
    /// What the broker says.
    pub(super) words: String,
}

/// What became of some of the parts, where each is confirmed or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Done {
    /// How many are confirmed.
    pub(super) confirmed: usize,
    /// How many of them, at most, the broker has twice.
    pub(super) doubtful: usize,
    /// Those that are refused, by their index among them.
    pub(super) refused: Vec<(usize, TooLarge)>,
}

/// The window over the parts of one shipment.
#[derive(Debug)]
pub(super) struct Window {
    count: usize,
    limits: Limits,
    /// The first part that was never sent.
    fresh: usize,
    /// Parts to be sent again; they go before fresh ones.
    again: BTreeSet<usize>,
    /// Parts in flight, with their messages' sizes.
    in_flight: BTreeMap<usize, usize>,
    bytes: usize,
    confirmed: usize,
    /// How often nothing was heard of a part's message, though the broker may have taken it.
    lost: BTreeMap<usize, usize>,
    refused: BTreeMap<usize, TooLarge>,
    /// Whether the broker refused a message since the last pause.
    nacked: bool,
    /// How many messages were confirmed since the last pause.
    confirmed_since_pause: usize,
    /// How many messages may be in flight now: a broker that refuses some gets fewer at a time,
    /// and more again as it confirms them.
    pace: usize,
    /// Parts that go alone, because one of them made the broker close the channel and it is not
    /// known which.
    suspects: BTreeSet<usize>,
    /// The broker's limit on a message, once it has named it, and its words.
    limit: Option<(usize, String)>,
}

impl Window {
    pub(super) fn new(count: usize, limits: Limits) -> Self {
        Self {
            count,
            limits,
            fresh: 0,
            again: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            bytes: 0,
            confirmed: 0,
            lost: BTreeMap::new(),
            refused: BTreeMap::new(),
            nacked: false,
            confirmed_since_pause: 0,
            pace: limits.messages.max(1),
            suspects: BTreeSet::new(),
            limit: None,
        }
    }

    pub(super) fn step(&self) -> Step {
        if self.in_flight.is_empty() {
            return self.step_from_rest();
        }
        if self.nacked || self.is_full() {
            return Step::Wait;
        }
        self.next().map_or(Step::Wait, Step::Send)
    }

    fn step_from_rest(&self) -> Step {
        match self.next() {
            None => Step::Done,
            Some(_) if self.nacked => Step::Pause,
            Some(index) => Step::Send(index),
        }
    }

    fn next(&self) -> Option<usize> {
        let again = self.again.first().copied();
        again.or((self.fresh < self.count).then_some(self.fresh))
    }

    fn is_full(&self) -> bool {
        let messages = if self.suspects.is_empty() {
            self.pace
        } else {
            1
        };
        self.in_flight.len() >= messages || self.bytes >= self.limits.bytes
    }

    /// Takes part `index`, whose message has `bytes` bytes, into the window. False: it is not to
    /// be sent, because the broker has said that it takes none so large.
    pub(super) fn admit(&mut self, index: usize, bytes: usize) -> bool {
        self.leave_unsent(index);
        if let Some((limit, words)) = &self.limit
            && bytes > *limit
        {
            let refusal = TooLarge {
                message: bytes,
                limit: Some(*limit),
                words: words.clone(),
            };
            self.refuse(index, refusal);
            return false;
        }
        self.in_flight.insert(index, bytes);
        self.bytes += bytes;
        true
    }

    fn leave_unsent(&mut self, index: usize) {
        if !self.again.remove(&index) && index == self.fresh {
            self.fresh += 1;
        }
    }

    /// The broker has the message. An answer for a part that is not in flight says nothing new.
    pub(super) fn confirm(&mut self, index: usize) {
        if self.land(index).is_some() {
            self.confirmed += 1;
            self.confirmed_since_pause += 1;
            self.pace = self.limits.messages.min(self.pace + 1).max(1);
            self.suspects.remove(&index);
        }
    }

    /// The broker refuses the message for now.
    pub(super) fn nack(&mut self, index: usize) {
        if self.land(index).is_some() {
            self.again.insert(index);
            self.nacked = true;
        }
    }

    /// The broker gave the message back: it reached no queue.
    pub(super) fn returned(&mut self, index: usize) {
        if self.land(index).is_some() {
            self.again.insert(index);
        }
    }

    /// Whether nothing at all was confirmed since the last pause.
    pub(super) fn stuck(&self) -> bool {
        self.confirmed_since_pause == 0
    }

    /// The pause that [`Step::Pause`] asked for is over.
    pub(super) fn paused(&mut self) {
        self.nacked = false;
        self.pace = self
            .confirmed_since_pause
            .clamp(1, self.limits.messages.max(1));
        self.confirmed_since_pause = 0;
    }

    /// Nothing more will be heard of what is in flight; the broker may have taken it.
    pub(super) fn lose(&mut self) {
        self.count_lost(usize::MAX);
        self.take_back();
    }

    /// Counts what is in flight, up to the part `end`, as lost.
    fn count_lost(&mut self, end: usize) {
        for (index, _) in self.in_flight.range(..end) {
            *self.lost.entry(*index).or_default() += 1;
        }
    }

    fn take_back(&mut self) {
        self.again.extend(self.in_flight.keys());
        self.in_flight.clear();
        self.bytes = 0;
    }

    /// The broker closed the channel because a message is too large, and nothing more will be
    /// heard of what is in flight. `words` are what it said.
    ///
    /// The offenders are those above the limit it names, or of the size it names, or the only
    /// message in flight. Where none of this tells, what was in flight is sent again one by one.
    pub(super) fn too_large(&mut self, sizes: Option<Sizes>, words: &str) {
        let offenders = self.offenders(sizes);
        // The broker takes nothing from a channel after the first message that is too large.
        let end = offenders.first().copied().unwrap_or(usize::MAX);
        self.count_lost(end);
        if offenders.is_empty() {
            self.suspects.extend(self.in_flight.keys());
        }
        let limit = sizes.filter(|sizes| sizes.message > sizes.limit);
        let limit = limit.map(|sizes| sizes.limit);
        for index in offenders {
            let Some(message) = self.land(index) else {
                continue;
            };
            let refusal = TooLarge {
                message,
                limit,
                words: words.to_owned(),
            };
            self.refuse(index, refusal);
        }
        if let Some(limit) = limit {
            self.limit = Some((limit, words.to_owned()));
        }
        self.take_back();
    }

    fn offenders(&self, sizes: Option<Sizes>) -> Vec<usize> {
        let found = |is_offender: &dyn Fn(usize) -> bool| -> Vec<usize> {
            let offenders = self
                .in_flight
                .iter()
                .filter(|(_, bytes)| is_offender(**bytes));
            offenders.map(|(index, _)| *index).collect()
        };
        let named = sizes.map_or_else(Vec::new, |sizes| {
            let above = found(&|bytes| bytes > sizes.limit);
            if above.is_empty() {
                found(&|bytes| bytes == sizes.message)
            } else {
                above
            }
        });
        if named.is_empty() && self.in_flight.len() == 1 {
            return found(&|_| true);
        }
        named
    }

    fn refuse(&mut self, index: usize, refusal: TooLarge) {
        self.suspects.remove(&index);
        self.refused.insert(index, refusal);
    }

    /// Takes a part out of those in flight; how many bytes its message has, if it is one of them.
    fn land(&mut self, index: usize) -> Option<usize> {
        let bytes = self.in_flight.remove(&index)?;
        self.bytes -= bytes;
        Some(bytes)
    }

    pub(super) fn confirmed(&self) -> usize {
        self.confirmed
    }

    /// How many bytes of messages are in flight.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// What became of these parts, if each is confirmed or refused.
    pub(super) fn done(&self, parts: Range<usize>) -> Option<Done> {
        let done = self.fresh >= parts.end
            && self.again.range(parts.clone()).next().is_none()
            && self.in_flight.range(parts.clone()).next().is_none();
        let start = parts.start;
        done.then(|| Done {
            confirmed: self.confirmed_among(&parts),
            doubtful: self.lost_among(&parts),
            refused: self
                .refused
                .range(parts)
                .map(|(index, refusal)| (index - start, refusal.clone()))
                .collect(),
        })
    }

    /// How far these parts got.
    pub(super) fn progress(&self, parts: Range<usize>) -> Progress {
        Progress {
            confirmed: self.confirmed_among(&parts),
            doubtful: self.lost_among(&parts) + self.in_flight.range(parts).count(),
        }
    }

    /// Whoever was tried and is in none of the other places is confirmed.
    fn confirmed_among(&self, parts: &Range<usize>) -> usize {
        let tried = self.fresh.clamp(parts.start, parts.end) - parts.start;
        let elsewhere = self.again.range(parts.clone()).count()
            + self.in_flight.range(parts.clone()).count()
            + self.refused.range(parts.clone()).count();
        tried.saturating_sub(elsewhere)
    }

    fn lost_among(&self, parts: &Range<usize>) -> usize {
        self.lost.range(parts.clone()).map(|(_, times)| times).sum()
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
