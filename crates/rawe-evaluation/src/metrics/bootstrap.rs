//! Circular block bootstrap (Politis and Romano 1992) of statistics that are functions of sums, so
//! that one draw costs as many steps as there are blocks, however long they are. Seeded: the same
//! rows give the same interval on every machine.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How many times the rows are drawn.
pub const DRAWS: usize = 2_000;
/// The seed of every interval.
const SEED: u64 = 0x5241_5745;
/// Below this many blocks' worth of rows there is no interval.
const BLOCKS_MIN: usize = 3;

/// The middle 95 % of a statistic over the draws.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The 2.5th percentile.
    pub low: f64,
    /// The 97.5th percentile.
    pub high: f64,
}

/// The 95 % interval of `statistic` of the column sums of `rows`, by drawing circular blocks of
/// `block` rows with replacement until the length is met. `None` for fewer than three blocks.
pub fn circular_blocks<const K: usize>(
    rows: &[[f64; K]],
    block: usize,
    statistic: impl Fn(&[f64; K], usize) -> Option<f64>,
) -> Option<Interval> {
    let count = rows.len();
    if block == 0 || count < block.saturating_mul(BLOCKS_MIN) {
        return None;
    }
    let sums = prefix_sums(rows);
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut values: Vec<f64> = (0..DRAWS)
        .filter_map(|_| {
            let mut drawn = [0.0; K];
            let mut left = count;
            while left > 0 {
                let length = left.min(block);
                let start = random.random_range(0..count);
                add_range(&mut drawn, &sums, start, start + length, count);
                left -= length;
            }
            statistic(&drawn, count).filter(|value| value.is_finite())
        })
        .collect();
    values.sort_by(f64::total_cmp);
    Some(Interval {
        low: quantile(&values, 0.025)?,
        high: quantile(&values, 0.975)?,
    })
}

/// Sums of the first 0, 1, 2, ... rows.
fn prefix_sums<const K: usize>(rows: &[[f64; K]]) -> Vec<[f64; K]> {
    let mut running = [0.0; K];
    let mut sums = vec![running];
    for row in rows {
        for (sum, value) in running.iter_mut().zip(row) {
            *sum += value;
        }
        sums.push(running);
    }
    sums
}

/// Adds the rows `start..end` of the circle of `count` rows; `start` is below `count`.
fn add_range<const K: usize>(
    total: &mut [f64; K],
    sums: &[[f64; K]],
    start: usize,
    end: usize,
    count: usize,
) {
    let mut add = |from: usize, to: usize| {
        if let (Some(low), Some(high)) = (sums.get(from), sums.get(to)) {
            for ((total, low), high) in total.iter_mut().zip(low).zip(high) {
                *total += high - low;
            }
        }
    };
    add(start, end.min(count));
    if end > count {
        add(0, end - count);
    }
}

/// The quantile of sorted values by linear interpolation; `None` of nothing.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = share.clamp(0.0, 1.0) * last as f64;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place within the values"
    )]
    let below = place.floor() as usize;
    let low = *sorted.get(below)?;
    let high = sorted.get(below + 1).copied().unwrap_or(low);
    Some(low + (high - low) * (place - below as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mean_of(rows: &[f64], block: usize) -> Option<Interval> {
        let rows: Vec<[f64; 1]> = rows.iter().map(|value| [*value]).collect();
        circular_blocks(&rows, block, |sum, count| Some(sum[0] / count as f64))
    }

    #[test]
    fn the_interval_of_a_mean_is_as_wide_as_theory_says() {
        // 400 alternating values of deviation 1: independent in blocks of 1.
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let values: Vec<f64> = (0..400)
            .map(|_| {
                if random.random_range(0..2) == 0 {
                    -1.0
                } else {
                    1.0
                }
            })
            .collect();
        let found = mean_of(&values, 1).unwrap();
        let width = found.high - found.low;
        // 2 x 1.96 / sqrt 400
        assert!((width - 0.196).abs() < 0.02, "{width}");
        assert_eq!(mean_of(&values, 1), mean_of(&values, 1));
        // Runs of 20 equal values: blocks see them, single draws do not.
        let runs: Vec<f64> = values.iter().take(40).flat_map(|v| [*v; 20]).collect();
        let (alone, blocks) = (mean_of(&runs, 1).unwrap(), mean_of(&runs, 40).unwrap());
        assert!(blocks.high - blocks.low > 2.0 * (alone.high - alone.low));
    }

    #[test]
    fn too_few_rows_have_no_interval() {
        assert_eq!(mean_of(&[1.0; 50], 20), None);
        assert_eq!(mean_of(&[], 1), None);
        assert_eq!(mean_of(&[1.0; 5], 0), None);
        assert_eq!(quantile(&[], 0.5), None);
        assert!((quantile(&[1.0, 2.0, 4.0], 0.75).unwrap() - 3.0).abs() < 1e-12);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_mean_stays_within_its_values(
            values in proptest::collection::vec(-5.0_f64..5.0, 6..40), block in 1_usize..2,
        ) {
            let found = mean_of(&values, block).unwrap();
            let low = values.iter().copied().fold(f64::MAX, f64::min);
            let high = values.iter().copied().fold(f64::MIN, f64::max);
            prop_assert!(low - 1e-9 <= found.low && found.low <= found.high);
            prop_assert!(found.high <= high + 1e-9);
        }

        #[test]
        fn constants_stay_constant(value in -3.0_f64..3.0, count in 6_usize..50) {
            let found = mean_of(&vec![value; count], 2).unwrap();
            prop_assert!((found.low - value).abs() < 1e-9 && (found.high - value).abs() < 1e-9);
        }
    }
}
