//! How a soak came out.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::book::Counts;
use super::disturb::{Disturbance, Tally};
use super::options::{AfterImport, Options, Sources};

/// So many problems are told one by one.
const TOLD: usize = 20;

/// How a soak came out. Shown, it is a line, and one more for each problem.
#[derive(Debug)]
pub struct Report {
    pub(super) seed: u64,
    pub(super) after_import: AfterImport,
    pub(super) sources: Sources,
    pub(super) took: Duration,
    pub(super) counts: Counts,
    pub(super) tally: Tally,
    pub(super) problems: Vec<String>,
    pub(super) kept: Option<PathBuf>,
}

impl Report {
    pub(super) fn new(
        options: &Options,
        took: Duration,
        counts: Counts,
        tally: Tally,
        problems: Vec<String>,
    ) -> Self {
        Self {
            seed: options.seed,
            after_import: options.after_import,
            sources: options.sources,
            took,
            counts,
            tally,
            problems,
            kept: None,
        }
    }

    /// Whether everything is as it has to be.
    pub fn is_good(&self) -> bool {
        let Counts {
            lost,
            resent,
            excused,
            ..
        } = self.counts;
        self.problems.is_empty() && lost == 0 && resent <= excused
    }

    /// How often the program was killed.
    pub fn kills(&self) -> usize {
        self.tally.get(&Disturbance::Kill).copied().unwrap_or(0)
    }

    /// How many objects were to arrive.
    pub fn objects(&self) -> usize {
        self.counts.objects
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts {
            files,
            objects,
            arrivals,
            lost,
            repeated,
            resent,
            excused,
        } = self.counts;
        let faults: Vec<String> = self
            .tally
            .iter()
            .map(|(disturbance, times)| format!("{times} {}", disturbance.name()))
            .collect();
        write!(
            f,
            "soak: seed {}, source {}, delete_after_import={}, {:.1} min: {files} files, {objects} \
             objects, {arrivals} messages; {}; lost {lost}, sent more than once {repeated} objects in \
             {resent} repetitions of a file, {excused} of them excused",
            self.seed,
            self.sources.as_str(),
            self.after_import.setting(),
            self.took.as_secs_f64() / 60.0,
            faults.join(", "),
        )?;
        for problem in self.problems.iter().take(TOLD) {
            write!(f, "\n  {problem}")?;
        }
        if self.problems.len() > TOLD {
            write!(f, "\n  and {} more", self.problems.len() - TOLD)?;
        }
        if let Some(folder) = &self.kept {
            write!(f, "\n  its folder is kept: {}", folder.display())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::Goal;

    fn report(counts: Counts, kills: usize) -> Report {
        let options = Options {
            seed: 7,
            goal: Goal {
                time: Duration::ZERO,
                kills: 0,
            },
            after_import: AfterImport::Keep,
            sources: Sources::Both,
            broker: String::new(),
            rabbitmqctl: None,
        };
        let tally = [(Disturbance::Kill, kills)].into();
        Report::new(&options, Duration::from_secs(90), counts, tally, Vec::new())
    }

    #[test]
    fn what_is_lost_or_repeated_without_excuse_is_not_good() {
        let counts = |lost, resent| Counts {
            lost,
            resent,
            excused: 3,
            ..Counts::default()
        };
        assert!(report(counts(0, 3), 3).is_good());
        assert!(!report(counts(0, 4), 3).is_good());
        assert!(!report(counts(1, 3), 3).is_good());
    }

    #[test]
    fn a_report_can_be_run_again() {
        let counts = Counts {
            resent: 5,
            excused: 4,
            ..Counts::default()
        };
        let shown = report(counts, 2).to_string();
        let repetitions = "5 repetitions of a file, 4 of them excused";
        assert!(shown.contains(repetitions), "{shown}");
        assert!(shown.contains("seed 7"), "{shown}");
        assert!(shown.contains("delete_after_import=false"), "{shown}");
        assert!(shown.contains("1.5 min"), "{shown}");
        assert!(shown.contains("2 kills"), "{shown}");
    }
}
