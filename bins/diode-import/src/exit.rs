//! The exit codes, which scripts and service managers may rely on.

use std::process::ExitCode;

use diode_core::{Interruption, PassReport};
use opencti_client::ClientError;

use crate::bucket::Unusable;
use crate::settings::Refusal;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Exit {
    /// Everything was done.
    Done,
    /// A check found something, or the program failed while it ran.
    Failed,
    /// The configuration or the arguments are wrong; nothing was done.
    Misconfigured,
    /// The platform refuses the token, or its account lacks a capability.
    TokenRefused,
    /// The platform or the broker cannot be reached, and this was the only pass.
    Unreachable,
    /// Another process is at work on the same files, and this was the only pass.
    Taken,
}

impl Exit {
    /// All of them, by code.
    pub(crate) const ALL: [Self; 6] = [
        Self::Done,
        Self::Failed,
        Self::Misconfigured,
        Self::TokenRefused,
        Self::Unreachable,
        Self::Taken,
    ];

    /// The process's exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Misconfigured => 2,
            Self::TokenRefused => 3,
            Self::Unreachable => 4,
            Self::Taken => 5,
        }
    }

    /// How the program ends that could not begin its work.
    pub(crate) fn after(error: &anyhow::Error) -> Self {
        // A client or a bucket fails to be made for the settings alone: nothing was sent yet.
        if error.is::<Refusal>() || error.is::<ClientError>() || error.is::<Unusable>() {
            Self::Misconfigured
        } else {
            Self::Failed
        }
    }

    /// How the program ends that was to make one pass over each source: as the worst of them.
    pub(crate) fn of_passes(reports: &[PassReport]) -> Self {
        let exits = reports.iter().map(Self::of_pass);
        exits
            .max_by_key(|exit| exit.severity())
            .unwrap_or(Self::Done)
    }

    fn of_pass(report: &PassReport) -> Self {
        match report.interruption {
            Some(Interruption::Credentials) => Self::TokenRefused,
            Some(Interruption::Platform | Interruption::Broker) => Self::Unreachable,
            Some(Interruption::Source | Interruption::Ledger) => Self::Failed,
            Some(Interruption::Lease) => Self::Taken,
            None if report.undelivered > 0 => Self::Unreachable,
            Some(Interruption::Stopped) | None => Self::Done,
        }
    }

    const fn severity(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Unreachable | Self::Taken => 1,
            Self::Failed | Self::Misconfigured => 2,
            Self::TokenRefused => 3,
        }
    }

    /// What it means, for an operator.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "a check found something, or the program failed while it ran",
            Self::Misconfigured => "the configuration or the arguments are wrong; nothing was done",
            Self::TokenRefused => {
                "the platform refuses the token, or its account lacks a capability"
            }
            Self::Unreachable => {
                "the platform or the broker cannot be reached (with run_and_terminate)"
            }
            Self::Taken => {
                "another diode-import is at work on the same files (with run_and_terminate)"
            }
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use diode_core::{Interruption, PassReport};

    use super::Exit;

    #[test]
    fn codes_are_those_that_are_documented() {
        let codes: Vec<_> = Exit::ALL.map(|exit| (exit, exit.code())).into();
        assert_eq!(
            codes,
            [
                (Exit::Done, 0),
                (Exit::Failed, 1),
                (Exit::Misconfigured, 2),
                (Exit::TokenRefused, 3),
                (Exit::Unreachable, 4),
                (Exit::Taken, 5),
            ]
        );
    }

    #[test]
    fn a_single_pass_tells_by_its_exit_code_how_it_went() {
        for (interruption, undelivered, expect) in [
            (None, 0, Exit::Done),
            (None, 1, Exit::Unreachable),
            (Some(Interruption::Stopped), 0, Exit::Done),
            (Some(Interruption::Credentials), 1, Exit::TokenRefused),
            (Some(Interruption::Platform), 1, Exit::Unreachable),
            (Some(Interruption::Broker), 1, Exit::Unreachable),
            (Some(Interruption::Source), 0, Exit::Failed),
            (Some(Interruption::Ledger), 0, Exit::Failed),
            (Some(Interruption::Lease), 0, Exit::Taken),
        ] {
            let report = report(interruption, undelivered);
            assert_eq!(
                Exit::of_pass(&report),
                expect,
                "{interruption:?} {undelivered}"
            );
        }
    }

    #[test]
    fn the_worst_pass_decides() {
        let (good, late) = (report(None, 0), report(None, 1));
        let failed = report(Some(Interruption::Source), 0);
        let refused = report(Some(Interruption::Credentials), 0);
        for (reports, expect) in [
            (vec![], Exit::Done),
            (vec![&good, &good], Exit::Done),
            (vec![&late, &good], Exit::Unreachable),
            (vec![&good, &late], Exit::Unreachable),
            (vec![&failed, &late], Exit::Failed),
            (vec![&late, &failed, &good], Exit::Failed),
            (vec![&failed, &refused], Exit::TokenRefused),
        ] {
            let reports: Vec<PassReport> = reports.into_iter().cloned().collect();
            assert_eq!(Exit::of_passes(&reports), expect, "{reports:?}");
        }
    }

    fn report(interruption: Option<Interruption>, undelivered: usize) -> PassReport {
        let mut report = PassReport::new("source");
        report.interruption = interruption;
        report.undelivered = undelivered;
        report
    }
}
