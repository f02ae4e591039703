//! Files that grow, vanish, are replaced, cannot be read, or are none; folders that come and go.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use tests::envelope::{HARBOUR, WEATHER, envelope, malware, unsupported};

use crate::site::{Site, eventually, long_ago, proxy, samples};

const FAILED: i32 = 1;

#[tokio::test]
async fn growing_files_are_imported_once_whole() {
    let site = Site::new().await;
    let text = |number| envelope(WEATHER, number, &[malware(number)]).to_string();
    let daemon = site
        .daemon()
        .logging_to(&site.log())
        .with("DIODE_IMPORT_SETTLE_SECONDS", "3600")
        .start()
        .unwrap();
    let [appended, filled, renamed] = [1, 2, 3].map(text);
    let half = appended.len() / 2;

    let mut append = File::create(site.inbox().join("appended.json")).unwrap();
    append.write_all(&appended.as_bytes()[..half]).unwrap();
    let fill = File::create(site.inbox().join("filled.json")).unwrap();
    fill.set_len(filled.len() as u64).unwrap();
    fill.write_all_at(&filled.as_bytes()[..half], 0).unwrap();
    let unfinished = site.inbox().join("renamed.json.tmp");
    fs::write(&unfinished, &renamed).unwrap();
    for name in ["appended.json", "filled.json"] {
        site.logged(&[name, "file waits", "being copied"]).await;
    }

    append.write_all(&appended.as_bytes()[half..]).unwrap();
    fill.write_all_at(&filled.as_bytes()[half..], half as u64)
        .unwrap();
    fs::rename(&unfinished, site.inbox().join("renamed.json")).unwrap();
    site.emptied().await;
    daemon.terminate().await.unwrap();
    assert_eq!(daemon.wait().await.unwrap().code, Some(0));
    assert_eq!(site.arrived(WEATHER.id).await, samples(3, 1).1);
}

#[tokio::test]
async fn file_that_replaces_one_being_imported_is_imported_too() {
    let (site, proxy) = (Site::new().await, proxy().await);
    proxy.withhold_confirms();
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    let daemon = site.daemon_behind(&proxy).start().unwrap();
    eventually("the first is read", || proxy.published() == 1).await;
    site.put("b.tmp", &envelope(WEATHER, 2, &[malware(2)]));
    fs::rename(site.inbox().join("b.tmp"), site.inbox().join("a.json")).unwrap();
    proxy.release_confirms();
    site.emptied().await;
    daemon.terminate().await.unwrap();
    assert_eq!(daemon.wait().await.unwrap().code, Some(0));
    assert_eq!(site.arrived(WEATHER.id).await, samples(2, 1).1);
}

#[tokio::test]
async fn files_that_vanish_before_their_turn_are_no_failure() {
    let (site, proxy) = (Site::new().await, proxy().await);
    proxy.withhold_confirms();
    for number in 1..=5 {
        let text = envelope(WEATHER, number, &[malware(number)]);
        site.put(&format!("{number}.json"), &text);
    }
    let run = site
        .daemon_behind(&proxy)
        .with("CONNECTOR_RUN_AND_TERMINATE", "true")
        // So that none is read before its turn.
        .with("DIODE_IMPORT_MAX_IN_FLIGHT_BYTES", "1")
        .start()
        .unwrap();
    eventually("all are listed, the first is read", || {
        proxy.published() == 1
    })
    .await;
    for number in 2..=5 {
        fs::remove_file(site.inbox().join(format!("{number}.json"))).unwrap();
    }
    proxy.release_confirms();
    assert_eq!(run.wait().await.unwrap().code, Some(0));
    let arrived = site.arrived(WEATHER.id).await;
    let first = malware(1)["id"].as_str().unwrap().to_owned();
    assert_eq!(arrived.into_iter().collect::<Vec<_>>(), [(first, 1)]);
    assert!(site.left().is_empty());
}

