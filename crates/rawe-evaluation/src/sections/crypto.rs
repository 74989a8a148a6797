//! Sections of a set with crypto: P-hour, the vote game, the gauges.

use rawe_agent::CollectiveRules;
use rawe_agent::agreement::VoteCounts;
use rawe_core::Direction;

use super::{SIGNALS_DRAWN, curves, votes_of};
use crate::direction::crypto::{
    BLOCK_DAYS, DAYS_PER_YEAR, HORIZONS_HOURS, Hour, HourlyPanel, by_day, sharpe_with_interval,
};
use crate::direction::votes::{Step, play};
use crate::metrics::{series, spearman};
use crate::report::{Plot, Row, Section, Series};
use crate::signals::{MIX, SignalSet};

/// Costs per side shown, basis points.
const COSTS_BP: [u8; 2] = [10, 25];
/// Lags of an alpha's error, days.
const ALPHA_LAGS: usize = 10;

fn share(basis_points: u8) -> f64 {
    f64::from(basis_points) * 1e-4
}

/// Direction, votes and gauges of a panel; empty where play never begins.
pub fn crypto_sections(set: &str, panel: &HourlyPanel, signals: &SignalSet) -> Vec<Section> {
    let Some(from) = panel.play_from() else {
        return Vec::new();
    };
    let days: Vec<String> = panel
        .times
        .iter()
        .skip(from)
        .step_by(24)
        .map(|at| at.format("%Y-%m-%d").to_string())
        .collect();
    vec![
        direction(set, panel, signals, &days),
        votes(set, panel, signals, &days),
        gauges(set, panel, from),
    ]
}

fn value(place: usize) -> impl Fn(&Hour) -> f64 {
    move |hour| hour.scores.get(place).copied().unwrap_or(0.0)
}

fn direction(set: &str, panel: &HourlyPanel, signals: &SignalSet, days: &[String]) -> Section {
    let mut section = Section::new(
        "direction",
        set,
        "P-hour: does it lead, and what does it net?",
    );
    section.note(format!(
        "Play from {} to {}. Sharpe ratios are daily, annualised by 365, net of the cost on \
         turnover; intervals by circular blocks of {BLOCK_DAYS} days.",
        days.first().map_or("-", String::as_str),
        days.last().map_or("-", String::as_str),
    ));
    let holding = panel.book(share(10), |_| 1.0).returns;
    for (place, name) in signals.names().iter().enumerate() {
        for cost in COSTS_BP {
            if cost != 10 && name != MIX {
                continue;
            }
            let book = panel.book(share(cost), value(place));
            let label = format!("Sharpe, {name}, {cost} bp");
            sharpe_row(&mut section, &label, &book.returns, Some(&holding));
        }
    }
    let long = panel
        .book(share(10), |hour| value(0)(hour).max(0.0))
        .returns;
    sharpe_row(
        &mut section,
        "Sharpe, mix long only, 10 bp",
        &long,
        Some(&holding),
    );
    sharpe_row(&mut section, "Sharpe, holding, 10 bp", &holding, None);
    let mix = panel.book(share(10), value(0)).returns;
    let middle = mix.len() / 2;
    for (name, half) in [("first", mix.get(..middle)), ("second", mix.get(middle..))] {
        let ratio = half.and_then(|half| series::sharpe(half, DAYS_PER_YEAR));
        let row = Row::new(
            format!("Sharpe, mix, {name} half"),
            ratio.unwrap_or(f64::NAN),
        );
        section.row(row);
    }
    section.row(Row::new("drawdown, mix", series::drawdown(&mix)).digits(3));
    section.row(Row::new("drawdown, holding", series::drawdown(&holding)).digits(3));
    correlations(&mut section, panel, signals);
    let books = [
        ("equal mix, 10 bp", mix.as_slice()),
        ("holding", holding.as_slice()),
    ];
    section.plots.extend(curves("Equal mix", days, &books));
    section
}

