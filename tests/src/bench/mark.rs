//! One run's figures, and what several say together.

use serde::Serialize;

use super::measured::Usage;

/// The figures of one run.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Mark {
    /// What the process took.
    #[serde(flatten)]
    pub(super) usage: Usage,
    /// Files that were imported.
    pub(super) files: usize,
    /// Messages that the broker held at the end.
    pub(super) messages: usize,
    /// Requests that the platform got.
    pub(super) requests: usize,
}

impl Mark {
    /// Files, or messages of the only file, in a second.
    fn rate(&self) -> f64 {
        let units = match self.files {
            0 | 1 => self.messages,
            files => files,
        };
        units as f64 / self.usage.wall().as_secs_f64()
    }
}

/// Runs of one kind over one workload, in order.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Marks(Vec<Mark>);

impl Marks {
    pub(super) fn push(&mut self, mark: Mark) {
        self.0.push(mark);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Files of each run.
    pub(super) fn files(&self) -> usize {
        self.0.first().map_or(0, |mark| mark.files)
    }

    /// Messages of each run.
    pub(super) fn messages(&self) -> usize {
        self.0.first().map_or(0, |mark| mark.messages)
    }

    /// Seconds from start to end.
    pub(super) fn wall(&self) -> f64 {
        self.median(|mark| mark.usage.wall().as_secs_f64())
    }

    /// Seconds of all threads.
    pub(super) fn cpu(&self) -> f64 {
        self.median(|mark| mark.usage.cpu_micros as f64 / 1e6)
    }

    /// Peak memory in bytes.
    pub(super) fn peak(&self) -> f64 {
        self.median(|mark| mark.usage.peak_kib as f64 * 1024.0)
    }

    /// Requests to the platform.
    pub(super) fn requests(&self) -> f64 {
        self.median(|mark| mark.requests as f64)
    }

    /// How many times as long as the others' runs these took, each beside the one of its round:
    /// what slows down the machine for a while slows down both.
    pub(super) fn wall_over(&self, others: &Self) -> f64 {
        let wall = |mark: &Mark| mark.usage.wall().as_secs_f64();
        self.over(others, wall)
    }

    /// How many times as fast as the others' runs these were, likewise.
    pub(super) fn rate_over(&self, others: &Self) -> f64 {
        self.over(others, Mark::rate)
    }

    fn over(&self, others: &Self, figure: impl Fn(&Mark) -> f64) -> f64 {
        let rounds = self.0.iter().zip(&others.0);
        median(rounds.map(|(a, b)| figure(a) / figure(b)).collect())
    }

    fn median(&self, figure: impl Fn(&Mark) -> f64) -> f64 {
        median(self.0.iter().map(figure).collect())
    }
}

/// The middle one, or the mean of the two in the middle; not a number where there is none.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => figures[middle],
        _ => f64::midpoint(figures[middle - 1], figures[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert!(median(Vec::new()).is_nan());
        assert_eq!(median(vec![7.0]), 7.0);
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 9.0]), 3.0);
    }

    #[test]
    fn rounds_are_compared_one_by_one() {
        let marks = |walls: [u64; 3]| {
            let mark = |wall| Mark {
                usage: Usage {
                    wall_micros: wall,
                    cpu_micros: 0,
                    peak_kib: 0,
                },
                files: 1,
                messages: 7,
                requests: 0,
            };
            Marks(walls.map(mark).into())
        };
        let (ours, limit) = (marks([10, 60, 30]), marks([10, 30, 20]));
        assert_eq!(ours.wall_over(&limit), 1.5);
        assert!((limit.rate_over(&ours) - 1.5).abs() < 1e-9);
    }
}
