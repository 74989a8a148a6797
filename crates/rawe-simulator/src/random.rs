//! Seeded randomness: one stream per part of the world, so that one more draw in one part does
//! not change what happens in another.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stream of random draws.
#[derive(Clone, Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of one part of the world of one seed.
    pub fn new(seed: u64, part: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(part);
        Self(rng)
    }

    /// Whether something of this probability happens. Draws nothing when it cannot.
    pub fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.0.random::<f64>() < probability
    }

    /// 0.0 up to 1.0, exclusive.
    pub fn unit(&mut self) -> f64 {
        self.0.random()
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0.random()
    }

    /// `low` up to `high`, both possible.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        if high <= low {
            return low;
        }
        self.0.random_range(low..=high)
    }

    /// An index below `length`; 0 for an empty range.
    pub fn index(&mut self, length: usize) -> usize {
        if length < 2 {
            return 0;
        }
        self.0.random_range(0..length)
    }

    /// One of the items.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = self.index(items.len());
        items.get(index)
    }

    /// Log-uniform between two positive numbers.
    pub fn magnitude(&mut self, low: f64, high: f64) -> f64 {
        (low.ln() + self.unit() * (high.ln() - low.ln())).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let draws = |part| -> Vec<u64> {
            let mut dice = Dice::new(7, part);
            (0..4).map(|_| dice.bits()).collect()
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
    }

    #[test]
    fn ranges_are_kept() {
        let mut dice = Dice::new(7, 1);
        for _ in 0..1_000 {
            assert!((3..=5).contains(&dice.between(3, 5)));
            assert!(dice.index(4) < 4);
            assert!((0.01..=0.5).contains(&dice.magnitude(0.01, 0.5)));
        }
        assert_eq!(dice.between(5, 5), 5);
        assert_eq!(dice.pick::<u8>(&[]), None);
        assert!(!dice.chance(0.0));
    }
}
