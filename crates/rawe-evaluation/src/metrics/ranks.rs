//! Ranks with ties and the correlations that use them.

/// Ranks from 1, ties sharing the mean of theirs. Values that are not finite must not come in.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<(f64, usize)> = values.iter().copied().zip(0..).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut ranked = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|a, b| (a.0 - b.0).abs() <= 0.0) {
        let rank = before as f64 + f64::midpoint(1.0, tied.len() as f64);
        for (_, place) in tied {
            if let Some(slot) = ranked.get_mut(*place) {
                *slot = rank;
            }
        }
        before += tied.len();
    }
    ranked
}

/// Pearson correlation of two columns of one length, -1..1; `None` where one does not vary.
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let count = x.len().min(y.len());
    let mean = |values: &[f64]| values.iter().take(count).sum::<f64>() / count as f64;
    let (mean_x, mean_y) = (mean(x), mean(y));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        let (a, b) = (a - mean_x, b - mean_y);
        xy += a * b;
        xx += a * a;
        yy += b * b;
    }
    let scale = (xx * yy).sqrt();
    (count >= 2 && scale > 1e-30).then(|| (xy / scale).clamp(-1.0, 1.0))
}

/// Spearman rank correlation, ties sharing their mean rank; `None` where one does not vary.
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    pearson(&ranks(x), &ranks(y))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn agrees_with_values_by_hand_and_scipy() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
        // Mid-ranks 1, 2.5, 2.5, 4, 5 and 2, 1, 3.5, 3.5, 5; scipy's spearmanr says the same.
        let found = spearman(&[1.0, 2.0, 2.0, 4.0, 5.0], &[2.0, 1.0, 4.0, 4.0, 5.0]).unwrap();
        assert!((found - 7.25 / 9.5).abs() < 1e-12, "{found}");
        let found = pearson(&[1.0, 2.0, 3.0, 4.0], &[1.0, 3.0, 2.0, 5.0]).unwrap();
        assert!((found - 5.5 / (5.0_f64 * 8.75).sqrt()).abs() < 1e-12);
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(spearman(&[], &[]), None);
    }

    proptest! {
        #[test]
        fn only_the_order_matters(
            rows in proptest::collection::vec((-50_i32..50, -50_i32..50), 2..60),
        ) {
            let x: Vec<f64> = rows.iter().map(|(a, _)| f64::from(*a)).collect();
            let y: Vec<f64> = rows.iter().map(|(_, b)| f64::from(*b)).collect();
            prop_assert!((ranks(&x).iter().sum::<f64>()
                - (rows.len() * (rows.len() + 1)) as f64 / 2.0).abs() < 1e-9);
            if let Some(found) = spearman(&x, &y) {
                prop_assert!((-1.0..=1.0).contains(&found));
                let bent: Vec<f64> = x.iter().map(|a| (a / 20.0).exp()).collect();
                prop_assert!((spearman(&bent, &y).unwrap() - found).abs() < 1e-9);
                let turned: Vec<f64> = y.iter().map(|b| -b).collect();
                prop_assert!((spearman(&x, &turned).unwrap() + found).abs() < 1e-9);
            }
        }
    }
}
