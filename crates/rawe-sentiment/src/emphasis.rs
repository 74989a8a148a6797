//! How much each hashed word is made of before training: words that stand on one side only are
//! stretched by their log-count ratio (the "NB-SVM" of Wang and Manning 2012), half of the way.

use crate::features::{self, Features, compact};

/// How far values are moved towards the ratio: 0 not at all, 1 all the way.
const SHARE: f64 = 0.5;

/// The factor of every dimension, from which rows of one class and of the others have it.
pub(crate) fn factors(rows: &[&Features], positive: &[bool]) -> Vec<f32> {
    // One count more on either side than there is: the unseen is not impossible.
    let mut counts = vec![(1.0, 1.0); features::HASHED];
    let mut sums = (features::HASHED as f64, features::HASHED as f64);
    for (row, positive) in rows.iter().zip(positive) {
        for (place, _) in *row {
            let Some((inside, outside)) = counts.get_mut(*place as usize) else {
                continue;
            };
            let (count, sum) = if *positive {
                (inside, &mut sums.0)
            } else {
                (outside, &mut sums.1)
            };
            *count += 1.0;
            *sum += 1.0;
        }
    }
    let ratio = |(inside, outside): (f64, f64)| ((inside / sums.0) / (outside / sums.1)).ln().abs();
    let factors = counts
        .into_iter()
        .map(|c| compact(1.0 - SHARE + SHARE * ratio(c)));
    factors.chain([1.0; features::EXTRA]).collect()
}

/// The rows with every value times its factor.
pub(crate) fn apply(rows: &[&Features], factors: &[f32]) -> Vec<Features> {
    let scaled = |(place, value): &(u32, f32)| {
        let factor = factors.get(*place as usize).copied().unwrap_or(1.0);
        (*place, value * factor)
    };
    rows.iter()
        .map(|row| row.iter().map(scaled).collect())
        .collect()
}
