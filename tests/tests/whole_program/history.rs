//! What the ledger tells an operator.

use serde_json::Value;
use tests::envelope::{WEATHER, envelope, malware};
use tests::platform::Config;

use crate::site::{Site, eventually, long_ago};

#[tokio::test]
async fn history_lists_the_newest_first_while_the_daemon_runs() {
    let site = Site::new().await;
    let daemon = site.daemon().start().unwrap();
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1), malware(2)]));
    eventually("the first file is imported", || site.left().is_empty()).await;
    site.put_bytes("b.json", b"{", long_ago());
    eventually("the second file is set aside", || {
        site.left().contains("rejected/b.json")
    })
    .await;

    let history = site.program().argument("history");
    let run = history.clone().argument("--json").run().await.unwrap();
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let lines = run.stdout.lines();
    let entries: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(entries.len(), 2, "{entries:#?}");
    assert_eq!(entries[0]["file"], "b.json");
    assert_eq!(entries[0]["outcome"], "rejected");
    assert_eq!(entries[0]["code"], "invalid-json");
    assert_eq!(entries[1]["file"], "a.json");
    assert_eq!(entries[1]["outcome"], "imported");
    assert_eq!(entries[1]["connector_id"], WEATHER.id);
    assert_eq!(entries[1]["applicant_id"], "src-user-1");
    assert_eq!(entries[1]["user_id"], "dst-user-1");
    assert_eq!(entries[0]["user_id"], Value::Null);
    assert_eq!(entries[1]["messages"], 2);
    assert_eq!(entries[1]["work"], site.platform.works()[0].id);
    assert_eq!(entries[1]["place"], "gone");

    daemon.terminate().await.unwrap();
    assert_eq!(daemon.wait().await.unwrap().code, Some(0));

    let run = history
        .argument("--limit")
        .argument("1")
        .run()
        .await
        .unwrap();
    assert_eq!(run.stdout.lines().count(), 2, "{}", run.stdout);
    assert!(run.stdout.contains("rejected/b.json"), "{}", run.stdout);
}

#[tokio::test]
async fn history_says_where_it_looked_for_a_ledger() {
    let site = Site::with(Config::in_memory()).await;
    // Nothing but this setting counts.
    let program = site
        .program()
        .without("OPENCTI_TOKEN")
        .without("CONNECTOR_ID")
        .argument("history");
    let run = program.run().await.unwrap();
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let state = site.state().display().to_string();
    assert!(run.stderr.contains(&state), "{}", run.stderr);
    assert!(
        run.stderr.contains("DIODE_IMPORT_STATE_PATH"),
        "{}",
        run.stderr
    );
    assert!(!site.state().exists(), "looking makes nothing");
}
