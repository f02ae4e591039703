//! Generated envelopes, for where there is no real data.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::Context as _;
use sample_data::Feed;

/// Writes an envelope of about so many bytes.
pub(super) fn write(path: &Path, bytes: usize) -> anyhow::Result<()> {
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        Feed::of_bytes(bytes).write(&mut file)?;
        file.flush()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
