//! P-hour: decisions at the close of each hourly bar, around the clock.
//!
//! A book holds a weight per asset, signal × min(1, 10 % / annualised volatility), and moves it only
//! when it is off by more than a quarter of the full size. Sleeves are summed, not averaged: a
//! Sharpe ratio does not care. Days are UTC days.

use chrono::{Datelike, TimeDelta};
use rawe_core::{Bar, Symbol, Timestamp};

use super::Book;
use crate::metrics::{Interval, circular_blocks, ranks, series};
use crate::walk::Scan;

/// Hours that a rank correlation looks ahead.
pub const HORIZONS_HOURS: [usize; 3] = [4, 24, 72];
/// Days of one block of the bootstrap.
pub const BLOCK_DAYS: usize = 20;
/// Days of the year of a market that never closes.
pub const DAYS_PER_YEAR: f64 = 365.0;
/// The book moves when it is off by more than this share of the full size.
const BAND: f64 = 0.25;
/// Annualised volatility every sleeve is scaled to.
const VOLATILITY_TARGET: f64 = 0.10;
/// Days of bars before play may begin; it begins with the next month.
const WARM_UP_DAYS: i64 = 60;
const HOURS_PER_DAY: usize = 24;

/// One asset by the hour.
#[derive(Clone, Debug)]
pub struct HourlyAsset {
    /// The asset.
    pub symbol: Symbol,
    /// What was known at each hour; `None` before its first bar.
    pub hours: Vec<Option<Hour>>,
}

/// One hour of an asset.
#[derive(Clone, Debug)]
pub struct Hour {
    /// Last close, USD.
    pub close: f64,
    /// min(1, target / annualised volatility); `None` while that is not known.
    pub scale: Option<f64>,
    /// The signals; 0 while unknown.
    pub scores: Vec<f64>,
    /// The bar that ended at this hour.
    pub bar: Option<Bar>,
}

/// All assets of a set on one hourly grid.
#[derive(Clone, Debug, Default)]
pub struct HourlyPanel {
    /// The hours.
    pub times: Vec<Timestamp>,
    /// The assets, sorted by symbol.
    pub assets: Vec<HourlyAsset>,
    /// NVX at each hour.
    pub nvx: Vec<f64>,
}

impl HourlyPanel {
    /// Takes in a scan of an hour and the bars that ended at it.
    pub fn push(&mut self, scan: Scan, bars: &[Bar]) {
        let before = self.times.len();
        self.times.push(scan.instant);
        self.nvx.push(scan.nvx);
        for seen in scan.assets {
            let place = match self.assets.binary_search_by(|a| a.symbol.cmp(&seen.symbol)) {
                Ok(place) => place,
                Err(place) => {
                    let fresh = HourlyAsset {
                        symbol: seen.symbol.clone(),
                        hours: vec![None; before],
                    };
                    self.assets.insert(place, fresh);
                    place
                }
            };
            let bar = bars
                .iter()
                .find(|b| b.symbol == seen.symbol && b.end == scan.instant);
            let hour = seen.features.close.map(|close| Hour {
                close,
                scale: seen
                    .features
                    .sigma_annual
                    .map(|s| (VOLATILITY_TARGET / s).min(1.0)),
                scores: seen
                    .scores
                    .iter()
                    .map(|score| score.unwrap_or(0.0))
                    .collect(),
                bar: bar.cloned(),
            });
            if let Some(asset) = self.assets.get_mut(place) {
                asset.hours.push(hour);
            }
        }
        for asset in &mut self.assets {
            asset.hours.resize(before + 1, None);
        }
    }

    /// The first hour of play: the first of a month, 60 days of bars after the first.
    pub fn play_from(&self) -> Option<usize> {
        let earliest = *self.times.first()? + TimeDelta::days(WARM_UP_DAYS);
        self.times
            .iter()
            .position(|at| *at >= earliest && at.day() == 1 && at.timestamp() % 86_400 == 0)
    }

