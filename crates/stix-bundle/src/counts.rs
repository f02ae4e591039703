//! How much each object of a bundle depends on.

/// A number for each object; those below 2^31, and that is nearly all, take half the memory.
#[derive(Debug)]
pub(crate) struct Counts {
    /// Counts below [`LARGE`]; above it, the places of others.
    small: Vec<u32>,
    large: Vec<u64>,
}

/// The place of the first large count; there are fewer objects than places.
const LARGE: u32 = 1 << 31;
/// Stands for [`Counts::OPEN`].
const OPEN: u32 = u32::MAX;

impl Counts {
    /// The count of an object that none was set of yet.
    pub(crate) const NONE: u64 = 0;
    /// Larger than any count: that of an object whose count is still being made.
    pub(crate) const OPEN: u64 = u64::MAX;

    /// So many without a count.
    pub(crate) fn new(objects: usize) -> Self {
        Self {
            small: vec![0; objects],
            large: Vec::new(),
        }
    }

    pub(crate) fn get(&self, object: u32) -> u64 {
        match self.small[object as usize] {
            OPEN => Self::OPEN,
            place @ LARGE.. => self.large[(place - LARGE) as usize],
            small => u64::from(small),
        }
    }

    pub(crate) fn set(&mut self, object: u32, count: u64) {
        self.small[object as usize] = match u32::try_from(count) {
            Ok(small) if small < LARGE => small,
            _ if count == Self::OPEN => OPEN,
            _ => LARGE | self.place_of(count),
        };
    }

    /// Counts that have stopped growing come one after the other, and are kept once.
    fn place_of(&mut self, count: u64) -> u32 {
        if self.large.last() != Some(&count) {
            self.large.push(count);
        }
        u32::try_from(self.large.len() - 1).unwrap_or(!LARGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_any_size() {
        let large = u64::from(LARGE);
        let counts = [
            1,
            large - 1,
            large,
            u64::from(u32::MAX),
            1 << 53,
            1 << 53,
            Counts::OPEN,
            large + 1,
            Counts::NONE,
        ];
        let mut kept = Counts::new(counts.len());
        assert_eq!(kept.get(0), Counts::NONE);
        for (object, count) in (0..).zip(counts) {
            kept.set(object, count);
        }
        let seen: Vec<_> = (0..9).map(|object| kept.get(object)).collect();
        assert_eq!(seen, counts);
        assert_eq!(kept.large.len(), 4);
        kept.set(2, 7);
        assert_eq!((kept.get(2), kept.get(7)), (7, large + 1));
    }
}
