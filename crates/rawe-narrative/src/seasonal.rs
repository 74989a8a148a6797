//! Abnormal values: z against the asset's own past at the same time of day, clipped to ±4.
//!
//! Intraday: the same slot of the day over the last 30 days, at least 10 observations. Daily: the
//! last 60 sessions, at least 20. The present value is never part of its own comparison.

use std::collections::VecDeque;

use chrono::TimeDelta;
use rawe_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::hash::FastMap;

/// Intraday history, days.
const INTRADAY_DAYS: i64 = 30;
/// The fewest observations for an intraday z.
const INTRADAY_MIN: usize = 10;
/// Daily history, sessions.
const DAILY_SESSIONS: usize = 60;
/// The fewest observations for a daily z.
const DAILY_MIN: usize = 20;
/// z-values are clipped to this: an unclipped one once destroyed a forecast.
pub(crate) const Z_MAX: f64 = 4.0;
/// The most observations of one slot; one a day, so this only bounds memory.
const SLOT_ROWS_MAX: usize = 64;

/// Whether a scan is one of several a day or the only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cadence {
    /// Compared with the same slot of other days. The slot is in minutes of the day.
    Intraday(u16),
    /// Compared with the last sessions; the day keeps one observation a session.
    Daily,
}

/// One scan's values and when they were taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Observation<const N: usize> {
    #[serde(with = "crate::snapshot::instant")]
    at: Timestamp,
    #[serde(with = "crate::snapshot::numbers")]
    values: [f64; N],
}

/// The past of `N` values that are scanned together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Seasonal<const N: usize> {
    slots: FastMap<u16, VecDeque<Observation<N>>>,
}

/// The key of the daily history: not a minute of a day.
const DAILY_SLOT: u16 = u16::MAX;

impl<const N: usize> Default for Seasonal<N> {
    fn default() -> Self {
        Self {
            slots: FastMap::default(),
        }
    }
}

impl<const N: usize> Seasonal<N> {
    /// The z of `values` at `instant` against the past, then keeps them as an observation.
    pub(crate) fn score(
        &mut self,
        instant: Timestamp,
        cadence: Cadence,
        values: [f64; N],
    ) -> Option<[f64; N]> {
        let (slot, least) = match cadence {
            Cadence::Intraday(slot) => (slot, INTRADAY_MIN),
            Cadence::Daily => (DAILY_SLOT, DAILY_MIN),
        };
        let rows = self.slots.entry(slot).or_default();
        match cadence {
            Cadence::Intraday(_) => {
                let oldest = instant - TimeDelta::days(INTRADAY_DAYS);
                while rows.front().is_some_and(|row| row.at < oldest) {
                    rows.pop_front();
                }
            }
            Cadence::Daily => {
                // A second scan of the same day replaces nothing and is not compared with itself.
                let day = rawe_core::calendar::new_york_date(instant);
                let known = |at: Timestamp| rawe_core::calendar::new_york_date(at) == day;
                if rows.back().is_some_and(|row| known(row.at)) {
                    rows.pop_back();
                }
                while rows.len() > DAILY_SESSIONS {
                    rows.pop_front();
                }
            }
        }
        let scores = (rows.len() >= least)
            .then(|| std::array::from_fn(|i| z(values[i], rows.iter().map(|row| row.values[i]))));
        rows.push_back(Observation {
            at: instant,
            values,
        });
        while rows.len() > SLOT_ROWS_MAX {
            rows.pop_front();
        }
        scores
    }
}

/// (value − mean) / sample deviation, clipped; 0 where the past does not vary.
fn z(value: f64, past: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = past.clone().count() as f64;
    let mean = past.clone().sum::<f64>() / count;
    let variance = past.map(|v| (v - mean) * (v - mean)).sum::<f64>() / (count - 1.0);
    let deviation = variance.max(0.0).sqrt();
    // Constant pasts differ from their mean by rounding only.
    if deviation.is_nan() || deviation <= 1e-12 * mean.abs().max(1.0) {
        return 0.0;
    }
    ((value - mean) / deviation).clamp(-Z_MAX, Z_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeZone, Utc};

    #[test]
    fn intraday_z_uses_its_own_slot_and_thirty_days() {
        let start = Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap();
        let mut seasonal = Seasonal::<1>::default();
        let value = |day: i32| f64::from((day * 7) % 11) * 0.1;
        for day in 0..40 {
            let at = start + TimeDelta::days(i64::from(day));
            // Another slot must not matter.
            seasonal.score(
                at + TimeDelta::hours(1),
                Cadence::Intraday(60),
                [1e9 * f64::from(day)],
            );
            let got = seasonal.score(at, Cadence::Intraday(0), [value(day)]);
            let past: Vec<f64> = ((day - 30).max(0)..day).map(value).collect();
            if past.len() < 10 {
                assert_eq!(got, None, "day {day}");
                continue;
            }
            let mean = past.iter().sum::<f64>() / past.len() as f64;
            let deviation = (past.iter().map(|v| (v - mean).powi(2)).sum::<f64>()
                / (past.len() - 1) as f64)
                .sqrt();
            assert!((got.unwrap()[0] - (value(day) - mean) / deviation).abs() < 1e-9);
        }
    }

    #[test]
    fn daily_z_needs_twenty_sessions_and_counts_a_day_once() {
        let start = Utc.with_ymd_and_hms(2020, 1, 1, 15, 0, 0).unwrap();
        let mut seasonal = Seasonal::<1>::default();
        for day in 0..80 {
            let at = start + TimeDelta::days(day);
            let value = if day % 2 == 0 { 1.0 } else { -1.0 };
            let got = seasonal.score(at, Cadence::Daily, [value]);
            let again = seasonal.score(at + TimeDelta::hours(1), Cadence::Daily, [value]);
            assert_eq!(got, again, "day {day}");
            assert_eq!(got.is_some(), day >= 20, "day {day}");
        }
        let rows = seasonal.slots.get(&DAILY_SLOT).unwrap();
        assert_eq!(rows.len(), 61);
    }

    #[test]
    fn a_past_without_change_gives_zero_and_extremes_are_clipped() {
        assert!(z(5.0, [1.0; 10].into_iter()).abs() < 1e-15);
        assert!((z(99.0, [0.0, 1.0, 0.0, 1.0].into_iter()) - Z_MAX).abs() < 1e-15);
        assert!((z(-99.0, [0.0, 1.0, 0.0, 1.0].into_iter()) + Z_MAX).abs() < 1e-15);
    }
}
