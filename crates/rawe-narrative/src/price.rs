//! What prices alone say: volatility and returns in its units. Crypto counts hours around the
//! clock, stocks (and daily bars) count sessions.

use std::collections::VecDeque;

use chrono::{DurationRound, TimeDelta};
use rawe_core::calendar::{new_york_date, new_york_midnight};
use rawe_core::{AssetClass, Bar, Timeframe, Timestamp};
use serde::{Deserialize, Serialize};

use crate::demand::MOVE_HOURS_MAX;

/// Window of the hourly deviation, hours.
const WINDOW_HOURS: usize = 168;
/// Window of the deviation in sessions.
const WINDOW_SESSIONS: usize = 20;
/// Hours in a year of a market that never closes.
const HOURS_PER_YEAR: f64 = 8_760.0;
/// Sessions in a year.
const SESSIONS_PER_YEAR: f64 = 252.0;
/// Days in a year of a market that never closes.
const DAYS_PER_YEAR: f64 = 365.0;
/// A bar a session may have at most; bounds memory.
const BARS_PER_SESSION_MAX: usize = 26;
/// A deviation below this is no volatility to divide by.
const SIGMA_MIN: f64 = 1e-9;

/// The price blocks at one instant. `None`: history too short or no movement at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PriceReading {
    pub(crate) close: Option<f64>,
    pub(crate) sigma: Option<f64>,
    pub(crate) sigma_annual: Option<f64>,
    pub(crate) return_in_sigmas: Option<f64>,
    /// The deviation over one step of a horizon: an hour, or a session.
    sigma_step: Option<f64>,
}

/// Closes by the hour that are kept: of the deviation and of the longest horizon.
const CLOSES_MAX: usize = MOVE_HOURS_MAX as usize + 1;

/// A horizon of hours in sessions: up to a day eight hours are one, beyond it a day is one, at
/// least three.
fn sessions_of(hours: u32) -> usize {
    let sessions = if hours <= 24 {
        hours.div_ceil(8)
    } else {
        hours.div_ceil(24).max(3)
    };
    sessions as usize
}

/// The closes of one asset, as far back as the blocks look.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum PriceHistory {
    /// Crypto by the hour.
    Hourly(HourlyCloses),
    /// Everything else.
    Sessions(SessionCloses),
}

impl PriceHistory {
    pub(crate) fn new(class: AssetClass, timeframe: Timeframe) -> Self {
        match (class, timeframe) {
            (AssetClass::Crypto, Timeframe::Hour) => Self::Hourly(HourlyCloses::default()),
            _ => Self::Sessions(SessionCloses::new(class, timeframe)),
        }
    }

    /// The timeframe of the bars it is made of.
    pub(crate) fn timeframe(&self) -> Timeframe {
        match self {
            Self::Hourly(_) => Timeframe::Hour,
            Self::Sessions(closes) => closes.timeframe,
        }
    }

    /// Takes in a sane bar of its timeframe. Older bars than the newest are corrections.
    pub(crate) fn apply(&mut self, bar: &Bar) {
        match self {
            Self::Hourly(closes) => closes.apply(bar.end, bar.close),
            Self::Sessions(closes) => closes.apply(bar.end, bar.close),
        }
    }

    /// The blocks at `instant`.
    pub(crate) fn read(&mut self, instant: Timestamp) -> PriceReading {
        match self {
            Self::Hourly(closes) => closes.read(instant),
            Self::Sessions(closes) => closes.read(),
        }
    }

    /// The log return over `hours` of trading time until the last read, or m of it: in units of
    /// sigma √horizon.
    pub(crate) fn moved(&self, hours: u32, in_sigmas: bool) -> Option<f64> {
        let (steps, sigma, moved) = match self {
            Self::Hourly(closes) => {
                let steps = hours as usize;
                (steps, closes.sigma, closes.log_return(steps))
            }
            Self::Sessions(closes) => {
                let steps = sessions_of(hours);
                let sigma = closes.read.and_then(|read| read.sigma_step);
                (steps, sigma, closes.log_return(steps))
            }
        };
        if in_sigmas {
            Some(moved? / (sigma? * (steps as f64).sqrt()))
        } else {
            moved
        }
    }
}