fn sharpe_row(section: &mut Section, label: &str, returns: &[f64], holding: Option<&[f64]>) {
    if let Some((ratio, interval)) = sharpe_with_interval(returns, BLOCK_DAYS, DAYS_PER_YEAR) {
        let alpha = holding.and_then(|h| series::alpha(returns, h, ALPHA_LAGS));
        let row = Row::new(label, ratio).interval(interval);
        section.row(
            row.t(alpha.map(|alpha| alpha.t))
                .count(returns.len() as u64),
        );
    }
}

fn correlations(section: &mut Section, panel: &HourlyPanel, signals: &SignalSet) {
    let mut plot = Vec::new();
    for (place, name) in signals.names().iter().enumerate() {
        let mut means = Vec::new();
        for horizon in HORIZONS_HOURS {
            let mut found = Vec::new();
            for asset in &panel.assets {
                let Some(ic) = panel.correlation(asset, horizon, value(place)) else {
                    continue;
                };
                found.push(ic.value);
                if horizon == 24 {
                    let label = format!("IC {horizon} h, {name}, {}", asset.symbol);
                    let row = Row::new(label, ic.value).digits(3).interval(ic.interval);
                    section.row(row.t(ic.t));
                }
            }
            means.push(series::mean(&found));
        }
        if place < SIGNALS_DRAWN {
            plot.push(Series {
                name: name.clone(),
                values: means,
            });
        }
    }
    section.plots.push(Plot::Bars {
        title: "Rank IC by horizon, mean of the assets".to_owned(),
        labels: HORIZONS_HOURS.map(|hours| format!("{hours} h")).to_vec(),
        series: plot,
    });
}

/// The votes of an hour, the hour and the one after it.
type Voted<'a> = (Vec<Option<Direction>>, Option<&'a Hour>, Option<&'a Hour>);

/// The hours of every asset in play, with the votes of the personalities.
fn hours_with_votes<'a>(panel: &'a HourlyPanel, signals: &SignalSet) -> Vec<Vec<Voted<'a>>> {
    let from = panel.play_from().unwrap_or(panel.times.len());
    panel
        .assets
        .iter()
        .map(|asset| {
            let ahead = asset.hours.iter().skip(from + 1);
            let pairs = asset.hours.iter().skip(from).zip(ahead);
            pairs
                .map(|(now, then)| {
                    let scores = now.as_ref().map(|hour| hour.scores.as_slice());
                    (
                        votes_of(scores.unwrap_or(&[]), signals),
                        now.as_ref(),
                        then.as_ref(),
                    )
                })
                .collect()
        })
        .collect()
}

fn votes(set: &str, panel: &HourlyPanel, signals: &SignalSet, days: &[String]) -> Section {
    let mut section = Section::new("votes", set, "The vote game: three of five by headcount");
    section.note(
        "The rules of the paper record that ships: quorum 3, minimum hold 12 h, out on an opposing \
         quorum or when no agreeing vote is left, cool-down 4 h; size fixed at entry.",
    );
    let from = panel.play_from().unwrap_or(0);
    let hours = hours_with_votes(panel, signals);
    let rules = CollectiveRules::default().paper_rules(signals.personalities().len());
    let years = (panel.times.len() - from) as f64 / 8_760.0;
    let mut shown: Vec<(String, Vec<f64>)> = Vec::new();
    for (shortable, kind) in [(true, ""), (false, " long only")] {
        for cost in COSTS_BP {
            let mut total: Vec<f64> = Vec::new();
            let (mut trades, mut held, mut steps) = (0, 0, 0);
            for asset in &hours {
                let steps_of = steps_of(panel, from, asset);
                let played = play(steps_of, rules, shortable, share(cost));
                trades += played.trades;
                held += played.steps_held;
                steps += played.returns.len();
                total.resize(total.len().max(asset.len()), 0.0);
                // An asset that appears late has its steps at the end.
                let late = asset.len() - played.returns.len();
                for (sum, value) in total.iter_mut().skip(late).zip(&played.returns) {
                    *sum += value;
                }
            }
            let daily = by_day(&total);
            let label = format!("Sharpe, three of five{kind}, {cost} bp");
            sharpe_row(&mut section, &label, &daily, None);
            if cost == 10 {
                let per_asset = trades as f64 / years / hours.len().max(1) as f64;
                section
                    .row(Row::new(format!("trades a year and asset{kind}"), per_asset).digits(0));
                let share_held = held as f64 / steps.max(1) as f64;
                section.row(Row::new(
                    format!("share of time in the market{kind}"),
                    share_held,
                ));
                shown.push((format!("three of five{kind}"), daily));
            }
        }
    }
    let books: Vec<(&str, &[f64])> = shown
        .iter()
        .map(|(name, book)| (name.as_str(), book.as_slice()))
        .collect();
    section.plots.extend(curves("Votes, 10 bp", days, &books));
    agreement_rows(
        &mut section,
        signals,
        hours.iter().flatten().map(|(votes, ..)| votes.as_slice()),
    );
    section
}

