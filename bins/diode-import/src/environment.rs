//! The one place that reads the process's environment and the configuration file.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::settings::{Inputs, Refusal};

/// The configuration file that is read if it is there and no other is named.
const DEFAULT_CONFIG: &str = "config.yml";

/// What settings are made from. `config` is the file that the operator named, if one.
///
/// # Errors
/// [`Refusal`] where the named file, or a config.yml that is there, cannot be read.
pub(crate) fn inputs(config: Option<PathBuf>) -> Result<Inputs<'static>, Refusal> {
    // What is not UTF-8 keeps its place with replacement characters, and is refused as a value.
    let lossy = |text: OsString| text.to_string_lossy().into_owned();
    Ok(Inputs {
        environment: std::env::vars_os()
            .map(|(name, value)| (lossy(name), lossy(value)))
            .collect(),
        config: config_file(config)?,
        read: &|path| fs::read_to_string(path),
    })
}

fn config_file(named: Option<PathBuf>) -> Result<Option<(PathBuf, String)>, Refusal> {
    let is_named = named.is_some();
    let path = named.unwrap_or_else(|| DEFAULT_CONFIG.into());
    match fs::read_to_string(&path) {
        Ok(content) => Ok(Some((path, content))),
        Err(error) if error.kind() == ErrorKind::NotFound && !is_named => Ok(None),
        Err(error) => Err(Refusal::of_file(Path::new(&path), &error)),
    }
}
