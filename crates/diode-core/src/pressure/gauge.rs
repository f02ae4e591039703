//! What is known of how full a connector's queue is, and what follows from it: pure.

use chrono::{DateTime, TimeDelta, Utc};

/// A queue that is too full, or may be, is looked at no more often than that.
const ANEW: TimeDelta = TimeDelta::seconds(5);

/// One that is not full is looked at no more often than that, for the sake of what others put into
/// it: what we put there ourselves is counted.
const RARELY: TimeDelta = TimeDelta::seconds(60);

/// And not before so many bytes were sent since the last look.
const ENOUGH: u64 = 1_000_000;

/// For how long a full queue is taken to be full still while it cannot be looked at.
const REMEMBERED: TimeDelta = TimeDelta::minutes(10);

/// For how long before a look what was sent may not have been seen by it: a broker tells what is in
/// a queue with some seconds' delay.
const UNSEEN: TimeDelta = TimeDelta::seconds(10);

/// What is known of one connector's queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Gauge {
    look: Option<Look>,
    /// What was sent since that look, or so shortly before it that it may not have seen it: by the
    /// second, and what is too old for the next look to miss it.
    lately: Vec<Sent>,
    earlier: u64,
    /// How much of it was sent since the look.
    since: u64,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    at: DateTime<Utc>,
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: DateTime<Utc>,
    bytes: u64,
}

/// What is to be done before more is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: there is room.
    Go,
    /// The queue is to be looked at.
    Look,
    /// There is no room, and it is too early for another look.
    Wait,
}

impl Gauge {
    /// What is to be done before more is sent, where a queue with `threshold` bytes is too full. A
    /// clock that was set back makes a look due.
    pub(super) fn verdict(&self, threshold: u64, now: DateTime<Utc>) -> Verdict {
        let Some(look) = self.look else {
            return Verdict::Look;
        };
        match (self.filled() >= threshold, look.is_within(ANEW, now)) {
            (true, true) => Verdict::Wait,
            (true, false) => Verdict::Look,
            (false, _) if self.since >= ENOUGH && !look.is_within(RARELY, now) => Verdict::Look,
            (false, _) => Verdict::Go,
        }
    }

    /// The same where a look that was due failed: it is gone without, unless the queue was full a
    /// short while ago.
    pub(super) fn verdict_unseen(&self, threshold: u64, now: DateTime<Utc>) -> Verdict {
        let is_known = self
            .look
            .is_some_and(|look| look.is_within(REMEMBERED, now));
        if is_known && self.filled() >= threshold {
            Verdict::Wait
        } else {
            Verdict::Go
        }
    }

    /// Whether a look would tell anything, and is not too soon after the last.
    pub(super) fn is_worth_a_look(&self, now: DateTime<Utc>) -> bool {
        let is_fresh = self.look.is_some_and(|look| look.is_within(ANEW, now));
        self.filled() > 0 && !is_fresh
    }

    /// How full the queue may be: as it was seen, and what was sent since, as if no worker had
    /// taken any of it.
    pub(super) fn filled(&self) -> u64 {
        let lately = self.lately.iter().map(|sent| sent.bytes);
        lately.fold(
            self.seen().saturating_add(self.earlier),
            u64::saturating_add,
        )
    }

    /// How full the queue was when it was last seen.
    pub(super) fn seen(&self) -> u64 {
        self.look.map_or(0, |look| look.bytes)
    }

    /// So many bytes were seen in the queue.
    pub(super) fn saw(&mut self, bytes: u64, now: DateTime<Utc>) {
        self.look = Some(Look { at: now, bytes });
        self.age(now);
        self.earlier = 0;
        self.since = 0;
    }

    /// So many bytes were sent.
    pub(super) fn sent(&mut self, bytes: u64, now: DateTime<Utc>) {
        self.since = self.since.saturating_add(bytes);
        self.age(now);
        match self.lately.last_mut() {
            Some(last) if last.at.timestamp() == now.timestamp() => {
                last.bytes = last.bytes.saturating_add(bytes);
            }
            _ => self.lately.push(Sent { at: now, bytes }),
        }
    }

    fn age(&mut self, now: DateTime<Utc>) {
        let is_unseen = |sent: &Sent| (TimeDelta::zero()..UNSEEN).contains(&(now - sent.at));
        let aged = self.lately.extract_if(.., |sent| !is_unseen(sent));
        self.earlier = aged.fold(self.earlier, |sum, sent| sum.saturating_add(sent.bytes));
    }
}

