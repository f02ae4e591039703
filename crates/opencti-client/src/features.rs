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
    /// `stixBundlePush.work_id`
    PushToWork,
    /// `isWorkAlive`
    WorkAlive,
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
            Self::PushToWork => PlatformVersion::new(6, 5, 7),
            Self::WorkAlive => PlatformVersion::new(6, 8, 7),
            Self::AutoUpdate => PlatformVersion::new(6, 8, 9),
            Self::S3Connection => PlatformVersion::new(6, 9, 10),
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
    /// Without a work: the platform opens its own.
    Bare,
    /// With the caller's work.
    ToWork,
    /// With the caller's work, and without it where the platform does not know that argument.
    ToWorkOrBare,
}

impl PushForm {
    /// The form for a platform; `None`: its version is unknown.
    pub(crate) fn of(version: Option<PlatformVersion>) -> Self {
        match version {
            None => Self::ToWorkOrBare,
            Some(_) if Feature::PushToWork.is_in(version) => Self::ToWork,
            Some(_) if Feature::Push.is_in(version) => Self::Bare,
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
    }

    #[test]
    fn bundles_are_pushed_from_6_2_6_on_and_to_a_work_from_6_5_7_on() {
        let before = PlatformVersion::new(6, 2, 5);
        check_push("6.2.5", PushForm::Impossible(before));
        check_push("6.2.6", PushForm::Bare);
        check_push("6.5.6", PushForm::Bare);
        check_push("6.5.7", PushForm::ToWork);
        check_push("7.260309.0-lts1", PushForm::ToWork);
        check_push("next", PushForm::ToWorkOrBare);
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
