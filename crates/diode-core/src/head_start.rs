//! What can be done before the platform has answered: a pass's first file is read and unpacked.

use std::fmt;
use std::sync::Arc;

use bundle_source::Source;
use tokio_util::task::AbortOnDropHandle;

use crate::plan::{Step, plan, wanted};
use crate::reader::Pending;
use crate::unpack::Unpacked;
use crate::{Clock, Ledger, Rules};

/// Where more files are known than these, there is no head start: to go over them twice would take more
/// memory, and more time, than it saves.
const MOST_KNOWN: usize = 8_192;

/// The first file of a source's first pass, being read while the platform is asked for what the
/// pass needs of it.
///
/// Nothing but reading is done, and nothing is decided: a file that is another one by the time of the
/// pass, or not its first, is read then.
pub struct HeadStart(AbortOnDropHandle<Option<Pending<Unpacked>>>);

impl fmt::Debug for HeadStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HeadStart").finish_non_exhaustive()
    }
}

impl HeadStart {
    /// Begins to read the file that a pass of `source` by these `rules` would begin with. It is in
    /// memory until that pass, or until this is dropped.
    pub fn begin(source: Arc<dyn Source>, ledger: Arc<Ledger>, rules: Rules, clock: Clock) -> Self {
        let finding = async move {
            let known = Arc::new(ledger.known(source.name()).ok()?);
            if known.len() > MOST_KNOWN {
                return None;
            }
            let listing = source.list(&wanted(&known, 1)).await.ok()?;
            let mut steps = plan(listing.iter(), &known, &rules.policy, clock());
            let first = steps.find_map(Step::into_read)?;
            let reader = rules.reader(source, clock);
            Some(Pending::unpacked(&Arc::new(reader), first))
        };
        Self(AbortOnDropHandle::new(tokio::spawn(finding)))
    }

    /// The file, if there is one. What keeps us from listing is told by the pass, which lists anew.
    pub(crate) async fn file(self) -> Option<Pending<Unpacked>> {
        self.0.await.ok().flatten()
    }
}
