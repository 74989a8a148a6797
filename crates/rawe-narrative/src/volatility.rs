//! Forecasts of the coming session's range, y = ln(high/low − 1): by prices alone (HAR) and with
//! what is being told, side by side and with a running score.
//!
//! Per class of assets two pooled regressions. The first is HAR. The second explains what HAR
//! missed by how much the talk of results of each asset is above its custom and above the class's
//! mean; it has no constant, so narratives move the forecast between the assets and leave the
//! level of the market to prices (market-wide intensity was measured to add nothing).
//!
//! A forecast is made at the last scan before a session opens, kept while it runs, and learnt from
//! at the first scan after it. So nothing that came later can change it.

mod har;
mod ridge;
mod score;
mod sessions;
mod talk;

use std::collections::BTreeMap;

use chrono::TimeDelta;
use rawe_core::calendar::{MarketCalendar, new_york_date};
use rawe_core::{AssetClass, Bar, Timestamp};
use serde::{Deserialize, Serialize};

use har::{HAR_TERMS, HarModel, HarRow, REFIT_SESSIONS};
use ridge::Moments;
use score::{RunningScore, SessionErrors};
use sessions::{SESSIONS_MIN, Sessions, day_number, mean};
use talk::{TALK_TERMS, Talk};

pub use score::VolatilityScore;
pub(crate) use talk::speaks_of_results;

/// Scans up to this long after the open still speak of the session that opens.
const OPENING_MINUTES: i64 = 5;
/// Crypto sessions are UTC days; scans of their first hour speak of them.
const CRYPTO_OPENING_SECONDS: i64 = 3_600;
/// Half-life of what the regressions remember, sessions: three years of stocks.
const MEMORY_SESSIONS: f64 = 750.0;
/// Penalty on the coefficients of the narrative terms, in rows of unit terms.
const TALK_PENALTY: f64 = 100.0;
/// Sessions learnt before narrative terms count.
const TALK_SESSIONS_MIN: u64 = 20;
/// Half-life of the ratio of squared returns to squared ranges, sessions.
const RATIO_HALF_LIFE_SESSIONS: f64 = 250.0;
/// The ratio starts at 1 with the weight of this many rows, and stays in these limits.
const RATIO_PRIOR_ROWS: f64 = 100.0;
const RATIO_LIMITS: (f64, f64) = (0.25, 4.0);
/// Squared returns count up to this many squared forecast deviations.
const SURPRISE_MAX: f64 = 36.0;
/// Sessions a year.
const STOCK_SESSIONS_PER_YEAR: f64 = 252.0;
const CRYPTO_SESSIONS_PER_YEAR: f64 = 365.0;
/// The market's ranges over these sessions are terms.
const MARKET_SESSIONS: [usize; 3] = [1, 5, 22];

/// What is forecast of one asset's coming (or running) session.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RangeForecast {
    /// Expected ln(high/low − 1) by HAR.
    pub(crate) har: Option<f64>,
    /// The same with the narrative terms.
    pub(crate) narrative: Option<f64>,
    /// Annualised deviation of returns by HAR.
    pub(crate) sigma_annual: Option<f64>,
}

/// A forecast that waits for its session.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Pending {
    /// Day of the session that is forecast.
    day: i64,
    row: HarRow,
    talk: [f64; TALK_TERMS],
    /// Mean range of the last 22 sessions, the plain baseline.
    plain: f64,
    har: Option<f64>,
    narrative: Option<f64>,
    sigma: Option<f64>,
}

/// One asset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct AssetBook {
    sessions: Sessions,
    talk: Talk,
    pending: Option<Pending>,
}

/// One class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ClassBook {
    har: HarModel,
    talk: Moments,
    talk_sessions: u64,
    talk_fitted_at: u64,
    coefficients: Vec<f64>,
    score: RunningScore,
    /// Decayed squared returns, and the squared deviations that ranges gave for them.
    returns: f64,
    deviations: f64,
}

/// The forecasts of all assets, by number of asset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct VolatilityBook {
    assets: Vec<AssetBook>,
    stocks: ClassBook,
    crypto: ClassBook,
}

impl Default for VolatilityBook {
    fn default() -> Self {
        Self {
            assets: Vec::new(),
            stocks: ClassBook::new(),
            crypto: ClassBook::new(),
        }
    }
}