/// Closes on the hourly grid; a missing bar repeats the last close.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct HourlyCloses {
    closes: VecDeque<f64>,
    /// Hour index of the newest entry, and of the newest that a bar gave.
    last_hour: i64,
    last_bar_hour: i64,
    /// The deviation at the last read.
    sigma: Option<f64>,
}

impl HourlyCloses {
    fn apply(&mut self, end: Timestamp, close: f64) {
        let hour = hour_index(end);
        if self.closes.is_empty() {
            self.closes.push_back(close);
            (self.last_hour, self.last_bar_hour) = (hour, hour);
        } else if hour > self.last_hour {
            self.repeat_until(hour - 1);
            self.push(close);
            (self.last_hour, self.last_bar_hour) = (hour, hour);
        } else {
            self.correct(hour, close);
        }
    }

    /// A bar for an hour already passed: replaces that close and the repeats of it after it.
    fn correct(&mut self, hour: i64, close: f64) {
        let Ok(back) = usize::try_from(self.last_hour - hour) else {
            return;
        };
        let Some(place) = self.closes.len().checked_sub(back + 1) else {
            return;
        };
        let repeats_follow = hour >= self.last_bar_hour;
        for (index, value) in self.closes.iter_mut().enumerate().skip(place) {
            if index == place || repeats_follow {
                *value = close;
            }
        }
        self.last_bar_hour = self.last_bar_hour.max(hour);
    }

    fn repeat_until(&mut self, hour: i64) {
        let Some(last) = self.closes.back().copied() else {
            return;
        };
        let missing = usize::try_from(hour - self.last_hour).unwrap_or(0);
        for _ in 0..missing.min(CLOSES_MAX) {
            self.push(last);
        }
        self.last_hour = self.last_hour.max(hour);
    }

    fn push(&mut self, close: f64) {
        self.closes.push_back(close);
        while self.closes.len() > CLOSES_MAX {
            self.closes.pop_front();
        }
    }

    fn read(&mut self, instant: Timestamp) -> PriceReading {
        if self.closes.is_empty() {
            return PriceReading::default();
        }
        let now = hour_index(
            instant
                .duration_trunc(TimeDelta::hours(1))
                .unwrap_or(instant),
        );
        self.repeat_until(now);
        let mut reading = PriceReading {
            close: self.closes.back().copied(),
            ..PriceReading::default()
        };
        self.sigma = None;
        let Some(first) = self.closes.len().checked_sub(WINDOW_HOURS + 1) else {
            return reading;
        };
        let window = self.closes.iter().skip(first).copied();
        let Some(sigma) = sample_deviation(&log_returns(window)) else {
            return reading;
        };
        self.sigma = Some(sigma);
        reading.sigma = Some(sigma);
        reading.sigma_step = Some(sigma);
        reading.sigma_annual = Some(sigma * HOURS_PER_YEAR.sqrt());
        reading.return_in_sigmas = self.log_return(1).map(|r| r / sigma);
        reading
    }

    fn log_return(&self, hours: usize) -> Option<f64> {
        let now = self.closes.back()?;
        let then = self.closes.get(self.closes.len().checked_sub(hours + 1)?)?;
        Some((now / then).ln())
    }
}

/// The number of the hour that ends at `end`; ends between two hours count for the later.
fn hour_index(end: Timestamp) -> i64 {
    (end.timestamp() + 3_599).div_euclid(3_600)
}

/// One close of a market with sessions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct SessionClose {
    /// Number of the session's day.
    day: i64,
    /// Minute of the day, New York (UTC for crypto).
    minute: i64,
    #[serde(with = "crate::snapshot::instant")]
    end: Timestamp,
    close: f64,
}

/// Closes by session: one a session or several.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SessionCloses {
    class: AssetClass,
    timeframe: Timeframe,
    closes: VecDeque<SessionClose>,
    /// The blocks change with bars only, so they are worked out once a bar.
    read: Option<PriceReading>,
}

impl SessionCloses {
    fn new(class: AssetClass, timeframe: Timeframe) -> Self {
        Self {
            class,
            timeframe,
            closes: VecDeque::new(),
            read: None,
        }
    }

