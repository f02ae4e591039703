//! Shows the program at work in a few lines, without any service: a platform in memory, a folder
//! with invented files, one run. Fails where not everything comes out as it has to.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::envelope::{HARBOUR, Source, WEATHER, envelope, identity, malware, report};
use tests::platform::{Config, Message, Platform};
use tests::program::Program;

const REPORT_FILE: &str = "weather_feed-20260101-000000.json";
const HARBOUR_FILE: &str = "harbour_feed-20260101-000100.json";
const BROKEN_FILE: &str = "harbour_feed-20260101-000200.json";
const FOREIGN_FILE: &str = "inventory.json";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match show().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn show() -> anyhow::Result<()> {
    let folder = TempDir::new().context("cannot make a folder")?;
    let inbox = folder.path().join("inbox");
    let wanted = write_samples(&inbox)?;
    let platform = Platform::start(Config::in_memory()).await?;

    println!("In the folder:");
    for name in names(&inbox)? {
        println!("  {name}");
    }
    let program = Program::new(
        &platform,
        folder.path(),
        &inbox,
        &folder.path().join("state"),
    )?;
    let run = program
        .with("CONNECTOR_QUEUE_PROTOCOL", "api")
        .with("DIODE_IMPORT_APPLICANT_MAPPINGS", "src-user-1:dst-user-1")
        .run()
        .await?;
    anyhow::ensure!(run.code == Some(0), "diode-import failed:\n{}", run.stderr);

    println!("\nThe platform received:");
    for (source, wanted) in [(WEATHER, &wanted.weather), (HARBOUR, &wanted.harbour)] {
        let arrived = show_arrivals(&platform, source).await?;
        anyhow::ensure!(&arrived == wanted, "wanted {wanted:?}, got {arrived:?}");
    }
    println!("\nSet aside, with the reason beside it:");
    show_rejected(&inbox)?;
    println!("\nLeft in the folder, being somebody else's:");
    let left = names(&inbox)?;
    for name in &left {
        println!("  {name}");
    }
    anyhow::ensure!(left == [FOREIGN_FILE.to_owned()].into(), "left: {left:?}");
    println!("\nEverything arrived.");
    Ok(())
}

/// The ids that have to arrive for each connector, in order.
struct Wanted {
    weather: Vec<String>,
    harbour: Vec<String>,
}

/// Writes the files: a report that comes before what it refers to, a connector of its own, a file
/// that was cut off, and one that is none of ours.
fn write_samples(inbox: &Path) -> anyhow::Result<Wanted> {
    fs::create_dir(inbox)?;
    let (author, sample) = (identity(1), malware(1));
    let report = report(1, &author, &[&sample, &author]);
    let objects = [report.clone(), author.clone(), sample.clone()];
    put(
        inbox,
        REPORT_FILE,
        &envelope(WEATHER, 1, &objects).to_string(),
        3,
    )?;
    put(
        inbox,
        HARBOUR_FILE,
        &envelope(HARBOUR, 2, &[malware(2)]).to_string(),
        2,
    )?;
    let broken = envelope(HARBOUR, 3, &[malware(3)]).to_string();
    put(inbox, BROKEN_FILE, &broken[..broken.len() / 2], 1)?;
    put(
        inbox,
        FOREIGN_FILE,
        &json!({ "printers": 3 }).to_string(),
        0,
    )?;
    Ok(Wanted {
        weather: vec![id(&author), id(&sample), id(&report)],
        harbour: vec![id(&malware(2))],
    })
}

/// Writes a file that was last changed an hour and so many minutes ago.
fn put(inbox: &Path, name: &str, text: &str, minutes: u64) -> anyhow::Result<()> {
    let path = inbox.join(name);
    fs::write(&path, text).with_context(|| format!("cannot write {name}"))?;
    let modified = SystemTime::now() - Duration::from_secs(3600 + 60 * minutes);
    fs::File::options()
        .write(true)
        .open(path)?
        .set_modified(modified)?;
    Ok(())
}

/// Shows what arrived for a connector, and returns the ids.
async fn show_arrivals(platform: &Platform, source: Source) -> anyhow::Result<Vec<String>> {
    println!("  for {} ({})", source.name, source.id);
    let mut ids = Vec::new();
    for message in platform.drain(source.id).await? {
        for object in objects_of(&message)? {
            println!("    {:<9} {}", text(&object, "type"), text(&object, "name"));
            ids.push(id(&object));
        }
    }
    Ok(ids)
}

/// The objects that a message carries: over the API, as many as fit.
fn objects_of(message: &Message) -> anyhow::Result<Vec<Value>> {
    let content = message.json()?;
    let content = STANDARD.decode(text(&content, "content"))?;
    let mut bundle: Value = serde_json::from_slice(&content)?;
    let Value::Array(objects) = bundle["objects"].take() else {
        anyhow::bail!("a message carries no objects");
    };
    Ok(objects)
}

/// Shows the files that were set aside; it has to be the broken one alone.
fn show_rejected(inbox: &Path) -> anyhow::Result<()> {
    let rejected = inbox.join("rejected");
    let reason_file = format!("{BROKEN_FILE}.reason.json");
    let there = names(&rejected)?;
    let wanted = BTreeSet::from([BROKEN_FILE.to_owned(), reason_file.clone()]);
    anyhow::ensure!(there == wanted, "set aside: {there:?}");
    let reason: Value = serde_json::from_slice(&fs::read(rejected.join(reason_file))?)?;
    let (code, message) = (text(&reason, "code"), text(&reason, "message"));
    println!("  {BROKEN_FILE}\n    {code}: {message}");
    anyhow::ensure!(code == "invalid-json", "the wrong reason");
    Ok(())
}

/// The files in a folder.
fn names(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))?;
    let mut names = BTreeSet::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

fn id(object: &Value) -> String {
    text(object, "id").to_owned()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}
