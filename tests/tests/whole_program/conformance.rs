//! The conformance cases: what comes out for what goes in.
//!
//! Each folder of `fixtures/conformance` is a case and a test of the same name; the README there
//! says how they are read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tests::bucket::Bucket;
use tests::json::{Json, difference};
use tests::platform::Message;
use tests::program::CONNECTOR_ID;

use crate::site::{Site, work_of};

/// How many cases there are.
const COUNT: usize = 75;

/// What we send of a registration.
const REGISTERED_KEYS: [&str; 7] = [
    "id",
    "name",
    "type",
    "scope",
    "auto",
    "only_contextual",
    "playbook_compatible",
];

/// Tests of the cases.
macro_rules! cases {
    (
        in folders and buckets: { $($name:ident,)* }
        in folders only: { $($folder_name:ident,)* }
    ) => {
        const NAMES: &[&str] = &[$(stringify!($name),)* $(stringify!($folder_name)),*];

        mod in_a_folder {
            $(
                #[tokio::test]
                async fn $name() {
                    super::check(stringify!($name)).await;
                }
            )*
            $(
                #[tokio::test]
                async fn $folder_name() {
                    super::check(stringify!($folder_name)).await;
                }
            )*
        }

        mod in_a_bucket {
            $(
                #[tokio::test]
                async fn $name() {
                    super::check_in_bucket(stringify!($name)).await;
                }
            )*
        }
    };
}

cases! {
    in folders and buckets: {
        applicant_mapped,
        applicant_null,
        applicant_unmapped,
        bad_bundle_null,
        bad_connector_no_id,
        bad_empty_file,
        bad_for_peer_chain_5000,
        bad_no_bundle,
        bad_no_objects,
        bad_not_utf8,
        bad_object_no_id,
        bad_object_no_type,
        bad_object_not_object,
        bad_objects_empty,
        bad_only_unsupported,
        bad_truncated,
        bad_type_unknown,
        bundle_in_bundle,
        chain_200,
        command_delete,
        command_in_extension,
        command_patch_user,
        crlf_pretty,
        dangling_references,
        dependencies,
        draft,
        duplicate_ids,
        empty_lists,
        empty_run,
        entities_types_set,
        entities_types_string,
        external_references,
        foreign_bundle,
        foreign_json,
        foreign_list,
        internal_ids,
        kill_chain_phases,
        ladder_80,
        late_arrival,
        lone_surrogates,
        missing_refs_kept,
        ndjson,
        nested_extension,
        no_bundle_id,
        null_lists,
        numbers,
        observables,
        older_version_last,
        one_object,
        python_nan,
        ref_holds_object,
        references_taken_out,
        relationship_unsupported_end,
        repeated_refs,
        report_300,
        s3_envelope,
        scope_list,
        scope_null,
        self_reference,
        sighting,
        spec_2_0,
        three_files_order,
        two_connectors,
        two_cycle,
        type_internal_import,
        type_stream,
        unicode,
        unknown_top_keys,
        unsupported_object_odd_ref,
        unsupported_refs,
        unsupported_type,
        update_true,
        utf8_bom,
        utf_16,
    }
    // A bucket has no subfolders and no hidden files: everything below its folder is in it.
    in folders only: {
        other_suffixes,
    }
}

#[test]
fn every_case_is_a_test() {
    let folders = fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap());
    let folders: BTreeSet<String> = folders
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap().replace('-', "_"))
        .collect();
    let names: BTreeSet<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(folders, names);
    assert_eq!(names.len(), COUNT);
}

