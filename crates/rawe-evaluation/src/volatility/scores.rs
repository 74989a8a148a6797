//! The scores of a run of range forecasts: errors against HAR and plain baselines with t and
//! intervals over whole sessions, and what the blocks know that HAR does not.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Serialize;

use super::{DecisionPoint, VolatilityRow, VolatilityRun};
use crate::metrics::bootstrap::{Interval, circular_blocks};
use crate::metrics::ranks::{pearson, spearman};
use crate::metrics::series::{mean, newey_west_t};

/// Sessions from the first item on that are not scored: everything must have a past.
const WARM_UP_SESSIONS: usize = 60;
/// Lags of Newey-West errors and length of bootstrap blocks, sessions.
const BLOCK_SESSIONS: usize = 10;
/// The fewest assets of a session for a rank correlation over them.
const ASSETS_MIN: usize = 10;

/// A mean over sessions and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MeanWithT {
    /// The mean.
    pub mean: f64,
    /// Its t, Newey-West with 10 lags.
    pub t: Option<f64>,
}

/// How far the errors of one forecast are below those of another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Against {
    /// 1 − error / error of the other, of mean squared errors; a share.
    pub gain: f64,
    /// t of the difference per session, Newey-West with 10 lags.
    pub t: Option<f64>,
    /// 95 % interval of the gain, blocks of 10 sessions.
    pub interval: Option<Interval>,
}

/// The scores of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VolatilityScores {
    /// When sessions were forecast.
    pub point: DecisionPoint,
    /// Sessions scored.
    pub sessions: usize,
    /// Forecasts scored.
    pub forecasts: usize,
    /// Mean squared error of HAR, of ln(high/low − 1).
    pub har_error: f64,
    /// The same with narrative terms.
    pub forecast_error: f64,
    /// Narrative forecast against HAR.
    pub against_har: Option<Against>,
    /// The same in the first and the second half of the sessions.
    pub halves: [Option<Against>; 2],
    /// HAR against the range of the session before.
    pub har_against_yesterday: Option<Against>,
    /// HAR against the mean range of 22 sessions.
    pub har_against_mean_22: Option<Against>,
    /// Rank correlation over assets of a block with HAR's error, mean over sessions: velocity, z
    /// of intensity, intensity, dispersion.
    pub residual_rank_correlation: BTreeMap<&'static str, MeanWithT>,
    /// Correlation of NVX with HAR's mean error of the session that follows.
    pub nvx_forecast: Option<f64>,
    /// Correlation of NVX with the mean range of the session just over. Meant for
    /// [`DecisionPoint::BarClose`].
    pub nvx_nowcast: Option<f64>,
}

/// One session: rows with an outcome.
type Session<'a> = Vec<(&'a VolatilityRow, f64)>;

/// What a row says of its asset.
type Block = fn(&VolatilityRow) -> Option<f64>;

/// The scores of a run from 60 sessions after its first item on.
pub fn scores(run: &VolatilityRun) -> VolatilityScores {
    let sessions = scored_sessions(run);
    let (first, second) = sessions.split_at(sessions.len() / 2);
    let forecast = |row: &VolatilityRow| Some(row.forecast);
    let har = |row: &VolatilityRow| Some(row.har);
    let residuals: [(&'static str, Block); 4] = [
        ("velocity", |row| Some(row.velocity)),
        ("intensity_z", |row| row.intensity_z),
        ("intensity", |row| Some(row.intensity)),
        ("dispersion", |row| Some(row.dispersion)),
    ];
    let named = residuals.into_iter().filter_map(|(name, block)| {
        let correlation = residual_correlation(&sessions, block)?;
        Some((name, correlation))
    });
    VolatilityScores {
        point: run.point,
        sessions: sessions.len(),
        forecasts: sessions.iter().map(Vec::len).sum(),
        har_error: error(&sessions, har),
        forecast_error: error(&sessions, forecast),
        against_har: against(&sessions, forecast, har),
        halves: [first, second].map(|half| against(half, forecast, har)),
        har_against_yesterday: against(&sessions, har, |row| row.yesterday),
        har_against_mean_22: against(&sessions, har, |row| row.mean_22),
        residual_rank_correlation: named.collect(),
        nvx_forecast: nvx_correlation(&sessions, |(row, actual)| Some(actual - row.har)),
        nvx_nowcast: nvx_correlation(&sessions, |(row, _)| row.yesterday),
    }
}

fn scored_sessions(run: &VolatilityRun) -> Vec<Session<'_>> {
    let mut days: BTreeMap<NaiveDate, Session<'_>> = BTreeMap::new();
    for row in &run.rows {
        if run.first_item.is_none_or(|first| row.day < first) {
            continue;
        }
        let session = days.entry(row.day).or_default();
        session.extend(row.actual.map(|actual| (row, actual)));
    }
    let scored = days.into_values().skip(WARM_UP_SESSIONS);
    scored.filter(|session| !session.is_empty()).collect()
}

