//! The exit codes, which scripts and service managers may rely on.

use std::process::ExitCode;

use opencti_client::ClientError;

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
    /// The platform cannot be reached, and this was the only pass.
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
        // A client fails to be made for the settings alone: nothing was sent yet.
        if error.is::<Refusal>() || error.is::<ClientError>() {
            Self::Misconfigured
        } else {
            Self::Failed
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
            Self::Unreachable => "the platform cannot be reached (with run_and_terminate)",
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
}