    /// Rank correlation of a signal with the return `horizon` hours ahead, for one asset, in play.
    pub fn correlation(
        &self,
        asset: &HourlyAsset,
        horizon: usize,
        signal: impl Fn(&Hour) -> f64,
    ) -> Option<Correlation> {
        let from = self.play_from()?;
        let (mut scores, mut moves) = (Vec::new(), Vec::new());
        let ahead = asset.hours.iter().skip(from + horizon);
        for (now, then) in asset.hours.iter().skip(from).zip(ahead) {
            if let (Some(now), Some(then)) = (now, then) {
                scores.push(signal(now));
                moves.push((then.close / now.close).ln());
            }
        }
        Correlation::of(&scores, &moves, horizon)
    }

    /// The net returns by day of a book that follows `signal` of each asset's hour.
    pub fn book(&self, cost: f64, signal: impl Fn(&Hour) -> f64) -> Book {
        let Some(from) = self.play_from() else {
            return Book::default();
        };
        let mut book = Book::default();
        let mut hourly = vec![0.0; self.times.len().saturating_sub(from + 1)];
        for asset in &self.assets {
            let mut weight = 0.0_f64;
            let pairs = asset.hours.iter().skip(from);
            let ahead = asset.hours.iter().skip(from + 1);
            for ((now, then), total) in pairs.zip(ahead).zip(&mut hourly) {
                let (Some(now), Some(then)) = (now, then) else {
                    continue;
                };
                let full = now.scale.unwrap_or(0.0);
                let target = signal(now) * full;
                if (target - weight).abs() > BAND * full || full <= 0.0 {
                    let moved = (target - weight).abs();
                    book.turnover += moved;
                    *total -= cost * moved;
                    weight = target;
                }
                *total += weight * (then.close / now.close - 1.0);
            }
        }
        book.returns = by_day(&hourly);
        book
    }
}

/// Sums of 24 hours each; play begins at midnight, so these are UTC days.
pub fn by_day(hourly: &[f64]) -> Vec<f64> {
    hourly
        .chunks(HOURS_PER_DAY)
        .map(|day| day.iter().sum())
        .collect()
}

/// A rank correlation over hours with its errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correlation {
    /// Spearman's.
    pub value: f64,
    /// Newey-West, over the horizon and two more days.
    pub t: Option<f64>,
    /// By blocks of 20 days.
    pub interval: Option<Interval>,
}

impl Correlation {
    fn of(scores: &[f64], moves: &[f64], horizon: usize) -> Option<Self> {
        let (x, y) = (standard(&ranks(scores))?, standard(&ranks(moves))?);
        let products: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x * y).collect();
        let rows: Vec<[f64; 5]> = x
            .iter()
            .zip(&y)
            .map(|(x, y)| [*x, *y, x * x, y * y, x * y])
            .collect();
        Some(Self {
            value: series::mean(&products)?,
            t: series::newey_west_t(&products, horizon + 2 * HOURS_PER_DAY),
            interval: circular_blocks(&rows, BLOCK_DAYS * HOURS_PER_DAY, correlation_of_sums),
        })
    }
}

/// Values minus their mean over their (population) deviation; `None` where they do not vary.
fn standard(values: &[f64]) -> Option<Vec<f64>> {
    let mean = series::mean(values)?;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let spread = (squares / values.len() as f64).sqrt();
    (spread > 1e-12).then(|| values.iter().map(|v| (v - mean) / spread).collect())
}

fn correlation_of_sums(&[x, y, xx, yy, xy]: &[f64; 5], count: usize) -> Option<f64> {
    let n = count as f64;
    let scale = (xx - x * x / n) * (yy - y * y / n);
    (scale > 0.0).then(|| (xy - x * y / n) / scale.sqrt())
}

/// Sharpe ratio of daily returns and its interval.
pub fn sharpe_with_interval(
    returns: &[f64],
    block: usize,
    periods_per_year: f64,
) -> Option<(f64, Option<Interval>)> {
    let rows: Vec<[f64; 2]> = returns.iter().map(|r| [*r, r * r]).collect();
    let interval = circular_blocks(&rows, block, |[sum, squares], count| {
        series::sharpe_of_sums(count, *sum, *squares, periods_per_year)
    });
    Some((series::sharpe(returns, periods_per_year)?, interval))
}