impl VolatilityBook {
    /// Takes in that an item about an asset speaks of results.
    pub(crate) fn hear(&mut self, number: u32, at: Timestamp, weight: f64) {
        if let Some(asset) = self.asset(number) {
            asset.talk.add(at, weight);
        }
    }

    /// Takes in a sane bar.
    pub(crate) fn apply_bar(&mut self, number: u32, bar: &Bar) {
        if let Some(asset) = self.asset(number) {
            asset.sessions.apply(bar.symbol.class(), bar);
        }
    }

    fn asset(&mut self, number: u32) -> Option<&mut AssetBook> {
        let place = number as usize;
        if self.assets.len() <= place {
            self.assets.resize(place + 1, AssetBook::default());
        }
        self.assets.get_mut(place)
    }

    /// How the forecasts of a class have done.
    pub(crate) fn score(&self, class: AssetClass) -> VolatilityScore {
        match class {
            AssetClass::UsEquity => self.stocks.score.read(),
            AssetClass::Crypto => self.crypto.score.read(),
        }
    }

    /// Learns from sessions that are over and, before a session opens, forecasts it. `members` are
    /// the numbers of the assets of `class`, always in the same order.
    pub(crate) fn scan(&mut self, class: AssetClass, at: Timestamp, members: &[u32]) {
        let Some(day) = coming_session(class, at) else {
            return;
        };
        let Self {
            assets,
            stocks,
            crypto,
        } = self;
        let book = match class {
            AssetClass::UsEquity => stocks,
            AssetClass::Crypto => crypto,
        };
        for number in members {
            if let Some(asset) = assets.get_mut(*number as usize) {
                asset.sessions.complete_before(day);
            }
        }
        book.learn(assets, members);
        book.forecast(class, at, day, assets, members);
    }

    /// The forecast of an asset's running or coming session.
    pub(crate) fn read(&self, class: AssetClass, at: Timestamp, number: u32) -> RangeForecast {
        let pending = self
            .assets
            .get(number as usize)
            .and_then(|asset| asset.pending);
        let today = match class {
            AssetClass::UsEquity => day_number(new_york_date(at)),
            AssetClass::Crypto => at.timestamp().div_euclid(86_400),
        };
        let Some(pending) = pending.filter(|pending| pending.day >= today) else {
            return RangeForecast::default();
        };
        let sessions: f64 = match class {
            AssetClass::UsEquity => STOCK_SESSIONS_PER_YEAR,
            AssetClass::Crypto => CRYPTO_SESSIONS_PER_YEAR,
        };
        RangeForecast {
            har: pending.har,
            narrative: pending.narrative,
            sigma_annual: pending.sigma.map(|sigma| sigma * sessions.sqrt()),
        }
    }
}

impl ClassBook {
    fn new() -> Self {
        Self {
            har: HarModel::new(),
            talk: Moments::new(TALK_TERMS),
            talk_sessions: 0,
            talk_fitted_at: 0,
            coefficients: vec![0.0; TALK_TERMS],
            score: RunningScore::default(),
            returns: 0.0,
            deviations: 0.0,
        }
    }

    /// Learns from the forecasts whose session is over.
    fn learn(&mut self, assets: &mut [AssetBook], members: &[u32]) {
        let mut errors = SessionErrors::default();
        let mut learnt = false;
        for number in members {
            let Some(asset) = assets.get_mut(*number as usize) else {
                continue;
            };
            let Some((day, actual, log_return)) = asset.sessions.newest() else {
                continue;
            };
            let Some(pending) = asset.pending.filter(|pending| pending.day <= day) else {
                continue;
            };
            asset.pending = None;
            if pending.day < day {
                continue;
            }
            learnt = true;
            self.har.learn(&pending.row, actual);
            let (Some(har), Some(narrative)) = (pending.har, pending.narrative) else {
                continue;
            };
            self.talk.add(&pending.talk, actual - har);
            let deviation = range_variance(har);
            self.returns += (log_return * log_return).min(SURPRISE_MAX * deviation);
            self.deviations += deviation;
            errors.assets += 1.0;
            errors.har += (actual - har).powi(2);
            errors.forecast += (actual - narrative).powi(2);
            errors.plain += (actual - pending.plain).powi(2);
        }
        if learnt {
            self.end_session(&errors);
        }
    }

