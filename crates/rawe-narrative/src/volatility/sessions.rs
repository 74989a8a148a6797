//! The past of one asset by session: hourly bars are gathered into sessions, and of each complete
//! session the range, the return and the volume are kept. What only prices say of the coming
//! session's range (the HAR terms) is read from here.

use std::collections::VecDeque;

use rawe_core::calendar::{MarketCalendar, new_york_date};
use rawe_core::{AssetClass, Bar, Timeframe, Timestamp};
use serde::{Deserialize, Serialize};

use crate::compact;

/// Sessions kept of an asset.
pub(super) const SESSIONS_MAX: usize = 66;
/// The fewest sessions for a forecast.
pub(super) const SESSIONS_MIN: usize = 22;
/// Sessions over which returns and volumes are scaled.
const SCALE_SESSIONS: usize = 60;
/// Ranges and returns below this share count as this: a price that does not move has no logarithm.
const MOVE_MIN: f64 = 1e-4;
/// ln(high/low − 1) is at most this.
const LOG_RANGE_MAX: f64 = 2.0;
/// Standardised returns and volumes are clipped to this.
const Z_MAX: f64 = 4.0;
/// Terms that one asset's own prices give.
pub(super) const OWN_TERMS: usize = 8;

/// Number of the session's day: New York's for stocks, of the UTC day for crypto. A bar that ends
/// at midnight UTC belongs to the day before.
pub(super) fn day_of_bar(class: AssetClass, end: Timestamp) -> i64 {
    match class {
        AssetClass::UsEquity => day_number(new_york_date(end)),
        AssetClass::Crypto => (end.timestamp() - 1).div_euclid(86_400),
    }
}

pub(super) fn day_number(date: chrono::NaiveDate) -> i64 {
    i64::from(chrono::Datelike::num_days_from_ce(&date))
}

/// What is kept of a complete session.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Session {
    day: i64,
    /// ln(high/low − 1).
    log_range: f32,
    /// Log return from the session before.
    log_return: f32,
    log_volume: f32,
}

/// A session of which bars come in.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Running {
    day: i64,
    last_end: Timestamp,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
}

/// The sessions of one asset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sessions {
    complete: VecDeque<Session>,
    running: Option<Running>,
    /// Close of the newest complete session.
    close: Option<f64>,
}

impl Sessions {
    /// Takes in a sane bar. Bars of stocks outside regular hours are passed over.
    pub(super) fn apply(&mut self, class: AssetClass, bar: &Bar) {
        if class == AssetClass::UsEquity && bar.timeframe == Timeframe::Hour {
            let session = MarketCalendar::nyse().session(new_york_date(bar.end));
            if !session.is_some_and(|s| s.open < bar.end && bar.end <= s.close) {
                return;
            }
        }
        let day = day_of_bar(class, bar.end);
        self.complete_before(day);
        if self.complete.back().is_some_and(|last| day <= last.day) {
            return;
        }
        let fresh = Running {
            day,
            last_end: bar.end,
            high: bar.high,
            low: bar.low,
            close: bar.close,
            volume: bar.volume,
        };
        match &mut self.running {
            Some(running) if running.day > day => {}
            Some(running) if running.day == day && bar.timeframe == Timeframe::Hour => {
                running.high = running.high.max(bar.high);
                running.low = running.low.min(bar.low);
                if bar.end > running.last_end {
                    running.last_end = bar.end;
                    running.close = bar.close;
                    running.volume += bar.volume;
                }
            }
            running => *running = Some(fresh),
        }
    }

    /// The running session is over if its day is before `day`.
    pub(super) fn complete_before(&mut self, day: i64) {
        let Some(running) = self.running.filter(|running| running.day < day) else {
            return;
        };
        self.running = None;
        let log_return = self
            .close
            .map_or(0.0, |before| (running.close / before).ln());
        let log_range = (running.high / running.low - 1.0).max(MOVE_MIN).ln();
        self.close = Some(running.close);
        self.complete.push_back(Session {
            day: running.day,
            log_range: compact(log_range.min(LOG_RANGE_MAX)),
            log_return: compact(log_return.clamp(-Z_MAX, Z_MAX)),
            log_volume: compact(running.volume.max(1.0).ln()),
        });
        while self.complete.len() > SESSIONS_MAX {
            self.complete.pop_front();
        }
    }

    /// Day, range and return of the newest complete session.
    pub(super) fn newest(&self) -> Option<(i64, f64, f64)> {
        let last = self.complete.back()?;
        Some((
            last.day,
            f64::from(last.log_range),
            f64::from(last.log_return),
        ))
    }

    /// Day and range of the complete sessions, newest first.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (i64, f64)> {
        let sessions = self.complete.iter().rev();
        sessions.map(|session| (session.day, f64::from(session.log_range)))
    }

    /// The mean range of the last `count` sessions; of all, if there are fewer.
    pub(super) fn mean_range(&self, count: usize) -> f64 {
        mean(self.ranges().take(count).map(|(_, range)| range))
    }

    /// Ranges of 1, 5, 22 and 66 sessions, ln|r|, z of the volume, |z of r|, min(z of r, 0).
    pub(super) fn terms(&self) -> Option<[f64; OWN_TERMS]> {
        if self.complete.len() < SESSIONS_MIN {
            return None;
        }
        let last = self.complete.back()?;
        let past = || self.complete.iter().rev().skip(1).take(SCALE_SESSIONS);
        let log_return = f64::from(last.log_return);
        let spread = deviation(past().map(|s| f64::from(s.log_return)));
        let return_z = (log_return / spread.max(MOVE_MIN)).clamp(-Z_MAX, Z_MAX);
        let volumes = || past().map(|s| f64::from(s.log_volume));
        let surprise = f64::from(last.log_volume) - mean(volumes());
        let volume_z = (surprise / deviation(volumes()).max(MOVE_MIN)).clamp(-Z_MAX, Z_MAX);
        Some([
            f64::from(last.log_range),
            self.mean_range(5),
            self.mean_range(22),
            self.mean_range(SESSIONS_MAX),
            log_return.abs().max(MOVE_MIN).ln(),
            volume_z,
            return_z.abs(),
            return_z.min(0.0),
        ])
    }
}

/// 0 of nothing.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(s, n), value| (s + value, n + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

fn deviation(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let centre = mean(values.clone());
    mean(values.map(|value| (value - centre).powi(2))).sqrt()
}