/// The decisions of one asset; hours before its first bar are left out.
fn steps_of<'a>(
    panel: &'a HourlyPanel,
    from: usize,
    hours: &'a [Voted<'a>],
) -> impl Iterator<Item = Step<'a>> {
    let times = panel.times.iter().skip(from);
    times.zip(hours).filter_map(|(at, (votes, now, then))| {
        let (now, then) = ((*now)?, (*then)?);
        Some(Step {
            decided: *at,
            votes,
            size: now.scale.unwrap_or(0.0),
            fill: then.bar.as_ref(),
            earned: then.close / now.close - 1.0,
        })
    })
}

/// Correlation of the votes and the effective number of voters.
pub(super) fn agreement_rows<'a>(
    section: &mut Section,
    signals: &SignalSet,
    votes: impl Iterator<Item = &'a [Option<Direction>]>,
) {
    let mut counts = VoteCounts::new(signals.personalities().len());
    for row in votes {
        counts.add(row);
    }
    let found = counts.agreement();
    section.row(Row::new("mean vote correlation", found.mean));
    section.row(Row::new("effective votes", found.effective).digits(1));
    section.plots.push(Plot::Heat {
        title: "Correlation of the votes".to_owned(),
        labels: signals
            .personalities()
            .iter()
            .map(|p| p.name.clone())
            .collect(),
        values: found.correlations,
    });
}

fn gauges(set: &str, panel: &HourlyPanel, from: usize) -> Section {
    let mut section = Section::new("gauges", set, "NVX: a gauge of the present, not a forecast");
    let days = 24;
    let mut labels = Vec::new();
    let (mut nvx, mut ranges, mut next) = (Vec::new(), Vec::new(), Vec::new());
    for place in (from + days..panel.times.len()).step_by(days) {
        let (Some(at), Some(value)) = (panel.times.get(place), panel.nvx.get(place)) else {
            continue;
        };
        let range = |start: usize| mean_range(panel, start..start + days);
        labels.push(at.format("%Y-%m-%d").to_string());
        nvx.push(*value);
        ranges.push(range(place + 1 - days).unwrap_or(0.0));
        next.push(range(place + 1).unwrap_or(0.0));
    }
    let forecast = next.len().saturating_sub(1);
    let now = spearman(&nvx, &ranges);
    let then = spearman(
        nvx.get(..forecast).unwrap_or(&[]),
        next.get(..forecast).unwrap_or(&[]),
    );
    section.row(Row::new(
        "nowcast: rank correlation with the day's range",
        now.unwrap_or(f64::NAN),
    ));
    section.row(Row::new("the day after", then.unwrap_or(f64::NAN)));
    section.plots.push(Plot::lines(
        "NVX",
        &labels,
        vec![Series::whole("NVX", nvx)],
        false,
    ));
    section
}

/// Mean over assets of ln(high / low) over some hours.
fn mean_range(panel: &HourlyPanel, hours: std::ops::Range<usize>) -> Option<f64> {
    let ranges: Vec<f64> = panel
        .assets
        .iter()
        .filter_map(|asset| {
            let part = asset.hours.get(hours.clone())?;
            let bars = part.iter().flatten().filter_map(|hour| hour.bar.as_ref());
            let (mut high, mut low) = (f64::MIN, f64::MAX);
            for bar in bars {
                high = high.max(bar.high);
                low = low.min(bar.low);
            }
            (high >= low).then(|| (high / low).ln())
        })
        .collect();
    series::mean(&ranges)
}
