//! Whose turn it is: pure.

use std::time::Duration;

use tokio::time::Instant;

/// How a lease's object begins, so that who finds it knows what it is.
const TITLE: &str = "A diode-import is at work on this folder, and renews this object.";

/// The longest name of a host that is told.
const LONGEST_HOST: usize = 100;

/// Who holds a lease, or wants to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Holder {
    /// Stands for the one process at a time that may use this id: who has it now knows that all who had
    /// it before have ended. A random one where nothing keeps others from using it.
    pub instance: String,
    /// The machine's name, for whoever wonders who it is.
    pub host: String,
    /// Since when, for the same.
    pub since: String,
}

/// What a lease's object says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// The holder's instance.
    pub(super) instance: String,
    /// A random id of the process alone.
    pub(super) process: String,
    /// Where it runs.
    pub(super) host: String,
}

impl Note {
    /// What is written about a holder. `renewal` makes each text, and so each etag, another one.
    pub(super) fn write(holder: &S3Holder, process: &str, renewal: u64) -> String {
        let S3Holder {
            instance,
            host,
            since,
        } = holder;
        format!(
            "{TITLE}\ninstance {instance}\nprocess {process}\nhost {host}\nsince {since}\nrenewal \
             {renewal}\n"
        )
    }

    /// What was written. Of what nobody of us wrote, nothing is known.
    pub(super) fn read(content: &[u8]) -> Self {
        let text = String::from_utf8_lossy(content);
        let value = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(' '));
            let found = lines.find(|(found, _)| *found == name);
            let value = found.map_or("", |(_, value)| value);
            value.escape_debug().take(LONGEST_HOST).collect::<String>()
        };
        Self {
            instance: value("instance"),
            process: value("process"),
            host: value("host"),
        }
    }
}

/// A lease's object as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) etag: String,
    pub(super) note: Note,
}

/// What is to be done about a lease that is not ours yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nobody has it.
    Create,
    /// Who had it has ended, or is taken to have: it is replaced, if it still has this etag.
    Replace(String),
    /// Another has it.
    StandBy {
        /// Where the other runs.
        host: String,
        /// Whether it was seen to renew it.
        is_alive: bool,
    },
}

/// What was seen of the lease of another, by our own clock.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    seen: Option<Seen>,
}

#[derive(Clone, Debug)]
struct Seen {
    etag: String,
    since: Instant,
    is_alive: bool,
}

impl Watch {
    /// What is to be done about what was found `now`.
    pub(super) fn step(
        &mut self,
        found: Option<&Found>,
        instance: &str,
        now: Instant,
        take_over_after: Duration,
    ) -> Step {
        let Some(found) = found else {
            self.seen = None;
            return Step::Create;
        };
        if found.note.instance == instance {
            self.seen = None;
            return Step::Replace(found.etag.clone());
        }
        let seen = self.note(found, now);
        if now.duration_since(seen.since) >= take_over_after {
            return Step::Replace(found.etag.clone());
        }
        Step::StandBy {
            host: found.note.host.clone(),
            is_alive: seen.is_alive,
        }
    }

    fn note(&mut self, found: &Found, now: Instant) -> &Seen {
        let is_same = |seen: &Seen| seen.etag == found.etag;
        let is_alive = match self.seen.take() {
            Some(seen) if is_same(&seen) => return self.seen.insert(seen),
            earlier => earlier.is_some(),
        };
        self.seen.insert(Seen {
            etag: found.etag.clone(),
            since: now,
            is_alive,
        })
    }
}

/// A lease of ours.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    pub(super) etag: String,
    /// When the request was begun that renewed it last.
    pub(super) renewed: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(45);

    fn found(instance: &str, etag: &str) -> Found {
        Found {
            etag: etag.into(),
            note: Note {
                instance: instance.into(),
                host: "there".into(),
                ..Note::default()
            },
        }
    }

    fn stand_by(is_alive: bool) -> Step {
        Step::StandBy {
            host: "there".into(),
            is_alive,
        }
    }

    /// Looks at `found` after so many seconds each.
    fn check(looks: &[(u64, Option<Found>, Step)]) {
        let (start, mut watch) = (Instant::now(), Watch::default());
        for (seconds, found, expect) in looks {
            let now = start + Duration::from_secs(*seconds);
            let step = watch.step(found.as_ref(), "us", now, LIMIT);
            assert_eq!(&step, expect, "after {seconds} s");
        }
    }

    #[test]
    fn what_is_free_or_our_own_is_taken_at_once() {
        check(&[(0, None, Step::Create)]);
        check(&[(0, Some(found("us", "1")), Step::Replace("1".into()))]);
    }

    #[test]
    fn what_another_holds_is_taken_when_it_has_not_changed_for_long_enough() {
        let theirs = |etag| Some(found("them", etag));
        check(&[
            (0, theirs("1"), stand_by(false)),
            (44, theirs("1"), stand_by(false)),
            (45, theirs("1"), Step::Replace("1".into())),
        ]);
        check(&[
            (0, theirs("1"), stand_by(false)),
            (40, theirs("2"), stand_by(true)),
            (84, theirs("2"), stand_by(true)),
            (85, theirs("2"), Step::Replace("2".into())),
        ]);
    }

    #[test]
    fn what_was_given_back_is_not_counted_on() {
        check(&[
            (0, Some(found("them", "1")), stand_by(false)),
            (30, None, Step::Create),
            (50, Some(found("them", "1")), stand_by(false)),
            (94, Some(found("them", "1")), stand_by(false)),
        ]);
    }

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let holder = S3Holder {
            instance: "i".into(),
            host: "a host".into(),
            since: "now".into(),
        };
        let text = Note::write(&holder, "p", 7);
        assert_ne!(text, Note::write(&holder, "p", 8));
        let expect = Note {
            instance: "i".into(),
            process: "p".into(),
            host: "a host".into(),
        };
        assert_eq!(Note::read(text.as_bytes()), expect);
        assert_eq!(Note::read(b"\xff{}"), Note::default());
        assert_eq!(Note::read(b"host a\x1bb").host, "a\\u{1b}b");
    }
}
