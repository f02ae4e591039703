//! Works against a platform that counts as the real one does, and workers that throw away what
//! belongs to a work that is complete.

mod bench;

use opencti_client::ErrorClass;
use tokio::sync::oneshot;
use tokio::task::yield_now;

use self::bench::{Bench, CONNECTOR, Counted, Fault, Reading, World};
use super::{Occasion, Room, Shortfall, Works, WorksError};
use crate::Ledger;
use crate::doubles::Lines;

#[tokio::test]
async fn a_stream_of_files_has_one_work_that_is_never_complete_in_between() {
    let bench = Bench::new();
    for round in 1..=5 {
        assert_eq!(bench.send(2).await, 0);
        bench.process(2);
        bench.settle(Occasion::PassEnd).await;
        assert_eq!(bench.counts(0), (1 + 2 * round, 2 * round, false));
        bench.later(20);
    }
    assert_eq!(bench.opened(), 1);
}

#[tokio::test]
async fn a_work_is_closed_once_its_messages_are_processed_and_the_next_file_opens_another() {
    let bench = Bench::new();
    bench.send(3).await;
    bench.process(2);
    bench.later(60);
    bench.settle(Occasion::Heartbeat).await;
    assert_eq!(bench.counts(0), (4, 2, false));
    bench.process(1);
    bench.later(30);
    bench.settle(Occasion::Heartbeat).await;
    assert_eq!(bench.counts(0), (4, 4, true));
    assert_eq!(
        bench.world().works[0].messages,
        ["Connector successfully run"]
    );
    assert_eq!(bench.send(1).await, 1);
}

#[tokio::test]
async fn a_work_that_is_held_is_known_at_once_and_on_disk_when_its_messages_are_sent() {
    let bench = Bench::new();
    let share = bench.begin(1).await.unwrap();
    let ledger = Ledger::open(bench.state.path()).unwrap();
    let known = ledger.open_work(CONNECTOR).unwrap();
    assert_eq!(known.map(|work| work.work), Some(share.work.clone()));
    let is_syncing = async || bench.works.memory.lock().await.syncing.is_some();
    assert!(is_syncing().await);
    let all = Shortfall::default();
    bench.works.sent(&share, &all).await.unwrap();
    assert!(!is_syncing().await);
    let again = bench.begin(1).await.unwrap();
    assert_eq!(again.work, share.work);
    assert!(!is_syncing().await, "nothing new is known");
    bench.works.sent(&again, &all).await.unwrap();
    bench.settle(Occasion::Leaving).await;
    assert_eq!(bench.begin(1).await.unwrap().work, share.work);
    assert!(is_syncing().await, "it is held again");
}

#[tokio::test]
async fn nothing_is_done_with_a_work_before_it_is_on_disk_but_sending() {
    let bench = Bench::new();
    let share = bench.begin(1).await.unwrap();
    let (written, disk) = oneshot::channel();
    let syncing = tokio::spawn(async move {
        disk.await.unwrap();
        Ok(())
    });
    bench.works.memory.lock().await.syncing = Some(syncing);
    let all = Shortfall::default();
    let sent = bench.works.sent(&share, &all);
    tokio::pin!(sent);
    for _ in 0..100 {
        tokio::select! {
            biased;
            _ = &mut sent => panic!("the disk was not waited for"),
            () = yield_now() => {}
        }
    }
    written.send(()).unwrap();
    sent.await.unwrap();
}

#[tokio::test]
async fn small_files_cost_two_calls_each() {
    let bench = Bench::new();
    bench.send(1).await;
    bench.calls();
    for _ in 0..3 {
        bench.send(1).await;
        bench.settle(Occasion::PassEnd).await;
    }
    assert_eq!(bench.calls(), ["expect 1", "alive"].repeat(3));
}

