//! The first pass of all: what the peer has imported before us is not imported again.

use bundle_source::{Entry, Wanted};

use super::{Course, Importer};
use crate::examine::Examined;
use crate::fingerprint::Fingerprint;
use crate::plan::{AfterImport, counted_as_imported};
use crate::reader::Reader;
use crate::trouble::Fatal;
use crate::{Code, Outcome};

impl Importer {
    /// Takes a source over from the peer, once: its watermark says which of the files that it kept
    /// are imported. From then on the ledger says that.
    pub(super) async fn inherit(
        &self,
        watermark: Option<f64>,
        course: &mut Course,
    ) -> Result<(), Fatal> {
        let source = self.source.name();
        if self.ledger.is_taken_over(source)? {
            return Ok(());
        }
        let after_import = self.rules.policy.after_import;
        // A source that cannot be listed is not ours yet.
        let wanted = match (watermark, after_import) {
            (Some(_), AfterImport::Keep) => Wanted::all(),
            _ => Wanted::oldest(1),
        };
        let Some(listing) = self.list(&wanted, course).await else {
            return Ok(());
        };
        let mut imported = Vec::new();
        let reader = self.reader();
        let counted = || counted_as_imported(&listing, watermark, after_import);
        let files = counted().count();
        if files > 0 {
            tracing::info!(
                source,
                files,
                "this source is taken over: files that are no newer than the connector's state are \
                 read once, to be known by their content"
            );
        }
        for entry in counted() {
            if self.turn.is_cancelled() {
                return Ok(());
            }
            if let Some(fingerprint) = fingerprint_of_envelope(&reader, &entry).await {
                imported.push((entry, fingerprint));
            }
        }
        self.ledger.take_over(source, &imported, (self.clock)())?;
        for (entry, _) in &imported {
            tracing::info!(
                file = entry.location.as_str(),
                outcome = Outcome::Imported.as_str(),
                code = Code::ImportedBefore.as_str(),
                "file counts as imported before: it is not sent"
            );
        }
        if !imported.is_empty() {
            tracing::warn!(
                source,
                files = imported.len(),
                watermark,
                "files that are no newer than the connector's state says count as imported before, \
                 and are not sent; to import them again, reset the connector's state in the platform"
            );
        }
        Ok(())
    }
}

/// `None` for what the peer cannot have imported. That goes the way of any new file: one that belongs to
/// somebody else must not fall to our retention, and a broken one is not to go unnoticed.
async fn fingerprint_of_envelope(reader: &Reader, entry: &Entry) -> Option<Fingerprint> {
    let file = reader.read(entry).await.content.ok()?;
    match file.examined() {
        Examined::Ready(_) => Some(file.fingerprint()),
        Examined::Foreign(_) | Examined::Refused(_) => None,
    }
}
