//! Signs of life whose answer is lost.

use std::sync::atomic::Ordering;

use super::bench::Bench;
use super::{ALL_IMPORTED, NOTHING, with_kept_files};

/// Our own calls so far, by their names.
fn own_calls(bench: &Bench) -> Vec<String> {
    let calls = bench.platform.calls("");
    let own = calls.iter().filter(|call| call.contains(" own"));
    let name = |call: &String| call.split(' ').next().unwrap_or_default().to_owned();
    own.map(name).collect()
}

#[tokio::test]
async fn a_reset_whose_answer_was_lost_is_followed() {
    for lost in [1, 3] {
        let bench = with_kept_files().await;
        let mut service = bench.service().await;
        service.run_once().await;
        bench.platform.hold(Some(""));
        bench.platform.unanswered.store(lost, Ordering::Relaxed);
        for _ in 0..lost {
            service.heart.ping().await;
        }
        assert!(!bench.platform.was_reset(), "the mark is gone");
        service.run_once().await;
        service.run_once().await;
        assert_eq!(bench.published(), ["a", "b", "c"], "{lost}");
        assert_eq!(bench.platform.held().as_deref(), Some(ALL_IMPORTED));
        service.run_once().await;
        assert_eq!(bench.published(), NOTHING);
    }
}

#[tokio::test]
async fn a_sign_of_life_that_was_given_up_is_one_that_was_not_heard_of() {
    let bench = with_kept_files().await;
    let service = bench.service().await;
    own_calls(&bench);
    bench.platform.is_hanging.store(true, Ordering::Relaxed);
    let patience = std::time::Duration::from_millis(1);
    let given_up = tokio::time::timeout(patience, service.heart.ping()).await;
    assert!(given_up.is_err());
    bench.platform.is_hanging.store(false, Ordering::Relaxed);
    service.heart.ping().await;
    assert_eq!(own_calls(&bench), ["ping", "register", "ping"]);
}

#[tokio::test]
async fn the_platform_is_asked_what_it_holds_only_where_an_answer_was_lost() {
    let bench = with_kept_files().await;
    let service = bench.service().await;
    own_calls(&bench);
    service.heart.ping().await;
    bench.platform.unanswered.store(1, Ordering::Relaxed);
    service.heart.ping().await;
    assert_eq!(own_calls(&bench), ["ping", "ping"]);
    // While it is away there is one attempt for each sign of life, as ever.
    bench.platform.is_away.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        service.heart.ping().await;
    }
    assert_eq!(own_calls(&bench), ["register"; 3]);
    bench.platform.is_away.store(false, Ordering::Relaxed);
    service.heart.ping().await;
    service.heart.ping().await;
    assert_eq!(own_calls(&bench), ["register", "ping", "ping"]);
    assert_eq!(bench.platform.held().as_deref(), Some(ALL_IMPORTED));
}

#[tokio::test]
async fn a_connector_that_was_deleted_while_an_answer_was_lost_comes_back_with_its_state() {
    let bench = with_kept_files().await;
    let service = bench.service().await;
    bench.platform.unanswered.store(1, Ordering::Relaxed);
    service.heart.ping().await;
    bench.platform.delete();
    service.heart.ping().await;
    assert_eq!(bench.platform.held().as_deref(), Some(ALL_IMPORTED));
    assert!(!service.heart.state.get().is_reset());
}