/// `case.json`, as far as it is looked at.
#[derive(Debug, Deserialize)]
struct Case {
    files: Vec<InputFile>,
    #[serde(default)]
    arrivals: Vec<Vec<String>>,
    #[serde(default)]
    files_wanted: BTreeMap<String, Wanted>,
    /// Texts that the bundles of all messages together hold.
    #[serde(default)]
    sent: Vec<String>,
    /// Texts that none of them holds.
    #[serde(default)]
    never_sent: Vec<String>,
    /// Texts of which the log has a line with all of them.
    #[serde(default)]
    logged: Vec<Vec<String>>,
    #[serde(default)]
    registered: Vec<Value>,
    #[serde(default)]
    left: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
struct InputFile {
    name: String,
    mtime: u64,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
enum Wanted {
    Imported {
        messages: usize,
    },
    Ignored,
    Rejected {
        code: String,
        #[serde(default)]
        reason_says: Vec<String>,
    },
    Partial {
        messages: usize,
        set_aside: usize,
        #[serde(default)]
        reason_says: Vec<String>,
    },
}

impl Case {
    fn read(folder: &Path) -> Self {
        let text = fs::read(folder.join("case.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    /// The names of the files that arrive, batch by batch.
    fn batches(&self) -> Vec<Vec<&str>> {
        if self.arrivals.is_empty() {
            return vec![self.files.iter().map(|file| file.name.as_str()).collect()];
        }
        let batches = self.arrivals.iter();
        batches
            .map(|batch| batch.iter().map(String::as_str).collect())
            .collect()
    }

    fn modified(&self, name: &str) -> SystemTime {
        let file = self.files.iter().find(|file| file.name == name).unwrap();
        SystemTime::UNIX_EPOCH + Duration::from_secs(file.mtime)
    }
}

async fn check(name: &str) {
    let folder = fixtures().join(name.replace('_', "-"));
    let case = Case::read(&folder);
    let site = Site::new().await;
    let mut log = String::new();
    for batch in case.batches() {
        for name in batch {
            site.put_bytes(name, &input(&folder, name), case.modified(name));
        }
        log.push_str(&site.run().await.stderr);
    }
    check_log(&case, &log);
    check_outcome(&folder, &case, &site).await;
}

/// The same with objects of a bucket, put in the order of the files' times. What is in the bucket
/// afterwards is looked at as files.
async fn check_in_bucket(name: &str) {
    let folder = fixtures().join(name.replace('_', "-"));
    let case = Case::read(&folder);
    let site = Site::new().await;
    let bucket = Bucket::new().await;
    let program = bucket.program(site.program());
    for mut batch in case.batches() {
        batch.sort_by_key(|name| case.modified(name));
        for name in batch {
            let key = format!("connectors/{name}");
            bucket.put(&key, input(&folder, name)).await;
        }
        let run = program.run().await.unwrap();
        assert_eq!(run.code, Some(0), "{}", run.stderr);
    }
    bucket.mirror("connectors/", &site.inbox()).await;
    check_outcome(&folder, &case, &site).await;
}

fn check_log(case: &Case, log: &str) {
    for texts in &case.logged {
        let is_told = |line: &str| texts.iter().all(|text| line.contains(text));
        assert!(log.lines().any(is_told), "{texts:?}: {log}");
    }
}

fn input(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join("input").join(name)).unwrap()
}

/// Checks what was sent, and what is left.
async fn check_outcome(folder: &Path, case: &Case, site: &Site) {
    let queues = drain_all(site).await;
    check_messages(site, &queues);
    if case.files_wanted.is_empty() {
        check_recorded(folder, site, &queues);
        check_registrations(case, site);
        assert_eq!(site.left(), case.left, "files left");
    } else {
        check_counts(case, &queues);
        check_texts(case, &queues);
        for (name, wanted) in &case.files_wanted {
            check_file(site, name, &input(folder, name), wanted);
        }
    }
}

/// The messages of all connectors that were registered, by connector.
async fn drain_all(site: &Site) -> BTreeMap<String, Vec<Message>> {
    let mut queues = BTreeMap::new();
    for connector in site.platform.connectors() {
        let messages = site.drain(&connector.id).await;
        if !messages.is_empty() {
            queues.insert(connector.id, messages);
        }
    }
    queues
}

/// What holds for every message of every case.
fn check_messages(site: &Site, queues: &BTreeMap<String, Vec<Message>>) {
    let works = site.platform.works();
    for (connector, messages) in queues {
        assert_ne!(connector, CONNECTOR_ID, "messages for our own connector");
        for message in messages {
            assert_eq!(message.delivery_mode, Some(2));
            assert_eq!(message.content_encoding.as_deref(), Some("utf-8"));
            let work = work_of(message);
            let owner = works.iter().find(|w| w.id == work);
            let owner = owner.map(|w| &w.connector_id);
            assert_eq!(owner, Some(connector), "the owner of work {work:?}");
        }
    }
    for work in &works {
        assert!(!work.messages.is_empty(), "not finished: {work:#?}");
    }
    let messages: Vec<Message> = queues.values().flatten().cloned().collect();
    site.assert_accounted(&messages);
}

/// Compares messages with the recorded ones.
fn check_recorded(folder: &Path, site: &Site, queues: &BTreeMap<String, Vec<Message>>) {
    let recorded = fs::read_to_string(folder.join("messages.json")).unwrap();
    let Json::Object(recorded) = Json::parse(&recorded).unwrap() else {
        panic!("messages.json is no object");
    };
    let names: Vec<String> = queues.keys().map(|id| format!("push_{id}")).collect();
    assert!(
        recorded.keys().eq(&names),
        "{:?} {names:?}",
        recorded.keys()
    );
    for (messages, (queue, recorded)) in queues.values().zip(recorded) {
        let Json::Array(recorded) = recorded else {
            panic!("{queue} is no list");
        };
        for (index, (wanted, message)) in recorded.iter().zip(messages).enumerate() {
            let wanted = without_stand_ins(wanted.clone(), &site.platform.drafts());
            if let Some(difference) = difference(&wanted, &decode(message)) {
                panic!("message {index} of {queue}: {difference}");
            }
        }
        assert_eq!(recorded.len(), messages.len(), "messages in {queue}");
    }
}

/// A recorded message without the properties, which are checked for all of them, and with the
/// draft's id.
fn without_stand_ins(mut recorded: Json, drafts: &[String]) -> Json {
    recorded.take("_props");
    if recorded.get("draft_id").and_then(Json::as_str) == Some("<draft>")
        && let Json::Object(members) = &mut recorded
    {
        assert_eq!(drafts.len(), 1, "drafts that were made");
        members.insert("draft_id".to_owned(), Json::String(drafts[0].clone()));
    }
    recorded
}

/// A message as it is recorded: its content as JSON, its work left out.
fn decode(message: &Message) -> Json {
    let mut body = Json::parse(std::str::from_utf8(&message.body).unwrap()).unwrap();
    body.take("work_id").expect("a work id");
    let content = body.take("content").expect("content");
    let content = STANDARD.decode(content.as_str().unwrap()).unwrap();
    let content = Json::parse(std::str::from_utf8(&content).unwrap()).unwrap();
    if let Json::Object(members) = &mut body {
        members.insert("content".to_owned(), content);
    }
    body
}

/// Compares the source connectors' registrations with the peer's, in the keys that we send.
fn check_registrations(case: &Case, site: &Site) {
    let mut registered = site.platform.registered();
    registered.retain(|input| input["id"] != CONNECTOR_ID);
    let ids = |inputs: &[Value]| -> BTreeSet<String> {
        let ids = inputs.iter().map(|input| input["id"].to_string());
        ids.collect()
    };
    assert_eq!(ids(&registered), ids(&case.registered));
    for input in &registered {
        let peer = case
            .registered
            .iter()
            .find(|peer| peer["id"] == input["id"]);
        let peer = peer.unwrap();
        let keys: Vec<&String> = input.as_object().unwrap().keys().collect();
        assert_eq!(keys.len(), REGISTERED_KEYS.len(), "{keys:?}");
        let mut input = input.clone();
        // By a blank entry, which the platform leaves out, we say that there is none.
        if input["scope"] == serde_json::json!([""]) {
            input["scope"] = serde_json::json!([]);
        }
        for key in REGISTERED_KEYS {
            assert_eq!(input[key], peer[key], "{key}");
        }
    }
}

/// Checks how many messages each file became, in the order of arrival and modification time.
fn check_counts(case: &Case, queues: &BTreeMap<String, Vec<Message>>) {
    let mut wanted = Vec::new();
    for mut batch in case.batches() {
        batch.sort_by_key(|name| case.modified(name));
        for name in batch {
            match case.files_wanted.get(name) {
                // Nothing tells in the queue of a file without messages.
                Some(Wanted::Imported { messages: 0 }) => {}
                Some(Wanted::Imported { messages } | Wanted::Partial { messages, .. }) => {
                    wanted.push(*messages);
                }
                Some(Wanted::Ignored | Wanted::Rejected { .. }) | None => {}
            }
        }
    }
    assert!(queues.len() <= 1, "these cases have one source connector");
    let messages = queues.values().flatten();
    assert_eq!(counts(messages), wanted, "messages per file");
}

/// Checks which texts the bundles that were sent hold.
fn check_texts(case: &Case, queues: &BTreeMap<String, Vec<Message>>) {
    let bundles = queues.values().flatten().map(|message| {
        let body = message.json().unwrap();
        let content = STANDARD.decode(body["content"].as_str().unwrap()).unwrap();
        String::from_utf8(content).unwrap()
    });
    let bundles: String = bundles.collect();
    for text in &case.sent {
        assert!(bundles.contains(text), "{text} was not sent: {bundles}");
    }
    for text in &case.never_sent {
        assert!(!bundles.contains(text), "{text} was sent: {bundles}");
    }
}

/// How many messages each file became: every file's sequence begins at 1.
fn counts<'a>(messages: impl Iterator<Item = &'a Message>) -> Vec<usize> {
    let mut counts: Vec<usize> = Vec::new();
    for message in messages {
        let sequence = message.json().unwrap()["action_sequence"].as_u64();
        if sequence == Some(1) {
            counts.push(0);
        }
        let count = counts.last_mut().expect("a sequence that begins at 1");
        *count += 1;
        assert_eq!(sequence, u64::try_from(*count).ok(), "action_sequence");
    }
    counts
}

fn check_file(site: &Site, name: &str, input: &[u8], wanted: &Wanted) {
    let left = site.left();
    let aside = format!("rejected/{name}");
    match wanted {
        Wanted::Imported { .. } => {
            assert!(!left.contains(name), "{name} is still there");
            assert!(!left.contains(&aside), "{name} was rejected");
        }
        Wanted::Ignored => {
            assert!(!left.contains(&aside), "{name} was rejected");
            assert_eq!(site.read(name), input, "{name} was changed");
        }
        Wanted::Rejected { code, reason_says } => {
            let reason = check_set_aside(site, name, input, code);
            check_reason(&reason, reason_says);
        }
        Wanted::Partial {
            set_aside,
            reason_says,
            ..
        } => {
            let reason = check_set_aside(site, name, input, "partial");
            assert_eq!(&named_objects(&reason), set_aside, "{reason:#}");
            check_reason(&reason, reason_says);
        }
    }
}

/// Checks a file that was set aside, and returns the reason.
fn check_set_aside(site: &Site, name: &str, input: &[u8], code: &str) -> Value {
    assert!(!site.left().contains(name), "{name} is still there");
    assert!(
        site.read(&format!("rejected/{name}")) == input,
        "{name} was changed"
    );
    let reason = site.reason(name);
    let sha256: String = Sha256::digest(input)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(reason["code"], code, "{reason:#}");
    assert_eq!(reason["sha256"], sha256, "{reason:#}");
    assert_eq!(reason["size"], input.len(), "{reason:#}");
    reason
}

fn check_reason(reason: &Value, says: &[String]) {
    let text = reason.to_string();
    for said in says {
        assert!(text.contains(said), "{said}: {reason:#}");
    }
}

/// How many objects the findings of a reason call broken.
fn named_objects(reason: &Value) -> usize {
    let findings = reason["findings"].as_array().expect("findings");
    let errors = findings
        .iter()
        .filter(|finding| finding["level"] == "error");
    let objects: BTreeSet<&str> = errors
        .filter_map(|finding| finding["path"].as_str())
        .filter(|path| path.starts_with("$.bundle.objects["))
        .filter_map(|path| path.split_inclusive(']').next())
        .collect();
    objects.len()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/conformance")
}
