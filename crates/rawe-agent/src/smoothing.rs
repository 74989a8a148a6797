//! The two filters of which every expert is built: the exponential mean, and the sign a signal has
//! earned by its own record. Both run on market time and look at the past only.

use chrono::TimeDelta;
use rawe_core::Timestamp;
use serde::{Deserialize, Serialize};

/// Half-life of the record behind a learned sign, in days.
pub const SIGN_HALF_LIFE_DAYS: f64 = 60.0;
/// For so many days of its record a learned sign is 0.
pub const SIGN_SILENT_DAYS: i64 = 60;

/// Clips to -1..1; what is not a number becomes 0.
pub fn clip(value: f64) -> f64 {
    clip_to(value, 1.0)
}

/// Clips to -limit..limit; what is not a number becomes 0.
pub fn clip_to(value: f64, limit: f64) -> f64 {
    if value.is_nan() {
        0.0
    } else {
        value.clamp(-limit, limit)
    }
}

/// -1, 0 or +1; 0 for 0 and for what is not a number.
pub fn sign(value: f64) -> f64 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        0.0
    }
}

/// Hours from `from` to `to`, 0 if it is negative.
pub(crate) fn hours_between(from: Timestamp, to: Timestamp) -> f64 {
    ((to - from).num_milliseconds() as f64 / 3_600_000.0).max(0.0)
}

/// E_h of the specification: the mean of all values so far, each weighted 2^(-age / h).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExponentialMean {
    half_life_hours: f64,
    numerator: f64,
    denominator: f64,
    last: Option<Timestamp>,
}

impl ExponentialMean {
    /// An empty mean with the given half-life in hours of market time, above 0.
    pub fn new(half_life_hours: f64) -> Self {
        Self {
            half_life_hours,
            numerator: 0.0,
            denominator: 0.0,
            last: None,
        }
    }

    /// Adds a value observed at `at` and returns the mean including it.
    pub fn push(&mut self, at: Timestamp, value: f64) -> f64 {
        if let Some(last) = self.last {
            let decay = (-hours_between(last, at) / self.half_life_hours).exp2();
            self.numerator *= decay;
            self.denominator *= decay;
        }
        self.last = Some(at);
        self.numerator += value;
        self.denominator += 1.0;
        self.numerator / self.denominator
    }

    /// Adds a value if there is one. A missing value is skipped, and the mean is then not given:
    /// an expert does not speak on a block that is missing now.
    pub fn push_known(&mut self, at: Timestamp, value: Option<f64>) -> Option<f64> {
        value
            .filter(|value| value.is_finite())
            .map(|value| self.push(at, value))
    }

    /// The mean so far, `None` before the first value.
    pub fn value(&self) -> Option<f64> {
        (self.denominator > 0.0).then(|| self.numerator / self.denominator)
    }
}

/// q of the specification: the sign of a raw signal's own gross profit per unit of sigma (its
/// previous value times the return that followed, in sigmas; exponential mean), 0 at first.
///
/// Whether to follow or to fade a signal is thus learned per asset, never hard-coded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LearnedSign {
    profit: ExponentialMean,
    silent: TimeDelta,
    first: Option<Timestamp>,
    previous: Option<f64>,
}

impl LearnedSign {
    /// A sign with the given half-life of its record, silent for its first `silent_days`.
    pub fn new(half_life_days: f64, silent_days: i64) -> Self {
        Self {
            profit: ExponentialMean::new(half_life_days * 24.0),
            silent: TimeDelta::days(silent_days),
            first: None,
            previous: None,
        }
    }

    /// Takes note of the raw signal at `at` and of the return, in sigmas, since the previous scan;
    /// returns the sign to apply to `raw` now.
    pub fn step(&mut self, at: Timestamp, raw: Option<f64>, return_in_sigmas: Option<f64>) -> f64 {
        if let (Some(previous), Some(earned)) = (self.previous, return_in_sigmas)
            && earned.is_finite()
        {
            self.profit.push(at, previous * earned);
        }
        self.previous = raw;
        if raw.is_some() && self.first.is_none() {
            self.first = Some(at);
        }
        match self.first {
            Some(first) if at - first >= self.silent => sign(self.profit.value().unwrap_or(0.0)),
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeZone, Utc};
    use proptest::prelude::*;

    fn hour(n: i64) -> Timestamp {
        Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap() + TimeDelta::hours(n)
    }

    #[test]
    fn one_half_life_halves_the_weight() {
        let mut mean = ExponentialMean::new(6.0);
        assert!((mean.push(hour(0), 3.0) - 3.0).abs() < 1e-12);
        // Weights 0.5 and 1.
        assert!((mean.push(hour(6), 0.0) - 1.0).abs() < 1e-12);
        assert_eq!(mean.push_known(hour(7), None), None);
        // The skipped hour still counts as time: weights 0.25, 0.5 and 1.
        assert!((mean.push(hour(12), 0.0) - 3.0 / 7.0).abs() < 1e-12);
    }

    #[test]
    fn a_learned_sign_is_silent_then_follows_its_record() {
        for (pays, expected) in [(1.0, 1.0), (-1.0, -1.0), (0.0, 0.0)] {
            let mut learned = LearnedSign::new(60.0, 60);
            for n in 0..60 * 24 {
                assert!(
                    sign(learned.step(hour(n), Some(0.5), Some(pays))).abs() < 0.5,
                    "hour {n}"
                );
            }
            let learnt = learned.step(hour(60 * 24), Some(0.5), Some(pays));
            assert!((learnt - expected).abs() < 1e-12);
        }
    }

    proptest! {
        #[test]
        fn a_mean_stays_within_its_values(
            values in proptest::collection::vec((-4.0_f64..4.0, 0_i64..50), 1..60),
            half_life in 0.5_f64..200.0,
        ) {
            let mut mean = ExponentialMean::new(half_life);
            let (mut low, mut high, mut now) = (f64::MAX, f64::MIN, 0);
            for (value, wait) in values {
                now += wait;
                low = low.min(value);
                high = high.max(value);
                let mean = mean.push(hour(now), value);
                prop_assert!(low - 1e-9 <= mean && mean <= high + 1e-9);
            }
        }
    }
}
