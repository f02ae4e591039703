//! Random numbers that are the same for the same seed, wherever and whenever.

use std::ops::Range;
use std::time::Duration;

/// SplitMix64, as Steele, Lea and Flood published it in 2014.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The stream of numbers for `purpose` that follows from `seed`.
    pub(super) fn new(seed: u64, purpose: u64) -> Self {
        let mut random = Self(seed ^ purpose.rotate_left(32));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `range`, which is not empty.
    pub(super) fn number(&mut self, range: Range<u32>) -> u32 {
        let width = u64::from(range.end - range.start);
        // Less than the width, so it fits.
        range.start + (self.next() % width) as u32
    }

    /// A time in milliseconds.
    pub(super) fn millis(&mut self, range: Range<u32>) -> Duration {
        Duration::from_millis(self.number(range).into())
    }

    /// One of `choices`, each as often as its weight says.
    pub(super) fn weighted<T: Copy>(&mut self, choices: &[(u32, T)]) -> Option<T> {
        let total = choices.iter().map(|(weight, _)| weight).sum();
        let mut left = self.number(0..total);
        choices.iter().find_map(|&(weight, choice)| {
            let hit = left < weight;
            left = left.saturating_sub(weight);
            hit.then_some(choice)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_purpose_make_a_stream() {
        let numbers = |seed, purpose| -> Vec<u32> {
            let mut random = Random::new(seed, purpose);
            (0..8).map(|_| random.number(10..1000)).collect()
        };
        assert_eq!(numbers(7, 1), numbers(7, 1));
        assert_ne!(numbers(7, 1), numbers(8, 1));
        assert_ne!(numbers(7, 1), numbers(7, 2));
        assert!(numbers(7, 1).iter().all(|n| (10..1000).contains(n)));
    }

    #[test]
    fn choices_come_as_often_as_they_weigh() {
        let mut random = Random::new(1, 1);
        let mut counts = [0_u32; 3];
        for _ in 0..9_000 {
            let choice = random.weighted(&[(1, 0), (0, 1), (2, 2)]).unwrap();
            counts[choice] += 1;
        }
        assert!((2_700..3_300).contains(&counts[0]), "{counts:?}");
        assert_eq!(counts[1], 0);
    }
}
