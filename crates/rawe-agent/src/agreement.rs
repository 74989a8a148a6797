//! How independent several voters are: the correlation of their votes, and the number of
//! independent votes that they are worth.

use rawe_core::Direction;

/// How much the votes of some voters have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// Correlation of each pair's votes, -1..1; 1 on the diagonal. `NaN`-free: a voter whose vote
    /// never changes correlates with nobody, 0.
    pub correlations: Vec<Vec<f64>>,
    /// Mean correlation of the pairs.
    pub mean: f64,
    /// n_eff = n / (1 + (n - 1) mean), at most n.
    pub effective: f64,
}

/// Counts of votes, from which correlations follow at any time. Votes are +1 (long), -1 (short) and
/// 0 (none).
#[derive(Clone, Debug, Default)]
pub struct VoteCounts {
    scans: u64,
    sums: Vec<i64>,
    products: Vec<Vec<i64>>,
}

impl VoteCounts {
    /// No votes yet of so many voters.
    pub fn new(voters: usize) -> Self {
        Self {
            scans: 0,
            sums: vec![0; voters],
            products: vec![vec![0; voters]; voters],
        }
    }

    /// Adds the votes of one scan of one asset, one per voter.
    pub fn add(&mut self, votes: &[Option<Direction>]) {
        let vote = |place: usize| match votes.get(place).copied().flatten() {
            Some(Direction::Long) => 1,
            Some(Direction::Short) => -1,
            None => 0,
        };
        self.scans += 1;
        for (place, sum) in self.sums.iter_mut().enumerate() {
            *sum += vote(place);
        }
        for (first, row) in self.products.iter_mut().enumerate() {
            for (second, product) in row.iter_mut().enumerate() {
                *product += vote(first) * vote(second);
            }
        }
    }

    /// The agreement so far.
    pub fn agreement(&self) -> Agreement {
        let voters = self.sums.len();
        let scans = self.scans.max(1) as f64;
        let mean = |place: usize| self.sums.get(place).map_or(0.0, |sum| *sum as f64 / scans);
        let covariance = |first: usize, second: usize| {
            let row = self.products.get(first);
            let product = row.and_then(|row| row.get(second)).copied().unwrap_or(0);
            product as f64 / scans - mean(first) * mean(second)
        };
        let correlation = |first: usize, second: usize| {
            if first == second {
                return 1.0;
            }
            let spread = (covariance(first, first) * covariance(second, second)).sqrt();
            if spread > 1e-12 {
                (covariance(first, second) / spread).clamp(-1.0, 1.0)
            } else {
                0.0
            }
        };
        let correlations: Vec<Vec<f64>> = (0..voters)
            .map(|first| {
                (0..voters)
                    .map(|second| correlation(first, second))
                    .collect()
            })
            .collect();
        let pairs: Vec<f64> = correlations
            .iter()
            .enumerate()
            .flat_map(|(first, row)| row.iter().skip(first + 1).copied())
            .collect();
        let mean = if pairs.is_empty() {
            0.0
        } else {
            pairs.iter().sum::<f64>() / pairs.len() as f64
        };
        Agreement {
            correlations,
            mean,
            effective: effective_votes(voters, mean),
        }
    }
}

/// n / (1 + (n - 1) mean correlation), between 0 and n: contrarians are not more than independent.
pub fn effective_votes(voters: usize, mean_correlation: f64) -> f64 {
    let voters = voters as f64;
    voters / (1.0 + (voters - 1.0).max(0.0) * mean_correlation.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_one_vote_and_strangers_are_many() {
        use Direction::{Long, Short};
        let ways = [None, Some(Long), Some(Short)];
        let mut counts = VoteCounts::new(4);
        for n in 0..9 {
            let (first, second) = (ways[n % 3], ways[n / 3]);
            counts.add(&[first, first, second, Some(Long)]);
        }
        let agreement = counts.agreement();
        assert!((agreement.correlations[0][1] - 1.0).abs() < 1e-12);
        assert!(agreement.correlations[0][2].abs() < 1e-12);
        // Who always votes the same says nothing.
        assert!(agreement.correlations[0][3].abs() < 1e-12);
        assert!((agreement.mean - 1.0 / 6.0).abs() < 1e-12);
        assert!((agreement.effective - 4.0 / 1.5).abs() < 1e-12);
        assert!((effective_votes(5, 0.17) - 2.976).abs() < 1e-3);
        assert!((effective_votes(5, 1.0) - 1.0).abs() < 1e-12);
        assert!((VoteCounts::new(0).agreement().effective).abs() < 1e-12);
    }
}
