//! Where files are imported from.

use std::path::{Path, PathBuf};

use bundle_source::LocalSource;

use super::forms;
use super::model::DirectorySettings;
use super::problem::Problem;
use super::reader::Reader;
use super::s3::{self, S3Settings};
use super::table;

/// Where files are imported from, and where those of the directory go that cannot be.
pub(super) struct Sources {
    pub(super) directory: Option<DirectorySettings>,
    pub(super) rejected_path: Option<PathBuf>,
    pub(super) s3: Option<S3Settings>,
}

/// Everything is read, whether it is on or not, so that a wrong value does not hide. Of what is off,
/// only the forms of values are judged.
pub(super) fn sources(reader: &mut Reader) -> Sources {
    let directory_on = reader.required(&table::DIODE_IMPORT_GET_FROM_DIRECTORY, forms::boolean);
    let s3_on = reader.required(&table::DIODE_IMPORT_GET_FROM_S3, forms::boolean);
    let directory = directory(reader);
    let rejected_path = reader.optional(&table::DIODE_IMPORT_REJECTED_PATH, forms::path);
    let s3 = s3::s3(reader);
    let s3 = s3.filter(|_| s3_on == Some(true));
    if let Some(s3) = &s3 {
        s3::judge(reader, s3);
    }
    if (directory_on, s3_on) == (Some(false), Some(false)) {
        refuse_nothing(reader);
    }
    let directory = match (directory_on, s3_on) {
        (Some(true), Some(true)) if is_left_out(reader) => None,
        (Some(true), _) => wanted(reader, directory),
        _ => None,
    };
    if let (Some(directory), Some(rejected)) = (&directory, &rejected_path) {
        judge_rejected(reader, directory, rejected);
    }
    Sources {
        directory,
        rejected_path,
        s3,
    }
}

/// The directory's settings; `None` without its path, or after a problem.
fn directory(reader: &mut Reader) -> Option<DirectorySettings> {
    let retention = reader.days(&table::DIODE_IMPORT_GET_FROM_DIRECTORY_RETENTION);
    let path = reader.optional(&table::DIODE_IMPORT_GET_FROM_DIRECTORY_PATH, forms::path);
    let watch = reader.required(&table::DIODE_IMPORT_WATCH, forms::boolean);
    Some(DirectorySettings {
        path: path?,
        retention_days: Some(retention?).filter(|days| *days > 0),
        watch: watch?,
    })
}

/// Whether the directory is on by default alone, beside a bucket, and nothing says where it is: the
/// Python connector's examples for S3 are like that, and it goes on with the bucket.
fn is_left_out(reader: &mut Reader) -> bool {
    let [switch, path] = [
        &table::DIODE_IMPORT_GET_FROM_DIRECTORY,
        &table::DIODE_IMPORT_GET_FROM_DIRECTORY_PATH,
    ];
    let is_there = |setting| reader.is_given(setting) || reader.is_withheld(setting);
    let is_left_out = !is_there(switch) && !is_there(path);
    if is_left_out {
        reader.warn(format!(
            "{} is not given, so files are imported from the bucket alone; set {} to false to say so",
            path.env, switch.env
        ));
    }
    is_left_out
}

fn wanted(reader: &mut Reader, directory: Option<DirectorySettings>) -> Option<DirectorySettings> {
    let path = &table::DIODE_IMPORT_GET_FROM_DIRECTORY_PATH;
    if !reader.is_given(path) {
        let instead = "write the path of the directory that the files arrive in";
        reader.missing(path, instead);
    }
    directory
}

fn refuse_nothing(reader: &mut Reader) {
    let [directory, s3] = [
        &table::DIODE_IMPORT_GET_FROM_DIRECTORY,
        &table::DIODE_IMPORT_GET_FROM_S3,
    ];
    if reader.is_withheld(directory) || reader.is_withheld(s3) {
        return;
    }
    let subject = format!("{} and {}", directory.env, s3.env);
    let what = "are both false, so there is nothing to import from";
    let problem = Problem::about(subject, what, "set one of them to true");
    reader.problems.push(problem);
}

fn judge_rejected(reader: &mut Reader, directory: &DirectorySettings, rejected: &Path) {
    if let Err(error) = LocalSource::new(&directory.path, Some(rejected.to_path_buf())) {
        let what = format!("cannot be used ({})", error.source);
        let instead = "write the path of another directory";
        reader.refuse(&table::DIODE_IMPORT_REJECTED_PATH, &what, instead);
    }
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