#[tokio::test]
async fn who_leaves_lets_the_work_complete_alone_and_the_next_run_joins_it_until_then() {
    let mut bench = Bench::new();
    bench.send(3).await;
    bench.process(1);
    bench.settle(Occasion::Leaving).await;
    assert_eq!(bench.counts(0), (3, 1, false));

    bench.restart();
    assert_eq!(bench.send(2).await, 0);
    assert_eq!(bench.counts(0), (6, 1, false));
    bench.settle(Occasion::Leaving).await;
    bench.process(4);
    assert_eq!(bench.counts(0), (5, 5, true));

    bench.restart();
    assert_eq!(bench.send(1).await, 1);
    assert_eq!(bench.world().lost, 0);
}

#[tokio::test]
async fn a_work_that_is_completed_just_before_it_is_joined_is_left() {
    let mut bench = Bench::new();
    bench.send(1).await;
    bench.settle(Occasion::Leaving).await;
    bench.restart();
    bench.world().quick = true;
    assert_eq!(bench.send(1).await, 1);
    bench.process(1);
    assert_eq!(bench.world().lost, 0);
}

#[tokio::test]
async fn killed_between_telling_and_sending_what_was_told_for_nothing_is_given_back() {
    for sent in 0..=3 {
        let mut bench = Bench::new();
        let share = bench.begin(3).await.unwrap();
        bench.queue(&share, sent);
        bench.restart();
        assert_eq!(bench.send(3).await, 0, "in the same work");
        bench.process(sent + 2);
        bench.later(60);
        bench.settle(Occasion::PassEnd).await;
        assert!(!bench.counts(0).2, "a message is left");
        bench.process(1);
        bench.later(60);
        bench.settle(Occasion::PassEnd).await;
        let processed = i64::try_from(sent + 3 + 1).unwrap();
        assert_eq!(bench.counts(0), (processed, processed, true));
        assert_eq!(bench.world().lost, 0);
    }
}

#[tokio::test]
async fn messages_that_arrived_twice_do_not_complete_a_work_too_early() {
    let bench = Bench::new();
    let share = bench.begin(3).await.unwrap();
    bench.queue(&share, 5);
    let shortfall = Shortfall {
        doubtful: 4,
        ..Shortfall::default()
    };
    bench.works.sent(&share, &shortfall).await.unwrap();
    bench.process(5);
    bench.later(60);
    bench.settle(Occasion::PassEnd).await;
    assert_eq!(bench.counts(0), (6, 6, true));
    assert_eq!(bench.world().lost, 0);
}

