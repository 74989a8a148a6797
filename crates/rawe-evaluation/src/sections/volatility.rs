//! The section of the range forecast: the narrative terms against HAR, and HAR against less.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::metrics::series;
use crate::report::{Plot, Row, Section, Series};
use crate::volatility::{Against, DecisionPoint, VolatilityRun, VolatilityScores};

/// Scores of a run as rows, and the gain over HAR as it grew.
pub fn volatility_section(set: &str, run: &VolatilityRun, scores: &VolatilityScores) -> Section {
    let point = match scores.point {
        DecisionPoint::BeforeOpen => "before the open",
        DecisionPoint::BarClose => "at the close before",
    };
    let mut section = Section::new(
        "volatility",
        set,
        format!("The range of the coming session, forecast {point}"),
    );
    section.note(
        "Mean squared error of ln(high / low - 1), walk-forward; t by Newey-West, intervals by \
         blocks of 10 sessions. Shown beside HAR as a gauge: sizing uses HAR alone.",
    );
    gain(
        &mut section,
        "gain over HAR, %",
        scores.against_har,
        scores.sessions,
    );
    for (name, half) in ["first", "second"].into_iter().zip(scores.halves) {
        let label = format!("gain over HAR, {name} half, %");
        gain(&mut section, &label, half, scores.sessions / 2);
    }
    let yesterday = scores.har_against_yesterday;
    gain(
        &mut section,
        "HAR over the range of yesterday, %",
        yesterday,
        scores.sessions,
    );
    let mean = scores.har_against_mean_22;
    gain(
        &mut section,
        "HAR over the mean of 22 sessions, %",
        mean,
        scores.sessions,
    );
    for (name, found) in &scores.residual_rank_correlation {
        let row = Row::new(format!("residual rank IC, {name}"), found.mean);
        section.row(row.digits(3).t(found.t));
    }
    if let Some(value) = scores.nvx_forecast {
        section.row(Row::new("NVX with HAR's error of the next session", value));
    }
    section.plots.extend(gains_over_time(run));
    section
}

fn gain(section: &mut Section, label: &str, found: Option<Against>, sessions: usize) {
    let Some(found) = found else { return };
    let percent = |share: f64| share * 100.0;
    let interval = found.interval.map(|mut interval| {
        interval.low = percent(interval.low);
        interval.high = percent(interval.high);
        interval
    });
    let row = Row::new(label, percent(found.gain)).interval(interval);
    section.row(row.t(found.t).count(sessions as u64));
}

/// Sum over sessions of (error of HAR - error of the forecast) / mean error of HAR, in sessions'
/// worth of HAR's error.
fn gains_over_time(run: &VolatilityRun) -> Option<Plot> {
    let mut sessions: BTreeMap<NaiveDate, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for row in &run.rows {
        let Some(actual) = row.actual else { continue };
        if run.first_item.is_none_or(|first| row.day < first) {
            continue;
        }
        let (har, told) = sessions.entry(row.day).or_default();
        har.push((row.har - actual).powi(2));
        told.push((row.forecast - actual).powi(2));
    }
    let errors: Vec<(f64, f64)> = sessions
        .values()
        .filter_map(|(har, told)| Some((series::mean(har)?, series::mean(told)?)))
        .collect();
    let typical = series::mean(&errors.iter().map(|(har, _)| *har).collect::<Vec<_>>())?;
    let labels: Vec<String> = sessions.keys().map(NaiveDate::to_string).collect();
    let mut sum = 0.0;
    let grown = errors.iter().map(|(har, told)| {
        sum += (har - told) / typical;
        sum
    });
    let line = Series::whole("gain", grown.collect::<Vec<_>>());
    let title = "Gain over HAR as it grew (in sessions of HAR's mean error)";
    Some(Plot::lines(title, &labels, vec![line], true))
}