    fn end_session(&mut self, errors: &SessionErrors) {
        let decay = (-1.0 / MEMORY_SESSIONS).exp2();
        self.har.end_session(decay);
        self.score.add(errors);
        let ratio_decay = (-1.0 / RATIO_HALF_LIFE_SESSIONS).exp2();
        self.returns *= ratio_decay;
        self.deviations *= ratio_decay;
        if errors.assets <= 0.0 {
            return;
        }
        self.talk.decay(decay);
        self.talk_sessions += 1;
        let due = self.talk_sessions >= self.talk_fitted_at + REFIT_SESSIONS;
        if due && self.talk_sessions >= TALK_SESSIONS_MIN {
            self.talk_fitted_at = self.talk_sessions;
            if let Some(fit) = self.talk.towards(&[0.0; TALK_TERMS], TALK_PENALTY) {
                self.coefficients = fit;
            }
        }
    }

    fn forecast(
        &mut self,
        class: AssetClass,
        at: Timestamp,
        day: i64,
        assets: &mut [AssetBook],
        members: &[u32],
    ) {
        let market = market_terms(assets, members);
        let velocities = members
            .iter()
            .filter_map(|number| assets.get(*number as usize))
            .filter(|asset| asset.sessions.newest().is_some())
            .map(|asset| asset.talk.velocity(at));
        let usual = mean(velocities);
        let ratio = self.variance_ratio(class);
        for number in members {
            let Some(asset) = assets.get_mut(*number as usize) else {
                continue;
            };
            let Some(own) = asset.sessions.terms() else {
                continue;
            };
            let row: HarRow = {
                let mut terms = own.into_iter().chain(market);
                std::array::from_fn(|_| terms.next().unwrap_or(0.0))
            };
            let talk = talk::terms(asset.talk.velocity(at), usual);
            let har = self.har.forecast(&row);
            let told: f64 = self.coefficients.iter().zip(talk).map(|(b, x)| b * x).sum();
            asset.pending = Some(Pending {
                day,
                row,
                talk,
                plain: asset.sessions.mean_range(SESSIONS_MIN),
                har,
                narrative: har.map(|har| har + told),
                sigma: har.map(|har| (ratio * range_variance(har)).sqrt()),
            });
        }
    }

    /// Squared returns, nights included, per squared deviation that ranges give.
    fn variance_ratio(&self, class: AssetClass) -> f64 {
        let typical: f64 = match class {
            AssetClass::UsEquity => 0.015,
            AssetClass::Crypto => 0.04,
        };
        let prior = RATIO_PRIOR_ROWS * typical * typical;
        let ratio = (self.returns + prior) / (self.deviations + prior);
        ratio.clamp(RATIO_LIMITS.0, RATIO_LIMITS.1)
    }
}

/// Parkinson: ln(high/low)² / (4 ln 2), at the expected log range.
fn range_variance(log_range: f64) -> f64 {
    let range = log_range.exp().ln_1p();
    range * range / (4.0 * std::f64::consts::LN_2)
}

/// Mean range of the class over 1, 5 and 22 sessions.
fn market_terms(assets: &[AssetBook], members: &[u32]) -> [f64; HAR_TERMS - sessions::OWN_TERMS] {
    let mut days: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    for number in members {
        let Some(asset) = assets.get(*number as usize) else {
            continue;
        };
        for (day, range) in asset.sessions.ranges().take(SESSIONS_MIN) {
            let (sum, count) = days.entry(day).or_default();
            *sum += range;
            *count += 1.0;
        }
    }
    let daily: Vec<f64> = days
        .into_values()
        .rev()
        .map(|(sum, count)| sum / count)
        .collect();
    MARKET_SESSIONS.map(|count| mean(daily.iter().take(count).copied()))
}

/// The day of the session that a scan at `at` may forecast; `None` while a session runs.
fn coming_session(class: AssetClass, at: Timestamp) -> Option<i64> {
    match class {
        AssetClass::Crypto => {
            let opening = at.timestamp().rem_euclid(86_400) < CRYPTO_OPENING_SECONDS;
            opening.then(|| at.timestamp().div_euclid(86_400))
        }
        AssetClass::UsEquity => {
            let calendar = MarketCalendar::nyse();
            match calendar.session_at(at) {
                Some(running) => {
                    let opening = at <= running.open + TimeDelta::minutes(OPENING_MINUTES);
                    opening.then(|| day_number(running.date))
                }
                None => Some(day_number(calendar.next_session(at)?.date)),
            }
        }
    }
}

#[cfg(test)]
mod tests;