#[tokio::test]
async fn more_messages_that_arrived_than_were_told_of_before_it_broke_off_are_added() {
    let bench = Bench::new();
    let share = bench.begin(10).await.unwrap();
    // Nine were confirmed, three of them sent twice, and one was never sent.
    bench.queue(&share, 12);
    bench.works.broken_off(&share, -2, "broke").await.unwrap();
    assert_eq!(bench.send(10).await, 0, "the same work");
    bench.process(usize::MAX);
    bench.later(30);
    bench.settle(Occasion::PassEnd).await;
    assert_eq!(bench.counts(0), (23, 23, true));
    assert_eq!(bench.world().lost, 0);
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_closes_no_work_whose_messages_are_not_told_of_yet() {
    for jump in [30, 3600, 86_400 * 3650] {
        let bench = Bench::new();
        bench.send(5).await;
        bench.world().is_late = true;
        bench.set_clock_by(jump);
        for occasion in [Occasion::PassEnd, Occasion::Heartbeat] {
            bench.later(14);
            bench.settle(occasion).await;
            assert_eq!(bench.counts(0), (6, 0, false), "{jump}");
        }
        bench.process(5);
        assert_eq!(bench.world().lost, 0);
        bench.later(30);
        bench.settle(Occasion::Heartbeat).await;
        assert_eq!(bench.counts(0), (6, 6, true), "{jump}");
    }
}

#[tokio::test]
async fn a_work_that_a_file_is_not_told_of_at_once_waits_for_it() {
    let bench = Bench::new();
    bench.later(3600);
    // The work is opened and held; telling it of the file fails.
    bench.world().fault = Some(Fault {
        call: 4,
        done: false,
    });
    assert!(bench.begin(2).await.is_err());
    bench.settle(Occasion::PassEnd).await;
    assert_eq!(bench.counts(0), (1, 0, false));
    assert_eq!(bench.send(2).await, 0);
}

#[tokio::test]
async fn a_clock_that_is_set_back_leaves_no_work_open() {
    let year = 86_400 * 365;
    let bench = Bench::new();
    bench.send(2).await;
    bench.process(2);
    bench.set_clock_by(-year);
    bench.later(30);
    bench.settle(Occasion::Heartbeat).await;
    assert_eq!(bench.counts(0), (3, 3, true));

    // Of a work that an earlier run left.
    for added_by_workers in [0, 2] {
        let mut bench = Bench::new();
        let share = bench.begin_in(Room::Shared, 0, added_by_workers).await;
        let (share, nothing) = (share.unwrap(), Shortfall::default());
        bench.works.sent(&share, &nothing).await.unwrap();
        bench.world().works[0].expected += 3;
        bench.settle(Occasion::Leaving).await;
        bench.set_clock_by(-year);
        bench.restart();
        for (later, is_done) in [(29, false), (1, true)] {
            bench.later(later);
            bench.settle(Occasion::Heartbeat).await;
            assert_eq!(bench.counts(0).2, is_done, "{added_by_workers} {later}");
        }
    }
}

#[tokio::test]
async fn a_file_under_way_for_long_is_not_taken_for_one_that_never_came() {
    let bench = Bench::new();
    let share = bench.begin(3).await.unwrap();
    bench.later(3600);
    bench.settle(Occasion::Heartbeat).await;
    assert_eq!(bench.counts(0), (4, 0, false));
    bench.works.broken_off(&share, 2, "stop").await.unwrap();
    assert_eq!(bench.counts(0), (2, 0, false));
}

#[tokio::test]
async fn a_work_that_is_not_alive_is_noticed_before_more_is_sent_for_it() {
    let ways: [fn(&mut Counted); 2] = [|work| work.deleted = true, |work| work.keyless = true];
    for dies in ways {
        for age in [0, 59, 60] {
            let bench = Bench::new();
            bench.send(1).await;
            bench.process(1);
            dies(&mut bench.world().works[0]);
            bench.later(age);
            assert_eq!(bench.send(1).await, 1, "{age}");
            bench.process(1);
            assert_eq!(bench.world().lost, 0, "{age}");
        }
    }
    let bench = Bench::new();
    let share = bench.begin(1).await.unwrap();
    bench.world().works[0].deleted = true;
    let broken_off = bench.works.broken_off(&share, 1, "queue gone");
    assert!(
        broken_off.await.is_err(),
        "there is nothing to give back to"
    );
    assert_eq!(bench.send(1).await, 1, "a failure makes us look at once");
}

#[tokio::test]
async fn a_work_that_does_not_outlive_the_sending_is_left_and_its_file_sent_for_another() {
    let ways: [fn(&mut World); 2] = [
        |world| world.works[1].deleted = true,
        |world| world.works[1].keyless = true,
    ];
    for dies in ways {
        for room in [Room::Shared, Room::Alone] {
            let bench = Bench::new();
            // What the platform lets us see is known by then.
            bench.begin_of("other", Room::Shared, 0, 0).await.unwrap();
            bench.world().before_alive = Some(dies);
            assert_eq!(bench.send_in(room, 3).await, 2, "{room:?}");
            bench.process(usize::MAX);
            let world = bench.world();
            assert_eq!(world.lost, 3, "{room:?}: what was sent for the first one");
            assert_eq!(world.works[2].processed, 3, "{room:?}");
        }
    }
}

#[tokio::test]
async fn a_work_that_the_workers_completed_before_it_was_asked_for_is_delivered() {
    let bench = Bench::new();
    bench.world().before_alive = Some(|world| world.process(usize::MAX));
    assert_eq!(bench.send_in(Room::Alone, 3).await, 0);
    assert_eq!(bench.counts(0), (3, 3, true));
}

#[tokio::test]
async fn whether_a_work_is_alive_is_waited_for_where_the_platform_is_away() {
    let bench = Bench::new();
    let share = bench.begin(1).await.unwrap();
    bench.world().reading = Reading::Away;
    assert!(bench.works.is_alive(&share).await.is_err());
    bench.world().reading = Reading::Allowed;
    assert!(bench.works.is_alive(&share).await.unwrap());
}

#[tokio::test]
async fn a_platform_that_does_not_tell_whether_works_are_alive_holds_nothing_up() {
    use ErrorClass::{Contract, Transient};
    for class in [Contract, Transient] {
        let bench = Bench::new();
        bench.world().odd_class = Some(class);
        bench.world().odd_lives = usize::MAX;
        for _ in 0..3 {
            assert_eq!(bench.send(1).await, 0, "{class:?}");
        }
    }
    let bench = Bench::new();
    bench.world().reading = Reading::Forbidden;
    assert_eq!(bench.send(1).await, 0);
}

/// Plain files and files for drafts in every order, with workers that come only after the connector
/// manager has been there: nothing is thrown away.
#[tokio::test]
async fn in_every_order_of_drafts_and_others_the_connector_manager_ends_no_work_that_waits() {
    let rooms = |number: usize| {
        (0..4).map(move |bit| match number & (1 << bit) {
            0 => Room::Shared,
            _ => Room::Alone,
        })
    };
    for (number, restarts) in (0..16).flat_map(|number| [(number, false), (number, true)]) {
        let mut bench = Bench::new();
        let mut sent = 0;
        for room in rooms(number) {
            let share = bench.begin_in(room, 2, 0).await.unwrap();
            bench.queue(&share, 2);
            sent += 2;
            assert!(bench.works.is_alive(&share).await.unwrap());
            let shortfall = Shortfall {
                errors: vec!["broken".into()],
                ..Shortfall::default()
            };
            bench.works.sent(&share, &shortfall).await.unwrap();
            bench.later(60);
            bench.settle(Occasion::PassEnd).await;
            bench.world().end_old_works();
            if restarts {
                bench.settle(Occasion::Leaving).await;
                bench.restart();
                bench.world().end_old_works();
            }
        }
        let queued = bench.world().queue.len();
        assert_eq!(queued, sent, "{number} {restarts}: all wait");
        for _ in 0..queued {
            bench.process(1);
        }
        assert_eq!(bench.world().lost, 0, "{number} {restarts}");
        for _ in 0..3 {
            bench.later(60);
            bench.settle(Occasion::PassEnd).await;
        }
        let world = bench.world();
        let open: Vec<_> = world.works.iter().filter(|work| !work.complete).collect();
        assert!(open.is_empty(), "{number} {restarts}: {open:?}");
    }
}

#[tokio::test]
async fn a_work_that_was_ended_by_others_is_left() {
    let bench = Bench::new();
    bench.send(2).await;
    bench.world().works[0].complete = true;
    bench.later(60);
    bench.settle(Occasion::PassEnd).await;
    assert_eq!(bench.send(1).await, 1);
    assert_eq!(bench.counts(0), (3, 0, true), "nothing more was told of it");
}

#[tokio::test]
async fn whose_token_may_not_read_works_has_one_for_each_pass_and_reports_nothing() {
    let lines = Lines::default();
    let _listening = lines.listen();
    let mut bench = Bench::new();
    bench.world().reading = Reading::Forbidden;
    for pass in 0..2 {
        assert_eq!(bench.send(2).await, pass);
        bench.later(60);
        assert_eq!(bench.send(1).await, pass);
        bench.settle(Occasion::Heartbeat).await;
        assert_eq!(bench.counts(pass), (4, 0, false));
        bench.settle(Occasion::PassEnd).await;
        assert_eq!(bench.counts(pass), (3, 0, false));
    }
    let share = bench.begin(2).await.unwrap();
    let shortfall = Shortfall {
        refused: 1,
        errors: vec!["too large".into()],
        ..Shortfall::default()
    };
    bench.works.sent(&share, &shortfall).await.unwrap();
    bench.settle(Occasion::PassEnd).await;
    assert_eq!(bench.counts(2), (1, 0, false));
    let errors = ["too large", "1 object was not sent"];
    assert_eq!(bench.world().works[2].errors, errors);
    assert!(!bench.calls().contains(&"report".to_owned()));
    let said = lines.with("this token may not read works");
    assert_eq!(said.len(), 1, "{lines:?}");

    // Killed in a pass, the next run goes on with its work: no other may end it by force.
    bench.begin(1).await.unwrap();
    bench.restart();
    assert_eq!(bench.send(1).await, 3);
}

#[tokio::test]
async fn a_work_that_cannot_be_closed_keeps_no_other_open_unless_the_platform_is_away() {
    use ErrorClass::{Contract, Credentials, Forbidden, Transient, WorkGone};
    for (class, is_closed) in [
        (Contract, true),
        (Forbidden, true),
        (WorkGone, true),
        (Transient, false),
        (Credentials, false),
    ] {
        let bench = Bench::new();
        for connector in ["a", "b"] {
            let share = bench.begin_of(connector, Room::Shared, 0, 0).await.unwrap();
            let nothing = Shortfall::default();
            bench.works.sent(&share, &nothing).await.unwrap();
        }
        bench.world().unfinishable = Some((0, class));
        bench.later(60);
        bench.settle(Occasion::PassEnd).await;
        assert!(!bench.counts(0).2);
        assert_eq!(bench.counts(1).2, is_closed, "{class:?}");
    }
}

#[tokio::test]
async fn an_odd_answer_is_asked_for_another_time() {
    for (odd_works, odd_queues) in [(1, 0), (0, 1)] {
        let bench = Bench::new();
        bench.send(2).await;
        bench.process(2);
        bench.later(30);
        (bench.world().odd_works, bench.world().odd_queues) = (odd_works, odd_queues);
        bench.settle(Occasion::PassEnd).await;
        assert_eq!(bench.counts(0), (3, 2, false), "{odd_works} {odd_queues}");
        bench.later(30);
        bench.settle(Occasion::PassEnd).await;
        assert_eq!(bench.counts(0), (3, 3, true), "{odd_works} {odd_queues}");
    }
}

#[tokio::test]
async fn where_all_answers_are_odd_files_are_sent_and_each_pass_has_its_work() {
    let mut bench = Bench::new();
    bench.send(1).await;
    bench.settle(Occasion::Leaving).await;
    bench.restart();
    bench.calls();
    (bench.world().odd_works, bench.world().odd_queues) = (usize::MAX, usize::MAX);
    for pass in 1..=2 {
        assert_eq!(bench.send(2).await, pass);
        bench.later(60);
        assert_eq!(bench.send(2).await, pass);
        bench.later(60);
        bench.settle(Occasion::PassEnd).await;
        assert_eq!(bench.counts(pass), (4, 0, false));
    }
    bench.process(usize::MAX);
    assert!((0..3).all(|work| bench.counts(work).2));
    assert_eq!(bench.world().lost, 0);
    assert!(!bench.calls().contains(&"report".to_owned()));
}

#[tokio::test]
async fn an_odd_answer_about_a_queue_keeps_no_file_waiting_and_closes_no_work() {
    let mut bench = Bench::new();
    bench.send(1).await;
    bench.settle(Occasion::Leaving).await;
    bench.restart();
    bench.later(60);
    bench.world().odd_queues = usize::MAX;
    assert_eq!(bench.send(2).await, 0);
    for _ in 0..3 {
        bench.later(60);
        bench.settle(Occasion::PassEnd).await;
        assert_eq!(bench.counts(0), (4, 0, false));
    }
    bench.process(3);
    bench.world().odd_queues = 0;
    bench.later(60);
    bench.settle(Occasion::PassEnd).await;
    assert_eq!(bench.counts(0), (4, 4, true));
}

#[tokio::test]
async fn objects_that_were_not_sent_are_errors_of_the_work_and_change_no_balance() {
    let bench = Bench::new();
    let share = bench.begin(4).await.unwrap();
    bench.queue(&share, 3);
    let shortfall = Shortfall {
        refused: 1,
        errors: vec!["broken".into(), "too large".into()],
        ..Shortfall::default()
    };
    bench.works.sent(&share, &shortfall).await.unwrap();
    assert_eq!(bench.counts(0), (1 + 3, 0, false));
    assert_eq!(bench.world().works[0].errors, ["broken", "too large"]);

    let share = bench.begin(0).await.unwrap();
    let shortfall = Shortfall {
        refused: 0,
        errors: vec!["more".into(); 200],
        ..Shortfall::default()
    };
    bench.works.sent(&share, &shortfall).await.unwrap();
    assert_eq!(bench.world().works[0].errors.len(), 100);
    bench.process(3);
    bench.later(60);
    bench.settle(Occasion::PassEnd).await;
    assert_eq!(bench.counts(0), (4, 4, true));
    let last = bench.world().works[0].errors.last().cloned();
    assert_eq!(last.as_deref(), Some("202 objects were not sent"));
}

#[tokio::test]
async fn a_file_for_a_draft_has_a_work_of_its_own_and_the_open_one_ends_before() {
    let bench = Bench::new();
    bench.send(2).await;
    bench.calls();
    let share = bench.begin_in(Room::Alone, 3, 0).await.unwrap();
    bench
        .works
        .sent(&share, &Shortfall::default())
        .await
        .unwrap();
    let name = "open Feed run @ Thu Jan  1 00:00:00 2026";
    assert_eq!(
        bench.calls(),
        ["expect -1", "finish", name, "expect 3", "finish"]
    );
    bench.process(2);
    assert_eq!(bench.counts(0), (2, 2, true));
    assert_eq!(bench.send(1).await, 2);
}

#[tokio::test]
async fn what_workers_have_yet_to_count_keeps_a_work_open() {
    let mut bench = Bench::new();
    let share = bench.begin_in(Room::Shared, 0, 5).await.unwrap();
    bench.queue(&share, 1);
    bench
        .works
        .sent(&share, &Shortfall::default())
        .await
        .unwrap();
    bench.later(60);
    bench.settle(Occasion::PassEnd).await;
    bench.settle(Occasion::Leaving).await;
    assert_eq!(bench.counts(0), (1, 0, false));
    bench.restart();
    bench.settle(Occasion::Leaving).await;
    assert_eq!(bench.counts(0), (1, 0, false));
    // The worker takes the message apart: it tells of five, and puts them into the queue.
    bench.restart();
    {
        let mut world = bench.world();
        world.works[0].expected += 5;
        world.queue = std::iter::repeat_n(0, 5).collect();
    }
    bench.process(5);
    bench.later(60);
    bench.settle(Occasion::PassEnd).await;
    assert_eq!(bench.counts(0), (6, 6, true));
    assert_eq!(bench.world().lost, 0);
}

/// Two files, workers in between, an end, and a new start with another file. Stops at the first
/// failure, as a kill would.
async fn script(bench: &mut Bench) -> Result<(), WorksError> {
    for (messages, processed) in [(2, 1), (1, 2)] {
        let share = bench.begin(messages).await?;
        bench.queue(&share, messages);
        let shortfall = Shortfall {
            errors: vec!["broken".into()],
            ..Shortfall::default()
        };
        bench.works.sent(&share, &shortfall).await?;
        bench.process(processed);
        bench.later(45);
        bench.settle(Occasion::PassEnd).await;
    }
    let share = bench.begin(1).await?;
    bench.queue(&share, 1);
    bench.works.sent(&share, &Shortfall::default()).await?;
    bench.settle(Occasion::Leaving).await;
    bench.restart();
    let share = bench.begin(2).await?;
    bench.queue(&share, 2);
    bench.works.sent(&share, &Shortfall::default()).await
}

/// At every call, once before and once after the platform has done what it was asked.
#[tokio::test]
async fn whatever_call_fails_nothing_is_thrown_away_and_every_work_gets_done() {
    let mut bench = Bench::new();
    script(&mut bench).await.unwrap();
    let calls = bench.world().calls.len();
    assert!(calls > 20, "{calls}");
    for (call, done) in (0..calls).flat_map(|call| [(call, false), (call, true)]) {
        let mut bench = Bench::new();
        bench.world().fault = Some(Fault { call, done });
        let _ = script(&mut bench).await;
        bench.restart();
        bench.send(2).await;
        for _ in 0..4 {
            bench.process(usize::MAX);
            bench.later(60);
            bench.settle(Occasion::PassEnd).await;
        }
        let world = bench.world();
        assert_eq!(world.lost, 0, "{call} {done}: {:?}", world.calls);
        let used = world.works.iter().filter(|work| work.processed > 0);
        for work in used {
            assert!(work.complete, "{call} {done}: {work:?}\n{:?}", world.calls);
        }
    }
}

/// A work of ten messages of which so many are processed before the queue is purged.
async fn purged(bench: &mut Bench, processed: usize, is_killed: bool) -> Lines {
    let share = bench.begin(10).await.unwrap();
    bench.queue(&share, 10);
    if is_killed {
        bench.restart();
    } else {
        let nothing = Shortfall::default();
        bench.works.sent(&share, &nothing).await.unwrap();
    }
    bench.process(processed);
    bench.world().queue.clear();
    let lines = Lines::default();
    let listening = lines.listen();
    bench.later(60);
    bench.settle(Occasion::PassEnd).await;
    drop(listening);
    lines
}

#[tokio::test]
async fn what_a_purge_throws_away_is_told_with_its_number() {
    for (processed, is_killed, told) in [
        (
            4,
            false,
            "WARN message=messages were thrown away before a worker took them",
        ),
        (
            4,
            true,
            "WARN message=messages that a work expects were never processed",
        ),
    ] {
        let mut bench = Bench::new();
        let lines = purged(&mut bench, processed, is_killed).await;
        let [line] = <[String; 1]>::try_from(lines.with("missing=6 files=0")).unwrap();
        assert!(line.starts_with(told), "{line}");
        assert!(
            lines
                .with("everything that was sent is processed")
                .is_empty()
        );
        assert!(bench.counts(0).2);
    }
    let lines = purged(&mut Bench::new(), 10, false).await;
    assert!(lines.with("WARN").is_empty());
    assert_eq!(lines.with("everything that was sent is processed").len(), 1);
}

#[tokio::test]
async fn what_workers_would_have_taken_apart_is_told_of_as_well() {
    let bench = Bench::new();
    let share = bench.begin_in(Room::Shared, 0, 10).await.unwrap();
    let nothing = Shortfall::default();
    bench.works.sent(&share, &nothing).await.unwrap();
    let lines = Lines::default();
    let listening = lines.listen();
    bench.later(60);
    bench.settle(Occasion::PassEnd).await;
    drop(listening);
    assert_eq!(lines.with("missing=10").len(), 2);
    assert!(lines.with("everything that was sent").is_empty());
}
