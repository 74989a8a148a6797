//! How the forecasts have done: decayed squared errors of HAR, of HAR with narrative terms and of
//! the mean of 22 sessions, and how sure the difference of the first two is.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Half-life of the errors, sessions.
const HALF_LIFE_SESSIONS: f64 = 60.0;
/// Sessions whose differences give t.
const DIFFERENCES_MAX: usize = 512;
/// The fewest for a t.
const DIFFERENCES_MIN: usize = 20;
/// Lags of the Newey-West variance, sessions.
const LAGS: usize = 10;

/// How the range forecasts of a class have done so far. Errors are mean squared errors of
/// ln(high/low − 1), decayed with a half-life of 60 sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VolatilityScore {
    /// Sessions scored.
    pub sessions: u64,
    /// Error of HAR.
    pub har_error: f64,
    /// Error of HAR with the narrative terms.
    pub forecast_error: f64,
    /// Error of the mean range of 22 sessions, the plain baseline.
    pub plain_error: f64,
    /// By which share the narrative forecast's error is below HAR's; negative if it is above.
    pub gain: f64,
    /// t of the difference over at most the last 512 sessions, Newey-West with 10 lags.
    pub t: Option<f64>,
}

/// Errors of one session, summed over its assets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct SessionErrors {
    pub(super) assets: f64,
    pub(super) har: f64,
    pub(super) forecast: f64,
    pub(super) plain: f64,
}

/// The running score.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct RunningScore {
    sessions: u64,
    weight: f64,
    har: f64,
    forecast: f64,
    plain: f64,
    differences: VecDeque<f64>,
}

impl RunningScore {
    /// Takes in a session; one without assets is passed over.
    pub(super) fn add(&mut self, errors: &SessionErrors) {
        if errors.assets <= 0.0 {
            return;
        }
        let decay = (-1.0 / HALF_LIFE_SESSIONS).exp2();
        let [har, forecast, plain] =
            [errors.har, errors.forecast, errors.plain].map(|sum| sum / errors.assets);
        self.weight = self.weight * decay + 1.0;
        self.har = self.har * decay + har;
        self.forecast = self.forecast * decay + forecast;
        self.plain = self.plain * decay + plain;
        self.sessions += 1;
        self.differences.push_back(har - forecast);
        while self.differences.len() > DIFFERENCES_MAX {
            self.differences.pop_front();
        }
    }

    pub(super) fn read(&self) -> VolatilityScore {
        let weight = self.weight.max(1.0);
        let gain = if self.har > 0.0 {
            1.0 - self.forecast / self.har
        } else {
            0.0
        };
        VolatilityScore {
            sessions: self.sessions,
            har_error: self.har / weight,
            forecast_error: self.forecast / weight,
            plain_error: self.plain / weight,
            gain,
            t: self.t(),
        }
    }

    fn t(&self) -> Option<f64> {
        let count = self.differences.len();
        if count < DIFFERENCES_MIN {
            return None;
        }
        let mean = self.differences.iter().sum::<f64>() / count as f64;
        let covariance = |lag: usize| {
            let later = self.differences.iter().skip(lag);
            let products = later
                .zip(&self.differences)
                .map(|(a, b)| (a - mean) * (b - mean));
            products.sum::<f64>() / count as f64
        };
        let weighted = |lag: usize| 2.0 * (1.0 - lag as f64 / (LAGS + 1) as f64) * covariance(lag);
        let variance = covariance(0) + (1..=LAGS).map(weighted).sum::<f64>();
        let t = mean / (variance / count as f64).sqrt();
        t.is_finite().then_some(t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_gain_is_counted_and_grows_sure() {
        let mut score = RunningScore::default();
        assert_eq!(score.read(), VolatilityScore::default());
        for n in 0..600_u32 {
            let noise = f64::from((n * 7_919) % 101) / 101.0 - 0.5;
            score.add(&SessionErrors {
                assets: 2.0,
                har: 2.0,
                forecast: 1.8 + 0.2 * noise,
                plain: 3.0,
            });
        }
        let read = score.read();
        assert!((read.har_error - 1.0).abs() < 1e-9 && (read.plain_error - 1.5).abs() < 1e-9);
        assert!((read.gain - 0.1).abs() < 0.02, "{read:?}");
        assert!(read.t.unwrap() > 10.0 && read.sessions == 600);
        assert_eq!(score.differences.len(), DIFFERENCES_MAX);
        score.add(&SessionErrors::default());
        assert_eq!(score.read(), read);
    }
}
