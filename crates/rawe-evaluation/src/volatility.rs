//! How good the forecasts of the coming session's range are: the engine played over a set with one
//! scan per session, its HAR and narrative forecasts beside what happened.
//!
//! Target: ln(high/low − 1) of the session. The forecasts and the blocks are those of the live
//! engine at the decision instant; nothing is worked out a second time here.

mod scores;

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike as _, NaiveDate, TimeDelta};
use rawe_core::calendar::{new_york_date, new_york_instant};
use rawe_core::{AssetClass, Bar, NewsItem, Symbol, Timestamp};
use rawe_narrative::demand::ABNORMAL_INTENSITY;
use rawe_narrative::{AssetFeatures, FeatureSnapshot, NarrativeEngine};
use serde::Serialize;

use crate::walk::{Event, events};

pub use scores::{Against, MeanWithT, VolatilityScores, scores};

/// The decision before the open: 09:00 New York, in minutes of the day.
const BEFORE_OPEN_MINUTES: u32 = 9 * 60;
/// Ranges below this share count as this.
const RANGE_MIN: f64 = 1e-4;
/// ln(high/low − 1) is at most this, as in the engine.
const LOG_RANGE_MAX: f64 = 2.0;

/// When a session is forecast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionPoint {
    /// 09:00 New York of the session; 00:00 UTC of the day for crypto.
    BeforeOpen,
    /// The end of the session before: what came in the night is not known yet.
    BarClose,
}

/// One forecast, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VolatilityRow {
    /// The asset.
    pub symbol: Symbol,
    /// The decision instant: nothing later was known.
    pub time: Timestamp,
    /// Day of the session that is forecast (New York, UTC for crypto).
    pub day: NaiveDate,
    /// Expected ln(high/low − 1) by HAR.
    pub har: f64,
    /// The same with the narrative terms.
    pub forecast: f64,
    /// What happened; `None` where the set has no bar of that session.
    pub actual: Option<f64>,
    /// Range of the session before, the plainest forecast.
    pub yesterday: Option<f64>,
    /// Mean range of up to 22 sessions before.
    pub mean_22: Option<f64>,
    /// Annualised volatility by HAR.
    pub sigma_annual: Option<f64>,
    /// Velocity, level and dispersion of attention at the decision.
    pub velocity: f64,
    /// See `velocity`.
    pub intensity: f64,
    /// See `velocity`.
    pub dispersion: f64,
    /// z of the intensity against the asset's own past.
    pub intensity_z: Option<f64>,
    /// NVX at the decision: a gauge of the present.
    pub nvx: f64,
}

/// All forecasts of a set, in time order, then by symbol.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VolatilityRun {
    /// When sessions were forecast.
    pub point: DecisionPoint,
    /// Day of the first item; scores start 60 sessions later.
    pub first_item: Option<NaiveDate>,
    /// The forecasts. Sessions before the first fit have none.
    pub rows: Vec<VolatilityRow>,
}

/// Plays the items and bars of one class through `engine`, which has seen nothing, with one scan
/// before every session that the bars have. `progress` hears of every event. Items are sorted by
/// `first_seen` and bars by `end`.
pub fn run(
    mut engine: NarrativeEngine,
    items: &[NewsItem],
    bars: &[Bar],
    class: AssetClass,
    point: DecisionPoint,
    mut progress: impl FnMut(),
) -> VolatilityRun {
    let of_class: Vec<Bar> = bars
        .iter()
        .filter(|bar| bar.symbol.class() == class && bar.is_sane())
        .cloned()
        .collect();
    let history = History::of(&of_class, class);
    let decisions = history.decisions(class, point);
    let scans: Vec<(Timestamp, AssetClass)> =
        decisions.iter().map(|(at, _)| (*at, class)).collect();
    let mut days = decisions.iter().map(|(_, day)| *day);
    let mut rows = Vec::new();
    for event in events(items, &of_class, &scans) {
        match event {
            Event::Item(item) => {
                engine.apply_item(item);
            }
            Event::Bar(bar) => engine.apply_bar(bar),
            Event::Scan(at, class) => {
                if let Some(day) = days.next() {
                    let snapshot = engine.scan(at, class);
                    rows.extend(history.rows(at, day, &snapshot));
                }
            }
        }
        progress();
    }
    VolatilityRun {
        point,
        first_item: items.first().map(|item| day_of(class, item.first_seen)),
        rows,
    }
}

