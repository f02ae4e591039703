//! What a platform understands, by its version: the one place that compares versions.

use crate::PlatformVersion;

/// What may be asked of a platform.
///
/// Only what a version is sure to know is on: an unknown argument fails the whole request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Features {
    /// How `stixBundlePush` is called.
    pub(crate) push: PushForm,
}

/// The forms of `stixBundlePush`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PushForm {
    /// Without a work: the platform opens its own.
    Bare,
    /// With the caller's work, which platforms know from 6.5.7 on.
    ToWork,
    /// With the caller's work, and without it where the platform does not know that argument.
    ToWorkOrBare,
}

impl Features {
    /// The features of a platform; `None`: its version is unknown.
    pub(crate) fn of(version: Option<PlatformVersion>) -> Self {
        let push = match version {
            None => PushForm::ToWorkOrBare,
            Some(version) if version < PlatformVersion::new(6, 5, 7) => PushForm::Bare,
            Some(_) => PushForm::ToWork,
        };
        Self { push }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_work_is_pushed_to_from_6_5_7_on() {
        check(Some("6.0.0"), PushForm::Bare);
        check(Some("6.5.6"), PushForm::Bare);
        check(Some("6.5.7"), PushForm::ToWork);
        check(Some("7.260309.0-lts.2"), PushForm::ToWork);
        check(None, PushForm::ToWorkOrBare);
    }

    fn check(version: Option<&str>, push: PushForm) {
        let parsed = version.map(|text| PlatformVersion::parse(text).unwrap());
        assert_eq!(Features::of(parsed).push, push, "{version:?}");
    }
}
