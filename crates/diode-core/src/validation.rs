//! Whether, and how, an import is validated by a person before it is imported: pure.

use opencti_client::{Drafts, PlatformVersion};

/// Drafts can be used without a feature flag from here on.
const DRAFTS_SINCE: PlatformVersion = PlatformVersion::new(6, 6, 0);

/// What an envelope's `validate_before_import` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Validation {
    /// The import is to be looked at by a person first.
    Requested,
    /// The import goes straight into the knowledge base.
    NotRequested,
    /// The envelope does not say.
    Unsaid,
}

/// Who decides on validation (`DIODE_IMPORT_VALIDATION_MODE`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ValidationMode {
    /// The envelope: what asks for it goes into a draft where that is possible, else into the
    /// workbench.
    #[default]
    Auto,
    /// We do: everything goes into drafts.
    Draft,
    /// We do: everything goes into the workbench.
    Workbench,
    /// We do: nothing is validated.
    Off,
}

/// What holds for envelopes that do not say (`CONNECTOR_VALIDATE_BEFORE_IMPORT`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Unsaid {
    /// They are imported at once.
    #[default]
    ImportAtOnce,
    /// They are validated.
    Validate,
}

/// The rules of validation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ValidationRules {
    /// Who decides.
    pub mode: ValidationMode,
    /// What holds where the envelope does not say.
    pub unsaid: Unsaid,
}

/// The way that an import takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Way {
    /// To the workers, and so into the knowledge base.
    #[default]
    Direct,
    /// To the workers, and so into a draft of its own.
    Draft,
    /// As one file into the workbench.
    Workbench,
}

impl Way {
    /// The stable name, as logs have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Draft => "draft",
            Self::Workbench => "workbench",
        }
    }
}

impl ValidationRules {
    /// The way of an import that asks for `asked`, to a platform of `version`, over a queue that
    /// carries drafts or does not.
    ///
    /// Where the version is unknown the workbench is taken: every platform has it. A draft that is
    /// told to be taken is tried there.
    ///
    /// # Errors
    /// Why there is no such way, in words for an operator.
    ///
    /// ```
    /// use diode_core::{Validation, ValidationRules, Way};
    /// use opencti_client::{Drafts, PlatformVersion};
    ///
    /// let rules = ValidationRules::default();
    /// let version = PlatformVersion::parse("6.5.9");
    /// let way = rules.way(Validation::Requested, version, Drafts::Carried);
    /// assert_eq!(way, Ok(Way::Workbench));
    /// let way = rules.way(Validation::Unsaid, version, Drafts::Carried);
    /// assert_eq!(way, Ok(Way::Direct));
    /// ```
    pub fn way(
        self,
        asked: Validation,
        version: Option<PlatformVersion>,
        drafts: Drafts,
    ) -> Result<Way, String> {
        match self.mode {
            ValidationMode::Auto if self.is_wanted(asked) => Ok(best(version, drafts)),
            ValidationMode::Auto | ValidationMode::Off => Ok(Way::Direct),
            ValidationMode::Draft => told_draft(version, drafts),
            ValidationMode::Workbench => Ok(Way::Workbench),
        }
    }

    fn is_wanted(self, asked: Validation) -> bool {
        match asked {
            Validation::Requested => true,
            Validation::NotRequested => false,
            Validation::Unsaid => self.unsaid == Unsaid::Validate,
        }
    }
}

fn best(version: Option<PlatformVersion>, drafts: Drafts) -> Way {
    match (version, drafts) {
        (Some(version), Drafts::Carried) if version >= DRAFTS_SINCE => Way::Draft,
        _ => Way::Workbench,
    }
}

fn told_draft(version: Option<PlatformVersion>, drafts: Drafts) -> Result<Way, String> {
    match (version, drafts) {
        (_, Drafts::NotCarried) => Err(
            "a draft cannot be filled over the API: set DIODE_IMPORT_VALIDATION_MODE=workbench, \
             or CONNECTOR_QUEUE_PROTOCOL=amqp"
                .to_owned(),
        ),
        (Some(version), Drafts::Carried) if version < DRAFTS_SINCE => Err(format!(
            "a draft needs platform {DRAFTS_SINCE} or newer, and this one is {version}: set \
             DIODE_IMPORT_VALIDATION_MODE=workbench"
        )),
        _ => Ok(Way::Draft),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Drafts::{Carried, NotCarried};
    use Validation::{NotRequested, Requested};
    use ValidationMode::{Auto, Draft, Off, Workbench};

    fn check(
        mode: ValidationMode,
        asked: Validation,
        version: &str,
        drafts: Drafts,
        expect: Option<Way>,
    ) {
        let rules = ValidationRules {
            mode,
            unsaid: Unsaid::Validate,
        };
        let way = rules.way(asked, PlatformVersion::parse(version), drafts);
        assert_eq!(
            way.ok(),
            expect,
            "{mode:?} {asked:?} {version:?} {drafts:?}"
        );
    }

    #[test]
    fn the_envelope_decides_unless_it_is_overruled() {
        for (mode, requested, not_requested) in [
            (Auto, Way::Draft, Way::Direct),
            (Draft, Way::Draft, Way::Draft),
            (Workbench, Way::Workbench, Way::Workbench),
            (Off, Way::Direct, Way::Direct),
        ] {
            check(mode, Requested, "6.6.0", Carried, Some(requested));
            check(mode, Validation::Unsaid, "6.6.0", Carried, Some(requested));
            check(mode, NotRequested, "6.6.0", Carried, Some(not_requested));
        }
    }

    #[test]
    fn a_draft_is_taken_where_it_can_be() {
        for (version, drafts, auto, told) in [
            ("6.5.11", Carried, Way::Workbench, None),
            ("6.6.0", Carried, Way::Draft, Some(Way::Draft)),
            ("7.260309.0-lts.2", Carried, Way::Draft, Some(Way::Draft)),
            ("7.260309.0", NotCarried, Way::Workbench, None),
            ("unknown", Carried, Way::Workbench, Some(Way::Draft)),
            ("unknown", NotCarried, Way::Workbench, None),
        ] {
            check(Auto, Requested, version, drafts, Some(auto));
            check(Draft, Requested, version, drafts, told);
        }
    }
}