fn day_of(class: AssetClass, at: Timestamp) -> NaiveDate {
    match class {
        AssetClass::UsEquity => new_york_date(at),
        AssetClass::Crypto => at.date_naive(),
    }
}

/// High, low and last bar end of a session.
#[derive(Clone, Copy, Debug)]
struct Span {
    high: f64,
    low: f64,
    end: Timestamp,
}

/// What really happened, by symbol and day.
struct History {
    spans: BTreeMap<Symbol, BTreeMap<NaiveDate, Span>>,
    /// Last bar end of every session.
    ends: BTreeMap<NaiveDate, Timestamp>,
}

impl History {
    fn of(bars: &[Bar], class: AssetClass) -> Self {
        let mut spans: BTreeMap<Symbol, BTreeMap<NaiveDate, Span>> = BTreeMap::new();
        let mut ends: BTreeMap<NaiveDate, Timestamp> = BTreeMap::new();
        for bar in bars {
            let day = day_of(class, bar.end - TimeDelta::seconds(1));
            let fresh = Span {
                high: bar.high,
                low: bar.low,
                end: bar.end,
            };
            let of_symbol = spans.entry(bar.symbol.clone()).or_default();
            let span = of_symbol.entry(day).or_insert(fresh);
            span.high = span.high.max(bar.high);
            span.low = span.low.min(bar.low);
            span.end = span.end.max(bar.end);
            let end = ends.entry(day).or_insert(bar.end);
            *end = (*end).max(bar.end);
        }
        Self { spans, ends }
    }

    /// The decision instant of every session, in order.
    fn decisions(&self, class: AssetClass, point: DecisionPoint) -> Vec<(Timestamp, NaiveDate)> {
        let before = self.ends.iter();
        let days = self.ends.keys().skip(1);
        before
            .zip(days)
            .filter_map(|((_, end), day)| {
                let at = match (point, class) {
                    (DecisionPoint::BarClose, AssetClass::UsEquity) => Some(*end),
                    (DecisionPoint::BeforeOpen, AssetClass::UsEquity) => {
                        new_york_instant(*day, BEFORE_OPEN_MINUTES)
                    }
                    (_, AssetClass::Crypto) => midnight(*day),
                };
                at.map(|at| (at, *day))
            })
            .collect()
    }

    fn log_range(&self, symbol: &Symbol, day: NaiveDate) -> Option<f64> {
        let span = self.spans.get(symbol)?.get(&day)?;
        Some(
            (span.high / span.low - 1.0)
                .max(RANGE_MIN)
                .ln()
                .min(LOG_RANGE_MAX),
        )
    }

    /// Ranges of up to 22 sessions before `day`, newest first.
    fn before(&self, symbol: &Symbol, day: NaiveDate) -> Vec<f64> {
        let Some(of_symbol) = self.spans.get(symbol) else {
            return Vec::new();
        };
        let earlier = of_symbol.range(..day).rev().take(22);
        earlier
            .filter_map(|(day, _)| self.log_range(symbol, *day))
            .collect()
    }

    fn rows(
        &self,
        at: Timestamp,
        day: NaiveDate,
        snapshot: &FeatureSnapshot,
    ) -> Vec<VolatilityRow> {
        let row = |(symbol, features): &(Symbol, AssetFeatures)| {
            let past = self.before(symbol, day);
            Some(VolatilityRow {
                symbol: symbol.clone(),
                time: at,
                day,
                har: features.range_har?,
                forecast: features.range_forecast?,
                actual: self.log_range(symbol, day),
                yesterday: past.first().copied(),
                mean_22: crate::metrics::series::mean(&past),
                sigma_annual: features.sigma_har_annual,
                velocity: features.velocity,
                intensity: features.intensity,
                dispersion: features.dispersion,
                intensity_z: features.get(ABNORMAL_INTENSITY),
                nvx: snapshot.nvx,
            })
        };
        snapshot.assets.iter().filter_map(row).collect()
    }
}

fn midnight(day: NaiveDate) -> Option<Timestamp> {
    let days = i64::from(day.num_days_from_ce()) - 719_163;
    DateTime::from_timestamp(days * 86_400, 0)
}
