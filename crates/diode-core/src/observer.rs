//! Who watches what is done.

use opencti_client::ApiError;

use crate::report::{FileReport, PassReport};

/// Is told what is done while it is done, to count it or to show it.
///
/// The calls come from the passes and the signs of life themselves, on whichever thread these are: what
/// does not return at once holds up importing, and must never block. Nothing that it does or fails to do
/// changes what becomes of a file.
///
/// Of one source, the passes do not overlap: what is told of files between the beginning and the end of
/// one belongs to it. A pass that was begun ends, however early it is cut short, unless whoever runs it
/// drops it. Signs of life come at any time.
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// use diode_core::{FileReport, Interruption, Observer, PassReport};
/// use opencti_client::ApiError;
///
/// /// Counts the passes that were cut short.
/// #[derive(Default)]
/// struct CutShort(AtomicUsize);
///
/// impl Observer for CutShort {
///     fn pass_began(&self, _: &str) {}
///
///     fn file(&self, _: &str, _: &FileReport) {}
///
///     fn pass_ended(&self, report: &PassReport) {
///         if report.interruption.is_some() {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
///
///     fn sign_of_life(&self, _: Result<(), &ApiError>) {}
/// }
///
/// let counting = CutShort::default();
/// let mut report = PassReport::new("directory:/in");
/// counting.pass_ended(&report);
/// report.interruption = Some(Interruption::Broker);
/// counting.pass_ended(&report);
/// assert_eq!(counting.0.into_inner(), 1);
/// ```
pub trait Observer: Send + Sync {
    /// A pass over a source begins. It may turn out that the source is not ours.
    fn pass_began(&self, source: &str);

    /// What became of a file, after it was recorded. Of one that waits, in each pass that finds it so.
    ///
    /// What [`PassReport`] does not count is not told: files that were decided on before, of which
    /// nothing is done but deleting or moving them, and those that count as imported before us.
    fn file(&self, source: &str, file: &FileReport);

    /// A pass is over.
    fn pass_ended(&self, report: &PassReport);

    /// The platform took a sign of life, or why it did not. One whose answer nobody waited for is not
    /// told.
    fn sign_of_life(&self, result: Result<(), &ApiError>);
}

/// Nobody watches.
pub(crate) struct Nobody;

impl Observer for Nobody {
    fn pass_began(&self, _: &str) {}

    fn file(&self, _: &str, _: &FileReport) {}

    fn pass_ended(&self, _: &PassReport) {}

    fn sign_of_life(&self, _: Result<(), &ApiError>) {}
}