#[tokio::test]
async fn whatever_is_named_like_a_file_disturbs_no_file() {
    let site = Site::new().await;
    let inbox = site.inbox();
    let name = |bytes: &[u8]| inbox.join(OsStr::from_bytes(bytes));
    fs::create_dir(name(b"folder.json")).unwrap();
    fs::write(name(b"folder.json/inside.json"), "{").unwrap();
    symlink("/etc/passwd", name(b"link.json")).unwrap();
    let fifo = Command::new("mkfifo").arg(name(b"fifo.json")).status();
    assert!(fifo.unwrap().success());
    let _socket = UnixListener::bind(name(b"socket.json")).unwrap();
    for odd in [&b"caf\xe9.json"[..], b"new\nline.json"] {
        fs::write(name(odd), envelope(WEATHER, 9, &[malware(9)]).to_string()).unwrap();
    }
    let left: BTreeSet<String> = site.left();

    let day = Duration::from_secs(86_400);
    let longest = format!("{}.json", "x".repeat(250));
    let names = [
        "1970.json",
        "future.json",
        "same 1.json",
        "same 2.json",
        &longest,
    ];
    let times = [
        SystemTime::UNIX_EPOCH,
        SystemTime::now() + 36_500 * day,
        long_ago(),
        long_ago(),
        long_ago(),
    ];
    for (number, (name, time)) in (1..).zip(names.into_iter().zip(times)) {
        let text = envelope(WEATHER, number, &[malware(number)]).to_string();
        site.put_bytes(name, text.as_bytes(), time);
    }
    let run = site.run().await;
    assert_eq!(site.left(), left);
    assert_eq!(site.arrived(WEATHER.id).await, samples(5, 1).1);
    for odd in ["folder.json", "link.json", "fifo.json", "socket.json"] {
        let lines = run.stderr.lines().filter(|line| line.contains(odd));
        assert_eq!(lines.count(), 1, "{odd} in {}", run.stderr);
    }
}