    fn apply(&mut self, end: Timestamp, close: f64) {
        let entry = self.entry(end, close);
        // Only a session that begins makes one too many; counting them takes a walk over all.
        let begins = self.closes.back().is_none_or(|last| last.day < entry.day);
        self.read = None;
        match self.closes.back() {
            Some(last) if entry.end <= last.end => {
                if let Some(known) = self.closes.iter_mut().find(|known| known.end == entry.end) {
                    *known = entry;
                }
            }
            _ => self.closes.push_back(entry),
        }
        let bound = (WINDOW_SESSIONS + 2) * BARS_PER_SESSION_MAX;
        while self.closes.len() > bound || (begins && self.sessions() > WINDOW_SESSIONS + 1) {
            self.closes.pop_front();
        }
    }

    fn entry(&self, end: Timestamp, close: f64) -> SessionClose {
        let midnight = match self.class {
            AssetClass::Crypto => end - TimeDelta::seconds(1),
            AssetClass::UsEquity => new_york_midnight(new_york_date(end)).unwrap_or(end),
        };
        let day = match self.class {
            AssetClass::Crypto => midnight.timestamp().div_euclid(86_400),
            AssetClass::UsEquity => {
                i64::from(chrono::Datelike::num_days_from_ce(&new_york_date(end)))
            }
        };
        SessionClose {
            day,
            minute: (end - midnight).num_minutes(),
            end,
            close,
        }
    }

    /// How many sessions are kept.
    fn sessions(&self) -> usize {
        let mut last = None;
        self.closes
            .iter()
            .filter(|entry| last.replace(entry.day) != Some(entry.day))
            .count()
    }

    fn read(&mut self) -> PriceReading {
        if let Some(reading) = self.read {
            return reading;
        }
        let reading = self.work_out();
        self.read = Some(reading);
        reading
    }

    /// The deviation is of the bars of the last 20 sessions: of the closes since the last one of
    /// the session before them.
    fn work_out(&self) -> PriceReading {
        let Some(newest) = self.closes.back().copied() else {
            return PriceReading::default();
        };
        let mut reading = PriceReading {
            close: Some(newest.close),
            ..PriceReading::default()
        };
        if self.sessions() <= WINDOW_SESSIONS {
            return reading;
        }
        let oldest = self.closes.front().map_or(newest.day, |entry| entry.day);
        let before = self
            .closes
            .iter()
            .take_while(|entry| entry.day == oldest)
            .count();
        let window = self
            .closes
            .iter()
            .skip(before.saturating_sub(1))
            .map(|entry| entry.close);
        let returns = log_returns(window);
        let Some(sigma) = sample_deviation(&returns) else {
            return reading;
        };
        let bars_per_session = match self.timeframe {
            // The newest session may still be running: the ones before it are whole.
            Timeframe::Hour => {
                let running = self.closes.iter().filter(|c| c.day == newest.day).count();
                (returns.len() - running) as f64 / (WINDOW_SESSIONS - 1) as f64
            }
            Timeframe::Day => 1.0,
        };
        let sigma_session = sigma * bars_per_session.sqrt();
        let year = match self.class {
            AssetClass::Crypto => DAYS_PER_YEAR,
            AssetClass::UsEquity => SESSIONS_PER_YEAR,
        };
        reading.sigma = Some(sigma);
        reading.sigma_annual = Some(sigma_session * year.sqrt());
        reading.return_in_sigmas = returns.last().map(|r| r / sigma);
        reading.sigma_step = Some(sigma_session);
        reading
    }

    fn log_return(&self, sessions: usize) -> Option<f64> {
        let newest = self.closes.back().copied()?;
        let then = self.close_before(newest, sessions)?;
        Some((newest.close / then).ln())
    }

    /// The last close not later in the day, `sessions` sessions before the newest.
    fn close_before(&self, newest: SessionClose, sessions: usize) -> Option<f64> {
        let mut day = newest.day;
        let mut back = 0;
        for entry in self.closes.iter().rev() {
            if entry.day != day {
                day = entry.day;
                back += 1;
            }
            // Where that session has no bar so early, the one before it speaks.
            if back > sessions || (back == sessions && entry.minute <= newest.minute) {
                return Some(entry.close);
            }
        }
        None
    }
}

fn log_returns(closes: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut last: Option<f64> = None;
    closes
        .filter_map(|close| last.replace(close).map(|before| (close / before).ln()))
        .collect()
}

/// Sample standard deviation; `None` below two values or where nothing moves.
fn sample_deviation(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (count - 1.0);
    Some(variance.sqrt()).filter(|sigma| sigma.is_finite() && *sigma > SIGMA_MIN)
}

#[cfg(test)]
mod tests;
