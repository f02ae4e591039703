//! What a platform understands, by its version: the one place that compares versions.

use crate::PlatformVersion;

/// What came to the platform's interface after 6.0.0, of what we send or ask.
///
/// A field, an argument or an input's key that a platform does not know makes it refuse the whole
/// request, so only what a version is sure to know is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Feature {
    /// `workAdd` and `workEdit` for accounts that may be a connector and no more.
    WorksOfConnectors,
    /// `connector.connector_queue_details`
    QueueDetails,
    /// `stixBundlePush`
    Push,
    /// `pingConnector.connectorInfo`
    ConnectorInfo,
    /// Workers that split a bundle of several objects.
    SplittingWorkers,
    /// `stixBundlePush.work_id`
    PushToWork,
    /// `isWorkAlive`, and workers that drop the messages of a work that is not alive
    WorkAlive,
    /// The header `opencti-work-id`, which fails a request where that work is not alive
    WorkHeader,
    /// `RegisterConnectorInput.auto_update`
    AutoUpdate,
    /// `registerConnector.config.s3`
    S3Connection,
}

impl Feature {
    /// The first version that has it.
    pub(crate) const fn since(self) -> PlatformVersion {
        match self {
            Self::WorksOfConnectors => PlatformVersion::new(6, 0, 9),
            Self::QueueDetails => PlatformVersion::new(6, 1, 12),
            Self::Push => PlatformVersion::new(6, 2, 6),
            Self::ConnectorInfo => PlatformVersion::new(6, 2, 12),
            Self::SplittingWorkers => PlatformVersion::new(6, 3, 0),
            Self::PushToWork => PlatformVersion::new(6, 5, 7),
            Self::WorkAlive => PlatformVersion::new(6, 8, 7),
            Self::AutoUpdate => PlatformVersion::new(6, 8, 9),
            Self::S3Connection => PlatformVersion::new(6, 9, 10),
            Self::WorkHeader => PlatformVersion::new(6, 9, 19),
        }
    }

    /// Whether a platform is sure to have it; of an unknown version only what 6.0.0 had is sure.
    pub(crate) fn is_in(self, version: Option<PlatformVersion>) -> bool {
        version.is_some_and(|version| version >= self.since())
    }
}

/// The forms of `stixBundlePush`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PushForm {
    /// Not at all: this version does not have it.
    Impossible(PlatformVersion),
    /// One object, in a work that the platform opens.
    OneObject,
    /// A bundle, in a work that the platform opens.
    Bundle,
    /// A bundle, in a work of the caller.
    BundleToWork,
}

impl PushForm {
    /// The form for a platform. One whose version is unknown is taken for a new one: what it does
    /// not understand it refuses, and nothing is done.
    pub(crate) fn of(version: Option<PlatformVersion>) -> Self {
        match version {
            None => Self::BundleToWork,
            Some(_) if Feature::PushToWork.is_in(version) => Self::BundleToWork,
            Some(_) if Feature::SplittingWorkers.is_in(version) => Self::Bundle,
            Some(_) if Feature::Push.is_in(version) => Self::OneObject,
            Some(version) => Self::Impossible(version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_there_from_their_version_on() {
        check(Feature::QueueDetails, "6.1.11", false);
        check(Feature::QueueDetails, "6.1.12", true);
        check(Feature::WorkAlive, "6.8.6", false);
        check(Feature::WorkAlive, "6.8.7", true);
        check(Feature::S3Connection, "6.9.9", false);
        check(Feature::S3Connection, "6.9.10", true);
        check(Feature::WorkAlive, "7.260309.0-lts.2", true);
        check(Feature::WorkAlive, "next", false);
        check(Feature::WorkHeader, "6.9.18", false);
        check(Feature::WorkHeader, "6.9.19", true);
    }

    #[test]
    fn bundles_are_pushed_in_the_form_that_the_platform_knows() {
        let before = PlatformVersion::new(6, 2, 5);
        check_push("6.2.5", PushForm::Impossible(before));
        check_push("6.2.6", PushForm::OneObject);
        check_push("6.2.18", PushForm::OneObject);
        check_push("6.3.0", PushForm::Bundle);
        check_push("6.5.6", PushForm::Bundle);
        check_push("6.5.7", PushForm::BundleToWork);
        check_push("7.260309.0-lts1", PushForm::BundleToWork);
        check_push("next", PushForm::BundleToWork);
    }

    fn check(feature: Feature, version: &str, expect: bool) {
        let found = feature.is_in(PlatformVersion::parse(version));
        assert_eq!(found, expect, "{feature:?} {version:?}");
    }

    fn check_push(version: &str, expect: PushForm) {
        let found = PushForm::of(PlatformVersion::parse(version));
        assert_eq!(found, expect, "{version:?}");
    }
}
