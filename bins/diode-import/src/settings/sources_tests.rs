//! Where files are imported from, and what is said where that cannot be.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::settings::load::{Inputs, Loaded};
use crate::settings::model::Settings;
use crate::settings::problem::Refusal;

const PATH: (&str, &str) = ("DIODE_IMPORT_GET_FROM_DIRECTORY_PATH", "/in");
const S3: (&str, &str) = ("DIODE_IMPORT_GET_FROM_S3", "true");
const REHEARSAL: (&str, &str) = ("CONNECTOR_SEND_TO_QUEUE", "false");

fn directory(on: &str) -> (&str, &str) {
    ("DIODE_IMPORT_GET_FROM_DIRECTORY", on)
}

fn load(more: &[(&str, &str)]) -> Result<Loaded<Settings>, Refusal> {
    let least = [
        ("OPENCTI_URL", "https://opencti.example.com"),
        ("OPENCTI_TOKEN", "the-token"),
        ("CONNECTOR_ID", "6f2b1f6e-8d2c-4a4e-9c43-0f4f2c6f9b11"),
        ("STATE_DIRECTORY", "/state"),
    ];
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let all = least.iter().chain(more);
    Settings::load(&Inputs {
        environment: all.map(owned).collect::<BTreeMap<_, _>>(),
        config: None,
        read: &|_: &Path| -> io::Result<String> { Err(ErrorKind::NotFound.into()) },
    })
}

fn problems(more: &[(&str, &str)]) -> String {
    let problems = load(more).unwrap_err().problems;
    let problems = problems.iter().map(ToString::to_string);
    problems.collect::<Vec<_>>().join("\n")
}

#[test]
fn beside_a_bucket_a_directory_that_nobody_named_is_off_with_a_warning() {
    let Loaded { value, warnings } = load(&[S3]).unwrap();
    assert!(value.diode_import.directory.is_none() && value.diode_import.s3.is_some());
    insta::assert_snapshot!(warnings.join("\n"), @"DIODE_IMPORT_GET_FROM_DIRECTORY_PATH is not given, so files are imported from the bucket alone; set DIODE_IMPORT_GET_FROM_DIRECTORY to false to say so");
    let quiet = |more: &[(&str, &str)], expect: (bool, bool)| {
        let Loaded { value, warnings } = load(more).unwrap();
        let import = value.diode_import;
        let found = (import.directory.is_some(), import.s3.is_some());
        assert_eq!((found, warnings.len()), (expect, 0), "{more:?}");
    };
    quiet(&[S3, directory("false")], (false, true));
    quiet(&[S3, PATH], (true, true));
    quiet(&[S3, PATH, directory("true")], (true, true));
    quiet(&[PATH], (true, false));
    for more in [&[S3, directory("true")][..], &[directory("true")], &[]] {
        let told = problems(more);
        assert!(
            told.starts_with(&format!("{} (", PATH.0)),
            "{more:?}: {told}"
        );
    }
}

#[test]
fn nothing_to_import_from_is_refused() {
    insta::assert_snapshot!(problems(&[directory("false")]), @"DIODE_IMPORT_GET_FROM_DIRECTORY and DIODE_IMPORT_GET_FROM_S3 are both false, so there is nothing to import from; set one of them to true");
}

#[test]
fn rejected_files_do_not_go_to_where_files_come_from() {
    let rejected = ("DIODE_IMPORT_REJECTED_PATH", "/in/");
    insta::assert_snapshot!(problems(&[PATH, rejected]), @r#"DIODE_IMPORT_REJECTED_PATH (diode_import.rejected_path), from the environment: "/in/" cannot be used (it is the folder that the files come from); write the path of another directory"#);
    assert!(load(&[PATH, directory("false"), S3, rejected]).is_ok());
}

#[test]
fn a_bucket_that_cannot_be_is_refused_with_all_that_is_wrong() {
    let wrong = [
        S3,
        directory("false"),
        ("DIODE_IMPORT_GET_FROM_S3_BUCKET", "a/b"),
        ("DIODE_IMPORT_GET_FROM_S3_FOLDER", "c"),
        ("DIODE_IMPORT_S3_REJECTED_FOLDER", "c"),
        ("S3_ENDPOINT", "http://x/y"),
        ("DIODE_IMPORT_S3_BUCKET_REGION", "eu west"),
        ("S3_ACCESS_KEY", "hunter2 hunter2"),
    ];
    let told = problems(&wrong);
    assert!(!told.contains("hunter2"), "{told}");
    insta::assert_snapshot!(told, @r#"
    DIODE_IMPORT_S3_REJECTED_FOLDER (diode_import.s3_rejected_folder), from the environment: "c" cannot be used (it is the folder that the files come from, or around it); correct it
    DIODE_IMPORT_GET_FROM_S3_BUCKET (diode_import.get_from_s3_bucket), from the environment: "a/b" cannot be used (it must be letters, digits, dots, dashes and underscores); correct it
    S3_ACCESS_KEY (s3.access_key), from the environment: the value cannot be used (it is empty, or has spaces or other characters that no key has); correct it
    DIODE_IMPORT_S3_BUCKET_REGION (diode_import.s3_bucket_region), from the environment: "eu west" cannot be used (it must be letters, digits and dashes); correct it
    S3_ENDPOINT (s3.endpoint), from the environment: "http://x/y" cannot be used (it has more than a host and a port); correct it
    "#);
    let mut off = wrong;
    off[0].1 = "false";
    off[1].1 = "true";
    assert!(load(&[&off[..], &[PATH]].concat()).is_ok());
}

#[test]
fn a_folder_with_a_slash_is_not_warned_of() {
    for folder in ["/", "/.", "a/", "/a", "/a/"] {
        let folder = ("DIODE_IMPORT_GET_FROM_S3_FOLDER", folder);
        let loaded = load(&[S3, directory("false"), folder]).unwrap();
        assert_eq!(loaded.warnings, [""; 0], "{folder:?}");
    }
}

#[test]
fn a_rehearsal_needs_all_of_a_bucket_that_is_not_asked_for() {
    insta::assert_snapshot!(problems(&[S3, directory("false"), REHEARSAL]), @"
    DIODE_IMPORT_GET_FROM_S3_BUCKET (diode_import.get_from_s3_bucket) is not given; write it, since a rehearsal does not ask the platform for it
    DIODE_IMPORT_S3_ENDPOINT (diode_import.s3_endpoint) is not given; write it, since a rehearsal does not ask the platform for it
    ");
    let enough = [
        S3,
        directory("false"),
        REHEARSAL,
        ("DIODE_IMPORT_GET_FROM_S3_BUCKET", "b"),
        ("S3_ENDPOINT", "s3.example.org"),
    ];
    assert!(load(&enough).is_ok());
    let one_key = ("S3_SECRET_KEY", "hunter2");
    let told = problems(&[&enough[..], &[one_key]].concat());
    assert!(told.starts_with("DIODE_IMPORT_S3_ACCESS_KEY"), "{told}");
    assert!(load(&[S3, directory("false")]).is_ok());
}
