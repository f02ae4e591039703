use super::*;

/// What happens to a window, or what is expected of it.
enum Event {
    /// Sends all that the window wants sent, each message with 10 bytes, and expects these.
    Send(&'static [usize]),
    /// Sends one part with this many bytes, and expects whether it is let through.
    Admit(usize, usize, bool),
    Confirm(&'static [usize]),
    Nack(&'static [usize]),
    Returned(&'static [usize]),
    Lose,
    Oversized(Option<(usize, usize)>),
    Paused,
    Expect(Step),
    /// Expects that so many messages may have arrived without a confirm.
    Doubtful(usize),
}
use Event::{Admit, Confirm, Doubtful, Expect, Lose, Nack, Oversized, Paused, Returned, Send};

#[test]
fn nothing_to_send_is_done() {
    check(0, 3, &[Expect(Step::Done)], &[]);
}

#[test]
fn the_window_slides() {
    check(
        5,
        3,
        &[
            Send(&[0, 1, 2]),
            Expect(Step::Wait),
            Confirm(&[1]),
            Send(&[3]),
            Confirm(&[0, 2]),
            Send(&[4]),
            Expect(Step::Wait),
            Confirm(&[3, 4]),
            Expect(Step::Done),
        ],
        &[],
    );
}

#[test]
fn bytes_bound_the_window_and_a_larger_message_travels_alone() {
    check(
        3,
        9,
        &[
            Admit(0, 99, true),
            Expect(Step::Send(1)),
            Admit(1, 1, true),
            Expect(Step::Wait),
            Confirm(&[0, 1]),
            Admit(2, 5000, true),
            Confirm(&[2]),
            Expect(Step::Done),
        ],
        &[],
    );
}

#[test]
fn a_nack_drains_pauses_and_sends_the_refused_first() {
    check(
        6,
        4,
        &[
            Send(&[0, 1, 2, 3]),
            Nack(&[2]),
            Expect(Step::Wait),
            Confirm(&[0]),
            Expect(Step::Wait),
            Nack(&[1]),
            Confirm(&[3]),
            Expect(Step::Pause),
            Paused,
            // Two were confirmed before the pause, so two may be in flight after it.
            Send(&[1, 2]),
            Confirm(&[1]),
            Send(&[4, 5]),
            Confirm(&[2, 4, 5]),
            Expect(Step::Done),
        ],
        &[],
    );
}

#[test]
fn a_broker_that_confirms_nothing_is_asked_with_one_message() {
    check(
        3,
        3,
        &[
            Send(&[0, 1, 2]),
            Nack(&[0, 1, 2]),
            Expect(Step::Pause),
            Paused,
            Send(&[0]),
            Nack(&[0]),
            Expect(Step::Pause),
            Paused,
            Send(&[0]),
            Confirm(&[0]),
            Send(&[1, 2]),
            Confirm(&[1, 2]),
            Expect(Step::Done),
        ],
        &[],
    );
}

#[test]
fn what_was_in_flight_on_a_lost_connection_goes_again_in_order() {
    check(
        5,
        4,
        &[
            Send(&[0, 1, 2, 3]),
            Confirm(&[1]),
            Doubtful(3),
            Lose,
            Doubtful(3),
            Send(&[0, 2, 3, 4]),
            Doubtful(7),
            Lose,
            Send(&[0, 2, 3, 4]),
            Confirm(&[0, 2, 3, 4]),
            Doubtful(7),
            Expect(Step::Done),
        ],
        &[],
    );
}

#[test]
fn what_was_returned_did_not_arrive() {
    check(
        3,
        3,
        &[
            Send(&[0, 1, 2]),
            Confirm(&[0]),
            Returned(&[1]),
            Doubtful(1),
            Confirm(&[2]),
            Doubtful(0),
            Send(&[1]),
            Confirm(&[1]),
        ],
        &[],
    );
}

#[test]
fn what_went_before_a_message_that_is_too_large_may_have_arrived() {
    for (sizes, doubtful) in [(Some((20, 16)), 1), (None, 3)] {
        check(
            3,
            3,
            &[
                Admit(0, 10, true),
                Admit(1, 20, true),
                Admit(2, 10, true),
                Oversized(sizes),
                Doubtful(doubtful),
                Admit(0, 10, true),
                Confirm(&[0]),
                Admit(1, 20, sizes.is_none()),
                Oversized(sizes),
                Admit(2, 10, true),
                Confirm(&[2]),
                Doubtful(doubtful),
            ],
            &[1],
        );
    }
}

#[test]
fn an_answer_out_of_nowhere_changes_nothing() {
    check(
        2,
        1,
        &[
            Confirm(&[1]),
            Nack(&[0]),
            Send(&[0]),
            Confirm(&[0, 0]),
            Send(&[1]),
            Confirm(&[1]),
            Expect(Step::Done),
        ],
        &[],
    );
}

#[test]
fn all_above_the_limit_are_refused_now_and_later() {
    check(
        5,
        4,
        &[
            Admit(0, 20, true),
            Admit(1, 10, true),
            Admit(2, 30, true),
            Oversized(Some((20, 16))),
            Admit(1, 10, true),
            Admit(3, 16, true),
            Admit(4, 17, false),
            Confirm(&[1, 3]),
            Expect(Step::Done),
        ],
        &[0, 2, 4],
    );
}

/// The limit is told where the broker named one that the message is above.
#[test]
fn what_is_refused_is_told_with_its_own_size_and_the_limit() {
    for (named, known) in [
        (Some((20, 16)), Some(16)),
        (Some((20, 999)), None),
        (None, None),
    ] {
        let limits = Limits {
            messages: 1,
            bytes: 100,
        };
        let mut window = Window::new(2, limits);
        assert!(window.admit(0, 20));
        let sizes = named.map(|(message, limit)| Sizes { message, limit });
        window.too_large(sizes, "words");
        let first = TooLarge {
            message: 20,
            limit: known,
            words: "words".to_owned(),
        };
        assert_eq!(window.done(0..1).unwrap().refused, [(0, first.clone())]);
        // The second is not even sent where the limit is known.
        assert_eq!(window.admit(1, 30), known.is_none(), "{named:?}");
        if known.is_some() {
            let second = TooLarge {
                message: 30,
                ..first
            };
            assert_eq!(window.done(1..2).unwrap().refused, [(0, second)]);
        }
    }
}

#[test]
fn a_size_that_fits_no_limit_still_names_its_message() {
    check(
        3,
        4,
        &[
            Admit(0, 20, true),
            Admit(1, 10, true),
            Oversized(Some((20, 999))),
            Send(&[1, 2]),
            Confirm(&[1, 2]),
            Expect(Step::Done),
        ],
        &[0],
    );
}

#[test]
fn without_a_usable_size_the_offender_is_found_one_by_one() {
    for sizes in [None, Some((77, 99))] {
        check(
            4,
            3,
            &[
                Send(&[0, 1, 2]),
                Oversized(sizes),
                Send(&[0]),
                Confirm(&[0]),
                Send(&[1]),
                Oversized(sizes),
                Send(&[2]),
                Confirm(&[2]),
                Send(&[3]),
                Confirm(&[3]),
                Expect(Step::Done),
            ],
            &[1],
        );
    }
}

#[test]
fn suspects_stay_alone_when_the_connection_breaks_as_well() {
    check(
        3,
        3,
        &[
            Send(&[0, 1, 2]),
            Oversized(None),
            Send(&[0]),
            Lose,
            Send(&[0]),
            Nack(&[0]),
            Expect(Step::Pause),
            Paused,
            Send(&[0]),
            Confirm(&[0]),
            Send(&[1]),
            Confirm(&[1]),
            Send(&[2]),
            Confirm(&[2]),
            Expect(Step::Done),
        ],
        &[],
    );
}

fn check(count: usize, messages: usize, events: &[Event], refused: &[usize]) {
    let mut window = Window::new(
        count,
        Limits {
            messages,
            bytes: 100,
        },
    );
    for (number, event) in events.iter().enumerate() {
        apply(&mut window, event, number);
    }
    assert_eq!(window.step(), Step::Done);
    let done = window.done(0..count).unwrap();
    let found: Vec<usize> = done.refused.iter().map(|(index, _)| *index).collect();
    assert_eq!(found, refused);
    assert_eq!(done.confirmed, count - refused.len());
    assert_eq!(done.confirmed, window.confirmed());
}

fn apply(window: &mut Window, event: &Event, number: usize) {
    match event {
        Send(expect) => assert_eq!(send_all(window), *expect, "event {number}"),
        Admit(index, bytes, expect) => {
            assert_eq!(window.admit(*index, *bytes), *expect, "event {number}");
        }
        Confirm(indices) => indices.iter().for_each(|index| window.confirm(*index)),
        Nack(indices) => indices.iter().for_each(|index| window.nack(*index)),
        Returned(indices) => indices.iter().for_each(|index| window.returned(*index)),
        Lose => window.lose(),
        Oversized(sizes) => {
            let sizes = sizes.map(|(message, limit)| Sizes { message, limit });
            window.too_large(sizes, "too large");
        }
        Paused => window.paused(),
        Expect(step) => assert_eq!(window.step(), *step, "event {number}"),
        Doubtful(count) => {
            let progress = window.progress(0..usize::MAX);
            assert_eq!(progress.doubtful, *count, "event {number}");
            assert_eq!(progress.confirmed, window.confirmed(), "event {number}");
        }
    }
}

fn send_all(window: &mut Window) -> Vec<usize> {
    let mut sent = Vec::new();
    while let Step::Send(index) = window.step() {
        assert!(window.admit(index, 10));
        sent.push(index);
    }
    sent
}
