//! A file counts as delivered only if its work outlived the sending of its messages.

use opencti_client::ErrorClass;

use super::bench::{Bench, envelope, exists, identity};
use crate::Outcome;

fn put(bench: &Bench, name: &str, age: u64) -> std::path::PathBuf {
    bench.put(name, &envelope("c", &[identity(name)]), age)
}

#[tokio::test]
async fn files_whose_work_did_not_outlive_the_sending_are_sent_again_for_another() {
    let bench = Bench::new();
    let files = [put(&bench, "a.json", 60), put(&bench, "b.json", 50)];
    *bench.platform.dead.lock().unwrap() = 1;
    let report = bench.pass().await;
    assert_eq!((report.count(Outcome::Imported), report.messages), (2, 2));
    assert!(files.iter().all(|file| !exists(file)));
    let diary = bench.diary();
    let steps = ["work c", "publish c 1", "publish c 1"];
    let done: Vec<&str> = diary
        .iter()
        .map(String::as_str)
        .filter(|line| line.starts_with("work") || line.starts_with("publish"))
        .collect();
    assert_eq!(done, [steps, steps].concat());
}

#[tokio::test]
async fn where_no_work_outlives_the_sending_files_wait_in_their_place() {
    let bench = Bench::new();
    let files = [put(&bench, "a.json", 60), put(&bench, "b.json", 50)];
    *bench.platform.dead.lock().unwrap() = 2;
    let report = bench.pass().await;
    assert_eq!(report.count(Outcome::Waiting), 2);
    assert_eq!(report.interruption, None);
    assert!(files.iter().all(|file| exists(file)));
    assert_eq!(bench.pass().await.count(Outcome::Imported), 2);
}

#[tokio::test]
async fn where_the_platform_goes_away_before_it_tells_files_wait_in_their_place() {
    let bench = Bench::new();
    let file = put(&bench, "a.json", 60);
    // The work is looked at before and after the sending.
    bench.fail("version", ErrorClass::Transient, 2);
    bench.fail("alive", ErrorClass::Transient, usize::MAX);
    assert_eq!(bench.pass().await.count(Outcome::Waiting), 1);
    assert!(exists(&file));
    // It answers again, but never that question.
    assert_eq!(bench.pass().await.count(Outcome::Imported), 1);
    assert!(!exists(&file));
}