fn error(sessions: &[Session<'_>], of: impl Fn(&VolatilityRow) -> Option<f64>) -> f64 {
    let squares: Vec<f64> = sessions
        .iter()
        .flatten()
        .filter_map(|(row, actual)| of(row).map(|forecast| (actual - forecast).powi(2)))
        .collect();
    mean(&squares).unwrap_or(0.0)
}

/// The errors of `ours` against `theirs`, over the rows that have both.
fn against(
    sessions: &[Session<'_>],
    ours: impl Fn(&VolatilityRow) -> Option<f64>,
    theirs: impl Fn(&VolatilityRow) -> Option<f64>,
) -> Option<Against> {
    // Per session: sums of squared errors of theirs, of ours, and rows.
    let sums: Vec<[f64; 3]> = sessions
        .iter()
        .map(|session| {
            let mut sums = [0.0; 3];
            for (row, actual) in session {
                if let (Some(our), Some(their)) = (ours(row), theirs(row)) {
                    sums[0] += (actual - their).powi(2);
                    sums[1] += (actual - our).powi(2);
                    sums[2] += 1.0;
                }
            }
            sums
        })
        .filter(|sums| sums[2] > 0.0)
        .collect();
    let gain = |sums: &[f64; 3]| (sums[0] > 0.0).then(|| 1.0 - sums[1] / sums[0]);
    let total = sums.iter().fold([0.0; 3], |total: [f64; 3], sums| {
        std::array::from_fn(|place| total[place] + sums[place])
    });
    let differences: Vec<f64> = sums.iter().map(|s| (s[0] - s[1]) / s[2]).collect();
    Some(Against {
        gain: gain(&total)?,
        t: newey_west_t(&differences, BLOCK_SESSIONS),
        interval: circular_blocks(&sums, BLOCK_SESSIONS, |drawn, _| gain(drawn)),
    })
}

fn residual_correlation(sessions: &[Session<'_>], block: Block) -> Option<MeanWithT> {
    let of_session = |session: &Session<'_>| {
        let (blocks, errors): (Vec<f64>, Vec<f64>) = session
            .iter()
            .filter_map(|(row, actual)| Some((block(row)?, actual - row.har)))
            .unzip();
        let enough = blocks.len() >= ASSETS_MIN;
        enough.then(|| spearman(&blocks, &errors)).flatten()
    };
    let values: Vec<f64> = sessions.iter().filter_map(of_session).collect();
    Some(MeanWithT {
        mean: mean(&values)?,
        t: newey_west_t(&values, BLOCK_SESSIONS),
    })
}

/// Correlation over sessions of NVX with the mean of `of`.
fn nvx_correlation(
    sessions: &[Session<'_>],
    of: impl Fn((&VolatilityRow, f64)) -> Option<f64>,
) -> Option<f64> {
    let pair = |session: &Session<'_>| {
        let values: Vec<f64> = session
            .iter()
            .filter_map(|(row, y)| of((row, *y)))
            .collect();
        Some((session.first()?.0.nvx, mean(&values)?))
    };
    let (gauge, ranges): (Vec<f64>, Vec<f64>) = sessions.iter().filter_map(pair).unzip();
    pearson(&gauge, &ranges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeDelta, TimeZone as _, Utc};
    use rawe_core::Symbol;

    /// Twelve assets over 160 days; the narrative forecast is off by `told`, HAR by 0.2.
    fn made(told: f64) -> VolatilityRun {
        let start = Utc.with_ymd_and_hms(2020, 1, 1, 14, 0, 0).unwrap();
        let mut rows = Vec::new();
        for day in 0..160_i64 {
            for asset in 0..12_i64 {
                let time = start + TimeDelta::days(day);
                let sign = if (day + asset) % 2 == 0 { 1.0 } else { -1.0 };
                let actual = -4.0 + 0.01 * (day % 7) as f64;
                rows.push(VolatilityRow {
                    symbol: Symbol::new(&format!("A{asset}")).unwrap(),
                    time,
                    day: time.date_naive(),
                    har: actual - 0.2 * sign,
                    forecast: actual - told * sign,
                    actual: (day % 10 != 3).then_some(actual),
                    yesterday: Some(actual - 0.5),
                    mean_22: None,
                    sigma_annual: None,
                    // Knows the sign of HAR's error.
                    velocity: sign,
                    intensity: asset as f64,
                    dispersion: 0.0,
                    intensity_z: None,
                    nvx: 50.0 + (day % 7) as f64,
                });
            }
        }
        VolatilityRun {
            point: DecisionPoint::BeforeOpen,
            first_item: Some(start.date_naive()),
            rows,
        }
    }

    #[test]
    fn a_run_is_scored_by_hand() {
        let read = scores(&made(0.1));
        // Days 60 to 159 without every tenth.
        assert_eq!((read.sessions, read.forecasts), (90, 90 * 12));
        assert!((read.har_error - 0.04).abs() < 1e-12);
        assert!((read.forecast_error - 0.01).abs() < 1e-12);
        let gain = read.against_har.unwrap();
        assert!((gain.gain - 0.75).abs() < 1e-9);
        let interval = gain.interval.unwrap();
        assert!((interval.low - 0.75).abs() < 1e-9 && (interval.high - 0.75).abs() < 1e-9);
        let plain = read.har_against_yesterday.unwrap();
        assert!((plain.gain - (1.0 - 0.04 / 0.25)).abs() < 1e-9);
        assert!(read.har_against_mean_22.is_none());
        let velocity = read.residual_rank_correlation["velocity"];
        assert!((velocity.mean - 1.0).abs() < 1e-9);
        assert!(!read.residual_rank_correlation.contains_key("intensity_z"));
        // The range follows NVX by construction.
        assert!(read.nvx_nowcast.unwrap() > 0.99);
    }

    #[test]
    fn nothing_gives_no_scores() {
        let empty = VolatilityRun {
            rows: Vec::new(),
            ..made(0.1)
        };
        let read = scores(&empty);
        assert_eq!((read.sessions, read.against_har), (0, None));
    }
}
