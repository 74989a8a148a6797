//! Abnormal values: z against the asset's own past at the same time of day, clipped to ±4.
//!
//! Intraday: the same slot of the day over the last 30 days, at least 10 observations. Daily: the
//! last 60 sessions, at least 20. The present value is never part of its own comparison.

use std::collections::{BTreeMap, VecDeque};

use chrono::TimeDelta;
use rawe_core::Timestamp;
use serde::{Deserialize, Serialize};

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

/// When an observation was made.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Made(#[serde(with = "crate::snapshot::instant")] Timestamp);

/// The observations of one slot of the day: times, and `width` values of each in a row.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Slot {
    times: VecDeque<Made>,
    values: VecDeque<f64>,
}

impl Slot {
    fn forget_first(&mut self, width: usize) {
        self.times.pop_front();
        self.values.drain(..width.min(self.values.len()));
    }

    fn forget_last(&mut self, width: usize) {
        self.times.pop_back();
        self.values
            .truncate(self.values.len().saturating_sub(width));
    }
}

/// The past of some values that are scanned together, always as many.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Seasonal {
    slots: BTreeMap<u16, Slot>,
}

/// The key of the daily history: not a minute of a day.
const DAILY_SLOT: u16 = u16::MAX;

impl Seasonal {
    /// The z of `values` at `instant` against the past into `scores`, which stays empty while the
    /// past is too short; then keeps the values as an observation.
    pub(crate) fn score(
        &mut self,
        instant: Timestamp,
        cadence: Cadence,
        values: &[f64],
        scores: &mut Vec<f64>,
    ) {
        scores.clear();
        let width = values.len();
        let (key, least) = match cadence {
            Cadence::Intraday(slot) => (slot, INTRADAY_MIN),
            Cadence::Daily => (DAILY_SLOT, DAILY_MIN),
        };
        let slot = self.slots.entry(key).or_default();
        match cadence {
            Cadence::Intraday(_) => {
                let oldest = instant - TimeDelta::days(INTRADAY_DAYS);
                while slot.times.front().is_some_and(|made| made.0 < oldest) {
                    slot.forget_first(width);
                }
            }
            Cadence::Daily => {
                // A second scan of the same day replaces nothing and is not compared with itself.
                let day = rawe_core::calendar::new_york_date(instant);
                let known = |at: Timestamp| rawe_core::calendar::new_york_date(at) == day;
                if slot.times.back().is_some_and(|made| known(made.0)) {
                    slot.forget_last(width);
                }
                while slot.times.len() > DAILY_SESSIONS {
                    slot.forget_first(width);
                }
            }
        }
        if slot.times.len() >= least {
            let past = |place| slot.values.iter().skip(place).step_by(width).copied();
            scores.extend(values.iter().zip(0..).map(|(value, i)| z(*value, past(i))));
        }
        slot.times.push_back(Made(instant));
        slot.values.extend(values);
        while slot.times.len() > SLOT_ROWS_MAX {
            slot.forget_first(width);
        }
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

    /// The z of one value.
    fn score(seasonal: &mut Seasonal, at: Timestamp, cadence: Cadence, value: f64) -> Option<f64> {
        let mut scores = Vec::new();
        seasonal.score(at, cadence, &[value], &mut scores);
        assert!(scores.len() < 2);
        scores.first().copied()
    }

    #[test]
    fn values_scored_together_do_not_mix() {
        let start = Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap();
        let factors = [3, 4, 5];
        let (mut together, mut scores) = (Seasonal::default(), Vec::new());
        let mut alone: [Seasonal; 3] = Default::default();
        for day in 0..50 {
            let at = start + TimeDelta::days(day);
            let values = factors.map(|factor| ((day * factor) % 7) as f64);
            together.score(at, Cadence::Intraday(0), &values, &mut scores);
            for (place, seasonal) in alone.iter_mut().enumerate() {
                let own = score(seasonal, at, Cadence::Intraday(0), values[place]);
                assert_eq!(scores.get(place).copied(), own, "day {day}");
            }
        }
        assert_eq!(scores.len(), 3);
    }

    #[test]
    fn intraday_z_uses_its_own_slot_and_thirty_days() {
        let start = Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap();
        let mut seasonal = Seasonal::default();
        let value = |day: i32| f64::from((day * 7) % 11) * 0.1;
        for day in 0..40 {
            let at = start + TimeDelta::days(i64::from(day));
            // Another slot must not matter.
            score(
                &mut seasonal,
                at + TimeDelta::hours(1),
                Cadence::Intraday(60),
                1e9 * f64::from(day),
            );
            let got = score(&mut seasonal, at, Cadence::Intraday(0), value(day));
            let past: Vec<f64> = ((day - 30).max(0)..day).map(value).collect();
            if past.len() < 10 {
                assert_eq!(got, None, "day {day}");
                continue;
            }
            let mean = past.iter().sum::<f64>() / past.len() as f64;
            let deviation = (past.iter().map(|v| (v - mean).powi(2)).sum::<f64>()
                / (past.len() - 1) as f64)
                .sqrt();
            assert!((got.unwrap() - (value(day) - mean) / deviation).abs() < 1e-9);
        }
    }

    #[test]
    fn daily_z_needs_twenty_sessions_and_counts_a_day_once() {
        let start = Utc.with_ymd_and_hms(2020, 1, 1, 15, 0, 0).unwrap();
        let mut seasonal = Seasonal::default();
        for day in 0..80 {
            let at = start + TimeDelta::days(day);
            let value = if day % 2 == 0 { 1.0 } else { -1.0 };
            let got = score(&mut seasonal, at, Cadence::Daily, value);
            let again = score(
                &mut seasonal,
                at + TimeDelta::hours(1),
                Cadence::Daily,
                value,
            );
            assert_eq!(got, again, "day {day}");
            assert_eq!(got.is_some(), day >= 20, "day {day}");
        }
        let slot = seasonal.slots.get(&DAILY_SLOT).unwrap();
        assert_eq!((slot.times.len(), slot.values.len()), (61, 61));
    }

    #[test]
    fn a_past_without_change_gives_zero_and_extremes_are_clipped() {
        assert!(z(5.0, [1.0; 10].into_iter()).abs() < 1e-15);
        assert!((z(99.0, [0.0, 1.0, 0.0, 1.0].into_iter()) - Z_MAX).abs() < 1e-15);
        assert!((z(-99.0, [0.0, 1.0, 0.0, 1.0].into_iter()) + Z_MAX).abs() < 1e-15);
    }
}