/// Case `suffixes`.
#[tokio::test]
async fn a_name_in_capitals_is_warned_of_and_what_is_packed_or_split_is_not() {
    let site = Site::new().await;
    let content = envelope(WEATHER, 1, &[malware(1)]);
    let others = [
        "UPPER.JSON",
        "zip.json.gz",
        "f.json.filepart",
        "feed.json-chunk_aab",
    ];
    for name in others {
        site.put(name, &content);
    }
    site.put("feed.sync-conflict-20260401-100237.json", &content);
    let run = site.run().await;
    assert_eq!(site.left(), others.map(str::to_owned).into());
    assert_eq!(site.arrived(WEATHER.id).await, samples(1, 1).1);
    let lines: Vec<_> = run
        .stderr
        .lines()
        .filter(|line| line.contains("UPPER.JSON"))
        .collect();
    assert_eq!(lines.len(), 1, "{}", run.stderr);
    assert!(lines[0].contains(r#""level":"WARNING""#), "{}", lines[0]);
    assert!(lines[0].contains("rename it"), "{}", lines[0]);
    for other in &others[1..] {
        assert!(!run.stderr.contains(other), "{other} in {}", run.stderr);
    }
}

#[tokio::test]
async fn broken_file_with_the_longest_name_is_set_aside_with_its_reason() {
    let site = Site::new().await;
    let name = format!("{}.json", "x".repeat(250));
    site.put_bytes(&name, b"{", long_ago());
    site.run().await;
    let rejected = site.inbox().join("rejected");
    let names: Vec<PathBuf> = fs::read_dir(rejected)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(!site.inbox().join(name).exists());
}

#[tokio::test]
async fn file_that_cannot_be_read_waits_and_holds_up_no_other() {
    let site = Site::new().await;
    for number in [1, 2] {
        let text = envelope(WEATHER, number, &[malware(number)]);
        site.put(&format!("{number}.json"), &text);
    }
    mode(&site.inbox().join("1.json"), 0o000);
    let program = site.program().kept_by_modes();
    let run = program.run().await.unwrap();
    assert!(run.stderr.contains("unreadable"), "{}", run.stderr);
    assert_eq!(site.left(), ["1.json".to_owned()].into());
    mode(&site.inbox().join("1.json"), 0o644);
    assert_eq!(program.run().await.unwrap().code, Some(0));
    assert!(site.left().is_empty());
    assert_eq!(site.arrived(WEATHER.id).await, samples(2, 1).1);
}

#[tokio::test]
async fn folder_that_cannot_be_read_is_told_and_forgets_nothing() {
    let site = Site::new().await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    let program = site
        .program()
        .kept_by_modes()
        .with("DIODE_IMPORT_DELETE_AFTER_IMPORT", "false");
    assert_eq!(program.run().await.unwrap().code, Some(0));
    mode(&site.inbox(), 0o000);
    let run = program.run().await.unwrap();
    mode(&site.inbox(), 0o755);
    assert_eq!(run.code, Some(FAILED), "{}", run.stderr);
    assert!(run.stderr.contains("cannot be listed"), "{}", run.stderr);
    assert_eq!(program.run().await.unwrap().code, Some(0));
    assert_eq!(site.arrived(WEATHER.id).await, samples(1, 1).1);
}

#[tokio::test]
async fn read_only_folder_is_imported_once_and_emptied_when_it_can_be() {
    let site = Site::new().await;
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    site.put("b.json", &envelope(HARBOUR, 2, &[unsupported()]));
    mode(&site.inbox(), 0o555);
    let program = site.program().kept_by_modes();
    for _ in 0..2 {
        let run = program.run().await.unwrap();
        let told = "permits reading only";
        assert!(run.stderr.contains(told), "{}", run.stderr);
        let both = ["a.json", "b.json"].map(str::to_owned);
        assert_eq!(site.left(), both.into());
    }
    mode(&site.inbox(), 0o755);
    assert_eq!(program.run().await.unwrap().code, Some(0));
    let aside = ["rejected/b.json", "rejected/b.json.reason.json"];
    assert_eq!(site.left(), aside.map(str::to_owned).into());
    assert_eq!(site.arrived(WEATHER.id).await, samples(1, 1).1);
}

#[tokio::test]
async fn folder_that_was_unmounted_and_comes_back_is_not_imported_again() {
    let site = Site::new().await;
    for number in [1, 2] {
        let text = envelope(WEATHER, number, &[malware(number)]);
        site.put(&format!("{number}.json"), &text);
    }
    let program = site
        .program()
        .with("DIODE_IMPORT_DELETE_AFTER_IMPORT", "false");
    assert_eq!(program.run().await.unwrap().code, Some(0));
    // Where a file system was mounted there is an empty folder then.
    let away = site.state().join("away");
    fs::rename(site.inbox(), &away).unwrap();
    fs::create_dir(site.inbox()).unwrap();
    assert_eq!(program.run().await.unwrap().code, Some(0));
    fs::remove_dir(site.inbox()).unwrap();
    fs::rename(&away, site.inbox()).unwrap();
    assert_eq!(program.run().await.unwrap().code, Some(0));
    assert_eq!(site.arrived(WEATHER.id).await, samples(2, 1).1);
}

#[tokio::test]
async fn folder_with_ten_thousand_files_of_others_holds_up_none_of_ours() {
    let site = Site::new().await;
    for number in 0..10_000 {
        fs::write(site.inbox().join(format!("{number}.json")), "{}").unwrap();
    }
    for number in [1, 2] {
        let text = envelope(WEATHER, number, &[malware(number)]);
        site.put(&format!("feed-{number}.json"), &text);
    }
    site.run().await;
    assert_eq!(site.left().len(), 10_000);
    assert_eq!(site.arrived(WEATHER.id).await, samples(2, 1).1);
}

/// The ledger cannot be written from when a file is sent until it is mended.
async fn unwritable<T>(site: &Site, spoil: impl FnOnce() -> T, mend: impl FnOnce(T)) {
    let proxy = proxy().await;
    proxy.withhold_confirms();
    site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
    let daemon = site.daemon_behind(&proxy).start().unwrap();
    eventually("the file is sent", || proxy.published() == 1).await;
    let spoilt = spoil();
    proxy.release_confirms();
    site.logged(&["nothing is imported without the ledger"])
        .await;
    assert_eq!(site.left(), ["a.json".to_owned()].into());
    mend(spoilt);
    site.emptied().await;
    daemon.terminate().await.unwrap();
    assert_eq!(daemon.wait().await.unwrap().code, Some(0));
    let arrived = site.arrived(WEATHER.id).await;
    assert!(arrived.keys().eq(samples(1, 1).1.keys()), "{arrived:?}");
}

#[tokio::test]
async fn ledger_that_somebody_else_has_locked_deletes_nothing() {
    let site = Site::new().await;
    let lock = || {
        let ledger = Connection::open(site.state().join("ledger.sqlite3")).unwrap();
        ledger.execute_batch("BEGIN IMMEDIATE").unwrap();
        ledger
    };
    unwritable(&site, lock, drop).await;
}

#[tokio::test]
async fn full_disk_under_the_ledger_deletes_nothing() {
    let site = Site::new().await;
    fs::create_dir(site.state()).unwrap();
    let disk = Disk::mount(&site.state());
    unwritable(&site, || disk.fill(), |()| disk.empty()).await;

    site.put("b.json", &envelope(WEATHER, 2, &[malware(2)]));
    disk.fill();
    let run = site.program().run().await.unwrap();
    assert_eq!(run.code, Some(FAILED), "{}", run.stderr);
    assert_eq!(site.left(), ["b.json".to_owned()].into());
    disk.empty();
    site.run().await;
    assert!(site.left().is_empty());
    assert!(!site.arrived(WEATHER.id).await.is_empty());
}

#[tokio::test]
async fn full_disk_at_the_start_is_told_as_such() {
    for is_begun in [false, true] {
        let site = Site::new().await;
        fs::create_dir(site.state()).unwrap();
        let disk = Disk::mount(&site.state());
        if is_begun {
            // As an earlier version left it.
            site.run().await;
            let ledger = Connection::open(site.state().join("ledger.sqlite3")).unwrap();
            let older = "DROP TABLE connectors; DROP INDEX files_content; ALTER TABLE files DROP COLUMN user_id;
                         ALTER TABLE sources DROP COLUMN forgotten_at_ms;
                         ALTER TABLE sources DROP COLUMN set_aside_told_ms;
                         PRAGMA user_version = 3; PRAGMA wal_checkpoint(TRUNCATE);";
            ledger.execute_batch(older).unwrap();
        }
        site.put("a.json", &envelope(WEATHER, 1, &[malware(1)]));
        disk.fill();
        let run = site.program().run().await.unwrap();
        assert_eq!(run.code, Some(FAILED), "{is_begun}: {}", run.stderr);
        let advice = format!("the disk of {} is full: free space", site.state().display());
        assert!(run.stderr.contains(&advice), "{is_begun}: {}", run.stderr);
        disk.empty();
        let run = site.run().await;
        assert!(
            !run.stderr.contains("damaged"),
            "{is_begun}: {}",
            run.stderr
        );
        assert_eq!(site.arrived(WEATHER.id).await, samples(1, 1).1);
    }
}

#[tokio::test]
async fn full_disk_under_the_rejected_files_leaves_them_in_their_place() {
    let site = Site::new().await;
    let rejected = site.state().join("rejected");
    fs::create_dir_all(&rejected).unwrap();
    let disk = Disk::mount(&rejected);
    let broken = vec![b'{'; 100_000];
    site.put_bytes("a.json", &broken, long_ago());
    disk.fill();
    let program = site.program().with("DIODE_IMPORT_REJECTED_PATH", &rejected);
    let run = program.run().await.unwrap();
    assert!(run.stderr.contains("cannot be set aside"), "{}", run.stderr);
    assert!(site.read("a.json") == broken);
    assert!(!rejected.join("a.json").exists());
    disk.empty();
    assert_eq!(program.run().await.unwrap().code, Some(0));
    assert!(fs::read(rejected.join("a.json")).unwrap() == broken);
    assert!(rejected.join("a.json.reason.json").exists());
    assert!(site.left().is_empty());
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A small disk of a test's own; it is unmounted when this is dropped.
struct Disk(PathBuf);

impl Disk {
    /// Mounts one. Where we may not, as in most containers, `cargo xtask test` leaves out the tests
    /// that have `full_disk` in their names.
    fn mount(at: &Path) -> Self {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(at)
            .status();
        let may_mount = mounted.is_ok_and(|status| status.success());
        assert!(
            may_mount,
            "cannot mount a disk: be root, or `--skip full_disk`"
        );
        Self(at.to_owned())
    }

    fn fill(&self) {
        let mut file = File::create(self.0.join("filling")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        while file.write_all(&[0]).is_ok() {}
    }

    fn empty(&self) {
        fs::remove_file(self.0.join("filling")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Where it is still in use it goes when it no longer is.
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}
