//! The platform's own schemas, which are not part of the project.

use std::fs;
use std::path::Path;

use apollo_compiler::Schema;
use tests::platform::Version;

/// A schema as the platform published it.
pub(crate) struct Published {
    pub(crate) version: Version,
    pub(crate) schema: Schema,
}

/// The schemas beside the project, by version; none where there is no such folder, which is said.
pub(crate) fn published() -> Vec<Published> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/schema");
    let Ok(entries) = fs::read_dir(&folder) else {
        eprintln!("LEFT OUT: no schemas of the platform in ../shared/schema");
        return Vec::new();
    };
    let mut all: Vec<Published> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "graphql"))
        .map(|path| read(&path))
        .collect();
    all.sort_by_key(|published| published.version);
    assert!(!all.is_empty(), "{} is empty", folder.display());
    all
}

fn read(path: &Path) -> Published {
    let name = path.file_stem().unwrap().to_str().unwrap();
    let text = fs::read_to_string(path).unwrap();
    // Trimmed files use directives that they do not define, so they are not validated themselves.
    let schema = Schema::parse(text, path);
    Published {
        version: Version::read(name),
        schema: schema.unwrap_or_else(|invalid| invalid.partial),
    }
}