impl Look {
    /// Whether it was so short a while ago. A clock that was set back says no.
    fn is_within(self, span: TimeDelta, now: DateTime<Utc>) -> bool {
        (TimeDelta::zero()..span).contains(&(now - self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;
    const THRESHOLD: u64 = 500 * MB;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// A queue that was seen with `seen` bytes at 1000 seconds, and got `sent` bytes since.
    fn gauge(seen: u64, sent: u64) -> Gauge {
        let mut gauge = Gauge::default();
        gauge.saw(seen, at(1000));
        gauge.sent(sent, at(1001));
        gauge
    }

    #[test]
    fn what_was_seen_is_told_without_what_was_sent() {
        let mut gauge = gauge(MB, 2 * MB);
        assert_eq!((gauge.seen(), gauge.filled()), (MB, 3 * MB));
        gauge.saw(0, at(1002));
        assert_eq!((gauge.seen(), gauge.filled()), (0, 2 * MB));
        assert_eq!(Gauge::default().seen(), 0);
    }

    #[test]
    fn a_queue_is_looked_at_when_it_may_be_full_and_no_more_often_than_need_be() {
        use Verdict::{Go, Look, Wait};
        assert_eq!(Gauge::default().verdict(THRESHOLD, at(0)), Look);
        for (seen, sent, threshold, now, expect) in [
            // There is room, whatever others do.
            (0, 0, THRESHOLD, 1000, Go),
            (499 * MB, 0, THRESHOLD, 1000, Go),
            (0, 499 * MB, THRESHOLD, 1059, Go),
            (499 * MB, MB - 1, THRESHOLD, 1059, Go),
            // Others may have filled it: only worth a look where we added to it ourselves.
            (0, MB - 1, THRESHOLD, 99_999, Go),
            (0, MB, THRESHOLD, 1059, Go),
            (0, MB, THRESHOLD, 1060, Look),
            // It was full, or is by now, if no worker took anything.
            (500 * MB, 0, THRESHOLD, 1000, Wait),
            (500 * MB, 0, THRESHOLD, 1004, Wait),
            (500 * MB, 0, THRESHOLD, 1005, Look),
            (499 * MB, MB, THRESHOLD, 1004, Wait),
            (499 * MB, MB, THRESHOLD, 1005, Look),
            (u64::MAX, u64::MAX, THRESHOLD, 1005, Look),
            // Nothing is emptier than nothing.
            (0, 0, 0, 1004, Wait),
            (0, 0, 0, 1005, Look),
            // The clock was set back.
            (500 * MB, 0, THRESHOLD, 999, Look),
            (0, MB, THRESHOLD, 999, Look),
            (0, 0, THRESHOLD, 999, Go),
        ] {
            let got = gauge(seen, sent).verdict(threshold, at(now));
            assert_eq!(got, expect, "{seen} {sent} {threshold} {now}");
        }
    }

    #[test]
    fn a_look_does_not_see_what_was_sent_just_before() {
        for (sent_at, seen_at, expect) in [
            (1000, 1009, 300 * MB),
            (1000, 1010, 100 * MB),
            (1010, 1000, 100 * MB),
        ] {
            let mut gauge = Gauge::default();
            gauge.sent(50 * MB, at(sent_at));
            gauge.sent(150 * MB, at(sent_at));
            gauge.saw(100 * MB, at(seen_at));
            assert_eq!(gauge.filled(), expect, "{sent_at} {seen_at}");
        }
    }

    #[test]
    fn what_was_sent_is_summed_up_and_takes_no_room() {
        let mut gauge = Gauge::default();
        gauge.saw(7, at(0));
        for second in 0..1000 {
            gauge.sent(2, at(second));
        }
        assert_eq!(gauge.filled(), 2007);
        assert!(gauge.lately.len() <= 11, "{}", gauge.lately.len());
        gauge.saw(5, at(1000));
        assert_eq!(gauge.filled(), 5 + 2 * 9);
    }

    #[test]
    fn a_full_queue_that_cannot_be_looked_at_is_taken_to_be_full_for_a_while() {
        use Verdict::{Go, Wait};
        for (seen, now, expect) in [
            (499 * MB, 1001, Go),
            (500 * MB, 1001, Wait),
            (500 * MB, 1599, Wait),
            (500 * MB, 1600, Go),
            (500 * MB, 999, Go),
        ] {
            let got = gauge(seen, 0).verdict_unseen(THRESHOLD, at(now));
            assert_eq!(got, expect, "{seen} {now}");
        }
        let mut never_seen = Gauge::default();
        never_seen.sent(600 * MB, at(1000));
        assert_eq!(never_seen.verdict_unseen(THRESHOLD, at(1001)), Go);
    }

    #[test]
    fn once_looked_at_a_queue_is_not_looked_at_again_at_once() {
        for seen in [0, 100, 499 * MB, 500 * MB, u64::MAX] {
            for threshold in [0, MB, THRESHOLD] {
                let mut gauge = gauge(0, 600 * MB);
                gauge.saw(seen, at(1002));
                let verdict = gauge.verdict(threshold, at(1002));
                assert_ne!(verdict, Verdict::Look, "{seen} {threshold}");
            }
        }
    }
}
