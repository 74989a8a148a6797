//! Statistics of a series in time order: means with Newey-West errors, Sharpe ratio, drawdown,
//! alpha over a benchmark.

/// Arithmetic mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Sample standard deviation (n - 1); `None` below two values.
pub fn deviation(values: &[f64]) -> Option<f64> {
    let centre = mean(values).filter(|_| values.len() >= 2)?;
    let squares: f64 = values.iter().map(|v| (v - centre).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// Annualised Sharpe ratio of returns of equal periods: mean / deviation × sqrt(periods a year);
/// `None` where nothing varies.
pub fn sharpe(returns: &[f64], periods_per_year: f64) -> Option<f64> {
    let spread = deviation(returns).filter(|spread| *spread > 1e-15)?;
    Some(mean(returns)? / spread * periods_per_year.sqrt())
}

/// The Sharpe ratio from the count, sum and sum of squares of returns, for bootstraps.
pub fn sharpe_of_sums(count: usize, sum: f64, squares: f64, periods_per_year: f64) -> Option<f64> {
    let count_f = count as f64;
    let variance = (squares - sum * sum / count_f) / (count_f - 1.0);
    (count >= 2 && variance > 1e-30)
        .then(|| sum / count_f / variance.sqrt() * periods_per_year.sqrt())
}

/// The deepest fall of the running sum of returns from its highest point so far (0 at the start).
pub fn drawdown(returns: &[f64]) -> f64 {
    let (mut sum, mut top, mut deepest) = (0.0_f64, 0.0_f64, 0.0_f64);
    for value in returns {
        sum += value;
        top = top.max(sum);
        deepest = deepest.max(top - sum);
    }
    deepest
}

/// Long-run variance of centred values, Bartlett weights 1 - j / (lags + 1) (Newey and West 1987).
fn long_run_variance(values: &[f64], lags: usize) -> f64 {
    let count = values.len() as f64;
    let covariance = |lag: usize| -> f64 {
        let later = values.iter().skip(lag);
        values.iter().zip(later).map(|(a, b)| a * b).sum::<f64>() / count
    };
    let weight = |lag: usize| 1.0 - lag as f64 / (lags as f64 + 1.0);
    let rest: f64 = (1..=lags.min(values.len().saturating_sub(1)))
        .map(|lag| 2.0 * weight(lag) * covariance(lag))
        .sum();
    covariance(0) + rest
}

/// t of the mean with Newey-West errors over `lags` lags; `None` where the error is 0.
pub fn newey_west_t(values: &[f64], lags: usize) -> Option<f64> {
    let centre = mean(values).filter(|_| values.len() >= 2)?;
    let centred: Vec<f64> = values.iter().map(|v| v - centre).collect();
    let error = (long_run_variance(&centred, lags) / values.len() as f64).sqrt();
    (error > 1e-15).then(|| centre / error)
}

/// A regression on one benchmark.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alpha {
    /// Mean return that the benchmark does not explain, per period.
    pub alpha: f64,
    /// Slope on the benchmark.
    pub beta: f64,
    /// t of `alpha`, Newey-West.
    pub t: f64,
}

/// Alpha of `returns` over `benchmark` by least squares, its error by Newey-West; `None` where the
/// benchmark does not vary.
pub fn alpha(returns: &[f64], benchmark: &[f64], lags: usize) -> Option<Alpha> {
    let (mean_y, mean_x) = (mean(returns)?, mean(benchmark)?);
    let (mut xy, mut xx) = (0.0, 0.0);
    for (y, x) in returns.iter().zip(benchmark) {
        xy += (x - mean_x) * (y - mean_y);
        xx += (x - mean_x).powi(2);
    }
    if xx <= 1e-18 || returns.len() != benchmark.len() {
        return None;
    }
    let beta = xy / xx;
    let alpha = mean_y - beta * mean_x;
    let count = returns.len() as f64;
    // The error of the intercept: u_t weighed by 1 - mean_x (x_t - mean_x) / variance.
    let variance = xx / count;
    let scores: Vec<f64> = returns
        .iter()
        .zip(benchmark)
        .map(|(y, x)| (y - alpha - beta * x) * (1.0 - mean_x * (x - mean_x) / variance))
        .collect();
    let error = (long_run_variance(&scores, lags) / count).sqrt();
    (error > 1e-15).then(|| Alpha {
        alpha,
        beta,
        t: alpha / error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_by_hand() {
        let returns = [0.01, -0.02, 0.03, 0.0];
        assert!((mean(&returns).unwrap() - 0.005).abs() < 1e-15);
        // Squares of the distances: 25 + 625 + 625 + 25 = 1300 (in 1e-6), over 3.
        assert!((deviation(&returns).unwrap() - (1300e-6_f64 / 3.0).sqrt()).abs() < 1e-15);
        let ratio = 0.005 / (1300e-6_f64 / 3.0).sqrt() * 365f64.sqrt();
        assert!((sharpe(&returns, 365.0).unwrap() - ratio).abs() < 1e-12);
        let sums = sharpe_of_sums(4, 0.02, 0.0014, 365.0).unwrap();
        assert!((sums - ratio).abs() < 1e-9);
        assert!((drawdown(&[0.1, -0.05, -0.1, 0.2, -0.01]) - 0.15).abs() < 1e-12);
        assert!((drawdown(&[-0.2, 0.1]) - 0.2).abs() < 1e-12);
        assert_eq!(sharpe(&[0.1, 0.1], 252.0), None);
        assert_eq!(mean(&[]), None);
    }

    #[test]
    fn newey_west_by_hand() {
        let values = [1.0, 2.0, 4.0, 1.0];
        // Centred -1, 0, 2, -1: gamma0 = 6/4, gamma1 = (0 + 0 - 2)/4, weight 1/2.
        let variance = 1.5 + 2.0 * 0.5 * -0.5;
        let expected = 2.0 / (variance / 4.0_f64).sqrt();
        assert!((newey_west_t(&values, 1).unwrap() - expected).abs() < 1e-12);
        // Without lags it is the plain t with n instead of n - 1.
        let plain = 2.0 / (1.5 / 4.0_f64).sqrt();
        assert!((newey_west_t(&values, 0).unwrap() - plain).abs() < 1e-12);
        assert_eq!(newey_west_t(&[1.0, 1.0], 1), None);
    }

    #[test]
    fn alpha_of_a_line_with_noise() {
        let benchmark = [1.0, -1.0, 2.0, -2.0, 0.5, -0.5];
        let noise = [0.1, -0.1, -0.1, 0.1, 0.0, 0.0];
        let returns: Vec<f64> = benchmark
            .iter()
            .zip(noise)
            .map(|(x, e)| 0.3 + 0.5 * x + e)
            .collect();
        let found = alpha(&returns, &benchmark, 0).unwrap();
        assert!((found.alpha - 0.3).abs() < 0.02 && (found.beta - 0.5).abs() < 0.05);
        assert!(found.t > 5.0);
        assert_eq!(alpha(&[1.0, 2.0], &[1.0, 1.0], 0), None);
    }

    proptest! {
        #[test]
        fn scale_does_not_matter(
            values in proptest::collection::vec(-1.0_f64..1.0, 3..60), scale in 0.1_f64..10.0,
        ) {
            let scaled: Vec<f64> = values.iter().map(|v| v * scale).collect();
            if let (Some(one), Some(other)) = (sharpe(&values, 365.0), sharpe(&scaled, 365.0)) {
                prop_assert!((one - other).abs() < 1e-6 * (1.0 + one.abs()));
            }
            if let (Some(one), Some(other)) = (newey_west_t(&values, 2), newey_west_t(&scaled, 2)) {
                prop_assert!((one - other).abs() < 1e-6 * (1.0 + one.abs()));
            }
            prop_assert!(drawdown(&values) >= 0.0);
        }
    }
}
